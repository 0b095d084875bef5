package website

import (
	"context"
	"net"
	"testing"

	"github.com/stretchr/testify/require"

	"sotto/anon"
	"sotto/transport"
)

// fakeEnd is an endpoint that is asked and gives a connection to nobody.
type fakeEnd struct {
	transport.Endpoint
	addr   anon.Addr
	dialed []anon.Addr
}

func (e *fakeEnd) Addr() anon.Addr { return e.addr }

func (e *fakeEnd) Dial(_ context.Context, to anon.Addr) (net.Conn, error) {
	e.dialed = append(e.dialed, to)
	ours, theirs := net.Pipe()
	theirs.Close()
	return ours, nil
}

// namedEnd is one that knows names.
type namedEnd struct {
	*fakeEnd
	names map[string]anon.Addr
	asked *[]string
}

func (e namedEnd) Resolve(_ context.Context, name string) (anon.Addr, error) {
	*e.asked = append(*e.asked, name)
	if a, ok := e.names[name]; ok {
		return a, nil
	}
	return anon.Addr{}, anon.ErrUnreachable
}

func TestNewRefuses(t *testing.T) {
	tor := &fakeEnd{addr: anon.OnionAddr([32]byte{9}, 80)}
	for name, target := range map[string]Target{
		"another network": at(anon.I2PAddr([32]byte{3}), "/"),
		"a name":          {Host: "files.i2p", Path: "/"},
	} {
		_, err := New(target, tor)
		require.ErrorIs(t, err, anon.ErrLeak, name)
	}
	_, err := New(Target{Host: "192.0.2.1", Path: "/"}, tor)
	require.ErrorAs(t, err, new(*TargetError))
	require.NotContains(t, err.Error(), "192")
}

// Names go to the endpoint's resolver only, once, and what it says must be an
// I2P address.
func TestNamesAreLookedUpInside(t *testing.T) {
	me, there := anon.I2PAddr([32]byte{9}), anon.I2PAddr([32]byte{3})
	names := map[string]anon.Addr{
		"files.i2p": there, "onion.i2p": anon.OnionAddr([32]byte{3}, 80), "nobody.i2p": anon.Unknown(anon.I2P), "nowhere.i2p": {},
	}
	for host, want := range map[string]error{
		"files.i2p": nil, "onion.i2p": anon.ErrLeak, "nobody.i2p": anon.ErrLeak, "nowhere.i2p": anon.ErrLeak, "gone.i2p": anon.ErrUnreachable,
	} {
		end := namedEnd{&fakeEnd{addr: me}, names, new([]string)}
		s, err := New(Target{Host: host, Path: "/"}, end)
		require.NoError(t, err)
		for range 2 {
			conn, err := s.Dial(t.Context())
			require.ErrorIs(t, err, want, host)
			if want == nil {
				conn.Close()
			}
		}
		if want == nil {
			require.Equal(t, []string{host}, *end.asked)
			require.Equal(t, []anon.Addr{there, there}, end.dialed)
		} else {
			require.Empty(t, end.dialed, host)
		}
	}
}

func TestNamesNeedAResolver(t *testing.T) {
	end := &fakeEnd{addr: anon.I2PAddr([32]byte{9})}
	s, err := New(Target{Host: "files.i2p", Path: "/"}, end)
	require.NoError(t, err)
	_, err = s.Dial(t.Context())
	require.ErrorIs(t, err, anon.ErrLeak)
	require.Empty(t, end.dialed)
}

func TestAddressesAreDialled(t *testing.T) {
	end := &fakeEnd{addr: anon.OnionAddr([32]byte{9}, 80)}
	to := anon.OnionAddr([32]byte{2}, 8080)
	s, err := New(at(to, "/"), end)
	require.NoError(t, err)
	require.Equal(t, to.Reveal(), s.HostHeader())
	conn, err := s.Dial(t.Context())
	require.NoError(t, err)
	conn.Close()
	require.Equal(t, []anon.Addr{to}, end.dialed)
}
