package sam_test

import (
	"bufio"
	"context"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"sotto/anon"
	"sotto/transport/i2p/sam"
	"sotto/transport/i2p/samtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const limit = 20 * time.Second

// answered returns a connection to a router that answers the first line it
// gets with the given text, then hangs up if told to.
func answered(t *testing.T, hangUp bool, text string) *sam.Conn {
	return against(t, func(router net.Conn, _ string) {
		io.WriteString(router, text)
		if hangUp {
			router.Close()
		}
	})
}

func against(t *testing.T, f func(router net.Conn, command string)) *sam.Conn {
	t.Helper()
	ours, router := net.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		line, err := bufio.NewReaderSize(router, 1<<15).ReadString('\n')
		if err == nil {
			f(router, line)
		}
	}()
	t.Cleanup(func() { ours.Close(); router.Close(); <-done })
	return sam.NewConn(ours)
}

func TestHello(t *testing.T) {
	for _, version := range []string{"3.1", "3.2", "3.3"} {
		got, err := answered(t, false, "HELLO REPLY RESULT=OK VERSION="+version+"\n").Hello(t.Context(), limit)
		require.NoError(t, err)
		require.Equal(t, version, got)
	}
	_, err := answered(t, false, "HELLO REPLY RESULT=NOVERSION\n").Hello(t.Context(), limit)
	require.True(t, sam.IsResult(err, sam.NoVersion))
}

// TestHelloAgainstOthers: whatever listens there must be told from a router.
func TestHelloAgainstOthers(t *testing.T) {
	for name, text := range map[string]string{
		"http":            "HTTP/1.1 400 Bad Request\r\nContent-Type: text/html\r\n\r\n",
		"garbage":         "\x16\x03\x01\x02\x00\x01\n",
		"empty line":      "\n",
		"no result":       "HELLO REPLY VERSION=3.1\n",
		"old version":     "HELLO REPLY RESULT=OK VERSION=3.0\n",
		"no version":      "HELLO REPLY RESULT=OK\n",
		"another topic":   "STREAM STATUS RESULT=OK VERSION=3.1\n",
		"ping":            "PING\n",
		"line too long":   "HELLO REPLY RESULT=OK VERSION=3.1 " + strings.Repeat("x", 2000) + "\n",
		"10 MB, no end":   strings.Repeat("A", 10<<20),
		"10 MB of spaces": strings.Repeat(" ", 10<<20),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := answered(t, true, text).Hello(t.Context(), limit)
			require.ErrorIs(t, err, anon.ErrProtocol)
		})
	}
	t.Run("cut off", func(t *testing.T) {
		_, err := answered(t, true, "HELLO REPLY RESULT=OK").Hello(t.Context(), limit)
		require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	})
	t.Run("closed", func(t *testing.T) {
		_, err := answered(t, true, "").Hello(t.Context(), limit)
		require.ErrorIs(t, err, io.EOF)
	})
}

// TestOneByteASecond: a limit holds for the whole line, not for each read.
func TestOneByteASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		c := against(t, func(router net.Conn, _ string) {
			for {
				if _, err := router.Write([]byte("H")); err != nil {
					return
				}
				time.Sleep(time.Second)
			}
		})
		_, err := c.Hello(t.Context(), limit)
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		require.Equal(t, limit, time.Since(began))
		wire, _ := c.Detach()
		wire.Close()
	})
}

func TestCancelEndsAnExchange(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	c := against(t, func(net.Conn, string) { cancel() })
	_, err := c.Hello(ctx, time.Hour)
	require.ErrorIs(t, err, context.Canceled)
	_, err = c.Hello(ctx, time.Hour)
	require.ErrorIs(t, err, context.Canceled, "nothing is begun with a dead context")
}

func TestGenerate(t *testing.T) {
	pub, priv := samtest.NewKey(7)
	var asked string
	c := against(t, func(router net.Conn, command string) {
		asked = command
		io.WriteString(router, "DEST REPLY PUB="+pub+" PRIV="+priv+"\n")
	})
	key, keys, err := c.Generate(t.Context(), limit)
	require.NoError(t, err)
	require.Equal(t, "DEST GENERATE SIGNATURE_TYPE=7\n", asked)
	require.Equal(t, pub, keys.Destination)
	require.Equal(t, priv, string(key.Expose()))

	dsaPub, dsa := samtest.NewKey(0)
	for name, reply := range map[string]string{
		"dsa instead": "DEST REPLY PUB=" + dsaPub + " PRIV=" + dsa + "\n",
		"cut key":     "DEST REPLY PUB=" + pub + " PRIV=" + priv[:700] + "\n",
		"no key":      "DEST REPLY PUB=" + pub + "\n",
		"other reply": "NAMING REPLY RESULT=OK PRIV=" + priv + "\n",
		"too long":    "DEST REPLY PRIV=" + strings.Repeat("A", 1<<20) + "\n",
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := answered(t, true, reply).Generate(t.Context(), limit)
			require.ErrorIs(t, err, anon.ErrProtocol)
		})
	}
}

