// Package control is an authenticated conversation with tor's control port:
// the few commands sotto needs, each bounded in time and size, over a
// connection the caller has dialled. The protocol itself is bine's.
//
// It opens no socket, never asks tor to change what it does for others, and
// believes nothing before tor and we have proved to each other that both can
// read the same cookie, where tor offers that.
package control

import (
	"errors"
	"fmt"
	"net"
	"net/textproto"
	"strings"
	"sync/atomic"
	"time"

	bine "github.com/cretz/bine/control"

	"sotto/anon"
)

const (
	// requestLimit bounds one command. tor is local and answers at once, but
	// not while it reads a consensus on a slow machine, and giving up costs
	// every stream.
	requestLimit = 30 * time.Second
	// maxReply bounds the bytes of one reply or event. The library reads lines
	// and bodies of any length.
	maxReply = 256 << 10
)

// line is one connection and the library's view of it. One goroutine at a
// time may use it.
type line struct {
	meter *meter
	tor   *bine.Conn
}

func newLine(conn net.Conn) *line {
	m := &meter{Conn: conn}
	return &line{meter: m, tor: bine.NewConn(textproto.NewConn(m))}
}

// meter ends a reply that grows beyond its allowance.
type meter struct {
	net.Conn
	left atomic.Int64
}

var errTooLong = errors.New("reply too long")

func (m *meter) Read(p []byte) (int, error) {
	left := m.left.Load()
	if left <= 0 {
		return 0, errTooLong
	}
	n, err := m.Conn.Read(p[:min(int64(len(p)), left)])
	m.left.Add(int64(-n))
	return n, err
}

// Refusal is tor's answer to a command it does not carry out.
type Refusal struct {
	Code int    // control-spec section 4
	Text string // tor's words, at most 200 bytes
}

func (e *Refusal) Error() string { return fmt.Sprintf("tor refused: %d %s", e.Code, e.Text) }

// roundTrip sends one command and returns the lines of the reply without
// their codes, the last one included. An error that is no *Refusal leaves the
// line unusable.
func (l *line) roundTrip(cmd string) ([]string, error) {
	if strings.ContainsAny(cmd, "\r\n\x00") {
		// A line break would start a second command.
		return nil, &Refusal{Code: bine.StatusErrSyntaxError, Text: "a line break inside a command"}
	}
	l.meter.left.Store(maxReply)
	l.meter.SetDeadline(time.Now().Add(requestLimit))
	resp, err := l.tor.SendRequest("%s", cmd)
	var refused *textproto.Error
	if errors.As(err, &refused) && resp != nil {
		return nil, &Refusal{Code: refused.Code, Text: refused.Msg[:min(200, len(refused.Msg))]}
	}
	if err != nil {
		return nil, kind(err)
	}
	return append(resp.Data, resp.Reply), nil
}

// kind types an error of the line. What the other side sent is not repeated.
func kind(err error) error {
	var ne net.Error
	var pe textproto.ProtocolError
	switch {
	case errors.As(err, &ne) && ne.Timeout():
		return fmt.Errorf("%w: tor's control port did not answer in time", anon.ErrUnavailable)
	case errors.As(err, &pe), errors.Is(err, errTooLong):
		return fmt.Errorf("%w: %w: what answers is not tor's control port", anon.ErrUnavailable, anon.ErrProtocol)
	}
	return fmt.Errorf("%w: tor closed the control connection", anon.ErrUnavailable)
}
