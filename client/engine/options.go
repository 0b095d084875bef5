package engine

import (
	"errors"
	"log/slog"
	"math/rand/v2"
	"slices"
	"time"

	"sotto/anon"
	"sotto/anon/profile"
	"sotto/client/engine/disk"
	"sotto/client/metainfo"
	"sotto/client/website"
	"sotto/transport"
)

// Defaults for zero Options, and the limit for metadata.
const (
	DefaultMaxPeers = 40
	DefaultMaxDials = 12
	// MaxInfo is the largest info dictionary in bytes, given or fetched.
	MaxInfo = 16 << 20
)

// Options say what to move, where to and as whom.
type Options struct {
	// Endpoint carries every stream, in and out. It must be guarded already.
	// The torrent uses it until Close and does not close it; nobody else may
	// Accept on it meanwhile.
	Endpoint transport.Endpoint
	// Look is the network's appearance: peer id and encryption.
	Look profile.Look
	// InfoHash is the torrent's name: SHA-1 of the info dictionary, or the
	// first 20 bytes of V2Hash when no v1 hash is known.
	InfoHash [20]byte
	// V2Hash is SHA-256 of the info dictionary (BEP 52); zero when the torrent
	// has no v2 part or that is not known.
	V2Hash [32]byte
	// Info is the bencoded info dictionary; nil for a magnet, then it is
	// fetched from peers. Open does not keep the slice.
	Info []byte
	// Layers are the piece layers as Layers returned them or a torrent file
	// has them; nil when they are not known. A torrent without a v1 part then
	// fetches them from peers. Open does not keep the slice.
	Layers []byte
	// Webseeds are web servers of the endpoint's network that may have the
	// content (BEP 19). They are asked for what is missing, beside the peers,
	// once the info dictionary is known; ReadOnly asks nobody. One of another
	// network is a leak.
	Webseeds []website.Target
	// CheckInfo judges the dictionary, given or fetched, before any file is
	// touched: names, sizes, counts. An error ends the torrent with it. It
	// must not keep or change info. Nil accepts what the engine itself
	// accepts, which is every name that stays inside Dir.
	CheckInfo func(info []byte) error
	// Choose gives every file its first priority, when the info dictionary is
	// known and accepted and before any file is touched. The answer has one
	// entry a file; those of padding do not count. An error ends the torrent
	// with it. Nil means Normal for all.
	Choose func(files []metainfo.File) ([]Priority, error)
	// Paths gives every file another path below Dir, one a file, that of
	// padding not used, when the info dictionary is known and accepted. Nil
	// leaves them as the dictionary has them. What leaves Dir ends the torrent.
	Paths func(files []metainfo.File) ([]string, error)
	// Have are the pieces that are known to be on disk, as a bitfield on the
	// wire (BEP 3); then nothing is hashed, and all others are fetched, whatever
	// is there: see Check. Only with Info. Nil hashes what is there.
	Have []byte
	// Sequential fetches pieces in their order and not by rarity.
	Sequential bool
	// Dir is the data folder. Data goes to Dir/name or Dir/name/…; nothing
	// else in Dir is touched.
	Dir string
	// Base is the torrent's file or folder itself, whatever its name, and all
	// that is opened of the disk. Only with ReadOnly, and in place of Dir.
	Base string
	// Room, when not nil, has the room of all chosen files taken before the first
	// piece is fetched, where the system can do that. It is asked before with the
	// bytes that this needs; its error ends the torrent. Called once, by a worker.
	Room func(need int64) error
	// ReadOnly serves what is in Dir, downloads nothing and never writes.
	// Data of chosen files that is not complete ends the torrent with
	// ErrIncomplete.
	ReadOnly bool

	// SuperSeed is SetSuperSeed from the start.
	SuperSeed bool
	// Extensions are spoken besides the base protocol, 32 at most; each
	// belongs to this torrent from now on. Their order does not matter. Every
	// peer sees their names.
	Extensions []*Extension

	// MaxPeers is the number of connections; 0 means DefaultMaxPeers.
	MaxPeers int
	// MaxDials is the number of dials at a time; 0 means DefaultMaxDials.
	MaxDials int
	// UploadRate and DownloadRate are bytes a second, over all peers;
	// 0 means no limit. Values below 64 KiB make transfers bursty.
	UploadRate, DownloadRate int64
	// Upload and Download are bounds to share with others and to change, in
	// place of the two above; nil means these.
	Upload, Download *Rate

	// Budget and Slots bound the memory and the streams of all torrents that
	// are given the same ones. Nil means one of the default size for this
	// torrent alone.
	Budget *Budget
	Slots  *Slots

	// OnPanic is told of a panic that was caught in our own code, with its
	// stack, before the torrent ends. Nil means only the end tells.
	OnPanic func(value any, stack []byte)
	// seam is what tests of this package take the place of. Zero is nothing.
	seam seam

	// Log, nil for none. Nothing linkable is logged above debug.
	Log *slog.Logger
}

