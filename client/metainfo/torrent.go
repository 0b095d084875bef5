package metainfo

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"sotto/client/bencode"
)

// IsPath reports whether Open would take arg for the path of a file.
func IsPath(arg string) bool {
	scheme, _, ok := strings.Cut(arg, "://")
	return !isMagnet(arg) && !(ok && !strings.ContainsAny(scheme, "/."))
}

func isMagnet(arg string) bool {
	return len(arg) >= len("magnet:") && strings.EqualFold(arg[:len("magnet:")], "magnet:")
}

// Open reads what a user names on the command line: a magnet link, or the path
// of a torrent file, which must be a regular file of at most MaxSize bytes.
// Addresses of the web are refused: there is nothing to fetch them through.
func Open(arg string) (*Link, error) {
	if isMagnet(arg) {
		return ParseMagnet(arg)
	}
	if scheme, _, ok := strings.Cut(arg, "://"); ok && !strings.ContainsAny(scheme, "/.") {
		return nil, fmt.Errorf("%s:// addresses are not fetched: give a magnet link or a torrent file", Printable(scheme, 16))
	}
	b, err := readFile(arg)
	if err != nil {
		return nil, fmt.Errorf("read torrent file: %w", err)
	}
	return ParseTorrent(b)
}

func readFile(path string) ([]byte, error) {
	// Asked before opening: opening a pipe would wait for its writer.
	if fi, err := os.Stat(path); err != nil {
		return nil, err
	} else if !fi.Mode().IsRegular() {
		return nil, errors.New("not a regular file")
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, MaxSize+1))
}

func fileError(problem string) error { return &Error{In: "torrent file", Problem: problem} }

// ParseTorrent reads a torrent file (BEP 3, 12, 19, 52). Only the info
// dictionary, the piece layers, announce, announce-list and url-list are used;
// what else would make a client contact somebody ends up in Ignored. The Link
// keeps a part of b, which must not change any more. Errors are *Error.
func ParseTorrent(b []byte) (*Link, error) {
	if len(b) > MaxSize {
		return nil, fileError("larger than 16 MiB")
	}
	root, err := bencode.Parse(b)
	if err != nil {
		return nil, fileError(err.Error())
	}
	info := root.Get("info")
	if info.Kind() != bencode.Dict {
		return nil, fileError("has no info dictionary")
	}
	l := &Link{}
	if err := l.setInfo(info.Raw()); err != nil {
		return nil, err
	}
	if err := l.readLayers(root.Get("piece layers")); err != nil {
		return nil, err
	}
	if b, ok := root.Get("announce").Bytes(); ok {
		l.addTracker(string(b))
	}
	for tier := range root.Get("announce-list").Items() {
		texts(tier, l.addTracker)
	}
	l.readRest(root)
	l.readRest(info) // some writers put them there, where they are hashed
	return l, nil
}

// readRest takes web seeds out of d and lists the other keys that would make
// another client talk to somebody.
func (l *Link) readRest(d bencode.Value) {
	for key, v := range d.Entries() {
		switch string(key) {
		case "url-list":
			texts(v, l.addWebSeed)
		case "httpseeds":
			texts(v, func(s string) { l.ignore(KindWebSeed, s, "web seeds of the old kind (BEP 17) are not supported") })
		case "nodes":
			for node := range v.Items() {
				l.ignore(KindNode, nodeText(node), "the DHT of the open internet is never used")
			}
		case "update-url":
			texts(v, func(s string) { l.ignore(KindUpdate, s, "torrents are not updated from the web") })
		}
	}
}

// nodeText spells a DHT node, a list of host and port (BEP 5).
func nodeText(node bencode.Value) string {
	var parts []string
	for item := range node.Items() {
		if b, ok := item.Bytes(); ok {
			parts = append(parts, string(b[:min(len(b), maxURL)]))
		} else if n, ok := item.Int(); ok {
			parts = append(parts, fmt.Sprint(n))
		}
		if len(parts) == 2 {
			break
		}
	}
	return strings.Join(parts, ":")
}

// texts calls f with v, when it is a string, or with the strings in a list.
func texts(v bencode.Value, f func(string)) {
	if b, ok := v.Bytes(); ok {
		f(string(b))
	}
	for item := range v.Items() {
		if b, ok := item.Bytes(); ok {
			f(string(b))
		}
	}
}

// Torrent returns l as a torrent file: the info dictionary with the piece
// layers that are known, the trackers and the web seeds, and nothing that tells
// when, where or with what it was made. Each tracker is
// a tier of its own, in order. It returns nil when l has no Info.
func (l *Link) Torrent() []byte {
	if l.Info == nil {
		return nil
	}
	b := []byte{'d'}
	if len(l.Trackers) > 0 {
		b = bencode.AppendString(b, "announce")
		b = bencode.AppendString(b, l.Trackers[0].URL)
	}
	if len(l.Trackers) > 1 {
		b = bencode.AppendString(b, "announce-list")
		b = append(b, 'l')
		for _, t := range l.Trackers {
			b = append(b, 'l')
			b = bencode.AppendString(b, t.URL)
			b = append(b, 'e')
		}
		b = append(b, 'e')
	}
	b = bencode.AppendString(b, "info")
	b = append(b, l.Info...)
	if l.Layers != nil {
		b = append(bencode.AppendString(b, "piece layers"), l.Layers...)
	}
	if len(l.WebSeeds) > 0 {
		b = bencode.AppendString(b, "url-list")
		b = append(b, 'l')
		for _, w := range l.WebSeeds {
			b = bencode.AppendString(b, w.URL)
		}
		b = append(b, 'e')
	}
	return append(b, 'e')
}
