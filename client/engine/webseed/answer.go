package webseed

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"sotto/anon"
)

// maxHead bounds the head of one answer, in bytes.
const maxHead = 16 << 10

var errUnread = errors.New("webseed: asked for more before all was read")

// StatusError is an answer without the bytes asked for. Redirects are among
// them and never followed: where they lead is the server's choice, not the
// user's.
type StatusError struct {
	Code int
	// File is which of NewLayout's files was asked for.
	File int
	// RetryAfter is when the server wants to be asked again; 0 when it did not
	// say. It is the server's word: bound it.
	RetryAfter time.Duration
}

func (e *StatusError) Error() string { return fmt.Sprintf("webseed answered with status %d", e.Code) }

// Missing reports that the file is not to be had there, now or later: as
// opposed to a server that is busy or broken.
func (e *StatusError) Missing() bool {
	switch e.Code {
	case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests:
		return false
	}
	return e.Code >= 300 && e.Code < 500
}

// AnswerError is an answer that breaks the rules: it cannot be a range of the
// file, and the server is not to be asked again. It repeats nothing of the
// answer and is an anon.ErrProtocol.
type AnswerError struct{ Problem string }

func (e *AnswerError) Error() string { return "answer of a webseed: " + e.Problem }

// Is makes errors.Is(err, anon.ErrProtocol) true.
func (e *AnswerError) Is(target error) bool { return target == anon.ErrProtocol }

// answer is what counts in the head of an answer.
type answer struct {
	status  int
	length  int64 // of the body; -1 when not told
	span    string
	coded   bool // the body is compressed or in chunks
	last    bool // the server hangs up afterwards
	retryIn time.Duration
}

// readAnswer reads one head (RFC 9112) and not a byte of the body.
func readAnswer(r *bufio.Reader) (answer, error) {
	head, err := readHead(r)
	if err != nil {
		return answer{}, err
	}
	resp, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(head)), nil)
	if err != nil || resp.ProtoMajor != 1 {
		return answer{}, &AnswerError{"not an HTTP answer"}
	}
	// The body is not closed: that would read on to its end.
	a := answer{
		status: resp.StatusCode, length: resp.ContentLength, last: resp.Close,
		span: resp.Header.Get("Content-Range"), coded: len(resp.TransferEncoding) > 0,
	}
	if e := resp.Header.Get("Content-Encoding"); e != "" && e != "identity" {
		a.coded = true
	}
	if n, err := strconv.ParseUint(resp.Header.Get("Retry-After"), 10, 31); err == nil {
		a.retryIn = time.Duration(n) * time.Second
	}
	return a, nil
}

// readHead reads up to the empty line and returns all of it.
func readHead(r *bufio.Reader) ([]byte, error) {
	var head []byte
	for {
		line, err := r.ReadSlice('\n')
		if errors.Is(err, bufio.ErrBufferFull) || len(head)+len(line) > maxHead {
			return nil, &AnswerError{"a head longer than any honest one"}
		}
		if err != nil {
			return nil, err
		}
		if head = append(head, line...); len(bytes.TrimRight(line, "\r\n")) == 0 {
			return head, nil
		}
	}
}

// check accepts the answer only if its body is exactly p: 206 with the range
// that was asked for, or 200 when that was the whole file.
func (a answer) check(l *Layout, p Part) error {
	switch {
	case a.status == http.StatusPartialContent:
		if !isSpan(a.span, p.from, p.size, l.files[p.file].Length) {
			return &AnswerError{"another range than was asked for"}
		}
	case a.status == http.StatusOK && l.whole(p):
	case a.status == http.StatusOK:
		return &AnswerError{"knows no ranges"}
	case a.status < 300:
		return &AnswerError{"a status that means nothing here"}
	default:
		return &StatusError{Code: a.status, File: l.number[p.file], RetryAfter: a.retryIn}
	}
	switch {
	case a.coded:
		return &AnswerError{"compressed or in chunks, though we asked for plain"}
	case a.length != p.size:
		return &AnswerError{"another length than was asked for"}
	}
	return nil
}

// isSpan reports whether a Content-Range is that of size bytes at from, in a
// file of the given length (RFC 9110, section 14.4).
func isSpan(span string, from, size, length int64) bool {
	rest, ok := strings.CutPrefix(span, fmt.Sprintf("bytes %d-%d/", from, from+size-1))
	return ok && (rest == "*" || rest == strconv.FormatInt(length, 10))
}
