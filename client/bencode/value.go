package bencode

import (
	"bytes"
	"iter"
	"strconv"
)

// Kind is what a Value is.
type Kind uint8

// The zero Kind is that of the zero Value: absent.
const (
	None Kind = iota
	Integer
	String
	List
	Dict
)

// Value is a checked piece of bencoding, made by Parse. The zero Value stands
// for a key that is not there: every accessor treats it as of the wrong kind.
// Values are read-only and may be shared between goroutines.
type Value struct{ raw []byte }

// Raw returns the bytes of the value as they stood in the input, which is what
// hashes are made over. They alias the input.
func (v Value) Raw() []byte { return v.raw }

// Kind returns what v is.
func (v Value) Kind() Kind {
	if len(v.raw) == 0 {
		return None
	}
	switch v.raw[0] {
	case 'i':
		return Integer
	case 'l':
		return List
	case 'd':
		return Dict
	}
	return String
}

// Int returns an integer, and whether v is one.
func (v Value) Int() (int64, bool) {
	if v.Kind() != Integer {
		return 0, false
	}
	n, err := strconv.ParseInt(string(v.raw[1:len(v.raw)-1]), 10, 64)
	return n, err == nil // never an error: Parse has read it before
}

// Bytes returns a string's bytes, which alias the input, and whether v is a
// string.
func (v Value) Bytes() ([]byte, bool) {
	if v.Kind() != String {
		return nil, false
	}
	return v.raw[bytes.IndexByte(v.raw, ':')+1:], true
}

// Items yields the items of a list in order; nothing for another kind.
func (v Value) Items() iter.Seq[Value] {
	return func(yield func(Value) bool) {
		if v.Kind() != List {
			return
		}
		for at := 1; at < len(v.raw)-1; {
			end := skip(v.raw, at)
			if !yield(Value{v.raw[at:end]}) {
				return
			}
			at = end
		}
	}
}

// Entries yields the keys and values of a dictionary in order; nothing for
// another kind. The keys alias the input.
func (v Value) Entries() iter.Seq2[[]byte, Value] {
	return func(yield func([]byte, Value) bool) {
		if v.Kind() != Dict {
			return
		}
		for at := 1; at < len(v.raw)-1; {
			start := skip(v.raw, at)
			key, _ := Value{v.raw[at:start]}.Bytes()
			end := skip(v.raw, start)
			if !yield(key, Value{v.raw[start:end]}) {
				return
			}
			at = end
		}
	}
}

// Get returns the value of a dictionary's key; the zero Value when v is no
// dictionary or lacks the key. Its time grows with the dictionary: to read
// many keys of a big one, range over Entries.
func (v Value) Get(key string) Value {
	for k, val := range v.Entries() {
		if string(k) >= key {
			if string(k) == key {
				return val
			}
			break // keys ascend
		}
	}
	return Value{}
}

// skip returns where the value at pos ends. b was checked by Parse: without
// that nothing here holds.
func skip(b []byte, pos int) int {
	for depth := 0; ; {
		switch c := b[pos]; c {
		case 'i':
			pos += bytes.IndexByte(b[pos:], 'e') + 1
		case 'l', 'd':
			depth++
			pos++
		case 'e':
			depth--
			pos++
		default:
			n := 0
			for ; b[pos] != ':'; pos++ {
				n = n*10 + int(b[pos]-'0')
			}
			pos += 1 + n
		}
		if depth == 0 {
			return pos
		}
	}
}

// AppendInt appends an integer to b and returns the longer slice. Together
// with AppendString and the bytes 'l', 'd' and 'e' it writes everything; the
// caller writes keys in ascending order.
func AppendInt(b []byte, n int64) []byte {
	b = append(b, 'i')
	b = strconv.AppendInt(b, n, 10)
	return append(b, 'e')
}

// AppendString appends a byte string to b and returns the longer slice.
func AppendString[T ~string | ~[]byte](b []byte, s T) []byte {
	b = strconv.AppendInt(b, int64(len(s)), 10)
	b = append(b, ':')
	return append(b, s...)
}
