package interop

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"sync"

	"sotto/anon"
	"sotto/transport"
)

// tap is an endpoint that remembers everything its streams carry.
type tap struct {
	transport.Endpoint

	mu      sync.Mutex
	streams []*tapped
}

type tapped struct {
	net.Conn
	mu      sync.Mutex
	in, out bytes.Buffer
	dialled bool
}

func (e *tap) Dial(ctx context.Context, to anon.Addr) (net.Conn, error) {
	c, err := e.Endpoint.Dial(ctx, to)
	return e.follow(c, true, err)
}

func (e *tap) Accept(ctx context.Context) (net.Conn, error) {
	c, err := e.Endpoint.Accept(ctx)
	return e.follow(c, false, err)
}

func (e *tap) follow(c net.Conn, dialled bool, err error) (net.Conn, error) {
	if err != nil {
		return nil, err
	}
	w := &tapped{Conn: c, dialled: dialled}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.streams = append(e.streams, w)
	return w, nil
}

func (c *tapped) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.in.Write(p[:n])
	return n, err
}

func (c *tapped) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.out.Write(p[:n])
	return n, err
}

// readable reports whether what stands in some stream can be read there.
func (e *tap) readable(what []byte) bool {
	return e.any(func(c *tapped) bool {
		return bytes.Contains(c.in.Bytes(), what) || bytes.Contains(c.out.Bytes(), what)
	})
}

// carried reports whether a stream that we dialled, or accepted, has carried
// at least n bytes one way.
func (e *tap) carried(dialled bool, n int64) bool {
	return e.any(func(c *tapped) bool {
		return c.dialled == dialled && max(int64(c.in.Len()), int64(c.out.Len())) >= n
	})
}

func (e *tap) any(f func(*tapped) bool) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, c := range e.streams {
		c.mu.Lock()
		found := f(c)
		c.mu.Unlock()
		if found {
			return true
		}
	}
	return false
}

// opening is how every stream began, for a test that has failed.
func (e *tap) opening() (all []string) {
	e.any(func(c *tapped) bool {
		all = append(all, head(c.dialled, &c.in, &c.out))
		return false
	})
	return all
}

func head(dialled bool, in, out *bytes.Buffer) string {
	const most = 200
	return fmt.Sprintf("dialled by us %v, read %d: %x, written %d: %x", dialled,
		in.Len(), in.Bytes()[:min(in.Len(), most)], out.Len(), out.Bytes()[:min(out.Len(), most)])
}
