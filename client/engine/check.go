package engine

import (
	"context"
	"fmt"
	"io/fs"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"

	"sotto/client/engine/disk"
	"sotto/client/engine/wire"
	"sotto/client/metainfo"
)

// Names are the names below Dir that a torrent's files may have.
type Names = disk.Names

// NamesOf returns the names of a torrent's files, with Options.Paths in place
// of the dictionary's own, or nil for those.
func NamesOf(info *metainfo.Info, paths []string) (Names, error) {
	files, err := placed(info, paths)
	if err != nil {
		return Names{}, err
	}
	return disk.NamesOf(files, info.PieceLength)
}

// place asks the caller where the files are to be.
func (o *owner) place(info *metainfo.Info) ([]disk.File, error) {
	if o.opts.Paths == nil {
		return layout(info), nil
	}
	paths, err := o.opts.Paths(slices.Clone(info.Files))
	if err != nil {
		return nil, fmt.Errorf("name files: %w", err)
	}
	return placed(info, paths)
}

func placed(info *metainfo.Info, paths []string) ([]disk.File, error) {
	files := layout(info)
	if paths == nil {
		return files, nil
	}
	if len(paths) != len(files) {
		return nil, fmt.Errorf("name files: %d names for %d files", len(paths), len(files))
	}
	for i := range files {
		if !files[i].Pad {
			files[i].Path = strings.Split(paths[i], "/")
		}
	}
	return files, nil
}

// Checked is what Check found.
type Checked struct {
	// Pieces are the good ones, as a bitfield on the wire (BEP 3).
	Pieces []byte
	// Files are how each looks now, nil for one that is not there.
	Files []fs.FileInfo
	// Total and Verified bytes.
	Total, Verified int64
}

// Check reads what is on disk of a torrent and hashes it, on no network at all.
// Of Options it uses those about metadata and files; Info is needed. Pieces of
// Have are believed. Of the others those in unsure are read, nil for all, and the
// rest is taken for missing; both are bitfields on the wire (BEP 3). Progress, if
// not nil, is called often with the pieces that are settled and all there are, by
// several goroutines. Files that are whole get their names, as in Open. It ends
// soon after ctx is done, with its error.
func Check(ctx context.Context, opts Options, unsure []byte, progress func(done, total int)) (Checked, error) {
	if opts.Info == nil {
		return Checked{}, ErrNoInfo
	}
	if !opts.matches(opts.Info) {
		return Checked{}, fmt.Errorf("check data: %w", metainfo.ErrHash)
	}
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	have := wire.Bitfield(opts.Have)
	opts.Have = nil // check believes it in place of reading
	t := &Torrent{opts: opts, log: opts.Log, failed: make(chan struct{})}
	c, err := (&owner{Torrent: t}).openContent(opts.Info)
	if err != nil {
		return Checked{}, fmt.Errorf("check data: %w", err)
	}
	defer c.data.Close()
	if !c.info.V1 && len(c.forest.bare()) > 0 {
		return Checked{}, fmt.Errorf("check data: %w", ErrNoInfo)
	}
	var settled atomic.Int64
	err = t.each(ctx, c, func(piece int, buf []byte) (err error) {
		if believed := have.Get(piece); believed || unsure != nil && !wire.Bitfield(unsure).Get(piece) {
			err = c.data.Mark(piece, believed)
		} else {
			err = t.checkPiece(c, piece, buf)
		}
		if progress != nil {
			progress(int(settled.Add(1)), c.info.Pieces)
		}
		return err
	})
	if err == nil {
		err = t.Err() // of a panic
	}
	if err != nil {
		return Checked{}, fmt.Errorf("check data: %w", err)
	}
	p := c.data.Progress()
	out := Checked{Total: p.Total, Verified: p.Verified}
	if out.Pieces, out.Files, err = c.data.Safe(); err != nil {
		return Checked{}, fmt.Errorf("check data: %w", err)
	}
	return out, nil
}
