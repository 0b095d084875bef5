package library_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/hex"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"sotto/anon/vault"
	"sotto/client/api/rpc"
	"sotto/client/metainfo"
	"sotto/transport/memory"
)

var kills = flag.Int("library.kills", 20, "how often a library is killed")

// The environment of the process that is killed: where it works.
const killedDir = "SOTTO_TEST_LIBRARY_DIR"

const killedSize = 6 << 20

// killedLab is the world of that process: a seed of its own, slow enough to be
// killed in the middle, and a state and folders that outlive it.
func killedLab(t *testing.T, dir string) (*lab, *seed, []string) {
	v, err := vault.Open(dir, vault.KeyFile(filepath.Join(dir, "key")))
	require.NoError(t, err)
	box, err := v.Box("state")
	require.NoError(t, err)
	b := &lab{t: t, net: memory.New(memory.Options{Rate: 4 << 20}), box: box, state: filepath.Join(dir, "state"), folder: filepath.Join(dir, "0")}
	shm, err := os.ReadFile(filepath.Join(dir, "other"))
	require.NoError(t, err)
	return b, b.serve("album", killedSize), []string{b.folder, filepath.Join(dir, "1"), string(shm)}
}

// liveUntilKilled runs a library, says which pieces it has found good, and then
// does one thing after another to it, saying what. Somebody else fetches what it
// has meanwhile, and says how much of that was wrong.
func liveUntilKilled(t *testing.T, dir string) {
	b, s, folders := killedLab(t, dir)
	l := b.start()
	id := l.add(s.link) // its place and trackers are new each time
	ctx := context.Background()
	require.NoError(t, l.Act(ctx, rpc.Stop, []int64{id}))
	require.NoError(t, l.Act(ctx, rpc.Verify, []int64{id}))
	found := l.until(id, "verified", func(t rpc.Torrent) bool { return t.State == rpc.Stopped && len(t.Pieces) > 0 })
	fmt.Println("found", hex.EncodeToString(found.Pieces))
	tier := [][]string{{s.link.Trackers[0].URL}}
	require.NoError(t, l.Change(ctx, []int64{id}, rpc.Change{Trackers: &tier}))
	require.NoError(t, l.Act(ctx, rpc.StartNow, []int64{id}))
	reader := newLab(t, memory.Options{})
	reader.net = b.net
	r := reader.start()
	copied := r.add(s.link)
	require.NoError(t, r.Act(ctx, rpc.StartNow, []int64{copied}))
	for n := 0; ; n++ {
		switch rand.N(4) {
		case 0:
			fmt.Println("doing move")
			l.Move(ctx, []int64{id}, folders[rand.N(len(folders))], true)
		case 1:
			fmt.Println("doing verify")
			l.Act(ctx, rpc.Verify, []int64{id})
		case 2:
			fmt.Println("doing settings")
			require.NoError(t, l.Configure(ctx, rpc.SettingsChange{SpeedUp: of(int64(n))}))
			require.NoError(t, l.Change(ctx, []int64{id}, rpc.Change{Labels: &[]string{fmt.Sprint(n)}}))
		case 3:
			fmt.Println("doing download")
		}
		time.Sleep(rand.N(300 * time.Millisecond))
		got := l.get(id)
		if got.Left == 0 && got.Size > 0 {
			fmt.Println("complete")
		}
		fmt.Println("served", got.Uploaded)
		require.Zero(t, r.get(copied).Corrupt, "it served what is wrong")
	}
}

// tally counts what was under way when a library was killed.
type tally struct {
	mu     sync.Mutex
	doing  map[string]int
	served int64
}

// A library is killed at random instants while it fetches, moves, verifies and is
// steered. Its state opens every time, nothing that lay on the disk verified is
// lost, nothing is called good that is not, and nobody is given a wrong byte.
func TestLibraryKilledAtAnyInstant(t *testing.T) {
	if dir := os.Getenv(killedDir); dir != "" {
		liveUntilKilled(t, dir)
	}
	const worlds = 10 // each waits more than it works
	sum := tally{doing: make(map[string]int)}
	var all sync.WaitGroup
	for w := range worlds {
		all.Go(func() {
			t.Run(fmt.Sprint(w), func(t *testing.T) { killAgainAndAgain(t, (*kills+worlds-1-w)/worlds, &sum) })
		})
	}
	all.Wait()
	t.Logf("%d kills, by what was asked last: %v; %d bytes served", *kills, sum.doing, sum.served)
	if *kills >= 200 {
		for _, what := range []string{"start", "download", "move", "verify", "settings"} {
			require.NotZero(t, sum.doing[what], what)
		}
		require.NotZero(t, sum.served, "nobody asked it for anything")
	}
}

