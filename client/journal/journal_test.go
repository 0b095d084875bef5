package journal_test

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"sotto/client/journal"
)

func sample() journal.Record {
	return journal.Record{
		InfoHash: [20]byte{1, 2, 3}, Dir: "/data", Info: []byte("d4:name1:xe"), Layers: []byte("de"), Magnet: "magnet:?x",
	}
}

func file(dir string) string {
	return filepath.Join(dir, "torrents", "0102030000000000000000000000000000000000.json")
}

func TestRoundTrip(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	j, err := journal.Open(dir)
	require.NoError(t, err)
	_, err = j.Load([20]byte{1, 2, 3})
	require.ErrorIs(t, err, fs.ErrNotExist)

	require.NoError(t, j.Save(sample()))
	changed := sample()
	changed.Info, changed.Layers = nil, nil
	require.NoError(t, j.Save(changed))
	got, err := j.Load([20]byte{1, 2, 3})
	require.NoError(t, err)
	require.Equal(t, changed, got)

	hashes, err := j.Hashes()
	require.NoError(t, err)
	require.Equal(t, [][20]byte{{1, 2, 3}}, hashes)
	require.NoError(t, j.Remove([20]byte{1, 2, 3}))
	require.NoError(t, j.Remove([20]byte{1, 2, 3}))
	_, err = j.Load([20]byte{1, 2, 3})
	require.ErrorIs(t, err, fs.ErrNotExist)
}

func TestOnlyTheOwnerCanRead(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	j, err := journal.Open(dir)
	require.NoError(t, err)
	require.NoError(t, j.Save(sample()))
	for path, want := range map[string]fs.FileMode{filepath.Join(dir, "torrents"): 0o700, file(dir): 0o600} {
		info, err := os.Stat(path)
		require.NoError(t, err)
		require.Equal(t, want, info.Mode().Perm(), path)
	}
}

// A record cut at any byte, or with any one byte changed, is an error or the
// same download; never a panic and never another torrent or folder.
func TestDamageIsNoticed(t *testing.T) {
	dir := t.TempDir()
	j, err := journal.Open(dir)
	require.NoError(t, err)
	require.NoError(t, j.Save(sample()))
	raw, err := os.ReadFile(file(dir))
	require.NoError(t, err)
	for i := range raw {
		require.NoError(t, os.WriteFile(file(dir), raw[:i], 0o600))
		_, err := j.Load(sample().InfoHash)
		require.ErrorIs(t, err, journal.ErrDamaged, "cut at %d", i)
	}
	for _, text := range []string{"", "null", "[]", "{}", `{"version":1}`, `{"version":0,"info_hash":"00","dir":"/"}`,
		strings.Replace(string(raw), "/data", "data", 1), strings.Replace(string(raw), "0102", "0202", 1)} {
		require.NoError(t, os.WriteFile(file(dir), []byte(text), 0o600))
		_, err := j.Load(sample().InfoHash)
		require.ErrorIs(t, err, journal.ErrDamaged, text)
	}
}

func TestLaterVersionIsLeftAlone(t *testing.T) {
	dir := t.TempDir()
	j, err := journal.Open(dir)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(file(dir), []byte(`{"version":2}`), 0o600))
	_, err = j.Load(sample().InfoHash)
	require.ErrorIs(t, err, journal.ErrVersion)
	raw, err := os.ReadFile(file(dir))
	require.NoError(t, err)
	require.Equal(t, `{"version":2}`, string(raw))
}

func TestLockIsPerTorrentAndEndsWithItsHolder(t *testing.T) {
	j, err := journal.Open(t.TempDir())
	require.NoError(t, err)
	unlock, err := j.Lock([20]byte{1})
	require.NoError(t, err)
	_, err = j.Lock([20]byte{1})
	require.ErrorIs(t, err, journal.ErrBusy)
	other, err := j.Lock([20]byte{2})
	require.NoError(t, err)
	other()
	unlock()
	unlock, err = j.Lock([20]byte{1})
	require.NoError(t, err)
	unlock()
}

