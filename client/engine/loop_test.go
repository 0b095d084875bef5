package engine

import (
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"sotto/anon"
	"sotto/transport/memory"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestTwoExchangeFiles(t *testing.T) {
	for _, magnet := range []bool{false, true} {
		s := newSample(t, 32<<10, 100_000, 0, 5, 300_000, 70_000)
		n := memory.New(memory.Options{})
		seedEnd, getEnd := open(t, n), open(t, n)
		seed := s.seeder(t, seedEnd)
		dir := t.TempDir()
		o := s.options(t, getEnd, dir)
		if magnet {
			o.Info = nil
		}
		get := start(t, o)
		require.Equal(t, 1, get.AddPeers([]anon.Addr{seedEnd.Addr(), getEnd.Addr(), {}, anon.I2PAddr([32]byte{1})}))
		within(t, get.Done(), get)
		s.requireIn(t, dir)

		info, err := get.Info(t.Context())
		require.NoError(t, err)
		require.Equal(t, s.info, info)
		st := get.Stats()
		require.Equal(t, s.size, st.Total)
		require.Equal(t, s.size, st.Verified)
		require.Zero(t, st.Left())
		require.Equal(t, st.Pieces, st.GoodPieces)
		require.Equal(t, s.size, st.Downloaded-st.Wasted)
		require.NoError(t, get.Close())
		require.ErrorIs(t, get.Err(), ErrClosed)
		require.Equal(t, s.size, get.Stats().Verified, "stats outlive Close")
		require.NoError(t, seed.Close())
	}
}
