package interop

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"sotto/anon"
	"sotto/anon/profile"
	"sotto/client/engine"
	"sotto/client/metainfo"
	"sotto/testnet/tcpnet"
)

// workerMark is the argument that makes this test binary one of our engines in
// a process of its own, so that what it uses can be told from what others use.
// The argument after it is an assignment; the rest is as in
// testdata/libtorrent_peer.py.
const workerMark = "engine"

type assignment struct {
	Engine  string `json:"engine"` // whose worker it is
	Torrent string `json:"torrent"`
	Data    string `json:"data"`
	Listen  string `json:"listen"` // an address; the port is free
	Crypto  string `json:"crypto"`
	Seed    bool   `json:"seed"`
}

// report is what a worker says when it is done, since the first peer was named.
type report struct {
	Seconds float64 `json:"seconds"`
	CPU     float64 `json:"cpu"` // seconds
	Wasted  int64   `json:"wasted"`
}

func work(text string) int {
	if err := serve(text, os.Stdin, json.NewEncoder(os.Stdout)); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func serve(text string, commands io.Reader, say *json.Encoder) error {
	var a assignment
	if err := json.Unmarshal([]byte(text), &a); err != nil {
		return err
	}
	from, err := netip.ParseAddr(a.Listen)
	if err != nil {
		return err
	}
	net := tcpnet.New()
	host := net.Host(from)
	defer host.Close()
	end, err := host.Open(context.Background(), anon.Identity{Network: anon.Memory, Label: anon.NewLabel()})
	if err != nil {
		return err
	}
	o, err := a.options()
	if err != nil {
		return err
	}
	o.Endpoint = end
	tor, err := engine.Open(context.Background(), o)
	if err != nil {
		return err
	}
	defer tor.Close()
	if a.Seed {
		if err := await(tor); err != nil {
			return err
		}
	}
	at, _ := net.Where(end.Addr())
	if err := say.Encode(map[string]string{"ready": at.String()}); err != nil {
		return err
	}
	began, used := time.Now(), cpu()
	for lines := bufio.NewScanner(commands); lines.Scan(); {
		var peers []anon.Addr
		for text := range strings.FieldsSeq(lines.Text()) {
			at, err := netip.ParseAddrPort(text)
			if err != nil {
				return err
			}
			p, err := net.Learn(at)
			if err != nil {
				return err
			}
			peers = append(peers, p)
		}
		began, used = time.Now(), cpu()
		tor.AddPeers(peers)
		if err := await(tor); err != nil {
			return err
		}
		if err := say.Encode(report{time.Since(began).Seconds(), cpu() - used, tor.Stats().Wasted}); err != nil {
			return err
		}
	}
	return say.Encode(report{time.Since(began).Seconds(), cpu() - used, tor.Stats().Wasted})
}

func (a assignment) options() (engine.Options, error) {
	link, err := metainfo.Open(a.Torrent)
	if err != nil {
		return engine.Options{}, err
	}
	look, err := profile.For(anon.Memory)
	look.Encryption = profile.Accept
	if a.Crypto == "rc4" {
		look.Encryption = profile.Required
	}
	return engine.Options{Look: look, InfoHash: link.InfoHash, Info: link.Info, Dir: a.Data, ReadOnly: a.Seed}, err
}

func await(tor *engine.Torrent) error {
	select {
	case <-tor.Done():
		return nil
	case <-tor.Failed():
		return tor.Err()
	}
}

// cpu is what this process has used so far, in seconds.
func cpu() float64 {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		panic(err) // only a bad argument can do that
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()).Seconds()
}
