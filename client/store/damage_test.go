package store

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"sotto/anon/vault"
)

var flips = flag.Int("store.flips", 120, "how many damaged libraries are opened")

// worn is a library with some history: a snapshot of an early state, branches,
// long values, free pages. It knows its last states.
type worn struct {
	box              *vault.Box
	main, good       []byte
	early, prior, at string // states: of the snapshot, before the last commit, after it
}

func newWorn(t testing.TB) worn {
	t.Helper()
	dir := t.TempDir()
	w := worn{box: newBox(t)}
	s := opened(t, dir, w.box)
	var many []Torrent
	for n := range byte(60) {
		many = append(many, sample(n))
	}
	require.NoError(t, s.Put(many...))
	require.NoError(t, s.SaveMetadata(sample(1).ID(), bytes.Repeat([]byte("info"), 10_000), []byte("layers")))
	require.NoError(t, s.Snapshot())
	w.early = state(t, s)
	for n := range byte(20) {
		require.NoError(t, s.SaveProgress(Progress{ID: sample(n).ID(), Resume: &Resume{Pieces: make([]byte, 10*int(n))}}))
	}
	require.NoError(t, s.Delete(sample(7).ID()))
	w.prior = state(t, s)
	require.NoError(t, s.Put(sample(61)))
	w.at = state(t, s)
	s.changed = false // no snapshot of what comes after the early state
	require.NoError(t, s.Close())
	files := contents(t, dir)
	w.main, w.good = []byte(files[mainFile]), []byte(files[goodFile])
	return w
}

// state stands for all that can be read from a library.
func state(t testing.TB, s *Store) string {
	t.Helper()
	sum := sha256.New()
	out := json.NewEncoder(sum)
	all, err := s.Torrents()
	require.NoError(t, err)
	for _, one := range all {
		p, err := s.Progress(one.ID())
		require.NoError(t, err)
		info, layers, err := s.Metadata(one.ID())
		require.NoError(t, out.Encode([]any{one.encode(), p.Resume, info, layers, err == nil}))
	}
	return fmt.Sprintf("%d torrents, %x", len(all), sum.Sum(nil))
}

// open opens the library with another main file. Without a snapshot the error
// of damage is returned, and nothing may have been changed by it.
func (w worn) open(t testing.TB, main []byte, snapshot bool) (now string, r *Recovery, err error) {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, mainFile), main, 0o600))
	if snapshot {
		require.NoError(t, os.WriteFile(filepath.Join(dir, goodFile), w.good, 0o600))
	}
	before := contents(t, dir)
	s, err := Open(dir, w.box)
	if err != nil {
		require.ErrorIs(t, err, ErrDamaged)
		require.True(t, maps.Equal(before, contents(t, dir)), "a library that cannot be opened is left alone")
		return "", nil, err
	}
	now = state(t, s)
	r = s.recovered
	if r != nil && !r.Snapshot.IsZero() {
		require.ErrorIs(t, r.Damage, ErrDamaged)
		require.True(t, string(main) == contents(t, dir)[damagedFile], "the damaged file is kept")
	}
	require.NoError(t, s.Put(sample(99)), "it works on")
	s.changed = false
	require.NoError(t, s.Close())
	s, err = Open(dir, w.box)
	require.NoError(t, err, "and is whole again")
	require.Nil(t, s.recovered)
	require.NoError(t, s.Close())
	return now, r, nil
}

// judge requires that a damaged library was either as good as new, recovered
// and said so, or, without a snapshot, refused. It returns which.
func (w worn) judge(t *testing.T, what string, main []byte, snapshot bool) string {
	t.Helper()
	now, r, err := w.open(t, main, snapshot)
	switch {
	case err != nil:
		require.False(t, snapshot, "%s: %v", what, err)
		return "refused"
	case r == nil:
		require.Equal(t, w.at, now, what)
		return "harmless"
	case r.Snapshot.IsZero():
		require.Contains(t, []string{w.at, w.prior}, now, what)
		return "one write back"
	}
	require.Equal(t, w.early, now, what)
	return "recovered"
}

func TestFlippedBits(t *testing.T) {
	t.Parallel()
	w := newWorn(t)
	// Everywhere at random, and in the first bytes of every page, where bbolt
	// keeps what it believes.
	random := rand.New(rand.NewPCG(1, 2))
	seen := map[string]int{}
	for i := range *flips {
		at := random.IntN(len(w.main))
		if i%2 == 0 {
			at = at/pageSize*pageSize + random.IntN(96)
		}
		bad := bytes.Clone(w.main)
		bad[at] ^= 1 << random.IntN(8)
		seen[w.judge(t, fmt.Sprintf("byte %d", at), bad, i%4 < 3)]++
	}
	t.Log(seen)
	for _, outcome := range []string{"refused", "harmless", "recovered"} {
		require.NotZero(t, seen[outcome], outcome)
	}
}

// A leaf that forgets its last element is well-formed: only the census can tell.
func TestForgottenRecords(t *testing.T) {
	w := newWorn(t)
	missed := 0
	for at := 2 * pageSize; at < len(w.main); at += pageSize {
		n := order.Uint16(w.main[at+10:])
		if order.Uint16(w.main[at+8:]) != leafFlag || order.Uint64(w.main[at:]) != uint64(at/pageSize) || n < 2 {
			continue
		}
		bad := bytes.Clone(w.main)
		order.PutUint16(bad[at+10:], n-1)
		if _, err := inspect(bytes.NewReader(bad), int64(len(bad))); err != nil {
			continue // it was the last bucket, with pages of its own
		}
		if w.judge(t, fmt.Sprint("page ", at/pageSize), bad, true) == "recovered" {
			missed++
		}
	}
	require.NotZero(t, missed)
}

