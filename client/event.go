package client

import (
	"time"

	"sotto/anon"
	"sotto/client/metainfo"
)

// Event is something a user may want to see. The concrete types are the ones
// in this file; what they hold is linkable and for the user's eyes, not for
// logs.
type Event interface{ event() }

// Opening: an identity is being made on a network, which takes seconds to
// minutes. It comes again whenever Note changes: what the router is waiting
// for, "" when it does not say.
type Opening struct {
	Network anon.Network
	Note    string
}

// Opened: the identity can dial, and be dialled if it hosts.
type Opened struct{ Network anon.Network }

// PassedOver: a network that was asked for will not be used, and why.
type PassedOver struct {
	Network anon.Network
	Err     error
}

// Hashing: a file or folder is being read to make a torrent of it. Bytes.
type Hashing struct{ Done, Total int64 }

// Sharing: the torrent is reachable under Link on every network in it.
type Sharing struct {
	Link     *metainfo.Link
	Info     *metainfo.Info
	Networks []anon.Network
}

// Progress is where a transfer stands. It is reported about once a second.
type Progress struct {
	Network anon.Network
	Phase   Phase
	Done    int64 // bytes verified on disk
	Total   int64 // bytes of the files to fetch; 0 while unknown
	// Received and Sent are payload bytes since the start, unverified ones
	// included; with Peers they show life where Done moves in large steps.
	Received, Sent int64
	Rate           float64       // received bytes a second, over the last few seconds
	Left           time.Duration // at that rate; 0 when unknown
	Peers          int           // connected now
	WebSeeds       int           // connected now
	Trouble        string        // one sentence on what stands in the way; "" when nothing does
}

// Phase is what a transfer is waiting for.
type Phase string

// The phases of a transfer, in order.
const (
	Metadata Phase = "metadata" // the info dictionary is being fetched
	Checking Phase = "checking" // data on disk is being hashed
	Fetching Phase = "fetching"
	Seeding  Phase = "seeding"
)

// Finished: everything asked for is on disk and verified.
type Finished struct {
	Network  anon.Network
	Path     string // of the torrent's one file, or of its folder
	Bytes    int64  // of the files that were asked for
	Received int64  // payload bytes that this run received
	Took     time.Duration
}

func (Opening) event()    {}
func (Opened) event()     {}
func (PassedOver) event() {}
func (Hashing) event()    {}
func (Sharing) event()    {}
func (Progress) event()   {}
func (Finished) event()   {}
