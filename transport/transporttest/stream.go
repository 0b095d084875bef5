package transporttest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// firstBytesArrive makes many short connections in which both sides write at
// once and then read. A transport that reads its router's answer through a
// buffer loses the bytes that came with the answer, on either side.
func firstBytesArrive(t *testing.T, s *suite) {
	const size = 68 // a BitTorrent handshake
	ctx, cancel := context.WithTimeout(t.Context(), time.Duration(s.Greetings)*s.DialTimeout)
	defer cancel()
	accepted := make(chan error, 1)
	go func() { accepted <- s.greetAll(ctx, size) }()
	for i := range s.Greetings {
		c, err := s.a.Dial(ctx, s.b.Addr())
		require.NoError(t, err, "dial %d", i)
		err = s.greet(c, greeting(uint64(i), 0, size), func(got []byte) error {
			if number := binary.BigEndian.Uint64(got); !bytes.Equal(got, greeting(number, 1, size)) {
				return errors.New("the dialer got something else than was sent")
			}
			return nil
		})
		require.NoError(t, err, "dialed connection %d", i)
	}
	require.NoError(t, <-accepted)
}

func (s *suite) greetAll(ctx context.Context, size int) error {
	seen := map[uint64]bool{}
	for i := range s.Greetings {
		c, err := s.b.Accept(ctx)
		if err != nil {
			return fmt.Errorf("accept %d: %w", i, err)
		}
		err = s.greet(c, greeting(uint64(i), 1, size), func(got []byte) error {
			number := binary.BigEndian.Uint64(got)
			if seen[number] || !bytes.Equal(got, greeting(number, 0, size)) {
				return errors.New("the acceptor got something else than was sent")
			}
			seen[number] = true
			return nil
		})
		if err != nil {
			return fmt.Errorf("accepted connection %d: %w", i, err)
		}
	}
	return nil
}

// greet writes, reads as much, checks it, and waits for the other side to have
// done the same before it closes.
func (s *suite) greet(c net.Conn, out []byte, check func([]byte) error) error {
	defer c.Close()
	c.SetDeadline(time.Now().Add(s.DialTimeout))
	if _, err := c.Write(out); err != nil {
		return fmt.Errorf("write: %w", err)
	}
	got := make([]byte, len(out))
	if n, err := io.ReadFull(c, got); err != nil {
		return fmt.Errorf("read: got %d of %d bytes: %w", n, len(got), err)
	}
	if err := check(got); err != nil {
		return err
	}
	if _, err := c.Write([]byte{1}); err != nil {
		return fmt.Errorf("write the last byte: %w", err)
	}
	if _, err := io.ReadFull(c, got[:1]); err != nil {
		return fmt.Errorf("read the last byte: %w", err)
	}
	return nil
}

// greeting is a number and bytes that only this number and side have.
func greeting(number uint64, side byte, size int) []byte {
	sum := sha256.Sum256(append(binary.BigEndian.AppendUint64(nil, number), side))
	b := binary.BigEndian.AppendUint64(nil, number)
	for len(b) < size {
		b = append(b, sum[:]...)
	}
	return b[:size]
}

func deadlines(t *testing.T, s *suite) {
	near, far := s.mustConnect(t)
	read := func() error { _, err := near.Read(make([]byte, 1)); return err }
	write := func() error { _, err := near.Write(make([]byte, 1)); return err }
	requireTimeout := func(what string, f func() error) {
		t.Helper()
		err := within(t, s.Prompt, what, f)
		var ne net.Error
		require.ErrorAs(t, err, &ne)
		require.True(t, ne.Timeout())
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	}
	near.SetReadDeadline(time.Now().Add(-time.Second))
	requireTimeout("Read after its deadline", read)
	near.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
	requireTimeout("Read with a deadline", read)
	near.SetWriteDeadline(time.Now().Add(-time.Second))
	requireTimeout("Write after its deadline", write)
	near.SetDeadline(time.Time{})
	exchange(t, near, far, 1<<10, s.DialTimeout)

	near.SetDeadline(time.Now().Add(time.Hour))
	blocked := make(chan error, 1)
	go func() { blocked <- read() }()
	near.SetReadDeadline(time.Now())
	requireTimeout("Read whose deadline was moved", func() error { return <-blocked })
}