// seam lets a test repeat a run and look at every step of it.
type seam struct {
	dice *rand.Rand   // in place of a fresh one
	step func(*owner) // called by the owner after every event
	disk func()       // called by whoever is about to read or write data
}

func (s seam) peerID(look profile.Look) [20]byte {
	id := look.NewPeerID()
	for i := len(look.PeerIDPrefix); s.dice != nil && i < len(id); i++ {
		id[i] = byte(s.dice.Uint32())
	}
	return id
}

func (s seam) touchDisk() {
	if s.disk != nil {
		s.disk()
	}
}

// The ways a torrent ends besides faults of the disk, CheckInfo's error and
// leaks (anon.ErrLeak).
var (
	// ErrClosed: Close was called first.
	ErrClosed = errors.New("torrent closed")
	// ErrIncomplete: ReadOnly, but the data is missing or was changed.
	ErrIncomplete = errors.New("data is incomplete or was changed")
	// ErrInTheWay: a file that is not the torrent's has one of its names.
	ErrInTheWay = disk.ErrInTheWay

	// ErrContradiction: the torrent's v1 and v2 parts describe different data.
	ErrContradiction = errors.New("the torrent contradicts itself")

	errPanicked = errors.New("internal fault in the engine")
)

// Bounds for slow networks: a tunnel or circuit may take a minute to build and
// several seconds a round trip.
const (
	dialTime      = 120 * time.Second
	greetTime     = 75 * time.Second  // for all of a handshake, encrypted or not
	keepAlive     = 60 * time.Second  // half of what peers allow
	silence       = 150 * time.Second // then a peer is gone
	writeTime     = 120 * time.Second // for one write to get through
	tick          = 250 * time.Millisecond
	hashedRead    = 256 << 10
	maxGreeting   = 64 // inbound streams that have not said who they are
	inboundShare  = 3  // of MaxPeers, one part in this many is left for those who dial us
	outboundShare = 3  // and one for those we dial, while we lack anything
)

// complete checks the options, makes what they hold the torrent's own, and fills
// in defaults.
func complete(o *Options) error {
	if err := o.check(); err != nil {
		return err
	}
	o.Info, o.Layers = slices.Clone(o.Info), slices.Clone(o.Layers)
	o.Have = slices.Clone(o.Have)
	o.Extensions = slices.Clone(o.Extensions)
	if o.MaxPeers <= 0 {
		o.MaxPeers = DefaultMaxPeers
	}
	if o.MaxDials <= 0 {
		o.MaxDials = DefaultMaxDials
	}
	if o.Budget == nil {
		o.Budget = NewBudget(0)
	}
	if o.Slots == nil {
		o.Slots = NewSlots(0)
	}
	if o.Upload == nil && o.UploadRate > 0 {
		o.Upload = NewRate(o.UploadRate)
	}
	if o.Download == nil && o.DownloadRate > 0 {
		o.Download = NewRate(o.DownloadRate)
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return nil
}

// check returns what is wrong with the options.
func (o *Options) check() error {
	switch {
	case o.Endpoint == nil:
		return errors.New("no endpoint")
	case o.Look.Network == 0 || o.Look.Network != o.Endpoint.Addr().On():
		return &anon.LeakError{Op: "open torrent", Want: o.Endpoint.Addr().On().String(), Got: o.Look.Network.String()}
	case o.InfoHash == [20]byte{}:
		return errors.New("no info hash")
	case o.Base != "" && !o.ReadOnly:
		return errors.New("a base is for reading only")
	case o.Dir == "" && o.Base == "":
		return errors.New("no data folder")
	case o.Have != nil && o.Info == nil:
		return errors.New("pieces of a torrent without metadata")
	case len(o.Info) > MaxInfo:
		return errors.New("info dictionary above 16 MiB")
	case o.Info != nil && !o.matches(o.Info):
		return errors.New("info dictionary does not match the info hash")
	}
	if len(o.Extensions) > maxExtensions || slices.Contains(o.Extensions, nil) {
		return errors.New("too many extensions, or a nil one")
	}
	_, err := register(o.Extensions)
	return err
}
