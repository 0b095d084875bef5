package rpctest

import (
	"context"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"sotto/client/api/rpc"
	"sotto/client/metainfo"
)

// Run judges a Library by the contract of rpc.Library. Each of its tests calls
// open for a new one that holds nothing and downloads to folder, below which
// everything is allowed; open sees to its end. What a Library does in its own
// time is waited for, and takes none: each test is in a bubble of
// testing/synctest, open's goroutines with it.
func Run(t *testing.T, open func(t *testing.T, folder string) rpc.Library) {
	for _, tc := range []struct {
		name string
		test func(*judge)
	}{
		{"adds", (*judge).adds},
		{"chooses", (*judge).chooses},
		{"starts and stops", (*judge).starts},
		{"removes", (*judge).removes},
		{"says that something changed", (*judge).changed},
		{"changes all or nothing", (*judge).changes},
		{"chooses files", (*judge).files},
		{"edits trackers", (*judge).trackers},
		{"moves in the queue", (*judge).queue},
		{"moves and renames", (*judge).moves},
		{"keeps settings", (*judge).settings},
		{"keeps groups", (*judge).groups},
		{"counts", (*judge).counts},
		{"gives away what it returns", (*judge).gives},
		{"answers many at once", (*judge).many},
		{"ends with its context", (*judge).ends},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				folder := t.TempDir()
				tc.test(&judge{t: t, folder: folder, lib: open(t, folder)})
			})
		})
	}
}

// judge looks at one Library.
type judge struct {
	t      *testing.T
	folder string
	lib    rpc.Library
}

func (j *judge) ctx() context.Context { return j.t.Context() }

// add adds a torrent that is paused.
func (j *judge) add(name string, files ...string) int64 {
	j.t.Helper()
	link, err := metainfo.ParseTorrent(Torrent(name, files...))
	require.NoError(j.t, err)
	paused := true
	added, err := j.lib.Add(j.ctx(), rpc.Addition{Link: link, Paused: &paused})
	require.NoError(j.t, err)
	require.False(j.t, added.Duplicate)
	require.Equal(j.t, name, added.Name)
	return added.ID
}

const everything = rpc.Files | rpc.Peers | rpc.Trackers | rpc.Pieces | rpc.Availability

func (j *judge) list(w rpc.Which) []rpc.Torrent {
	j.t.Helper()
	list, err := j.lib.Torrents(j.ctx(), w, everything)
	require.NoError(j.t, err)
	return list
}

func (j *judge) names(w rpc.Which) []string {
	j.t.Helper()
	names := []string{}
	for _, t := range j.list(w) {
		names = append(names, t.Name)
	}
	return names
}

func (j *judge) get(id int64) rpc.Torrent {
	j.t.Helper()
	list := j.list(rpc.Which{IDs: []int64{id}})
	require.Len(j.t, list, 1)
	return list[0]
}

// until waits for a torrent to be as said.
func (j *judge) until(id int64, what string, is func(rpc.Torrent) bool) {
	j.t.Helper()
	require.Eventually(j.t, func() bool { return is(j.get(id)) }, time.Minute, 10*time.Millisecond, what)
}

func (j *judge) adds() {
	id := j.add("album", "one", "two")
	t := j.get(id)
	require.Positive(j.t, id)
	require.Equal(j.t, rpc.Stopped, t.State)
	require.EqualValues(j.t, []any{int64(2 * Size), 2, 5, 1.}, []any{t.Size, t.FileCount, t.PieceCount, t.MetadataShare})
	require.Equal(j.t, j.folder, t.Folder)
	require.Equal(j.t, "album/two", t.Files[1].Path)
	require.EqualValues(j.t, Size, t.Files[1].Size)
	require.True(j.t, t.Files[0].Wanted && t.Files[1].Wanted)
	require.EqualValues(j.t, []any{int64(2 * Size), int64(2 * Size)}, []any{t.WantedSize, t.Left})
	require.Len(j.t, t.Hash, 40)
	require.Len(j.t, t.Trackers, 1)
	require.False(j.t, t.Added.IsZero())
	require.True(j.t, t.Done.IsZero())
	require.Equal(j.t, -1, t.Trackers[0].Seeders, "nobody has said")

	link, err := metainfo.ParseTorrent(Torrent("album", "one", "two"))
	require.NoError(j.t, err)
	again, err := j.lib.Add(j.ctx(), rpc.Addition{Link: link, Labels: []string{"other"}})
	require.NoError(j.t, err)
	require.Equal(j.t, rpc.Added{ID: id, Name: "album", Hash: t.Hash, Duplicate: true}, again)
	require.Empty(j.t, j.get(id).Labels, "a duplicate changes nothing")
	require.Equal(j.t, rpc.Stopped, j.get(id).State)

	link, err = metainfo.ParseMagnet("magnet:?xt=urn:btih:0123456789abcdef0123456789abcdef01234567&dn=later")
	require.NoError(j.t, err)
	paused := true
	folder := filepath.Join(j.folder, "else")
	later, err := j.lib.Add(j.ctx(), rpc.Addition{Link: link, Paused: &paused, Folder: folder, Labels: []string{"x"}, Priority: -1, PeerLimit: 7, Sequential: true})
	require.NoError(j.t, err)
	m := j.get(later.ID)
	require.Greater(j.t, m.ID, id)
	require.EqualValues(j.t, []any{"later", int64(0), 0., folder, -1, 7, true}, []any{m.Name, m.Size, m.MetadataShare, m.Folder, m.Priority, m.PeerLimit, m.Sequential})
	require.Equal(j.t, []string{"x"}, m.Labels)
}

