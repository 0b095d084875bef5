package i2p

import (
	"context"
	"errors"
	"fmt"
	"net"

	"sotto/anon"
	"sotto/transport"
	"sotto/transport/i2p/sam"
)

// Probe greets the router on a connection of its own and hangs up. Ready means
// that the router speaks SAM and, when there are endpoints, that one of them
// has its session. CanHost is true of every router that speaks SAM; a Note
// tells of endpoints whose address it has not published. Only a router that is
// away or wrong is an error, an anon.ErrUnavailable.
func (t *Transport) Probe(ctx context.Context) (transport.Status, error) {
	status := transport.Status{Where: t.door.where, Peers: []string{t.door.peer}}
	if t.ctx.Err() != nil {
		return status, fmt.Errorf("probe i2p: %w", net.ErrClosed)
	}
	_, wire, version, err := t.door.knock(ctx, t.cfg.Times.Hello)
	if err != nil {
		status.Note = t.note(err)
		return status, fmt.Errorf("probe i2p: %w", err)
	}
	wire.Close()
	status.Version, status.Proven = "SAM "+version, true
	status.CanHost = true
	var up, published, all int
	for _, e := range t.endpoints() {
		started, hasSession, known := e.health()
		all, up, published = all+count(started), up+count(hasSession), published+count(known)
	}
	status.Ready = all == 0 || up > 0
	switch {
	case !status.Ready:
		status.Note = "The I2P router answers but has no tunnels for us yet; this takes up to some minutes."
	case published < up:
		status.Note = "The I2P router has not published our address, so others may not reach us; restart the router if this stays."
	}
	return status, nil
}

func count(b bool) int {
	if b {
		return 1
	}
	return 0
}

// note says what is wrong with the router and what to do.
func (t *Transport) note(err error) string {
	switch {
	case sam.IsResult(err, sam.NoVersion):
		return "The I2P router at " + t.door.where + " is too old for SAM 3.1; update it."
	case errors.Is(err, anon.ErrProtocol):
		return "What answers at " + t.door.where + " is not the SAM bridge of an I2P router; correct the address in the configuration."
	}
	return "No I2P router answers at " + t.door.where +
		"; start i2pd, which has SAM on by default, or in Java I2P enable the SAM bridge under Clients (127.0.0.1:7657/configclients)."
}
