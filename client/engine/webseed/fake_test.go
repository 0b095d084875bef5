package webseed

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"sotto/anon"
	"sotto/anon/profile"
	"sotto/client/website"
	"sotto/transport"
	"sotto/transport/memory"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func lookOf(t testing.TB, n anon.Network) profile.Look {
	look, err := profile.For(n)
	require.NoError(t, err)
	return look
}

// fakeEnd is an endpoint that lets one function take every dial.
type fakeEnd struct {
	transport.Endpoint
	addr  anon.Addr
	serve func(net.Conn)
	names map[string]anon.Addr // nil: it resolves nothing
	asked []string
	err   error
}

func (e *fakeEnd) Addr() anon.Addr { return e.addr }

func (e *fakeEnd) Dial(_ context.Context, to anon.Addr) (net.Conn, error) {
	if e.err != nil {
		return nil, e.err
	}
	if to.On() != e.addr.On() {
		return nil, &anon.LeakError{Op: "dial"}
	}
	ours, theirs := net.Pipe()
	go func() {
		defer theirs.Close()
		e.serve(theirs)
	}()
	return ours, nil
}

// namedEnd is one that knows names.
type namedEnd struct{ *fakeEnd }

func (e namedEnd) Resolve(_ context.Context, name string) (anon.Addr, error) {
	e.asked = append(e.asked, name)
	if a, ok := e.names[name]; ok {
		return a, nil
	}
	return anon.Addr{}, errors.New("no such name")
}

// at is the target of a path at an address.
func at(a anon.Addr, path string) website.Target {
	return website.Target{Addr: a, Host: a.Host(), Path: path}
}

func openMemory(t testing.TB, n *memory.Network) transport.Endpoint {
	host := n.Transport()
	e, err := host.Open(t.Context(), anon.Identity{Network: anon.Memory, Label: anon.NewLabel()})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, host.Close()) })
	return e
}

// names are hard to spell in a path.
var names = [][]string{
	{"album", "plain.txt"}, {"album", "a b+c&d=e;f.txt"}, {"album", "50% off?#1.txt"}, {"album", "\u0444\u00e4", "\u97f3.txt"},
	{"album", "%2e%2e", "..x"}, {"album", "a:b@c!$'()*,~", "[x]\u2028"}, {"album", "empty"}, {"album", "tail"},
}

// makeAlbum writes files of these names below dir and returns their layout and
// all bytes, with padding after every second file.
func makeAlbum(t *testing.T, dir string) (files []File, whole []byte) {
	for i, name := range names {
		data := make([]byte, 1000+i*37777%50000)
		if name[1] == "empty" {
			data = nil
		}
		for j := range data {
			data[j] = byte(rand.Uint32())
		}
		p := filepath.Join(append([]string{dir}, name...)...)
		require.NoError(t, os.MkdirAll(filepath.Dir(p), 0o755))
		require.NoError(t, os.WriteFile(p, data, 0o644))
		files = append(files, File{Path: name, Length: int64(len(data)), Offset: int64(len(whole))})
		whole = append(whole, data...)
		if i%2 == 0 {
			files = append(files, File{Length: 777, Offset: int64(len(whole)), Pad: true})
			whole = append(whole, make([]byte, 777)...)
		}
	}
	return files, whole
}

func header(lines ...string) string { return strings.Join(lines, "\r\n") + "\r\n\r\n" }
