package e2e

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"sotto/anon/cage"
	"sotto/testnet"
	"sotto/testnet/i2pnet"
	"sotto/testnet/netns"
	"sotto/testnet/user"
)

// patience bounds one wait. I2P opens a session in 20 to 40 s, and the second
// time when the first was not published; two cores carry 1 MiB/s over it; and
// i2pd talks to a restarted peer again only after two minutes.
const patience = 15 * time.Minute

var (
	lab  *testnet.Lab
	desk *user.Desk
)

// TestMain is also an engine behind its walls, for BenchmarkWalls.
func TestMain(m *testing.M) {
	in, err := cage.Enter(os.Args)
	switch {
	case err != nil:
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	case in != nil:
		os.Exit(engine(in))
	}
	os.Exit(netns.Wrap(runner{m}).Run())
}

// runner puts the lab around the tests, inside the namespace.
type runner struct{ m *testing.M }

func (r runner) Run() int {
	code, err := r.run()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

func (r runner) run() (code int, err error) {
	lab, err = testnet.New(testnet.Config{
		Log: os.Stderr,
		I2P: i2pnet.Config{Routers: 12},
	})
	if err != nil {
		return 0, err
	}
	defer func() {
		if code != 0 {
			lab.Keep()
			fmt.Fprintf(os.Stderr, "logs are kept in %s\n", lab.Dir())
		}
		lab.Close()
	}()
	program := filepath.Join(lab.Dir(), "sotto")
	out, err := exec.Command("go", "build", "-trimpath", "-o", program, "sotto/cmd/sotto").CombinedOutput()
	if err != nil {
		return 0, fmt.Errorf("build sotto: %w\n%s", err, out)
	}
	desk = &user.Desk{Lab: lab, Sotto: program, Routers: 7}
	return r.m.Run(), nil
}

func within(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

// networks runs a test on each network.
func networks(t *testing.T, test func(t *testing.T, network string)) {
	for _, n := range []string{"tor", "i2p"} {
		t.Run(n, func(t *testing.T) {
			t.Parallel() // both wait more than they work
			test(t, n)
		})
	}
}

func newUser(t testing.TB, network string) *user.User {
	t.Helper()
	u, err := desk.New(within(t), network)
	require.NoError(t, err)
	return u
}

// start runs sotto until the test ends.
func start(t testing.TB, u *user.User, args ...string) *user.Process {
	t.Helper()
	p, err := u.Start(context.WithoutCancel(t.Context()), args...)
	require.NoError(t, err)
	t.Cleanup(func() {
		p.End()
		require.NoError(t, p.Walls())
	})
	return p
}

// share shares a sample of so many bytes and returns what it should look like.
func share(t testing.TB, u *user.User, size int64) (p *user.Process, magnet string, want map[string]string) {
	t.Helper()
	folder := filepath.Join(t.TempDir(), "sample")
	require.NoError(t, user.Sample(folder, 7, []user.File{
		{Path: "notes.txt", Bytes: 777}, {Path: "a/first.bin", Bytes: size / 2}, {Path: "a/second.bin", Bytes: size - size/2},
	}))
	want, err := user.Sums(folder)
	require.NoError(t, err)
	p = start(t, u, "share", folder)
	e, err := p.Await(within(t), user.Is("sharing"))
	require.NoError(t, err)
	return p, e.Magnet, want
}

// finish waits for a get and checks what it left.
func finish(t testing.TB, p *user.Process, want map[string]string) user.Event {
	t.Helper()
	done, err := p.Await(within(t), user.Is("finished"))
	require.NoError(t, err)
	require.Zero(t, p.Wait(), p.Said())
	got, err := user.Sums(done.Path)
	require.NoError(t, err)
	require.Equal(t, want, got)
	return done
}
