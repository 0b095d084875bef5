package rpctest

import (
	"bytes"
	"context"
	"encoding/hex"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"sotto/anon"
	"sotto/client/api/rpc"
	"sotto/client/metainfo"
)

var _ rpc.Own = (*Library)(nil)

var errNetwork = &rpc.Error{Code: rpc.CodeParams, Text: "that network is not in use"}

// Wrong makes conditions hold in place of those before.
func (l *Library) Wrong(list ...rpc.Condition) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.wrong = list
}

// Status tells of I2P, which is ready, and Tor, which is not.
func (l *Library) Status(ctx context.Context) (rpc.Status, error) {
	err := l.enter(ctx)
	defer l.mu.Unlock()
	if err != nil {
		return rpc.Status{}, err
	}
	return rpc.Status{
		Networks: []rpc.NetworkStatus{
			{On: anon.I2P, Ready: true, Where: "127.0.0.1:7656", Version: "2.50", Addr: anon.I2PAddr([32]byte{1}), Limit: l.limits[anon.I2P]},
			{On: anon.Tor, Note: "Tor is not there; start it.", Limit: l.limits[anon.Tor]},
		},
		Conditions: slices.Clone(l.wrong),
	}, nil
}

var errOriginals = &rpc.Error{Code: rpc.CodePath, Text: "these are the user's own files"}

// Share hashes while its caller waits, and is found at once.
func (l *Library) Share(ctx context.Context, s rpc.Share) (rpc.Added, error) {
	err := l.enter(ctx)
	defer l.mu.Unlock()
	if err != nil {
		return rpc.Added{}, err
	}
	for _, n := range s.Networks {
		if _, ok := l.limits[n]; !ok {
			return rpc.Added{}, errNetwork
		}
	}
	link, err := metainfo.Build(ctx, s.Path, metainfo.BuildOptions{Format: s.Format})
	if err != nil {
		return rpc.Added{}, &rpc.Error{Code: rpc.CodePath, Text: "this cannot be shared"}
	}
	hash := hex.EncodeToString(link.InfoHash[:])
	for _, t := range l.list {
		if t.Hash == hash {
			return rpc.Added{ID: t.ID, Name: t.Name, Hash: hash, Duplicate: true}, nil
		}
	}
	link.Peers = []anon.Addr{anon.I2PAddr([32]byte{1})}
	t, err := l.fresh(rpc.Addition{Link: link, Folder: filepath.Dir(s.Path)}, hash)
	if err != nil {
		return rpc.Added{}, err
	}
	for i := range t.Files {
		t.Files[i].Have = t.Files[i].Size
	}
	count(t)
	l.start(t)
	l.next++
	t.ID, t.Shared, t.Stable, t.Networks = l.next, true, s.Stable, s.Networks
	l.list = append(l.list, t)
	l.touch(t)
	return rpc.Added{ID: t.ID, Name: t.Name, Hash: hash}, nil
}

// originals reports whether one of ids is shared.
func (l *Library) originals(ids []int64) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.ContainsFunc(l.list, func(t *rpc.Torrent) bool { return t.Shared && slices.Contains(ids, t.ID) })
}

// Tune sets what may be set.
func (l *Library) Tune(ctx context.Context, ids []int64, c rpc.Tuning) error {
	err := l.enter(ctx)
	defer l.mu.Unlock()
	if err != nil {
		return err
	}
	if c.Networks != nil {
		for _, n := range *c.Networks {
			if _, ok := l.limits[n]; !ok {
				return errNetwork
			}
		}
	}
	for _, id := range ids {
		if t := l.find(id); t != nil {
			put(&t.Networks, c.Networks)
			put(&t.Identity, c.Identity)
			put(&t.SeedTimeLimit, c.SeedTime)
			l.touch(t)
		}
	}
	return nil
}

// LimitNetwork keeps what it is told.
func (l *Library) LimitNetwork(ctx context.Context, on anon.Network, down, up *int64) (rpc.NetworkLimit, error) {
	err := l.enter(ctx)
	defer l.mu.Unlock()
	limit, ok := l.limits[on]
	switch {
	case err != nil:
		return rpc.NetworkLimit{}, err
	case !ok:
		return rpc.NetworkLimit{}, errNetwork
	}
	put(&limit.Down, down)
	put(&limit.Up, up)
	l.limits[on] = limit
	return limit, nil
}

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
			folder := t.TempDir()
			lib := open(t, folder)
			tc.test(&ownJudge{judge{t: t, folder: folder, lib: lib}, lib})
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
		again, err := j.own.Share(j.ctx(), rpc.Share{Path: at, Format: format})
		require.NoError(j.t, err)
		require.Equal(j.t, rpc.Added{ID: t.ID, Name: name, Hash: t.Hash, Duplicate: true}, again)
	}
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
