//go:build linux && (amd64 || arm64)

package cage

import (
	"context"
	"fmt"
	"os"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// start cages this program with a folder to change and one to read.
func start(t *testing.T, spec Spec) *Child {
	t.Helper()
	if spec.Files == nil {
		spec.Files = []*os.File{nil, nil, stderr()}
	}
	if spec.Write == nil {
		spec.Write, spec.Read = []string{t.TempDir()}, append(spec.Read, t.TempDir())
	}
	c, err := Start(spec)
	require.NoError(t, err)
	t.Cleanup(func() {
		c.Kill()
		_ = c.Wait()
	})
	return c
}

// stderr is ours, unless it is a terminal: no child is let in with one that it
// can read.
func stderr() *os.File {
	if _, err := unix.IoctlGetTermios(2, unix.TCGETS); err == nil {
		return nil
	}
	return os.Stderr
}

func prove(t *testing.T, c *Child) Verdict {
	t.Helper()
	v, err := c.Prove(context.Background())
	require.NoError(t, err)
	return v
}

// best is the label to be had here, and whether the engine has namespaces at
// all: the kernel may refuse us those of users, or any.
func best(t *testing.T) (label Label, own bool) {
	t.Helper()
	require.NoError(t, unix.Prctl(unix.PR_SET_DUMPABLE, 1, 0, 0, 0))
	for i, n := range namespaces {
		cmd := command(Spec{}, os.Stderr, n.flags)
		cmd.Path, cmd.Args = "/bin/true", []string{"true"}
		err := cmd.Run()
		if err == nil {
			return []Label{Sealed, Confined}[i], true
		}
		require.True(t, unsupported(err), err)
	}
	return Confined, false
}

func TestEveryAttemptIsBlocked(t *testing.T) {
	want, own := best(t)
	c := start(t, Spec{})
	v := prove(t, c)
	t.Logf("label %s, %d attempts", v.Label, len(v.Results))
	require.Equal(t, want, v.Label, "%v %+v", v.Missing, v.Facts)
	require.GreaterOrEqual(t, len(v.Results), 60)
	names := map[string]bool{}
	for _, r := range v.Results {
		require.False(t, names[r.Name], r.Name)
		require.NotEmpty(t, r.Reveals, r.Name)
		names[r.Name] = true
	}
	require.Equal(t, want == Sealed, v.Facts.OwnUsers)
	require.Equal(t, want == Sealed, v.Facts.Refused == nil, v.Facts.Refused)
	require.Equal(t, own, v.Facts.OwnNetwork)
	require.Equal(t, own, v.Holes() == nil, v.Holes())
	require.NoError(t, c.Admit())
	require.NoError(t, c.Wait())
	require.False(t, c.Incidents().Any())
}

// Every wall stops something that the others let through: with it gone, on top
// of those that stop the same things, the attempts are seen to succeed.
func TestEveryWallIsReal(t *testing.T) {
	stray, err := unix.Dup(2) // not closed on exec: what a careless parent leaves behind
	require.NoError(t, err)
	defer unix.Close(stray)
	var pair [2]int
	require.NoError(t, unix.Pipe(pair[:]))
	defer unix.Close(pair[0])
	defer unix.Close(pair[1])
	t.Setenv("SOTTO_TEST", "left over")

	files, outer := Root|Landlock, Walls(0)
	if _, own := best(t); !own {
		outer = Namespaces | Root
	}
	for _, tc := range []struct {
		gone, wall Walls
		opens      []string
		ordinary   bool // root has more capabilities than its caged self: always out of reach
	}{
		{outer, Seccomp, []string{"io_uring", "fork", "map code", "netlink route", "interfaces by an inherited socket", "make a program setuid", "add a key"}, false},
		{outer, Stripped, []string{"environment", "stray descriptors"}, false},
		{outer | Landlock, Root | Namespaces, []string{"read a file outside", "create a file outside", "machine id", "remove a file outside"}, false},
		{outer | Root, Landlock, []string{"read a file outside", "create a file outside", "machine id", "remove a file outside"}, false},
		{outer | Seccomp, Namespaces, []string{"udp4 sendto", "multipath tcp", "tcp fast open", "named socket", "go lookup"}, false},
		{outer, Root, []string{"ask about a file outside", "other processes"}, false},
		{Namespaces | files, Hidden, []string{"parent's environment", "parent's memory", "parent's descriptors"}, true},
		{0, allWalls, []string{"tcp4", "tcp6", "go dial", "abstract socket", "signal the parent", "run a program", "run from memory", "symbolic link out", "read the user's keyring"}, false},
	} {
		if tc.ordinary && os.Geteuid() == 0 || outer.Has(tc.wall) {
			continue
		}
		t.Run(fmt.Sprintf("%s beside %s", tc.wall, tc.gone), func(t *testing.T) {
			before := prove(t, start(t, Spec{Without: tc.gone}))
			after := prove(t, start(t, Spec{Without: tc.gone | tc.wall}))
			var opened []string
			for _, name := range after.Holes() {
				if !slices.Contains(before.Holes(), name) {
					opened = append(opened, name)
				}
			}
			t.Logf("%d more succeed: %q", len(opened), opened)
			require.Subset(t, opened, tc.opens)
			if !tc.wall.Has(Namespaces) && tc.wall != Root {
				require.NotEqual(t, Sealed, after.Label)
			}
		})
	}
}

// A missing wall never shows as sealed, whatever the attack says.
func TestNoWallIsMissedSilently(t *testing.T) {
	for _, w := range []Walls{Namespaces, Root, Landlock, Seccomp, Hidden, Stripped} {
		t.Run(w.String(), func(t *testing.T) {
			v := prove(t, start(t, Spec{Without: w}))
			require.NotEqual(t, Sealed, v.Label)
			require.NotEmpty(t, v.Missing)
		})
	}
}

func TestInheritedDescriptorsAreChecked(t *testing.T) {
	socket := func(domain, kind int) *os.File {
		fd, err := unix.Socket(domain, kind|unix.SOCK_CLOEXEC, 0)
		require.NoError(t, err)
		return os.NewFile(uintptr(fd), "socket")
	}
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	require.NoError(t, err)
	folder, err := os.Open(t.TempDir())
	require.NoError(t, err)
	terminal, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	require.NoError(t, err)
	for name, f := range map[string]*os.File{
		"tcp":            socket(unix.AF_INET, unix.SOCK_STREAM),
		"udp":            socket(unix.AF_INET, unix.SOCK_DGRAM),
		"lone unix":      socket(unix.AF_UNIX, unix.SOCK_STREAM),
		"datagram pair":  os.NewFile(uintptr(pair[0]), "pair"),
		"datagram pair2": os.NewFile(uintptr(pair[1]), "pair"),
		"folder":         folder,
		"terminal":       terminal,
	} {
		t.Run(name, func(t *testing.T) {
			require.NoError(t, unix.SetNonblock(int(f.Fd()), false))
			c := start(t, Spec{Files: []*os.File{nil, nil, nil, f}})
			_, err := c.Prove(context.Background())
			require.Error(t, err)
			var exit interface{ ExitCode() int }
			require.ErrorAs(t, c.Wait(), &exit)
			require.Equal(t, exitLeak, exit.ExitCode())
			f.Close()
		})
	}
}

func TestStartAgain(t *testing.T) {
	for range 3 {
		c := start(t, Spec{})
		require.NotEqual(t, Open, prove(t, c).Label)
		c.Kill()
		require.Error(t, c.Wait())
	}
}

func TestWithoutAWordNothingRuns(t *testing.T) {
	c := start(t, Spec{Args: []string{"touch", "x"}})
	prove(t, c)
	c.line.Close()
	var exit interface{ ExitCode() int }
	require.ErrorAs(t, c.Wait(), &exit)
	require.Equal(t, 3, exit.ExitCode())
}

func TestProveEndsWithItsContext(t *testing.T) {
	c := start(t, Spec{})
	require.NoError(t, c.process.Signal(syscall.SIGSTOP))
	ctx, cancel := context.WithCancel(context.Background())
	time.AfterFunc(10*time.Millisecond, cancel)
	for {
		if _, err := c.Prove(ctx); err != nil {
			require.ErrorIs(t, err, context.Canceled)
			return
		}
	}
}

// The kernel ends the child with its parent, with no help from the child.
func TestParentKilled(t *testing.T) {
	r, w, err := os.Pipe()
	require.NoError(t, err)
	defer r.Close()
	p, err := os.StartProcess("/proc/self/exe", []string{os.Args[0], "parent", t.TempDir()}, &os.ProcAttr{Files: []*os.File{nil, w, os.Stderr}})
	require.NoError(t, err)
	w.Close()
	var child int
	_, err = fmt.Fscan(r, &child)
	require.NoError(t, err)
	require.NoError(t, syscall.Kill(child, syscall.SIGSTOP)) // so that it cannot see the end of a pipe
	require.NoError(t, p.Kill())
	_, err = p.Wait()
	require.NoError(t, err)
	require.Eventually(t, func() bool { return ended(child) }, 30*time.Second, 5*time.Millisecond)
}

// ended: gone, or waiting for somebody to notice.
func ended(pid int) bool {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	return err != nil || status(string(raw))["State"] == "Z (zombie)"
}
