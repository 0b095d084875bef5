package porter

import (
	"bufio"
	"context"
	"net"
	"sync"

	"sotto/anon"
	"sotto/transport"
)

// door is the endpoint of one torrent.
type door struct {
	transport.Endpoint // the shared one
	porter             *Porter
	hashes             [][20]byte
	in                 chan net.Conn
	ctx                context.Context // done at Close
	stop               context.CancelFunc

	mu     sync.Mutex
	closed bool
	conns  map[*visit]struct{}
}

// Dial dials as the shared address.
func (d *door) Dial(ctx context.Context, to anon.Addr) (net.Conn, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(d.ctx, cancel)()
	c, err := d.Endpoint.Dial(ctx, to)
	if err != nil {
		if d.ctx.Err() != nil {
			return nil, net.ErrClosed
		}
		return nil, err
	}
	v := &visit{Conn: c}
	if !d.keep(v) {
		c.Close()
		return nil, net.ErrClosed
	}
	return v, nil
}

// Accept waits for somebody who asked for this torrent.
func (d *door) Accept(ctx context.Context) (net.Conn, error) {
	select {
	case c := <-d.in:
		return c, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-d.ctx.Done():
		return nil, net.ErrClosed
	}
}

// Close closes this torrent's connections. The address stays.
func (d *door) Close() error {
	d.porter.leave(d)
	d.shut()
	return nil
}

func (d *door) shut() {
	d.stop()
	d.mu.Lock()
	d.closed = true
	all := d.conns
	d.conns = nil
	d.mu.Unlock()
	for v := range all {
		v.Conn.Close()
	}
}

// offer hands a stream over; false when nobody takes it.
func (d *door) offer(v *visit) bool {
	if !d.keep(v) {
		return false
	}
	select {
	case d.in <- v:
		return true
	default:
		d.forget(v)
		return false
	}
}

func (d *door) keep(v *visit) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return false
	}
	v.of = d
	d.conns[v] = struct{}{}
	return true
}

func (d *door) forget(v *visit) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.conns, v)
}

// able gives a door the abilities of the shared endpoint, and no others.
func (d *door) able() transport.Endpoint {
	r, resolves := d.Endpoint.(transport.Resolver)
	f, full := d.Endpoint.(transport.FullAddresser)
	switch {
	case resolves && full:
		return struct {
			*door
			transport.Resolver
			transport.FullAddresser
		}{d, r, f}
	case resolves:
		return struct {
			*door
			transport.Resolver
		}{d, r}
	case full:
		return struct {
			*door
			transport.FullAddresser
		}{d, f}
	}
	return d
}

// visit is one connection of a torrent. What was read of it to find out whose
// it is comes first.
type visit struct {
	net.Conn
	in *bufio.Reader // nil when nothing was
	of *door
}

func (v *visit) Read(b []byte) (int, error) {
	if v.in != nil {
		return v.in.Read(b)
	}
	return v.Conn.Read(b)
}

// Close ends the connection.
func (v *visit) Close() error {
	v.of.forget(v)
	return v.Conn.Close()
}

// NetConn returns the connection inside, as package tls has it.
func (v *visit) NetConn() net.Conn { return v.Conn }
