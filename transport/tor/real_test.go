//go:build linux

package tor

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"sotto/anon"
	"sotto/transport/tor/control"
	"sotto/transport/tor/router"
	"sotto/transport/tor/socks"
)

// These tests run the system's tor without a network: its only directory
// authority is a closed port of this machine.
var nowhere = []string{
	"DirAuthority x orport=1 no-v2 v3ident=0000000000000000000000000000000000000001 127.0.0.1:1 0000000000000000000000000000000000000001",
	"UseDefaultFallbackDirs 0",
}

func child(t *testing.T, extra ...string) *Transport {
	t.Helper()
	tr, err := New(Config{UnsafeTorrc: append(extra, nowhere...), StateDir: t.TempDir()})
	require.NoError(t, err)
	t.Cleanup(func() { tr.Close() })
	return tr
}

func probe(t *testing.T, tr *Transport) int {
	t.Helper()
	s, err := tr.Probe(within(t))
	require.NoError(t, err)
	require.True(t, s.Proven)
	require.False(t, s.Ready, "there is no network to be ready on")
	require.NotEmpty(t, s.Version)
	require.NotEmpty(t, s.Note)
	pid := tr.RouterPID()
	require.NotZero(t, pid)
	return pid
}

func TestChildHasNoInternetListener(t *testing.T) {
	tr := child(t)
	pid := probe(t, tr)
	require.Empty(t, listeners(t, pid))
	require.NotEmpty(t, listeners(t, listenerHere(t)), "the check itself finds no listener")

	env, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
	require.NoError(t, err)
	require.Empty(t, env)
	info, err := os.Stat(tr.home.Dir())
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o700), info.Mode().Perm())
}

// listenerHere starts a process that listens on TCP, the positive control.
func listenerHere(t *testing.T) int {
	t.Helper()
	cmd := exec.Command(os.Args[0], listenerArg)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	_, err = bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	return cmd.Process.Pid
}

// listeners returns the TCP listeners and UDP sockets that pid holds, out of
// its descriptors and its network namespace's tables.
func listeners(t *testing.T, pid int) (found []string) {
	t.Helper()
	inodes := map[string]bool{}
	fds, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	require.NoError(t, err)
	for _, fd := range fds {
		if link, err := os.Readlink(fmt.Sprintf("/proc/%d/fd/%s", pid, fd.Name())); err == nil {
			if inode, ok := strings.CutPrefix(link, "socket:["); ok {
				inodes[strings.TrimSuffix(inode, "]")] = true
			}
		}
	}
	require.NotEmpty(t, inodes)
	for _, table := range []string{"tcp", "tcp6", "udp", "udp6", "raw", "raw6"} {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/net/%s", pid, table))
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		require.NoError(t, err)
		for _, row := range strings.Split(string(text), "\n") {
			f := strings.Fields(row)
			const listening = "0A"
			if len(f) > 9 && inodes[f[9]] && (!strings.HasPrefix(table, "tcp") || f[3] == listening) {
				found = append(found, table+" "+f[1])
			}
		}
	}
	return found
}

func TestChildRefusesTheOpenInternet(t *testing.T) {
	tr := child(t)
	probe(t, tr)
	for _, host := range []string{"example.com", "127.0.0.1", "192.0.2.1", "localhost", "::1"} {
		c, err := dialLocal(within(t), local{"unix", tr.home.Socks()})
		require.NoError(t, err)
		err = socks.Connect(within(t), c, socks.Auth{User: "u", Password: "p"}, host, 80)
		require.ErrorIs(t, err, anon.ErrLeak, host)
		var refused *socks.Error
		require.ErrorAs(t, err, &refused)
		require.Equal(t, byte(0x02), refused.Code)
		c.Close()
	}
}

func TestOurRulesCannotBeChanged(t *testing.T) {
	for _, line := range []string{
		"SocksPort 127.0.0.1:39998", "SocksPort auto", "ORPort auto", "DNSPort auto", "ControlPort auto",
		"TransPort auto", "MetricsPort 127.0.0.1:39999",
	} {
		tr := child(t, line)
		_, err := tr.Probe(within(t))
		require.ErrorIs(t, err, anon.ErrUnavailable, line)
		require.ErrorIs(t, err, anon.ErrLeak, line)
		require.Zero(t, tr.RouterPID(), line)
		require.NoError(t, tr.Close())
	}
}

