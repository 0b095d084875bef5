package pick

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var epoch = time.Unix(1e9, 0)

// torrent returns a picker of pieces of four blocks each.
func torrent(t testing.TB, pieces int, change ...func(*Options)) *Picker {
	o := Options{
		Pieces: pieces, PieceLength: 4 * BlockSize, Length: int64(pieces) * 4 * BlockSize,
		Rand: rand.New(rand.NewPCG(1, 2)),
	}
	for _, f := range change {
		f(&o)
	}
	p, err := New(o)
	require.NoError(t, err)
	return p
}

// seeds adds unchoked peers that have everything.
func seeds(p *Picker, ids ...Peer) {
	for _, id := range ids {
		p.AddPeer(id, true)
		p.HaveAll(id)
		p.Unchoked(id)
		p.SetPace(id, 100e3, time.Second)
	}
}

func indices(blocks []Block) (out []uint32) {
	for _, b := range blocks {
		if len(out) == 0 || out[len(out)-1] != b.Piece {
			out = append(out, b.Piece)
		}
	}
	return out
}

// fetch lets the peer send all it is given, up to n blocks.
func fetch(p *Picker, id Peer, n int) (complete []uint32) {
	for _, b := range p.Next(id, n, epoch, nil) {
		if p.Receive(id, b).Complete {
			complete = append(complete, b.Piece)
		}
	}
	return complete
}

func TestBadFiguresAreRefused(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for name, o := range map[string]Options{
		"negative":      {Pieces: -1, Rand: r},
		"too many":      {Pieces: MaxPieces + 1, PieceLength: 1, Length: MaxPieces + 1, Rand: r},
		"too long":      {Pieces: 1, PieceLength: MaxPieceLen + 1, Length: MaxPieceLen + 1, Rand: r},
		"empty pieces":  {Pieces: 3, PieceLength: 10, Length: 20, Rand: r},
		"no randomness": {Pieces: 1, PieceLength: 10, Length: 10},
	} {
		_, err := New(o)
		require.Error(t, err, name)
	}
	p, err := New(Options{Rand: r})
	require.NoError(t, err)
	require.True(t, p.Done())
	seeds(p, 1)
	require.Empty(t, p.Next(1, 10, epoch, nil))
}

func TestBlocksCoverThePiece(t *testing.T) {
	p := torrent(t, 2, func(o *Options) { o.Length = 5*BlockSize + 7 })
	seeds(p, 1)
	sum := int64(0)
	for _, b := range p.Next(1, 100, epoch, nil) {
		sum += int64(b.Length)
	}
	require.Equal(t, int64(5*BlockSize+7), sum)
}

func TestBitfieldIsChecked(t *testing.T) {
	p := torrent(t, 10)
	p.AddPeer(1, true)
	for name, wire := range map[string][]byte{
		"short": {0xff}, "long": {0xff, 0xc0, 0}, "none": {}, "spare bit": {0xff, 0xe0},
	} {
		require.ErrorIs(t, p.Bitfield(1, wire), ErrBitfield, name)
	}
	require.NoError(t, p.Bitfield(1, []byte{0x80, 0x40}))
	for i := range uint32(12) {
		require.Equal(t, i == 0 || i == 9, p.Has(1, i))
	}
	require.ErrorIs(t, p.HavePiece(1, 10), ErrIndex)
	require.NoError(t, p.HavePiece(1, 5))
	require.Equal(t, 1, p.Availability(5))
	p.HaveNone(1)
	require.Zero(t, p.Availability(5))
}

func TestRarestFirst(t *testing.T) {
	p := torrent(t, 8)
	seeds(p, 1)
	for id := Peer(2); id < 6; id++ { // piece i is had by fewer the higher i is
		p.AddPeer(id, true)
		for i := range uint32(8) {
			if i < uint32(id)*8/6 {
				require.NoError(t, p.HavePiece(id, i))
			}
		}
	}
	last := -1
	for _, i := range indices(p.Next(1, 32, epoch, nil)) {
		require.GreaterOrEqual(t, p.Availability(int(i)), last)
		last = p.Availability(int(i))
	}
}

