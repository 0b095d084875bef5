package tracker

import (
	"bytes"
	"strconv"
	"time"

	"github.com/anacrolix/torrent/bencode"

	"sotto/anon"
)

// Response is a tracker's answer after everything doubtful was taken out.
type Response struct {
	// Interval until the next announce, between MinInterval and MaxInterval.
	Interval time.Duration
	// Peers are of the tracker's own network, without ourselves and without
	// duplicates, at most MaxPeers. The slice is the caller's.
	Peers []anon.Addr
	// Complete and Incomplete count seeds and others, -1 when not told. The
	// tracker may lie.
	Complete, Incomplete int
	// Warning is the tracker's text, safe for terminals, "" when there is none.
	Warning string
	// Dropped counts the peers that are not in Peers, by reason.
	Dropped Dropped
}

// Dropped counts peers of an answer that were not used.
type Dropped struct {
	Foreign   int // an address of another network, an IP, a name, garbage
	Own       int // ourselves
	Duplicate int
	Surplus   int // beyond MaxPeers
}

const (
	// MaxPeers is how many peers of one answer are used.
	MaxPeers = 200
	// MinInterval keeps a tracker from making us hammer it. Trackers of small
	// fresh swarms ask for a minute; ours does.
	MinInterval = 30 * time.Second
	// DefaultInterval stands in for an interval that is missing or not positive.
	DefaultInterval = 15 * time.Minute
	// MaxInterval keeps a tracker from silencing us for good.
	MaxInterval = 8 * time.Hour
)

// answer has the keys we read, each still bencoded: a field of a surprising
// type spoils itself only.
type answer struct {
	Failure     bencode.Bytes `bencode:"failure reason"`
	RetryIn     bencode.Bytes `bencode:"retry in"`
	Warning     bencode.Bytes `bencode:"warning message"`
	Interval    bencode.Bytes `bencode:"interval"`
	MinInterval bencode.Bytes `bencode:"min interval"`
	Complete    bencode.Bytes `bencode:"complete"`
	Incomplete  bencode.Bytes `bencode:"incomplete"`
	Peers       bencode.Bytes `bencode:"peers"`
}

// decode reads one bencoded value of at most MaxBody bytes. Strings are
// bounded by what is there, nesting by MaxDepth. It is laxer than our own
// client/bencode, since nothing is hashed here and trackers are sloppy: many
// write keys out of order, some end with a line feed.
func decode(raw []byte, into any) error {
	d := bencode.NewDecoder(bytes.NewReader(raw))
	d.MaxStrLen = MaxBody
	d.MaxDepth = 8
	return d.Decode(into)
}

// parse reads the body of an answer given to the endpoint at self.
func parse(body []byte, self anon.Addr) (Response, error) {
	if len(body) > MaxBody {
		return Response{}, errTooLarge()
	}
	trimmed := bytes.TrimLeft(body, " \r\n\t")
	if len(trimmed) == 0 {
		return Response{}, &AnswerError{"empty"}
	}
	if trimmed[0] == '<' {
		return Response{}, &AnswerError{"a web page, no tracker is there"}
	}
	var a answer
	if trimmed[0] != 'd' || decode(trimmed, &a) != nil {
		return Response{}, &AnswerError{"not a bencoded dictionary"}
	}
	if reason, ok := text(a.Failure); ok {
		return Response{}, failure(reason, a.RetryIn)
	}
	resp := Response{
		Interval:   interval(max(number(a.Interval, 0), number(a.MinInterval, 0))),
		Complete:   count(a.Complete),
		Incomplete: count(a.Incomplete),
	}
	if w, ok := text(a.Warning); ok {
		resp.Warning = clean(w)
	}
	resp.Peers, resp.Dropped = peers(a.Peers, self)
	return resp, nil
}

// failure reads "retry in" by BEP 31: minutes, or "never".
func failure(reason string, retry bencode.Bytes) *FailureError {
	e := &FailureError{Reason: clean(reason), Permanent: permanent(reason)}
	if s, ok := text(retry); ok && s == "never" {
		e.Permanent = true
	}
	if minutes := number(retry, 0); minutes > 0 {
		e.RetryIn = MaxInterval
		if minutes < int64(MaxInterval/time.Minute) {
			e.RetryIn = time.Duration(minutes) * time.Minute
		}
	}
	return e
}

// interval clamps seconds as a tracker sent them.
func interval(seconds int64) time.Duration {
	switch {
	case seconds <= 0:
		return DefaultInterval
	case seconds >= int64(MaxInterval/time.Second):
		return MaxInterval
	}
	return max(MinInterval, time.Duration(seconds)*time.Second)
}

func count(raw bencode.Bytes) int {
	return int(min(max(number(raw, -1), -1), 1<<30))
}

// text returns the bytes of a bencoded string.
func text(raw bencode.Bytes) (string, bool) {
	head, rest, ok := bytes.Cut(raw, []byte(":"))
	if !ok || len(head) == 0 || head[0] < '0' || head[0] > '9' {
		return "", false
	}
	n, err := strconv.Atoi(string(head))
	if err != nil || n != len(rest) {
		return "", false
	}
	return string(rest), true
}

// number reads a bencoded integer, or one in a string as some trackers write
// it. Beyond int64 it saturates; what is no number is def.
func number(raw bencode.Bytes, def int64) int64 {
	s, ok := text(raw)
	if !ok {
		if len(raw) < 3 || raw[0] != 'i' {
			return def
		}
		s = string(raw[1 : len(raw)-1])
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil && n != 1<<63-1 && n != -1<<63 {
		return def
	}
	return n
}
