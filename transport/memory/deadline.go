package memory

import (
	"fmt"
	"net"
	"time"
)

// setDeadline moves one of the stream's two deadlines.
func (s *stream) setDeadline(d *deadline, t time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if done := d == &s.reading && s.readerDone || d == &s.writing && s.writerDone; done {
		return fmt.Errorf("memory: set deadline: %w", net.ErrClosed)
	}
	d.set(t, s)
	s.readable.Broadcast()
	s.writable.Broadcast()
	return nil
}

// deadline is guarded by its stream's mutex.
type deadline struct {
	expired bool
	timer   *time.Timer
	round   uint64 // tells a late timer that it was replaced
}

func (d *deadline) set(t time.Time, s *stream) {
	d.stop()
	d.expired = false
	if t.IsZero() {
		return
	}
	wait := time.Until(t)
	if wait <= 0 {
		d.expired = true
		return
	}
	round := d.round
	d.timer = time.AfterFunc(wait, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if d.round == round {
			d.expired = true
			s.readable.Broadcast()
			s.writable.Broadcast()
		}
	})
}

func (d *deadline) stop() {
	d.round++
	if d.timer != nil {
		d.timer.Stop()
	}
}
