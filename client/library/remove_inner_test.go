package library

import (
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"sotto/anon/vault"
	"sotto/client/health"
	"sotto/client/metainfo"
	"sotto/client/store"
)

// still returns an owner that nobody runs, over a store.
func still(t *testing.T) *owner {
	t.Helper()
	dir := t.TempDir()
	v, err := vault.Create(dir, vault.KeyFile(filepath.Join(dir, "key")))
	require.NoError(t, err)
	defer v.Close()
	box, err := v.Box("state")
	require.NoError(t, err)
	st, err := store.Open(filepath.Join(dir, "state"), box)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, st.Close()) })
	o, err := newOwner(Options{Store: st, Folder: t.TempDir(), Board: new(health.Board), Log: slog.New(slog.DiscardHandler)}, func() {})
	require.NoError(t, err)
	return o
}

func (o *owner) with(t *testing.T, n byte) *torrent {
	t.Helper()
	id := [20]byte{n}
	x := &torrent{rec: store.Torrent{V1: id, Magnet: (&metainfo.Link{InfoHash: id}).Magnet(), Dir: o.opts.Folder}}
	require.NoError(t, x.relink())
	require.NoError(t, o.put(x))
	o.add(x)
	return x
}

// What the store could not forget is forgotten later, and not only after a restart.
func TestForgetsLater(t *testing.T) {
	o := still(t)
	x, good := o.with(t, 1), o.opts.Store
	require.NoError(t, o.commit([]*torrent{x}, func(x *torrent) { x.own.Erase = new(erase) }))
	closed := still(t).opts.Store
	require.NoError(t, closed.Close())
	o.opts.Store = closed
	o.part([]*torrent{x})
	require.Len(t, o.leavers, 1)
	require.NotNil(t, o.byHash[x.rec.ID()], "nobody may add it yet")
	o.opts.Store = good
	o.notBuried = time.Time{}
	o.bury()
	require.Empty(t, o.leavers)
	require.Empty(t, o.byHash)
	list, err := good.Torrents()
	require.NoError(t, err)
	require.Empty(t, list)
}

// Names that stay as they are are not written down with a move: there may be a
// hundred thousand, and long ones.
func TestMoveWritesNoNames(t *testing.T) {
	o := still(t)
	x := o.with(t, 1)
	info := &metainfo.Info{Name: "album", PieceLength: 1 << 14, Pieces: 1, V1: true, Files: []metainfo.File{{Path: "album/a", Length: 1}}}
	x.inform(info)
	to := t.TempDir()
	require.NoError(t, o.relocate(x, place{to, x.paths()}, ""))
	list, err := o.opts.Store.Torrents()
	require.NoError(t, err)
	require.NotContains(t, string(list[0].More), "album")
	y, err := o.load(list[0])
	require.NoError(t, err)
	y.inform(info)
	require.Equal(t, place{to, []string{"album/a"}}, y.places()[2])
}

// Files that could not be deleted are not left behind without a word.
func TestFilesThatAreLeft(t *testing.T) {
	o := still(t)
	x := o.with(t, 1)
	x.inform(&metainfo.Info{Name: "a", PieceLength: 1 << 14, Pieces: 1, V1: true, Files: []metainfo.File{{Path: "a", Length: 1}}})
	x.count([]byte{0x80})
	x.own.Erase = &erase{Data: true}
	at := filepath.Join(o.opts.Folder, "a")
	require.NoError(t, os.MkdirAll(filepath.Join(at, "full"), 0o755)) // Remove fails, as on a disk that is read only
	o.reports = make(chan report, 1)
	o.part([]*torrent{x})
	o.take(<-o.reports)
	require.Empty(t, o.leavers)
	left := o.opts.Board.List(time.Now())
	require.Len(t, left, 1)
	require.Equal(t, []any{health.FilesLeft, o.opts.Folder}, []any{left[0].Name, left[0].Subject})
}