// The holder is killed while it has the lock: nothing is left behind.
func TestLockEndsWithAKilledProcess(t *testing.T) {
	const key = "SOTTO_TEST_LOCK_DIR"
	if dir := os.Getenv(key); dir != "" {
		j, err := journal.Open(dir)
		require.NoError(t, err)
		_, err = j.Lock([20]byte{1})
		require.NoError(t, err)
		os.Stdout.WriteString("locked\n")
		time.Sleep(time.Hour) // until killed
	}
	dir := t.TempDir()
	cmd := exec.Command(os.Args[0], "-test.run=^TestLockEndsWithAKilledProcess$")
	cmd.Env = append(os.Environ(), key+"="+dir)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	_, err = out.Read(make([]byte, 64))
	require.NoError(t, err)
	j, err := journal.Open(dir)
	require.NoError(t, err)
	_, err = j.Lock([20]byte{1})
	require.ErrorIs(t, err, journal.ErrBusy)
	require.NoError(t, cmd.Process.Kill())
	cmd.Wait()
	unlock, err := j.Lock([20]byte{1})
	require.NoError(t, err)
	unlock()
}

// A torrent that is done with leaves no trace of its hash, however earlier
// processes ended; one that somebody works on is left alone.
func TestNothingTellsOfTheDone(t *testing.T) {
	dir := t.TempDir()
	j, err := journal.Open(dir)
	require.NoError(t, err)
	unlock, err := j.Lock(sample().InfoHash)
	require.NoError(t, err)
	require.NoError(t, j.Save(sample()))
	require.NoError(t, os.WriteFile(file(dir)+".new", []byte("half a record"), 0o600))
	require.NoError(t, j.Remove(sample().InfoHash))
	unlock()
	require.Empty(t, names(t, dir))

	other := strings.TrimSuffix(strings.Replace(file(dir), "0102", "aaaa", 1), ".json")
	for _, end := range []string{".lock", ".json.new"} {
		require.NoError(t, os.WriteFile(other+end, nil, 0o600))
	}
	require.NoError(t, os.WriteFile(filepath.Join(dir, "torrents", "notes.lock"), nil, 0o600))
	unlock, err = j.Lock(sample().InfoHash)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(file(dir)+".new", nil, 0o600))
	j.Tidy()
	hash := strings.TrimSuffix(filepath.Base(file(dir)), ".json")
	require.Equal(t, []string{hash + ".json.new", hash + ".lock", "notes.lock"}, names(t, dir))
	unlock()
}

// Processes that take the lock in turn, each removing its file, never have it at
// once: none may lock a file that another has just removed.
func TestLockThatComesAndGoesHasOneHolder(t *testing.T) {
	const key = "SOTTO_TEST_LOCK_TURNS"
	if dir := os.Getenv(key); dir != "" {
		j, err := journal.Open(dir)
		require.NoError(t, err)
		for turns := 0; turns < 300; {
			unlock, err := j.Lock([20]byte{1})
			if errors.Is(err, journal.ErrBusy) {
				continue
			}
			require.NoError(t, err)
			require.NoError(t, os.Mkdir(filepath.Join(dir, "inside"), 0o700), "somebody else is")
			require.NoError(t, os.Remove(filepath.Join(dir, "inside")))
			unlock()
			turns++
		}
		return
	}
	dir := t.TempDir()
	var all []*exec.Cmd
	for range 4 {
		cmd := exec.Command(os.Args[0], "-test.run=^TestLockThatComesAndGoesHasOneHolder$")
		cmd.Env, cmd.Stdout = append(os.Environ(), key+"="+dir), os.Stderr
		require.NoError(t, cmd.Start())
		all = append(all, cmd)
	}
	for _, cmd := range all {
		require.NoError(t, cmd.Wait())
	}
	require.Empty(t, names(t, dir))
}

func names(t *testing.T, dir string) (all []string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(dir, "torrents"))
	require.NoError(t, err)
	for _, e := range entries {
		all = append(all, e.Name())
	}
	return all
}

func FuzzLoad(f *testing.F) {
	f.Add([]byte(`{"version":1,"info_hash":"0102030000000000000000000000000000000000","dir":"/d","info":"AAA=","magnet":""}`))
	dir := f.TempDir()
	j, err := journal.Open(dir)
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, raw []byte) {
		require.NoError(t, os.WriteFile(file(dir), raw, 0o600))
		rec, err := j.Load(sample().InfoHash)
		if err == nil {
			require.True(t, filepath.IsAbs(rec.Dir))
			require.Equal(t, sample().InfoHash, rec.InfoHash)
		}
	})
}
