// Package bencode reads and writes bencoding (BEP 3), the notation of torrent
// files, tracker answers and peer extensions.
//
// It is strict, because two readers that understand one input differently are
// a way in: numbers have one spelling, dictionary keys ascend and do not
// repeat, nothing follows the value. It builds no tree and copies nothing, so
// that reading a hostile input costs no more memory than the input itself. It
// does no reflection; callers ask for the keys they know.
package bencode

import (
	"bytes"
	"fmt"
	"strconv"
)

// MaxDepth is how deep lists and dictionaries may nest. Nothing in use needs
// more than a folder tree's depth.
const MaxDepth = 100

// Error says what is wrong and at which byte. It does not repeat the input.
type Error struct {
	Offset  int
	Problem string
}

func (e *Error) Error() string {
	return fmt.Sprintf("bad bencoding at byte %d: %s", e.Offset, e.Problem)
}

// Parse checks all of b in one pass without allocating and returns the value
// in it. The Value aliases b, which must not change while it is in use. Errors
// are *Error. The caller bounds len(b).
func Parse(b []byte) (Value, error) {
	s := scanner{b: b}
	end, err := s.value(0, 0)
	if err != nil {
		return Value{}, err
	}
	if end != len(b) {
		return Value{}, &Error{end, "bytes after the end"}
	}
	return Value{b}, nil
}

type scanner struct{ b []byte }

// value checks the value that starts at pos and returns where it ends.
func (s *scanner) value(pos, depth int) (int, error) {
	if pos >= len(s.b) {
		return 0, &Error{pos, "ends too early"}
	}
	if depth > MaxDepth {
		return 0, &Error{pos, "nested too deeply"}
	}
	switch c := s.b[pos]; {
	case c == 'i':
		return s.integer(pos)
	case c == 'l':
		return s.list(pos, depth)
	case c == 'd':
		return s.dict(pos, depth)
	case c >= '0' && c <= '9':
		_, end, err := s.text(pos)
		return end, err
	}
	return 0, &Error{pos, "not a value"}
}

func (s *scanner) integer(pos int) (int, error) {
	const longest = len("-9223372036854775808")
	window := s.b[pos+1 : min(len(s.b), pos+2+longest)]
	n := bytes.IndexByte(window, 'e')
	if n < 0 {
		return 0, &Error{pos, "integer without an end or too long"}
	}
	v, err := strconv.ParseInt(string(window[:n]), 10, 64)
	if err != nil {
		return 0, &Error{pos, "not an integer of 64 bits"}
	}
	var spelling [longest]byte
	if !bytes.Equal(strconv.AppendInt(spelling[:0], v, 10), window[:n]) {
		return 0, &Error{pos, "integer in a second spelling"}
	}
	return pos + 1 + n + 1, nil
}

// text checks the byte string at pos and returns it and where it ends.
func (s *scanner) text(pos int) ([]byte, int, error) {
	const longest = len("9999999999")
	n, at := 0, pos
	for ; at < len(s.b) && s.b[at] >= '0' && s.b[at] <= '9'; at++ {
		if at-pos >= longest {
			return nil, 0, &Error{pos, "string length too long"}
		}
		n = n*10 + int(s.b[at]-'0')
	}
	switch {
	case at == pos || at >= len(s.b) || s.b[at] != ':':
		return nil, 0, &Error{pos, "not a string"}
	case s.b[pos] == '0' && at > pos+1:
		return nil, 0, &Error{pos, "string length in a second spelling"}
	case n < 0 || n > len(s.b)-at-1:
		return nil, 0, &Error{pos, "string longer than the input"}
	}
	end := at + 1 + n
	return s.b[at+1 : end], end, nil
}

func (s *scanner) list(pos, depth int) (int, error) {
	at := pos + 1
	for at < len(s.b) && s.b[at] != 'e' {
		end, err := s.value(at, depth+1)
		if err != nil {
			return 0, err
		}
		at = end
	}
	if at >= len(s.b) {
		return 0, &Error{pos, "list without an end"}
	}
	return at + 1, nil
}

func (s *scanner) dict(pos, depth int) (int, error) {
	var last []byte
	at := pos + 1
	for first := true; at < len(s.b) && s.b[at] != 'e'; first = false {
		key, end, err := s.text(at)
		if err != nil {
			return 0, err
		}
		if !first && bytes.Compare(last, key) >= 0 {
			return 0, &Error{at, "dictionary keys repeat or do not ascend"}
		}
		last = key
		if at, err = s.value(end, depth+1); err != nil {
			return 0, err
		}
	}
	if at >= len(s.b) {
		return 0, &Error{pos, "dictionary without an end"}
	}
	return at + 1, nil
}
