package interop

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// tracker answers HTTP announces (BEP 3, 23) with the peers a test wants a
// client to dial, and tells what the client has said of itself.
type tracker struct {
	url  string
	hash string // whose swarm it knows the peers of

	mu    sync.Mutex
	peers []byte // compact
	heard []announce
}

type announce struct {
	port  int
	left  int64
	event string
}

func newTracker(t testing.TB, hash [20]byte) *tracker {
	ln, err := net.Listen("tcp", netip.AddrPortFrom(ourAddr, 0).String())
	require.NoError(t, err)
	tr := &tracker{hash: string(hash[:]), url: "http://" + ln.Addr().String() + "/announce"}
	server := &http.Server{Handler: tr}
	var gone sync.WaitGroup
	gone.Go(func() { server.Serve(ln) })
	t.Cleanup(func() {
		server.Close()
		gone.Wait()
	})
	return tr
}

// offer adds a peer to every later answer.
func (tr *tracker) offer(at netip.AddrPort) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	tr.peers = append(tr.peers, at.Addr().AsSlice()...)
	tr.peers = append(tr.peers, byte(at.Port()>>8), byte(at.Port()))
}

func (tr *tracker) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	port, err := strconv.Atoi(q.Get("port"))
	if r.URL.Path != "/announce" || err != nil {
		http.NotFound(w, r)
		return
	}
	left, err := strconv.ParseInt(q.Get("left"), 10, 64)
	if err != nil {
		left = -1 // unknown, or the largest number of 64 bits for it
	}
	tr.mu.Lock()
	defer tr.mu.Unlock()
	tr.heard = append(tr.heard, announce{port, left, q.Get("event")})
	peers := tr.peers
	if q.Get("info_hash") != tr.hash {
		peers = nil // a hybrid torrent has a second swarm, where we are not
	}
	// Clients keep to a floor of their own below half a minute.
	fmt.Fprintf(w, "d8:intervali5e12:min intervali5e5:peers%d:%se", len(peers), peers)
}

// wait returns when an announce has come from a port that ok accepts.
func (tr *tracker) wait(t testing.TB, port uint16, ok func(announce) bool, why func() string) {
	t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		tr.mu.Lock()
		for _, a := range tr.heard {
			if a.port == int(port) && ok(a) {
				tr.mu.Unlock()
				return
			}
		}
		heard := fmt.Sprintf("%+v", tr.heard)
		tr.mu.Unlock()
		if time.Now().After(end) {
			t.Fatalf("the awaited announce did not come; heard %s; %s", heard, why())
		}
	}
}

func started(announce) bool { return true }

// whole is what a seed says. Some that know only the info hash say it too.
func whole(a announce) bool { return a.left == 0 }

func completed(a announce) bool { return a.left == 0 && a.event == "completed" }
