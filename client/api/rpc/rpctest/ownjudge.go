package rpctest

import (
	"bytes"
	"context"
	"encoding/hex"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"sotto/anon"
	"sotto/client/api/rpc"
	"sotto/client/metainfo"
)

// OwnLibrary is both sides of a library.
type OwnLibrary interface {
	rpc.Library
	rpc.Own
}

// RunOwn judges a library by the contract of rpc.Own. Each of its tests calls
// open for a new one as Run does, which has one network at least.
func RunOwn(t *testing.T, open func(t *testing.T, folder string) OwnLibrary) {
	for _, tc := range []struct {
		name string
		test func(*ownJudge)
	}{
		{"tells its status", (*ownJudge).status},
		{"shares", (*ownJudge).shares},
		{"keeps its hands off what it shares", (*ownJudge).keeps},
		{"refuses what cannot be shared", (*ownJudge).sharesNot},
		{"tunes", (*ownJudge).tunes},
		{"limits networks", (*ownJudge).limits},
		{"ends with its context", (*ownJudge).ends},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				folder := t.TempDir()
				lib := open(t, folder)
				tc.test(&ownJudge{judge{t: t, folder: folder, lib: lib}, lib})
			})
		})
	}
}

type ownJudge struct {
	judge
	own rpc.Own
}

func (j *ownJudge) networks() (out []anon.Network) {
	st, err := j.own.Status(j.ctx())
	require.NoError(j.t, err)
	for _, n := range st.Networks {
		require.NotContains(j.t, out, n.On)
		out = append(out, n.On)
	}
	require.NotEmpty(j.t, out)
	return out
}

func (j *ownJudge) status() {
	j.networks()
	st, err := j.own.Status(j.ctx())
	require.NoError(j.t, err)
	for _, n := range st.Networks {
		require.True(j.t, n.Ready || n.Note != "", "what is not ready says why")
		require.True(j.t, n.Addr.IsUnknown() || n.Addr.On() == n.On)
	}
	for _, c := range st.Conditions {
		for _, text := range []string{c.Name, c.Severity, c.What, c.Privacy, c.Remedy} {
			require.NotEmpty(j.t, text)
		}
	}
}

// file makes a file in the folder.
func (j *ownJudge) file(name string) string {
	at := filepath.Join(j.folder, name)
	require.NoError(j.t, os.MkdirAll(filepath.Dir(at), 0o755))
	require.NoError(j.t, os.WriteFile(at, bytes.Repeat([]byte(name), Size/len(name)), 0o644))
	return at
}

func (j *ownJudge) share(at string) rpc.Torrent {
	added, err := j.own.Share(j.ctx(), rpc.Share{Path: at, Stable: true})
	require.NoError(j.t, err)
	require.False(j.t, added.Duplicate)
	j.until(added.ID, "shared", func(t rpc.Torrent) bool { return t.State == rpc.Seeding && t.Magnet != "" })
	return j.get(added.ID)
}

func (j *ownJudge) shares() {
	for _, format := range []metainfo.Format{metainfo.FormatV1, metainfo.FormatHybrid, metainfo.FormatV2} {
		name := format.String()
		j.file(name + "/one")
		j.file(name + "/sub/two")
		at := filepath.Join(j.folder, name)
		added, err := j.own.Share(j.ctx(), rpc.Share{Path: at, Format: format, Stable: true})
		require.NoError(j.t, err)
		j.until(added.ID, "shared", func(t rpc.Torrent) bool { return t.State == rpc.Seeding && t.Magnet != "" })
		t := j.get(added.ID)
		want, err := metainfo.Build(j.ctx(), at, metainfo.BuildOptions{Format: format})
		require.NoError(j.t, err)
		require.Equal(j.t, hex.EncodeToString(want.InfoHash[:]), t.Hash, "what anybody makes of it")
		require.Equal(j.t, []any{name, j.folder, true, true, int64(0)}, []any{t.Name, t.Folder, t.Shared, t.Stable, t.Left})
		require.Equal(j.t, name+"/sub/two", t.Files[1].Path)
		link, err := metainfo.ParseMagnet(t.Magnet)
		require.NoError(j.t, err)
		require.NotEmpty(j.t, link.Peers)
		require.Equal(j.t, want.InfoHash, link.InfoHash)
		j.torrentFile(t.ID, want, link)
		require.NoError(j.t, j.lib.Act(j.ctx(), rpc.Stop, []int64{t.ID}))
		again, err := j.own.Share(j.ctx(), rpc.Share{Path: at, Format: format})
		require.NoError(j.t, err)
		require.Equal(j.t, rpc.Added{ID: t.ID, Name: name, Hash: t.Hash, Duplicate: true}, again)
		j.until(t.ID, "started again", func(t rpc.Torrent) bool { return t.State == rpc.Seeding })
	}
}

