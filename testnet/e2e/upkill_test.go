package e2e

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"sotto/client/api/caller"
	"sotto/client/metainfo"
	"sotto/testnet/user"
)

var upKills = flag.Int("e2e.upkills", 12, "how often a daemon or its engine is killed")

// A daemon is killed at random instants, whole or its engine only, while it
// starts, downloads, moves, verifies and is given settings. What lay on the disk
// is known to the next one, nothing else is, and a setting that it has confirmed
// holds.
func TestDaemonKilledAtAnyInstant(t *testing.T) {
	t.Parallel()
	v := newVictim(t)
	for n := range *upKills {
		v.lookAt(t)
		v.worry(t)
		switch {
		case n%3 != 2:
			require.NoError(t, v.d.KillEngine())
			v.engines++
			v.had = v.onDisk()
			require.Eventually(t, func() bool { return v.d.Call(t.Context(), "session_get", nil, nil) == nil }, patience, 50*time.Millisecond, v.d.Said())
		default:
			v.kill(t)
			if n%2 == 0 { // and the next one as it starts
				p, err := v.bob.Start(context.WithoutCancel(t.Context()), "up")
				require.NoError(t, err)
				time.Sleep(rand.N(3 * time.Second))
				require.NoError(t, p.Kill())
				p.Wait()
				v.doing["start"]++
			}
			v.had = v.onDisk()
			v.d = up(t, v.bob)
		}
	}
	v.lookAt(t)
	require.NoError(t, v.d.Call(t.Context(), "torrent_start_now", map[string]any{"ids": v.id}, nil))
	done := until(t, v.d, v.hash, user.Item.Complete)
	got, err := user.Sums(filepath.Join(done.Dir, done.Name))
	require.NoError(t, err)
	require.Equal(t, v.want, got)
	t.Logf("%d kills, %d of them of the engine alone, by what was asked last: %v; %d downloads were begun", *upKills, v.engines, v.doing, v.rounds)
}

// victim is a daemon that is killed again and again, and what it must not lose.
type victim struct {
	bob          *user.User
	d            *user.Daemon
	id           int64
	magnet, hash string
	want         map[string]string
	folders      []string
	files        []metainfo.File
	pieces       [][]byte
	had          []bool // what lay on the disk when it was killed last
	label        int    // the last that was confirmed
	asked        int    // and that was asked for

	doing           map[string]int
	engines, rounds int
}

func newVictim(t *testing.T) *victim {
	alice := newUser(t, "tor")
	folder, file := filepath.Join(t.TempDir(), "sample"), filepath.Join(alice.Dir, "sample.torrent")
	require.NoError(t, user.Sample(folder, 5, []user.File{{Path: "a", Bytes: 24 * mib}, {Path: "b/c", Bytes: 8*mib + 1}, {Path: "d", Bytes: 999}}))
	v := &victim{bob: newUser(t, "tor"), doing: make(map[string]int)}
	var err error
	v.want, err = user.Sums(folder)
	require.NoError(t, err)
	sharing, err := start(t, alice, "share", "--torrent", file, folder).Await(within(t), user.Is("sharing"))
	require.NoError(t, err)
	v.magnet, v.hash = sharing.Magnet, hashOf(t, sharing.Magnet)
	v.learn(t, file, filepath.Dir(folder))

	shm, err := os.MkdirTemp("/dev/shm", "sotto-e2e") // another file system
	require.NoError(t, err)
	t.Cleanup(func() { os.RemoveAll(shm) })
	other := filepath.Join(v.bob.Dir, "other")
	require.NoError(t, os.Mkdir(other, 0o700))
	require.NoError(t, v.bob.Configure("daemon", fmt.Sprintf("folders = [%q, %q]", other, shm)))
	v.d = up(t, v.bob)
	v.folders = []string{v.d.Downloads, other, shm}
	v.begin(t)
	return v
}

// learn reads what the pieces are.
func (v *victim) learn(t *testing.T, torrent, above string) {
	raw, err := os.ReadFile(torrent)
	require.NoError(t, err)
	link, err := metainfo.ParseTorrent(raw)
	require.NoError(t, err)
	info, err := metainfo.ParseInfo(link.Info, link.InfoHash)
	require.NoError(t, err)
	v.files = info.Files
	var content []byte
	for _, f := range info.Files {
		part := make([]byte, f.Length)
		if !f.Pad {
			part, err = os.ReadFile(filepath.Join(above, filepath.FromSlash(f.Path)))
			require.NoError(t, err)
		}
		content = append(content, part...)
	}
	v.pieces = slices.Collect(slices.Chunk(content, int(info.PieceLength)))
}

// begin adds the torrent, slow enough to be killed in the middle.
func (v *victim) begin(t *testing.T) {
	t.Helper()
	var err error
	v.id, err = v.d.Add(t.Context(), v.magnet)
	require.NoError(t, err)
	require.NoError(t, v.d.Call(t.Context(), "torrent_set", map[string]any{"ids": v.id, "download_limit": 4000, "download_limited": true, "labels": []string{"0"}}, nil))
	v.label, v.asked, v.had = 0, 0, make([]bool, len(v.pieces))
	v.rounds++
	until(t, v.d, v.hash, func(it user.Item) bool { return it.Have > 0 })
}

