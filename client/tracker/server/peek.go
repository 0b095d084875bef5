package server

import (
	"io"
	"net"
	"sync"

	"sotto/transport"
)

const get = "GET "

// peek reads until it is clear whether a connection begins with "GET ", and
// returns what it read.
func peek(r io.Reader) (head []byte, announce bool, err error) {
	head = make([]byte, 0, len(get))
	for len(head) < len(get) {
		n, err := r.Read(head[len(head):cap(head)])
		head = head[:len(head)+n]
		if string(head) != get[:len(head)] {
			return head, false, nil
		}
		if err != nil && len(head) < len(get) {
			return head, false, err
		}
	}
	return head, true, nil
}

// giveBack returns a connection that reads head before what is on the wire.
func giveBack(c net.Conn, head []byte) net.Conn {
	back := &peeked{Conn: c, head: head}
	if w, ok := c.(transport.Wired); ok {
		return struct {
			*peeked
			transport.Wired
		}{back, w}
	}
	return back
}

type peeked struct {
	net.Conn
	mu   sync.Mutex
	head []byte
}

func (p *peeked) Read(b []byte) (int, error) {
	p.mu.Lock()
	if len(p.head) > 0 {
		defer p.mu.Unlock()
		n := copy(b, p.head)
		p.head = p.head[n:]
		return n, nil
	}
	p.mu.Unlock()
	return p.Conn.Read(b)
}
