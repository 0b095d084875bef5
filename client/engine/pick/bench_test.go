package pick

import (
	"math/rand/v2"
	"testing"
	"time"
)

// BenchmarkNext measures one block asked for and received, in a torrent of
// 100,000 pieces with 50 peers that have some share of them.
func BenchmarkNext(b *testing.B) {
	for _, bb := range []struct {
		name  string
		share float64
		seq   bool
	}{{"seeds", 1, false}, {"half", 0.5, false}, {"few", 0.001, false}, {"sequential", 0.5, true}} {
		b.Run(bb.name, func(b *testing.B) {
			const pieces, peers = 100_000, 50
			p := torrent(b, pieces, func(o *Options) { o.Sequential = bb.seq })
			r := rand.New(rand.NewPCG(3, 4))
			for id := Peer(0); id < peers; id++ {
				p.AddPeer(id, true)
				p.Unchoked(id)
				p.SetPace(id, 200e3, time.Second)
				if bb.share == 1 {
					p.HaveAll(id)
				}
				for i := uint32(0); bb.share < 1 && i < pieces; i++ {
					if r.Float64() < bb.share {
						_ = p.HavePiece(id, i)
					}
				}
				p.Next(id, 50, epoch, nil)
			}
			var dst []Block
			b.ReportAllocs()
			b.ResetTimer()
			for n := 0; b.Loop(); n++ {
				id := Peer(n % peers)
				if q := p.peers[id]; len(q.queue) > 0 {
					blk := q.queue[0].Block
					if p.Receive(id, blk).Complete {
						p.Verify(blk.Piece, nil)
						p.Forget(int(blk.Piece)) // so that there is no end
					}
				}
				dst = p.Next(id, 1, epoch, dst[:0])
			}
		})
	}
}
