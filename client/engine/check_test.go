package engine

import (
	"context"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"sotto/anon"
	"sotto/client/metainfo"
	"sotto/transport/memory"
)

// Check finds what is there without a network, and Open with what it found
// reads nothing again and fetches the rest only.
func TestCheckThenOpen(t *testing.T) {
	s := newSample(t, 16<<10, 100<<10, 60<<10, 0)
	dir := t.TempDir()
	s.write(t, dir)
	damaged := filepath.Join(dir, s.order[0])
	data := append([]byte(nil), s.files[s.order[0]]...)
	data[20<<10] ^= 1
	require.NoError(t, os.WriteFile(damaged, data, 0o644))

	var calls atomic.Int64
	o := Options{InfoHash: s.hash, Info: s.info, Dir: dir}
	got, err := Check(t.Context(), o, nil, func(done, total int) { calls.Add(1) })
	require.NoError(t, err)
	require.EqualValues(t, 10, calls.Load())
	require.Equal(t, []byte{0b10111111, 0b11000000}, got.Pieces)
	require.Equal(t, s.size, got.Total)
	require.Equal(t, s.size-16<<10, got.Verified)
	require.NotNil(t, got.Files[0])

	n := memory.New(memory.Options{})
	from := open(t, n)
	s.seeder(t, from)
	o = s.options(t, open(t, n), dir)
	o.Have = got.Pieces
	get := start(t, o)
	get.AddPeers([]anon.Addr{from.Addr()})
	within(t, get.Done(), get)
	s.requireIn(t, dir)
	require.EqualValues(t, 16<<10, get.Stats().Checked, "the one piece that came")

	pieces, files, err := get.Safe()
	require.NoError(t, err)
	require.Equal(t, []byte{0xff, 0b11000000}, pieces)
	require.Equal(t, pieces, get.Pieces())
	require.EqualValues(t, 100<<10, files[0].Size())
	require.Equal(t, -1, get.Availability()[0])

	o = Options{InfoHash: s.hash, Info: s.info, Dir: dir, Have: pieces}
	require.NoError(t, os.WriteFile(damaged, data, 0o644))
	believed, err := Check(t.Context(), o, nil, nil)
	require.NoError(t, err)
	require.Equal(t, pieces, believed.Pieces, "Have is believed")
	o.Have = []byte{0x80, 0}
	some, err := Check(t.Context(), o, []byte{0b01100000, 0}, nil)
	require.NoError(t, err)
	require.Equal(t, []byte{0b10100000, 0}, some.Pieces, "one is believed, one of two is right, nobody read the rest")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = Check(ctx, o, nil, nil)
	require.ErrorIs(t, err, context.Canceled)
}

func TestHaveNeedsMetadata(t *testing.T) {
	s := newSample(t, 16<<10, 40<<10)
	o := s.options(t, open(t, memory.New(memory.Options{})), t.TempDir())
	o.Info, o.Have = nil, []byte{0}
	_, err := Open(t.Context(), o)
	require.Error(t, err)
}

func TestPathsOfTheCaller(t *testing.T) {
	s := newSample(t, 16<<10, 40<<10, 10<<10)
	n := memory.New(memory.Options{})
	from := open(t, n)
	s.seeder(t, from)
	for _, tc := range []struct {
		paths []string
		ok    bool
	}{
		{[]string{"else/one", "two"}, true},
		{[]string{"../one", "two"}, false},
		{[]string{"one"}, false},
	} {
		dir := t.TempDir()
		o := s.options(t, open(t, n), dir)
		o.Paths = func([]metainfo.File) ([]string, error) { return tc.paths, nil }
		get := start(t, o)
		get.AddPeers([]anon.Addr{from.Addr()})
		if !tc.ok {
			require.Error(t, endsWith(t, get))
			continue
		}
		within(t, get.Done(), get)
		b, err := os.ReadFile(filepath.Join(dir, "else", "one"))
		require.NoError(t, err)
		require.Equal(t, s.files[s.order[0]], b)
		info, err := metainfo.ParseInfo(s.info, s.hash)
		require.NoError(t, err)
		names, err := NamesOf(info, tc.paths)
		require.NoError(t, err)
		require.Equal(t, tc.paths, names.Final)
	}
}

func TestPeersAreShown(t *testing.T) {
	s := newSample(t, 16<<10, 400<<10)
	n := memory.New(memory.Options{Rate: 200 << 10})
	from := open(t, n)
	s.seeder(t, from)
	get := start(t, s.options(t, open(t, n), t.TempDir()))
	get.AddPeers([]anon.Addr{from.Addr()})
	require.Eventually(t, func() bool {
		p := get.Peers()
		return len(p) == 1 && p[0].Have == 25 && p[0].Interested && !p[0].Choking
	}, patience, poll)
	p := get.Peers()[0]
	require.Equal(t, from.Addr(), p.Addr)
	require.False(t, p.Inbound)
	st := get.Stats()
	require.Zero(t, st.Inbound)
	require.LessOrEqual(t, get.Obtainable(), s.size)
	require.Eventually(t, func() bool { return get.Stats().Sending == 1 || get.Stats().Done }, patience, poll)
	get.SetMaxPeers(7)
	require.NoError(t, get.Close())
	require.Nil(t, get.Peers())
}

// A bound that torrents share holds for all of them together, and can be
// changed while they run.
func TestSharedRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all := NewRate(50_000)
		one, two := NewRate(0, all), NewRate(1000, all)
		require.EqualValues(t, 50_000, one.Bytes())
		require.EqualValues(t, 1000, two.Bytes())
		require.Zero(t, (*Rate)(nil).Bytes())
		begun := time.Now()
		for range 10 {
			require.NoError(t, one.wait(t.Context(), 100_000))
		}
		took := time.Since(begun)
		require.Greater(t, took, 18*time.Second)
		require.Less(t, took, 21*time.Second)
		all.Set(0)
		begun = time.Now()
		require.NoError(t, one.wait(t.Context(), 100<<20))
		require.Zero(t, time.Since(begun))
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		all.Set(1)
		require.Error(t, one.wait(ctx, 1<<20))
	})
}
