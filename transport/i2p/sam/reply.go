// Package sam speaks the client side of I2P's SAM protocol, versions 3.1 to
// 3.3, over connections that somebody else opened: it writes command lines and
// reads reply lines.
//
// It dials nothing, retries nothing and decides nothing about anonymity. It
// never takes a byte past a line's newline away from the stream that follows,
// never reads a line longer than its limit and never waits for one without a
// bound. The wire format is that of https://geti2p.net/en/docs/api/samv3.
// Start reading at Conn.
package sam

import (
	"errors"
	"fmt"
	"strings"

	"sotto/anon"
)

// Reply is one line from the router, taken apart: two words, then key=value
// pairs in any order. Unknown keys are kept and harm nothing.
type Reply struct {
	Topic string // "HELLO", "SESSION", "STREAM", "NAMING", "DEST", "PING"
	Verb  string // "REPLY", "STATUS"; for PING the rest of the line
	pairs map[string]string
}

// maxPairs bounds the keys of one line: real replies have at most five.
const maxPairs = 64

var errReplyForm = fmt.Errorf("not a sam reply: %w", anon.ErrProtocol)

// ParseReply reads a line without its newline. A value may be quoted, with \"
// and \\ inside the quotes; a key without "=" has the empty value; of a key
// that comes twice the first one counts. Control bytes are refused. The error
// is an anon.ErrProtocol and does not repeat the line.
func ParseReply(line string) (Reply, error) {
	line = strings.TrimSuffix(line, "\r")
	if strings.ContainsFunc(line, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return Reply{}, errReplyForm
	}
	topic, rest, _ := strings.Cut(line, " ")
	if !isWord(topic) {
		return Reply{}, errReplyForm
	}
	if topic == "PING" || topic == "PONG" {
		return Reply{Topic: topic, Verb: rest}, nil
	}
	verb, rest, _ := strings.Cut(rest, " ")
	if !isWord(verb) {
		return Reply{}, errReplyForm
	}
	pairs, err := parsePairs(rest)
	return Reply{Topic: topic, Verb: verb, pairs: pairs}, err
}

// isWord keeps other protocols out: SAM's leading words are capitals only.
func isWord(s string) bool {
	return s != "" && strings.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") == ""
}

func parsePairs(s string) (map[string]string, error) {
	pairs := make(map[string]string)
	for {
		s = strings.TrimLeft(s, " ")
		if s == "" {
			return pairs, nil
		}
		end := strings.IndexAny(s, "= ")
		if end == 0 || len(pairs) == maxPairs {
			return nil, errReplyForm
		}
		key, value := s, ""
		if end < 0 {
			s = ""
		} else if key = s[:end]; s[end] == ' ' {
			s = s[end:]
		} else {
			var ok bool
			if value, s, ok = parseValue(s[end+1:]); !ok {
				return nil, errReplyForm
			}
		}
		if _, twice := pairs[key]; !twice {
			pairs[key] = value
		}
	}
}

// parseValue takes one value off the front of s.
func parseValue(s string) (value, rest string, ok bool) {
	if !strings.HasPrefix(s, `"`) {
		value, rest, _ = strings.Cut(s, " ")
		return value, rest, true
	}
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '"':
			rest = s[i+1:]
			return b.String(), rest, rest == "" || rest[0] == ' '
		case '\\':
			if i++; i == len(s) {
				return "", "", false
			}
		}
		b.WriteByte(s[i])
	}
	return "", "", false
}

// Is reports whether the reply starts with these two words.
func (r Reply) Is(topic, verb string) bool { return r.Topic == topic && r.Verb == verb }

// Value returns the value of a key; "" when it is missing or empty.
func (r Reply) Value(key string) string { return r.pairs[key] }

// Err returns nil for RESULT=OK, otherwise a *ResultError, or an
// anon.ErrProtocol when there is no result.
func (r Reply) Err() error {
	switch result := r.Value("RESULT"); result {
	case "OK":
		return nil
	case "":
		return errReplyForm
	default:
		return &ResultError{Result: canonical(result), Message: r.Value("MESSAGE")}
	}
}

// The results that callers act on.
const (
	CantReachPeer    = "CANT_REACH_PEER"
	DuplicatedDest   = "DUPLICATED_DEST"
	DuplicatedID     = "DUPLICATED_ID"
	InvalidID        = "INVALID_ID"
	InvalidKey       = "INVALID_KEY"
	I2PError         = "I2P_ERROR"
	KeyNotFound      = "KEY_NOT_FOUND"
	LeaseSetNotFound = "LEASESET_NOT_FOUND"
	NoVersion        = "NOVERSION"
	PeerNotFound     = "PEER_NOT_FOUND"
	Timeout          = "TIMEOUT"
	otherResult      = "another result"
)

// canonical keeps a result to the words we know, so that error texts hold
// nothing of the router's choosing. Emissary spells two of them without the D.
func canonical(result string) string {
	switch result {
	case CantReachPeer, DuplicatedDest, DuplicatedID, InvalidID, InvalidKey, I2PError,
		KeyNotFound, LeaseSetNotFound, NoVersion, PeerNotFound, Timeout:
		return result
	case "DUPLICATE_ID":
		return DuplicatedID
	case "DUPLICATE_DEST":
		return DuplicatedDest
	}
	return otherResult
}

// ResultError is the router's refusal of a command.
type ResultError struct {
	// Result is one of the constants above, or "another result".
	Result string
	// Message is the router's own text. It may name a destination, so it is
	// not part of Error and belongs in no log at info.
	Message string
}

func (e *ResultError) Error() string { return "the router answered " + e.Result }

// IsResult reports whether err is a ResultError with one of the given results.
func IsResult(err error, results ...string) bool {
	var re *ResultError
	if !errors.As(err, &re) {
		return false
	}
	for _, r := range results {
		if re.Result == r {
			return true
		}
	}
	return false
}
