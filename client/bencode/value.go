package bencode

import (
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
	return n, err == nil
}

// Bytes returns a string's bytes, which alias the input, and whether v is a
// string.
func (v Value) Bytes() ([]byte, bool) {
	if v.Kind() != String {
		return nil, false
	}
	s := scanner{v.raw}
	b, _, err := s.text(0)
	return b, err == nil
}

// Items yields the items of a list in order; nothing for another kind.
func (v Value) Items() iter.Seq[Value] {
	return func(yield func(Value) bool) {
		if v.Kind() != List {
			return
		}
		s := scanner{v.raw}
		for at := 1; at < len(v.raw)-1; {
			end, err := s.value(at, 0)
			if err != nil || !yield(Value{v.raw[at:end]}) {
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
		s := scanner{v.raw}
		for at := 1; at < len(v.raw)-1; {
			key, start, err := s.text(at)
			if err != nil {
				return
			}
			end, err := s.value(start, 0)
			if err != nil || !yield(key, Value{v.raw[start:end]}) {
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
		if string(k) == key {
			return val
		}
	}
	return Value{}
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
