package broker

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"time"
)

const (
	smallBuffer = 4 << 10
	// largeBuffer is about what a socket holds. Half of it costs a fifth more
	// processor time a byte (BenchmarkRelay).
	largeBuffer = 256 << 10
	// largeBuffers is how many of them a broker has, for streams that flow; when
	// more do, the others copy in small pieces.
	largeBuffers = 32
	// restsAfter is how long a stream keeps its large buffer without a byte, and
	// littleReads for how many reads that need none: a peer that sends a little
	// now and then must not keep it from others.
	restsAfter  = time.Second
	littleReads = 16
	// stuckAfter is how long a peer may take no bytes before the relay looks
	// whether the engine is still there.
	stuckAfter = 15 * time.Second
)

// shelf holds the large buffers, made on first use.
type shelf chan []byte

func newShelf() shelf {
	s := make(shelf, largeBuffers)
	for range largeBuffers {
		s <- nil
	}
	return s
}

// take returns a large buffer, or nil when all are in use.
func (s shelf) take() []byte {
	select {
	case b := <-s:
		if b == nil {
			b = make([]byte, largeBuffer)
		}
		return b
	default:
		return nil
	}
}

func (s shelf) put(b []byte) { s <- b }

// relay copies one stream between the engine and the network, byte by byte in
// both directions. Back-pressure is the buffer of the engine's socket pair on
// one side, the network's on the other.
type relay struct {
	engine  *net.UnixConn
	network net.Conn
	large   shelf
	stuck   time.Duration // how long a Write may take before the engine is looked at
	rest    time.Duration // how long a large buffer may wait for bytes
}

// halfCloser is a connection that can end its own direction alone.
type halfCloser interface{ CloseWrite() error }

// close ends both directions at once. Safe to repeat.
func (r *relay) close() {
	r.engine.Close()
	r.network.Close()
}

// run returns when both directions have ended and both connections are closed.
func (r *relay) run() {
	var up sync.WaitGroup
	up.Go(r.up)
	r.down()
	up.Wait()
	r.close()
}

// up carries what the engine sends. An end of its direction is the network's
// half-close where there is one. Elsewhere the engine has no way to half-close,
// so that it means Close.
func (r *relay) up() {
	defer r.close()
	if read, write := r.copy(r.engine, r.push); read != io.EOF || write != nil {
		return
	}
	if h, ok := r.network.(halfCloser); ok && h.CloseWrite() == nil {
		waitHangup(r.engine)
	}
}

// down carries what the network sends. Its end leaves the way up open. Nor
// does an engine that is gone end that way: what it wrote last is on it.
func (r *relay) down() {
	read, write := r.copy(r.network, func(b []byte) error {
		_, err := r.engine.Write(b)
		return err
	})
	switch {
	case write != nil:
	case read == io.EOF:
		r.engine.CloseWrite()
	default:
		r.close()
	}
}

// push writes to the network. A peer that takes nothing must not keep a stream
// that the engine has left.
func (r *relay) push(b []byte) error {
	for {
		r.network.SetWriteDeadline(time.Now().Add(r.stuck))
		n, err := r.network.Write(b)
		b = b[min(n, len(b)):]
		if !errors.Is(err, os.ErrDeadlineExceeded) || len(b) == 0 || hungUp(r.engine) {
			return err
		}
	}
}

// copy returns the error that ended reading, io.EOF included, or the one that
// ended writing. A stream that flows has a large buffer, so that what arrives
// together goes on together: the engine wakes once for it and asks once for
// more. One that rests, or brings little, waits with a small one.
func (r *relay) copy(from net.Conn, write func([]byte) error) (readErr, writeErr error) {
	small, little := make([]byte, smallBuffer), 0
	var large []byte
	settle := func() {
		if large != nil {
			from.SetReadDeadline(time.Time{})
			r.large.put(large)
			large, little = nil, 0
		}
	}
	defer settle()
	for {
		buf := small
		if large != nil {
			buf = large
			from.SetReadDeadline(time.Now().Add(r.rest))
		}
		n, err := from.Read(buf)
		if n > 0 {
			if werr := write(buf[:n]); werr != nil {
				return nil, werr
			}
		}
		switch little++; {
		case large != nil && errors.Is(err, os.ErrDeadlineExceeded):
			settle()
		case err != nil:
			return err, nil
		case n >= smallBuffer:
			if little = 0; large == nil {
				large = r.large.take()
			}
		case little > littleReads:
			settle()
		}
	}
}
