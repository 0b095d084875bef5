package library_test

import (
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"sotto/client/api/rpc"
	"sotto/transport/memory"
)

// What has stopped moves nothing, and is not said to.
func TestStoppedHasNoRate(t *testing.T) { synctest.Test(t, testStoppedHasNoRate) }

func testStoppedHasNoRate(t *testing.T) {
	b := newLab(t, memory.Options{Rate: 100 << 10})
	s := b.serve("album", 4<<20)
	l := b.start()
	id := l.add(s.link)
	l.until(id, "moving", func(t rpc.Torrent) bool { return t.RateDown > 20_000 })
	require.NoError(t, l.Act(t.Context(), rpc.Stop, []int64{id}))
	l.until(id, "stopped", func(t rpc.Torrent) bool {
		return t.State == rpc.Stopped && t.PeersConnected == 0 && t.RateDown == 0
	})
	require.Zero(t, l.mustStats().RateDown)
}
