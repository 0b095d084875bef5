package interop

import (
	"fmt"
	"log/slog"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"sotto/anon"
	"sotto/anon/profile"
	"sotto/client/engine"
	"sotto/testnet/daemon"
	"sotto/testnet/tcpnet"
)

// patience is for a client to start, announce, connect and transfer on a busy
// machine. aria2 and Transmission announce again only after half a minute.
const patience = 2 * time.Minute

// way is who does what.
type way struct {
	weSeed, weDial bool
	magnet         bool // the leech has only the info hash
}

func (w way) String() string {
	s := map[bool]string{true: "we seed", false: "they seed"}[w.weSeed] +
		map[bool]string{true: " and we dial", false: " and they dial"}[w.weDial]
	if w.magnet {
		s += " from a magnet"
	}
	return s
}

var ways = []way{
	{weSeed: false, weDial: true},
	{weSeed: false, weDial: false},
	{weSeed: true, weDial: true},
	{weSeed: true, weDial: false},
	{weSeed: false, weDial: true, magnet: true},
	{weSeed: true, weDial: false, magnet: true},
}

// Whoever seeds, whoever dials, plain or encrypted: every byte arrives, and
// looks on the wire as it was asked to.
func TestClientsUnderstandUs(t *testing.T) {
	const piece = 64 << 10
	v1 := newSample(t, t.TempDir(), piece, 7<<20+13, 5, 3<<20, 2<<20-1, 70_000)
	samples := []*sample{v1, v1.as(t, "hybrid", piece), v1.as(t, "v2", piece)}
	for _, c := range clients {
		for _, s := range samples {
			if !slices.Contains(c.kinds, s.kind) {
				continue
			}
			for _, w := range ways {
				for _, rc4 := range []bool{false, true} {
					name := fmt.Sprintf("%s/%s/%v/rc4=%v", c.name, s.kind, w, rc4)
					t.Run(name, func(t *testing.T) {
						t.Parallel()
						exchange(t, c, s, w, rc4)
					})
				}
			}
		}
	}
}

func exchange(t *testing.T, c client, s *sample, w way, rc4 bool) {
	tr, n := newTracker(t, s.hash), tcpnet.New()
	host := n.Host(ourAddr)
	t.Cleanup(func() { require.NoError(t, host.Close()) })
	inner, err := host.Open(t.Context(), anon.Identity{Network: anon.Memory, Label: anon.NewLabel()})
	require.NoError(t, err)
	end := &tap{Endpoint: inner}
	us := openLoop(t, s, end, w, rc4)
	if !w.weDial {
		at, ok := n.Where(end.Addr())
		require.True(t, ok)
		tr.offer(at)
	}

	j := job{data: t.TempDir(), own: t.TempDir(), at: freePort(t, theirAddr), rc4: rc4, seed: !w.weSeed}
	j.torrent = s.torrent(t, filepath.Join(j.own, "sample.torrent"), tr.url)
	if w.magnet && w.weSeed {
		j.torrent = s.link(c) + "&tr=" + url.QueryEscape(tr.url)
	}
	if j.seed {
		s.copyTo(t, j.data)
	}
	c.start(t, j)
	defer func() {
		if t.Failed() {
			t.Logf("we: %+v\n%s\nstreams: %q\n%s", us.Stats(), daemon.Tail(us.log, 30), end.opening(), j.says())
		}
	}()
	ready := started
	if j.seed {
		ready = whole
	}
	tr.wait(t, j.at.Port(), ready, j.says)
	if w.weDial {
		meet(t, n, us, j.at)
	}

	if w.weSeed {
		tr.wait(t, j.at.Port(), completed, j.says)
		s.requireIn(t, j.data)
	} else {
		within(t, us)
		s.requireIn(t, us.dir)
		require.Zero(t, us.Stats().Wasted)
	}
	require.True(t, end.carried(w.weDial, s.size), "the data did not come the way it should")
	clear := !rc4 && (w.weDial || !c.dialsCipher)
	require.Equal(t, clear, end.readable(s.mark), "payload in the clear")
	require.Equal(t, clear, end.readable([]byte("\x13BitTorrent protocol")), "handshake in the clear")
}

// ours is our engine with its folder.
type ours struct {
	*engine.Torrent
	dir string
	log string // path
}

func openLoop(t *testing.T, s *sample, end *tap, w way, rc4 bool) ours {
	look, err := profile.For(anon.Memory)
	require.NoError(t, err)
	look.Encryption = profile.Accept
	if rc4 {
		look.Encryption = profile.Required
	}
	us := ours{dir: t.TempDir(), log: filepath.Join(t.TempDir(), "log")}
	if w.weSeed {
		us.dir = s.dir
	}
	o := s.options(end, look, us.dir)
	o.ReadOnly = w.weSeed
	if w.magnet && !w.weSeed {
		o.Info, o.Layers = nil, nil
	}
	log, err := os.Create(us.log)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, log.Close()) }) // after the torrent
	o.Log = slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	us.Torrent, err = engine.Open(t.Context(), o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, us.Close()) })
	if w.weSeed {
		within(t, us)
	}
	return us
}

func meet(t *testing.T, n *tcpnet.Network, us ours, at netip.AddrPort) {
	a, err := n.Learn(at)
	require.NoError(t, err)
	require.Equal(t, 1, us.AddPeers([]anon.Addr{a}))
}

func within(t *testing.T, us ours) {
	t.Helper()
	select {
	case <-us.Done():
	case <-us.Failed():
		t.Fatalf("our torrent ended: %v", us.Err())
	case <-time.After(patience):
		t.Fatalf("our torrent is not done: %+v", us.Stats())
	}
}
