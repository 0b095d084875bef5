package rpc

import (
	"context"
	"time"

	"sotto/anon"
	"sotto/client/metainfo"
)

// Own is what a library of ours can beyond what Transmission knows, for sotto's
// own commands. What Library says of its methods holds for these. rpctest.RunOwn
// judges it.
type Own interface {
	// Status tells how the networks and the library are now. A router that does
	// not answer within a few seconds is not waited for: its network is not ready.
	Status(ctx context.Context) (Status, error)
	// Share makes a torrent of the file or folder at a path that is absolute and
	// allowed, and serves it from there. It returns before anything is hashed:
	// until then the torrent has no Hash and is verified. Its Magnet is "" until
	// others can find it. What is shared already is started if it was
	// stopped, and returned with Duplicate set.
	Share(ctx context.Context, s Share) (Added, error)
	// TorrentFile returns the torrent file of one that is shared, with the trackers
	// and the address that its Magnet names. As long as that is "", and for what
	// is not shared, it is an *Error. The caller owns it.
	TorrentFile(ctx context.Context, id int64) ([]byte, error)
	// Tune sets all that t sets, for every one of ids or, with an error, for
	// none of them. A network that is not in use is an *Error.
	Tune(ctx context.Context, ids []int64, t Tuning) error
	// LimitNetwork bounds all torrents on one network together, in kB/s of 1000
	// bytes, 0 for no bound, and returns the bounds that hold then; nil leaves
	// one as it is. A network that is not in use is an *Error.
	LimitNetwork(ctx context.Context, on anon.Network, down, up *int64) (NetworkLimit, error)
}

// Status is how sotto is at one moment.
type Status struct {
	Networks   []NetworkStatus // in the order of preference
	Conditions []Condition     // what matters most first
}

// NetworkStatus is how one network is.
type NetworkStatus struct {
	On    anon.Network
	Ready bool // it can carry streams now
	// Where is the router, its Version, and a Note of one sentence on what is
	// wrong; each "" when there is nothing to say.
	Where, Version, Note string
	// Addr is where torrents that name no identity live, on a network where they
	// share an address and are there already. Otherwise the zero Addr.
	Addr  anon.Addr
	Limit NetworkLimit
}

// NetworkLimit bounds one network. Rates are kB/s of 1000 bytes, 0 for none.
type NetworkLimit struct{ Down, Up int64 }

// Condition is something that is wrong now, as package health has it.
type Condition struct {
	Name, Severity        string
	Subject               string // what it is about, for the user's eyes; may be linkable
	Since                 time.Time
	What, Privacy, Remedy string // a sentence each
}

// Share is something to be shared.
type Share struct {
	Path     string
	Format   metainfo.Format
	Networks []anon.Network // none means all in use
	// Stable gives it an address that stays the same, so that its link holds;
	// otherwise it has a new one at every start.
	Stable bool
}

// Tuning says what to set of a torrent; nil leaves alone.
type Tuning struct {
	// Networks are those it may run on; none means every one that its link
	// names somebody on.
	Networks *[]anon.Network
	// Identity is the name of the address it lives at where torrents share
	// some; "" is the one that all have at first.
	Identity *string
	// SeedTime is how long it seeds over all runs; 0 means no limit.
	SeedTime *time.Duration
}
