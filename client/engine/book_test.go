package engine

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"sotto/anon"
	"sotto/transport/memory"
)

// However often a peer comes and goes, its next time is bounded.
func TestFailuresWithoutEnd(t *testing.T) {
	now := time.Unix(1e9, 0)
	e := newBook().find(anon.MemoryAddr([32]byte{1}))
	for range 200 {
		e.busy++
		e.ended(failed, now, newRand(nil))
		require.True(t, e.next.After(now))
		require.True(t, e.next.Before(now.Add(2*longRetry)))
	}
	require.Zero(t, e.busy)
}

// A peer that has to go while we speak to all does not take the torrent along.
func TestDeafPeerAmongOthers(t *testing.T) {
	s := newSample(t, 16<<10, 1_000_000)
	synctest.Test(t, func(t *testing.T) {
		n := memory.New(memory.Options{})
		us := open(t, n)
		get := start(t, s.options(t, us, t.TempDir()))
		for range 3 {
			p, _ := greet(t, open(t, n), us.Addr(), s.hash, "-XX0000-")
			p.must(msgHaveAll)
			p.must(msgUnchoke)
			synctest.Wait()
		}
		require.True(t, get.ask(func(o *owner) {
			require.Len(t, o.peers, 3)
			first := o.peers[0]
			first.box.mu.Lock()
			first.box.control = make([]byte, maxControl)
			o.account.lend(maxControl)
			first.box.mu.Unlock()
			now := time.Now()
			o.picker.Expire(first.id, now, nil)
			o.flight(first, now)
			o.hungry = true
		}))
		require.Equal(t, 2, get.Stats().Peers)
		require.NoError(t, get.Err())
	})
}
