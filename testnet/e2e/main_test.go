package e2e

import (
	"fmt"
	"os"
	"testing"
	"time"

	"sotto/anon/cage"
	"sotto/testnet"
	"sotto/testnet/i2pnet"
	"sotto/testnet/rig"
	"sotto/testnet/user"
)

// patience bounds one wait. I2P opens a session in 20 to 40 s, and the second
// time when the first was not published; two cores carry 1 MiB/s over it; and
// i2pd talks to a restarted peer again only after two minutes.
const patience = 15 * time.Minute

var (
	lab = &rig.Rig{Config: testnet.Config{I2P: i2pnet.Config{Routers: 12}}, Routers: 7, Patience: patience}

	within, newUser, start, up, finish = lab.Within, lab.User, lab.Start, lab.Up, lab.Finish
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
	os.Exit(lab.Around(m).Run())
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

// share shares a sample of so many bytes and returns what it should look like.
func share(t testing.TB, u *user.User, size int64) (p *user.Process, magnet string, want map[string]string) {
	t.Helper()
	folder, want := rig.Sample(t, "sample", 7, user.File{Path: "notes.txt", Bytes: 777},
		user.File{Path: "a/first.bin", Bytes: size / 2}, user.File{Path: "a/second.bin", Bytes: size - size/2})
	p, magnet = lab.Share(t, u, folder)
	return p, magnet, want
}
