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

	"sotto/testnet/netns"
	"sotto/testnet/rig"
	"sotto/testnet/sink"
	"sotto/testnet/user"
)

// patience bounds the wait for one event; what is waited for comes in seconds.
const patience = 4 * time.Minute

var (
	lab  = &rig.Rig{Patience: patience}
	wall *sink.Sink // every way out of the namespace

	within, start, finish = lab.Within, lab.Start, lab.Finish
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
	goleak.VerifyTestMain(lab.Around(walled{m}))
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

// walled puts the wall around the tests.
type walled struct{ m netns.Runner }

func (w walled) Run() int {
	var err error
	if wall, err = sink.Start(lab.Dir()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { wall.Close() }() // a test may have put up another
	return w.m.Run()
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
	return lab.User(t, "tor")
}

// shared is something that a running sotto shares.
type shared struct {
	*user.Process
	folder, magnet, torrent string // torrent is the path of the torrent file
	sums                    map[string]string
}

// share shares a folder of that name until the test ends.
func share(t *testing.T, u *user.User, name string, files ...user.File) shared {
	t.Helper()
	s := shared{torrent: filepath.Join(u.Dir, "shared.torrent")}
	s.folder, s.sums = rig.Sample(t, name, 3, files...)
	s.Process, s.magnet = lab.Share(t, u, s.folder, "--torrent", s.torrent)
	return s
}