func TestABadTorrcIsExplained(t *testing.T) {
	tr := child(t, "NoSuchOption 1")
	s, err := tr.Probe(within(t))
	require.ErrorIs(t, err, anon.ErrUnavailable)
	require.ErrorContains(t, err, "NoSuchOption")
	require.Contains(t, s.Note, "nothing was sent another way")
}

func TestTorIsMissing(t *testing.T) {
	tr, err := New(Config{Binary: filepath.Join(t.TempDir(), "tor")})
	require.NoError(t, err)
	defer tr.Close()
	s, err := tr.Probe(within(t))
	require.ErrorIs(t, err, anon.ErrUnavailable)
	require.ErrorIs(t, err, router.ErrMissing)
	require.Contains(t, s.Note, "apt install tor")
	_, err = tr.Open(within(t), identity())
	require.ErrorIs(t, err, anon.ErrUnavailable)
}

func TestOpenWithoutANetworkEndsWithItsContext(t *testing.T) {
	tr := child(t)
	pid := probe(t, tr)
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	_, err := tr.Open(ctx, identity())
	require.ErrorIs(t, err, anon.ErrUnavailable)
	require.ErrorIs(t, err, ctx.Err())
	require.ErrorContains(t, err, "%")
	require.Equal(t, pid, tr.RouterPID(), "one caller's impatience must not cost the child")
}

func TestChildComesBackWithTheSameOnion(t *testing.T) {
	tr := child(t)
	pid := probe(t, tr)
	l, _, _ := tr.current()
	e, err := tr.newEndpoint(identity())
	require.NoError(t, err)
	require.NoError(t, e.listen())
	require.NoError(t, e.host(within(t), l))
	e.start(func() { e.keep(l) })
	id := e.id
	require.Contains(t, onions(t, tr), id)

	require.NoError(t, syscall.Kill(pid, syscall.SIGKILL))
	require.Eventually(t, func() bool {
		now := tr.RouterPID()
		return now != 0 && now != pid
	}, patience, 10*time.Millisecond)
	require.Eventually(t, func() bool { return strings.Contains(onions(t, tr), id) }, patience, 50*time.Millisecond)
	require.NoError(t, e.Close())
	require.NotContains(t, onions(t, tr), id)
}

// The key that we make is one that tor takes, and its address is the one that
// tor finds.
func TestTorTakesOurKey(t *testing.T) {
	tr := child(t)
	key, addr := NewOnionKey(80)
	l, err := tr.Listen(Private{Key: key, Addr: addr, Clients: []anon.Secret{NewClientKey(), NewClientKey()}})
	require.NoError(t, err)
	require.Zero(t, tr.RouterPID(), "nobody has asked for anything yet")
	ended := make(chan error, 1)
	go func() { _, err := l.Accept(); ended <- err }()
	id := strings.TrimSuffix(addr.Host(), ".onion")
	require.Eventually(t, func() bool { return strings.Contains(onions(t, tr), id) }, patience, 50*time.Millisecond)
	pid := tr.RouterPID()
	require.NoError(t, syscall.Kill(pid, syscall.SIGKILL))
	require.Eventually(t, func() bool {
		now := tr.RouterPID()
		return now != 0 && now != pid && strings.Contains(onions(t, tr), id)
	}, patience, 50*time.Millisecond)
	require.NoError(t, l.Close())
	require.ErrorIs(t, <-ended, net.ErrClosed)
	require.NotContains(t, onions(t, tr), id)
}

