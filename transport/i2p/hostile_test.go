package i2p

import (
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"sotto/anon"
	"sotto/transport/i2p/samtest"
)

// answering makes a router that says text to every command that starts with
// prefix, and hangs up.
func answering(t *testing.T, prefix, text string) *samtest.Router {
	r := router(t)
	r.Intercept(func(c net.Conn, command string) bool {
		if !strings.HasPrefix(command, prefix) {
			return false
		}
		io.WriteString(c, text)
		return true
	})
	return r
}

// TestNotARouter: Open and Probe say unavailable, Probe also what to do, and
// nothing is proven.
func TestNotARouter(t *testing.T) {
	for name, c := range map[string]struct{ text, note string }{
		"http":       {"HTTP/1.1 400 Bad Request\r\n\r\n", "not the SAM bridge"},
		"garbage":    {"\x16\x03\x01\n", "not the SAM bridge"},
		"10 MB":      {strings.Repeat("A", 10<<20), "not the SAM bridge"},
		"truncated":  {"HELLO REPLY RESULT=O", "answers"},
		"hangs up":   {"", "answers"},
		"no version": {"HELLO REPLY RESULT=NOVERSION\n", "too old"},
	} {
		t.Run(name, func(t *testing.T) {
			tr := client(t, answering(t, "HELLO", c.text))
			_, err := tr.Open(bounded(t), identity())
			require.ErrorIs(t, err, anon.ErrUnavailable)
			status, err := tr.Probe(bounded(t))
			require.ErrorIs(t, err, anon.ErrUnavailable)
			require.Contains(t, status.Note, c.note)
			require.False(t, status.Proven || status.Ready || status.CanHost)
		})
	}
}

func TestSlowRouter(t *testing.T) {
	r := router(t)
	r.Intercept(func(c net.Conn, command string) bool {
		for {
			if _, err := c.Write([]byte("H")); err != nil {
				return true
			}
			time.Sleep(5 * time.Millisecond)
		}
	})
	tr := client(t, r, func(c *Config) { c.Times.Hello = 60 * time.Millisecond })
	_, err := tr.Open(bounded(t), identity())
	require.ErrorIs(t, err, anon.ErrUnavailable)
}

func TestNoRouter(t *testing.T) {
	r := router(t)
	tr := client(t, r)
	r.Kill()
	_, err := tr.Open(bounded(t), identity())
	require.ErrorIs(t, err, anon.ErrUnavailable)
	status, err := tr.Probe(bounded(t))
	require.ErrorIs(t, err, anon.ErrUnavailable)
	require.Equal(t, r.Addr(), status.Where)
	require.Equal(t, []string{"tcp:" + r.Addr()}, status.Peers)
	require.Contains(t, status.Note, "i2pd")
	require.Contains(t, status.Note, "configclients")
	require.Equal(t, 1, strings.Count(status.Note, ". ")+1, "one sentence")
	require.NoError(t, r.Restart())
}

func TestSessionRefused(t *testing.T) {
	for name, text := range map[string]string{
		"duplicated dest":     "SESSION STATUS RESULT=DUPLICATED_DEST\n",
		"emissary":            "SESSION STATUS RESULT=DUPLICATE_DEST\n",
		"duplicated ids only": "SESSION STATUS RESULT=DUPLICATED_ID\n",
		"invalid key":         "SESSION STATUS RESULT=INVALID_KEY\n",
		"error":               "SESSION STATUS RESULT=I2P_ERROR MESSAGE=\"a \\\" b\" X=\n",
		"truncated":           "SESSION STATUS RESULT=OK DESTINA",
		"10 MB":               "SESSION STATUS RESULT=OK DESTINATION=" + strings.Repeat("A", 10<<20),
		"no destination":      "SESSION STATUS RESULT=OK\n",
	} {
		t.Run(name, func(t *testing.T) {
			r := answering(t, "SESSION CREATE", text)
			_, err := client(t, r).Open(bounded(t), identity())
			require.ErrorIs(t, err, anon.ErrUnavailable)
			require.LessOrEqual(t, len(r.Commands("SESSION CREATE")), maxSameID)
		})
	}
}

// TestDuplicatedID: an id that is taken is replaced by another one.
func TestDuplicatedID(t *testing.T) {
	r := router(t)
	refuse := once(func(c net.Conn) { io.WriteString(c, "SESSION STATUS RESULT=DUPLICATED_ID\n") })
	r.Intercept(func(c net.Conn, command string) bool {
		return strings.HasPrefix(command, "SESSION CREATE") && refuse(c)
	})
	open(t, client(t, r))
	tries := r.Commands("SESSION CREATE")
	require.Len(t, tries, 2)
	require.NotEqual(t, strings.Fields(tries[0])[3], strings.Fields(tries[1])[3])
}

