package remote

import (
	"context"
	"crypto/rand"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"sotto/testnet"
	"sotto/testnet/netns"
	"sotto/testnet/user"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(netns.Wrap(runner{m})) }

// patience bounds the wait for one event; what is waited for comes in seconds.
const patience = 5 * time.Minute

var desk *user.Desk

// runner puts the lab around the tests. No network is started unless one asks.
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
	lab, err := testnet.New(testnet.Config{Log: os.Stderr})
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
	build := exec.Command("go", "build", "-trimpath", "-o", program, "sotto/cmd/sotto")
	build.Env = append(os.Environ(), "GOPROXY=off")
	if out, err := build.CombinedOutput(); err != nil {
		return 0, fmt.Errorf("build sotto: %w\n%s", err, out)
	}
	desk = &user.Desk{Lab: lab, Sotto: program}
	return r.m.Run(), nil
}

func within(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

// real is a running "sotto up" with an entrance for remotes.
type real struct {
	*user.Daemon
	addr, token string
}

// up starts a daemon on the private Tor network.
func up(t *testing.T) *real {
	t.Helper()
	u, err := desk.New(within(t), "tor")
	require.NoError(t, err)
	d := &real{addr: freeAddress(t)}
	require.NoError(t, u.Configure("daemon", fmt.Sprintf("api = %q", d.addr), "keep_free_mib = 1"))
	d.Daemon, err = u.Up(context.WithoutCancel(t.Context()))
	require.NoError(t, err)
	t.Cleanup(func() {
		d.End()
		require.NoError(t, d.Walls())
	})
	raw, err := os.ReadFile(filepath.Join(u.Dir, "state", "api-token"))
	require.NoError(t, err)
	d.token = strings.TrimSpace(string(raw))
	return d
}

// freeAddress is one that nobody listens at.
func freeAddress(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer ln.Close()
	return ln.Addr().String()
}

// album is what somebody shares on the private Tor network.
type album struct {
	name, magnet, file string
	sums               map[string]string // of its files
	sizes              map[string]int64
}

// share has somebody share three files until the test ends.
func share(t *testing.T) album {
	t.Helper()
	u, err := desk.New(within(t), "tor")
	require.NoError(t, err)
	folder := filepath.Join(t.TempDir(), "album-"+rand.Text()[:6])
	a := album{name: filepath.Base(folder), file: filepath.Join(u.Dir, "album.torrent"), sizes: map[string]int64{"one": 1 << 20, "three": 300_000, "two": 3000}}
	var files []user.File
	for _, name := range []string{"one", "three", "two"} {
		files = append(files, user.File{Path: name, Bytes: a.sizes[name]})
	}
	require.NoError(t, user.Sample(folder, 9, files))
	a.sums, err = user.Sums(folder)
	require.NoError(t, err)
	p, err := u.Start(context.WithoutCancel(t.Context()), "share", "--torrent", a.file, folder)
	require.NoError(t, err)
	t.Cleanup(p.End)
	e, err := p.Await(within(t), user.Is("sharing"))
	require.NoError(t, err)
	a.magnet = e.Magnet
	return a
}
