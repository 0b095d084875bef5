package library

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"sotto/anon"
	"sotto/client/engine"
	"sotto/client/health"
	"sotto/client/metainfo"
	"sotto/client/store"
	"sotto/transport/memory"
)

// What came wrong is counted over all runs, as the rest is.
func TestCorruptIsCountedForEver(t *testing.T) {
	net := &network{transport: memory.New(memory.Options{}).Transport()}
	x := &torrent{
		link: new(metainfo.Link), info: &metainfo.Info{PieceLength: 1 << 14}, closing: 1,
		totals: map[anon.Network]store.Totals{anon.Memory: {Down: 5, Corrupt: 7 << 14}},
	}
	l := &lane{t: x, net: net, since: time.Now()}
	x.lanes = []*lane{l}
	o := &owner{opts: Options{Board: new(health.Board)}, torrents: []*torrent{x}}
	st := engine.Stats{Downloaded: 100, Wasted: 60}
	st.BadPieces = 2
	closed{lane: l, totals: l.add(x.totals[anon.Memory], st, x.pieceLength())}.take(o)
	got := o.show(x, 0, time.Now())
	require.EqualValues(t, []int64{45, 9 << 14}, []int64{got.Downloaded, got.Corrupt})
}
