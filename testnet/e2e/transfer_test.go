package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"sotto/testnet/user"
)

const mib = 1 << 20

// long is how much a network carries in several seconds, so that something can
// happen in the middle.
func long(network string) int64 {
	if network == "i2p" {
		return 8 * mib
	}
	return 24 * mib
}

// Killing the router of either side in mid-transfer, and bringing it back:
// the transfer completes. Our own tor is brought back by sotto itself. It
// stands first because i2pd makes it the longest.
func TestRouterKilledInMidTransfer(t *testing.T) {
	t.Parallel()
	networks(t, func(t *testing.T, network string) {
		for _, side := range []string{"sharer", "fetcher"} {
			t.Run(side, func(t *testing.T) {
				t.Parallel()
				alice, bob := newUser(t, network), newUser(t, network)
				sharing, magnet, want := share(t, alice, long(network))
				get := start(t, bob, "get", "-o", filepath.Join(bob.Dir, "downloads"), magnet)
				_, err := get.Await(within(t), user.Reaches(0.3))
				require.NoError(t, err)
				if side == "sharer" {
					killRouter(t, alice, sharing)
				} else {
					killRouter(t, bob, get)
				}
				finish(t, get, want)
			})
		}
	})
}

// What a user can do: share a folder, hand the link on, fetch it; interrupted
// by Ctrl-C, the same command goes on and fetches no verified byte twice.
func TestShareGetResume(t *testing.T) {
	t.Parallel()
	networks(t, func(t *testing.T, network string) {
		_, magnet, want := share(t, newUser(t, network), long(network))
		bob := newUser(t, network)
		target := filepath.Join(bob.Dir, "downloads")

		first := start(t, bob, "get", "-o", target, magnet)
		half, err := first.Await(within(t), user.Reaches(0.3))
		require.NoError(t, err)
		require.NoError(t, first.Interrupt())
		require.Equal(t, 130, first.Wait(), first.Said())

		second := start(t, bob, "get", "-o", target, magnet)
		done := finish(t, second, want)
		require.LessOrEqual(t, done.Received, done.Done-half.Done, "verified bytes were fetched twice")
		leftovers, err := filepath.Glob(filepath.Join(bob.Dir, "state", "torrents", "*.json"))
		require.NoError(t, err)
		require.Empty(t, leftovers, "a finished download is forgotten")
	})
}

// A crash loses nothing either: a fault in a library ends the engine and is
// explained, and kill -9 of the broker ends the engine and leaves no tor behind.
func TestKilledGetResumes(t *testing.T) {
	t.Parallel()
	_, magnet, want := share(t, newUser(t, "tor"), 48*mib)
	bob := newUser(t, "tor")
	target := filepath.Join(bob.Dir, "downloads")
	var kept user.Event
	for i, end := range []func(*user.Process) error{(*user.Process).Crash, (*user.Process).Kill} {
		get := start(t, bob, "get", "-o", target, magnet)
		var err error
		kept, err = get.Await(within(t), user.Reaches(0.2*float64(i+1)))
		require.NoError(t, err)
		engine := get.Engine()
		require.NoError(t, end(get))
		code := get.Wait()
		requireEnds(t, get.PID(), engine)
		if i == 0 {
			require.Equal(t, 1, code, get.Said())
			require.Contains(t, get.Said(), "verified data is kept")
		}
	}
	done := finish(t, start(t, bob, "get", "-o", target, magnet), want)
	require.LessOrEqual(t, done.Received, done.Done-kept.Done, "verified bytes were fetched twice")
}

// requireEnds waits for an engine, and for the tor that its broker owns.
func requireEnds(t *testing.T, broker, engine int) {
	t.Helper()
	require.Eventually(t, func() bool {
		_, err := os.Stat(fmt.Sprintf("/proc/%d/cwd", engine)) // not even a zombie has one
		return err != nil && len(user.Children(broker, "tor")) == 0
	}, time.Minute, 200*time.Millisecond, "sotto's engine or its tor outlives it")
}

