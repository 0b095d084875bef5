package remote

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"sotto/testnet/user"
)

// row is a torrent as a remote shows it; what it does not show is -1.
type row struct {
	ID     int64   `json:"id"`
	Hash   string  `json:"hash"`
	Name   string  `json:"name"`
	Dir    string  `json:"dir"`
	Status int     `json:"status"` // 0 is stopped
	Done   float64 `json:"done"`
	// In bytes: verified, still to come, and fetched over all time.
	Have, Left, Fetched int64
	Limit               int64 // kB/s, -1 for none
	Files               []fileRow
}

type fileRow struct {
	Name       string
	Size, Have int64
	Wanted     bool
	Priority   int
}

// remote is a program that steers daemons, with the things that all of them can.
type remote interface {
	add(file, folder string) // stopped, as is link
	link(magnet, folder string)
	list() []row
	stop(id int64)
	start(id int64)
	choose(id int64) // not the first file, the second first, at 900 kB/s
	all(id int64)    // files
	limit(kB int64)  // of everything
	limited() int64
	move(id int64, to string)
	remove(id int64, data bool)
}

// The clients that people steer Transmission with, each against one real daemon
// that fetches over a private Tor network what somebody shares there. What they
// show is what lies on the disk.
func TestRemotesSteerADaemon(t *testing.T) {
	a, d := share(t), up(t)
	for name, r := range map[string]func(*testing.T, *real) remote{
		"transmission-remote": newTransmissionRemote, "python": newPython, "node": newNode, "hekmon": newHekmon,
	} {
		ok := t.Run(name, func(t *testing.T) { steer(t, d, r(t, d), a) })
		require.True(t, ok, "what it has left would fail the others")
	}
	t.Run("twenty", func(t *testing.T) { twenty(t, d, a) })
	t.Run("strangers", func(t *testing.T) { strangers(t, d, a) })
	t.Run("another site", func(t *testing.T) { anotherSite(t, d, a) })
}

func steer(t *testing.T, d *real, r remote, a album) {
	folder, elsewhere := filepath.Join(d.Downloads, "music"), filepath.Join(d.Downloads, "else")
	require.Empty(t, r.list())
	r.limit(950)
	require.EqualValues(t, 950, r.limited())

	r.add(a.file, folder)
	one := only(t, r)
	require.Equal(t, a.name, one.Name)
	require.Zero(t, one.Status)
	require.Zero(t, one.Done)
	r.choose(one.ID)
	one = only(t, r)
	require.EqualValues(t, 900, one.Limit)
	require.Equal(t, []bool{false, true, true}, []bool{one.Files[0].Wanted, one.Files[1].Wanted, one.Files[2].Wanted})
	require.Equal(t, []int{0, 1, 0}, []int{one.Files[0].Priority, one.Files[1].Priority, one.Files[2].Priority})
	r.start(one.ID)
	one = until(t, d, r, "some files", func(x row) bool { return x.Done == 1 })
	requireShown(t, a, one, map[string]bool{"three": true, "two": true})
	requireFiles(t, a, filepath.Join(folder, a.name), "three", "two")

	r.all(one.ID)
	one = until(t, d, r, "all files", func(x row) bool { return x.Files[0].Have == a.sizes["one"] && x.Done == 1 })
	requireShown(t, a, one, map[string]bool{"one": true, "three": true, "two": true})
	requireFiles(t, a, filepath.Join(folder, a.name), "one", "three", "two")

	r.move(one.ID, elsewhere)
	until(t, d, r, "moved", func(x row) bool { return x.Dir == elsewhere })
	require.Eventually(t, func() bool { return gone(filepath.Join(folder, a.name)) }, patience, 100*time.Millisecond)
	requireFiles(t, a, filepath.Join(elsewhere, a.name), "one", "three", "two")
	r.stop(one.ID)
	require.Zero(t, until(t, d, r, "stopped", func(x row) bool { return x.Status == 0 }).Status)
	r.remove(one.ID, true)
	require.Empty(t, r.list())
	require.Eventually(t, func() bool { return gone(filepath.Join(elsewhere, a.name)) }, patience, 100*time.Millisecond)

	r.link(a.magnet, folder)
	require.Zero(t, only(t, r).Status)
	r.start(only(t, r).ID)
	one = until(t, d, r, "the magnet link's", func(x row) bool { return x.Done == 1 && len(x.Files) == 3 })
	require.Equal(t, a.name, one.Name)
	requireFiles(t, a, filepath.Join(folder, a.name), "one", "three", "two")
	r.remove(one.ID, false)
	require.Empty(t, r.list())
	requireFiles(t, a, filepath.Join(folder, a.name), "one", "three", "two")
	require.NoError(t, os.RemoveAll(filepath.Join(folder, a.name)))
}

// requireShown compares what a remote shows of a torrent with what there is.
func requireShown(t *testing.T, a album, x row, want map[string]bool) {
	t.Helper()
	var have, bytes int64
	for _, f := range x.Files {
		name := filepath.Base(f.Name)
		require.Equal(t, want[name], f.Wanted, f.Name)
		require.InDelta(t, a.sizes[name], f.Size, 0.01*float64(f.Size), f.Name)
		bytes += a.sizes[name]
		if want[name] {
			require.Equal(t, f.Size, f.Have, f.Name)
			have += a.sizes[name]
		}
	}
	if x.Have >= 0 { // else it rounds
		require.GreaterOrEqual(t, x.Have, have)
		require.LessOrEqual(t, x.Have, bytes)
		require.Zero(t, x.Left)
		require.GreaterOrEqual(t, x.Fetched, have)
		require.LessOrEqual(t, x.Fetched, bytes+bytes/10)
	}
}

// requireFiles compares what lies in a folder with what was shared. Of files that
// are not wanted only parts are there, under other names.
func requireFiles(t *testing.T, a album, folder string, names ...string) {
	t.Helper()
	got, err := user.Sums(folder)
	require.NoError(t, err)
	for _, name := range names {
		require.Equal(t, a.sums[name], got[name], name)
	}
	if len(names) < len(a.sums) {
		require.NotContains(t, got, "one")
	}
}

func only(t *testing.T, r remote) row {
	t.Helper()
	list := r.list()
	require.Len(t, list, 1)
	return list[0]
}

func until(t *testing.T, d *real, r remote, what string, is func(row) bool) (x row) {
	t.Helper()
	require.Eventually(t, func() bool {
		list := r.list()
		if len(list) == 1 {
			x = list[0]
		}
		return len(list) == 1 && is(x)
	}, patience, 500*time.Millisecond, "%s: %+v; %s", what, &x, d.Said())
	return x
}

func gone(path string) bool {
	_, err := os.Lstat(path)
	return os.IsNotExist(err)
}