// state is what the daemon knows of the torrent.
type state struct {
	ID     int64    `json:"id"`
	Status int      `json:"status"`
	Size   int64    `json:"total_size"`
	Left   int64    `json:"left_until_done"`
	Pieces []byte   `json:"pieces"`
	Labels []string `json:"labels"`
	Error  string   `json:"error_string"`
}

func (v *victim) state(t *testing.T) state {
	t.Helper()
	list, err := caller.Torrents[state](t.Context(), v.d.Caller, nil)
	require.NoError(t, err, v.d.Said())
	require.Len(t, list, 1)
	v.id = list[0].ID
	return list[0]
}

// lookAt has everything verified and compares it with the disk.
func (v *victim) lookAt(t *testing.T) {
	t.Helper()
	s := v.state(t)
	require.Len(t, s.Labels, 1)
	var label int
	fmt.Sscan(s.Labels[0], &label)
	require.GreaterOrEqual(t, label, v.label, "a setting that was confirmed is lost")
	require.LessOrEqual(t, label, v.asked)
	require.NoError(t, v.d.Call(t.Context(), "torrent_stop", map[string]any{"ids": v.id}, nil))
	require.NoError(t, v.d.Call(t.Context(), "torrent_verify", map[string]any{"ids": v.id}, nil))
	require.Eventually(t, func() bool { s = v.state(t); return s.Status == 0 }, patience, 50*time.Millisecond, "%+v", &s)
	if s.Size == 0 {
		return // killed before it had the metadata
	}
	there := v.onDisk()
	for i := range v.pieces {
		known := i/8 < len(s.Pieces) && s.Pieces[i/8]&(0x80>>(i%8)) != 0
		require.Equal(t, there[i], known, "piece %d; on the disk, known: %s", i, s.Error)
		require.True(t, there[i] || !v.had[i], "piece %d was on the disk and is lost", i)
	}
	if s.Left == 0 {
		require.NoError(t, v.d.Call(t.Context(), "torrent_remove", map[string]any{"ids": v.id, "delete_local_data": true}, nil))
		require.Eventually(t, func() bool { return !slices.Contains(v.onDisk(), true) }, patience, 50*time.Millisecond)
		v.begin(t)
	}
}

// worry does one thing after another to the daemon for a while, and notes which
// was the last.
func (v *victim) worry(t *testing.T) {
	t.Helper()
	call := func(method string, params map[string]any) {
		params["ids"] = v.id
		require.NoError(t, v.d.Call(t.Context(), method, params, nil), v.d.Said())
	}
	call("torrent_start_now", map[string]any{})
	last := "download"
	for end := time.Now().Add(rand.N(4 * time.Second)); time.Now().Before(end); {
		time.Sleep(rand.N(700 * time.Millisecond))
		switch rand.N(4) {
		case 0:
			last = "move"
			// It may be moving yet, which it says.
			v.d.Call(t.Context(), "torrent_set_location", map[string]any{"ids": v.id, "location": v.folders[rand.N(len(v.folders))], "move": true}, nil)
		case 1:
			last = "verify"
			call("torrent_verify", map[string]any{})
		case 2:
			last = "settings"
			v.asked++
			call("torrent_set", map[string]any{"labels": []string{fmt.Sprint(v.asked)}})
			v.label = v.asked
		case 3:
			last = "download"
			time.Sleep(rand.N(time.Second))
		}
	}
	v.doing[last]++
}

// kill ends broker and engine.
func (v *victim) kill(t *testing.T) {
	t.Helper()
	engine := v.d.Engine()
	require.NoError(t, v.d.Kill())
	v.d.Wait()
	requireEnds(t, v.d.PID(), engine)
}

// onDisk says which pieces lie on the disk, each file wherever it is most whole.
func (v *victim) onDisk() (there []bool) {
	var content []byte
	at := 0
	whole := slices.Concat(v.pieces...)
	for _, f := range v.files {
		want := whole[at : at+int(f.Length)]
		got := make([]byte, f.Length)
		if f.Pad {
			copy(got, want)
		}
		for _, dir := range v.folders {
			for _, name := range []string{f.Path, f.Path + ".sotto-part"} {
				raw, _ := os.ReadFile(filepath.Join(dir, filepath.FromSlash(name)))
				for i := range min(len(raw), len(want)) {
					if raw[i] == want[i] {
						got[i] = raw[i]
					}
				}
			}
		}
		content, at = append(content, got...), at+int(f.Length)
	}
	for i := range v.pieces {
		size := len(v.pieces[0])
		there = append(there, bytes.Equal(v.pieces[i], content[i*size:min((i+1)*size, len(content))]))
	}
	return there
}
