package metainfo

import (
	"crypto/sha1"
	"crypto/sha256"

	"sotto/client/bencode"
	"sotto/client/engine/merkle"
)

// Info is a checked info dictionary (BEP 3, 27, 47, 52).
type Info struct {
	// Hash is the torrent's name: the SHA-1 of the dictionary as it was read,
	// or, for one without a v1 part, the first 20 bytes of V2Hash.
	Hash [20]byte
	// V2Hash is the dictionary's SHA-256, zero when it has no v2 part.
	V2Hash [32]byte
	// Name is the torrent's own name, valid as a file name; not Printable.
	Name string
	// Files in the order in which the pieces run through them; at least one.
	Files []File
	// PieceLength in bytes, the last piece being shorter.
	PieceLength int64
	// Pieces is their number, at least 1. Without a v1 part every file begins
	// a piece, and the last one of each is shorter.
	Pieces int
	// Length is the sum of all files' lengths in bytes, padding included; at
	// least 1.
	Length int64
	// Private says that peers may come from the torrent's trackers only.
	Private bool
	// V1 says that the dictionary has a v1 part, V2 that it has a v2 part. Of
	// a hybrid, which has both, they were checked to describe the same files
	// and pieces.
	V1, V2 bool
}

// Offsets returns where each of Files begins in the bytes that the pieces run
// through. Without a v1 part every file begins a piece (BEP 52).
func (in *Info) Offsets() []int64 {
	offsets := make([]int64, len(in.Files))
	var at int64
	for i, f := range in.Files {
		if !in.V1 && f.Length > 0 {
			at = (at + in.PieceLength - 1) / in.PieceLength * in.PieceLength
		}
		offsets[i] = at
		at += f.Length
	}
	return offsets
}

// ParseInfo checks an info dictionary and that it has the hash want, of v1 or
// the first 20 bytes of that of v2: one from a torrent file, or from peers that
// nobody vouches for. It keeps nothing of raw. Errors are *Error or ErrHash.
func ParseInfo(raw []byte, want [20]byte) (*Info, error) {
	if len(raw) > MaxSize {
		return nil, infoError("larger than 16 MiB")
	}
	short := truncate(sha256.Sum256(raw))
	if sha1.Sum(raw) != want && short != want {
		return nil, ErrHash
	}
	in, err := parseInfo(raw)
	if err != nil {
		return nil, err
	}
	if in.Hash != want && (!in.V2 || short != want) {
		return nil, ErrHash // a hash of the kind that this torrent does not go by
	}
	return in, nil
}

// truncate returns what stands for a v2 hash where there is room for a v1 hash
// only: in handshakes and at trackers (BEP 52).
func truncate(h [32]byte) [20]byte { return [20]byte(h[:20]) }

// Names returns the hashes by which swarms and peers know the torrent, Hash
// first: two for a hybrid, else one.
func (in *Info) Names() [][20]byte {
	names := [][20]byte{in.Hash}
	if in.V1 && in.V2 {
		names = append(names, truncate(in.V2Hash))
	}
	return names
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
	in := &Info{}
	read := []func(bencode.Value) error{in.readVersion, in.readName, in.readPrivate}
	for _, f := range read {
		if err := f(d); err != nil {
			return nil, err
		}
	}
	if in.V2 {
		in.V2Hash = sha256.Sum256(raw)
	}
	if !in.V1 {
		in.Hash = truncate(in.V2Hash)
		read = []func(bencode.Value) error{in.readPieceLength, in.readV2}
	} else {
		in.Hash = sha1.Sum(raw)
		read = []func(bencode.Value) error{in.readFiles, in.readPieceLength, in.readPieces, in.readTree}
	}
	for _, f := range read {
		if err := f(d); err != nil {
			return nil, err
		}
	}
	return in, nil
}

// readVersion finds out which parts there are (BEP 52).
func (in *Info) readVersion(d bencode.Value) error {
	in.V1 = true
	v := d.Get("meta version")
	if v.Kind() == bencode.None {
		return nil
	}
	n, ok := v.Int()
	if !ok || n < 1 || n > 2 {
		return infoError("a version that does not exist yet")
	}
	in.V2 = n == 2
	in.V1 = !in.V2 || d.Get("pieces").Kind() != bencode.None
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
	if why := whyNotTop(string(b)); why != "" {
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

func (in *Info) readPieceLength(d bencode.Value) error {
	n, ok := d.Get("piece length").Int()
	if !ok || n < 1 || n > MaxPieceLength {
		return infoError("a piece length that is not from 1 byte to 256 MiB")
	}
	if in.V2 && (n < merkle.BlockSize || n&(n-1) != 0) {
		return infoError("a piece length that v2 does not allow")
	}
	in.PieceLength = n
	return nil
}

func (in *Info) readPieces(d bencode.Value) error {
	hashes, ok := d.Get("pieces").Bytes()
	if !ok || len(hashes)%sha1.Size != 0 {
		return infoError("has no whole piece hashes")
	}
	in.Pieces = len(hashes) / sha1.Size
	if int64(in.Pieces) != (in.Length-1)/in.PieceLength+1 {
		return infoError("the number of pieces does not fit the length")
	}
	return nil
}
