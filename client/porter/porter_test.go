package porter_test

import (
	"context"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"sotto/anon"
	"sotto/anon/profile"
	"sotto/client/engine/wire"
	"sotto/client/engine/wire/mse"
	"sotto/client/porter"
	"sotto/transport"
	"sotto/transport/memory"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(t *testing.T, n *memory.Network) transport.Endpoint {
	host := n.Transport()
	t.Cleanup(func() { require.NoError(t, host.Close()) })
	e, err := host.Open(t.Context(), anon.Identity{Network: anon.Memory, Label: anon.NewLabel()})
	require.NoError(t, err)
	return e
}

func hello(hash byte) []byte {
	return wire.AppendHandshake(nil, wire.Handshake{InfoHash: [20]byte{hash}, PeerID: [20]byte{9}})
}

// lodge has two torrents at one address, the second with two names.
func lodge(t *testing.T) (n *memory.Network, p *porter.Porter, one, two transport.Endpoint) {
	n = memory.New(memory.Options{})
	p = porter.New(open(t, n))
	t.Cleanup(func() { require.NoError(t, p.Close()) })
	return n, p, p.Door([20]byte{1}), p.Door([20]byte{2}, [20]byte{3})
}

// Whoever dials, plain or encrypted, gets to the torrent it asks for, with not
// a byte lost.
func TestEachToItsTorrent(t *testing.T) {
	n, _, one, two := lodge(t)
	for _, tc := range []struct {
		hash byte
		how  profile.Encryption
		to   transport.Endpoint
	}{
		{1, profile.Accept, one}, {2, profile.Accept, two}, {3, profile.Accept, two},
		{1, profile.Preferred, one}, {3, profile.Required, two},
	} {
		c, err := open(t, n).Dial(t.Context(), one.Addr())
		require.NoError(t, err)
		said := make(chan error, 1)
		go func() {
			s, err := mse.Dial(c, tc.how, [20]byte{tc.hash}, hello(tc.hash))
			if err == nil {
				_, err = s.Write([]byte("more"))
			}
			said <- err
		}()
		in, err := tc.to.Accept(t.Context())
		require.NoError(t, err)
		got := make([]byte, len(hello(0))+4)
		_, err = io.ReadFull(in, got)
		require.NoError(t, err)
		require.NoError(t, <-said)
		require.Equal(t, append(hello(tc.hash), "more"...), got)
		require.Equal(t, tc.how != profile.Accept, mse.Encrypted(in))
		require.NoError(t, in.Close())
	}
}

func TestStrangersAreHungUpOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, _, one, _ := lodge(t)
		for name, words := range map[string][]byte{
			"another torrent": hello(7), "no BitTorrent": []byte("GET / HTTP/1.1\r\nHost: somebody\r\n\r\n" + string(make([]byte, 700))), "silence": nil,
		} {
			c, err := open(t, n).Dial(t.Context(), one.Addr())
			require.NoError(t, err)
			_, err = c.Write(words)
			require.NoError(t, err, name)
			answer, _ := io.ReadAll(c) // ends when the porter hangs up
			require.LessOrEqual(t, len(answer), 608, name)
			if name != "no BitTorrent" { // which may be the beginning of an encrypted one
				require.Empty(t, answer, name)
			}
		}
		// A crowd that says nothing keeps nobody out for longer than it may wait.
		for range 200 {
			_, err := open(t, n).Dial(t.Context(), one.Addr())
			require.NoError(t, err)
		}
		synctest.Wait()
		time.Sleep(2 * time.Minute)
		c, err := open(t, n).Dial(t.Context(), one.Addr())
		require.NoError(t, err)
		_, err = c.Write(hello(1))
		require.NoError(t, err)
		in, err := one.Accept(t.Context())
		require.NoError(t, err)
		in.Close()
	})
}

// A torrent that leaves takes its connections along, and no others.
func TestDoorsCloseAlone(t *testing.T) {
	n, p, one, two := lodge(t)
	other := open(t, n)
	mine, err := one.Dial(t.Context(), other.Addr())
	require.NoError(t, err)
	theirs, err := two.Dial(t.Context(), other.Addr())
	require.NoError(t, err)
	require.NoError(t, one.Close())
	require.NoError(t, one.Close())
	_, err = mine.Write([]byte("x"))
	require.Error(t, err)
	_, err = theirs.Write([]byte("x"))
	require.NoError(t, err)
	_, err = one.Accept(t.Context())
	require.ErrorIs(t, err, net.ErrClosed)
	_, err = one.Dial(t.Context(), other.Addr())
	require.ErrorIs(t, err, net.ErrClosed)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = two.Accept(ctx)
	require.ErrorIs(t, err, context.Canceled)
	require.NoError(t, p.Close())
	_, err = two.Accept(t.Context())
	require.ErrorIs(t, err, net.ErrClosed)
}