// TestDialRefusals sorts what routers answer to CONNECT.
func TestDialRefusals(t *testing.T) {
	for name, c := range map[string]struct {
		text  string
		want  error
		again bool
	}{
		"cannot reach":   {"STREAM STATUS RESULT=CANT_REACH_PEER\n", anon.ErrUnreachable, true},
		"quoted message": {"STREAM STATUS MESSAGE=\"x \\\" y\" RESULT=CANT_REACH_PEER Z\n", anon.ErrUnreachable, true},
		"timeout":        {"STREAM STATUS RESULT=TIMEOUT\n", anon.ErrUnreachable, true},
		"router error":   {"STREAM STATUS RESULT=I2P_ERROR\n", anon.ErrUnreachable, true},
		"invalid key":    {"STREAM STATUS RESULT=INVALID_KEY\n", anon.ErrUnreachable, false},
		"of its own":     {"STREAM STATUS RESULT=WHATEVER\n", anon.ErrUnreachable, false},
		"no such id":     {"STREAM STATUS RESULT=INVALID_ID\n", anon.ErrUnavailable, false},
		"hangs up":       {"", anon.ErrUnavailable, false},
		"truncated":      {"STREAM STATUS RES", anon.ErrUnavailable, false},
		"garbage":        {"\x00\x01\n", anon.ErrUnavailable, false},
		"10 MB":          {strings.Repeat("A", 10<<20), anon.ErrUnavailable, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := answering(t, "STREAM CONNECT", c.text)
			tr := client(t, r, func(conf *Config) {
				if c.again { // until it gives up
					conf.Times.Dial = time.Second
				}
			})
			_, err := open(t, tr).Dial(bounded(t), anon.I2PAddr([32]byte{1}))
			require.ErrorIs(t, err, c.want)
			if c.again {
				require.Greater(t, len(r.Commands("STREAM CONNECT")), 1)
			} else {
				require.Len(t, r.Commands("STREAM CONNECT"), 1)
			}
		})
	}
}

// TestBadAccepts: a stream whose destination cannot be read is dropped, a
// pending accept that is closed for no reason is put up again, and the next
// good stream arrives.
func TestBadAccepts(t *testing.T) {
	pub, _ := samtest.NewKey(7)
	for name, text := range map[string]string{
		"malformed":      "STREAM STATUS RESULT=OK\n" + pub[:200] + "\nhi",
		"a name":         "STREAM STATUS RESULT=OK\nlocalhost\nhi",
		"an ip":          "STREAM STATUS RESULT=OK\n127.0.0.1:80\nhi",
		"10 MB":          "STREAM STATUS RESULT=OK\n" + strings.Repeat("A", 10<<20),
		"half a line":    "STREAM STATUS RESULT=OK\n" + pub,
		"closed":         "STREAM STATUS RESULT=OK\n",
		"closed at once": "",
		"busy":           "STREAM STATUS RESULT=ALREADY_ACCEPTING\n",
		"regret":         "STREAM STATUS RESULT=OK\nSTREAM STATUS RESULT=I2P_ERROR\n",
	} {
		t.Run(name, func(t *testing.T) {
			r := router(t)
			spoil := make([]func(net.Conn) bool, 4)
			for i := range spoil {
				spoil[i] = once(func(c net.Conn) { io.WriteString(c, text) })
			}
			r.Intercept(func(c net.Conn, command string) bool {
				if !strings.HasPrefix(command, "STREAM ACCEPT") {
					return false
				}
				for _, f := range spoil {
					if f(c) {
						return true
					}
				}
				return false
			})
			b := open(t, client(t, r))
			eventually(t, "accepts pending again", func() bool { return r.Pending() == 3 })
			join(t, open(t, client(t, r)), b)
		})
	}
}

// TestOwnDestinationIsNotAccepted: nobody but us has our keys.
func TestOwnDestinationIsNotAccepted(t *testing.T) {
	r := router(t)
	b := open(t, client(t, r))
	own := b.(*endpoint).full
	eventually(t, "accepts pending", func() bool { return r.Pending() == 3 })
	claim := once(func(c net.Conn) { fmt.Fprintf(c, "STREAM STATUS RESULT=OK\n%s\nit is me", own) })
	r.Intercept(func(c net.Conn, command string) bool {
		return strings.HasPrefix(command, "STREAM ACCEPT") && claim(c)
	})
	a := open(t, client(t, r))
	join(t, a, b) // uses one accept up, so that another is asked for
	join(t, a, b)
}