func TestDamagedRoots(t *testing.T) {
	w := newWorn(t)
	one := bytes.Clone(w.main)
	one[pageHeader+20] ^= 1
	other := bytes.Clone(w.main)
	other[pageSize+pageHeader+20] ^= 1
	for _, main := range [][]byte{one, other} {
		require.Equal(t, "one write back", w.judge(t, "one root", main, false))
	}
	other[pageHeader+20] ^= 1
	require.Equal(t, "recovered", w.judge(t, "both roots", other, true))
}

func TestTruncated(t *testing.T) {
	t.Parallel()
	w := newWorn(t)
	last := len(w.main)
	for last > 0 && allZero(w.main[last-pageSize:last]) {
		last -= pageSize // room to grow, which nothing needs
	}
	for n := 0; n <= last; n += pageSize {
		for _, cut := range []int{n - 1, n, n + 1} {
			// Pages after the first few by one cut only: the walk below has them all.
			if cut < 0 || cut >= last || n > 8*pageSize && cut != n-1 {
				continue
			}
			// Free pages at the end may go without loss, or take the roots' word
			// about the size with them.
			require.Contains(t, []string{"recovered", "harmless"}, w.judge(t, fmt.Sprint(cut), w.main[:cut], true))
		}
	}
	// At each byte the walk alone, which reads no page that is not all there.
	for cut := range last {
		if _, err := inspect(bytes.NewReader(w.main[:cut]), int64(cut)); err != nil {
			require.ErrorIs(t, err, ErrDamaged)
			continue
		}
		require.Equal(t, last/pageSize, (cut+pageSize-1)/pageSize, "cut at %d", cut)
	}
}

func allZero(b []byte) bool { return len(bytes.Trim(b, "\x00")) == 0 }

// No library and no snapshot, but a trace of one: nothing begins anew.
func TestNoSilentReset(t *testing.T) {
	w := newWorn(t)
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, damagedFile), w.main, 0o600))
	_, err := Open(dir, w.box)
	require.ErrorIs(t, err, ErrDamaged)

	// A recovery that was stopped between its two renames goes on.
	require.NoError(t, os.WriteFile(filepath.Join(dir, goodFile), w.good, 0o600))
	s := opened(t, dir, w.box)
	require.Equal(t, w.early, state(t, s))
	r, ok := s.Recovered()
	require.True(t, ok)
	require.False(t, r.Snapshot.IsZero())

	// An empty file is what some file systems leave after a power cut.
	for _, snapshot := range []bool{false, true} {
		want := map[bool]string{false: "refused", true: "recovered"}[snapshot]
		require.Equal(t, want, w.judge(t, "empty", nil, snapshot))
	}
}

func TestDamagedSnapshotIsNotUsed(t *testing.T) {
	w := newWorn(t)
	w.good[len(w.good)/2] ^= 1
	w.main[0], w.main[pageHeader], w.main[pageSize+pageHeader] = 1, 1, 1
	_, _, err := w.open(t, w.main, true)
	require.ErrorIs(t, err, ErrDamaged)
	require.ErrorContains(t, err, "snapshot")
}

// The file shrinks under a running store: an error, and the process lives.
func TestTruncatedUnderUs(t *testing.T) {
	w := newWorn(t)
	dir := t.TempDir()
	path := filepath.Join(dir, mainFile)
	require.NoError(t, os.WriteFile(path, w.main, 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, goodFile), w.good, 0o600))
	s := opened(t, dir, w.box)
	require.NoError(t, os.Truncate(path, 2*pageSize))
	for range 3 {
		_, err := s.Torrents()
		require.ErrorIs(t, err, ErrDamaged)
		require.ErrorIs(t, s.Put(sample(1)), ErrDamaged)
	}
	require.NoError(t, os.WriteFile(path, w.main, 0o600))
	all, err := s.Torrents()
	require.NoError(t, err, "it recovers when the cause is cured")
	require.Len(t, all, 60)
}

// A commit that fails changes nothing, and after it everything is written anew.
func TestFailedCommit(t *testing.T) {
	dir, box := t.TempDir(), newBox(t)
	s := opened(t, dir, box)
	require.NoError(t, s.Put(sample(1)))
	before := state(t, s)
	require.NoError(t, s.db.file.Close())
	require.Error(t, s.Put(sample(2)))
	require.True(t, s.doubt)
	require.Equal(t, before, state(t, s))
	require.NoError(t, s.Put(sample(3)))
	require.False(t, s.doubt)
	require.NoError(t, s.Close())
	s = opened(t, dir, box)
	all, err := s.Torrents()
	require.NoError(t, err)
	require.Equal(t, []Torrent{sample(1), sample(3)}, all)
}

// What the walk lets pass, bbolt reads without a panic.
func FuzzInspect(f *testing.F) {
	w := newWorn(f)
	path := filepath.Join(f.TempDir(), "db")
	f.Add(uint32(0), []byte{0})
	f.Add(uint32(pageHeader+20), []byte{1})
	f.Add(uint32(3*pageSize+8), []byte{1, 2, 3, 4, 5, 6, 7, 8})
	f.Fuzz(func(t *testing.T, at uint32, xor []byte) {
		bad := bytes.Clone(w.main)
		for i, x := range xor[:min(len(xor), 4096)] {
			bad[(int(at)+i)%len(bad)] ^= x
		}
		if _, err := inspect(bytes.NewReader(bad), int64(len(bad))); err != nil {
			require.ErrorIs(t, err, ErrDamaged)
			return
		}
		require.NoError(t, os.WriteFile(path, bad, 0o600))
		h, err := openBolt(path, true)
		require.NoError(t, err)
		h.guard(func() error { return h.View((&Store{box: w.box, schema: current}).verify) })
		require.False(t, h.wild)
		require.NoError(t, h.close())
	})
}
