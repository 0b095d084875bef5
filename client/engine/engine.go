// Package engine moves the pieces of one torrent over one network, behind an
// interface that has nothing of the library it uses, so that another engine
// can stand here.
//
// It opens no socket, resolves no name, finds no peers by itself and talks to
// no tracker: streams come from a transport.Endpoint and addresses from the
// caller. It never touches the disk before the metadata has passed the
// caller's check. What it cannot refuse, because the library does it, is in
// the table of config.go.
//
// A panic in one of our own callbacks is caught, reported by Options.OnPanic
// and ends the torrent. A panic in a goroutine of the library cannot be
// caught: Go ends the process with exit code 2 and every torrent with it. That
// loses nothing that was verified, since the files are valid at every instant
// (see package disk), but whoever promises another exit code has to be the
// parent of this process.
//
// Start reading at Open.
package engine

import (
	"context"
	"crypto/sha1"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"github.com/anacrolix/torrent"

	"sotto/anon"
	"sotto/anon/profile"
	"sotto/client/engine/disk"
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
	// InfoHash is SHA-1 of the info dictionary.
	InfoHash [20]byte
	// Info is the bencoded info dictionary; nil for a magnet, then it is
	// fetched from peers. Open does not keep the slice.
	Info []byte
	// CheckInfo judges the dictionary, given or fetched, before any file is
	// touched: names, sizes, counts. An error ends the torrent with it. It
	// must not keep or change info. Nil accepts what the engine itself
	// accepts, which is every name that stays inside Dir.
	CheckInfo func(info []byte) error
	// Dir is the data folder. Data goes to Dir/name or Dir/name/…; nothing
	// else in Dir is touched.
	Dir string
	// ReadOnly serves what is in Dir, downloads nothing and never writes.
	// Data that is not complete ends the torrent with ErrIncomplete.
	ReadOnly bool

	// MaxPeers is the number of connections; 0 means DefaultMaxPeers.
	MaxPeers int
	// MaxDials is the number of dials at a time; 0 means DefaultMaxDials.
	MaxDials int
	// UploadRate and DownloadRate are bytes a second, over all peers;
	// 0 means no limit. Values below 64 KiB make transfers bursty.
	UploadRate, DownloadRate int64

	// OnPanic is told of a panic that was caught in our own code, with its
	// stack, before the torrent ends. Nil means only the end tells.
	OnPanic func(value any, stack []byte)
	// Log, nil for none. Nothing linkable is logged above debug.
	Log *slog.Logger

	peerID [20]byte
	tweak  func(*torrent.ClientConfig) // tests only
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

	errPanicked = errors.New("internal fault in the engine")
)

// Torrent is one torrent on one network. All methods may be called
// concurrently, also after Close.
type Torrent struct {
	opts  Options
	log   *slog.Logger
	book  *book
	door  *door
	hooks *hooks
	lib   *torrent.Client
	tor   *torrent.Torrent

	cancel context.CancelFunc
	gone   chan struct{} // closed when no goroutine of ours is left
	failed chan struct{}
	done   chan struct{}

	mu    sync.Mutex
	err   error
	info  []byte
	ready chan struct{} // closed when info is set
	data  *disk.Data
	last  Stats // when the library has been closed
	ended bool
}

// Open starts a torrent and returns at once: checking what is on disk,
// fetching metadata and everything else goes on behind. The caller must
// Close it. ctx bounds Open, not the torrent.
func Open(ctx context.Context, o Options) (*Torrent, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := o.complete(); err != nil {
		return nil, fmt.Errorf("open torrent: %w", err)
	}
	t := &Torrent{
		opts: o, log: o.Log, book: newBook(), hooks: newHooks(),
		gone: make(chan struct{}), failed: make(chan struct{}),
		done: make(chan struct{}), ready: make(chan struct{}),
	}
	t.door = newDoor(o.Endpoint, t.book, o.Log)
	t.door.hash = o.InfoHash
	t.door.plain = o.Look.Encryption == profile.Accept
	t.door.leak, t.door.guard = t.fail, t.guard
	t.hooks.guard, t.hooks.greeted = t.guard, t.greeted
	config, err := configure(locks(o, t.door, t.hooks))
	if err != nil {
		return nil, err
	}
	if o.tweak != nil {
		o.tweak(config)
	}
	if t.lib, err = torrent.NewClient(config); err != nil {
		return nil, fmt.Errorf("open torrent: %w", err)
	}
	t.tor, _ = t.lib.AddTorrentOpt(torrent.AddTorrentOpts{InfoHash: o.InfoHash, DeferStorageOpen: true})
	if o.ReadOnly {
		t.tor.DisallowDataDownload()
	}
	t.lib.AddDialer(t.door)
	t.lib.AddListener(t.door)
	run, cancel := context.WithCancel(context.Background())
	t.cancel = cancel
	go t.run(run)
	return t, nil
}

