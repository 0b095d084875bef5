package library_test

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"sotto/client/api/rpc"
	"sotto/transport/memory"
)

// Whatever is done to a library, in whatever order and whenever it is killed: files
// of the user's stay as they are, what has been settled holds, what is called good
// is, nothing verified is fetched twice, and in the end everything is there.
func TestAnythingInAnyOrder(t *testing.T) { synctest.Test(t, testAnythingInAnyOrder) }

func testAnythingInAnyOrder(t *testing.T) {
	checks := flag.Lookup("rapid.checks")
	if asked := checks.Value.String(); asked == checks.DefValue {
		require.NoError(t, checks.Value.Set("15")) // each takes a while
		t.Cleanup(func() { checks.Value.Set(asked) })
	}
	net := newLab(t, memory.Options{Rate: 400 << 10})
	seeds := []*seed{net.serve("one", 300_000), net.serve("two", 120_000)}
	var steps []string
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(strings.Join(steps, "\n"))
		}
	})
	virtual := struct{ rapid.TB }{t} // its deadline is none of this bubble's
	rapid.Check(virtual, func(rt *rapid.T) {
		steps = nil
		w := newWorld(t, net, seeds)
		defer w.close()
		w.say = func(format string, args ...any) { steps = append(steps, fmt.Sprintf(format, args...)) }
		rt.Repeat(map[string]func(*rapid.T){
			"add": w.add, "act": w.act, "move": w.move, "rename": w.rename, "choose": w.choose,
			"remove": w.remove, "kill": w.kill, "wait": w.wait, "": w.check,
		})
		w.finish()
	})
}

// world is a library, and what has to be so of it.
type world struct {
	t       *testing.T
	lab     *lab
	l       *running
	seeds   []*seed
	lives   []*life
	folders []string
	mine    map[string]string // files of the user's
	say     func(format string, args ...any)
}

// life is what has to be so of one torrent while the library has it.
type life struct {
	id      int64
	stopped bool
	times   int64 // that its files may be fetched
}

func newWorld(t *testing.T, net *lab, seeds []*seed) *world {
	b := newLab(t, memory.Options{})
	b.net = net.net
	w := &world{t: t, lab: b, seeds: seeds, lives: make([]*life, len(seeds)), mine: make(map[string]string)}
	w.folders = []string{b.folder, t.TempDir(), other(t)}
	for i, dir := range w.folders {
		for _, name := range []string{"mine", "one/mine", "two/sub/mine"} {
			at := filepath.Join(dir, name)
			require.NoError(t, os.MkdirAll(filepath.Dir(at), 0o755))
			w.mine[at] = fmt.Sprint(name, i)
			require.NoError(t, os.WriteFile(at, []byte(w.mine[at]), 0o600))
		}
	}
	w.l = b.start()
	return w
}

func (w *world) close() { w.l.stop() }

// one draws a torrent that is there, nil when none is.
func (w *world) one(rt *rapid.T) (int, *life) {
	i := rapid.IntRange(0, len(w.lives)-1).Draw(rt, "torrent")
	return i, w.lives[i]
}

func (w *world) folder(rt *rapid.T) string { return rapid.SampledFrom(w.folders).Draw(rt, "folder") }

// allowed passes over what the library may refuse.
func (w *world) allowed(err error) bool {
	if err != nil {
		w.say("  refused: %v", err)
		require.True(w.t, errors.As(err, new(*rpc.Error)), "%v", err)
	}
	return err == nil
}

func (w *world) add(rt *rapid.T) {
	i, x := w.one(rt)
	link := *w.seeds[i].link
	if rapid.Bool().Draw(rt, "magnet") {
		link.Info = nil
	}
	a := rpc.Addition{Link: &link, Folder: w.folder(rt), Paused: of(rapid.Bool().Draw(rt, "paused"))}
	w.say("add %d: magnet %v, paused %v", i, link.Info == nil, *a.Paused)
	got, err := w.l.Add(w.t.Context(), a)
	require.NoError(w.t, err)
	require.Equal(w.t, x != nil, got.Duplicate)
	if x == nil {
		w.lives[i] = &life{id: got.ID, stopped: *a.Paused, times: 1}
	}
}

func (w *world) act(rt *rapid.T) {
	i, x := w.one(rt)
	what := rapid.SampledFrom([]rpc.Action{rpc.StartNow, rpc.StartNow, rpc.Stop, rpc.Verify, rpc.Reannounce}).Draw(rt, "what")
	if x == nil {
		return
	}
	w.say("act %d: %d", i, what)
	require.NoError(w.t, w.l.Act(w.t.Context(), what, []int64{x.id}))
	if what == rpc.StartNow || what == rpc.Stop {
		x.stopped = what == rpc.Stop
	}
}

func (w *world) move(rt *rapid.T) {
	i, x := w.one(rt)
	to, data := w.folder(rt), rapid.IntRange(0, 3).Draw(rt, "data") > 0
	if x == nil {
		return
	}
	w.say("move %d to %s, data %v", i, to, data)
	if w.allowed(w.l.Move(w.t.Context(), []int64{x.id}, to, data)) && !data {
		x.times++
	}
}

