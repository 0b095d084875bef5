package user

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"sotto/client/api/caller"
)

// Daemon is a running "sotto up".
type Daemon struct {
	*Process
	*caller.Caller        // closed when the process is gone
	Socket         string // where it answers
	Downloads      string // where it puts what is added
}

// answering is how long a daemon may take to answer, on however slow a machine.
const answering = 3 * time.Minute

// Up starts a daemon for the user and returns when it answers. It is killed when
// ctx is done. Unless the configuration names another folder, downloads go to
// the user's own.
func (u *User) Up(ctx context.Context, args ...string) (*Daemon, error) {
	downloads := filepath.Join(u.Dir, "downloads")
	if !slices.ContainsFunc(u.lines, func(s string) bool { return strings.HasPrefix(s, "download_dir") }) {
		if err := u.Configure("", fmt.Sprintf("download_dir = %q", downloads)); err != nil {
			return nil, err
		}
	}
	p, err := u.Start(ctx, append([]string{"up"}, args...)...)
	if err != nil {
		return nil, err
	}
	d := &Daemon{Process: p, Socket: filepath.Join(u.Dir, "state", "daemon.sock"), Downloads: downloads}
	d.Caller = caller.New(d.Socket)
	go func() {
		<-p.Ended()
		d.Close()
	}()
	limited, cancel := context.WithTimeout(ctx, answering)
	defer cancel()
	if _, err := p.Await(limited, Is("up")); err != nil {
		p.End()
		return nil, err
	}
	return d, nil
}

// Item is what Torrents tells of a torrent.
type Item struct {
	ID      int64   `json:"id"`
	Name    string  `json:"name"`
	Hash    string  `json:"hash_string"`
	Done    float64 `json:"percent_done"` // 0 to 1
	Have    int64   `json:"have_valid"`   // verified bytes
	Status  int     `json:"status"`
	Error   int     `json:"error"`
	Said    string  `json:"error_string"`
	Dir     string  `json:"download_dir"`
	Peers   int     `json:"peers_connected"`
	Missing int64   `json:"left_until_done"`
	Magnet  string  `json:"magnet_link"`
}

// Complete: every byte is verified, and every file has its name, which it gets a
// moment later.
func (it Item) Complete() bool { return it.Done == 1 && it.Status == seeding }

// seeding is the Transmission RPC's number.
const seeding = 6

// Add adds a magnet link and returns its torrent's id.
func (d *Daemon) Add(ctx context.Context, magnet string) (int64, error) {
	var added struct {
		New       Item `json:"torrent_added"`
		Duplicate Item `json:"torrent_duplicate"`
	}
	err := d.Call(ctx, "torrent_add", map[string]any{"filename": magnet}, &added)
	return max(added.New.ID, added.Duplicate.ID), err
}

// Until asks every so often, until ok accepts a torrent of that hash or ctx
// ends. A daemon that is between two engines is asked again.
func (d *Daemon) Until(ctx context.Context, hash string, ok func(Item) bool) (last Item, err error) {
	for {
		var list []Item
		list, err = caller.Torrents[Item](ctx, d.Caller, nil)
		for _, t := range list {
			if t.Hash != hash {
				continue
			}
			if last = t; ok(t) {
				return t, nil
			}
		}
		select {
		case <-time.After(100 * time.Millisecond):
		case <-d.Ended():
			return last, fmt.Errorf("the daemon has ended; %s", d.Said())
		case <-ctx.Done():
			return last, fmt.Errorf("%w, last seen %+v, last error %v; %s", ctx.Err(), last, err, d.Said())
		}
	}
}