func closeUnblocksOwnCalls(t *testing.T, s *suite) {
	near, far := s.mustConnect(t)
	ended := make(chan error, 2)
	go func() { _, err := near.Read(make([]byte, 1)); ended <- err }()
	go func() { // far never reads, so that this blocks some time
		var err error
		for err == nil {
			_, err = near.Write(make([]byte, 64<<10))
		}
		ended <- err
	}()
	require.NoError(t, near.Close())
	for range 2 {
		require.Error(t, within(t, s.Prompt, "Read or Write after Close", func() error { return <-ended }))
	}
	_, err := near.Read(make([]byte, 1))
	require.Error(t, err)
	_, err = near.Write(make([]byte, 1))
	require.Error(t, err)
	far.Close()
}

func closeReachesTheOtherEnd(t *testing.T, s *suite) {
	for _, who := range []string{"dialer", "acceptor"} {
		closing, waiting := s.mustConnect(t)
		if who == "acceptor" {
			closing, waiting = waiting, closing
		}
		exchange(t, closing, waiting, 1<<10, s.DialTimeout)
		require.NoError(t, closing.Close())
		waiting.SetReadDeadline(time.Now().Add(s.DialTimeout))
		n, err := waiting.Read(make([]byte, 1))
		require.Zero(t, n)
		require.Error(t, err)
		require.NotErrorIs(t, err, os.ErrDeadlineExceeded, "the close of the %s did not arrive", who)
	}
}

// concurrentStreams runs large streams in both directions at once and compares
// hashes, so that nothing leaks from one stream into another.
func concurrentStreams(t *testing.T, s *suite) {
	var wg sync.WaitGroup
	for range s.Streams {
		near, far := s.mustConnect(t)
		wg.Go(func() {
			if err := swap(near, far, s.StreamBytes, s.DialTimeout); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

// exchange sends random bytes both ways at once and fails the test when they
// differ at the other end.
func exchange(t *testing.T, a, b net.Conn, size int, idle time.Duration) {
	t.Helper()
	require.NoError(t, swap(a, b, size, idle))
}

func swap(a, b net.Conn, size int, idle time.Duration) error {
	errs := make(chan error, 4)
	oneWay := func(from, to net.Conn) {
		want, seed := make(chan [32]byte, 1), rand.Uint64()
		go func() {
			h, err := send(from, seed, size, idle)
			want <- h
			errs <- err
		}()
		go func() {
			h, err := receive(to, size, idle)
			if err == nil && h != <-want {
				err = errors.New("the hash at the other end differs")
			}
			errs <- err
		}()
	}
	oneWay(a, b)
	oneWay(b, a)
	return errors.Join(<-errs, <-errs, <-errs, <-errs)
}

// send and receive give up when nothing has moved for idle.
func send(c net.Conn, seed uint64, size int, idle time.Duration) (sum [32]byte, err error) {
	source, h := rand.NewChaCha8([32]byte(bytes.Repeat(binary.BigEndian.AppendUint64(nil, seed), 4))), sha256.New()
	defer c.SetWriteDeadline(time.Time{})
	for buf := make([]byte, 16<<10); size > 0; size -= len(buf) {
		buf = buf[:min(len(buf), size)]
		source.Read(buf)
		h.Write(buf)
		c.SetWriteDeadline(time.Now().Add(idle))
		if _, err := c.Write(buf); err != nil {
			return sum, fmt.Errorf("send: %w", err)
		}
	}
	return [32]byte(h.Sum(nil)), nil
}

func receive(c net.Conn, size int, idle time.Duration) (sum [32]byte, err error) {
	h := sha256.New()
	defer c.SetReadDeadline(time.Time{})
	for buf := make([]byte, 32<<10); size > 0; {
		c.SetReadDeadline(time.Now().Add(idle))
		n, err := c.Read(buf[:min(len(buf), size)])
		h.Write(buf[:n])
		if size -= n; err != nil && size > 0 {
			return sum, fmt.Errorf("receive, %d bytes to go: %w", size, err)
		}
	}
	return [32]byte(h.Sum(nil)), nil
}
