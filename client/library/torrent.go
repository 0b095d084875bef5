package library

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"sotto/anon"
	"sotto/client/api/rpc"
	"sotto/client/engine"
	"sotto/client/engine/wire"
	"sotto/client/metainfo"
	"sotto/client/store"
)

// job is what a torrent's one worker beside its lanes is doing.
type job uint8

const (
	idle job = iota
	hashing
	moving
)

// torrent is one torrent of the owner's. It is a value without behaviour of its
// own: what happens to it is decided in arrange.
type torrent struct {
	id     int64
	rec    store.Torrent
	own    own
	link   *metainfo.Link // without the metadata
	info   *metainfo.Info // nil until it is known
	spans  []store.Span   // of the files, with info
	resume *store.Resume  // as saved; nil for none
	totals map[anon.Network]store.Totals

	job      job
	admitted bool // may run now
	verify   bool // the user wants the files hashed
	known    bool // resume holds for the files as they are
	done     bool // all that is wanted is here
	lanes    []*lane
	closing  int
	abort    func()       // ends a first hashing; nil when there is none
	erased   bool         // its files are gone, and it is to be forgotten
	made     *built       // hashed, and not in the list under its hash yet
	gauge    atomic.Int64 // pieces settled and in all, while hashing
	have     []int64      // verified bytes by file, with info
	valid    int64

	fault   fault
	away    bool      // it is that a router does not answer
	retry   time.Time // not before
	backoff time.Duration

	up, down             *engine.Rate
	started, active, fed time.Time // fed: payload moved last, while running
	edited               time.Time
	timed                time.Duration // of running, as it was saved
	rateUp, rateDown     int64
}

// fault is what keeps a torrent from running.
type fault struct {
	kind rpc.Fault
	text string
}

// put saves torrents, all or none.
func (o *owner) put(ts ...*torrent) error {
	recs := make([]store.Torrent, 0, len(ts))
	for _, t := range ts {
		recs = append(recs, t.record())
	}
	o.changed()
	return o.opts.Store.Put(recs...)
}

// relink reads the link, with the trackers that the user gave it.
func (t *torrent) relink() error {
	link, err := metainfo.ParseMagnet(t.rec.Magnet)
	if err != nil {
		return fmt.Errorf("%w: %w", store.ErrDamaged, err)
	}
	if t.rec.V2 == [32]byte{} { // of an adopted download the link alone knows it
		t.rec.V2 = link.V2Hash
	}
	link.V2Hash = t.rec.V2
	if t.own.Tiered {
		link.Trackers = nil
		for _, tier := range t.own.Tiers {
			for _, u := range tier {
				if tr, err := metainfo.ParseTracker(u); err == nil {
					link.Trackers = append(link.Trackers, tr)
				}
			}
		}
	}
	t.link = link
	return nil
}

// inform takes the metadata in.
func (t *torrent) inform(info *metainfo.Info) {
	t.info, t.spans = info, spansOf(info)
	t.count(nil)
	if t.resume != nil {
		t.count(t.resume.Pieces)
	}
}

// spansOf are where the files lie.
func spansOf(info *metainfo.Info) []store.Span {
	spans := make([]store.Span, len(info.Files))
	for i, at := range info.Offsets() {
		spans[i] = store.Span{Offset: at, Length: info.Files[i].Length, Pad: info.Files[i].Pad}
	}
	return spans
}

// pieceLength is 0 until the metadata is here.
func (t *torrent) pieceLength() int64 {
	if t.info == nil {
		return 0
	}
	return t.info.PieceLength
}

func (t *torrent) layout() store.Layout {
	return store.Layout{PieceLength: t.info.PieceLength, Pieces: t.info.Pieces, Files: t.spans}
}

// count works out what good pieces mean for the files, and whether that is all
// that is wanted.
func (t *torrent) count(pieces []byte) {
	if t.info == nil {
		return
	}
	t.have, t.valid = make([]int64, len(t.spans)), 0
	good := wire.Bitfield(pieces)
	for i, s := range t.spans {
		if s.Length == 0 {
			continue
		}
		for p := s.Offset / t.info.PieceLength; p*t.info.PieceLength < s.Offset+s.Length; p++ {
			if good.Get(int(p)) {
				from, to := max(s.Offset, p*t.info.PieceLength), min(s.Offset+s.Length, (p+1)*t.info.PieceLength)
				t.have[i] += to - from
			}
		}
		if !s.Pad {
			t.valid += t.have[i]
		}
	}
	wanted, left := t.wanted()
	t.done = left == 0 && (wanted > 0 || t.valid > 0)
}

// wanted returns the bytes of the files that are not skipped, and those of them
// that are missing.
func (t *torrent) wanted() (size, left int64) {
	if t.info == nil {
		return 0, 0
	}
	for i, s := range t.spans {
		if !t.skipped(i) && !s.Pad {
			size += s.Length
			left += s.Length - t.have[i]
		}
	}
	return size, left
}

func (t *torrent) choice(i int) store.File {
	if i < len(t.rec.Files) {
		return t.rec.Files[i]
	}
	return store.File{}
}

func (t *torrent) skipped(i int) bool { return t.choice(i).Priority == store.Skip }

// path is where file i lies below the folder.
func (t *torrent) path(i int) string {
	if p := t.choice(i).Path; p != "" {
		return p
	}
	return t.info.Files[i].Path
}

func (t *torrent) paths() []string {
	out := make([]string, len(t.info.Files))
	for i := range out {
		out[i] = t.path(i)
	}
	return out
}

// visible are the numbers of the files that are no padding: remotes count those
// only.
func (t *torrent) visible() (out []int) {
	for i, f := range t.info.Files {
		if !f.Pad {
			out = append(out, i)
		}
	}
	return out
}

// priorities are the choices as the engine takes them.
func (t *torrent) priorities(n int) []engine.Priority {
	out := make([]engine.Priority, n)
	for i := range out {
		switch t.choice(i).Priority {
		case store.Skip:
			out[i] = engine.Skip
		case store.Low:
			out[i] = engine.Low
		case store.High:
			out[i] = engine.High
		default:
			out[i] = engine.Normal
		}
	}
	return out
}

// dir is where the data is now.
func (t *torrent) dir() string {
	if t.rec.Unfinished != "" {
		return t.rec.Unfinished
	}
	return t.rec.Dir
}

func (t *torrent) name() string {
	switch {
	case t.rec.Name != "":
		return t.rec.Name
	case t.info != nil:
		return t.info.Name
	case t.link.Name != "":
		return t.link.Name
	}
	return t.hash()
}

// hash is "" while nobody knows it.
func (t *torrent) hash() string {
	if t.unbuilt() {
		return ""
	}
	id := t.rec.ID()
	return hex.EncodeToString(id[:])
}

func (t *torrent) subject() string { return "torrent " + t.rec.ID().String() }

// busy: somebody else than arrange has it in hand.
func (t *torrent) busy() bool { return t.job != idle || t.closing > 0 }

// namesOf are the names that the files may have; info is known.
func namesOf(t *torrent) (engine.Names, error) { return engine.NamesOf(t.info, t.paths()) }

func notThere(err error) bool { return errors.Is(err, fs.ErrNotExist) }

// cleanName reports whether name can be an element of a path of a torrent.
func cleanName(name string) bool {
	return name != "" && name != "." && name != ".." && len(name) <= 240 && !strings.ContainsAny(name, "/\\\x00") &&
		!slices.ContainsFunc([]rune(name), func(r rune) bool { return r < ' ' })
}
