package store

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"time"
	"unicode/utf8"

	"sotto/anon"
)

// ErrInvalid: a value that the store does not take. It is a mistake of the
// caller's.
var ErrInvalid = errors.New("not a record for the library")

// ID names a torrent: its v1 info hash, or, where it has none, the first 20
// bytes of its v2 info hash, which is what handshakes and announces carry
// (BEP 52).
type ID [20]byte

// String returns the ID in hexadecimal. It is linkable.
func (id ID) String() string { return hex.EncodeToString(id[:]) }

// Torrent is what the user has settled about a torrent, and where its data is.
type Torrent struct {
	// V1 and V2 are its info hashes; zero is none, but not both.
	V1 [20]byte `json:"-"`
	V2 [32]byte `json:"-"`
	// Magnet is the link without the metadata: name, trackers, peers.
	Magnet string `json:"magnet"`
	// Name is shown and stands for the metadata's; empty means the metadata's.
	Name string `json:"name,omitempty"`
	// Dir is the absolute folder of the data. It and all paths here are UTF-8.
	Dir string `json:"dir"`
	// Unfinished is the absolute folder of the data until it is complete;
	// empty means Dir.
	Unfinished string `json:"unfinished,omitempty"`
	// Labels are the user's, in the user's order.
	Labels []string `json:"labels,omitempty"`
	// Networks it runs on. None means the user's default.
	Networks []anon.Network `json:"-"`
	// Added and Done, in UTC, are cut down to the hour by Put: enough to sort
	// and show, and less of a diary. A zero Done means not complete.
	Added time.Time `json:"added,omitzero"`
	Done  time.Time `json:"done,omitzero"`
	// Files are the user's choices by number of the file in the metadata. Files
	// beyond the end of the slice have none.
	Files []File `json:"files,omitempty"`
	// Limits of this torrent alone.
	Limits Limits `json:"limits,omitzero"`
	// Queue is its place in the queue, from 0.
	Queue int `json:"queue"`
	// Want is what the user wants it to do.
	Want Want `json:"want,omitempty"`
	// Sequential asks for the pieces in order.
	Sequential bool `json:"sequential,omitempty"`
	// More is what the library keeps beside, in a form of its own that it
	// versions; valid JSON, at most MaxMore bytes, or nil.
	More json.RawMessage `json:"more,omitempty"`
}

// MaxMore bounds Torrent.More, in bytes.
const MaxMore = 8 << 20

// File is what the user chose for a file. The zero File is as in the metadata.
type File struct {
	Priority Priority `json:"priority,omitempty"`
	// Path is its new path in Dir, with slashes; empty means the metadata's.
	// Whoever uses it checks it as any foreign path.
	Path string `json:"path,omitempty"`
}

// Priority of a file. Zero is normal.
type Priority int8

// The priorities.
const (
	Skip   Priority = -2
	Low    Priority = -1
	Normal Priority = 0
	High   Priority = 1
)

// Limits of a torrent. Zero values are no limits of its own.
type Limits struct {
	Down     int64         `json:"down,omitempty"` // bytes a second
	Up       int64         `json:"up,omitempty"`   // bytes a second
	Peers    int           `json:"peers,omitempty"`
	Ratio    float64       `json:"ratio,omitempty"`     // seed until uploaded / size
	SeedTime time.Duration `json:"seed_time,omitempty"` // seed for so long
}

// Want is a state that a torrent shall be in. Zero is stopped.
type Want uint8

// What a torrent may be wanted to do.
const (
	Stopped Want = iota
	Queued       // run when its turn comes
	Forced       // run, whatever the queue says
)

// ID returns the torrent's name in the library.
func (t Torrent) ID() ID {
	if t.V1 != [20]byte{} {
		return t.V1
	}
	return ID(t.V2[:20])
}

// stored is a Torrent as it is encoded.
type stored struct {
	V1       []byte   `json:"v1,omitempty"`
	V2       []byte   `json:"v2,omitempty"`
	Networks []string `json:"networks,omitempty"`
	Torrent
}

func (t Torrent) encode() stored {
	e := stored{Torrent: t}
	if t.V1 != [20]byte{} {
		e.V1 = t.V1[:]
	}
	if t.V2 != [32]byte{} {
		e.V2 = t.V2[:]
	}
	for _, n := range t.Networks {
		e.Networks = append(e.Networks, n.String())
	}
	e.Added, e.Done = t.Added.UTC().Truncate(time.Hour), t.Done.UTC().Truncate(time.Hour)
	return e
}

func (e stored) torrent() (Torrent, error) {
	t := e.Torrent
	copy(t.V1[:], e.V1)
	copy(t.V2[:], e.V2)
	for _, name := range e.Networks {
		n, err := network(name)
		if err != nil {
			return Torrent{}, err
		}
		t.Networks = append(t.Networks, n)
	}
	if err := t.check(); err != nil {
		return Torrent{}, damaged("%v", err)
	}
	return t, nil
}

// check returns an ErrInvalid for what no torrent can be.
func (t Torrent) check() error {
	wrong := ""
	switch {
	case t.ID() == ID{}:
		wrong = "it has no info hash"
	case !filepath.IsAbs(t.Dir) || t.Unfinished != "" && !filepath.IsAbs(t.Unfinished):
		wrong = "its folder is not absolute"
	case !utf8.ValidString(t.Dir+t.Unfinished) || slices.ContainsFunc(t.Files, func(f File) bool { return !utf8.ValidString(f.Path) }):
		wrong = "a path is not UTF-8, and would be another one when read back"
	case len(t.More) > MaxMore || t.More != nil && !json.Valid(t.More):
		wrong = "what the library keeps beside is no JSON, or too long"
	case t.Want > Forced:
		wrong = "it is wanted in no known state"
	case slices.ContainsFunc(t.Files, func(f File) bool { return f.Priority < Skip || f.Priority > High }):
		wrong = "a file has no known priority"
	case slices.ContainsFunc(t.Networks, func(n anon.Network) bool { _, err := network(n.String()); return err != nil }):
		wrong = "it is on no known network"
	}
	if wrong != "" {
		return fmt.Errorf("%w: %s", ErrInvalid, wrong)
	}
	return nil
}

func network(name string) (anon.Network, error) {
	if name == anon.Memory.String() {
		return anon.Memory, nil // rehearsals have libraries, too
	}
	n, err := anon.ParseNetwork(name)
	if err != nil {
		return 0, damaged("%v", err)
	}
	return n, nil
}
