//go:build linux && (amd64 || arm64)

package broker

import (
	"errors"
	"io"
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"sotto/anon"
)

// crowd is a listener at which somebody has always just left.
type crowd struct{}

func (crowd) Accept() (net.Conn, error) {
	c, other := net.Pipe()
	other.Close()
	return c, nil
}

func (crowd) Close() error                { return nil }
func (crowd) Addr() net.Addr              { return controlAddr{} }
func (crowd) SetDeadline(time.Time) error { return nil }

// doorAt is a door of the broker's with a unix socket.
func doorAt(t *testing.T) Listener {
	t.Helper()
	l, err := net.Listen("unix", t.TempDir()+"/api")
	require.NoError(t, err)
	t.Cleanup(func() { l.Close() })
	return l.(Listener)
}

// knock is a user who connects and says a word.
func knock(t *testing.T, l net.Listener, word string) net.Conn {
	t.Helper()
	user, err := net.Dial("unix", l.Addr().String())
	require.NoError(t, err)
	t.Cleanup(func() { user.Close() })
	user.SetDeadline(time.Now().Add(patience))
	_, err = user.Write([]byte(word))
	require.NoError(t, err)
	require.NoError(t, user.(*net.UnixConn).CloseWrite())
	return user
}

// admit is the engine that lets in who has knocked.
func admit(t *testing.T, in net.Listener) net.Conn {
	t.Helper()
	got := make(chan net.Conn, 1)
	go func() {
		if c, err := in.Accept(); err == nil {
			got <- c
		}
	}()
	c := within(t, got)
	t.Cleanup(func() { c.Close() })
	return c
}

func TestControlConnections(t *testing.T) {
	doors := []Listener{doorAt(t), doorAt(t), doorAt(t)}
	for range 2 { // the listeners outlive an engine
		b := start(t, Options{Control: doors})
		in := b.client.Controls()
		require.Len(t, in, len(doors))
		for _, i := range []int{2, 0, 1} {
			user := knock(t, doors[i], "status?")
			c := admit(t, in[i])
			require.Equal(t, "control", c.RemoteAddr().Network())
			require.NotContains(t, c.LocalAddr().String()+in[i].Addr().String(), doors[i].Addr().String())
			got, err := io.ReadAll(c)
			require.NoError(t, err)
			require.Equal(t, "status?", string(got))
			_, err = c.Write([]byte("sealed"))
			require.NoError(t, err)
			c.Close()
			got, err = io.ReadAll(user)
			require.NoError(t, err)
			require.Equal(t, "sealed", string(got))
		}
		waiting := make(chan error, 2)
		for range 2 {
			go func() { _, err := in[0].Accept(); waiting <- err }()
		}
		in[0].Close()
		for range 2 {
			require.ErrorIs(t, within(t, waiting), net.ErrClosed)
		}
		knock(t, doors[1], "still?")
		admit(t, in[1])
		b.client.Close()
		require.NoError(t, b.ended(t))
	}
	require.Empty(t, start(t, Options{}).client.Controls())
}

// Who fills one door stays in their part of the bound, and the owner comes in
// at the other.
func TestACrowdAtOneDoor(t *testing.T) {
	doors := []Listener{crowd{}, doorAt(t)}
	r := startRaw(t, newFake(), Options{Control: doors}).hello(t)
	held := 0
	for id := range uint32(maxControl) {
		require.NoError(t, r.send(encoded(ask(verbControl, id, 0))))
	}
	reply := func() message {
		r.within(patience)
		buf := make([]byte, maxMessage)
		n, f, err := r.receive(buf, true)
		require.NoError(t, err)
		t.Cleanup(func() { f.Close() }) // held open, so that its place stays taken
		m, err := parse(buf[:n])
		require.NoError(t, err)
		return m
	}
	for ; held < maxControl/len(doors); held++ {
		require.Equal(t, verbControl, reply().Verb)
	}
	knock(t, doors[1], "it is me")
	require.NoError(t, r.send(encoded(ask(verbControl, 1000, 1))))
	require.EqualValues(t, 1000, reply().ID, "the crowd has more than its part")
}

// tired is a door whose system is out of descriptors for a while.
type tired struct {
	Listener
	errs chan error
}

func (l *tired) Accept() (net.Conn, error) {
	select {
	case err := <-l.errs:
		return nil, err
	default:
		return l.Listener.Accept()
	}
}

// A server takes an error of Accept for the end, and the user would be locked
// out of a daemon that was short of descriptors for a moment.
func TestDoorOpensAgain(t *testing.T) {
	l := &tired{doorAt(t), make(chan error, 2)}
	l.errs <- syscall.EMFILE
	l.errs <- syscall.EMFILE
	b := start(t, Options{Control: []Listener{l}})
	knock(t, l, "hello")
	admit(t, b.client.Controls()[0])
	require.Empty(t, l.errs)
}

func TestDoorsAreBounded(t *testing.T) {
	for name, doors := range map[string][]Listener{
		"too many":    make([]Listener, maxDoors+1),
		"none behind": {crowd{}, nil},
	} {
		ours, engine, err := Pair()
		require.NoError(t, err)
		engine.Close()
		for i := range doors {
			if name == "too many" {
				doors[i] = crowd{}
			}
		}
		require.Error(t, Serve(t.Context(), ours, Options{Control: doors}), name)
	}
	ours, engine, err := Pair()
	require.NoError(t, err)
	l, err := newLink(ours)
	require.NoError(t, err)
	defer l.Close()
	require.NoError(t, l.send(encoded(hello(message{head: head{Doors: maxDoors + 1}}))))
	_, err = Connect(t.Context(), engine)
	require.True(t, errors.Is(err, anon.ErrProtocol), err)
}
