package engine

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"sotto/anon"
	"sotto/client/metainfo"
	"sotto/transport/memory"
)

// choose returns a Choose that takes the files given and skips the rest.
func choose(want ...int) func([]metainfo.File) ([]Priority, error) {
	return func(files []metainfo.File) ([]Priority, error) {
		out := make([]Priority, len(files))
		for _, i := range want {
			out[i] = Normal
		}
		return out, nil
	}
}

// requireOnly checks that dir has the files of these numbers and no other.
func (s sample) requireOnly(t testing.TB, dir string, want ...int) {
	t.Helper()
	some := sample{files: map[string][]byte{}}
	for _, i := range want {
		some.files[s.order[i]] = s.files[s.order[i]]
	}
	for _, name := range s.order {
		if _, ok := some.files[name]; !ok {
			require.NoFileExists(t, filepath.Join(dir, name))
			require.NoFileExists(t, filepath.Join(dir, name+".sotto-part"))
		}
	}
	for name, data := range some.files {
		got, err := os.ReadFile(filepath.Join(dir, name))
		require.NoError(t, err)
		require.Equal(t, data, got, name)
	}
}

// settle lets what is under way end, in a bubble.
func settle() { time.Sleep(10 * time.Minute) }

func TestOnlyChosenFilesAreFetched(t *testing.T) {
	s := newSample(t, 16<<10, 100_000, 300_000, 0, 5, 200_000)
	synctest.Test(t, func(t *testing.T) {
		n := memory.New(memory.Options{Delay: 300 * time.Millisecond, Rate: 100 << 10})
		seedEnd, getEnd, lateEnd := open(t, n), open(t, n), open(t, n)
		seed := s.seeder(t, seedEnd)
		o := s.options(t, getEnd, t.TempDir())
		o.Info, o.Choose = nil, choose(1, 3)
		get := start(t, o)
		require.ErrorIs(t, get.Prioritize(High, 0), ErrNoInfo)
		require.Nil(t, get.Files())
		get.AddPeers([]anon.Addr{seedEnd.Addr()})
		within(t, get.Done(), get)
		settle()
		require.NoError(t, get.Err())
		s.requireOnly(t, o.Dir, 1, 3)
		st := get.Stats()
		require.True(t, st.Done)
		require.EqualValues(t, 300_005, st.Wanted)
		require.EqualValues(t, 300_005, st.WantedVerified)
		require.Positive(t, st.Left(), "a tracker is told that we are no seed")
		require.Less(t, st.Downloaded-st.Wasted, int64(300_005+3*16<<10), "pieces of chosen files only")
		require.Equal(t, []Priority{Skip, Normal, Skip, Normal, Skip}, priorities(get))
		require.True(t, get.Files()[1].Done)

		// Who wants the same can have it of somebody who has no more.
		require.NoError(t, seed.Close())
		late := s.options(t, lateEnd, t.TempDir())
		late.Choose = choose(1, 3)
		second := start(t, late)
		second.AddPeers([]anon.Addr{getEnd.Addr()})
		within(t, second.Done(), second)
		s.requireOnly(t, late.Dir, 1, 3)
	})
}

func priorities(t *Torrent) (out []Priority) {
	for _, f := range t.Files() {
		out = append(out, f.Priority)
	}
	return out
}

