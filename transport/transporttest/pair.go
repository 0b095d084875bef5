package transporttest

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/nettest"

	"sotto/transport"
)

// connect returns the two ends of one stream from a to b. The ends prove to
// each other that they belong together, which also gets the first bytes over
// networks that report success early and keeps strays of earlier cases out.
func (s *suite) connect(ctx context.Context, a, b transport.Endpoint) (near, far net.Conn, err error) {
	ctx, cancel := context.WithTimeout(ctx, s.DialTimeout)
	defer cancel()
	type result struct {
		c   net.Conn
		err error
	}
	var nonce [16]byte
	rand.Read(nonce[:])
	accepted := make(chan result, 1)
	go func() {
		c, err := s.acceptNonce(ctx, b, nonce[:])
		accepted <- result{c, err}
	}()
	near, err = s.dialNonce(ctx, a, b, nonce[:])
	if err != nil {
		cancel()
	}
	var r result
	select {
	case r = <-accepted:
	case <-time.After(s.DialTimeout + s.Prompt):
		r.err = errors.New("accept: still blocked after its context ended")
	}
	if err = errors.Join(err, r.err); err != nil {
		closeAll(near, r.c)
		return nil, nil, err
	}
	return near, r.c, nil
}

func (s *suite) dialNonce(ctx context.Context, a, b transport.Endpoint, nonce []byte) (net.Conn, error) {
	c, err := a.Dial(ctx, b.Addr())
	if err != nil {
		return nil, fmt.Errorf("dial: %w", err)
	}
	c.SetDeadline(time.Now().Add(s.DialTimeout))
	defer c.SetDeadline(time.Time{})
	if _, err := c.Write(nonce); err != nil {
		return c, fmt.Errorf("first write of the dialer: %w", err)
	}
	echo := make([]byte, len(nonce))
	if _, err := io.ReadFull(c, echo); err != nil {
		return c, fmt.Errorf("first read of the dialer: %w", err)
	}
	if !bytes.Equal(echo, nonce) {
		return c, errors.New("the echo of the first bytes differs")
	}
	return c, nil
}

func (s *suite) acceptNonce(ctx context.Context, b transport.Endpoint, nonce []byte) (net.Conn, error) {
	for {
		c, err := b.Accept(ctx)
		if err != nil {
			return nil, fmt.Errorf("accept: %w", err)
		}
		c.SetDeadline(time.Now().Add(s.DialTimeout))
		got := make([]byte, len(nonce))
		if _, err := io.ReadFull(c, got); err != nil || !bytes.Equal(got, nonce) {
			c.Close() // a stray
			continue
		}
		if _, err := c.Write(got); err != nil {
			c.Close()
			return nil, fmt.Errorf("first write of the acceptor: %w", err)
		}
		c.SetDeadline(time.Time{})
		return c, nil
	}
}

// mustConnect is connect between the suite's own endpoints.
func (s *suite) mustConnect(t *testing.T) (near, far net.Conn) {
	t.Helper()
	near, far, err := s.connect(t.Context(), s.a, s.b)
	require.NoError(t, err)
	t.Cleanup(func() { closeAll(near, far) })
	return near, far
}

func closeAll(conns ...net.Conn) {
	for _, c := range conns {
		if c != nil {
			c.Close()
		}
	}
}

// netTest holds the connections to everything net.Conn promises. On a slow
// network one exchange stands in for it.
func netTest(t *testing.T, s *suite) {
	if s.Slow {
		near, far := s.mustConnect(t)
		exchange(t, near, far, 1<<10, s.DialTimeout)
		return
	}
	nettest.TestConn(t, func() (net.Conn, net.Conn, func(), error) {
		near, far, err := s.connect(t.Context(), s.a, s.b)
		return near, far, func() { closeAll(near, far) }, err
	})
}
