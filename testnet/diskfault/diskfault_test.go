package diskfault

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"sotto/anon"
	"sotto/anon/folder"
	"sotto/anon/vault"
	"sotto/client/store"
)

// The environment of the process under strace: where it works, and which calls
// fail there.
const (
	dirKey  = "SOTTO_TEST_FAULT_DIR"
	callKey = "SOTTO_TEST_FAULT_CALL"
)

func box(t *testing.T, dir string) *vault.Box {
	t.Helper()
	v, err := vault.Open(dir, vault.KeyFile(filepath.Join(dir, "key")))
	require.NoError(t, err)
	b, err := v.Box("state")
	require.NoError(t, err)
	return b
}

func torrent(n byte) store.Torrent {
	return store.Torrent{V1: [20]byte{n, 1}, Dir: "/data", Name: fmt.Sprint("torrent ", n)}
}

// changes is what the process does, each to a part of the state of its own.
var changes = []func(*store.Store, *folder.Folder) error{
	func(s *store.Store, _ *folder.Folder) error { return s.Put(torrent(10), torrent(11)) },
	func(s *store.Store, _ *folder.Folder) error {
		return s.SaveMetadata(torrent(1).ID(), make([]byte, 200<<10), nil)
	},
	func(s *store.Store, _ *folder.Folder) error {
		return s.SaveProgress(store.Progress{ID: torrent(2).ID(), Resume: &store.Resume{Pieces: []byte{9}},
			Totals: map[anon.Network]store.Totals{anon.Tor: {Up: 9}}})
	},
	func(s *store.Store, _ *folder.Folder) error { return s.Delete(torrent(3).ID()) },
	func(s *store.Store, _ *folder.Folder) error { return s.SaveSettings([]byte("new")) },
	func(_ *store.Store, f *folder.Folder) error { return f.Replace("note", []byte("new")) },
	func(s *store.Store, _ *folder.Folder) error { return s.Snapshot() },
}

// look returns, for each change but the last, whether it was made; half made is
// a failure of the test. What no change touches must be as it was.
func look(t *testing.T, s *store.Store, f *folder.Folder) []bool {
	t.Helper()
	all, err := s.Torrents()
	require.NoError(t, err)
	there := map[store.ID]bool{}
	for _, one := range all {
		require.Equal(t, torrent(one.V1[0]), one)
		there[one.ID()] = true
	}
	require.True(t, there[torrent(0).ID()])
	require.Equal(t, there[torrent(10).ID()], there[torrent(11).ID()], "two in one change")
	info, _, err := s.Metadata(torrent(1).ID())
	require.NoError(t, err)
	p, err := s.Progress(torrent(2).ID())
	require.NoError(t, err)
	require.NotNil(t, p.Resume)
	require.Equal(t, int64(p.Resume.Pieces[0]), p.Totals[anon.Tor].Up, "two in one change")
	raw, err := s.Settings()
	require.NoError(t, err)
	note, err := f.Read("note", 3)
	require.NoError(t, err)
	for _, word := range []string{string(raw), string(note)} {
		require.Contains(t, []string{"old", "new"}, word)
	}
	return []bool{there[torrent(10).ID()], len(info) > 3, p.Resume.Pieces[0] == 9, !there[torrent(3).ID()],
		string(raw) == "new", string(note) == "new"}
}

func prepare(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	v, err := vault.Create(dir, vault.KeyFile(filepath.Join(dir, "key")))
	require.NoError(t, err)
	v.Close()
	s, err := store.Open(dir, box(t, dir))
	require.NoError(t, err)
	require.NoError(t, s.Put(torrent(0), torrent(1), torrent(2), torrent(3)))
	require.NoError(t, s.SaveMetadata(torrent(1).ID(), []byte("old"), nil))
	require.NoError(t, s.SaveProgress(store.Progress{ID: torrent(2).ID(), Resume: &store.Resume{Pieces: []byte{1}},
		Totals: map[anon.Network]store.Totals{anon.Tor: {Up: 1}}}))
	require.NoError(t, s.SaveSettings([]byte("old")))
	require.NoError(t, s.Close())
	f, err := folder.Open(dir)
	require.NoError(t, err)
	require.NoError(t, f.Replace("note", []byte("old")))
	return dir
}

// work makes the changes, says how each went, and what it sees then.
func work(t *testing.T, dir string) {
	runtime.LockOSThread() // strace counts the calls of each thread for itself
	sealed := box(t, dir)
	f, err := folder.Open(dir)
	require.NoError(t, err)
	s, err := store.Open(dir, sealed)
	if err != nil {
		fmt.Println("refused:", err)
		return
	}
	for i, change := range changes {
		if err := change(s, f); err != nil {
			fmt.Println("failed:", i, err)
		} else {
			fmt.Println("made:", i)
		}
		if os.Getenv(callKey) != "openat" {
			look(t, s, f) // reading goes on
		}
	}
	fmt.Println("closed:", s.Close())
}

// Every call that writes fails in turn, once or from then on. A change that
// was said to be made is there; one that failed is there whole or not at all;
// the process lives; and the next one opens the library as if nothing had been.
func TestEveryWriteFails(t *testing.T) {
	if dir := os.Getenv(dirKey); dir != "" {
		work(t, dir)
		return
	}
	points := map[string]int{}
	for _, call := range []string{"write", "pwrite64", "ftruncate", "fdatasync", "fsync", "openat", "renameat,rename", "unlinkat,unlink"} {
		for _, fault := range []string{"ENOSPC:when=%d+", "EIO:when=%d", "EROFS:when=%d+"} {
			for n := 1; fails(t, call, fmt.Sprintf(fault, n)); n++ {
				points[call]++
			}
		}
		require.NotZero(t, points[call], call)
	}
	t.Log("faults:", points)
}

// fails runs the process with one fault and judges what it leaves. It returns
// false if there was no such call any more.
func fails(t *testing.T, call, fault string) (happened bool) {
	t.Helper()
	dir := prepare(t)
	trace := filepath.Join(t.TempDir(), "trace")
	args := []string{"-f", "-o", trace, "-e", "trace=" + call, "-e", "inject=" + call + ":error=" + fault}
	for _, name := range []string{"", "library.db", "library.new", "library.good", "library.damaged", "note", "note.new"} {
		args = append(args, "-P", filepath.Join(dir, name))
	}
	cmd := exec.Command("strace", append(args, os.Args[0], "-test.run=^TestEveryWriteFails$", "-test.v")...)
	cmd.Env = append(os.Environ(), dirKey+"="+dir, callKey+"="+call)
	out, err := cmd.CombinedOutput()
	what := call + " " + fault + "\n" + string(out)
	require.NoError(t, err, what)
	calls, err := os.ReadFile(trace)
	require.NoError(t, err)
	if !strings.Contains(string(calls), "(INJECTED)") {
		return false
	}

	s, err := store.Open(dir, box(t, dir))
	require.NoError(t, err, what)
	defer s.Close()
	_, recovered := s.Recovered()
	require.False(t, recovered, what)
	f, err := folder.Open(dir)
	require.NoError(t, err)
	made := look(t, s, f)
	for i := range made {
		if strings.Contains(string(out), "made: "+strconv.Itoa(i)+"\n") {
			require.True(t, made[i], "change %d was made and is gone: %s", i, what)
		}
	}
	if strings.Contains(string(out), "refused:") {
		require.NotContains(t, made, true, what)
	}
	return true
}
