package conform

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"sotto/anon"
	"sotto/testnet/tornet"
	"sotto/transport/tor"
)

// A private onion gives a page to a tor that has the client's key and is not
// there for others, whoever runs the tor that hosts it.
func TestPrivateOnion(t *testing.T) {
	lab, err := lab.Tor(within(t))
	require.NoError(t, err)
	for name, config := range map[string]func(t *testing.T) tor.Config{
		"own tor": func(*testing.T) tor.Config { return tor.Config{UnsafeTorrc: lab.ClientTorrc()} },
		"running tor": func(t *testing.T) tor.Config {
			c := client(t, lab)
			require.Eventually(t, func() bool {
				_, control := os.Stat(c.Control)
				_, socks := os.Stat(c.Socks)
				return control == nil && socks == nil
			}, patience, 20*time.Millisecond)
			return tor.Config{Control: "unix:" + c.Control, Socks: "unix:" + c.Socks}
		},
	} {
		t.Run(name, func(t *testing.T) {
			tr, err := tor.New(config(t))
			require.NoError(t, err)
			defer tr.Close()
			key, addr := tor.NewOnionKey(80)
			friend, lost := tor.NewClientKey(), tor.NewClientKey()
			l, err := tr.Listen(tor.Private{Key: key, Addr: addr, Clients: []anon.Secret{friend}})
			require.NoError(t, err)
			defer l.Close()
			pages := make(chan int, 1)
			go func() { pages <- answer(l) }()
			require.NoError(t, l.Published(within(t)))

			id := strings.TrimSuffix(addr.Host(), ".onion")
			line := func(k anon.Secret) string { return id + ":descriptor:x25519:" + string(k.Expose()) }
			with, without, wrong := client(t, lab, line(friend)), client(t, lab), client(t, lab, line(lost))
			require.Equal(t, "a page", page(t, with, addr))
			require.ErrorIs(t, refusal(t, without, addr), anon.ErrPermission)
			require.ErrorIs(t, refusal(t, wrong, addr), anon.ErrPermission)
			require.Equal(t, "a page", page(t, with, addr), "it was there all the time")

			require.NoError(t, l.Close())
			require.Equal(t, 2, <-pages, "only those who have the key came in")
		})
	}
}

// answer gives everybody who comes a page until l is closed, and counts them.
func answer(l net.Listener) (pages int) {
	for {
		c, err := l.Accept()
		if err != nil {
			return pages
		}
		c.SetDeadline(time.Now().Add(time.Minute))
		if _, err := http.ReadRequest(bufio.NewReader(c)); err == nil {
			io.WriteString(c, "HTTP/1.0 200 OK\r\n\r\na page")
			pages++
		}
		c.Close()
	}
}

func client(t *testing.T, lab *tornet.Network, keys ...string) *tornet.Client {
	t.Helper()
	dir, err := os.MkdirTemp("", "client") // a short path, for its sockets
	require.NoError(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	c, err := lab.Client(filepath.Join(dir, "tor"), keys...)
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return c
}

// page fetches the page.
func page(t *testing.T, c *tornet.Client, a anon.Addr) string {
	t.Helper()
	conn, err := c.Reach(within(t), a.Host(), a.Port())
	require.NoError(t, err)
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(time.Minute))
	_, err = io.WriteString(conn, "GET / HTTP/1.0\r\n\r\n")
	require.NoError(t, err)
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	require.NoError(t, err)
	raw, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return string(raw)
}

// refusal is what tor says to somebody without the right key.
func refusal(t *testing.T, c *tornet.Client, a anon.Addr) error {
	t.Helper()
	conn, err := c.Reach(within(t), a.Host(), a.Port())
	if err == nil {
		conn.Close()
	}
	return err
}