func TestRareBeyondTheProbesIsFound(t *testing.T) {
	p := torrent(t, 10*probes)
	seeds(p, 1)
	for id := Peer(2); id < 4; id++ {
		p.AddPeer(id, true)
		p.Unchoked(id)
	}
	// Only 2 has a few, which are therefore the last to be looked at.
	for _, i := range []uint32{3, 777, 2000} {
		require.NoError(t, p.HavePiece(2, i))
	}
	require.NoError(t, p.HavePiece(3, 777))
	require.NoError(t, p.HavePiece(3, 5))
	// 777 is in a later bucket, 3 and 2000 in an earlier one.
	require.ElementsMatch(t, []uint32{3, 777, 2000}, indices(p.Next(2, 100, epoch, nil)))
	require.Equal(t, []uint32{5}, indices(p.Next(3, 100, epoch, nil)))
	require.Empty(t, p.Next(3, 100, epoch, nil))
}

func TestExpiredRequestsAreRememberedWithinBounds(t *testing.T) {
	p := torrent(t, 2*maxLate)
	seeds(p, 1)
	asked := p.Next(1, 4*maxLate, epoch, nil)
	p.Expire(1, epoch, nil)
	require.Len(t, p.peers[1].queue, maxLate)
	require.Equal(t, Unasked, p.Receive(1, asked[0]).Verdict)
	require.Equal(t, Needed, p.Receive(1, asked[len(asked)-1]).Verdict)
}

func TestTiesAreBrokenByChance(t *testing.T) {
	first := map[uint32]bool{}
	for n := range uint64(20) {
		p := torrent(t, 100, func(o *Options) { o.Rand = rand.New(rand.NewPCG(n, 0)) })
		seeds(p, 1)
		first[p.Next(1, 1, epoch, nil)[0].Piece] = true
	}
	require.Greater(t, len(first), 10)
}

func TestSequential(t *testing.T) {
	p := torrent(t, 5, func(o *Options) { o.Sequential = true })
	seeds(p, 1)
	require.Equal(t, []uint32{0, 1, 2, 3, 4}, indices(p.Next(1, 20, epoch, nil)))
}

func TestPriorities(t *testing.T) {
	p := torrent(t, 5)
	seeds(p, 1)
	p.SetPriority(3, High)
	p.SetPriority(1, Low)
	p.SetPriority(0, Skip)
	got := indices(p.Next(1, 20, epoch, nil))
	require.Len(t, got, 4)
	require.Equal(t, uint32(3), got[0])
	require.Equal(t, uint32(1), got[3])
	require.NotContains(t, got, uint32(0))
	require.Equal(t, 4, p.Missing())
}

func TestSkippedIsDoneAndNotInteresting(t *testing.T) {
	p := torrent(t, 2, func(o *Options) { o.Verified = func(i int) bool { return i == 0 } })
	seeds(p, 1)
	p.AddPeer(2, true)
	require.NoError(t, p.HavePiece(2, 0))
	require.False(t, p.Interesting(2), "it has only what we have")
	require.True(t, p.Interesting(1))
	p.SetPriority(1, Skip)
	require.True(t, p.Done())
	require.False(t, p.Interesting(1))
	p.Forget(0)
	require.True(t, p.Interesting(2))
}

