// Package library keeps many torrents: which of them run, when and how fast,
// where their files lie, and what of that survives a restart.
//
// One goroutine, the owner, has all of its state and is the complete list of
// what can happen to it: see owner.run and the reports of its workers. Torrents
// are plain values of the owner's; what runs is a swarm.Swarm for each network
// that a torrent is on.
//
// It refuses to believe a piece that was not hashed in this run, or in a file
// that somebody has written to since; to fetch into a folder that has gone, as
// if nothing had been there; to go on writing to a disk that is nearly full; to
// tell one network what it learnt on another; and to show a number that nobody
// knows. It opens no socket and names no concrete network.
//
// Start reading at owner.run.
package library

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"sotto/anon"
	"sotto/client/engine"
	"sotto/client/health"
	"sotto/client/store"
	"sotto/transport"
)

// ErrClosed: Run has returned.
var ErrClosed = errors.New("the library is closed")

// Options of a Library.
type Options struct {
	// Transports are the networks that may be used, the preferred one first,
	// each behind a guard. The Library does not close them.
	Transports []transport.Transport
	// Shared are the networks on which torrents live at one address, since
	// addresses are dear there, or at a few: see Tune. On others each has
	// its own. Torrents at one address are known to be one user's.
	Shared []anon.Network
	// Label names the presence on a network that is for a torrent, by its info
	// hash, or for the group of that name where addresses are shared, and says
	// whether the user shares there. The same
	// name twice is the same presence: whoever holds one for an engine that was
	// killed knows it again. Nil makes up a new one each time.
	Label func(n anon.Network, of string) string
	// Streams is the most that may be open at a time, whatever the settings say;
	// 0 is no bound but theirs.
	Streams int
	// Store keeps everything. The Library uses it until Run returns and does
	// not close it; nobody else writes to it meanwhile.
	Store *store.Store
	// Folder is where downloads go until a setting says otherwise: absolute.
	Folder string
	// Watch is an absolute folder whose torrent files and .magnet files are
	// added; "" for none.
	Watch string
	// Reserve is how many bytes of a disk downloads leave free; 0 means
	// DefaultReserve.
	Reserve int64
	// Preallocate has the room of a download taken when it begins, if that leaves
	// Reserve free, instead of as it grows. Not all file systems can.
	Preallocate bool
	// Budget bounds the memory that strangers can fill; nil means one of the
	// default size.
	Budget *engine.Budget
	// Space returns what is free and what there is in all on the file system of
	// a folder, in bytes. Nil asks the system.
	Space func(folder string) (free, total int64, err error)
	// Board is told what is wrong, and may be told by others of what the Library
	// cannot see, such as health.Unconfined. Nil means one of the Library's own.
	Board *health.Board
	// Log gets nothing linkable above debug. Nil discards.
	Log *slog.Logger
}

// DefaultReserve is how many bytes of a disk downloads leave free.
const DefaultReserve = 256 << 20

// Library is a collection of torrents. Its methods may be called concurrently.
// Until Run is called they wait; after it they return ErrClosed.
type Library struct {
	o    *owner
	asks chan func(*owner)
	gone chan struct{}

	mu      sync.Mutex
	changed chan struct{}
}

// Open reads what the store has. It starts nothing: Run does. The errors are the
// store's.
func Open(o Options) (*Library, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Reserve == 0 {
		o.Reserve = DefaultReserve
	}
	if o.Budget == nil {
		o.Budget = engine.NewBudget(0)
	}
	if o.Space == nil {
		o.Space = spaceOf
	}
	if o.Board == nil {
		o.Board = new(health.Board)
	}
	if o.Label == nil {
		o.Label = func(anon.Network, string) string { return anon.NewLabel() }
	}
	l := &Library{asks: make(chan func(*owner)), gone: make(chan struct{}), changed: make(chan struct{})}
	var err error
	l.o, err = newOwner(o, l.signal)
	return l, err
}

// Run runs the torrents until ctx is done; then it stops them, saves what is to
// be kept, and returns when every goroutine it started is gone: the error is the
// store's, if it could not save. Call it once.
func (l *Library) Run(ctx context.Context) error {
	defer close(l.gone)
	return l.o.live(ctx, l.asks)
}

// Health returns what the user should know now, what matters most first.
func (l *Library) Health() []health.Condition { return l.o.opts.Board.List(time.Now()) }

// Changed returns a channel that is closed when anything that the other methods
// would say is different from now.
func (l *Library) Changed() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.changed
}

func (l *Library) signal() {
	l.mu.Lock()
	defer l.mu.Unlock()
	close(l.changed)
	l.changed = make(chan struct{})
}

// ask has the owner run f, and returns its error. When ctx ends first f is not
// run at all.
func (l *Library) ask(ctx context.Context, f func(*owner) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	answer := make(chan error, 1)
	select {
	case l.asks <- func(o *owner) { answer <- f(o) }:
		return <-answer
	case <-ctx.Done():
		return ctx.Err()
	case <-l.gone:
		return ErrClosed
	}
}