func TestCreateStream(t *testing.T) {
	_, priv := samtest.NewKey(7)
	_, other := samtest.NewKey(7)
	key := anon.NewSecret([]byte(priv))
	options := []sam.Option{{Key: "inbound.length", Value: "3"}}
	var asked string
	c := against(t, func(router net.Conn, command string) {
		asked = command
		io.WriteString(router, "SESSION STATUS RESULT=OK DESTINATION="+priv+"\n")
	})
	require.NoError(t, c.CreateStream(t.Context(), "1d", key, options, limit))
	require.Equal(t, "SESSION CREATE STYLE=STREAM ID=1d DESTINATION="+priv+" inbound.length=3\n", asked)

	for name, x := range map[string]struct{ reply, result string }{
		"another destination": {"SESSION STATUS RESULT=OK DESTINATION=" + other, ""},
		"no destination":      {"SESSION STATUS RESULT=OK", ""},
		"duplicated id":       {"SESSION STATUS RESULT=DUPLICATED_ID", sam.DuplicatedID},
		"emissary's id":       {"SESSION STATUS RESULT=DUPLICATE_ID", sam.DuplicatedID},
		"duplicated dest":     {"SESSION STATUS RESULT=DUPLICATED_DEST", sam.DuplicatedDest},
		"emissary's dest":     {"SESSION STATUS RESULT=DUPLICATE_DEST", sam.DuplicatedDest},
		"error":               {`SESSION STATUS RESULT=I2P_ERROR MESSAGE="no"`, sam.I2PError},
	} {
		t.Run(name, func(t *testing.T) {
			err := answered(t, true, x.reply+"\n").CreateStream(t.Context(), "1d", key, options, limit)
			if x.result == "" {
				require.ErrorIs(t, err, anon.ErrProtocol)
				return
			}
			require.True(t, sam.IsResult(err, x.result), "%v", err)
		})
	}
	for _, bad := range []sam.Option{{Key: "a b", Value: "1"}, {Key: "a", Value: "1\nSESSION"}, {Key: "a", Value: `"`}, {Key: "", Value: "1"}} {
		err := answered(t, true, "").CreateStream(t.Context(), "1d", key, []sam.Option{bad}, limit)
		require.ErrorIs(t, err, anon.ErrProtocol)
	}
}

func TestConnectKeepsWhatFollows(t *testing.T) {
	c := answered(t, false, "STREAM STATUS RESULT=OK\nfirst\nwords")
	require.NoError(t, c.Connect(t.Context(), "1d", "x.b32.i2p", limit))
	_, early := c.Detach()
	require.Equal(t, "first\nwords", string(early))

	err := answered(t, true, "").Connect(t.Context(), "1d", "x.b32.i2p SILENT=true", limit)
	require.ErrorIs(t, err, anon.ErrProtocol, "a destination cannot add to the command")
}

func TestPeer(t *testing.T) {
	pub, _ := samtest.NewKey(7)
	hash, err := sam.ParseDestination(pub)
	require.NoError(t, err)
	for name, line := range map[string]string{
		"bare": pub, "ports": pub + " FROM_PORT=0 TO_PORT=0", "unknown words": pub + " X=1 Y", "carriage return": pub + "\r",
	} {
		t.Run(name, func(t *testing.T) {
			c := answered(t, false, "STREAM STATUS RESULT=OK\n"+line+"\n\x13BitTorrent")
			require.NoError(t, c.Accept(t.Context(), "1d", limit))
			got, err := c.Peer(t.Context(), limit)
			require.NoError(t, err)
			require.Equal(t, hash, got)
			_, early := c.Detach()
			require.Equal(t, "\x13BitTorrent", string(early))
		})
	}
	for name, line := range map[string]string{
		"empty": "", "cut": pub[:500], "a name": "peer.i2p", "ports first": "FROM_PORT=0 " + pub,
		"10 MB": strings.Repeat("A", 10<<20), "binary": "\x00\x01\x02",
	} {
		t.Run(name, func(t *testing.T) {
			c := answered(t, true, "STREAM STATUS RESULT=OK\n"+line+"\n")
			require.NoError(t, c.Accept(t.Context(), "1d", limit))
			_, err := c.Peer(t.Context(), limit)
			require.ErrorIs(t, err, anon.ErrProtocol)
		})
	}
	t.Run("the router's regret", func(t *testing.T) {
		c := answered(t, true, "STREAM STATUS RESULT=OK\nSTREAM STATUS RESULT=I2P_ERROR MESSAGE=\"gone\"\n")
		require.NoError(t, c.Accept(t.Context(), "1d", limit))
		_, err := c.Peer(t.Context(), limit)
		require.True(t, sam.IsResult(err, sam.I2PError))
	})
}

// TestPeerWaits: the wait for a peer has no limit but ctx, its line has one.
func TestPeerWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pub, _ := samtest.NewKey(7)
		c := against(t, func(router net.Conn, _ string) {
			io.WriteString(router, "STREAM STATUS RESULT=OK\n")
			time.Sleep(24 * time.Hour)
			io.WriteString(router, pub[:100])
		})
		require.NoError(t, c.Accept(t.Context(), "1d", limit))
		began := time.Now()
		_, err := c.Peer(t.Context(), limit)
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		require.Equal(t, 24*time.Hour+limit, time.Since(began))
	})
}
