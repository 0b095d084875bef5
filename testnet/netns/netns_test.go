package netns_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"sotto/testnet/daemon"
	"sotto/testnet/netns"
)

// role is read by this test binary when it is started again by a test.
const role = "NETNS_TEST_ROLE"

func TestMain(m *testing.M) {
	play, ok := roles[os.Getenv(role)]
	if !ok {
		goleak.VerifyTestMain(m)
	}
	os.Exit(play())
}

var roles = map[string]func() int{
	"exit 7":  func() int { return arrived(func() error { os.Exit(7); return nil }) },
	"look":    func() int { return arrived(lookAround) },
	"wait":    func() int { return arrived(func() error { fmt.Println("waiting"); select {} }) },
	"killed":  func() int { return arrived(func() error { return syscall.Kill(os.Getpid(), syscall.SIGKILL) }) },
	"nested":  func() int { return arrived(nest) },
	"house":   func() int { return arrived(keepHouse) },
	"outer":   func() int { return outer("house") },
	"pretend": func() int { return arrived(func() error { return nil }) },
	"wrap": func() int {
		return netns.Wrap(runner(func() int { fmt.Println("inside:", netns.Inside()); return 5 })).Run()
	},
}

type runner func() int

func (r runner) Run() int { return r() }

func arrived(then func() error) int {
	err := netns.Arrive()
	if err == nil {
		err = then()
	}
	if err != nil {
		fmt.Println(err)
		return 1
	}
	return 0
}

func outer(inner string) int {
	code, err := netns.Run(context.Background(), netns.Config{Env: as(inner), Stdout: os.Stdout, Stderr: os.Stderr})
	if err != nil {
		fmt.Println(err)
		return 99
	}
	return code
}

// keepHouse has a daemon that holds our standard output open, and waits.
func keepHouse() error {
	_, err := daemon.Start(daemon.Spec{Path: "sleep", Args: []string{"600"}, Log: "/dev/stdout"})
	if err != nil {
		return err
	}
	fmt.Println("waiting")
	select {}
}

func nest() error {
	_, err := netns.Run(context.Background(), netns.Config{})
	if err == nil {
		return errors.New("a namespace was nested in another")
	}
	return nil
}

func lookAround() error {
	links, err := net.Interfaces()
	if err != nil {
		return err
	}
	if len(links) != 1 || links[0].Name != "lo" || links[0].Flags&net.FlagUp == 0 {
		return fmt.Errorf("interfaces %v", links)
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return err
	}
	if bytes.Contains(mounts, []byte(" shared:")) {
		return errors.New("what is mounted here is seen outside")
	}
	if c, err := net.DialTimeout("udp", "192.0.2.1:9", time.Second); err == nil {
		c.Close()
		return errors.New("there is a way out")
	} else if !errors.Is(err, syscall.ENETUNREACH) {
		return err
	}
	for _, a := range []string{"198.18.1.1", "198.18.1.1", "fd00::1"} {
		if err := netns.AddAddr("lo", netip.MustParseAddr(a)); err != nil {
			return err
		}
	}
	for _, a := range []string{"127.0.0.1:0", "[::1]:0", "198.18.1.1:0", "[fd00::1]:0"} {
		l, err := net.Listen("tcp", a)
		if err != nil {
			return err
		}
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			return err
		}
		c.Close()
		l.Close()
	}
	return netns.AddDefaultRoute("lo", false)
}

func as(r string) []string { return append(os.Environ(), role+"="+r) }

func TestRunPassesOnHowTheInnerProcessEnded(t *testing.T) {
	for r, want := range map[string]int{"exit 7": 7, "look": 0, "nested": 0, "killed": 128 + 9} {
		t.Run(r, func(t *testing.T) {
			var out bytes.Buffer
			code, err := netns.Run(context.Background(), netns.Config{Env: as(r), Stdout: &out, Stderr: &out})
			require.NoError(t, err)
			require.Equal(t, want, code, out.String())
		})
	}
}

func TestWrapRunsInside(t *testing.T) {
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = as("wrap")
	out, err := cmd.Output()
	var exit *exec.ExitError
	require.ErrorAs(t, err, &exit)
	require.Equal(t, 5, exit.ExitCode())
	require.Equal(t, "inside: true\n", string(out))
}

// The outer process, the inner and its daemon hold the write end of one pipe,
// so that its end of file means that all are gone.
func TestNobodyOutlivesTheOuterProcess(t *testing.T) {
	for _, s := range []syscall.Signal{syscall.SIGKILL, syscall.SIGTERM} {
		t.Run(s.String(), func(t *testing.T) {
			r, w, err := os.Pipe()
			require.NoError(t, err)
			defer r.Close()
			cmd := exec.Command("/proc/self/exe")
			cmd.Env, cmd.Stdout = as("outer"), w
			require.NoError(t, cmd.Start())
			w.Close()
			require.NoError(t, r.SetReadDeadline(time.Now().Add(time.Minute)))
			lines := bufio.NewReader(r)
			line, err := lines.ReadString('\n')
			require.NoError(t, err)
			require.Equal(t, "waiting\n", line)
			require.NoError(t, cmd.Process.Signal(s))
			_, err = io.Copy(io.Discard, lines)
			require.NoError(t, err, "somebody is still there")
			require.Error(t, cmd.Wait())
			if s == syscall.SIGTERM {
				require.Equal(t, 128+int(s), cmd.ProcessState.ExitCode())
			}
		})
	}
}

func TestRunEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	r, w, err := os.Pipe()
	require.NoError(t, err)
	defer r.Close()
	defer w.Close()
	go func() {
		bufio.NewReader(r).ReadString('\n') // it is waiting
		cancel()
	}()
	code, err := netns.Run(ctx, netns.Config{Env: as("wait"), Stdout: w})
	require.NoError(t, err)
	require.Equal(t, 128+int(syscall.SIGTERM), code)

	// Ended beforehand, it does not run, or not for long.
	code, err = netns.Run(ctx, netns.Config{Env: as("wait")})
	require.NoError(t, err)
	require.Equal(t, 128+int(syscall.SIGTERM), code)
}

// A mark alone does not make a namespace: here it is set by hand.
func TestArriveRefusesTheMachinesOwnNamespace(t *testing.T) {
	self := func(kind string) string {
		n, err := os.Readlink("/proc/self/ns/" + kind)
		require.NoError(t, err)
		return n
	}
	for name, mark := range map[string]string{
		"true mark, same place": self("net") + "," + self("mnt"),
		"nonsense":              "yes",
		"same mounts":           "net:[1]," + self("mnt"),
	} {
		t.Run(name, func(t *testing.T) {
			cmd := exec.Command("/proc/self/exe")
			cmd.Env = append(as("pretend"), "LAB_OUTSIDE="+mark)
			out, err := cmd.Output()
			require.Error(t, err)
			require.True(t, strings.HasPrefix(string(out), netns.ErrNotPrivate.Error()), "%s", out)
		})
	}
}

func TestNothingIsChangedOutside(t *testing.T) {
	require.False(t, netns.Inside())
	require.ErrorIs(t, netns.Arrive(), netns.ErrNotPrivate)
	require.ErrorIs(t, netns.Up("lo"), netns.ErrNotPrivate)
	require.ErrorIs(t, netns.AddAddr("lo", netip.MustParseAddr("198.18.1.1")), netns.ErrNotPrivate)
	require.ErrorIs(t, netns.AddDefaultRoute("lo", true), netns.ErrNotPrivate)
}
