// Package engine moves the pieces of one torrent over one network.
//
// One goroutine, the owner, has all of a torrent's state and is the complete
// list of what can happen to it: see owner.run. Workers dial, greet, read,
// write, hash and save; each reports by channel and never touches the state.
// Which block to ask whom for, how many of them, and who may have ours is
// decided by plain values (packages pick, pace and choke) that the owner asks.
//
// It refuses to hold a lock around state, to keep a timer per request, to
// allocate what a stranger names before checking the number, to write or serve
// a byte that is not verified, and to open, resolve or listen on anything: all
// streams come from a transport.Endpoint, all addresses from the caller.
//
// Start reading at owner.run.
package engine

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"slices"
	"sync"

	"sotto/anon"
	"sotto/client/engine/disk"
)

// Torrent is one torrent on one network. All methods may be called
// concurrently, also after Close.
type Torrent struct {
	opts   Options
	log    *slog.Logger
	peerID [20]byte
	count  counters

	asks   chan func(*owner) // questions to the owner
	cancel context.CancelFunc
	gone   chan struct{} // closed when no goroutine of ours is left
	failed chan struct{}
	done   chan struct{}
	ready  chan struct{} // closed when info is set
	// layered is closed when every piece has a hash: with ready, unless the
	// piece layers have to be fetched.
	layered chan struct{}

	choosing sync.Mutex // held for one change of priorities at a time

	// What was still taken of the shared bounds when the last worker had gone:
	// 0, unless a path forgot to give it back. Set before gone is closed.
	forgotten int64

	mu   sync.Mutex
	err  error
	info []byte
	data *disk.Data
	last Stats // when the owner is gone
}

// Open starts a torrent and returns at once: checking what is on disk,
// fetching metadata and everything else goes on behind. The caller must
// Close it. ctx bounds Open, not the torrent.
func Open(ctx context.Context, opts Options) (*Torrent, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := complete(&opts); err != nil {
		return nil, fmt.Errorf("open torrent: %w", err)
	}
	sites, err := newWeb(opts)
	if err != nil {
		return nil, fmt.Errorf("open torrent: %w", err)
	}
	run, cancel := context.WithCancel(context.Background())
	t := &Torrent{
		opts: opts, log: opts.Log, peerID: opts.seam.peerID(opts.Look),
		asks: make(chan func(*owner)), cancel: cancel,
		gone: make(chan struct{}), failed: make(chan struct{}),
		done: make(chan struct{}), ready: make(chan struct{}),
		layered: make(chan struct{}),
	}
	if err := attach(t, opts.Extensions); err != nil {
		cancel()
		return nil, fmt.Errorf("open torrent: %w", err)
	}
	o := newOwner(t, run)
	o.web = sites
	go o.live()
	return t, nil
}

// AddPeers tells of peers to dial and returns how many were new or are worth
// another try. Addresses of other networks, our own, and unknown ones are
// dropped. At most 4096 are remembered. After the end it returns 0.
func (t *Torrent) AddPeers(peers []anon.Addr) (n int) {
	t.ask(func(o *owner) { n = o.learn(peers) })
	return n
}

// ask has the owner run f and waits for it; false when the owner is gone.
func (t *Torrent) ask(f func(*owner)) bool {
	answered := make(chan struct{})
	select {
	case t.asks <- func(o *owner) { defer close(answered); f(o) }:
		<-answered
		return true
	case <-t.gone:
		return false
	}
}

// Info waits for the info dictionary. The slice is the caller's. The error is
// ctx's or what ended the torrent.
func (t *Torrent) Info(ctx context.Context) ([]byte, error) {
	if err := t.await(ctx, t.ready); err != nil {
		return nil, err
	}
	return slices.Clone(t.info), nil
}

// Layers waits until every piece has a hash, and returns the piece layers as
// Options.Layers takes them, so that opening the torrent again needs no peer for
// them; nil for a torrent that needs none to be opened again. The slice is the
// caller's. The error is ctx's or what ended the torrent.
func (t *Torrent) Layers(ctx context.Context) ([]byte, error) {
	if err := t.await(ctx, t.layered); err != nil {
		return nil, err
	}
	var b []byte
	if !t.ask(func(o *owner) { b = o.content.layers() }) {
		return nil, t.Err()
	}
	return b, nil
}

// await waits for one of our channels, or the end.
func (t *Torrent) await(ctx context.Context, c <-chan struct{}) error {
	select {
	case <-c:
		return nil
	default:
	}
	select {
	case <-c:
		return nil
	case <-t.failed:
		return t.Err()
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Done is closed once every byte of the files that are not skipped is verified
// and each of them has its name. The torrent goes on serving until Close.
func (t *Torrent) Done() <-chan struct{} { return t.done }

// Failed is closed when the torrent has ended by itself or by Close; Err says
// why. It then neither dials nor accepts; Close is still needed.
func (t *Torrent) Failed() <-chan struct{} { return t.failed }

// Err returns why the torrent ended: nil while it has not, ErrClosed
// after Close.
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

// fail records the first reason for the end. It may be called from anywhere.
func (t *Torrent) fail(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.err == nil {
		t.err = err
		close(t.failed)
	}
}

// guard is deferred by every goroutine of ours.
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

func (t *Torrent) storage() *disk.Data {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.data
}
