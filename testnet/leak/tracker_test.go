package leak

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/anacrolix/torrent/bencode"
	"github.com/stretchr/testify/require"

	"sotto/anon"
	"sotto/client/metainfo"
	"sotto/testnet/user"
	"sotto/transport"
	"sotto/transport/tor"
)

// hostileTracker is an onion that answers each path in its own hostile way.
type hostileTracker struct {
	endpoint transport.Endpoint
	answers  map[string]func(w io.Writer, asked *http.Request)

	mu    sync.Mutex
	asked map[string]int
}

// newHostileTracker serves until the test ends.
func newHostileTracker(t *testing.T) *hostileTracker {
	t.Helper()
	network, err := lab.Tor(within(t))
	require.NoError(t, err)
	own, err := tor.New(tor.Config{UnsafeTorrc: network.ClientTorrc()})
	require.NoError(t, err)
	t.Cleanup(func() { own.Close() })
	h := &hostileTracker{asked: map[string]int{}, answers: hostileAnswers()}
	h.endpoint, err = own.Open(within(t), anon.Identity{Network: anon.Tor, Label: anon.NewLabel()})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	var all sync.WaitGroup
	t.Cleanup(func() { cancel(); h.endpoint.Close(); all.Wait() })
	all.Go(func() {
		for {
			c, err := h.endpoint.Accept(ctx)
			if err != nil {
				return
			}
			all.Go(func() { defer c.Close(); h.answer(c) })
		}
	})
	return h
}

func (h *hostileTracker) answer(c net.Conn) {
	c.SetDeadline(time.Now().Add(patience))
	r, err := http.ReadRequest(bufio.NewReader(c))
	if err != nil {
		return
	}
	h.mu.Lock()
	h.asked[r.URL.Path]++
	answer := h.answers[r.URL.Path]
	h.mu.Unlock()
	if answer != nil {
		answer(c, r)
	}
}

// notAsked returns the paths that nobody has asked for yet.
func (h *hostileTracker) notAsked() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	var left []string
	for path := range h.answers {
		if h.asked[path] == 0 {
			left = append(left, path)
		}
	}
	return left
}

// parameters name every path as a tracker in a magnet link.
func (h *hostileTracker) parameters() string {
	var b strings.Builder
	for path := range h.answers {
		b.WriteString("&tr=http%3A%2F%2F" + h.endpoint.Addr().Host() + "%3A" + fmt.Sprint(h.endpoint.Addr().Port()) + path)
	}
	return b.String()
}

// hostileAnswers are at most discover.MaxTrackers.
func hostileAnswers() map[string]func(io.Writer, *http.Request) {
	clearnet := []map[string]any{
		{"ip": "192.0.2.60", "port": 6881}, {"ip": "2001:db8::60", "port": 6881}, {"ip": "127.0.0.1", "port": 80},
		{"ip": "localhost", "port": 80}, {"ip": "2130706433", "port": 80}, {"ip": "peer.hostile.example", "port": 6881},
		{"ip": "169.254.169.254", "port": 80}, {"ip": []byte{192, 0, 2, 61}, "port": -1},
	}
	crowd := strings.Repeat("\xc0\x00\x02\x3e\x1a\xe1", 10_000) // 192.0.2.62:6881
	return map[string]func(io.Writer, *http.Request){
		"/301":      redirect(301, "http://redirect.hostile.example/announce"),
		"/302":      redirect(302, "http://127.0.0.1:80/announce"),
		"/307":      redirect(307, "http://2130706433/announce"),
		"/308":      redirect(308, "https://192.0.2.63/announce"),
		"/clearnet": tells(map[string]any{"interval": 60, "peers": clearnet}),
		"/crowd":    tells(map[string]any{"interval": 60, "peers": crowd, "peers6": crowd}),
		"/list":     tells(map[string]any{"interval": 60, "peers": manyOnions()}),
		"/zero":     tells(map[string]any{"interval": 0, "min interval": 0, "peers": "", "external ip": "192.0.2.64"}),
		"/negative": tells(map[string]any{"interval": -1, "peers": -1, "tracker id": "http://id.hostile.example"}),
		"/self":     yourself,
		"/huge":     huge,
		"/failure":  tells(map[string]any{"failure reason": "go to http://failure.hostile.example", "retry in": -1}),
	}
}

func redirect(code int, to string) func(io.Writer, *http.Request) {
	return func(w io.Writer, _ *http.Request) {
		fmt.Fprintf(w, "HTTP/1.1 %d Moved\r\nLocation: %s\r\nRefresh: 0; url=%s\r\nContent-Length: 0\r\n\r\n", code, to, to)
	}
}

func tells(answer map[string]any) func(io.Writer, *http.Request) {
	body := bencode.MustMarshal(answer)
	return func(w io.Writer, _ *http.Request) {
		fmt.Fprintf(w, "HTTP/1.1 200 OK\r\nAlt-Svc: h2=\"alt.hostile.example:443\"\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
	}
}

// yourself gives whoever asks its own address back, a hundred times.
func yourself(w io.Writer, r *http.Request) {
	me := map[string]any{"ip": r.URL.Query().Get("ip"), "port": r.URL.Query().Get("port")}
	var peers []map[string]any
	for range 100 {
		peers = append(peers, me)
	}
	tells(map[string]any{"interval": 60, "peers": peers})(w, r)
}

// huge is 100 MB that begin like an answer.
func huge(w io.Writer, _ *http.Request) {
	const size = 100_000_000
	fmt.Fprintf(w, "HTTP/1.1 200 OK\r\n\r\nd5:peers%d:", size)
	chunk := bytes.Repeat([]byte("x"), 64<<10)
	for sent := 0; sent < size; sent += len(chunk) {
		if _, err := w.Write(chunk); err != nil {
			return // it has enough
		}
	}
}

// manyOnions are 10,000 peers that could be onions but for their checksums.
func manyOnions() []map[string]any {
	peers := make([]map[string]any, 10_000)
	for i := range peers {
		peers[i] = map[string]any{"ip": fmt.Sprintf("%056d.onion", i), "port": 80}
	}
	return peers
}

// Whatever trackers inside the network answer, nothing leaves it, and the
// peer that the link names is enough.
func TestHostileTrackersInsideTheNetwork(t *testing.T) {
	silent(t)
	trap := setTrap(t)
	tracker := newHostileTracker(t)
	alice := share(t, newUser(t), "album", album...)
	link, err := metainfo.ParseMagnet(alice.magnet)
	require.NoError(t, err)
	nobody := fmt.Sprintf("magnet:?xt=urn:btih:%x", link.InfoHash) + tracker.parameters()

	bob := newUser(t)
	target := filepath.Join(bob.Dir, "downloads")
	lost := start(t, bob, "get", "-o", target, nobody)
	for len(tracker.notAsked()) > 0 {
		select {
		case <-lost.Ended():
			require.FailNow(t, "get ended", lost.Said())
		case <-within(t).Done():
			require.FailNow(t, "not all were asked", "%v; %s", tracker.notAsked(), lost.Said())
		case <-time.After(100 * time.Millisecond):
		}
	}
	requireUnixOnly(t, lost.PID())
	require.NoError(t, lost.Interrupt())
	require.Equal(t, 130, lost.Wait(), lost.Said())

	found := start(t, bob, "get", "-o", target, nobody+"&x.pe="+link.Peers[0].Reveal())
	_, err = found.Await(within(t), user.Is("opened"))
	require.NoError(t, err)
	finish(t, found, alice.sums)
	require.Zero(t, trap.sprung())
}
