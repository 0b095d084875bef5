package rig

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"sotto/testnet/user"
)

// User makes a user of a network, as user.Desk does.
func (r *Rig) User(t testing.TB, network string) *user.User {
	t.Helper()
	u, err := r.Desk.New(r.Within(t), network)
	require.NoError(t, err)
	return u
}

// Start runs sotto until the test ends.
func (r *Rig) Start(t testing.TB, u *user.User, args ...string) *user.Process {
	t.Helper()
	p, err := u.Start(context.WithoutCancel(t.Context()), args...)
	require.NoError(t, err)
	end(t, p)
	return p
}

// Up runs a daemon until the test ends, and returns when it answers.
func (r *Rig) Up(t testing.TB, u *user.User, args ...string) *user.Daemon {
	t.Helper()
	d, err := u.Up(context.WithoutCancel(t.Context()), args...)
	require.NoError(t, err)
	end(t, d.Process)
	return d
}

func end(t testing.TB, p *user.Process) {
	t.Cleanup(func() {
		p.End()
		require.NoError(t, p.Walls())
	})
}

// Sample makes a folder of that name with these files, and returns where it
// lies and what it holds, as user.Sums does. What is in the files depends on the
// seed.
func Sample(t testing.TB, name string, seed byte, files ...user.File) (folder string, sums map[string]string) {
	t.Helper()
	folder = filepath.Join(t.TempDir(), name)
	require.NoError(t, user.Sample(folder, seed, files))
	sums, err := user.Sums(folder)
	require.NoError(t, err)
	return folder, sums
}

// Share shares what lies at path until the test ends, and returns when others
// can find it.
func (r *Rig) Share(t testing.TB, u *user.User, path string, flags ...string) (p *user.Process, magnet string) {
	t.Helper()
	p = r.Start(t, u, append(append([]string{"share"}, flags...), path)...)
	e, err := p.Await(r.Within(t), user.Is("sharing"))
	require.NoError(t, err)
	return p, e.Magnet
}

// Finish waits for a get to end well and to leave what is wanted.
func (r *Rig) Finish(t testing.TB, get *user.Process, want map[string]string) user.Event {
	t.Helper()
	done, err := get.Await(r.Within(t), user.Is("finished"))
	require.NoError(t, err)
	require.Zero(t, get.Wait(), get.Said())
	got, err := user.Sums(done.Path)
	require.NoError(t, err)
	require.Equal(t, want, got)
	return done
}