func (j *judge) chooses() {
	a, b, c := j.add("a"), j.add("b"), j.add("c")
	h := j.get(b).Hash
	require.Equal(j.t, []string{"a", "b", "c"}, j.names(rpc.Which{All: true}), "in the order of ids")
	require.Equal(j.t, []string{"a", "c"}, j.names(rpc.Which{IDs: []int64{c, a, 999, a}}))
	require.Equal(j.t, []string{"a", "b"}, j.names(rpc.Which{IDs: []int64{a}, Hashes: []string{h, "nonsense"}}))
	require.Equal(j.t, []string{"b"}, j.names(rpc.Which{IDs: []int64{b}, Hashes: []string{h}}))
	require.Equal(j.t, []string{"a", "b", "c"}, j.names(rpc.Which{Recent: true}), "they are new")
	require.Empty(j.t, j.names(rpc.Which{}))
}

func (j *judge) starts() {
	a, b := j.add("a"), j.add("b")
	for range 2 { // the second time nothing is left to do
		require.NoError(j.t, j.lib.Act(j.ctx(), rpc.Start, []int64{a, 999}))
		j.until(a, "started", func(t rpc.Torrent) bool { return t.State != rpc.Stopped })
	}
	require.NoError(j.t, j.lib.Act(j.ctx(), rpc.StartNow, []int64{b}))
	j.until(b, "started now", func(t rpc.Torrent) bool { return t.State == rpc.Downloading })
	require.NoError(j.t, j.lib.Act(j.ctx(), rpc.Reannounce, []int64{a, b}))
	for range 2 {
		require.NoError(j.t, j.lib.Act(j.ctx(), rpc.Stop, []int64{a, b}))
		j.until(a, "stopped", func(t rpc.Torrent) bool { return t.State == rpc.Stopped })
	}
	require.NoError(j.t, j.lib.Act(j.ctx(), rpc.Verify, []int64{b}))
	require.NoError(j.t, j.lib.Act(j.ctx(), rpc.Start, nil))
}

func (j *judge) removes() {
	a, b := j.add("a"), j.add("b")
	require.NoError(j.t, j.lib.Remove(j.ctx(), []int64{b, 999}, false))
	require.Equal(j.t, []string{"a"}, j.names(rpc.Which{All: true}))
	removed, err := j.lib.Removed(j.ctx())
	require.NoError(j.t, err)
	require.Equal(j.t, []int64{b}, removed)
	again := j.add("b")
	require.Greater(j.t, again, b, "ids are not given twice")
	require.NoError(j.t, j.lib.Remove(j.ctx(), []int64{a, again}, true))
	require.Empty(j.t, j.names(rpc.Which{All: true}))
}

func (j *judge) changed() {
	id := j.add("a")
	text := "x"
	for _, tc := range []struct {
		what string
		do   func() error
	}{
		{"add", func() error { j.add("b"); return nil }},
		{"change", func() error { return j.lib.Change(j.ctx(), []int64{id}, rpc.Change{Group: &text}) }},
		{"configure", func() error { return j.lib.Configure(j.ctx(), rpc.SettingsChange{LimitUp: of(true)}) }},
		{"remove", func() error { return j.lib.Remove(j.ctx(), []int64{id}, false) }},
	} {
		changed := j.lib.Changed()
		require.NoError(j.t, tc.do())
		select {
		case <-changed:
		case <-time.After(time.Minute):
			j.t.Fatal("nobody was told of " + tc.what)
		}
	}
}

func (j *judge) many() {
	id := j.add("a", "one")
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for n := range 50 {
				limit := int64(i*100 + n)
				if err := j.lib.Change(j.ctx(), []int64{id}, rpc.Change{DownLimit: &limit}); err != nil {
					j.t.Error(err)
				}
				j.lib.Changed()
				if list, err := j.lib.Torrents(j.ctx(), rpc.Which{All: true}, everything); err != nil || len(list) != 1 {
					j.t.Error(len(list), err)
				}
				j.lib.Stats(j.ctx())
				j.lib.Settings(j.ctx())
			}
		})
	}
	wg.Wait()
}

func (j *judge) ends() {
	id := j.add("a")
	ctx, cancel := context.WithCancel(j.ctx())
	cancel()
	limit := int64(77)
	err := j.lib.Change(ctx, []int64{id}, rpc.Change{DownLimit: &limit})
	require.Equal(j.t, err == nil, j.get(id).DownLimit == 77, "done, or an error and not done")
	_, err = j.lib.Torrents(ctx, rpc.Which{All: true}, 0)
	if err != nil {
		require.ErrorIs(j.t, err, context.Canceled)
	}
}
