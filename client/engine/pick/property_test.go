package pick

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// actor draws random events, hostile ones included, and lets check recount.
type actor struct {
	t     *rapid.T
	p     *Picker
	now   time.Time
	next  Peer
	peers []Peer
	asked map[Peer][]Block
}

func (a *actor) peer() Peer { return rapid.SampledFrom(a.peers).Draw(a.t, "peer") }

func (a *actor) piece() int { return rapid.IntRange(-1, len(a.p.pieces)).Draw(a.t, "piece") }

func (a *actor) block(id Peer) Block {
	if known := a.asked[id]; len(known) > 0 && rapid.IntRange(0, 9).Draw(a.t, "honest") > 0 {
		return rapid.SampledFrom(known).Draw(a.t, "block")
	}
	return Block{
		rapid.Uint32().Draw(a.t, "index") % 50, rapid.Uint32().Draw(a.t, "begin"), rapid.Uint32().Draw(a.t, "length"),
	}
}

func (a *actor) join() {
	a.next++
	a.peers = append(a.peers, a.next)
	a.p.AddPeer(a.next, rapid.Bool().Draw(a.t, "fast"))
	switch rapid.IntRange(0, 2).Draw(a.t, "has") {
	case 0:
		a.p.HaveAll(a.next)
	case 1:
		bits := rapid.SliceOfN(rapid.Byte(), (len(a.p.pieces)+7)/8, (len(a.p.pieces)+7)/8).Draw(a.t, "bits")
		_ = a.p.Bitfield(a.next, bits)
	}
	a.p.Unchoked(a.next)
}

func (a *actor) request() {
	id, n := a.peer(), rapid.IntRange(0, 20).Draw(a.t, "n")
	choked, live := a.p.peers[id].choked, a.p.Outstanding(id)
	got := a.p.Next(id, n, a.now, nil)
	require.LessOrEqual(a.t, len(got), n)
	require.Equal(a.t, live+len(got), a.p.Outstanding(id))
	for _, b := range got {
		require.True(a.t, a.p.Has(id, b.Piece))
		require.True(a.t, a.p.fits(b))
		require.NotEqual(a.t, Skip, a.p.pieces[b.Piece].priority)
		if choked {
			require.Contains(a.t, a.p.peers[id].allowed, b.Piece)
		}
	}
	a.asked[id] = append(a.asked[id], got...)
}

func (a *actor) receive() {
	id := a.peer()
	b := a.block(id)
	known := slices.Contains(a.asked[id], b)
	got := a.p.Receive(id, b)
	if got.Verdict == Needed {
		require.True(a.t, known, "a block nobody asked for was taken")
	}
	if !got.Complete {
		return
	}
	sums := make([]Sum, len(a.p.open[b.Piece].blocks))
	if rapid.IntRange(0, 3).Draw(a.t, "good") > 0 {
		a.p.Verify(b.Piece, sums)
	} else {
		sums[0][0] = 1
		a.p.Fail(b.Piece, sums)
	}
}

func (a *actor) state() {
	i := a.piece()
	switch rapid.IntRange(0, 6).Draw(a.t, "state") {
	case 0:
		a.p.SetPriority(i, Priority(rapid.IntRange(0, 5).Draw(a.t, "priority")))
	case 1:
		a.p.SetDeadline(i, a.now.Add(time.Duration(rapid.IntRange(-10, 100).Draw(a.t, "by"))*time.Second))
	case 2:
		a.p.ClearDeadline(i)
	case 3:
		a.p.Forget(i)
	case 4:
		a.p.SetSequential(rapid.Bool().Draw(a.t, "sequential"))
	case 5:
		a.p.Verify(uint32(i), nil)
	case 6:
		open := a.p.Open()
		if _, ok := a.p.Abandon(i, nil); ok {
			require.Less(a.t, a.p.Open(), open)
			require.False(a.t, a.p.wanted(uint32(i)))
		} else {
			require.Equal(a.t, open, a.p.Open())
		}
	}
}

func (a *actor) news() {
	id, i := a.peer(), a.piece()
	switch rapid.IntRange(0, 7).Draw(a.t, "news") {
	case 0:
		a.p.Choked(id)
	case 1:
		a.p.Unchoked(id)
	case 2:
		a.p.AllowFast(id, uint32(i))
	case 3:
		a.p.Suggest(id, uint32(i))
	case 4:
		if err := a.p.HavePiece(id, uint32(i)); err != nil {
			require.True(a.t, i < 0 || i >= len(a.p.pieces))
		}
	case 5:
		a.p.HaveNone(id)
	case 6:
		a.p.SetPace(id, rapid.Float64Range(0, 1e6).Draw(a.t, "rate"), time.Second)
	case 7:
		a.p.Distrust(id)
	}
}

func (a *actor) loss() {
	id := a.peer()
	switch rapid.IntRange(0, 4).Draw(a.t, "loss") {
	case 0:
		a.p.Reject(id, a.block(id))
	case 1:
		a.p.Expire(id, a.now.Add(-time.Duration(rapid.IntRange(0, 60).Draw(a.t, "age"))*time.Second), nil)
	case 2:
		a.p.Drop(a.block(id))
	case 3:
		a.p.Written(a.block(id))
	case 4:
		a.p.RemovePeer(id)
		a.peers = slices.DeleteFunc(a.peers, func(x Peer) bool { return x == id })
		if len(a.peers) == 0 {
			a.join()
		}
	}
}

func TestAnyOrderOfEventsKeepsTheBooks(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pieces := rapid.IntRange(1, 40).Draw(t, "pieces")
		length := int64(pieces-1)*3*BlockSize + int64(rapid.IntRange(1, 3*BlockSize).Draw(t, "last"))
		bound := int64(rapid.IntRange(1, 50).Draw(t, "bound")) * BlockSize
		p, err := New(Options{
			Pieces: pieces, PieceLength: 3 * BlockSize, Length: length, MaxOpen: bound,
			Rand: rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "chance"), 1)),
		})
		require.NoError(t, err)
		a := &actor{t: t, p: p, now: time.Unix(1e9, 0), asked: map[Peer][]Block{}}
		a.join()
		for range rapid.IntRange(1, 150).Draw(t, "steps") {
			a.now = a.now.Add(time.Duration(rapid.IntRange(0, 5000).Draw(t, "later")) * time.Millisecond)
			switch rapid.IntRange(0, 12).Draw(t, "step") {
			case 0:
				a.join()
			case 1, 2, 3, 4:
				a.request()
			case 5, 6, 7, 8:
				a.receive()
			case 9:
				a.state()
			case 10, 11:
				a.news()
			case 12:
				a.loss()
			}
			check(t, p)
		}
	})
}
