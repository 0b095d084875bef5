// Package tracker asks a tracker inside an anonymising network for peers.
//
// It writes every byte of the request itself, over a connection of one
// transport.Endpoint: no proxy variables, cookies, kept connections, redirects
// or compression exist here. It tells nothing that is not in Request and in
// the network's profile, believes no address of another network, and knows no
// name service but the endpoint's own. Start reading at Tracker.Announce.
package tracker

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"sotto/anon"
	"sotto/anon/profile"
	"sotto/client/website"
	"sotto/transport"
)

const (
	// MaxBody is the longest answer read, in bytes: 200 peers in the wordiest
	// form fill a fifth of it.
	MaxBody = 128 << 10
	// maxHead bounds status line, headers and chunk framing of an answer.
	maxHead = 16 << 10
	// DefaultTimeout ends one announce, name look-up and dial included. A
	// fresh I2P stream or onion circuit may take a minute to answer.
	DefaultTimeout = 2 * time.Minute
)

// Tracker announces to one target as one identity. Announce may be called
// concurrently.
type Tracker struct {
	site *website.Site
	ep   transport.Endpoint
	look profile.Announce
}

// New returns a Tracker for target over ep. It talks to nobody. A target that
// is malformed is a *website.TargetError; target, endpoint and look of different
// networks are a *anon.LeakError.
func New(target website.Target, ep transport.Endpoint, look profile.Look) (*Tracker, error) {
	at, err := website.New(target, ep)
	if err != nil {
		return nil, fmt.Errorf("tracker: %w", err)
	}
	if n := ep.Addr().On(); look.Network != n {
		return nil, &anon.LeakError{Op: "announce", Want: n.String(), Got: look.Network.String()}
	}
	return &Tracker{site: at, ep: ep, look: look.Announce}, nil
}

// Announce sends one request and returns the answer. It ends within
// DefaultTimeout however slowly the tracker talks, and soon after ctx is done.
//
// The error is a *FailureError when the tracker refused, a *StatusError or
// *AnswerError when it answered nonsense, a *anon.LeakError when going on
// would have told or reached something wrong (never try again), and else what
// the endpoint reported (anon.ErrUnavailable, anon.ErrUnreachable) or the
// stream's or ctx's error.
func (t *Tracker) Announce(ctx context.Context, r Request) (Response, error) {
	ctx, cancel := context.WithTimeout(ctx, DefaultTimeout)
	defer cancel()
	me, err := ownAddress(t.ep, t.look)
	if err != nil {
		return Response{}, err
	}
	conn, err := t.site.Dial(ctx)
	if err != nil {
		return Response{}, fmt.Errorf("reach tracker: %w", err)
	}
	body, err := exchange(ctx, conn, build(t.site.Target, t.look, me, r))
	if err != nil {
		return Response{}, err
	}
	return parse(body, t.ep.Addr())
}

// exchange sends the request, returns the answer's body and closes conn. The
// deadline covers both ways: a tracker that drips bytes gains nothing.
func exchange(ctx context.Context, conn net.Conn, request []byte) ([]byte, error) {
	defer conn.Close()
	cut := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		conn.Close()
		close(cut)
	})
	defer func() {
		if !stop() {
			<-cut
		}
	}()
	if _, err := conn.Write(request); err != nil {
		return nil, ioError(ctx, "send announce", err)
	}
	body, err := readAnswer(conn)
	if err != nil {
		return nil, ioError(ctx, "read tracker answer", err)
	}
	return body, nil
}

// ioError prefers the reason the stream was cut for over the cut.
func ioError(ctx context.Context, verb string, err error) error {
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	return fmt.Errorf("%s: %w", verb, err)
}

// readAnswer reads one HTTP answer of bounded size.
func readAnswer(r io.Reader) ([]byte, error) {
	capped := &cappedReader{r: r, left: maxHead + MaxBody}
	resp, err := http.ReadResponse(bufio.NewReader(capped), nil)
	if err != nil {
		return nil, capped.explain(err)
	}
	// The body is not closed: that would read on to its end, however far.
	if resp.StatusCode != http.StatusOK {
		return nil, &StatusError{Code: resp.StatusCode}
	}
	if e := resp.Header.Get("Content-Encoding"); e != "" && e != "identity" {
		return nil, &AnswerError{"compressed, though we asked for plain"}
	}
	if resp.ContentLength > MaxBody {
		return nil, errTooLarge()
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, MaxBody+1))
	if err != nil {
		return nil, capped.explain(err)
	}
	if len(body) > MaxBody {
		return nil, errTooLarge()
	}
	return body, nil
}

func errTooLarge() error { return &AnswerError{"larger than any honest one"} }

// cappedReader reports an answer beyond its cap instead of ending it early,
// which could pass for a whole one.
type cappedReader struct {
	r    io.Reader
	left int
	err  error // the stream's own, other than io.EOF
}

func (c *cappedReader) Read(p []byte) (int, error) {
	if c.left <= 0 {
		c.err = errTooLarge()
		return 0, c.err
	}
	n, err := c.r.Read(p[:min(len(p), c.left)])
	c.left -= n
	if err != nil && err != io.EOF {
		c.err = err
	}
	return n, err
}

// explain returns what went wrong while reading an answer: the stream's error
// if it had one, else a sentence that repeats nothing of the answer, which
// net/http's errors do.
func (c *cappedReader) explain(err error) error {
	switch {
	case c.err != nil:
		return c.err
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return io.ErrUnexpectedEOF
	}
	return &AnswerError{"not an HTTP answer"}
}
