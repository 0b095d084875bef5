package tornet_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"sotto/testnet/daemon"
	"sotto/testnet/netns"
	"sotto/testnet/tornet"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(netns.Wrap(m)) }

// TestOnionAnswers takes the whole way: a service on one client of the
// network, a byte there and back from another.
func TestOnionAnswers(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	begin := time.Now()
	n, err := tornet.Start(ctx, tornet.Config{Dir: t.TempDir(), Log: t.Output()})
	require.NoError(t, err)
	defer n.Close()
	pids := n.PIDs()
	require.Len(t, pids, 5)

	dir := short(t)
	service, client := startClient(t, n, dir, "service"), startClient(t, n, dir, "client")
	echo, err := net.Listen("unix", filepath.Join(dir, "echo"))
	require.NoError(t, err)
	echoed := make(chan struct{})
	go func() {
		defer close(echoed)
		if c, err := echo.Accept(); err == nil {
			io.Copy(c, c)
			c.Close()
		}
	}()
	defer func() { echo.Close(); <-echoed }()

	service.say(t, "SETEVENTS HS_DESC")
	var onion string
	for _, line := range service.say(t, "ADD_ONION NEW:ED25519-V3 Flags=DiscardPK Port=6881,unix:"+echo.Addr().String()) {
		if id, ok := strings.CutPrefix(line, "250-ServiceID="); ok {
			onion = id + ".onion"
		}
	}
	require.NotEmpty(t, onion)
	service.await(t, "UPLOADED")
	require.Eventually(t, func() bool {
		return strings.Contains(client.say(t, "GETINFO status/bootstrap-phase")[0], "PROGRESS=100")
	}, time.Minute, 50*time.Millisecond)

	var answer string
	require.Eventually(t, func() bool {
		answer = ask(filepath.Join(dir, "client", "socks"), onion)
		return answer == "x"
	}, time.Minute, 200*time.Millisecond, "no echo")
	t.Logf("first echo %.1f s after start", time.Since(begin).Seconds())

	require.NoError(t, n.Close())
	for _, pid := range pids {
		require.ErrorIs(t, syscall.Kill(pid, 0), syscall.ESRCH, "authority left behind")
	}
}

// without returns a tor that makes keys, and otherwise fails when its
// arguments match the shell pattern.
func without(t *testing.T, pattern string) string {
	tor, err := exec.LookPath("tor")
	require.NoError(t, err)
	broken := filepath.Join(t.TempDir(), "tor")
	script := "#!/bin/sh\ncase \"$*\" in\n*--list-fingerprint*) ;;\n" + pattern +
		") echo out of order; exit 3;;\nesac\nexec " + tor + " \"$@\"\n"
	require.NoError(t, os.WriteFile(broken, []byte(script), 0o700))
	return broken
}

func TestStartExplainsItsFailure(t *testing.T) {
	broken := without(t, "*")
	var log bytes.Buffer
	dir := t.TempDir()
	_, err := tornet.Start(t.Context(), tornet.Config{Dir: dir, Authorities: 1, Tor: broken, Log: &log})
	require.ErrorContains(t, err, "exit status 3")
	require.Regexp(t, filepath.Join(dir, "1", "authority0", "log")+":\nout of order", err.Error())
	require.Equal(t, 4, strings.Count(log.String(), "of 4: "), log.String())

	_, err = tornet.Start(t.Context(), tornet.Config{Dir: dir, Gencert: "/does/not/exist"})
	require.ErrorContains(t, err, "make keys")
}

func TestStartBuildsOnceMore(t *testing.T) {
	var log bytes.Buffer
	n, err := tornet.Start(t.Context(), tornet.Config{
		Dir: t.TempDir(), Authorities: 1, Tor: without(t, "*/1/*"), Log: &log,
	})
	require.NoError(t, err)
	defer n.Close()
	require.Contains(t, log.String(), "attempt 1 of 4: authority0: ended early: exit status 3")
	require.Contains(t, log.String(), "1 authorities agree")

	require.NoError(t, syscall.Kill(n.PIDs()[0], syscall.SIGKILL))
	require.Eventually(t, func() bool { return syscall.Kill(n.PIDs()[0], 0) != nil }, time.Minute, time.Millisecond)
	require.ErrorContains(t, n.Close(), "authority0: ended by itself: ended by a signal: killed")
	require.NoError(t, n.Close())
}

func TestStartStopsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := tornet.Start(ctx, tornet.Config{Dir: t.TempDir(), Authorities: 2})
	require.ErrorIs(t, err, context.Canceled)
}

// short makes a folder for unix sockets, whose paths end at 107 bytes.
func short(t *testing.T) string {
	dir, err := os.MkdirTemp("", "tornet")
	require.NoError(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// control is just enough of tor's control protocol for these tests.
type control struct {
	net.Conn
	lines *bufio.Reader
}

func startClient(t *testing.T, n *tornet.Network, dir, name string) *control {
	dir = filepath.Join(dir, name)
	require.NoError(t, os.Mkdir(dir, 0o700))
	empty, torrc := filepath.Join(dir, "empty"), filepath.Join(dir, "torrc")
	lines := append(n.ClientTorrc(), "DataDirectory "+dir, "CookieAuthentication 1",
		"ControlPort unix:"+dir+"/control", "SocksPort unix:"+dir+"/socks OnionTrafficOnly",
		"Log notice stdout")
	require.NoError(t, os.WriteFile(empty, nil, 0o600))
	require.NoError(t, os.WriteFile(torrc, []byte(strings.Join(lines, "\n")+"\n"), 0o600))
	p, err := daemon.Start(daemon.Spec{Path: "tor", Args: []string{"--hush", "--defaults-torrc", empty, "-f", torrc}, Log: dir + "/log"})
	require.NoError(t, err)
	t.Cleanup(p.Kill)

	var c net.Conn
	require.Eventually(t, func() bool {
		c, err = net.Dial("unix", dir+"/control")
		return err == nil
	}, time.Minute, 20*time.Millisecond, "no control socket")
	t.Cleanup(func() { c.Close() })
	require.NoError(t, c.SetDeadline(time.Now().Add(2*time.Minute)))
	var cookie []byte
	require.Eventually(t, func() bool { // it comes after the socket
		cookie, err = os.ReadFile(dir + "/control_auth_cookie")
		return len(cookie) == 32
	}, time.Minute, 20*time.Millisecond, "no cookie")
	ctl := &control{c, bufio.NewReader(c)}
	ctl.say(t, "AUTHENTICATE "+hex.EncodeToString(cookie))
	return ctl
}

// say sends a command and returns its reply, less the events in between.
func (c *control) say(t *testing.T, command string) []string {
	_, err := fmt.Fprintf(c, "%s\r\n", command)
	require.NoError(t, err)
	var reply []string
	for {
		line, err := c.lines.ReadString('\n')
		require.NoError(t, err)
		if strings.HasPrefix(line, "650") {
			continue
		}
		require.True(t, strings.HasPrefix(line, "250"), line)
		reply = append(reply, strings.TrimRight(line, "\r\n"))
		if line[3] == ' ' {
			return reply
		}
	}
}

func (c *control) await(t *testing.T, event string) {
	for {
		line, err := c.lines.ReadString('\n')
		require.NoError(t, err)
		if strings.HasPrefix(line, "650 ") && strings.Contains(line, event) {
			return
		}
	}
}

// ask sends x through a SOCKS5 proxy (RFC 1928) and returns the answer, or
// why there is none.
func ask(proxy, host string) string {
	c, err := net.Dial("unix", proxy)
	if err != nil {
		return err.Error()
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(30 * time.Second))
	request := append([]byte{5, 1, 0, 5, 1, 0, 3, byte(len(host))}, host...)
	if _, err := c.Write(append(request, 6881>>8, 6881&0xff)); err != nil {
		return err.Error()
	}
	head := make([]byte, 2+4)
	if _, err := io.ReadFull(c, head); err != nil {
		return err.Error()
	}
	if head[3] != 0 {
		return fmt.Sprintf("reply %#x", head[3])
	}
	bound := make([]byte, map[byte]int{1: 4, 4: 16}[head[5]]+2)
	if _, err := io.ReadFull(c, bound); err != nil {
		return err.Error()
	}
	fmt.Fprint(c, "x")
	one := make([]byte, 1)
	if _, err := io.ReadFull(c, one); err != nil {
		return err.Error()
	}
	return string(one)
}