// killAgainAndAgain kills the libraries that come after each other in one state.
func killAgainAndAgain(t *testing.T, times int, sum *tally) {
	dir := t.TempDir()
	v, err := vault.Create(dir, vault.KeyFile(filepath.Join(dir, "key")))
	require.NoError(t, err)
	v.Close()
	shm := filepath.Join(other(t), "2")
	require.NoError(t, os.WriteFile(filepath.Join(dir, "other"), []byte(shm), 0o600))
	truth := newTruth(t, filepath.Join(dir, "0"), filepath.Join(dir, "1"), shm)
	var had []int
	for n := range times {
		found, said := liveAndKill(t, dir, sum)
		if said {
			for _, p := range had {
				require.True(t, found[p/8]&(0x80>>(p%8)) != 0, "cycle %d: piece %d was there and is lost", n, p)
			}
		}
		had = truth.onDisk()
		for p := range truth.pieces {
			if said && found[p/8]&(0x80>>(p%8)) != 0 {
				require.Contains(t, had, p, "cycle %d: it is called good, or has been lost", n)
			}
		}
	}
	t.Logf("%d of %d pieces after the last kill", len(had), len(truth.pieces))
}

// liveAndKill starts the process, kills it some time after it has begun, and
// returns the pieces it said it had found.
func liveAndKill(t *testing.T, dir string, sum *tally) (found []byte, said bool) {
	t.Helper()
	all := killSomeTime(t, "TestLibraryKilledAtAnyInstant", dir, "found ", 3*time.Second) // it finds somebody to ask within two
	sum.add(all)
	for _, line := range all {
		if text, ok := strings.CutPrefix(line, "found "); ok {
			var err error
			found, err = hex.DecodeString(text)
			require.NoError(t, err)
			said = true
		}
	}
	return found, said
}

// killSomeTime runs a test of this package in a process of its own, kills it at
// random, mostly after it has said something that begins with word, and returns
// the lines it wrote.
func killSomeTime(t *testing.T, test, dir, word string, within time.Duration) (all []string) {
	t.Helper()
	own := filepath.Join(t.TempDir(), "process") // it cannot tidy up after itself
	require.NoError(t, os.Mkdir(own, 0o700))
	defer func() { require.NoError(t, os.RemoveAll(own)) }()
	cmd := exec.Command(os.Args[0], "-test.run=^"+test+"$")
	cmd.Env = append(os.Environ(), killedDir+"="+dir, "TMPDIR="+own)
	var trouble bytes.Buffer
	cmd.Stderr = &trouble
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	lines := make(chan string, 1)
	go func() {
		defer close(lines)
		for in := bufio.NewScanner(out); in.Scan(); {
			all = append(all, in.Text())
			if strings.HasPrefix(in.Text(), word) {
				select {
				case lines <- in.Text():
				default:
				}
			}
		}
	}()
	if rand.N(5) > 0 { // now and then it is killed before it has said anything
		<-lines
	}
	time.Sleep(rand.N(within))
	require.NoError(t, cmd.Process.Kill())
	for range lines {
	}
	err = cmd.Wait()
	require.NotContains(t, strings.Join(all, "\n"), "--- FAIL", "%s", strings.Join(all, "\n"))
	require.ErrorContains(t, err, "killed", "%s\n%s", strings.Join(all, "\n"), trouble.String())
	return all
}

// add takes in what a killed process had said.
func (s *tally) add(said []string) {
	last, served := "start", int64(0)
	for _, line := range said {
		if what, ok := strings.CutPrefix(line, "doing "); ok {
			last = what
		}
		fmt.Sscanf(line, "served %d", &served)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.doing[last]++
	s.served += served
}

// truth knows what the torrent's pieces are, and looks for them in folders.
type truth struct {
	t       *testing.T
	folders []string
	files   []metainfo.File
	content []byte
	pieces  [][]byte
}

func newTruth(t *testing.T, folders ...string) *truth {
	_, link, files := sample(t, "album", killedSize)
	info, err := metainfo.ParseInfo(link.Info, link.InfoHash)
	require.NoError(t, err)
	x := &truth{t: t, folders: folders, files: info.Files}
	for _, f := range info.Files {
		if f.Pad {
			x.content = append(x.content, make([]byte, f.Length)...)
			continue
		}
		x.content = append(x.content, files[filepath.FromSlash(f.Path)]...)
	}
	x.pieces = slices.Collect(slices.Chunk(x.content, int(info.PieceLength)))
	return x
}

// onDisk returns the pieces that lie on the disk, each file wherever it is most
// whole.
func (x *truth) onDisk() (have []int) {
	there := make([]byte, len(x.content))
	at := 0
	for _, f := range x.files {
		want := x.content[at : at+int(f.Length)]
		if f.Pad {
			copy(there[at:], want)
		}
		for _, dir := range x.folders {
			for _, name := range []string{f.Path, f.Path + ".sotto-part"} {
				got, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(name)))
				if err != nil {
					continue
				}
				for i := range min(len(got), len(want)) {
					if got[i] == want[i] {
						there[at+i] = got[i]
					}
				}
			}
		}
		at += int(f.Length)
	}
	at = 0
	for i, p := range x.pieces {
		if bytes.Equal(there[at:at+len(p)], p) {
			have = append(have, i)
		}
		at += len(p)
	}
	return have
}
