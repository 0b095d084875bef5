package e2e

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"sotto/testnet/user"
)

// typed runs a command that must succeed.
func typed(t testing.TB, u *user.User, args ...string) string {
	t.Helper()
	said, err := u.Type(within(t), args...)
	require.NoError(t, err)
	return said
}

// Somebody who knows no more than the README adds a link to a daemon, limits its
// rate, sees it finish and removes it.
func TestNewcomer(t *testing.T) {
	t.Parallel()
	_, magnet, want := share(t, newUser(t, "tor"), 8*mib)
	bob := newUser(t, "tor")
	var refused *user.CodeError
	_, err := bob.Type(within(t), "ls")
	require.ErrorAs(t, err, &refused)
	require.Equal(t, 14, refused.Code)
	require.Contains(t, refused.Said, "Start it with sotto up")

	d := up(t, bob)
	require.Contains(t, typed(t, bob, "status"), "downloads in  "+d.Downloads)
	require.Equal(t, "added 1  sample\n", typed(t, bob, "add", magnet))
	require.Equal(t, "1  down 3000 kB/s, ratio as for all  sample\n", typed(t, bob, "limit", "sample", "--down", "3M"))
	require.Contains(t, typed(t, bob, "trackers", "1"), ".onion")

	// get gives the link to the daemon, which has it, and is there at its end.
	said := typed(t, bob, "get", "-o", d.Downloads, magnet)
	require.Contains(t, said, "the running daemon fetches it")
	require.Contains(t, said, "done: 8.0 MiB in ")
	require.Contains(t, said, filepath.Join(d.Downloads, "sample")+"\n")
	got, err := user.Sums(filepath.Join(d.Downloads, "sample"))
	require.NoError(t, err)
	require.Equal(t, want, got)

	require.Regexp(t, `(?m)^1 +seeding +100% +8.0 MiB .* sample$`, typed(t, bob, "ls"))
	require.Contains(t, typed(t, bob, "files", "1"), "sample/a/first.bin")
	require.Contains(t, typed(t, bob, "show", "sample"), "received     8")
	require.Equal(t, filepath.Join(d.Downloads, "sample")+"\n", typed(t, bob, "open", "1"))
	require.Equal(t, "stopped 1  sample\n", typed(t, bob, "stop", "1"))
	require.Equal(t, "removed 1  sample\n", typed(t, bob, "rm", "--data", "--yes", "sample"))
	require.Equal(t, 1, strings.Count(typed(t, bob, "ls"), "\n"))
	require.Eventually(t, func() bool {
		_, err := os.Lstat(filepath.Join(d.Downloads, "sample"))
		return errors.Is(err, os.ErrNotExist)
	}, patience, 100*time.Millisecond)
}

// What the daemon has in its folders it shares itself: the view may end, and the
// link holds.
func TestShareByTheDaemon(t *testing.T) {
	t.Parallel()
	alice, bob := newUser(t, "tor"), newUser(t, "tor")
	folder := filepath.Join(alice.Dir, "shares")
	require.NoError(t, user.Sample(filepath.Join(folder, "sample"), 3, []user.File{{Path: "a.bin", Bytes: mib}, {Path: "b/c.bin", Bytes: 777}}))
	want, err := user.Sums(filepath.Join(folder, "sample"))
	require.NoError(t, err)
	require.NoError(t, alice.Configure("daemon", fmt.Sprintf("share_dirs = [%q]", folder)))
	up(t, alice)
	p, err := alice.Start(context.WithoutCancel(t.Context()), "share", filepath.Join(folder, "sample"))
	require.NoError(t, err)
	defer p.End()
	_, err = p.Await(within(t), user.Is("handed_over"))
	require.NoError(t, err)
	e, err := p.Await(within(t), user.Is("sharing"))
	require.NoError(t, err)
	require.NoError(t, p.Terminate())
	require.Equal(t, 130, p.Wait(), p.Said())
	get := start(t, bob, "get", "-o", filepath.Join(bob.Dir, "got"), e.Magnet)
	finish(t, get, want)
	require.Contains(t, typed(t, alice, "show", "sample"), "an address that stays")
}

// With --here no daemon is asked, and the engine of the one that runs is given
// nothing.
func TestGetBesideTheDaemon(t *testing.T) {
	t.Parallel()
	_, magnet, want := share(t, newUser(t, "tor"), 1*mib)
	bob := newUser(t, "tor")
	up(t, bob)
	other := filepath.Join(bob.Dir, "other")
	require.NoError(t, os.Mkdir(other, 0o700))
	said := typed(t, bob, "get", "--here", "--network", "tor", "-o", other, magnet)
	require.NotContains(t, said, "daemon")
	got, err := user.Sums(filepath.Join(other, "sample"))
	require.NoError(t, err)
	require.Equal(t, want, got)
	require.Equal(t, 1, strings.Count(typed(t, bob, "ls"), "\n"))
	require.NotContains(t, typed(t, bob, "folders"), other)
}