// torrentFile looks at the file that can be handed on in place of the link.
func (j *ownJudge) torrentFile(id int64, want, link *metainfo.Link) {
	raw, err := j.own.TorrentFile(j.ctx(), id)
	require.NoError(j.t, err)
	got, err := metainfo.ParseTorrent(raw)
	require.NoError(j.t, err)
	require.Equal(j.t, want.Info, got.Info)
	require.Equal(j.t, want.Layers, got.Layers)
	require.Equal(j.t, link.Trackers, got.Trackers)
	var refused *rpc.Error
	_, err = j.own.TorrentFile(j.ctx(), id+1000)
	require.ErrorAs(j.t, err, &refused)
	_, err = j.own.TorrentFile(j.ctx(), j.add("fetched"+want.Name))
	require.ErrorAs(j.t, err, &refused, "it is no share")
}

func (j *ownJudge) keeps() {
	at := j.file("mine")
	t := j.share(at)
	ids := []int64{t.ID}
	var refused *rpc.Error
	require.ErrorAs(j.t, j.lib.Remove(j.ctx(), ids, true), &refused)
	require.ErrorAs(j.t, j.lib.Move(j.ctx(), ids, filepath.Join(j.folder, "other"), true), &refused)
	require.ErrorAs(j.t, j.lib.Rename(j.ctx(), t.ID, "mine", "yours"), &refused)
	require.Equal(j.t, "mine", j.get(t.ID).Name)
	require.NoError(j.t, j.lib.Remove(j.ctx(), ids, false))
	require.FileExists(j.t, at)
	require.Empty(j.t, j.list(rpc.Which{IDs: ids}))
	require.Equal(j.t, t.Hash, j.share(at).Hash, "and once more")
}

func (j *ownJudge) sharesNot() {
	at := j.file("mine")
	var refused *rpc.Error
	_, err := j.own.Share(j.ctx(), rpc.Share{Path: filepath.Join(j.folder, "nothing")})
	require.ErrorAs(j.t, err, &refused)
	_, err = j.own.Share(j.ctx(), rpc.Share{Path: at, Networks: []anon.Network{absent}})
	require.ErrorAs(j.t, err, &refused)
	require.Empty(j.t, j.list(rpc.Which{All: true}))
}

// absent is a network that no library has, since there is none of that number.
const absent anon.Network = 200

func (j *ownJudge) tunes() {
	a, b := j.add("a"), j.add("b")
	on := j.networks()[:1]
	t := rpc.Tuning{Networks: &on, Identity: of("work"), SeedTime: of(time.Hour)}
	require.NoError(j.t, j.own.Tune(j.ctx(), []int64{a, 999}, t))
	got := j.get(a)
	require.Equal(j.t, on, got.Networks)
	require.Equal(j.t, []any{"work", time.Hour}, []any{got.Identity, got.SeedTimeLimit})
	require.Empty(j.t, j.get(b).Identity)

	var refused *rpc.Error
	err := j.own.Tune(j.ctx(), []int64{a, b}, rpc.Tuning{Networks: &[]anon.Network{absent}, Identity: of("x")})
	require.ErrorAs(j.t, err, &refused)
	require.Equal(j.t, "work", j.get(a).Identity, "nothing has changed")
	require.NoError(j.t, j.own.Tune(j.ctx(), []int64{a}, rpc.Tuning{}))
	require.Equal(j.t, time.Hour, j.get(a).SeedTimeLimit)
	require.NoError(j.t, j.own.Tune(j.ctx(), []int64{a}, rpc.Tuning{Networks: &[]anon.Network{}, Identity: of(""), SeedTime: of(time.Duration(0))}))
	got = j.get(a)
	require.Empty(j.t, got.Networks)
	require.Equal(j.t, []any{"", time.Duration(0)}, []any{got.Identity, got.SeedTimeLimit})
}

func (j *ownJudge) limits() {
	on := j.networks()[0]
	for _, tc := range []struct {
		down, up *int64
		want     rpc.NetworkLimit
	}{
		{of(int64(50)), nil, rpc.NetworkLimit{Down: 50}},
		{nil, of(int64(20)), rpc.NetworkLimit{Down: 50, Up: 20}},
		{nil, nil, rpc.NetworkLimit{Down: 50, Up: 20}},
		{of(int64(0)), nil, rpc.NetworkLimit{Up: 20}},
	} {
		got, err := j.own.LimitNetwork(j.ctx(), on, tc.down, tc.up)
		require.NoError(j.t, err)
		require.Equal(j.t, tc.want, got)
	}
	st, err := j.own.Status(j.ctx())
	require.NoError(j.t, err)
	require.Equal(j.t, rpc.NetworkLimit{Up: 20}, st.Networks[0].Limit)
	var refused *rpc.Error
	_, err = j.own.LimitNetwork(j.ctx(), absent, of(int64(1)), nil)
	require.ErrorAs(j.t, err, &refused)
}

func (j *ownJudge) ends() {
	ctx, cancel := context.WithCancel(j.ctx())
	cancel()
	_, err := j.own.Status(ctx)
	require.ErrorIs(j.t, err, context.Canceled)
	require.ErrorIs(j.t, j.own.Tune(ctx, nil, rpc.Tuning{}), context.Canceled)
	_, err = j.own.Share(ctx, rpc.Share{Path: j.file("mine")})
	require.ErrorIs(j.t, err, context.Canceled)
	_, err = j.own.LimitNetwork(ctx, j.networks()[0], nil, nil)
	require.ErrorIs(j.t, err, context.Canceled)
}
