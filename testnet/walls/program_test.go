//go:build linux

package walls

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// withoutFilters has every further seccomp filter refused, as some containers
// do.
func withoutFilters(args []string) error { return refusing(args, unix.SYS_SECCOMP) }

// withoutLandlock is a kernel before 5.13 in a container: no Landlock, and no
// namespaces of one's own.
func withoutLandlock(args []string) error {
	return refusing(args, unix.SYS_LANDLOCK_CREATE_RULESET, unix.SYS_CLONE3, unix.SYS_UNSHARE, unix.SYS_MOUNT)
}

// refusing runs a program for which the kernel does not have these calls.
func refusing(args []string, calls ...uint32) error {
	program := []unix.SockFilter{{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS}} // the number; it is of our architecture
	for i, call := range calls {
		program = append(program, unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: call, Jt: uint8(len(calls) - i)})
	}
	program = append(program,
		unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
		unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ERRNO | uint32(unix.ENOSYS)})
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	filter := unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]}
	_, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_TSYNC, uintptr(unsafe.Pointer(&filter)))
	if errno != 0 {
		return errno
	}
	return run(args)
}

// program builds sotto where every user can run it.
func program(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "sotto-walls-")
	require.NoError(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	require.NoError(t, os.Chmod(dir, 0o755))
	path := filepath.Join(dir, "sotto")
	out, err := exec.Command("go", "build", "-trimpath", "-o", path, "sotto/cmd/sotto").CombinedOutput()
	require.NoError(t, err, string(out))
	return path
}

// scene is where a sotto runs.
type scene struct {
	role string
	user int
	attr *syscall.SysProcAttr
}

// sotto runs it there, and returns what it printed and its exit code.
func (s scene) sotto(t *testing.T, path string, args ...string) (out, errs string, code int) {
	t.Helper()
	home, err := os.MkdirTemp(filepath.Dir(path), "home-")
	require.NoError(t, err)
	require.NoError(t, os.Chown(home, s.user, s.user))
	cmd := self(t, s.role, append([]string{path}, args...)...)
	cmd.SysProcAttr, cmd.Dir = s.attr, home
	cmd.Env = []string{"HOME=" + home, "PATH=" + os.Getenv("PATH")}
	var stdout, stderr strings.Builder
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		var exit *exec.ExitError
		require.True(t, errors.As(err, &exit), err)
	}
	return stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()
}

func as(user int) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(user), Gid: uint32(user)}}
}

const link = "magnet:?xt=urn:btih:abababababababababababababababababababab"

// The program itself: what prove says of the walls, and that nothing runs
// behind walls that do not hold unless the user has accepted it, which it says
// at each start.
func TestProveAndRefuse(t *testing.T) {
	path := program(t)
	for name, tc := range map[string]struct {
		scene
		label string
	}{
		"root":               {scene{"exec", 0, nil}, "sealed"},
		"an ordinary user":   {scene{"exec", ordinary, as(ordinary)}, "sealed"},
		"no user namespaces": {scene{"no-users", 0, noNamespaces(0)}, "confined"},
		"no namespaces":      {scene{"no-namespaces", ordinary, noNamespaces(ordinary)}, "confined"},
		"no filter":          {scene{"no-filter", ordinary, as(ordinary)}, "open"},
		"no filter, as root": {scene{"no-filter", 0, nil}, "open"},
		"an old kernel":      {scene{"no-landlock", ordinary, as(ordinary)}, "open"},
	} {
		t.Run(name, func(t *testing.T) {
			out, errs, code := tc.sotto(t, path, "--json", "prove")
			var verdict struct {
				Label   string
				Missing []string
				Results []struct{ Name, Reveals string }
			}
			require.NoError(t, json.Unmarshal([]byte(out), &verdict), errs)
			require.Equal(t, tc.label, verdict.Label, verdict.Missing)
			require.Greater(t, len(verdict.Results), 100)
			refused := tc.label == "open"
			require.Equal(t, map[bool]int{false: 0, true: 15}[refused], code, errs)

			_, errs, code = tc.sotto(t, path, "inspect", link)
			if !refused {
				require.Zero(t, code, errs)
				require.Empty(t, errs)
				return
			}
			require.Equal(t, 15, code, errs)
			require.Contains(t, errs, "--accept-unconfined")
			for range 2 {
				out, errs, code = tc.sotto(t, path, "--accept-unconfined", "inspect", link)
				require.Zero(t, code, errs)
				require.Contains(t, out, "info hash")
				require.Contains(t, errs, "UNCONFINED, as you accepted")
			}
		})
	}
}
