package webseed

import (
	"bufio"
	"io"
	"net"
	"strconv"
	"time"
)

// Bounds on one connection. A fresh stream of I2P or Tor may take a minute to
// answer.
const (
	headTime  = 75 * time.Second // for the head of an answer
	readTime  = 60 * time.Second // for the next bytes of a body
	writeTime = 60 * time.Second
	readAhead = 16 << 10
)

// MostAhead is how many requests wait for their answers on a server that has
// shown that it keeps connections: small files would cost a round trip each
// otherwise.
const MostAhead = 8

// Conn is one connection to a server. One goroutine at a time may use it, but
// for Close, which ends whatever waits.
type Conn struct {
	server *Server
	layout *Layout
	conn   net.Conn
	in     *bufio.Reader
	asked  []Part // and not read to the end; the first is being read
	sent   int    // how many of asked, from the first, have been requested
	ahead  int    // how many requests may be without an answer
	inBody bool   // of asked[0]
	last   bool   // the server will hang up after this answer
	err    error  // once anything went wrong
}

func newConn(s *Server, l *Layout, c net.Conn) *Conn {
	return &Conn{server: s, layout: l, conn: c, in: bufio.NewReaderSize(c, readAhead), ahead: 1}
}

// Ask begins to ask for parts. Their bytes, in order, are what Read returns.
// All that was asked for before must have been read. It keeps no parts.
func (c *Conn) Ask(parts []Part) error {
	switch {
	case c.err != nil:
	case len(c.asked) > 0:
		c.err = errUnread
	case c.in.Buffered() > 0:
		c.err = &AnswerError{"longer than what was asked for"}
	default:
		c.asked = append(c.asked[:0], parts...)
		c.err = c.request()
	}
	return c.err
}

// Read returns bytes of what was asked for, and io.EOF after the last one.
// Errors are a *StatusError, a *AnswerError, or the stream's; after one the
// connection is of no use. It may send further requests.
func (c *Conn) Read(b []byte) (int, error) {
	if c.err != nil {
		return 0, c.err
	}
	if len(c.asked) == 0 {
		return 0, io.EOF
	}
	n, err := c.read(b)
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	c.err = err
	return n, err
}

// Reusable reports whether more may be asked for once everything was read.
func (c *Conn) Reusable() bool { return c.err == nil && !c.last && len(c.asked) == 0 }

// Close hangs up. It may be called from anywhere and more than once.
func (c *Conn) Close() error { return c.conn.Close() }

func (c *Conn) read(b []byte) (int, error) {
	p := &c.asked[0]
	if p.file == zeros {
		n := int(min(int64(len(b)), p.size))
		clear(b[:n])
		return n, c.advance(n)
	}
	if !c.inBody {
		if err := c.begin(*p); err != nil {
			return 0, err
		}
	}
	if c.in.Buffered() == 0 {
		if err := c.conn.SetReadDeadline(time.Now().Add(readTime)); err != nil {
			return 0, err
		}
	}
	n, err := c.in.Read(b[:min(int64(len(b)), p.size)])
	if err != nil {
		return n, err
	}
	return n, c.advance(n)
}

// begin reads the head of the answer for p.
func (c *Conn) begin(p Part) error {
	if c.last {
		return io.EOF // it said so with the answer before
	}
	if err := c.conn.SetReadDeadline(time.Now().Add(headTime)); err != nil {
		return err
	}
	a, err := readAnswer(c.in)
	if err != nil {
		return err
	}
	if err := a.check(c.layout, p); err != nil {
		return err
	}
	c.inBody, c.last = true, a.last
	if !c.last {
		c.ahead = MostAhead
	}
	return c.request()
}

// advance notes that n bytes of the first part have been read.
func (c *Conn) advance(n int) error {
	p := &c.asked[0]
	p.size -= int64(n)
	p.from += int64(n)
	if p.size > 0 {
		return nil
	}
	c.asked, c.sent, c.inBody = c.asked[1:], max(c.sent-1, 0), false
	return c.request()
}

// request sends as many requests as may be under way, in one write. A server
// that will hang up is sent none.
func (c *Conn) request() error {
	var out []byte
	waiting := 0
	for i := 0; i < len(c.asked) && !c.last; i++ {
		p := c.asked[i]
		if p.file == zeros {
			c.sent = max(c.sent, i+1)
			continue
		}
		if waiting++; waiting > c.ahead {
			break
		}
		if i >= c.sent {
			out = c.server.appendRequest(out, c.layout, p)
			c.sent = i + 1
		}
	}
	if len(out) == 0 {
		return nil
	}
	if err := c.conn.SetWriteDeadline(time.Now().Add(writeTime)); err != nil {
		return err
	}
	_, err := c.conn.Write(out)
	return err
}

// appendRequest appends the request for p (RFC 9110, section 14.2).
func (s *Server) appendRequest(b []byte, l *Layout, p Part) []byte {
	b = append(append(append(b, "GET "...), l.path(s.site.Path, p.file)...), " HTTP/1.1\r\n"...)
	for _, h := range s.look.Web {
		b = append(append(b, h.Name...), ": "...)
		switch h.Name {
		case "Host":
			b = append(b, s.site.HostHeader()...)
		case "Range":
			b = strconv.AppendInt(append(b, "bytes="...), p.from, 10)
			b = strconv.AppendInt(append(b, '-'), p.from+p.size-1, 10)
		default:
			b = append(b, h.Value...)
		}
		b = append(b, "\r\n"...)
	}
	return append(b, "\r\n"...)
}
