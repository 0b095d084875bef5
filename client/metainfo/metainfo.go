// Package metainfo reads and writes what users hand around: magnet links and
// torrent files. It keeps what can be used anonymously and says what it leaves
// aside, and why.
//
// It never touches the network and writes nothing to disk; only Open and Build
// read from it. Every file path it returns is safe to create below a folder,
// and everything in a Link is safe to print; paths and Info.Name need Printable
// first. Start reading at Link.
package metainfo

import (
	"errors"
	"fmt"
	"slices"

	"sotto/anon"
)

// Bounds on what a stranger can make us keep.
const (
	MaxSize        = 16 << 20  // bytes of a magnet link, a torrent file, an info dictionary
	MaxTrackers    = 64        // trackers of a Link
	MaxPeers       = 64        // peers of a Link
	MaxWebSeeds    = 8         // web seeds of a Link
	MaxFiles       = 100_000   // files of a torrent
	MaxPieceLength = 256 << 20 // bytes of a piece

	maxPerKind = 16   // Ignored entries of one kind
	maxURL     = 2048 // bytes of a tracker URL
	maxName    = 200  // runes of Link.Name
	maxText    = 80   // runes of Ignored.Text
)

// ErrHash is the error for an info dictionary that is not the one asked for.
var ErrHash = errors.New("the contents do not match the info hash")

// Error says which rule an input breaks. It repeats nothing of the input.
type Error struct {
	In      string // "magnet link", "torrent file" or "torrent contents"
	File    int    // the file at fault, counted from 1; 0 when it is no file's
	Problem string // in plain English
}

func (e *Error) Error() string {
	if e.File > 0 {
		return fmt.Sprintf("bad %s: file %d: %s", e.In, e.File, e.Problem)
	}
	return fmt.Sprintf("bad %s: %s", e.In, e.Problem)
}

// Link is what is known of a torrent before meeting anybody: which one it is,
// and whom to ask. Every text in it is fit to print.
type Link struct {
	// InfoHash is the torrent's name, for handshakes, trackers, records and
	// locks: the SHA-1 of the info dictionary, or the first 20 bytes of V2Hash
	// when that is all the link has.
	InfoHash [20]byte
	// V2Hash is the SHA-256 of the info dictionary (BEP 52); zero when the
	// torrent has no v2 part or a magnet link does not tell.
	V2Hash [32]byte
	// Name is the display name, already Printable; "" when none was given.
	Name string
	// Info is the info dictionary as it stood in the torrent file; nil for a
	// magnet link. Read it with ParseInfo.
	Info []byte
	// Layers are the hashes of the pieces of a torrent with a v2 part, as
	// Info.Trees reads them and checked by it; nil when they are not known.
	Layers []byte
	// Private torrents take peers from their trackers only. A magnet link
	// never says.
	Private bool
	// Files are the ones to fetch (BEP 53); nil when the link does not say,
	// which means all. A torrent file never says.
	Files Selection
	// Trackers are those that can be reached inside a network, without
	// repetitions, the file's preferred one first, at most MaxTrackers.
	Trackers []Tracker
	// Peers are addresses the link names, without repetitions, at most
	// MaxPeers.
	Peers []anon.Addr
	// WebSeeds are those inside a network, without repetitions, in the link's
	// order, at most MaxWebSeeds.
	WebSeeds []WebSeed
	// Ignored lists what is not used, at most 16 of a kind. More counts what
	// did not fit.
	Ignored []Ignored
	More    int
}

// Names returns the hashes by which swarms may know the torrent, InfoHash
// first: two for a hybrid that says so, else one.
func (l *Link) Names() [][20]byte {
	names := [][20]byte{l.InfoHash}
	if l.V2Hash != ([32]byte{}) && l.InfoHash != truncate(l.V2Hash) {
		names = append(names, truncate(l.V2Hash))
	}
	return names
}

// Kind is the sort of thing that was ignored.
type Kind string

// What a Link may ignore.
const (
	KindTracker   Kind = "tracker"
	KindPeer      Kind = "peer"
	KindWebSeed   Kind = "web seed"        // url-list, httpseeds, ws=
	KindSource    Kind = "metadata source" // xs=, as=, mt=
	KindNode      Kind = "DHT node"        // nodes
	KindUpdate    Kind = "update address"  // update-url
	KindSelection Kind = "file selection"  // so= that cannot be read
	KindParameter Kind = "parameter"       // unreadable parts of a magnet link
)

// Ignored is one thing that a link asks for and that will not happen.
type Ignored struct {
	Kind Kind
	Text string // the thing itself, shortened and Printable
	Why  string // in plain English
}

// FromInfo returns a Link for an info dictionary, without
// trackers and peers. It keeps info, which must not change any more. The errors
// are those of ParseInfo.
func FromInfo(info []byte) (*Link, error) {
	l := &Link{}
	if err := l.setInfo(info); err != nil {
		return nil, err
	}
	return l, nil
}

func (l *Link) setInfo(raw []byte) error {
	info, err := parseInfo(raw)
	if err != nil {
		return err
	}
	l.Info, l.InfoHash, l.V2Hash, l.Private = raw, info.Hash, info.V2Hash, info.Private
	l.Name = Printable(info.Name, maxName)
	return nil
}

// ignore notes something left aside; beyond the bound it only counts.
func (l *Link) ignore(kind Kind, text, why string) {
	same := 0
	for _, i := range l.Ignored {
		if i.Kind == kind {
			same++
		}
	}
	if same >= maxPerKind {
		l.More++
		return
	}
	l.Ignored = append(l.Ignored, Ignored{kind, Printable(text, maxText), why})
}

// addTracker keeps a usable tracker that is not there yet, or notes why not.
func (l *Link) addTracker(raw string) {
	if raw != "" {
		add(l, &l.Trackers, KindTracker, MaxTrackers, raw, ParseTracker)
	}
}

// addPeer keeps an address that is not there yet, or notes why not.
func (l *Link) addPeer(raw string) {
	add(l, &l.Peers, KindPeer, MaxPeers, raw, func(raw string) (anon.Addr, error) {
		a, err := anon.ParseAddr(raw)
		if err != nil {
			err = &Refusal{whyNotPeer(raw, err)}
		}
		return a, err
	})
}

// add puts what raw says into list, unless it is there already, or notes why
// not. Errors of read are *Refusal.
func add[T comparable](l *Link, list *[]T, kind Kind, most int, raw string, read func(string) (T, error)) {
	one, err := read(raw)
	var refused *Refusal
	switch {
	case errors.As(err, &refused):
		l.ignore(kind, raw, refused.Why)
	case slices.Contains(*list, one):
	case len(*list) == most:
		l.ignore(kind, raw, fmt.Sprintf("more than %d %ss", most, kind))
	default:
		*list = append(*list, one)
	}
}
