package remote

import (
	"crypto/rand"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"sotto/testnet/rig"
	"sotto/testnet/user"
)

// patience bounds the wait for one event; what is waited for comes in seconds.
const patience = 5 * time.Minute

var lab = &rig.Rig{Patience: patience}

func TestMain(m *testing.M) { goleak.VerifyTestMain(lab.Around(m)) }

// real is a running "sotto up" with an entrance for remotes.
type real struct {
	*user.Daemon
	addr, token string
}

// up starts a daemon on the private Tor network.
func up(t *testing.T) *real {
	t.Helper()
	u := lab.User(t, "tor")
	d := &real{addr: freeAddress(t)}
	require.NoError(t, u.Configure("daemon", fmt.Sprintf("api = %q", d.addr), "keep_free_mib = 1"))
	d.Daemon = lab.Up(t, u)
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
	u := lab.User(t, "tor")
	a := album{name: "album-" + rand.Text()[:6], file: filepath.Join(u.Dir, "album.torrent"), sizes: map[string]int64{"one": 1 << 20, "three": 300_000, "two": 3000}}
	var files []user.File
	for _, name := range []string{"one", "three", "two"} {
		files = append(files, user.File{Path: name, Bytes: a.sizes[name]})
	}
	folder, sums := rig.Sample(t, a.name, 9, files...)
	a.sums = sums
	_, a.magnet = lab.Share(t, u, folder, "--torrent", a.file)
	return a
}
