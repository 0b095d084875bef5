package store

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"sotto/anon"
	"sotto/anon/vault"
)

func newBox(t testing.TB) *vault.Box {
	t.Helper()
	dir := t.TempDir()
	v, err := vault.Create(dir, vault.KeyFile(filepath.Join(dir, "key")))
	require.NoError(t, err)
	defer v.Close()
	box, err := v.Box("state")
	require.NoError(t, err)
	return box
}

func opened(t testing.TB, dir string, box *vault.Box) *Store {
	t.Helper()
	s, err := Open(dir, box)
	require.NoError(t, err)
	t.Cleanup(func() { s.Close() })
	return s
}

// sample is a torrent with a value in every field.
func sample(n byte) Torrent {
	return Torrent{
		V1: [20]byte{n, 1}, V2: [32]byte{n, 2}, Magnet: "magnet:?x", Name: "canary-name",
		Dir: abs("canary-dir"), Unfinished: abs("unfinished"), Labels: []string{"canary-label", "b"},
		Networks: []anon.Network{anon.Tor, anon.I2P, anon.Memory},
		Added:    time.Date(2026, 3, 4, 5, 0, 0, 0, time.UTC), Done: time.Date(2026, 3, 5, 6, 0, 0, 0, time.UTC),
		Files:  []File{{Priority: Skip}, {}, {Priority: High, Path: "canary/path"}},
		Limits: Limits{Down: 1, Up: 2, Peers: 3, Ratio: 1.5, SeedTime: time.Hour},
		Queue:  int(n), Want: Forced, Sequential: true,
	}
}