// TestStrangersCannotPoseAsTor: whoever gets at the socket is asked for, and
// the kernel names another process than our child.
func TestStrangersCannotPoseAsTor(t *testing.T) {
	tr := child(t)
	probe(t, tr)
	l, _, _ := tr.current()
	e, err := tr.newEndpoint(identity())
	require.NoError(t, err)
	require.NoError(t, e.listen())
	e.start(e.acceptAll)
	info, err := os.Stat(e.target)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())

	stranger, err := net.Dial("unix", e.target)
	require.NoError(t, err)
	defer stranger.Close()
	_, err = stranger.Read(make([]byte, 1))
	require.Error(t, err)

	ln, err := net.Listen("unix", filepath.Join(tr.home.Dir(), "false"))
	require.NoError(t, err)
	defer ln.Close()
	_, err = l.dialProven(within(t), local{"unix", ln.Addr().String()})
	require.ErrorIs(t, err, anon.ErrLeak)
}

func onions(t *testing.T, tr *Transport) string {
	l, _, _ := tr.current()
	if l == nil {
		return ""
	}
	vals, err := l.cmd.Info(within(t), "onions/current")
	if err != nil {
		return ""
	}
	return fmt.Sprint(vals)
}

func TestChildEndsWithItsControlConnection(t *testing.T) {
	tr := child(t)
	l, err := tr.launch(within(t))
	require.NoError(t, err)
	defer l.shutdown()
	l.cmd.Close()
	select {
	case <-l.child.Done():
	case <-time.After(patience):
		t.Fatal("tor outlives the connection that owns it")
	}
}

func TestCloseLeavesNothing(t *testing.T) {
	tr := child(t)
	pid := probe(t, tr)
	dir := tr.home.Dir()
	require.NoError(t, tr.Close())
	require.False(t, alive(pid))
	_, err := os.Stat(dir)
	require.ErrorIs(t, err, os.ErrNotExist)
}

const (
	ownerArg    = "own-a-tor"
	listenerArg = "listen-on-tcp"
)

// bodies are what this test binary can be started as.
var bodies = map[string]func(){ownerArg: ownTor, listenerArg: listenOnTCP}

// ownTor is the body of a process that starts a tor and is then killed.
func ownTor() {
	tr, err := New(Config{UnsafeTorrc: nowhere})
	if err == nil {
		_, err = tr.Probe(context.Background())
	}
	fmt.Println(tr.RouterPID(), tr.home.Dir(), err)
	select {}
}

// listenOnTCP is the body of a process that has what a child must not have.
func listenOnTCP() {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return
	}
	fmt.Println(ln.Addr())
	select {}
}

func TestChildDiesWithItsOwner(t *testing.T) {
	cmd := exec.Command(os.Args[0], ownerArg)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	f := strings.Fields(line)
	require.Equal(t, "<nil>", f[2], line)
	pid, err := strconv.Atoi(f[0])
	require.NoError(t, err)
	defer os.RemoveAll(f[1])
	require.True(t, alive(pid))

	require.NoError(t, cmd.Process.Kill())
	cmd.Wait()
	require.Eventually(t, func() bool { return !alive(pid) }, patience, 10*time.Millisecond)
}

// alive is false also for a dead process that nobody has waited for yet.
func alive(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	_, rest, _ := strings.Cut(string(stat), ") ")
	return !strings.HasPrefix(rest, "Z") && !strings.HasPrefix(rest, "X")
}

// A key of our making is one that tor takes, and gives the same onion each time.
func TestNewKeyIsGoodForTor(t *testing.T) {
	tr := child(t)
	probe(t, tr)
	l, _, _ := tr.current()
	key, err := tr.NewKey(t.Context())
	require.NoError(t, err)
	var ids []string
	for range 2 {
		s, err := l.cmd.AddOnion(within(t), control.Onion{Key: key, Port: 80, Target: filepath.Join(tr.runDir, "none")})
		require.NoError(t, err)
		require.Equal(t, key.Expose(), s.Key.Expose())
		ids = append(ids, s.ID)
		require.NoError(t, l.cmd.DelOnion(within(t), s.ID))
	}
	require.Equal(t, ids[0], ids[1])
	other, err := tr.NewKey(t.Context())
	require.NoError(t, err)
	require.NotEqual(t, key.Expose(), other.Expose())
	require.NoError(t, tr.Close())
	_, err = tr.NewKey(t.Context())
	require.ErrorIs(t, err, net.ErrClosed)
}
