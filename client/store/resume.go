package store

import (
	"bytes"
	"io/fs"
)

// Resume says which pieces of a torrent were verified and on the disk, and how
// its files looked then.
//
// It must never claim a piece that the disk lacks, so it is made in this order:
// take the pieces that are verified and written; sync the files they lie in;
// take the stamps of the files; SaveProgress. A piece that is written meanwhile
// waits for the next time. After a crash a file that was written to since has
// another stamp, and its pieces are hashed again; those of all other files are
// not. On a clean stop nothing is.
type Resume struct {
	// Pieces is a bitfield as on the wire (BEP 3): the high bit of the first
	// byte is piece 0, spare bits are zero.
	Pieces []byte `json:"pieces"`
	// Files are the stamps of the torrent's files, in the order of the
	// metadata. A file that is not there has the zero Stamp.
	Files []Stamp `json:"files"`
}

// Stamp is how a file looked from outside. Two equal stamps mean that nobody
// wrote to the file in between, unless they took care to hide it, or did it
// within one tick of the file system's clock.
type Stamp struct {
	Size  int64  `json:"size"`
	Time  int64  `json:"time"`  // of the last change to its contents, Unix nanoseconds
	Inode uint64 `json:"inode"` // 0 where the system has none: a copy put back in its place has another
}

// StampOf returns the stamp of a file that has just been asked for. Nil is the
// zero Stamp.
func StampOf(info fs.FileInfo) Stamp {
	if info == nil {
		return Stamp{}
	}
	return Stamp{Size: info.Size(), Time: info.ModTime().UnixNano(), Inode: inode(info)}
}

// Layout is where the files of a torrent lie in its pieces.
type Layout struct {
	PieceLength int64  // bytes, more than 0
	Pieces      int    // how many
	Files       []Span // in the order of the metadata
}

// Span is a file in the bytes of a torrent.
type Span struct {
	Offset, Length int64 // bytes
	Pad            bool  // of zeros that no disk holds (BEP 47)
}

// Trusted returns, as a bitfield that the caller owns, the pieces that need not
// be hashed again, given how the files look now: those that were verified and
// of whose files each has the stamp it had then, and reaches to where the piece
// needs it. If r does not fit the layout, there are none.
func (r Resume) Trusted(l Layout, now []Stamp) []byte {
	none := make([]byte, (l.Pieces+7)/8)
	if len(r.Pieces) != len(none) || len(r.Files) != len(l.Files) || len(now) != len(l.Files) || l.PieceLength < 1 {
		return none
	}
	trusted := bytes.Clone(r.Pieces)
	for i := l.Pieces; i < 8*len(trusted); i++ {
		forget(trusted, i)
	}
	for i, f := range l.Files {
		if f.Pad || f.Length < 1 {
			continue
		}
		from := f.Offset // up to here the file is as it was
		if now[i] == r.Files[i] {
			from += min(now[i].Size, f.Length)
		}
		if from == f.Offset+f.Length {
			continue
		}
		for p := from / l.PieceLength; p <= (f.Offset+f.Length-1)/l.PieceLength && p < int64(l.Pieces); p++ {
			forget(trusted, int(p))
		}
	}
	return trusted
}

func forget(bits []byte, i int) { bits[i/8] &^= 0x80 >> (i % 8) }
