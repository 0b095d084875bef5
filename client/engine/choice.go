package engine

import (
	"errors"
	"fmt"
	"slices"
	"sort"
	"time"

	"sotto/client/engine/disk"
	"sotto/client/engine/pick"
	"sotto/client/metainfo"
)

// Priority of a file. Pieces that files share have the highest of theirs.
type Priority = pick.Priority

// The priorities, lowest first. A file with Skip is neither fetched nor made.
const (
	Skip   = pick.Skip
	Low    = pick.Low
	Normal = pick.Normal
	High   = pick.High
)

var (
	// ErrNoInfo: the info dictionary is not known yet.
	ErrNoInfo = errors.New("metadata is not known yet")
	// ErrNoFile: the torrent has no file of that number, or it is padding.
	ErrNoFile = errors.New("no such file in the torrent")
)

// FileStatus is where one file of the torrent stands.
type FileStatus struct {
	// Path below Dir, with "/" between names.
	Path string
	// Length and Verified bytes.
	Length, Verified int64
	Priority         Priority
	// Pad marks padding (BEP 47), which counts as a file and is none.
	Pad bool
	// Done: it is whole and under its own name.
	Done bool
}

// Files returns where each file stands, in the torrent's order, by which files
// are numbered from 0 (BEP 53). Nil while the info dictionary is not known and
// after the end. The slice is the caller's.
func (t *Torrent) Files() []FileStatus {
	var c *content
	var chosen []Priority
	t.ask(func(o *owner) { c, chosen = o.content, slices.Clone(o.priorities) })
	if c == nil {
		return nil
	}
	out := make([]FileStatus, len(chosen))
	for i, f := range c.data.Files() {
		of := c.info.Files[i]
		out[i] = FileStatus{of.Path, f.Length, f.Verified, chosen[i], of.Pad, f.Done}
	}
	return out
}

// Prioritize changes the priority of files while the torrent runs. What was
// verified of a file that is now skipped stays, on disk and for peers. Done
// stays closed when a torrent that was done is to fetch more. Errors: ErrNoInfo,
// ErrNoFile and then nothing was changed, what ended the torrent, or a fault of
// the disk, which ends it.
func (t *Torrent) Prioritize(to Priority, files ...int) error {
	t.choosing.Lock()
	defer t.choosing.Unlock()
	var c *content
	if !t.ask(func(o *owner) { c = o.content }) {
		return t.Err()
	}
	if c == nil {
		return ErrNoInfo
	}
	if to > High {
		return fmt.Errorf("prioritize: no priority %d", to)
	}
	for _, i := range files {
		if i < 0 || i >= len(c.files) || c.files[i].Pad {
			return ErrNoFile
		}
	}
	for _, i := range files {
		// The disk first: what is wanted has to find its place there.
		if err := c.data.SetWanted(i, to != Skip); err != nil {
			return fmt.Errorf("prioritize: %w", err)
		}
	}
	if !t.ask(func(o *owner) { o.prioritize(to, files) }) {
		return t.Err()
	}
	return nil
}

// SetSequential says whether pieces not begun yet are fetched in their order
// and not by rarity. That is worse for the swarm, and plays sooner.
func (t *Torrent) SetSequential(on bool) {
	t.ask(func(o *owner) {
		o.sequential = on
		if o.picker != nil {
			o.picker.SetSequential(on)
		}
	})
}

// choose asks the caller for the first priorities, one a file.
func (o *owner) choose(info *metainfo.Info) ([]Priority, error) {
	chosen := slices.Repeat([]Priority{Normal}, len(info.Files))
	if o.opts.Choose == nil {
		return chosen, nil
	}
	given, err := o.opts.Choose(slices.Clone(info.Files))
	if err != nil {
		return nil, fmt.Errorf("choose files: %w", err)
	}
	if len(given) != len(chosen) {
		return nil, errors.New("choose files: not one priority a file")
	}
	for i, p := range given {
		chosen[i] = min(p, High)
		if info.Files[i].Pad && i > 0 {
			chosen[i] = chosen[i-1] // as the disk has it
		}
	}
	return chosen, nil
}

// wanted says which files are not skipped.
func wanted(chosen []Priority) []bool {
	out := make([]bool, len(chosen))
	for i, p := range chosen {
		out[i] = p != Skip
	}
	return out
}

// span returns the pieces that a file lies in: first to end-1.
func (c *content) span(f disk.File) (first, end int) {
	if f.Length == 0 {
		return 0, 0
	}
	return int(f.Offset / c.info.PieceLength), int((f.Offset+f.Length-1)/c.info.PieceLength) + 1
}

// level is the highest priority of the files in a piece.
func (o *owner) level(piece int) (highest Priority) {
	begin := int64(piece) * o.content.info.PieceLength
	end := begin + o.content.info.PieceLength
	files := o.content.files
	first := sort.Search(len(files), func(i int) bool { return files[i].Offset+files[i].Length > begin })
	for i := first; i < len(files) && files[i].Offset < end; i++ {
		if files[i].Length > 0 {
			highest = max(highest, o.priorities[i])
		}
	}
	return highest
}

// prioritize takes in new priorities of files that were checked.
func (o *owner) prioritize(to Priority, files []int) {
	for _, i := range files {
		o.priorities[i] = to
		for i++; i < len(o.priorities) && o.content.files[i].Pad; i++ {
			o.priorities[i] = to
		}
	}
	if o.picker == nil {
		return
	}
	now := time.Now()
	for _, i := range files {
		last := i
		for last+1 < len(o.content.files) && o.content.files[last+1].Pad {
			last++
		}
		for ; i <= last; i++ {
			first, end := o.content.span(o.content.files[i])
			for piece := first; piece < end; piece++ {
				o.picker.SetPriority(piece, o.level(piece))
				o.abandon(piece, now)
			}
		}
	}
	o.rechosen(now)
}

// abandon gives up a piece that was begun and is not wanted any more.
func (o *owner) abandon(piece int, now time.Time) {
	void, ok := o.picker.Abandon(piece, nil)
	if !ok {
		return
	}
	if buf := o.pieces[uint32(piece)]; buf != nil {
		delete(o.pieces, uint32(piece))
		o.reuse(buf)
	}
	for _, c := range void {
		o.cancel(c, now)
	}
}

// rechosen does what follows from another choice of files.
func (o *owner) rechosen(now time.Time) {
	o.finish()
	for _, p := range slices.Clone(o.peers) {
		o.wants(p)
		o.partIfDone(p)
	}
	o.tellUploadOnly()
	for piece := range o.urgent { // what was skipped has none
		o.picker.ClearDeadline(piece)
	}
	clear(o.urgent)
	o.hasten(now)
	o.wakeReaders()
	o.hungry, o.chokes = true, true
	o.dial(now) // seeds are of use again when more is wanted
	o.clock.Reset(tick)
}
