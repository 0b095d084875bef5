package tor

import (
	"context"
	"errors"
	"net"
	"time"

	"sotto/anon"
)

// acceptPause keeps a fault that lasts, such as no free descriptors, from
// spinning.
const acceptPause = 100 * time.Millisecond

// acceptAll hands streams from tor to Accept, one at a time: what nobody takes
// waits in the kernel's queue.
func (e *endpoint) acceptAll() {
	for {
		c, err := e.ln.AcceptUnix()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			e.t.log.Warn("accepting from tor fails")
			e.t.log.Debug("accepting from tor fails", "err", err)
			select {
			case <-e.ctx.Done():
				return
			case <-time.After(acceptPause):
				continue
			}
		}
		if l, _, _ := e.t.current(); l == nil || !l.isTor(c) {
			e.t.log.Warn("refused a stream that does not come from tor")
			c.Close()
			continue
		}
		in, err := e.wrap(c, anon.Unknown(anon.Tor))
		if err != nil {
			return
		}
		select {
		case e.inbox <- in:
		case <-e.ctx.Done():
			return // Close has closed the stream or is about to
		}
	}
}

// Accept waits for an inbound stream. Tor does not say who dialled.
func (e *endpoint) Accept(ctx context.Context) (net.Conn, error) {
	if e.ctx.Err() != nil {
		return nil, net.ErrClosed
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	select {
	case c := <-e.inbox:
		return c, nil
	case <-e.ctx.Done():
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
