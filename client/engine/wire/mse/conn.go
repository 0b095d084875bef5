package mse

import (
	"bufio"
	rc4cipher "crypto/rc4"
	"net"
)

const (
	readSize  = 1 << 10     // more than an exchange's padding; longer reads go past it
	writeSize = 16<<10 + 64 // a block with its header in one write
)

// conn is a stream whose exchange is done.
type conn struct {
	net.Conn
	in *bufio.Reader // has what was read ahead

	decrypt *rc4cipher.Cipher // nil: plain
	// limited is set when only the next left bytes are encrypted: the dialer's
	// first words, when the rest is plain.
	limited bool
	left    int

	encrypt *rc4cipher.Cipher // nil: plain
	scratch []byte
	broken  error
}

func (c *conn) Read(b []byte) (int, error) {
	if c.limited && c.left == 0 {
		c.decrypt, c.limited = nil, false
	}
	if c.limited {
		b = b[:min(len(b), c.left)]
	}
	n, err := c.in.Read(b)
	if c.decrypt != nil {
		c.decrypt.XORKeyStream(b[:n], b[:n])
	}
	if c.limited {
		c.left -= n
	}
	return n, err
}

// Write encrypts into memory of its own, since b is the caller's. After an
// error the peer and we do not agree any more on where the key stream is, so
// every later Write returns that error and sends nothing.
func (c *conn) Write(b []byte) (written int, err error) {
	if c.encrypt == nil {
		return c.Conn.Write(b)
	}
	for c.broken == nil && written < len(b) {
		part := b[written:min(len(b), written+writeSize)]
		if cap(c.scratch) < len(part) {
			c.scratch = make([]byte, len(part))
		}
		out := c.scratch[:len(part)]
		c.encrypt.XORKeyStream(out, part)
		var n int
		n, c.broken = c.Conn.Write(out)
		written += n
	}
	return written, c.broken
}

// Encrypted reports whether what is written to c leaves it as RC4. It looks
// through connections that have NetConn, as those around another have.
func Encrypted(c net.Conn) bool {
	for c != nil {
		switch at := c.(type) {
		case *conn:
			if at.encrypt != nil {
				return true
			}
			c = at.Conn
		case interface{ NetConn() net.Conn }:
			c = at.NetConn()
		default:
			return false
		}
	}
	return false
}