func abs(name string) string {
	if runtime.GOOS == "windows" {
		return `C:\` + name
	}
	return "/" + name
}

func TestEverythingSurvivesARestart(t *testing.T) {
	dir, box := filepath.Join(t.TempDir(), "state"), newBox(t)
	s := opened(t, dir, box)
	a, b := sample(2), sample(1)
	v2 := sample(3)
	v2.V1 = [20]byte{}
	require.Equal(t, ID(v2.V2[:20]), v2.ID())
	require.NoError(t, s.Put(a, b, v2))
	require.NoError(t, s.SaveMetadata(a.ID(), []byte("info"), []byte("layers")))
	require.NoError(t, s.SaveMetadata(b.ID(), []byte("info b"), nil))
	progress := Progress{ID: a.ID(),
		Resume: &Resume{Pieces: []byte{0xa0}, Files: []Stamp{{1, 2, 3}, {}}},
		Totals: map[anon.Network]Totals{anon.Tor: {1, 2, 3, 4, 5}, anon.I2P: {Up: 9}},
	}
	require.NoError(t, s.SaveProgress(progress))
	ids := []Identity{{anon.Tor, "label", 6881, anon.NewSecret([]byte("one"))}, {anon.I2P, "", 0, anon.NewSecret([]byte("two"))}}
	require.NoError(t, s.SaveIdentities("group", ids))
	require.NoError(t, s.SaveSettings([]byte("settings")))

	for range 2 {
		all, err := s.Torrents()
		require.NoError(t, err)
		require.Equal(t, []Torrent{b, a, v2}, all, "by place in the queue")
		info, layers, err := s.Metadata(a.ID())
		require.NoError(t, err)
		require.Equal(t, "info/layers", string(info)+"/"+string(layers))
		_, layers, err = s.Metadata(b.ID())
		require.NoError(t, err)
		require.Nil(t, layers)
		got, err := s.Progress(a.ID())
		require.NoError(t, err)
		require.Equal(t, progress, got)
		gotIDs, err := s.Identities("group")
		require.NoError(t, err)
		require.Len(t, gotIDs, 2)
		for i, id := range gotIDs {
			require.Equal(t, ids[i].Key.Expose(), id.Key.Expose())
			require.Equal(t, []any{ids[i].Network, ids[i].Label, ids[i].Port}, []any{id.Network, id.Label, id.Port})
		}
		raw, err := s.Settings()
		require.NoError(t, err)
		require.Equal(t, "settings", string(raw))

		require.NoError(t, s.Close())
		s = opened(t, dir, box)
		_, recovered := s.Recovered()
		require.False(t, recovered)
	}
}

// What a torrent turns out to be takes the place of what stood for it, in one
// step, with its metadata.
func TestReplace(t *testing.T) {
	dir, box := t.TempDir(), newBox(t)
	s := opened(t, dir, box)
	old, now := sample(1), sample(2)
	require.NoError(t, s.Put(old))
	require.ErrorIs(t, s.Replace(sample(3).ID(), now, []byte("info"), nil), fs.ErrNotExist)
	require.NoError(t, s.Replace(old.ID(), now, []byte("info"), []byte("layers")))
	require.NoError(t, s.Put(old))
	require.ErrorIs(t, s.Replace(old.ID(), now, []byte("x"), nil), fs.ErrExist)
	require.ErrorIs(t, s.Replace(old.ID(), now, nil, nil), ErrInvalid)
	require.ErrorIs(t, s.Replace(old.ID(), Torrent{}, []byte("x"), nil), ErrInvalid)
	require.NoError(t, s.Close())
	s = opened(t, dir, box)
	all, err := s.Torrents()
	require.NoError(t, err)
	require.ElementsMatch(t, []Torrent{now, old}, all)
	info, layers, err := s.Metadata(now.ID())
	require.NoError(t, err)
	require.Equal(t, "info/layers", string(info)+"/"+string(layers))
}

func TestNothingThere(t *testing.T) {
	s := opened(t, t.TempDir(), newBox(t))
	all, err := s.Torrents()
	require.NoError(t, err)
	require.Empty(t, all)
	_, _, err = s.Metadata(ID{1})
	require.ErrorIs(t, err, fs.ErrNotExist)
	require.ErrorIs(t, s.SaveMetadata(ID{1}, []byte("x"), nil), fs.ErrNotExist)
	p, err := s.Progress(ID{1})
	require.NoError(t, err)
	require.Equal(t, Progress{ID: ID{1}, Totals: map[anon.Network]Totals{}}, p)
	ids, err := s.Identities("x")
	require.NoError(t, err)
	require.Empty(t, ids)
	raw, err := s.Settings()
	require.NoError(t, err)
	require.Nil(t, raw)
	require.NoError(t, s.Delete(ID{1}))
	require.NoError(t, s.SaveProgress(Progress{ID: ID{1}, Resume: &Resume{Pieces: []byte{1}}}))
	p, err = s.Progress(ID{1})
	require.NoError(t, err)
	require.Nil(t, p.Resume, "progress brings no deleted torrent back")
}

func TestDeleteForgetsAllButTotals(t *testing.T) {
	s := opened(t, t.TempDir(), newBox(t))
	for n := byte(1); n <= 2; n++ {
		id := sample(n).ID()
		require.NoError(t, s.Put(sample(n)))
		require.NoError(t, s.SaveMetadata(id, []byte("info"), []byte("layers")))
		require.NoError(t, s.SaveProgress(Progress{ID: id, Resume: &Resume{}, Totals: map[anon.Network]Totals{anon.Tor: {Down: 5, Up: int64(n)}}}))
		require.NoError(t, s.SaveIdentities(id.String(), []Identity{{anon.Tor, "", 0, anon.NewSecret([]byte("k"))}}))
	}
	for n := byte(1); n <= 2; n++ {
		require.NoError(t, s.Delete(sample(n).ID()))
	}
	require.NoError(t, s.view(func(t2 *txn) error {
		for _, k := range kinds {
			want := 0
			if k == totals {
				want = 1
			}
			n := 0
			require.NoError(t, t2.each(k, func([]byte) error { n++; return nil }))
			require.Equal(t, want, n, k)
		}
		return nil
	}))
	past, err := s.Past()
	require.NoError(t, err)
	require.Equal(t, map[anon.Network]Totals{anon.Tor: {Down: 10, Up: 3}}, past)
}

func TestTimesAreCoarse(t *testing.T) {
	s := opened(t, t.TempDir(), newBox(t))
	one := sample(1)
	one.Added = time.Date(2026, 1, 2, 3, 44, 55, 66, time.FixedZone("x", 3600))
	require.NoError(t, s.Put(one))
	all, err := s.Torrents()
	require.NoError(t, err)
	require.Equal(t, time.Date(2026, 1, 2, 2, 0, 0, 0, time.UTC), all[0].Added)
}

func TestWhatCannotBeIsRefused(t *testing.T) {
	s := opened(t, t.TempDir(), newBox(t))
	for name, spoil := range map[string]func(*Torrent){
		"no hash":    func(t *Torrent) { t.V1, t.V2 = [20]byte{}, [32]byte{} },
		"no folder":  func(t *Torrent) { t.Dir = "" },
		"relative":   func(t *Torrent) { t.Dir = "a/b" },
		"relative 2": func(t *Torrent) { t.Unfinished = "a" },
		"want":       func(t *Torrent) { t.Want = 9 },
		"priority":   func(t *Torrent) { t.Files = []File{{Priority: 2}} },
		"network":    func(t *Torrent) { t.Networks = []anon.Network{77} },
		// JSON would keep the place of another folder.
		"latin-1":   func(t *Torrent) { t.Dir += "caf\xe9" },
		"latin-1 2": func(t *Torrent) { t.Unfinished += "\xe9" },
		"latin-1 3": func(t *Torrent) { t.Files[2].Path = "\xe9" },
	} {
		one := sample(1)
		spoil(&one)
		require.ErrorIs(t, s.Put(sample(2), one), ErrInvalid, name)
	}
	all, err := s.Torrents()
	require.NoError(t, err)
	require.Empty(t, all, "all or none")
	require.NoError(t, s.Put(sample(1)))
	id := sample(1).ID()
	require.ErrorIs(t, s.SaveMetadata(id, nil, nil), ErrInvalid)
	require.ErrorIs(t, s.SaveMetadata(id, make([]byte, MaxInfo+1), nil), ErrInvalid)
	require.ErrorIs(t, s.SaveSettings(make([]byte, MaxSettings+1)), ErrInvalid)
	require.ErrorIs(t, s.SaveIdentities("x", []Identity{{Network: anon.Tor}}), ErrInvalid)
	require.ErrorIs(t, s.SaveIdentities("x", []Identity{{Key: anon.NewSecret([]byte("k"))}}), ErrInvalid)
	require.ErrorIs(t, s.SaveProgress(Progress{ID: id, Totals: map[anon.Network]Totals{0: {}}}), ErrInvalid)
}

func TestLargestMetadata(t *testing.T) {
	dir, box := t.TempDir(), newBox(t)
	s := opened(t, dir, box)
	require.NoError(t, s.Put(sample(1)))
	info := bytes.Repeat([]byte("0123456789abcdef"), MaxInfo/16)
	require.NoError(t, s.SaveMetadata(sample(1).ID(), info, nil))
	require.NoError(t, s.Close())
	s = opened(t, dir, box)
	got, _, err := s.Metadata(sample(1).ID())
	require.NoError(t, err)
	require.True(t, bytes.Equal(info, got))
}

func TestOneInstanceAFolder(t *testing.T) {
	dir, box := t.TempDir(), newBox(t)
	s := opened(t, dir, box)
	_, err := Open(dir, box)
	require.ErrorIs(t, err, ErrRunning)
	require.NoError(t, s.Close())
	require.NoError(t, s.Close())
	_, err = s.Torrents()
	require.ErrorIs(t, err, ErrClosed)
	require.ErrorIs(t, s.Put(sample(1)), ErrClosed)
	require.ErrorIs(t, s.Snapshot(), ErrClosed)
	opened(t, dir, box)
}

func TestForeignVaultIsRefused(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, opened(t, dir, newBox(t)).Close())
	before := contents(t, dir)
	_, err := Open(dir, newBox(t))
	require.ErrorIs(t, err, ErrVault)
	require.Equal(t, before, contents(t, dir))
}

// contents returns all files of a folder but locks.
func contents(t testing.TB, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, name := range []string{mainFile, goodFile, damagedFile, newFile} {
		raw, err := os.ReadFile(filepath.Join(dir, name))
		if err == nil {
			all[name] = string(raw)
		} else {
			require.ErrorIs(t, err, fs.ErrNotExist)
		}
	}
	return all
}

// Somebody who reads the files without the box finds no name, hash, folder or
// key in them.
func TestFilesTellNothing(t *testing.T) {
	dir, box := t.TempDir(), newBox(t)
	s := opened(t, dir, box)
	one := sample(1)
	copy(one.V1[:], "canary-hash-of-20-by")
	require.NoError(t, s.Put(one))
	require.NoError(t, s.SaveMetadata(one.ID(), []byte("canary-info"), []byte("canary-layers")))
	require.NoError(t, s.SaveSettings([]byte("canary-settings")))
	require.NoError(t, s.SaveProgress(Progress{ID: one.ID(), Resume: &Resume{Pieces: []byte("canary-pieces")}}))
	require.NoError(t, s.SaveIdentities("canary-owner", []Identity{{anon.Tor, "canary-label", 0, anon.NewSecret([]byte("canary-key"))}}))
	require.NoError(t, s.Close())
	for name, raw := range contents(t, dir) {
		for _, word := range []string{"canary", hex.EncodeToString([]byte("canary")), base64.StdEncoding.EncodeToString([]byte("canary"))} {
			require.NotContains(t, raw, word, name)
		}
		info, err := os.Stat(filepath.Join(dir, name))
		require.NoError(t, err)
		if runtime.GOOS != "windows" {
			require.Equal(t, fs.FileMode(0o600), info.Mode().Perm(), name)
		}
	}
}

// However many torrents changed, their progress is one commit.
func TestProgressIsOneCommit(t *testing.T) {
	s := opened(t, t.TempDir(), newBox(t))
	var all []Progress
	var many []Torrent
	for n := range byte(100) {
		many = append(many, sample(n))
		all = append(all, Progress{ID: sample(n).ID(), Resume: &Resume{Pieces: []byte{n}}})
	}
	require.NoError(t, s.Put(many...))
	before := commits(t, s)
	require.NoError(t, s.SaveProgress(all...))
	require.Equal(t, before+1, commits(t, s))
}

func commits(t testing.TB, s *Store) (n int) {
	t.Helper()
	require.NoError(t, s.view(func(t *txn) error { n = t.tx.ID(); return nil }))
	return n
}

func FuzzTorrent(f *testing.F) {
	f.Add([]byte(`{"v1":"AAECAwQFBgcICQoLDA0ODxAREhM=","networks":["tor"],"dir":"/d","queue":1,"want":1}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		var e stored
		if decode(raw, &e) != nil {
			return
		}
		one, err := e.torrent()
		if err != nil {
			require.ErrorIs(t, err, ErrDamaged)
			return
		}
		require.NoError(t, one.check())
	})
}
