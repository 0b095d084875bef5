package rpc

import (
	"time"

	"sotto/anon"
)

// Part is a set of those parts of a Torrent that cost something to collect.
type Part uint

// The parts of a Torrent; without any only plain values are asked for.
const (
	Files        Part = 1 << iota // Torrent.Files
	Peers                         // Torrent.Peers
	Trackers                      // Torrent.Trackers
	Pieces                        // Torrent.Pieces
	Availability                  // Torrent.Availability
)

// State is what a torrent is doing. The numbers are Transmission's.
type State int

// The states of a torrent.
const (
	Stopped State = iota
	CheckWaiting
	Checking
	DownloadWaiting
	Downloading
	SeedWaiting
	Seeding
)

// Fault is what kind of thing is wrong. The numbers are Transmission's.
type Fault int

// The faults of a torrent.
const (
	NoFault      Fault = iota
	TrackerWarns       // a tracker said something, and announces work
	TrackerFault       // a tracker refuses
	LocalFault         // the disk, the folder, the router
)

// LimitMode says which limit holds for a torrent. The numbers are Transmission's.
type LimitMode int

// The modes of limits.
const (
	SessionLimit LimitMode = iota // that of Settings
	OwnLimit
	NoLimit
)

// Torrent is one torrent at one moment. Sizes are bytes, rates bytes a second,
// shares from 0 to 1, limits kB/s of 1000 bytes. A zero time is "never" or "not
// known". Texts need not be Printable: the api sees to that.
type Torrent struct {
	ID    int64
	Hash  string // "" while it is not known; else 40 lower-case hex digits: the v1 info hash, or the v2 one cut short
	Name  string
	State State
	Fault Fault
	// FaultText says what is wrong in plain English, and what to do; "" when
	// nothing is.
	FaultText string

	Added, Started, Done, Active, Edited time.Time
	DownloadTime, SeedTime               time.Duration // in that state, over all runs

	// Info: what the torrent says of itself.
	Comment, Creator string
	Created          time.Time
	Private          bool
	Size             int64 // 0 until the metadata is here
	PieceSize        int64
	PieceCount       int
	FileCount        int
	MetadataShare    float64 // how much of the metadata is here
	Magnet           string  // a link that leads others here; as linkable as Hash
	Webseeds         []string

	// Progress.
	WantedSize   int64 // bytes of the files that are wanted
	Left         int64 // of WantedSize, not verified yet
	Valid        int64 // verified bytes
	Unchecked    int64 // on disk, not verified yet
	Obtainable   int64 // of Left, what connected peers have
	CheckedShare float64
	Stalled      bool // wants to move data and has not for a while
	Finished     bool // reached its ratio or idle limit

	// Traffic of this torrent over all runs, payload only, and the rates now.
	Downloaded, Uploaded, Corrupt int64
	RateDown, RateUp              int64
	// Peers that are connected, those that send to us and that take from us.
	PeersConnected, PeersSending, PeersTaking, WebseedsSending int
	Sources                                                    Sources

	// What was chosen for it.
	Folder               string
	Labels               []string
	Group                string // "" for none
	Priority             int    // -1 low, 0 normal, 1 high
	QueuePosition        int    // from 0, without holes
	Sequential           bool
	HonorsSessionLimits  bool
	DownLimit, UpLimit   int64
	DownLimited, Limited bool // Limited: UpLimit holds
	PeerLimit            int
	RatioLimit           float64
	RatioMode            LimitMode
	IdleLimit            time.Duration // whole minutes
	IdleMode             LimitMode
	IdleFor              time.Duration  // since the last payload while seeding
	Networks             []anon.Network // as Tuning has them, as the two below
	Identity             string
	SeedTimeLimit        time.Duration
	Shared, Stable       bool // it is the user's own, from Own.Share; its address stays
	// AnnounceAfter is when asking the trackers again would do something; zero
	// when it would not.
	AnnounceAfter time.Time

	// Parts.
	Files        []File
	Peers        []Peer
	Trackers     []Tracker
	Pieces       []byte // a bit for each piece that is verified, the first one highest
	Availability []int  // peers that have the piece; -1 when we have it
}

// File is one file of a torrent, in the order of the torrent.
type File struct {
	// Path leads from Torrent.Folder, with "/" between its elements.
	Path        string
	Size, Have  int64 // Have: verified bytes
	Wanted      bool
	Priority    int // -1, 0 or 1
	First, Last int // pieces it lies in
}

// Peer is a connected peer.
type Peer struct {
	Addr            anon.Addr // unknown where the network does not tell
	Client          string    // what it says of itself
	Encrypted       bool      // RC4 within the stream, whatever the network does
	Incoming        bool
	Choked          bool // it may not ask us
	Choking         bool // it does not let us ask
	Interested      bool // we want something of it
	Interesting     bool // it wants something of us
	Sending, Taking bool // it sends us payload; it gets payload from us
	FromExchange    bool // peer exchange named it
	Share           float64
	RateDown        int64 // from it to us
	RateUp          int64
}

// Sources counts connected peers by who named them. Cache are those known from
// before, or from the link itself.
type Sources struct{ Cache, DHT, Incoming, Exchange, Tracker int }

// AnnounceState says what a tracker's timer does. The numbers are Transmission's.
type AnnounceState int

// The states of a tracker.
const (
	AnnounceInactive AnnounceState = iota
	AnnounceWaiting
	AnnounceQueued
	AnnounceActive
)

// Tracker is one tracker of a torrent.
type Tracker struct {
	ID, Tier   int
	URL, Host  string
	Backup     bool // not asked while another of its tier answers
	State      AnnounceState
	LastStart  time.Time // of the last announce
	Last       time.Time // its end
	LastOK     bool
	TimedOut   bool
	LastResult string // "Success", or what went wrong
	LastPeers  int
	Next       time.Time
	// Seeders, Leechers and Downloads are as the tracker says, -1 when it
	// did not.
	Seeders, Leechers, Downloads int
}
