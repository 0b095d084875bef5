package library_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"sotto/anon"
	"sotto/client/api/rpc"
	"sotto/client/api/rpc/rpctest"
	"sotto/client/library"
	"sotto/client/metainfo"
	"sotto/client/store"
	"sotto/transport"
	"sotto/transport/memory"
)

// noted is a network that notes when identities are made on it.
type noted struct {
	transport.Transport
	mu sync.Mutex
	at []time.Time
}

func (n *noted) Open(ctx context.Context, id anon.Identity) (transport.Endpoint, error) {
	n.mu.Lock()
	n.at = append(n.at, time.Now())
	n.mu.Unlock()
	return n.Transport.Open(ctx, id)
}

func (n *noted) Probe(ctx context.Context) (transport.Status, error) {
	return n.Transport.(transport.Prober).Probe(ctx)
}

func (n *noted) NewKey(ctx context.Context) (anon.Secret, error) {
	return n.Transport.(transport.Keymaker).NewKey(ctx)
}

// fill puts n torrents into a library that does not run.
func (b *lab) fill(n int, want store.Want) {
	b.t.Helper()
	st, err := store.Open(b.state, b.box)
	require.NoError(b.t, err)
	defer st.Close()
	var all []store.Torrent
	var infos [][]byte
	for i := range n {
		link, err := metainfo.ParseTorrent(rpctest.Torrent(fmt.Sprintf("torrent %d", i), "a", "b", "c", "d", "e", "f"))
		require.NoError(b.t, err)
		link.Trackers = nil
		link.Peers = []anon.Addr{anon.MemoryAddr([32]byte{1, byte(i), byte(i >> 8)})}
		all = append(all, store.Torrent{
			V1: link.InfoHash, Magnet: link.Magnet(), Dir: b.folder, Added: time.Now(), Queue: i, Want: want,
		})
		infos = append(infos, link.Info)
	}
	require.NoError(b.t, st.Put(all...))
	for i, info := range infos {
		require.NoError(b.t, st.SaveMetadata(all[i].ID(), info, nil))
	}
}

// A library that starts does not join a hundred swarms at once, and not by the
// clock either.
func TestJitteredStart(t *testing.T) { synctest.Test(t, testJitteredStart) }

func testJitteredStart(t *testing.T) {
	b := newLab(t, memory.Options{})
	b.fill(100, store.Queued)
	var n *noted
	b.change = func(o *library.Options) {
		n = &noted{Transport: o.Transports[0]}
		o.Transports = []transport.Transport{n}
	}
	l := b.start()
	require.NoError(t, l.Configure(t.Context(), rpc.SettingsChange{DownloadQueue: of(false)}))
	begun := time.Now()
	time.Sleep(10 * time.Minute)
	l.stop()
	require.Len(t, n.at, 100)
	gaps := make(map[time.Duration]bool)
	for i, at := range n.at[1:] {
		gaps[at.Sub(n.at[i])] = true
	}
	for i := range n.at {
		if i+10 < len(n.at) {
			require.Greater(t, n.at[i+10].Sub(n.at[i]), 5*time.Second, "ten of them at once")
		}
	}
	require.Greater(t, n.at[99].Sub(begun), 2*time.Minute)
	require.Greater(t, len(gaps), 3, "not by the clock")
}
