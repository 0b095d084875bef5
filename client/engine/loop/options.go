package loop

import (
	"crypto/sha1"
	"errors"
	"log/slog"
	"slices"
	"time"

	"sotto/anon"
	"sotto/client/engine"
)

// Bounds for slow networks: a tunnel or circuit may take a minute to build and
// several seconds a round trip.
const (
	dialTime     = 120 * time.Second
	greetTime    = 75 * time.Second  // for all of a handshake, encrypted or not
	keepAlive    = 60 * time.Second  // half of what peers allow
	silence      = 150 * time.Second // then a peer is gone
	writeTime    = 120 * time.Second // for one write to get through
	tick         = 250 * time.Millisecond
	hashedRead   = 256 << 10
	maxGreeting  = 64 // inbound streams that have not said who they are
	inboundShare = 3  // of MaxPeers, one part in this many is left for those who dial us
)

// complete checks the options and fills in defaults.
func complete(o *engine.Options) error {
	switch {
	case o.Endpoint == nil:
		return errors.New("no endpoint")
	case o.Look.Network == 0 || o.Look.Network != o.Endpoint.Addr().On():
		return &anon.LeakError{Op: "open torrent", Want: o.Endpoint.Addr().On().String(), Got: o.Look.Network.String()}
	case o.InfoHash == [20]byte{}:
		return errors.New("no info hash")
	case o.Dir == "":
		return errors.New("no data folder")
	case len(o.Info) > engine.MaxInfo:
		return errors.New("info dictionary above 16 MiB")
	case o.Info != nil && sha1.Sum(o.Info) != o.InfoHash:
		return errors.New("info dictionary does not match the info hash")
	}
	o.Info = slices.Clone(o.Info)
	if o.MaxPeers <= 0 {
		o.MaxPeers = engine.DefaultMaxPeers
	}
	if o.MaxDials <= 0 {
		o.MaxDials = engine.DefaultMaxDials
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return nil
}