func (w *world) rename(rt *rapid.T) {
	i, x := w.one(rt)
	file := rapid.IntRange(0, 3).Draw(rt, "file")
	// Another for each file: those of earlier lives are in the way of no other.
	name := fmt.Sprint(rapid.SampledFrom([]string{"x", "Y", "\u00e9"}).Draw(rt, "name"), i, file)
	if x == nil {
		return
	}
	got := w.l.get(x.id)
	at := got.Name
	if file < len(got.Files) {
		if at = got.Files[file].Path; strings.Count(at, "/") > 1 {
			at = path.Dir(at)
		}
	}
	w.say("rename %d: %s to %s", i, at, name)
	w.allowed(w.l.Rename(w.t.Context(), x.id, at, name))
}

func (w *world) choose(rt *rapid.T) {
	i, x := w.one(rt)
	set := rpc.FileSet{Index: []int{rapid.IntRange(0, 2).Draw(rt, "file")}}
	change := rpc.FileChange{Wanted: set}
	if rapid.Bool().Draw(rt, "skip") {
		change = rpc.FileChange{Unwanted: set}
	}
	if x == nil {
		return
	}
	w.say("choose %d: %+v", i, change)
	require.NoError(w.t, w.l.Change(w.t.Context(), []int64{x.id}, rpc.Change{Files: change}))
}

func (w *world) remove(rt *rapid.T) {
	i, x := w.one(rt)
	data := rapid.Bool().Draw(rt, "data")
	if x == nil {
		return
	}
	w.say("remove %d, data %v", i, data)
	require.NoError(w.t, w.l.Remove(w.t.Context(), []int64{x.id}, data))
	w.lives[i] = nil
}

// kill has the library begin again with the state that it had at one instant, and
// with the files as they were a moment later.
func (w *world) kill(rt *rapid.T) {
	w.say("kill")
	kept := filepath.Join(w.t.TempDir(), "state")
	require.NoError(w.t, os.CopyFS(kept, os.DirFS(w.lab.state)))
	w.l.stop()
	w.lab.state = kept
	w.l = w.lab.start()
	byHash := make(map[string]int64)
	for _, x := range w.l.all() {
		byHash[x.Hash] = x.ID
	}
	there := 0
	for i, x := range w.lives {
		if x != nil {
			x.id = byHash[fmt.Sprintf("%x", w.seeds[i].link.InfoHash)]
			require.NotZero(w.t, x.id, "%d is lost", i)
			there++
		}
	}
	require.Len(w.t, byHash, there, "what was removed is back")
}

func (w *world) wait(rt *rapid.T) {
	d := time.Duration(rapid.IntRange(1, 3000).Draw(rt, "ms")) * time.Millisecond
	w.say("wait %v", d)
	time.Sleep(d)
}

// check is what holds after every step.
func (w *world) check(*rapid.T) {
	for at, want := range w.mine {
		got, err := os.ReadFile(at)
		require.NoError(w.t, err)
		require.Equal(w.t, want, string(got))
	}
	for _, x := range w.lives {
		if x == nil {
			continue
		}
		got := w.l.get(x.id)
		require.Equal(w.t, rpc.NoFault, got.Fault, "%s: %s", got.Name, got.FaultText)
		if got.State != rpc.Checking && got.State != rpc.CheckWaiting {
			require.Equal(w.t, x.stopped, got.State == rpc.Stopped, "%v", got.State)
		}
		require.LessOrEqual(w.t, got.Valid, got.Size)
		require.Zero(w.t, got.Corrupt)
	}
}

// finish has everything there is fetched, and looks at it.
func (w *world) finish() {
	w.say("finish")
	for i, x := range w.lives {
		if x == nil {
			continue
		}
		require.NoError(w.t, w.l.Change(w.t.Context(), []int64{x.id}, rpc.Change{Files: rpc.FileChange{Wanted: rpc.FileSet{All: true}}}))
		require.NoError(w.t, w.l.Act(w.t.Context(), rpc.StartNow, []int64{x.id}))
		x.stopped = false
		got := w.l.until(x.id, "all of it", func(t rpc.Torrent) bool {
			for _, f := range t.Files { // one that was skipped is made when it was looked at
				if _, err := os.Stat(filepath.Join(t.Folder, f.Path)); err != nil {
					return false
				}
			}
			return seeding(t) && t.Valid == t.Size
		})
		for n, name := range []string{"a", "c", "sub/b"} {
			data, err := os.ReadFile(filepath.Join(got.Folder, got.Files[n].Path))
			require.NoError(w.t, err)
			want := w.seeds[i].files[filepath.Join([]string{"one", "two"}[i], name)]
			require.True(w.t, string(want) == string(data), "%d: %s is wrong", i, name)
		}
		require.LessOrEqual(w.t, got.Downloaded, x.times*got.Size, "%d: what was there was fetched again", i)
	}
	w.check(nil)
}