func TestSkippedPieceIsGivenUp(t *testing.T) {
	p := torrent(t, 2)
	seeds(p, 1, 2)
	asked := p.Next(1, 3, epoch, nil)
	require.Equal(t, Needed, p.Receive(1, asked[0]).Verdict)
	_, ok := p.Abandon(int(asked[0].Piece), nil)
	require.False(t, ok, "it is wanted")
	p.SetPriority(int(asked[0].Piece), Skip)
	void, ok := p.Abandon(int(asked[0].Piece), nil)
	require.True(t, ok)
	require.Equal(t, []Cancel{{1, asked[1], epoch}, {1, asked[2], epoch}}, void)
	require.Zero(t, p.Open())
	require.Zero(t, p.Outstanding(1))
	require.Equal(t, Duplicate, p.Receive(1, asked[1]).Verdict)
	p.SetPriority(int(asked[0].Piece), High)
	require.Equal(t, asked[:1], p.Next(2, 1, epoch, nil), "it begins anew")
}

func TestDeadlinesComeFirst(t *testing.T) {
	p := torrent(t, 50)
	seeds(p, 1)
	p.SetPriority(9, High)
	p.SetDeadline(30, epoch.Add(2*time.Minute))
	p.SetDeadline(20, epoch.Add(time.Minute))
	p.SetDeadline(40, epoch.Add(3*time.Minute))
	p.ClearDeadline(40)
	require.Equal(t, []uint32{20, 30, 9}, indices(p.Next(1, 12, epoch, nil)))
}

func TestLateDeadlineIsAskedOfASecondPeer(t *testing.T) {
	p := torrent(t, 50)
	seeds(p, 1, 2)
	p.SetPace(1, 2e3, time.Second)
	p.SetDeadline(20, epoch.Add(10*time.Second))
	require.Equal(t, []uint32{20}, indices(p.Next(1, 4, epoch, nil)), "nobody else is there in time to know better")
	p.SetPace(2, 200e3, time.Second)
	got := p.Next(2, 4, epoch, nil)
	require.Equal(t, uint32(20), got[0].Piece)
	// And the slow one does not get the next.
	p.SetDeadline(21, epoch.Add(10*time.Second))
	require.NotContains(t, indices(p.Next(1, 1, epoch, nil)), uint32(21))
}

func TestFastPeersGetWholePiecesSlowOnesShare(t *testing.T) {
	p := torrent(t, 50)
	seeds(p, 1, 2, 3, 4)
	p.SetPace(1, 100e3, time.Second)
	p.SetPace(2, 100e3, time.Second)
	a, b := p.Next(1, 2, epoch, nil), p.Next(2, 2, epoch, nil)
	require.NotEqual(t, a[0].Piece, b[0].Piece)
	p.SetPace(3, 1e3, time.Second)
	p.SetPace(4, 1e3, time.Second)
	a, b = p.Next(3, 2, epoch, nil), p.Next(4, 2, epoch, nil)
	require.Equal(t, a[0].Piece, b[0].Piece)
	require.NotEqual(t, a[0].Begin, b[0].Begin)
}

func TestBudgetIsHeld(t *testing.T) {
	p := torrent(t, 100, func(o *Options) { o.MaxOpen = 3 * 4 * BlockSize })
	seeds(p, 1, 2)
	require.Len(t, p.Next(1, 100, epoch, nil), 12)
	require.Empty(t, p.Next(2, 100, epoch, nil))
	require.Equal(t, int64(12*BlockSize), p.Open())
}

// Peers that begin pieces nobody else has, and leave, fill no memory.
func TestUnfinishablePiecesMakeRoom(t *testing.T) {
	var evicted []uint32
	p := torrent(t, 50, func(o *Options) {
		o.MaxOpen = 3 * 4 * BlockSize
		o.Evicted = func(i uint32) { evicted = append(evicted, i) }
	})
	for id := Peer(1); id <= 50; id++ {
		p.AddPeer(id, true)
		p.Unchoked(id)
		require.NoError(t, p.HavePiece(id, uint32(id-1)))
		got := p.Next(id, 100, epoch, nil)
		require.Len(t, got, 4)
		require.Equal(t, Needed, p.Receive(id, got[0]).Verdict)
		if id == 7 {
			require.Equal(t, Needed, p.Receive(id, got[1]).Verdict)
		}
		p.RemovePeer(id)
		require.LessOrEqual(t, p.Open(), int64(12*BlockSize))
		check(t, p)
	}
	require.Len(t, evicted, 47)
	require.NotContains(t, evicted, uint32(6), "more came of it than of others")
	seeds(p, 99)
	for range 50 {
		for _, b := range p.Next(99, 100, epoch, nil) {
			if p.Receive(99, b).Complete {
				p.Verify(b.Piece, nil)
			}
		}
	}
	require.True(t, p.Done(), "and are fetched once somebody has them")
}

