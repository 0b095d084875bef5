package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/anacrolix/torrent/metainfo"

	"sotto/client/engine/disk"
)

// maxPieceLength in bytes keeps the library's 32-bit sums from overflowing.
const maxPieceLength = 1 << 30

// tick is how often stalled peers are dropped and lost ones tried again.
const tick = 5 * time.Second

// run is the torrent's life. Every goroutine of ours is started here or by
// the library's calls into the door, and is gone when run returns.
func (t *Torrent) run(ctx context.Context) {
	defer close(t.gone)
	ctx, cancel := context.WithCancel(ctx)
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		t.watch(ctx)
	}()
	if err := t.work(ctx); err != nil && ctx.Err() == nil {
		t.fail(err)
	}
	select {
	case <-ctx.Done():
	case <-t.failed:
	}
	cancel()
	<-watched
	t.keepStats()
	// The library first: it notices that it is closed only when the door's
	// Accept returns, and would call it for ever otherwise.
	t.lib.Close()
	t.door.shut()
}

// work brings the torrent from nothing to done.
func (t *Torrent) work(ctx context.Context) error {
	defer t.guard("work")
	info, err := t.metadata(ctx)
	if err != nil {
		return err
	}
	if info.PieceLength > maxPieceLength {
		return errors.New("read metadata: pieces too long")
	}
	files := layout(info)
	if len(files) == 0 {
		return errors.New("read metadata: no files")
	}
	data, err := disk.Open(disk.Options{
		Dir: t.opts.Dir, Files: files, PieceLength: info.PieceLength,
		ReadOnly: t.opts.ReadOnly, OnError: t.fail,
	})
	if err != nil {
		return err
	}
	t.mu.Lock()
	t.data = data
	t.mu.Unlock()
	if got, want := data.Progress().Pieces, info.NumPieces(); got != want {
		return fmt.Errorf("read metadata: %d pieces for %d hashes", got, want)
	}
	// From here on the library owns data and closes it.
	if err := t.tor.OpenStorage(ctx, store{data, info.PieceLength, t.guard}); err != nil {
		return fmt.Errorf("open storage: %w", err)
	}
	// Nothing is asked for before all that is there has been checked: until
	// then a damaged file of ours looks like somebody else's.
	if err := t.await(ctx, data.Checked()); err != nil {
		return err
	}
	if t.opts.ReadOnly {
		if p := data.Progress(); p.Good < p.Pieces {
			return ErrIncomplete
		}
	} else {
		t.tor.DownloadAll()
	}
	t.offer(t.book.untried()) // while checking the library wants no peers
	if err := t.await(ctx, data.Done()); err != nil {
		return err
	}
	close(t.done)
	return nil
}

// metadata gets the info dictionary, checks it and makes it known.
func (t *Torrent) metadata(ctx context.Context) (*metainfo.Info, error) {
	if t.opts.Info != nil {
		if err := t.judge(t.opts.Info); err != nil {
			return nil, err
		}
		if err := t.tor.SetInfoBytes(t.opts.Info); err != nil {
			return nil, fmt.Errorf("read metadata: %w", err)
		}
	}
	if err := t.await(ctx, t.tor.GotInfo()); err != nil {
		return nil, err
	}
	raw := slices.Clone(t.tor.Metainfo().InfoBytes)
	if t.opts.Info == nil {
		if err := t.judge(raw); err != nil {
			return nil, err
		}
	}
	t.info = raw
	close(t.ready)
	return t.tor.Info(), nil
}

func (t *Torrent) judge(raw []byte) error {
	if t.opts.CheckInfo == nil {
		return nil
	}
	if err := t.opts.CheckInfo(slices.Clone(raw)); err != nil {
		return fmt.Errorf("check metadata: %w", err)
	}
	return nil
}

func (t *Torrent) await(ctx context.Context, c <-chan struct{}) error {
	select {
	case <-c:
		return nil
	case <-t.failed:
		return t.Err()
	case <-ctx.Done():
		return ctx.Err()
	}
}

// watch drops peers that hold requests and send nothing, and offers the
// library peers that went away: it forgets a peer after one dial, which on
// these networks says little, and nothing at all when our router was off.
func (t *Torrent) watch(ctx context.Context) {
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.failed:
			return
		case now := <-ticker.C:
			for _, p := range t.hooks.stalled(now) {
				p.Close()
			}
			if due := t.book.due(now); len(due) > 0 {
				t.offer(due)
			}
		}
	}
}

// IsFull reports whether err, from Err, means that the disk or a quota is
// full: free some space and open the torrent again.
func IsFull(err error) bool {
	return slices.ContainsFunc(fullErrors, func(e error) bool { return errors.Is(err, e) })
}
