// Package socks asks a SOCKS5 proxy that already stands at the other end of a
// connection for a stream to a named host (RFC 1928 and 1929, with tor's
// extended errors of proposal 304).
//
// It opens no socket, knows no request but CONNECT, no address form but the
// host name and no way to go on without credentials, since those keep circuits
// apart. It never reads a byte beyond the proxy's reply.
package socks

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"sotto/anon"
)

// Auth is the user name and password that select a set of circuits. Both are
// 1 to 255 bytes.
type Auth struct{ User, Password string }

const (
	version     = 0x05
	authVersion = 0x01
	userPass    = 0x02
	cmdConnect  = 0x01

	addrV4   = 0x01
	addrName = 0x03
	addrV6   = 0x04
)

// The proxy is local: it greets at once or it is not one. A stream takes as
// long as its circuits; tor itself gives up after two minutes.
const (
	greetLimit  = 10 * time.Second
	streamLimit = 150 * time.Second
	replyLimit  = 10 * time.Second
)

// past is a deadline that wakes every blocked call.
var past = time.Unix(1, 0)

// Connect makes conn, a fresh connection to the proxy, a stream to host:port.
// On success conn has no deadline and its next byte is the remote's. On error
// conn is of no further use and the caller closes it.
//
// A refusal is an *Error. A proxy that breaks the protocol is
// anon.ErrProtocol; one that is silent or gone is anon.ErrUnavailable. The
// error is ctx's once ctx is done.
func Connect(ctx context.Context, conn net.Conn, auth Auth, host string, port uint16) error {
	req, err := request(auth, host, port)
	if err != nil {
		return err
	}
	return bounded(ctx, conn, func() error { return converse(ctx, conn, auth, req) })
}

// Check asks conn, a fresh connection, whether it leads to a SOCKS5 proxy that
// takes a user name, and asks it for nothing else. The errors are Connect's.
// The caller closes conn, which is of no further use.
func Check(ctx context.Context, conn net.Conn) error {
	return bounded(ctx, conn, func() error {
		limit(ctx, conn, greetLimit)
		return choose(conn)
	})
}

// bounded runs talk, which uses conn, until ctx is done.
func bounded(ctx context.Context, conn net.Conn, talk func() error) error {
	// A deadline in the past is the one way to wake a blocked read.
	stop := context.AfterFunc(ctx, func() { conn.SetDeadline(past) })
	err := talk()
	if !stop() {
		return fmt.Errorf("ask the SOCKS port: %w", ctx.Err())
	}
	if err != nil {
		return fmt.Errorf("ask the SOCKS port: %w", err)
	}
	return nil
}

// request builds the CONNECT message and checks everything that goes out.
func request(auth Auth, host string, port uint16) ([]byte, error) {
	for _, s := range []string{auth.User, auth.Password, host} {
		if len(s) == 0 || len(s) > 255 {
			return nil, fmt.Errorf("%w: a SOCKS user, password and host have 1 to 255 bytes", anon.ErrProtocol)
		}
	}
	req := append([]byte{version, cmdConnect, 0, addrName, byte(len(host))}, host...)
	return append(req, byte(port>>8), byte(port)), nil
}

func converse(ctx context.Context, conn net.Conn, auth Auth, req []byte) error {
	limit(ctx, conn, greetLimit)
	if err := greet(conn, auth); err != nil {
		return err
	}
	if _, err := conn.Write(req); err != nil {
		return gone(err)
	}
	limit(ctx, conn, streamLimit)
	var first [1]byte
	if _, err := io.ReadFull(conn, first[:]); err != nil {
		return gone(err)
	}
	limit(ctx, conn, replyLimit)
	if err := readReply(first[0], conn); err != nil {
		return err
	}
	return conn.SetDeadline(time.Time{})
}

// limit moves the deadline, unless that would undo the one that cancels.
func limit(ctx context.Context, conn net.Conn, d time.Duration) {
	conn.SetDeadline(time.Now().Add(d))
	if ctx.Err() != nil {
		conn.SetDeadline(past)
	}
}

// choose agrees on user name and password.
func choose(conn net.Conn) error {
	if _, err := conn.Write([]byte{version, 1, userPass}); err != nil {
		return gone(err)
	}
	var b [2]byte
	if _, err := io.ReadFull(conn, b[:]); err != nil {
		return gone(err)
	}
	if b[0] != version {
		return fmt.Errorf("%w: what answers there is not SOCKS5", anon.ErrProtocol)
	}
	if b[1] != userPass {
		return fmt.Errorf("%w: the proxy takes no user name, so circuits could not be kept apart", anon.ErrProtocol)
	}
	return nil
}

func greet(conn net.Conn, auth Auth) error {
	if err := choose(conn); err != nil {
		return err
	}
	var b [2]byte
	msg := append([]byte{authVersion, byte(len(auth.User))}, auth.User...)
	msg = append(append(msg, byte(len(auth.Password))), auth.Password...)
	if _, err := conn.Write(msg); err != nil {
		return gone(err)
	}
	if _, err := io.ReadFull(conn, b[:]); err != nil {
		return gone(err)
	}
	if b[0] != authVersion || b[1] != 0 {
		return fmt.Errorf("%w: the proxy refused the user name", anon.ErrProtocol)
	}
	return nil
}

// readReply reads the rest of a CONNECT reply whose first byte is given:
// exactly its bytes, whose number depends on the address form. Tor answers
// with an IPv6 form on unix sockets and with IPv4 elsewhere.
func readReply(first byte, r io.Reader) error {
	if first != version {
		return fmt.Errorf("%w: the answer to CONNECT is not SOCKS5", anon.ErrProtocol)
	}
	var h [3]byte
	if _, err := io.ReadFull(r, h[:1]); err != nil {
		return gone(err)
	}
	if h[0] != 0 {
		return &Error{Code: h[0]}
	}
	if _, err := io.ReadFull(r, h[1:]); err != nil {
		return gone(err)
	}
	const portLen = 2
	var n int
	switch h[2] {
	case addrV4:
		n = net.IPv4len + portLen
	case addrV6:
		n = net.IPv6len + portLen
	case addrName:
		var l [1]byte
		if _, err := io.ReadFull(r, l[:]); err != nil {
			return gone(err)
		}
		n = int(l[0]) + portLen
	default:
		return fmt.Errorf("%w: unknown address form in the proxy's answer", anon.ErrProtocol)
	}
	if _, err := io.ReadFull(r, make([]byte, n)); err != nil {
		return gone(err)
	}
	return nil
}

// gone types a failed read or write. The cause is not repeated: it would
// carry the path of the socket.
func gone(err error) error {
	var ne net.Error
	if errors.As(err, &ne) && ne.Timeout() {
		return fmt.Errorf("%w: the proxy did not answer in time", anon.ErrUnavailable)
	}
	return fmt.Errorf("%w: the proxy closed the connection", anon.ErrUnavailable)
}
