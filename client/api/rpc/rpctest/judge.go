package rpctest

import (
	"path/filepath"
	"time"

	"github.com/stretchr/testify/require"

	"sotto/client/api/rpc"
)

func of[T any](v T) *T { return &v }

func (j *judge) changes() {
	a, b := j.add("a", "one", "two"), j.add("b")
	c := rpc.Change{
		Priority: of(1), DownLimit: of(int64(30)), UpLimit: of(int64(20)), DownLimited: of(true), Limited: of(true),
		HonorsSessionLimits: of(false), Labels: of([]string{"x", "y"}), Group: of("g"), PeerLimit: of(9),
		RatioLimit: of(1.5), RatioMode: of(rpc.OwnLimit), IdleMode: of(rpc.NoLimit), IdleLimit: of(time.Hour), Sequential: of(true),
	}
	require.NoError(j.t, j.lib.Change(j.ctx(), []int64{a, 999, b}, c))
	for _, id := range []int64{a, b} {
		t := j.get(id)
		require.Equal(j.t,
			[]any{1, int64(30), int64(20), true, true, false, "g", 9, 1.5, rpc.OwnLimit, rpc.NoLimit, time.Hour, true},
			[]any{t.Priority, t.DownLimit, t.UpLimit, t.DownLimited, t.Limited, t.HonorsSessionLimits, t.Group, t.PeerLimit, t.RatioLimit, t.RatioMode, t.IdleMode, t.IdleLimit, t.Sequential})
		require.Equal(j.t, []string{"x", "y"}, t.Labels)
	}
	// b has one file: neither of them may change.
	err := j.lib.Change(j.ctx(), []int64{a, b}, rpc.Change{Priority: of(-1), Files: rpc.FileChange{Unwanted: rpc.FileSet{Index: []int{1}}}})
	require.ErrorIs(j.t, err, rpc.ErrFileIndex)
	require.Equal(j.t, 1, j.get(a).Priority)
	require.True(j.t, j.get(a).Files[1].Wanted)
	require.NoError(j.t, j.lib.Change(j.ctx(), []int64{a}, rpc.Change{}))
	require.NoError(j.t, j.lib.Change(j.ctx(), []int64{a}, rpc.Change{Labels: of([]string{}), Group: of("")}))
	require.Empty(j.t, j.get(a).Labels)
	require.Empty(j.t, j.get(a).Group)
}

func (j *judge) files() {
	id := j.add("a", "one", "two", "three")
	all := rpc.FileSet{All: true}
	for _, tc := range []struct {
		change     rpc.FileChange
		wanted     []bool
		priorities []int
	}{
		{rpc.FileChange{Unwanted: all, Wanted: rpc.FileSet{Index: []int{1}}}, []bool{false, true, false}, []int{0, 0, 0}},
		{rpc.FileChange{High: rpc.FileSet{Index: []int{2}}, Low: rpc.FileSet{Index: []int{0}}}, []bool{false, true, false}, []int{-1, 0, 1}},
		{rpc.FileChange{Wanted: all, Normal: all}, []bool{true, true, true}, []int{0, 0, 0}},
	} {
		require.NoError(j.t, j.lib.Change(j.ctx(), []int64{id}, rpc.Change{Files: tc.change}))
		t := j.get(id)
		var size int64
		for i, f := range t.Files {
			require.Equal(j.t, tc.wanted[i], f.Wanted)
			require.Equal(j.t, tc.priorities[i], f.Priority)
			if f.Wanted {
				size += f.Size
			}
		}
		require.Equal(j.t, size, t.WantedSize)
		require.Equal(j.t, size, t.Left)
	}
}

func (j *judge) trackers() {
	id := j.add("a")
	tiers := [][]string{{"http://a.i2p/a", "http://b.i2p/a"}, {"http://c.i2p/a"}}
	require.NoError(j.t, j.lib.Change(j.ctx(), []int64{id}, rpc.Change{Trackers: &tiers}))
	got, ids := map[string]int{}, map[int]bool{}
	for _, tr := range j.get(id).Trackers {
		got[tr.URL] = tr.Tier
		ids[tr.ID] = true
	}
	require.Equal(j.t, map[string]int{"http://a.i2p/a": 0, "http://b.i2p/a": 0, "http://c.i2p/a": 1}, got)
	require.Len(j.t, ids, 3, "each has an id of its own")
	require.NoError(j.t, j.lib.Change(j.ctx(), []int64{id}, rpc.Change{Trackers: &[][]string{}}))
	require.Empty(j.t, j.get(id).Trackers)
}

