package engine

import (
	"errors"
	"time"

	"sotto/anon"
)

// Conduct counts what strangers have done to a torrent since Open. It says how
// often, never who.
type Conduct struct {
	// TurnedAway inbound streams never became peers: too many of them, banned,
	// silent, or something other than BitTorrent.
	TurnedAway int
	// Expelled peers broke the protocol, flooded us, or promised and did
	// nothing.
	Expelled int
	// Banned peers are proven to have sent wrong bytes, those included that
	// nobody can recognise should they come again.
	Banned int
	// BadPieces came whole and failed their hash.
	BadPieces int
}

// misconduct is a reason of ours to end a connection. Whoever gave it to us is
// not dialled again soon.
type misconduct string

func (m misconduct) Error() string { return string(m) }

// misbehaved reports whether err is the peer's doing.
func misbehaved(err error) bool {
	return errors.As(err, new(misconduct)) || errors.Is(err, anon.ErrProtocol)
}

// drop ends a connection. err is why.
func (o *owner) drop(p *peer, err error) {
	how := worked
	if misbehaved(err) || time.Since(p.made) < shortVisit {
		how = failed
	}
	if misbehaved(err) && o.has(p) {
		o.conduct.Expelled++
	}
	o.log.Debug("a peer is gone", "why", err)
	o.dropAs(p, how)
}

// ban ends a connection whose peer sent what it must have known to be wrong.
// A known address stays banned while the torrent is open.
func (o *owner) ban(p *peer, err error) {
	o.conduct.Banned++
	if p.entry != nil {
		p.entry.banned = true
	}
	o.drop(p, err)
}

// banPast bans somebody who has gone; nil is nobody known.
func (o *owner) banPast(e *entry) {
	if e != nil && !e.banned {
		o.conduct.Banned++
		e.banned = true
	}
}
