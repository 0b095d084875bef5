package i2p

import (
	"context"
	"fmt"
	"net"
	"sync"

	"sotto/anon"
	"sotto/transport/i2p/sam"
)

// session is one life of a destination inside the router. It ends with its
// control connection.
type session struct {
	id      string
	control *sam.Control
	wire    net.Conn
	ctx     context.Context // ends with the session
	cancel  context.CancelFunc
	once    sync.Once
	ended   func() // called once, when the key starts to rest
}

// end closes the session and waits for its reader. Idempotent.
func (s *session) end() {
	s.once.Do(func() {
		s.cancel()
		s.wire.Close()
		<-s.control.Done()
		s.ended()
	})
}

// maxSameID is how often a session id that is taken gets replaced. With random
// ids even the second attempt means a broken router.
const maxSameID = 3

// create makes a session of a key, once the key has rested. The session's ctx
// is that of the transport, not the caller's.
func (t *Transport) create(ctx context.Context, key anon.Secret, a anon.Addr) (*session, error) {
	var err error
	for range maxSameID {
		var s *session
		if s, err = t.createOnce(ctx, key, a); err == nil {
			return s, nil
		}
		if !sam.IsResult(err, sam.DuplicatedID) {
			break
		}
	}
	return nil, err
}

func (t *Transport) createOnce(ctx context.Context, key anon.Secret, a anon.Addr) (*session, error) {
	c, wire, _, err := t.door.knock(ctx, t.cfg.Times.Hello)
	if err != nil {
		return nil, err
	}
	if err := t.awaken(ctx, a); err != nil {
		wire.Close()
		return nil, err
	}
	id := sam.NewID()
	if err := c.CreateStream(ctx, id, key, sessionOptions(t.cfg), t.cfg.Times.Session); err != nil {
		wire.Close()
		if !sam.IsResult(err, sam.DuplicatedID) {
			t.lay(a) // the router may have begun it
		}
		return nil, unavailable(ctx, err)
	}
	s := &session{id: id, control: sam.NewControl(c), wire: wire, ended: func() { t.lay(a) }}
	s.ctx, s.cancel = context.WithCancel(t.ctx)
	return s, nil
}

// generate asks the router for a fresh key.
func (t *Transport) generate(ctx context.Context) (anon.Secret, sam.Keys, error) {
	c, wire, _, err := t.door.knock(ctx, t.cfg.Times.Hello)
	if err != nil {
		return anon.Secret{}, sam.Keys{}, err
	}
	defer wire.Close()
	key, keys, err := c.Generate(ctx, t.cfg.Times.Hello)
	if err != nil {
		return anon.Secret{}, sam.Keys{}, unavailable(ctx, err)
	}
	return key, keys, nil
}

// establish makes an endpoint that can be dialled. A session whose address
// does not appear is given up and made again: with another key if the key is
// ours to choose, since nobody has seen it yet, else with the same one. After
// maxUnpublished sessions the endpoint is handed out as it is, because it can
// still dial, with a warning and CanHost false.
func (t *Transport) establish(ctx context.Context, given anon.Secret) (*endpoint, error) {
	for attempt := 1; ; attempt++ {
		e, err := t.prepare(ctx, given)
		if err != nil {
			return nil, err
		}
		s, err := t.create(ctx, e.key, e.addr)
		if err != nil {
			t.release(e)
			return nil, err
		}
		err = t.published(ctx, s, e.addr)
		if err == nil || attempt == maxUnpublished && ctx.Err() == nil {
			e.start(s, err == nil)
			return e, nil
		}
		s.end()
		t.release(e)
		if ctx.Err() != nil {
			return nil, fmt.Errorf("%w: our address was not published: %w", anon.ErrUnavailable, ctx.Err())
		}
		t.log.Warn("the i2p router did not publish our address; making the session again", "attempt", attempt)
	}
}

// prepare makes the endpoint of a key, a fresh one if none is given, and
// claims its address.
func (t *Transport) prepare(ctx context.Context, key anon.Secret) (*endpoint, error) {
	var keys sam.Keys
	var err error
	if key.Empty() {
		key, keys, err = t.generate(ctx)
	} else {
		keys, err = sam.ParsePrivate(key.Expose())
	}
	if err != nil {
		return nil, err
	}
	e := newEndpoint(t, key, keys)
	if err := t.claim(e); err != nil {
		e.stop()
		return nil, err
	}
	return e, nil
}