// Files may be skipped, and wanted, at any time, and nothing verified is
// fetched twice.
func TestPrioritizeWhileRunning(t *testing.T) {
	s := newSample(t, 32<<10, 400_000, 600_000, 0, 5, 300_000)
	synctest.Test(t, func(t *testing.T) {
		n := memory.New(memory.Options{Delay: 500 * time.Millisecond, Rate: 50 << 10})
		seedEnd := open(t, n)
		s.seeder(t, seedEnd)
		o := s.options(t, open(t, n), t.TempDir())
		get := start(t, o)
		get.AddPeers([]anon.Addr{seedEnd.Addr()})
		for get.Stats().Verified < 100_000 {
			time.Sleep(100 * time.Millisecond)
		}
		begun := look(t, get, func(o *owner) int64 { return o.picker.Open() })
		require.NoError(t, get.Prioritize(Skip, 1, 2))
		require.NoError(t, get.Prioritize(High, 4))
		within(t, get.Done(), get)
		settle()
		files := get.Files()
		require.False(t, files[1].Done)
		require.Equal(t, []bool{true, true, true}, []bool{files[0].Done, files[3].Done, files[4].Done})
		require.Equal(t, []Priority{Normal, Skip, Skip, Normal, High}, priorities(get))
		require.Zero(t, get.Stats().Peers, "nothing to do for each other")

		require.NoError(t, get.Prioritize(Low, 1))
		require.False(t, get.Stats().Done)
		for !get.Stats().Done {
			time.Sleep(time.Second)
			require.NoError(t, get.Err())
		}
		require.NoError(t, get.Prioritize(Normal, 2))
		s.requireIn(t, o.Dir)
		st := get.Stats()
		require.LessOrEqual(t, st.Downloaded-s.size, begun+64<<10, "only what was begun came twice")
		require.ErrorIs(t, get.Prioritize(Low, 0, 5), ErrNoFile)
		require.ErrorIs(t, get.Prioritize(Low, -1), ErrNoFile)
		require.Error(t, get.Prioritize(High+1, 0))
		require.NoError(t, get.Close())
		require.ErrorIs(t, get.Prioritize(Low, 0), ErrClosed)
	})
}

// A high file comes before a normal one, and that before a low one.
func TestHighFilesComeFirst(t *testing.T) {
	s := newSample(t, 16<<10, 320_000, 320_000, 320_000)
	synctest.Test(t, func(t *testing.T) {
		n := memory.New(memory.Options{Delay: 100 * time.Millisecond, Rate: 50 << 10})
		seedEnd := open(t, n)
		s.seeder(t, seedEnd)
		o := s.options(t, open(t, n), t.TempDir())
		o.Choose = func([]metainfo.File) ([]Priority, error) { return []Priority{Low, High, Normal}, nil }
		get := start(t, o)
		get.AddPeers([]anon.Addr{seedEnd.Addr()})
		var order []int
		for len(order) < 3 {
			time.Sleep(100 * time.Millisecond)
			for i, f := range get.Files() {
				seen := false
				for _, j := range order {
					seen = seen || i == j
				}
				if f.Done && !seen {
					order = append(order, i)
				}
			}
		}
		require.Equal(t, []int{1, 2, 0}, order)
	})
}

func TestSequentialWhileRunning(t *testing.T) {
	s := newSample(t, 16<<10, 1_600_000)
	synctest.Test(t, func(t *testing.T) {
		n := memory.New(memory.Options{Delay: 100 * time.Millisecond, Rate: 50 << 10})
		seedEnd := open(t, n)
		s.seeder(t, seedEnd)
		get := start(t, s.options(t, open(t, n), t.TempDir()))
		get.SetSequential(true)
		get.AddPeers([]anon.Addr{seedEnd.Addr()})
		for get.Stats().GoodPieces < 50 {
			time.Sleep(100 * time.Millisecond)
		}
		get.SetSequential(false)
		get.ask(func(o *owner) {
			for i := range 40 {
				require.True(t, o.have.Get(i), "piece %d", i)
			}
		})
		within(t, get.Done(), get)
	})
}

func TestChoiceCanRefuse(t *testing.T) {
	s := newSample(t, 16<<10, 40<<10)
	refusal := errors.New("no file of that name")
	for _, answer := range []func([]metainfo.File) ([]Priority, error){
		func([]metainfo.File) ([]Priority, error) { return nil, refusal },
		func([]metainfo.File) ([]Priority, error) { return []Priority{Low, Low}, nil },
	} {
		o := s.options(t, open(t, memory.New(memory.Options{})), filepath.Join(t.TempDir(), "new"))
		o.Choose = answer
		require.ErrorContains(t, endsWith(t, start(t, o)), "choose files")
		require.NoDirExists(t, o.Dir)
	}
}
