// Package porter lets several torrents live at one address: it accepts for all
// of them, finds out which one a stranger asks for, and shows them to it.
//
// It dials nothing for itself, answers nothing but what encryption needs (MSE),
// and tells nobody which torrents there are: who asks for one that is not here
// is hung up on without a word. What links torrents at one address is that
// address; who wants them unlinkable gives each an endpoint of its own.
package porter

import (
	"bufio"
	"context"
	"net"
	"sync"
	"time"

	"sotto/anon/profile"
	"sotto/client/engine/wire"
	"sotto/client/engine/wire/mse"
	"sotto/transport"
)

const (
	// waiting is how many strangers may be at the entrance at a time; more are
	// hung up on.
	waiting = 64
	// patience is how long one may take to say what it wants.
	patience = 75 * time.Second
	// queue is how many streams wait for a torrent to accept them.
	queue = 16
	pause = time.Second // after Accept failed
)

// Porter shares one endpoint. Its methods may be called concurrently.
type Porter struct {
	of   transport.Endpoint
	ctx  context.Context
	stop context.CancelFunc
	busy sync.WaitGroup
	seat chan struct{}
	once sync.Once
	err  error

	mu    sync.Mutex
	doors map[[20]byte]*door
}

// New takes over an endpoint, which Close closes. Nobody else may Accept on it.
func New(of transport.Endpoint) *Porter {
	p := &Porter{of: of, seat: make(chan struct{}, waiting), doors: make(map[[20]byte]*door)}
	p.ctx, p.stop = context.WithCancel(context.Background())
	p.busy.Go(p.accept)
	return p
}

// Door returns an endpoint for one torrent, known by the info hashes given: it
// dials as the shared one and accepts who asks for one of them. Its Close ends
// what it accepted and dialled, and nothing else. Who takes a hash that another
// Door has gets it instead.
func (p *Porter) Door(hashes ...[20]byte) transport.Endpoint {
	d := &door{Endpoint: p.of, porter: p, hashes: hashes, in: make(chan net.Conn, queue), conns: make(map[*visit]struct{})}
	d.ctx, d.stop = context.WithCancel(p.ctx)
	p.mu.Lock()
	for _, h := range hashes {
		p.doors[h] = d
	}
	p.mu.Unlock()
	return d.able()
}

// Close closes all doors and the endpoint, and waits.
func (p *Porter) Close() error {
	p.once.Do(func() {
		p.stop()
		p.err = p.of.Close()
		p.busy.Wait()
		p.mu.Lock()
		doors := p.doors
		p.doors = nil
		p.mu.Unlock()
		for _, d := range doors {
			d.shut()
		}
	})
	return p.err
}

// accept takes strangers in until Close.
func (p *Porter) accept() {
	for p.ctx.Err() == nil {
		c, err := p.of.Accept(p.ctx)
		if err != nil {
			select {
			case <-p.ctx.Done():
			case <-time.After(pause):
			}
			continue
		}
		select {
		case p.seat <- struct{}{}:
			p.busy.Go(func() {
				defer func() { <-p.seat }()
				p.ask(c)
			})
		default:
			c.Close()
		}
	}
}

// ask finds out which torrent a stranger is here for.
func (p *Porter) ask(c net.Conn) {
	defer context.AfterFunc(p.ctx, func() { c.Close() })()
	hashes := p.hashes()
	if len(hashes) == 0 || c.SetDeadline(time.Now().Add(patience)) != nil {
		c.Close()
		return
	}
	stream, err := mse.Accept(c, profile.Accept, hashes...)
	if err != nil {
		c.Close()
		return
	}
	in := bufio.NewReaderSize(stream, greeting)
	hello, err := in.Peek(greeting)
	if err != nil || string(hello[:len(wire.Greeting)]) != wire.Greeting || c.SetDeadline(time.Time{}) != nil {
		c.Close()
		return
	}
	p.mu.Lock()
	d := p.doors[[20]byte(hello[greeting-20:])]
	p.mu.Unlock()
	if d == nil || !d.offer(&visit{Conn: stream, in: in}) {
		c.Close()
	}
}

// greeting is how much of a handshake (BEP 3) says which torrent is meant: the
// protocol's name, eight reserved bytes and the info hash.
const greeting = len(wire.Greeting) + 8 + 20

func (p *Porter) hashes() (all [][20]byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for h := range p.doors {
		all = append(all, h)
	}
	return all
}

func (p *Porter) leave(d *door) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, h := range d.hashes {
		if p.doors[h] == d {
			delete(p.doors, h)
		}
	}
}
