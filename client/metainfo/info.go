package metainfo

import (
	"crypto/sha1"

	"sotto/client/bencode"
)

// Info is a checked info dictionary (BEP 3, 27, 47; the v1 part of BEP 52).
type Info struct {
	// Hash is the SHA-1 of the dictionary as it was read.
	Hash [20]byte
	// Name is the torrent's own name, valid as a file name; not Printable.
	Name string
	// Files in the order in which the pieces run through them; at least one.
	Files []File
	// PieceLength in bytes, the last piece being shorter.
	PieceLength int64
	// Pieces is their number, at least 1.
	Pieces int
	// Length is the sum of all files' lengths in bytes, padding included; at
	// least 1.
	Length int64
	// Private says that peers may come from the torrent's trackers only.
	Private bool
	// Hybrid says that the dictionary has a v2 part too; it was checked to
	// describe the same files.
	Hybrid bool
}

// ParseInfo checks an info dictionary and that it has the hash want: one from
// a torrent file, or from peers that nobody vouches for. It keeps nothing of
// raw. Errors are *Error, ErrHash or ErrV2Only.
func ParseInfo(raw []byte, want [20]byte) (*Info, error) {
	if len(raw) <= MaxSize && sha1.Sum(raw) != want {
		return nil, ErrHash
	}
	return parseInfo(raw)
}

func infoError(problem string) error { return &Error{In: "torrent contents", Problem: problem} }

func badFile(file int, problem string) error {
	return &Error{In: "torrent contents", File: file, Problem: problem}
}

func parseInfo(raw []byte) (*Info, error) {
	if len(raw) > MaxSize {
		return nil, infoError("larger than 16 MiB")
	}
	d, err := bencode.Parse(raw)
	if err != nil {
		return nil, infoError(err.Error())
	}
	if d.Kind() != bencode.Dict {
		return nil, infoError("not a dictionary")
	}
	if err := checkVersion(d); err != nil {
		return nil, err
	}
	in := &Info{Hash: sha1.Sum(raw)}
	for _, read := range []func(bencode.Value) error{
		in.readName, in.readPrivate, in.readFiles, in.readPieces, in.readTree,
	} {
		if err := read(d); err != nil {
			return nil, err
		}
	}
	return in, nil
}

// checkVersion refuses what has no v1 part (BEP 52).
func checkVersion(d bencode.Value) error {
	v := d.Get("meta version")
	if v.Kind() == bencode.None {
		return nil
	}
	n, ok := v.Int()
	switch {
	case !ok || n < 1 || n > 2:
		return infoError("a version that does not exist yet")
	case n == 2 && d.Get("pieces").Kind() == bencode.None:
		return ErrV2Only
	}
	return nil
}

// readName prefers the UTF-8 name some writers add next to one in an old
// character set, as the engine does: both must mean the same file.
func (in *Info) readName(d bencode.Value) error {
	b, ok := d.Get("name").Bytes()
	if !ok {
		return infoError("has no name")
	}
	if v := d.Get("name.utf-8"); v.Kind() != bencode.None {
		better, ok := v.Bytes()
		if !ok {
			return infoError("a name that is not a string")
		}
		if len(better) > 0 {
			b = better
		}
	}
	if why := whyNotName(string(b)); why != "" {
		return infoError(why)
	}
	in.Name = string(b)
	return nil
}

func (in *Info) readPrivate(d bencode.Value) error {
	v := d.Get("private")
	n, ok := v.Int()
	if !ok && v.Kind() != bencode.None {
		return infoError("private is not a number")
	}
	in.Private = n != 0
	return nil
}

func (in *Info) readPieces(d bencode.Value) error {
	n, ok := d.Get("piece length").Int()
	if !ok || n < 1 || n > MaxPieceLength {
		return infoError("a piece length that is not from 1 byte to 256 MiB")
	}
	hashes, ok := d.Get("pieces").Bytes()
	if !ok || len(hashes)%sha1.Size != 0 {
		return infoError("has no whole piece hashes")
	}
	in.PieceLength, in.Pieces = n, len(hashes)/sha1.Size
	if int64(in.Pieces) != (in.Length-1)/n+1 {
		return infoError("the number of pieces does not fit the length")
	}
	return nil
}
