package memory

import (
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"sync"
	"syscall"
	"time"
)

// stream is one direction of a connection: a bounded queue of bytes, each with
// a time of arrival. Chunks come from the network's pool and go back when they
// are read, so an idle stream holds none.
type stream struct {
	net *Network

	mu       sync.Mutex
	readable sync.Cond // bytes, the end or an error have come, or a deadline moved
	writable sync.Cond // room, an error, or a deadline moved

	chunks     []*[chunkSize]byte
	start, end int    // first byte in the first chunk, end of bytes in the last
	held       int    // bytes in chunks
	ready      int    // of these, bytes that have arrived
	marks      []mark // the rest, in order of arrival
	line       line

	fin        int64 // when the end arrives, with writerDone
	writerDone bool  // this side's Close
	readerDone bool  // the other side's Close
	readerGone bool  // … and the news of it has reached the writer
	broken     bool
	reading    deadline
	writing    deadline
	wake       *time.Timer
	wakeAt     int64
	news       *time.Timer
}

// mark is a run of bytes that arrives at one time, in nanoseconds of the
// network's epoch.
type mark struct {
	n  int
	at int64
}

func newStream(n *Network, dice *rand.Rand) *stream {
	s := &stream{net: n, line: line{opts: &n.opts, dice: dice}}
	s.readable.L, s.writable.L = &s.mu, &s.mu
	return s
}

func (n *Network) now() int64 { return int64(time.Since(n.epoch)) }

// brokenError is what a dead router leaves behind.
func brokenError(verb string) error {
	return fmt.Errorf("memory: %s: %w", verb, syscall.ECONNRESET)
}

func (s *stream) read(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		switch {
		case s.readerDone:
			return 0, closedError("read")
		case s.broken:
			return 0, brokenError("read")
		case s.reading.expired:
			return 0, os.ErrDeadlineExceeded
		case len(p) == 0:
			return 0, nil
		}
		next := s.advance()
		if s.ready > 0 {
			n := s.take(p)
			s.writable.Broadcast()
			return n, nil
		}
		if s.writerDone && next == 0 {
			return 0, io.EOF
		}
		s.wakeReader(next)
		s.readable.Wait()
	}
}

// advance moves what has arrived by now to ready. It returns when the next
// thing, bytes or the end, arrives; 0 when there is nothing to wait for.
func (s *stream) advance() int64 {
	if len(s.marks) == 0 && !s.writerDone {
		return 0
	}
	now, i := s.net.now(), 0
	for ; i < len(s.marks) && s.marks[i].at <= now; i++ {
		s.ready += s.marks[i].n
	}
	s.marks = s.marks[i:]
	if len(s.marks) > 0 {
		return s.marks[0].at
	}
	s.marks = nil
	if s.writerDone && s.fin > now {
		return s.fin
	}
	return 0
}

// take copies arrived bytes to p.
func (s *stream) take(p []byte) (n int) {
	for n < len(p) && s.ready > 0 {
		stop := chunkSize
		if len(s.chunks) == 1 {
			stop = s.end
		}
		stop = min(stop, s.start+s.ready)
		m := copy(p[n:], s.chunks[0][s.start:stop])
		n, s.start, s.ready, s.held = n+m, s.start+m, s.ready-m, s.held-m
		if s.start == chunkSize || s.held == 0 {
			s.net.chunks.Put(s.chunks[0])
			s.chunks, s.start = s.chunks[1:], 0
		}
	}
	return n
}

func (s *stream) write(p []byte) (n int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		switch {
		case s.writerDone:
			return n, closedError("write")
		case s.broken:
			return n, brokenError("write")
		case s.writing.expired:
			return n, os.ErrDeadlineExceeded
		case s.readerGone:
			return n, io.ErrClosedPipe
		case n == len(p):
			return n, nil
		}
		room := s.net.opts.Buffer - s.held
		if room <= 0 {
			s.writable.Wait()
			continue
		}
		m := s.line.cut(min(len(p)-n, room))
		s.put(p[n : n+m])
		n += m
		s.readable.Broadcast()
	}
}

// put appends p and notes when it arrives.
func (s *stream) put(p []byte) {
	n := len(p)
	if s.readerDone {
		return // the other end has closed and we do not know it yet
	}
	for len(p) > 0 {
		if s.held == 0 || s.end == chunkSize {
			s.chunks = append(s.chunks, s.net.chunks.Get().(*[chunkSize]byte))
			s.end = 0
		}
		m := copy(s.chunks[len(s.chunks)-1][s.end:], p)
		p, s.end, s.held = p[m:], s.end+m, s.held+m
	}
	if s.line.instant() {
		s.ready += n
		return
	}
	at := s.line.arrival(s.net.now(), n)
	if last := len(s.marks) - 1; last >= 0 && s.marks[last].at == at {
		s.marks[last].n += n
		return
	}
	s.marks = append(s.marks, mark{n, at})
}

// closeWrite is the writer's Close.
func (s *stream) closeWrite() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.writerDone {
		return
	}
	s.writerDone = true
	s.writing.stop()
	if s.news != nil {
		s.news.Stop()
	}
	if !s.line.instant() {
		s.fin = s.line.arrival(s.net.now(), 0)
	}
	s.readable.Broadcast()
	s.writable.Broadcast()
}

// closeRead is the reader's Close. The writer hears of it one delay later;
// until then it writes into the void.
func (s *stream) closeRead() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.readerDone {
		return
	}
	s.readerDone = true
	s.reading.stop()
	s.drop()
	if s.net.opts.Delay > 0 && !s.writerDone {
		s.news = time.AfterFunc(s.net.opts.Delay, s.tellWriter)
	} else {
		s.readerGone = true
	}
	s.readable.Broadcast()
	s.writable.Broadcast()
}

func (s *stream) tellWriter() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.readerGone = true
	s.writable.Broadcast()
}

// reset loses everything under way and fails both ends from now on.
func (s *stream) reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.broken = true
	s.drop()
	s.readable.Broadcast()
	s.writable.Broadcast()
}

func (s *stream) isBroken() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.broken
}

// drop gives the chunks back and stops the clock of arrivals.
func (s *stream) drop() {
	for _, c := range s.chunks {
		s.net.chunks.Put(c)
	}
	s.chunks, s.marks = nil, nil
	s.start, s.end, s.held, s.ready = 0, 0, 0, 0
	if s.wake != nil {
		s.wake.Stop()
	}
}

// wakeReader makes sure that waiting readers look again at the given time.
func (s *stream) wakeReader(at int64) {
	if at == 0 || s.wakeAt == at {
		return
	}
	s.wakeAt = at
	wait := time.Duration(at - s.net.now())
	if s.wake == nil {
		s.wake = time.AfterFunc(wait, s.arrived)
		return
	}
	s.wake.Reset(wait)
}

func (s *stream) arrived() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wakeAt = 0
	s.readable.Broadcast()
}
