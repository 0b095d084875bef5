package sam_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"sotto/anon"
	"sotto/transport/i2p/sam"
	"sotto/transport/i2p/samtest"
)

// control returns a Control and the router's end of it.
func control(t *testing.T) (*sam.Control, net.Conn, *bufio.Reader) {
	t.Helper()
	ours, router := net.Pipe()
	c := sam.NewControl(sam.NewConn(ours))
	t.Cleanup(func() { router.Close(); ours.Close(); <-c.Done() })
	return c, router, bufio.NewReader(router)
}

func requireLine(t *testing.T, in *bufio.Reader, want string) {
	t.Helper()
	line, err := in.ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, want+"\n", line)
}

func TestPong(t *testing.T) {
	_, router, in := control(t)
	for ping, pong := range map[string]string{
		"PING 1700000000000": "PONG 1700000000000", "PING": "PONG", "PING a b=c": "PONG a b=c",
	} {
		fmt.Fprintf(router, "%s\n", ping)
		requireLine(t, in, pong)
	}
}

func TestLookup(t *testing.T) {
	pub, _ := samtest.NewKey(7)
	want, err := sam.ParseDestination(pub)
	require.NoError(t, err)
	for name, x := range map[string]struct {
		reply string
		check func(hash [32]byte, err error)
	}{
		"found":      {"RESULT=OK NAME=x.i2p VALUE=" + pub, func(h [32]byte, err error) { require.NoError(t, err); require.Equal(t, want, h) }},
		"not found":  {"RESULT=KEY_NOT_FOUND NAME=x.i2p", func(_ [32]byte, err error) { require.True(t, sam.IsResult(err, sam.KeyNotFound)) }},
		"no address": {"RESULT=OK NAME=x.i2p VALUE=127.0.0.1", func(_ [32]byte, err error) { require.ErrorIs(t, err, anon.ErrProtocol) }},
		"no value":   {"RESULT=OK NAME=x.i2p", func(_ [32]byte, err error) { require.ErrorIs(t, err, anon.ErrProtocol) }},
		"with a ping and somebody else's before": {"RESULT=OK NAME=y.i2p VALUE=zzz\nPING 1\nNAMING REPLY RESULT=OK NAME=x.i2p VALUE=" + pub,
			func(h [32]byte, err error) { require.NoError(t, err); require.Equal(t, want, h) }},
	} {
		t.Run(name, func(t *testing.T) {
			c, router, in := control(t)
			go func() {
				in.ReadString('\n')
				go io.Copy(io.Discard, in) // the pong
				fmt.Fprintf(router, "NAMING REPLY %s\n", x.reply)
			}()
			x.check(c.Lookup(t.Context(), "x.i2p"))
		})
	}
}

// TestLookupGivesUp: the answer to a look-up that gave up is not taken for
// the next one's.
func TestLookupGivesUp(t *testing.T) {
	a, _ := samtest.NewKey(7)
	b, _ := samtest.NewKey(7)
	want, err := sam.ParseDestination(b)
	require.NoError(t, err)
	c, router, in := control(t)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		in.ReadString('\n')
		cancel()
		in.ReadString('\n')
		fmt.Fprintf(router, "NAMING REPLY RESULT=OK NAME=a.i2p VALUE=%s\n", a)
		fmt.Fprintf(router, "NAMING REPLY RESULT=OK NAME=b.i2p VALUE=%s\n", b)
	}()
	_, err = c.Lookup(ctx, "a.i2p")
	require.ErrorIs(t, err, context.Canceled)
	got, err := c.Lookup(t.Context(), "b.i2p")
	require.NoError(t, err)
	require.Equal(t, want, got)
}

func TestLookupRefusesNames(t *testing.T) {
	c, _, _ := control(t) // a router that reads nothing: asking it would block
	for _, name := range []string{"", "ME", "me", "a b", "a\nSTREAM", "a=b", `"a"`, "ü.i2p"} {
		_, err := c.Lookup(t.Context(), name)
		require.ErrorIs(t, err, anon.ErrProtocol, name)
	}
}

func TestControlEnds(t *testing.T) {
	for name, text := range map[string]string{
		"closed":            "",
		"garbage":           "\x00\n",
		"no newline":        strings.Repeat("A", 10<<20),
		"session ended":     "SESSION STATUS RESULT=I2P_ERROR MESSAGE=\"closed\"\n",
		"session ended, OK": "SESSION STATUS RESULT=OK\n",
	} {
		t.Run(name, func(t *testing.T) {
			c, router, in := control(t)
			waiting := make(chan error, 1)
			go func() { _, err := c.Lookup(t.Context(), "x.i2p"); waiting <- err }()
			in.ReadString('\n')
			go func() { io.WriteString(router, text); router.Close() }()
			<-c.Done()
			require.Error(t, c.Err())
			require.ErrorIs(t, <-waiting, anon.ErrUnavailable)
			_, err := c.Lookup(t.Context(), "y.i2p")
			require.ErrorIs(t, err, anon.ErrUnavailable)
		})
	}
}
