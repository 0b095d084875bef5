package i2p

import (
	"context"
	"errors"
	"fmt"

	"sotto/anon"
)

// maxUnpublished is how many sessions in a row may stay unpublished before we
// make do with one.
const maxUnpublished = 3

var errUnpublished = fmt.Errorf("%w: our address cannot be looked up", anon.ErrUnavailable)

// published waits until our own address can be looked up through the session's
// own tunnels, at most Times.Publish.
//
// i2pd 2.45.1 answers SESSION CREATE with OK although, one time in ten, it
// never publishes the destination and nobody can reach it. Its look-up of a
// destination of its own asks the network, so it tells the two apart. Java I2P
// answers from memory: there the check passes at once and proves nothing. Nor
// does it prove anything for a key that was published in the ten minutes
// before, since the network still remembers that.
func (t *Transport) published(ctx context.Context, s *session, own anon.Addr) error {
	ctx, cancel := context.WithTimeout(ctx, t.cfg.Times.Publish)
	defer cancel()
	retry := backoff{first: t.cfg.Times.RetryMin, longest: 4 * t.cfg.Times.RetryMin}
	for {
		hash, err := s.control.Lookup(ctx, own.Host())
		switch {
		case err == nil && anon.I2PAddr(hash) == own:
			return nil
		case err == nil:
			return fmt.Errorf("look up our address: somebody else's: %w", anon.ErrProtocol)
		case errors.Is(err, anon.ErrUnavailable):
			return err
		case !retry.wait(ctx):
			return errUnpublished
		}
	}
}

// watch checks the publication of a session that was made again while nobody
// waited for it, and ends the session if that failed, so that it is made once
// more. failures counts such sessions in a row; watch returns the new count and
// leaves the session alone once it reaches maxUnpublished.
func (e *endpoint) watch(s *session, failures int) int {
	err := e.t.published(s.ctx, s, e.addr)
	if s.ctx.Err() != nil {
		return failures // lost for another reason
	}
	e.setPublished(err == nil)
	if err == nil {
		return 0
	}
	if failures++; failures < maxUnpublished {
		e.t.log.Warn("the i2p router did not publish our address; making the session again", "attempt", failures)
		s.cancel()
		return failures
	}
	e.t.log.Warn("the i2p router did not publish our address; others may not reach us")
	return failures
}