func TestChokedPeerIsAskedOnlyForAllowedFast(t *testing.T) {
	p := torrent(t, 20)
	seeds(p, 1)
	p.AllowFast(1, 7)
	p.Choked(1)
	require.Equal(t, []uint32{7}, indices(p.Next(1, 20, epoch, nil)))
	require.True(t, p.Reject(1, Block{7, 0, BlockSize}))
	require.Empty(t, p.Next(1, 20, epoch, nil), "a rejected piece is not allowed-fast")
}

func TestSuggestionIsPreferred(t *testing.T) {
	p := torrent(t, 500)
	seeds(p, 1)
	p.Suggest(1, 333)
	require.Equal(t, uint32(333), p.Next(1, 1, epoch, nil)[0].Piece)
	for i := range uint32(500) {
		p.Suggest(1, i)
	}
	require.LessOrEqual(t, len(p.peers[1].suggested), maxHints)
}

func TestChokeWithoutFastHandsBack(t *testing.T) {
	p := torrent(t, 1)
	seeds(p, 1, 2)
	p.peers[1].fast = false
	got := p.Next(1, 4, epoch, nil)
	p.Choked(1)
	require.Zero(t, p.Outstanding(1))
	require.Len(t, p.Next(2, 4, epoch, nil), 4)
	// What was on its way is welcome, and takes the request from the other.
	late := p.Receive(1, got[0])
	require.Equal(t, Needed, late.Verdict)
	require.Zero(t, late.Asked)
	require.Len(t, late.Cancel, 1)
	require.Equal(t, Peer(2), late.Cancel[0].Peer)
	require.Equal(t, epoch, late.Cancel[0].Asked)
	require.Equal(t, Duplicate, p.Receive(2, got[0]).Verdict)
}

func TestVerdicts(t *testing.T) {
	p := torrent(t, 2)
	seeds(p, 1, 2)
	b := p.Next(1, 1, epoch, nil)[0]
	for name, bad := range map[string]Block{
		"piece": {2, 0, BlockSize}, "far piece": {1<<32 - 1, 0, BlockSize}, "shifted": {0, 1, BlockSize},
		"far": {0, 1<<32 - BlockSize, BlockSize}, "short": {0, 0, 1}, "long": {0, 0, BlockSize + 1}, "nothing": {0, 0, 0},
	} {
		require.Equal(t, Misfit, p.Receive(1, bad).Verdict, name)
		require.False(t, p.Reject(1, bad), name)
	}
	require.Equal(t, Unasked, p.Receive(2, b).Verdict)
	got := p.Receive(1, b)
	require.Equal(t, Needed, got.Verdict)
	require.Equal(t, epoch, got.Asked)
	require.Equal(t, Unasked, p.Receive(1, b).Verdict)
	require.Equal(t, Unasked, p.Receive(99, b).Verdict)
}

func TestExpiredBlocksGoToOthers(t *testing.T) {
	p := torrent(t, 1)
	seeds(p, 1, 2)
	p.Next(1, 2, epoch, nil)
	p.Next(1, 2, epoch.Add(time.Minute), nil)
	at, ok := p.Oldest(1)
	require.True(t, ok)
	require.Equal(t, epoch, at)
	require.Len(t, p.Expire(1, epoch.Add(time.Second), nil), 2)
	at, _ = p.Oldest(1)
	require.Equal(t, epoch.Add(time.Minute), at)
	require.Len(t, p.Next(2, 4, epoch.Add(time.Minute), nil), 2)
}

