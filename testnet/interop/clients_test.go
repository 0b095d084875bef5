package interop

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"sotto/testnet/daemon"
)

// job is what a foreign client shall do.
type job struct {
	torrent string // its file, or a magnet link
	data    string // folder to fetch to or to seed from
	own     string // folder for settings and logs
	at      netip.AddrPort
	rc4     bool // or plain
	seed    bool
}

// client is a program of other people.
type client struct {
	name    string
	command func(testing.TB, job) daemon.Spec
	kinds   []string // of torrents it knows
	// dialsCipher: it offers both ciphers in an encrypted handshake when it
	// dials and was asked for none, and we choose RC4 where we can.
	dialsCipher bool
	// leaves: it takes the moment between its check of the files and its start
	// for a torrent that was stopped, and now and then ends well right there.
	leaves bool
}

// Transmission and aria2 of Debian read no hybrid:
// TestOldClientsCannotReadHybrids.
var clients = []client{
	{name: "transmission", command: transmission, kinds: []string{"v1"}, leaves: true},
	{name: "libtorrent", command: libtorrent, kinds: []string{"v1", "hybrid", "v2"}},
	{name: "aria2", command: aria2, kinds: []string{"v1"}, dialsCipher: true},
}

func (j job) spec(path string, args ...string) daemon.Spec {
	return daemon.Spec{Path: path, Args: args, Env: []string{"HOME=" + j.own, "LANG=C.UTF-8", "PATH=/usr/bin:/bin"}, Log: j.log()}
}

func (j job) log() string { return filepath.Join(j.own, "log") }

func transmission(t testing.TB, j job) daemon.Spec {
	const plain, required = 0, 2
	settings := map[string]any{
		"bind-address-ipv4": j.at.Addr().String(), "peer-port": j.at.Port(), "port-forwarding-enabled": false,
		"dht-enabled": false, "lpd-enabled": false, "pex-enabled": false, "utp-enabled": false,
		"download-dir": j.data, "incomplete-dir-enabled": false, "encryption": plain,
		"ratio-limit-enabled": false, "speed-limit-down-enabled": false, "speed-limit-up-enabled": false,
	}
	crypto := "-et"
	if j.rc4 {
		settings["encryption"], crypto = required, "-er"
	}
	b, err := json.Marshal(settings)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(j.own, "settings.json"), b, 0o600))
	args := []string{"-g", j.own, "-w", j.data, "-p", strconv.Itoa(int(j.at.Port())), "-M", crypto}
	if j.seed {
		args = append(args, "-v") // or it believes that it has nothing
	}
	return j.spec("transmission-cli", append(args, j.torrent)...)
}

func libtorrent(t testing.TB, j job) daemon.Spec {
	b, err := json.Marshal(map[string]any{
		"torrent": j.torrent, "data": j.data, "listen": j.at.String(), "crypto": map[bool]string{true: "rc4", false: "plain"}[j.rc4],
	})
	require.NoError(t, err)
	return j.spec("/usr/bin/python3", "testdata/libtorrent_peer.py", string(b))
}

func aria2(_ testing.TB, j job) daemon.Spec {
	port := strconv.Itoa(int(j.at.Port()))
	return j.spec("aria2c", "--no-conf=true", "--disable-ipv6=true", "--interface="+j.at.Addr().String(), "--listen-port="+port,
		"--enable-dht=false", "--bt-enable-lpd=false", "--enable-peer-exchange=false",
		"--bt-force-encryption="+strconv.FormatBool(j.rc4), "--check-integrity="+strconv.FormatBool(j.seed),
		"--seed-ratio=0.0", "--file-allocation=none", "--summary-interval=1", "--dir="+j.data, j.torrent)
}

// start runs a client until the test ends. One that leaves is called back a few
// times; one that fails is not.
func (c client) start(t testing.TB, j job) {
	spec, again := c.command(t, j), 0
	if c.leaves && j.seed {
		again = 5
	}
	p, err := daemon.Start(spec)
	require.NoError(t, err)
	end, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for ; ; again-- {
			select {
			case <-end:
				p.Stop(5 * time.Second)
				return
			case <-p.Done():
			}
			if again == 0 || p.Err() != nil {
				return
			}
			next, err := daemon.Start(spec)
			if err != nil {
				t.Error(err)
				return
			}
			p = next
		}
	}()
	t.Cleanup(func() { close(end); <-ended })
}

// says is the end of what a client has printed.
func (j job) says() string { return fmt.Sprintf("it says:\n%s", daemon.Tail(j.log(), 30)) }
