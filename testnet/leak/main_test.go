package leak

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"sotto/testnet"
	"sotto/testnet/netns"
	"sotto/testnet/sink"
	"sotto/testnet/user"
)

// patience bounds the wait for one event; what is waited for comes in seconds.
const patience = 4 * time.Minute

var (
	lab  *testnet.Lab
	desk *user.Desk
	wall *sink.Sink // every way out of the namespace
)

// TestMain runs a role, when this is a process that a test started to watch,
// and otherwise the tests, inside the namespace.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && roles[os.Args[1]] != nil {
		if err := roles[os.Args[1]](os.Args[2:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(netns.Wrap(runner{m}))
}

// roles are what a copy of the test program does when a test starts one, by
// its first argument.
var roles = map[string]func(args []string) error{
	"role-memory":     memoryTransfer,
	"role-one-socket": oneSocket,
}

// role returns the command that runs one.
func role(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, os.Args[0], append([]string{name}, args...)...)
	cmd.WaitDelay = 10 * time.Second
	return cmd
}

// runner puts lab and wall around the tests.
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
	if lab, err = testnet.New(testnet.Config{Log: os.Stderr}); err != nil {
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
	build := exec.Command("go", "build", "-trimpath", "-o", program, "sotto/cmd/sotto")
	build.Env = append(os.Environ(), "GOPROXY=off")
	if out, err := build.CombinedOutput(); err != nil {
		return 0, fmt.Errorf("build sotto: %w\n%s", err, out)
	}
	desk = &user.Desk{Lab: lab, Sotto: program}
	if wall, err = sink.Start(lab.Dir()); err != nil {
		return 0, err
	}
	defer func() { wall.Close() }() // a test may have put up another
	return r.m.Run(), nil
}

func within(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

// requireSilence fails when anything was sent into the wall, a DNS question
// included, since the last time it was asked. Each test asks at both ends, so
// that nothing between the tests goes unseen either.
func requireSilence(t *testing.T) {
	t.Helper()
	require.NoError(t, wall.Flush(within(t)))
	require.Empty(t, wall.Seen(), "this left for the open internet")
}

// silent is a test during which nothing may leave.
func silent(t *testing.T) {
	t.Helper()
	requireSilence(t)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		require.NoError(t, wall.Flush(ctx))
		require.Empty(t, wall.Seen(), "this left for the open internet")
	})
}

func newUser(t *testing.T) *user.User {
	t.Helper()
	u, err := desk.New(within(t), "tor")
	require.NoError(t, err)
	return u
}

// start runs sotto until the test ends.
func start(t *testing.T, u *user.User, args ...string) *user.Process {
	t.Helper()
	p, err := u.Start(context.WithoutCancel(t.Context()), args...)
	require.NoError(t, err)
	t.Cleanup(func() {
		p.End()
		require.NoError(t, p.Walls())
	})
	return p
}

// shared is something that a running sotto shares.
type shared struct {
	*user.Process
	folder, magnet, torrent string // torrent is the path of the torrent file
	sums                    map[string]string
}

// share shares a folder of that name with so many bytes until the test ends.
func share(t *testing.T, u *user.User, name string, files ...user.File) shared {
	t.Helper()
	s := shared{folder: filepath.Join(t.TempDir(), name), torrent: filepath.Join(u.Dir, "shared.torrent")}
	require.NoError(t, user.Sample(s.folder, 3, files))
	var err error
	s.sums, err = user.Sums(s.folder)
	require.NoError(t, err)
	s.Process = start(t, u, "share", "--torrent", s.torrent, s.folder)
	e, err := s.Await(within(t), user.Is("sharing"))
	require.NoError(t, err)
	s.magnet = e.Magnet
	return s
}

// finish waits for a get and checks what it left.
func finish(t *testing.T, p *user.Process, want map[string]string) {
	t.Helper()
	done, err := p.Await(within(t), user.Is("finished"))
	require.NoError(t, err)
	require.Zero(t, p.Wait(), p.Said())
	got, err := user.Sums(done.Path)
	require.NoError(t, err)
	require.Equal(t, want, got)
}
