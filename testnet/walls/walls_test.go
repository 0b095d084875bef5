//go:build linux

package walls

import (
	"bufio"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// ordinary is a user that no system has.
const ordinary = 12345

// suite builds the tests of anon/cage where every user can run them.
func suite(t *testing.T, user int) (program, home string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "sotto-walls-")
	require.NoError(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	require.NoError(t, os.Chmod(dir, 0o755))
	home = filepath.Join(dir, "home")
	require.NoError(t, os.Mkdir(home, 0o700))
	require.NoError(t, os.Chown(home, user, user))
	program = filepath.Join(dir, "cage.test")
	out, err := exec.Command("go", "test", "-c", "-o", program, "sotto/anon/cage").CombinedOutput()
	require.NoError(t, err, string(out))
	return program, home
}

func self(t *testing.T, role string, args ...string) *exec.Cmd {
	t.Helper()
	path, err := os.Executable()
	require.NoError(t, err)
	copied := filepath.Join(filepath.Dir(args[0]), "walls.test")
	if !filepath.IsAbs(args[0]) {
		copied = filepath.Join(t.TempDir(), "walls.test")
	}
	raw, err := os.ReadFile(path) // its folder is root's
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(copied, raw, 0o755))
	return exec.Command(copied, append([]string{role}, args...)...)
}

// The whole suite of anon/cage, and the label at the end of it.
func TestCageSuite(t *testing.T) {
	for _, tc := range []struct {
		name, role, label string
		user              int
		attr              *syscall.SysProcAttr
	}{
		{"root", "exec", "sealed", 0, nil},
		{"an ordinary user", "exec", "sealed", ordinary, &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: ordinary, Gid: ordinary}}},
		{"root, user namespaces forbidden", "no-users", "confined", 0, noNamespaces(0)},
		{"an ordinary user, namespaces forbidden", "no-namespaces", "confined", ordinary, noNamespaces(ordinary)},
	} {
		t.Run(tc.name, func(t *testing.T) {
			program, home := suite(t, tc.user)
			cmd := self(t, tc.role, program, "-test.v")
			cmd.SysProcAttr, cmd.Dir = tc.attr, home
			cmd.Env = []string{"TMPDIR=" + home, "HOME=" + home, "PATH=" + os.Getenv("PATH")}
			out, err := cmd.CombinedOutput()
			require.NoError(t, err, string(out))
			require.Contains(t, string(out), "label "+tc.label+", ")
			require.NotContains(t, string(out), "--- SKIP")
			for _, line := range regexp.MustCompile(`(?m)^.*(more succeed|label ).*$`).FindAllString(string(out), -1) {
				t.Log(strings.TrimSpace(line))
			}
		})
	}
}

var warning = regexp.MustCompile(`\[(?:warn|err)\].*`)

// A tor that the narrowed broker starts opens its sockets and says nothing that
// it does not say otherwise.
func TestTorUnderANarrowedBroker(t *testing.T) {
	require.Equal(t, torWarnings(t, "exec"), torWarnings(t, "narrowed"))
}

// torWarnings runs a tor in an empty network namespace until it answers on its
// control socket.
func torWarnings(t *testing.T, role string) []string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "tor")
	require.NoError(t, os.Mkdir(dir, 0o700)) // tor wants it so
	control := filepath.Join(dir, "control")
	cmd := self(t, role, "tor", "-f", "/dev/null", "--defaults-torrc", "/dev/null", "--ignore-missing-torrc",
		"--DataDirectory", filepath.Join(dir, "data"), "--SocksPort", "unix:"+filepath.Join(dir, "socks"),
		"--ControlPort", "unix:"+control, "--Log", "notice stdout")
	// Its own network: whatever it tries goes nowhere.
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	cmd.Stderr = cmd.Stdout
	require.NoError(t, cmd.Start())
	said := make(chan []string)
	go func() {
		var lines []string
		for s := bufio.NewScanner(out); s.Scan(); {
			if w := warning.FindString(s.Text()); w != "" {
				lines = append(lines, strings.ReplaceAll(w, dir, "DIR"))
			}
		}
		said <- lines
	}()
	var answer string
	require.Eventually(t, func() bool {
		c, err := net.Dial("unix", control)
		if err != nil {
			return false
		}
		defer c.Close()
		_, err = c.Write([]byte("PROTOCOLINFO\r\n"))
		require.NoError(t, err)
		answer, err = bufio.NewReader(c).ReadString('\n')
		return err == nil
	}, time.Minute, 50*time.Millisecond)
	require.Equal(t, "250-PROTOCOLINFO 1\r\n", answer)
	require.NoError(t, cmd.Process.Signal(unix.SIGTERM))
	warnings := <-said
	require.NoError(t, cmd.Wait())
	slices.Sort(warnings)
	return slices.Compact(warnings)
}
