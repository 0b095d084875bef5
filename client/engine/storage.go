package engine

import (
	"context"
	"errors"
	"io"

	"github.com/anacrolix/torrent/metainfo"
	"github.com/anacrolix/torrent/storage"

	"sotto/client/engine/disk"
)

// noStorage stands where the library would otherwise keep files and a
// database in the current folder.
type noStorage struct{}

func (noStorage) OpenTorrent(context.Context, *metainfo.Info, metainfo.Hash) (storage.TorrentImpl, error) {
	return storage.TorrentImpl{}, errors.New("no storage but the torrent's own")
}

// layout translates an info dictionary into files and their places. A torrent
// of one file has it named by name alone; version 2 spells that as a tree of
// one entry (BEP 52). What is malformed becomes a name that disk refuses.
func layout(info *metainfo.Info) []disk.File {
	var files []disk.File
	name := info.BestName()
	for fi := range info.UpvertedFilesIter() {
		path := fi.BestPath()
		names := append([]string{name}, path...)
		switch {
		case info.HasV2() && len(path) == 1 && path[0] == name && info.FileTree.NumEntries() == 1:
			names = names[:1]
		case len(path) == 0 && (info.HasV2() || info.IsDir()):
			names = append(names, "")
		}
		files = append(files, disk.File{Path: names, Length: fi.Length, Offset: fi.TorrentOffset})
	}
	return files
}

// store is disk.Data in the library's words.
type store struct {
	data        *disk.Data
	pieceLength int64
	guard       func(op string)
}

func (s store) OpenTorrent(context.Context, *metainfo.Info, metainfo.Hash) (storage.TorrentImpl, error) {
	return storage.TorrentImpl{Piece: s.piece, Close: s.data.Close}, nil
}

func (s store) piece(p metainfo.Piece) storage.PieceImpl {
	return piece{s, p.Index(), p.Offset()}
}

type piece struct {
	store
	index  int
	offset int64
}

var _ interface {
	storage.PieceImpl
	io.WriterTo
} = piece{}

func (p piece) ReadAt(b []byte, off int64) (n int, err error) {
	defer p.guard("read")
	return p.data.ReadAt(b, p.offset+off)
}

func (p piece) WriteAt(b []byte, off int64) (n int, err error) {
	defer p.guard("write")
	err = errPanicked
	return p.data.WriteAt(b, p.offset+off)
}

// WriteTo feeds the whole piece to the hash. Bytes that are not on disk end
// it with io.EOF; the hash is then wrong, as it should be.
func (p piece) WriteTo(w io.Writer) (n int64, err error) {
	defer p.guard("hash")
	err = errPanicked
	length := p.data.PieceLength(p.index)
	buf := make([]byte, min(length, 256<<10))
	for n < length {
		m, err := p.data.ReadAt(buf[:min(int64(len(buf)), length-n)], p.offset+n)
		if m > 0 {
			k, werr := w.Write(buf[:m])
			n += int64(k)
			if werr != nil {
				return n, werr
			}
		}
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

func (p piece) MarkComplete() error {
	defer p.guard("mark")
	return p.data.Mark(p.index, true)
}

func (p piece) MarkNotComplete() error {
	defer p.guard("mark")
	return p.data.Mark(p.index, false)
}

func (p piece) Completion() storage.Completion {
	known, ok := p.data.State(p.index)
	return storage.Completion{Ok: known, Complete: ok}
}
