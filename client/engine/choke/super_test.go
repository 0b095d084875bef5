package choke

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestEachPeerIsShownAnotherPiece(t *testing.T) {
	s, seen := NewSuper(10, chance(1)), map[int]bool{}
	for conn := range uint32(10) {
		i, ok := s.Reveal(conn)
		require.True(t, ok)
		require.False(t, seen[i])
		seen[i] = true
	}
}

func TestNextPieceOnlyWhenTheLastWasPassedOn(t *testing.T) {
	s := NewSuper(10, chance(2))
	first, _ := s.Reveal(1)
	_, ok := s.Reveal(1)
	require.False(t, ok)
	require.Empty(t, s.Has(1, first), "its own word counts for nothing")
	_, ok = s.Reveal(1)
	require.False(t, ok)
	require.Equal(t, []uint32{1}, s.Has(2, first))
	second, ok := s.Reveal(1)
	require.True(t, ok)
	require.NotEqual(t, first, second)
}

func TestNothingIsShownTwice(t *testing.T) {
	s, shown := NewSuper(5, chance(3)), map[int]bool{}
	for range 5 {
		i, ok := s.Reveal(1)
		require.True(t, ok)
		require.False(t, shown[i])
		shown[i] = true
		s.Has(2, i)
	}
	_, ok := s.Reveal(1)
	require.False(t, ok)
}

func TestWhatOthersHaveIsShownLast(t *testing.T) {
	s := NewSuper(3, chance(4))
	s.Reveal(1)
	s.Leave(1)
	a, _ := s.Reveal(1)
	b, _ := s.Reveal(2)
	c, _ := s.Reveal(3)
	require.ElementsMatch(t, []int{0, 1, 2}, []int{a, b, c}, "a leaver's piece counts no more")
	require.Empty(t, s.Has(1, -1))
	require.Empty(t, s.Has(1, 3))
}

func TestReleasedSeesTheNext(t *testing.T) {
	s := NewSuper(2, chance(6))
	first, _ := s.Reveal(1)
	_, ok := s.Reveal(1)
	require.False(t, ok)
	s.Release(1)
	second, ok := s.Reveal(1)
	require.True(t, ok)
	require.NotEqual(t, first, second)
	s.Release(1)
	_, ok = s.Reveal(1)
	require.False(t, ok, "it has seen all")
}

func TestRareMeansRareAmongAllPeers(t *testing.T) {
	s := NewSuper(3, chance(5))
	s.Has(1, 0)
	s.Has(1, 0)
	s.Has(2, 2)
	i, ok := s.Reveal(3)
	require.True(t, ok)
	require.Equal(t, 1, i)
}