func TestEndgame(t *testing.T) {
	p := torrent(t, 2)
	seeds(p, 1, 2, 3, 4)
	p.SetPace(1, 1e3, time.Second)
	for id := Peer(2); id <= 4; id++ {
		p.SetPace(id, 100e3, time.Second)
	}
	require.Len(t, p.Next(1, 7, epoch, nil), 7)
	require.Len(t, p.Next(2, 4, epoch, nil), 1+3, "the last free block, and then the latest of the slow peer")
	p.RemovePeer(2)
	require.Len(t, p.Next(2, 4, epoch, nil), 0)

	now := epoch.Add(10 * time.Minute)
	got := p.Next(3, 100, now, nil)
	require.Len(t, got, 8)
	require.Empty(t, p.Next(4, 100, now, nil), "a third would not be faster than the second")
	cancel := p.Receive(3, got[1])
	require.Equal(t, Needed, cancel.Verdict)
	require.Len(t, cancel.Cancel, 1)
	require.Equal(t, 6, p.Outstanding(1))
}

func TestNoEndgameWhileBlocksAreFree(t *testing.T) {
	p := torrent(t, 3, func(o *Options) { o.MaxOpen = 4 * BlockSize })
	seeds(p, 1, 2)
	p.SetPace(1, 100, time.Second)
	require.Len(t, p.Next(1, 12, epoch, nil), 4)
	require.Empty(t, p.Next(2, 12, epoch.Add(time.Hour), nil), "the budget is full, but the torrent not asked for")
	// A piece that nobody has is not waited for.
	p = torrent(t, 2)
	p.AddPeer(1, true)
	p.AddPeer(2, true)
	for id := Peer(1); id <= 2; id++ {
		p.Unchoked(id)
		require.NoError(t, p.HavePiece(id, 0))
	}
	require.Len(t, p.Next(1, 12, epoch, nil), 4)
	require.Len(t, p.Next(2, 12, epoch.Add(time.Hour), nil), 4)
}

func TestNoEndgameBetweenEquals(t *testing.T) {
	p := torrent(t, 2)
	seeds(p, 1, 2)
	p.Next(1, 4, epoch, nil)
	p.Next(2, 4, epoch, nil)
	require.Empty(t, p.Next(1, 100, epoch.Add(time.Second), nil))
}

func TestWrittenAndDropped(t *testing.T) {
	p := torrent(t, 1)
	seeds(p, 1)
	blocks := p.Next(1, 4, epoch, nil)
	for k, b := range blocks {
		require.False(t, p.Written(b), "not received")
		require.Equal(t, k == 3, p.Receive(1, b).Complete)
	}
	for k, b := range blocks {
		require.Equal(t, k == 3, p.Written(b))
	}
	who, ok := p.Drop(blocks[2])
	require.True(t, ok)
	require.Equal(t, Peer(1), who)
	require.Equal(t, []Block{blocks[2]}, p.Next(1, 9, epoch, nil))
	require.True(t, p.Receive(1, blocks[2]).Complete)
	require.True(t, p.Written(blocks[2]))
}

func TestPieceSizesMayDiffer(t *testing.T) {
	sizes := []int64{5, 4 * BlockSize, BlockSize + 1}
	p := torrent(t, 3, func(o *Options) { o.Size = func(i int) int64 { return sizes[i] } })
	seeds(p, 1)
	require.Len(t, p.Next(1, 100, epoch, nil), 1+4+2)
	require.Equal(t, Misfit, p.Receive(1, Block{0, 0, BlockSize}).Verdict)
	require.True(t, p.Receive(1, Block{0, 0, 5}).Complete)
}
