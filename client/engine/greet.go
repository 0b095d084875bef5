package engine

import (
	"context"
	"errors"
	"net"
	"time"

	"sotto/anon"
	"sotto/anon/profile"
	"sotto/client/engine/wire"
	"sotto/client/engine/wire/mse"
)

// greeting is what a worker reports of a dial and a handshake. An inbound one
// has not been answered yet: whether and how is the owner's to say, so that
// everything a stranger learns leaves in one write.
type greeting struct {
	entry   *entry    // nil for an unknown address
	addr    anon.Addr // proven or dialled, or unknown
	inbound bool
	opened  bool     // dialled, and the owner knows
	conn    net.Conn // nil after an error
	stream  net.Conn // conn, or the cipher around it
	hello   wire.Handshake
	names   names
	hash    [20]byte // by which we dialled, then the one both sides agreed on
	err     error
}

var (
	errHash    = errors.New("handshake for another torrent")
	errOurself = errors.New("connection to ourselves")
)

// greet bounds a handshake in time and ends it early with ctx. Whatever f
// leaves unread stays in the stream.
func (o *owner) greet(g *greeting, f func() error) error {
	conn := g.conn
	defer context.AfterFunc(o.ctx, func() { conn.Close() })()
	err := conn.SetDeadline(time.Now().Add(greetTime))
	if err == nil {
		err = f()
	}
	if err == nil {
		err = conn.SetDeadline(time.Time{})
	}
	if err != nil {
		conn.Close()
		g.conn = nil
	}
	return err
}

// call dials a peer and exchanges handshakes. Where encryption is merely
// preferred a peer that does not answer it is dialled once more, plain.
func (o *owner) call(g *greeting) error {
	how := o.opts.Look.Encryption
	err := o.callOnce(g, how)
	if err == nil || how != profile.Preferred || !errors.As(err, new(greetError)) {
		return err
	}
	return o.callOnce(g, profile.Accept)
}

// greetError is a handshake that failed on a stream that worked.
type greetError struct{ error }

func (e greetError) Unwrap() error { return e.error }

func (o *owner) callOnce(g *greeting, how profile.Encryption) (err error) {
	if err = o.open(g); err != nil {
		return err
	}
	err = o.greet(g, func() (err error) {
		g.stream, err = mse.Dial(g.conn, how, g.hash, wire.AppendHandshake(nil, g.ours(o.peerID)))
		if err != nil {
			return err
		}
		return o.readHello(g)
	})
	if err != nil {
		return greetError{err}
	}
	return nil
}

// answer reads the handshake of whoever dialled us and does not answer it,
// but for what encryption needs.
func (o *owner) answer(g *greeting) error {
	return o.greet(g, func() (err error) {
		if g.stream, err = mse.Accept(g.conn, o.opts.Look.Encryption, g.names.all()...); err != nil {
			return err
		}
		return o.readHello(g)
	})
}

// readHello reads the peer's handshake, and not a byte more.
func (o *owner) readHello(g *greeting) (err error) {
	if g.hello, err = wire.ReadHandshake(g.stream); err != nil {
		return err
	}
	known := g.names.answers(g.hash, g.hello.InfoHash)
	if g.hash = g.hello.InfoHash; g.inbound {
		g.hash, known = g.names.answer(g.hello)
	}
	switch {
	case !known:
		return errHash
	case g.hello.PeerID == o.peerID:
		return errOurself
	}
	return nil
}

// ours is our handshake.
func (g *greeting) ours(id [20]byte) wire.Handshake {
	return wire.Handshake{Features: g.names.features(), InfoHash: g.hash, PeerID: id}
}