func (j *judge) queue() {
	ids := []int64{j.add("a"), j.add("b"), j.add("c"), j.add("d")}
	order := func() string {
		out := make([]byte, len(ids))
		for _, t := range j.list(rpc.Which{All: true}) {
			out[t.QueuePosition] = t.Name[0]
		}
		return string(out)
	}
	require.Equal(j.t, "abcd", order())
	for _, tc := range []struct {
		ids  []int64
		to   rpc.Shift
		want string
	}{
		{ids[2:4], rpc.ToTop, "cdab"},
		{ids[2:3], rpc.ToBottom, "dabc"},
		{ids[1:2], rpc.Up, "dbac"},
		{ids[3:4], rpc.Down, "bdac"},
		{ids[1:2], rpc.Up, "bdac"},
	} {
		require.NoError(j.t, j.lib.Shift(j.ctx(), tc.ids, tc.to))
		require.Equal(j.t, tc.want, order())
	}
	require.NoError(j.t, j.lib.Change(j.ctx(), ids[2:3], rpc.Change{QueuePosition: of(0)}))
	require.Equal(j.t, "cbda", order())
	require.NoError(j.t, j.lib.Remove(j.ctx(), ids[1:2], false))
	ids = ids[1:]
	require.Equal(j.t, "cda", order(), "without holes")
}

func (j *judge) moves() {
	id := j.add("album", "one", "two")
	to := filepath.Join(j.folder, "to")
	require.NoError(j.t, j.lib.Move(j.ctx(), []int64{id}, to, true))
	j.until(id, "moved", func(t rpc.Torrent) bool { return t.Folder == to })
	require.NoError(j.t, j.lib.Rename(j.ctx(), id, "album/one", "uno"))
	require.Equal(j.t, "album/uno", j.get(id).Files[0].Path)
	require.NoError(j.t, j.lib.Rename(j.ctx(), id, "album", "disc"))
	require.Equal(j.t, "disc", j.get(id).Name)
	require.Equal(j.t, "disc/two", j.get(id).Files[1].Path)
	var e *rpc.Error
	require.ErrorAs(j.t, j.lib.Rename(j.ctx(), id, "none", "x"), &e, "a caller may know that there is no such file")
}

func (j *judge) settings() {
	before, err := j.lib.Settings(j.ctx())
	require.NoError(j.t, err)
	require.Equal(j.t, j.folder, before.Folder)
	require.Contains(j.t, []string{"required", "preferred", "tolerated"}, before.Encryption)
	require.NoError(j.t, j.lib.Configure(j.ctx(), rpc.SettingsChange{SpeedDown: of(int64(77)), LimitDown: of(true), AltBegin: of(time.Hour), RatioLimit: of(2.5)}))
	after, err := j.lib.Settings(j.ctx())
	require.NoError(j.t, err)
	want := before
	want.SpeedDown, want.LimitDown, want.Alt.Begin, want.RatioLimit = 77, true, time.Hour, 2.5
	require.Equal(j.t, want, after, "these and nothing else")
	free, total, err := j.lib.Space(j.ctx(), j.folder)
	require.NoError(j.t, err)
	require.Positive(j.t, free)
	require.GreaterOrEqual(j.t, total, free)
}

func (j *judge) groups() {
	require.NoError(j.t, j.lib.SetGroup(j.ctx(), "g", rpc.GroupChange{SpeedDown: of(int64(5)), LimitDown: of(true)}))
	require.NoError(j.t, j.lib.SetGroup(j.ctx(), "g", rpc.GroupChange{SpeedUp: of(int64(6))}))
	list, err := j.lib.Groups(j.ctx())
	require.NoError(j.t, err)
	require.Len(j.t, list, 1)
	require.Equal(j.t, []any{"g", int64(5), int64(6), true, false}, []any{list[0].Name, list[0].SpeedDown, list[0].SpeedUp, list[0].LimitDown, list[0].LimitUp})
}

func (j *judge) counts() {
	j.add("a", "one", "two")
	j.add("b")
	st, err := j.lib.Stats(j.ctx())
	require.NoError(j.t, err)
	require.Equal(j.t, []int{2, 0, 2, 3, 1}, []int{st.Torrents, st.Running, st.Paused, st.Now.Added, st.Now.Runs})
	require.GreaterOrEqual(j.t, st.Ever.Added, 3)
	require.Equal(j.t, st.Now.Downloaded, int64(0))
}

// gives: what a caller does to an answer stays with the caller.
func (j *judge) gives() {
	id := j.add("a", "one", "two")
	require.NoError(j.t, j.lib.Change(j.ctx(), []int64{id}, rpc.Change{Labels: of([]string{"x"})}))
	t := j.get(id)
	t.Labels[0], t.Files[0].Path, t.Trackers[0].URL = "y", "y", "y"
	clear(t.Pieces)
	again := j.get(id)
	require.Equal(j.t, "x", again.Labels[0])
	require.Equal(j.t, "a/one", again.Files[0].Path)
	require.NotEqual(j.t, "y", again.Trackers[0].URL)
}