// An engine that is killed is started again, as often as that happens: the
// transfer goes on, fetches no verified byte twice, and a share keeps its
// address.
func TestKilledEngineStartsAgain(t *testing.T) {
	t.Parallel()
	alice, magnet, want := share(t, newUser(t, "tor"), 48*mib)
	bob := newUser(t, "tor")
	get := start(t, bob, "get", "-o", filepath.Join(bob.Dir, "downloads"), magnet)
	var kept user.Event
	for i := range 3 {
		var err error
		kept, err = get.Await(within(t), user.Reaches(0.2*float64(i+1)))
		require.NoError(t, err)
		victim := get
		if i == 1 {
			victim = alice
		}
		require.NoError(t, victim.KillEngine())
		_, err = victim.Await(within(t), user.Is("engine_restarted"))
		require.NoError(t, err)
	}
	done := finish(t, get, want)
	require.LessOrEqual(t, done.Received, done.Done-kept.Done, "verified bytes were fetched twice")
}

// What an engine sees of the disk: what it shares or fetches, and the records of
// transfers; nothing else of the state, where keys are.
func TestEngineSeesItsFoldersOnly(t *testing.T) {
	t.Parallel()
	alice, bob := newUser(t, "tor"), newUser(t, "tor")
	sharing, magnet, want := share(t, alice, 16*mib)
	get := start(t, bob, "get", "-o", filepath.Join(bob.Dir, "downloads"), magnet)
	_, err := get.Await(within(t), user.Reaches(0.1))
	require.NoError(t, err)
	require.Equal(t, []string{"downloads", "state"}, seenBy(t, get, bob.Dir))
	require.Equal(t, []string{"torrents"}, seenBy(t, get, filepath.Join(bob.Dir, "state")))
	_, err = os.Stat(inside(sharing, alice.Dir))
	require.ErrorIs(t, err, os.ErrNotExist)
	finish(t, get, want)
}

// inside is the path by which we find what a sotto's engine has at path.
func inside(p *user.Process, path string) string {
	return filepath.Join("/proc", strconv.Itoa(p.Engine()), "root", path)
}

// seenBy lists a folder as a sotto's engine sees it.
func seenBy(t *testing.T, p *user.Process, dir string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(inside(p, dir))
	require.NoError(t, err)
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func killRouter(t *testing.T, u *user.User, p *user.Process) {
	t.Helper()
	if u.Network == "i2p" {
		net, err := lab.I2P(within(t))
		require.NoError(t, err)
		net.Kill(u.Router)
		require.NoError(t, net.Restart(within(t), u.Router))
		return
	}
	children := user.Children(p.PID(), "tor")
	require.Len(t, children, 1, "sotto has one tor")
	tor, err := os.FindProcess(children[0])
	require.NoError(t, err)
	require.NoError(t, tor.Kill())
}

// One link on both networks can be fetched over either.
func TestOneShareOnBothNetworks(t *testing.T) {
	t.Parallel()
	alice := newUser(t, "i2p")
	require.NoError(t, alice.Join(within(t), "tor"))
	_, magnet, want := share(t, alice, 3*mib)
	require.Equal(t, 2, strings.Count(magnet, "&tr="))
	networks(t, func(t *testing.T, network string) {
		bob := newUser(t, network)
		finish(t, start(t, bob, "get", "-o", bob.Dir, magnet), want)
	})
}

// A single file, by a torrent file instead of a link.
func TestSingleFileByTorrentFile(t *testing.T) {
	t.Parallel()
	alice, bob := newUser(t, "tor"), newUser(t, "tor")
	file := filepath.Join(t.TempDir(), "one.bin")
	require.NoError(t, user.Sample(filepath.Dir(file), 9, []user.File{{Path: "one.bin", Bytes: mib}}))
	want, err := user.Sums(file)
	require.NoError(t, err)
	torrent := filepath.Join(t.TempDir(), "one.torrent")
	p := start(t, alice, "share", "--torrent", torrent, file)
	_, err = p.Await(within(t), user.Is("sharing"))
	require.NoError(t, err)
	finish(t, start(t, bob, "get", "-o", bob.Dir, torrent), want)
	require.NoError(t, p.Interrupt())
	require.Zero(t, p.Wait(), "stopping a share is a success")
}

// The disk fills up in mid-transfer: exit 1 with what to do, nothing lost, and
// with room the same command completes.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	_, magnet, want := share(t, newUser(t, "tor"), 16*mib)
	bob := newUser(t, "tor")
	target := filepath.Join(bob.Dir, "small")
	grow := smallDisk(t, target, 6*mib)
	full := start(t, bob, "get", "-o", target, magnet)
	require.Equal(t, 1, full.Wait(), full.Said())
	require.Contains(t, full.Said(), "Free some space")
	grow(64 * mib)
	done := finish(t, start(t, bob, "get", "-o", target, magnet), want)
	require.Less(t, done.Received, done.Done, "what was verified before the disk was full is kept")
}