func (o *Options) complete() error {
	switch {
	case o.Endpoint == nil:
		return errors.New("no endpoint")
	case o.Look.Network == 0 || o.Look.Network != o.Endpoint.Addr().On():
		return &anon.LeakError{Op: "open torrent", Want: o.Endpoint.Addr().On().String(), Got: o.Look.Network.String()}
	case o.InfoHash == [20]byte{}:
		return errors.New("no info hash")
	case o.Dir == "":
		return errors.New("no data folder")
	case len(o.Info) > MaxInfo:
		return errors.New("info dictionary above 16 MiB")
	case o.Info != nil && sha1.Sum(o.Info) != o.InfoHash:
		return errors.New("info dictionary does not match the info hash")
	}
	o.Info = slices.Clone(o.Info)
	if o.MaxPeers <= 0 {
		o.MaxPeers = DefaultMaxPeers
	}
	if o.MaxDials <= 0 {
		o.MaxDials = DefaultMaxDials
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	o.peerID = o.Look.NewPeerID()
	return nil
}

// AddPeers tells of peers to dial and returns how many were new or are worth
// another try. Addresses of other networks, our own, and unknown ones are
// dropped. At most 4096 are remembered.
func (t *Torrent) AddPeers(peers []anon.Addr) int {
	self := t.opts.Endpoint.Addr()
	now := time.Now()
	var offers []synthetic
	for _, a := range peers {
		if a.On() != self.On() || a.IsUnknown() || a == self {
			continue
		}
		if fake, offer := t.book.learn(a, now); offer {
			offers = append(offers, fake)
		}
	}
	t.offer(offers)
	return len(offers)
}

func (t *Torrent) offer(fakes []synthetic) {
	infos := make([]torrent.PeerInfo, len(fakes))
	for i, f := range fakes {
		infos[i] = torrent.PeerInfo{Addr: f, Source: torrent.PeerSourceDirect}
	}
	t.tor.AddPeers(infos)
}

// Info waits for the info dictionary. The slice is the caller's. The error is
// ctx's or what ended the torrent.
func (t *Torrent) Info(ctx context.Context) ([]byte, error) {
	select {
	case <-t.ready:
	default:
		select {
		case <-t.ready:
		case <-t.failed:
			return nil, t.Err()
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return slices.Clone(t.info), nil
}

// Done is closed once every byte is verified and every file has its name.
// The torrent goes on serving until Close.
func (t *Torrent) Done() <-chan struct{} { return t.done }

// Failed is closed when the torrent has ended by itself or by Close; Err says
// why. It then neither dials nor accepts; Close is still needed.
func (t *Torrent) Failed() <-chan struct{} { return t.failed }

// Err returns why the torrent ended: nil while it has not, ErrClosed after
// Close.
func (t *Torrent) Err() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.err
}

// Close stops the torrent, closes its connections, syncs its data and waits
// for all of it. Idempotent. The error is what the disk said, or nil.
func (t *Torrent) Close() error {
	t.fail(ErrClosed)
	t.cancel()
	<-t.gone
	if data := t.storage(); data != nil {
		return data.Close()
	}
	return nil
}

// fail records the first reason for the end. It may be called from anywhere,
// also under the library's lock.
func (t *Torrent) fail(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.err == nil {
		t.err = err
		close(t.failed)
	}
}

// guard is deferred by everything of ours that the library calls.
func (t *Torrent) guard(op string) {
	v := recover()
	if v == nil {
		return
	}
	t.log.Error("internal fault; the torrent ends", "in", op)
	if t.opts.OnPanic != nil {
		t.opts.OnPanic(v, debug.Stack())
	}
	t.fail(fmt.Errorf("%w: in %s", errPanicked, op))
}

func (t *Torrent) greeted(remote any, ih [20]byte) {
	if ih == t.opts.InfoHash {
		t.door.greeted(remote)
	}
}

func (t *Torrent) storage() *disk.Data {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.data
}
