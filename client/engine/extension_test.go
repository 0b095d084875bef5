package engine

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"sotto/anon"
	"sotto/transport/memory"
)

// Two engines with a toy extension find each other and talk.
func TestExtension(t *testing.T) {
	s := newSample(t, 16<<10, 1_000_000)
	synctest.Test(t, func(t *testing.T) {
		n := memory.New(memory.Options{Delay: 100 * time.Millisecond, Rate: 100 << 10})
		a, b := NewExtension("toy", 100), NewExtension("toy", 100)
		aEnd, bEnd := open(t, n), open(t, n)
		ao, bo := s.options(t, aEnd, t.TempDir()), s.options(t, bEnd, t.TempDir())
		ao.Extensions, bo.Extensions = []*Extension{a}, []*Extension{NewExtension("other", 9), b}
		require.ErrorIs(t, a.Send(1, []byte("x")), ErrGone)
		alice, bob := start(t, ao), start(t, bo)
		_, err := Open(t.Context(), ao)
		require.ErrorContains(t, err, "another torrent")
		alice.AddPeers([]anon.Addr{bEnd.Addr()})

		met, err := a.Next(t.Context())
		require.NoError(t, err)
		require.Equal(t, News{Arrived, met.Peer, bEnd.Addr(), nil}, met)
		require.NoError(t, a.Send(met.Peer, []byte("hello")))
		require.ErrorIs(t, a.Send(met.Peer, nil), ErrPayload)
		require.ErrorIs(t, a.Send(met.Peer, make([]byte, MaxPayload+1)), ErrPayload)
		require.ErrorIs(t, a.Send(met.Peer+1, []byte("x")), ErrGone)

		seen, err := b.Next(t.Context())
		require.NoError(t, err)
		require.Equal(t, Arrived, seen.Kind)
		said, err := b.Next(t.Context())
		require.NoError(t, err)
		require.Equal(t, News{Said, seen.Peer, aEnd.Addr(), []byte("hello")}, said)

		require.NoError(t, bob.Close())
		_, err = b.Next(t.Context())
		require.ErrorIs(t, err, ErrClosed)
		left, err := a.Next(t.Context())
		require.NoError(t, err)
		require.Equal(t, News{Left, met.Peer, bEnd.Addr(), nil}, left)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_, err = a.Next(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.NoError(t, alice.Close())
		require.ErrorIs(t, a.Send(met.Peer, []byte("x")), ErrClosed)
	})
}

// What strangers see does not depend on the order extensions are given in.
func TestExtensionsInTheHandshake(t *testing.T) {
	s := newSample(t, 16<<10, 100_000)
	var first string
	for _, names := range [][]string{{"b_toy", "a_toy"}, {"a_toy", "b_toy"}} {
		n := memory.New(memory.Options{})
		us, them := open(t, n), open(t, n)
		o := s.options(t, us, t.TempDir())
		for _, name := range names {
			o.Extensions = append(o.Extensions, NewExtension(name, 10))
		}
		start(t, o)
		p, _ := greet(t, them, us.Addr(), s.hash, "-XX0000-")
		b := p.nextAbout()
		require.Contains(t, b, "d1:md5:a_toyi2e5:b_toyi3e11:ut_metadatai1ee")
		if first == "" {
			first = b
		}
		require.Equal(t, first, b)
	}
}

func TestExtensionsThatCannotBe(t *testing.T) {
	s := newSample(t, 16<<10, 100)
	many := make([]*Extension, maxExtensions+1)
	for i := range many {
		many[i] = NewExtension(fmt.Sprint(i), 1)
	}
	for name, all := range map[string][]*Extension{
		"nil": {nil}, "twice": {NewExtension("x", 1), NewExtension("x", 1)}, "too long": {NewExtension("x", MaxPayload+1)},
		"zero": {NewExtension("x", 0)}, "metadata": {NewExtension("ut_metadata", 1)}, "clearnet PEX": {NewExtension("ut_pex", 1)},
		"hole punch": {NewExtension("ut_holepunch", 1)}, "no name": {NewExtension("", 1)}, "many": many,
	} {
		o := s.options(t, open(t, memory.New(memory.Options{})), t.TempDir())
		o.Extensions = all
		_, err := Open(t.Context(), o)
		require.Error(t, err, name)
	}
}

// A peer that floods an extension, comes and goes, or breaks the rules neither
// fills our memory nor keeps others from being heard, also when nobody listens.
func TestHostileExtension(t *testing.T) {
	s := newSample(t, 16<<10, 100_000)
	synctest.Test(t, func(t *testing.T) {
		n := memory.New(memory.Options{})
		us := open(t, n)
		o := s.options(t, us, t.TempDir())
		toy := NewExtension("toy", 10_000)
		o.Extensions = []*Extension{toy}
		get := start(t, o)
		speak := func() (rawPeer, *end) {
			e := open(t, n)
			p, _ := greet(t, e, us.Addr(), s.hash, "-XX0000-")
			p.must(msgExtended, append([]byte{2}, "too early"...)...)
			p.must(msgExtended, append([]byte{0}, "d1:md3:toyi7eee"...)...)
			synctest.Wait()
			return p, e
		}
		flooder, _ := speak()
		for range 1000 {
			flooder.must(msgExtended, append([]byte{2}, make([]byte, 9_000)...)...)
		}
		polite, politeEnd := speak()
		polite.must(msgExtended, append([]byte{2}, "good day"...)...)
		for range 100 { // comes and goes
			p, _ := speak()
			p.Close()
			synctest.Wait()
		}
		for range 50 { // speaks and speaks not
			flooder.must(msgExtended, append([]byte{0}, "d1:md3:toyi0eee"...)...)
			flooder.must(msgExtended, append([]byte{0}, "d1:md3:toyi7eee"...)...)
		}
		synctest.Wait()
		toy.mu.Lock()
		waiting, size := len(toy.queue), 0
		for _, m := range toy.queue {
			size += len(m.Payload)
		}
		toy.mu.Unlock()
		require.LessOrEqual(t, waiting, 2*(2+maxHeard))
		require.LessOrEqual(t, size, 2*maxHeardBytes)

		heard := false
		for !heard {
			m, err := toy.Next(t.Context())
			require.NoError(t, err)
			heard = m.Kind == Said && m.Addr == politeEnd.Addr() && string(m.Payload) == "good day"
			require.NotContains(t, string(m.Payload), "early")
		}
		greedy, _ := speak()
		greedy.must(msgExtended, append([]byte{2}, make([]byte, 10_001)...)...)
		greedy.hungUp()

		deaf, deafEnd := speak() // reads nothing
		var peer uint32
		for peer == 0 {
			m, err := toy.Next(t.Context())
			require.NoError(t, err)
			if m.Kind == Arrived && m.Addr == deafEnd.Addr() {
				peer = m.Peer
			}
		}
		var err error
		for i := 0; i < 1000 && err == nil; i++ {
			err = toy.Send(peer, []byte(strings.Repeat("x", MaxPayload)))
			synctest.Wait()
		}
		require.ErrorIs(t, err, ErrBusy)
		require.NoError(t, deaf.Close())
		require.NoError(t, get.Err())
	})
}

// Whoever listens late still sees every peer come before it goes.
func TestNewsStayInOrder(t *testing.T) {
	e := NewExtension("toy", 10)
	next := func() News {
		m, err := e.Next(t.Context())
		require.NoError(t, err)
		return m
	}
	e.put(News{Kind: Arrived, Peer: 1})
	require.Equal(t, Arrived, next().Kind)
	for range 5 {
		e.put(News{Kind: Left, Peer: 1})
		e.put(News{Kind: Arrived, Peer: 1})
		e.put(News{Kind: Said, Peer: 1, Payload: []byte("x")})
		e.put(News{Kind: Arrived, Peer: 2})
	}
	e.put(News{Kind: Left, Peer: 1})
	require.Equal(t, News{Kind: Left, Peer: 1}, next())
	require.EqualValues(t, 2, next().Peer)
	e.put(News{Kind: Arrived, Peer: 1})
	for len(e.queue) > 1 {
		next()
	}
	require.Equal(t, News{Kind: Arrived, Peer: 1}, next())
}
