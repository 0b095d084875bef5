package engine

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"

	"sotto/anon"
	"sotto/client/engine/wire"
)

// MaxPayload is the longest payload in bytes that an Extension takes or sends.
const MaxPayload = 64 << 10

// Bounds: extensions of a torrent; what one peer said that waits for Next, of
// which one payload always may; what waits to be written to one peer.
const (
	maxExtensions = 32
	maxHeard      = 8 // payloads
	maxHeardBytes = 32 << 10
	maxUnsaid     = 128 << 10 // bytes of any messages
)

var (
	// ErrGone: the peer has left or does not speak the extension any more.
	ErrGone = errors.New("peer is gone")
	// ErrBusy: too much waits to be sent to the peer already.
	ErrBusy = errors.New("peer reads too slowly")
	// ErrPayload: empty or above MaxPayload.
	ErrPayload = errors.New("payload of a length that is not sent")
)

// Extension is a conversation with peers beside the base protocol (BEP 10),
// held by somebody outside the engine. Its name is in the handshake of every
// torrent that has it, so that all users of a network must have the same ones.
//
// The engine never waits for whoever calls Next: what one peer says beyond a
// few payloads is dropped, and who comes and goes unseen is forgotten. Memory
// is bounded by the number of connections. All methods may be called
// concurrently, Next by one goroutine.
type Extension struct {
	name string
	max  int
	wake chan struct{}

	mu      sync.Mutex
	torrent *Torrent // nil before Open
	queue   []News
}

// NewsKind says what News is about.
type NewsKind uint8

// What News can be about.
const (
	Arrived NewsKind = iota // a peer speaks the extension
	Left                    // it has gone, or says it does not any more
	Said                    // it sent a payload
)

// News of one peer.
type News struct {
	Kind NewsKind
	// Peer names the connection and is never used again in the torrent's life.
	Peer uint32
	// Addr is the peer's, if the network proves or we dialled it; else it is
	// unknown.
	Addr anon.Addr
	// Payload is a stranger's and the caller's to keep; nil unless Said.
	Payload []byte
}

// NewExtension returns an extension for Options.Extensions of one torrent. A
// peer that sends more than max bytes at a time, 1 to MaxPayload, is dropped.
// Open refuses what cannot be.
func NewExtension(name string, max int) *Extension {
	return &Extension{name: name, max: max, wake: make(chan struct{}, 1)}
}

// Next waits for news. For each peer there is Arrived, then what it Said, then
// Left. The error is ctx's or what ended the torrent. Before Open there is no
// news.
func (e *Extension) Next(ctx context.Context) (News, error) {
	for {
		e.mu.Lock()
		t := e.torrent
		if len(e.queue) > 0 {
			m := e.queue[0]
			e.queue = slices.Delete(e.queue, 0, 1)
			e.mu.Unlock()
			return m, nil
		}
		e.mu.Unlock()
		var failed chan struct{}
		if t != nil {
			failed = t.failed
		}
		select {
		case <-e.wake:
		case <-failed:
			return News{}, t.Err()
		case <-ctx.Done():
			return News{}, ctx.Err()
		}
	}
}

// Send queues a payload for a peer; it is the caller's again at once. Errors:
// ErrGone, ErrBusy, ErrPayload, or what ended the torrent.
func (e *Extension) Send(peer uint32, payload []byte) (err error) {
	e.mu.Lock()
	t := e.torrent
	e.mu.Unlock()
	switch {
	case len(payload) == 0 || len(payload) > MaxPayload:
		return ErrPayload
	case t == nil:
		return ErrGone
	case !t.ask(func(o *owner) { err = o.sendExtended(e, peer, payload) }):
		return t.Err()
	}
	return err
}

// put adds news without waiting. What is too much of one peer is dropped.
func (e *Extension) put(m News) {
	e.mu.Lock()
	defer e.mu.Unlock()
	switch m.Kind {
	case Left:
		of := func(q News) bool { return q.Peer == m.Peer }
		if i := slices.IndexFunc(e.queue, func(q News) bool { return of(q) && q.Kind == Arrived }); i >= 0 {
			// It came unseen. An earlier Left of it stays.
			e.queue = append(e.queue[:i], slices.DeleteFunc(e.queue[i:], of)...)
			return
		}
	case Said:
		waiting, size := 0, len(m.Payload)
		for _, q := range e.queue {
			if q.Peer == m.Peer && q.Kind == Said {
				waiting, size = waiting+1, size+len(q.Payload)
			}
		}
		if waiting >= maxHeard || waiting > 0 && size > maxHeardBytes {
			return
		}
		m.Payload = slices.Clone(m.Payload)
	}
	e.queue = append(e.queue, m)
	select {
	case e.wake <- struct{}{}:
	default:
	}
}

// attach gives the extensions their torrent, all or none.
func attach(t *Torrent, all []*Extension) error {
	for i, e := range all {
		e.mu.Lock()
		taken := e.torrent != nil
		if !taken {
			e.torrent = t
		}
		e.mu.Unlock()
		if taken {
			for _, e := range all[:i] {
				e.mu.Lock()
				e.torrent = nil
				e.mu.Unlock()
			}
			return errors.New("an extension that another torrent has")
		}
	}
	return nil
}

// register gives the extensions their numbers: ours for metadata first, then
// by name, so that the order they were given in is not seen.
func register(all []*Extension) (wire.Registry, error) {
	known := []wire.Extension{wire.Metadata}
	for _, e := range slices.SortedFunc(slices.Values(all), func(a, b *Extension) int { return cmp.Compare(a.name, b.name) }) {
		if e.max > MaxPayload {
			return wire.Registry{}, ErrPayload
		}
		known = append(known, wire.Extension{Name: e.name, Max: e.max})
	}
	return wire.NewRegistry(known...)
}

// acquaint tells the extensions what a peer speaks since its last handshake.
func (o *owner) acquaint(p *peer) {
	for i, e := range o.opts.Extensions {
		speaks, spoke := p.about.ID(e.name) != 0, p.speaks&(1<<i) != 0
		switch {
		case speaks && !spoke:
			e.put(News{Kind: Arrived, Peer: uint32(p.id), Addr: p.addr})
		case spoke && !speaks:
			e.put(News{Kind: Left, Peer: uint32(p.id), Addr: p.addr})
		}
		p.speaks ^= p.speaks & (1 << i)
		if speaks {
			p.speaks |= 1 << i
		}
	}
}

// estrange tells the extensions that a peer has gone.
func (o *owner) estrange(p *peer) {
	for i, e := range o.opts.Extensions {
		if p.speaks&(1<<i) != 0 {
			e.put(News{Kind: Left, Peer: uint32(p.id), Addr: p.addr})
		}
	}
	p.speaks = 0
}

// hearExtended hands over a payload of a peer that has said it speaks the
// extension; of others it is dropped.
func (o *owner) hearExtended(p *peer, name string, payload []byte) {
	for i, e := range o.opts.Extensions {
		if e.name == name && p.speaks&(1<<i) != 0 {
			e.put(News{Kind: Said, Peer: uint32(p.id), Addr: p.addr, Payload: payload})
		}
	}
}

func (o *owner) sendExtended(e *Extension, peer uint32, payload []byte) error {
	for _, p := range o.peers {
		if uint32(p.id) != peer {
			continue
		}
		id := p.about.ID(e.name)
		switch {
		case id == 0:
			return ErrGone
		case p.box.pending()+len(payload) > maxUnsaid:
			return ErrBusy
		}
		o.say(p, wire.AppendExtended(nil, id, payload))
		return nil
	}
	return ErrGone
}
