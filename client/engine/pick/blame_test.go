package pick

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// spoilt has one piece that 1, 2 and 3 sent together, 2 a bad block of it.
func spoilt(t *testing.T) (*Picker, []Sum) {
	p := torrent(t, 1)
	seeds(p, 1, 2, 3)
	require.Empty(t, fetch(p, 1, 1))
	require.Empty(t, fetch(p, 2, 1))
	require.Equal(t, []uint32{0}, fetch(p, 3, 2))
	bad := make([]Sum, 4)
	bad[1][0] = 0xbad & 0xff
	return p, bad
}

func TestSingleSenderIsGuilty(t *testing.T) {
	p := torrent(t, 1)
	seeds(p, 1)
	fetch(p, 1, 4)
	got := p.Fail(0, nil)
	require.Equal(t, []Peer{1}, got.Guilty)
	require.Empty(t, got.Suspects)
	require.False(t, p.NeedsSums(0))
	require.Len(t, p.Next(1, 9, epoch, nil), 4, "the piece is wanted again")
}

func TestSecondCopyConvicts(t *testing.T) {
	p, bad := spoilt(t)
	got := p.Fail(0, bad)
	require.Empty(t, got.Guilty)
	require.Equal(t, []Peer{1, 2, 3}, got.Suspects)
	require.True(t, p.NeedsSums(0))

	require.Empty(t, fetch(p, 3, 1))
	require.Empty(t, p.Next(1, 9, epoch, nil), "the copy is one peer's alone")
	require.Equal(t, []uint32{0}, fetch(p, 3, 3))
	require.Equal(t, []Peer{2}, p.Verify(0, make([]Sum, 4)).Guilty)
	require.True(t, p.Done())
	require.Empty(t, p.records)
}

func TestLiarWhoSendsTheSecondCopyIsCaughtEitherWay(t *testing.T) {
	t.Run("honest now", func(t *testing.T) {
		p, bad := spoilt(t)
		p.Fail(0, bad)
		fetch(p, 2, 4)
		require.Equal(t, []Peer{2}, p.Verify(0, make([]Sum, 4)).Guilty)
	})
	t.Run("lies again", func(t *testing.T) {
		p, bad := spoilt(t)
		p.Fail(0, bad)
		fetch(p, 2, 4)
		require.Equal(t, []Peer{2}, p.Fail(0, bad).Guilty)
	})
	t.Run("leaves half way", func(t *testing.T) {
		p, bad := spoilt(t)
		p.Fail(0, bad)
		fetch(p, 2, 2)
		p.RemovePeer(2)
		require.Equal(t, []uint32{0}, fetch(p, 1, 4))
		require.Equal(t, []Peer{1, 2}, p.Fail(0, bad).Suspects)
		require.Equal(t, []uint32{0}, fetch(p, 1, 4))
		require.Equal(t, []Peer{2}, p.Verify(0, make([]Sum, 4)).Guilty, "named though gone")
	})
}

func TestStalledSecondCopyGoesToAnother(t *testing.T) {
	p, bad := spoilt(t)
	p.Fail(0, bad)
	p.Next(2, 4, epoch, nil)
	require.Empty(t, p.Next(1, 4, epoch, nil))
	p.Expire(2, epoch, nil)
	require.Equal(t, []uint32{0}, fetch(p, 1, 4))
}

func TestSlowSecondCopyIsHelpedAtTheEnd(t *testing.T) {
	p, bad := spoilt(t)
	p.Fail(0, bad)
	p.SetPace(2, 100, time.Second)
	p.Next(2, 1, epoch, nil)
	got := p.Next(1, 9, epoch, nil)
	require.Len(t, got, 4, "three free blocks, and one twice")
	for _, b := range got {
		p.Receive(1, b)
	}
	require.Equal(t, []Peer{2}, p.Verify(0, make([]Sum, 4)).Guilty)
}

func TestTrialsComeFirst(t *testing.T) {
	p := torrent(t, 300)
	seeds(p, 1, 2)
	first := p.Next(1, 1, epoch, nil)[0]
	p.Receive(1, first)
	p.disown(1)
	for _, b := range p.Next(2, 3, epoch, nil) {
		p.Receive(2, b)
	}
	require.Len(t, p.Fail(first.Piece, make([]Sum, 4)).Suspects, 2)
	require.Equal(t, []uint32{first.Piece}, indices(p.Next(1, 4, epoch, nil)))
}

func TestWithoutSumsNobodyIsBlamed(t *testing.T) {
	p, _ := spoilt(t)
	p.Fail(0, nil)
	fetch(p, 3, 4)
	require.Empty(t, p.Verify(0, make([]Sum, 4)).Guilty)
}

func TestRecordsAreBounded(t *testing.T) {
	p, bad := spoilt(t)
	for range 3 * maxRecords {
		p.Fail(0, bad)
		fetch(p, 1, 2)
		p.Choked(1)
		fetch(p, 2, 2)
		p.Unchoked(1)
		require.LessOrEqual(t, len(p.records[0]), maxRecords)
	}
}

func TestUnfinishedPieceCannotFail(t *testing.T) {
	p := torrent(t, 1)
	seeds(p, 1)
	fetch(p, 1, 3)
	require.Empty(t, p.Fail(0, nil).Guilty)
	require.Empty(t, p.Fail(9, nil).Guilty)
	require.Len(t, p.Next(1, 9, epoch, nil), 1)
}

func TestDistrustedBlocksAreFetchedAgain(t *testing.T) {
	p := torrent(t, 1)
	seeds(p, 1, 2)
	fetch(p, 1, 2)
	fetch(p, 2, 1)
	p.RemovePeer(1)
	p.Distrust(1)
	require.Len(t, p.Next(2, 9, epoch, nil), 3)
}

func TestVerifiedFromElsewhereVoidsRequests(t *testing.T) {
	p := torrent(t, 2)
	seeds(p, 1)
	b := p.Next(1, 1, epoch, nil)[0]
	p.Verify(b.Piece, nil)
	require.Zero(t, p.Outstanding(1))
	require.Equal(t, Duplicate, p.Receive(1, b).Verdict)
	require.Equal(t, 1, p.Missing())
}

// A bad block of a complete piece is taken back alone (BEP 52).
func TestSendersAndTheirBlocks(t *testing.T) {
	p, _ := spoilt(t)
	require.Equal(t, []Peer{1, 2, 3}, p.Senders(0))
	guilty, ok := p.Drop(Block{0, BlockSize, BlockSize})
	require.True(t, ok)
	require.Equal(t, Peer(2), guilty)
	require.Nil(t, p.Senders(0), "it is not complete any more")
	require.Nil(t, p.Senders(7))
	p.Distrust(guilty)
	require.Equal(t, []uint32{0}, fetch(p, 3, 1))
	require.Equal(t, []Peer{1, 3}, p.Senders(0))
	require.Empty(t, p.Verify(0, nil).Guilty)
}
