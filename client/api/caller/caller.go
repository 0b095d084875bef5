// Package caller asks a running daemon over its unix socket: calls in the
// JSON-RPC 2.0 dialect of package rpc, and the stream of events.
//
// It takes the daemon for a stranger, since its engine reads what strangers
// wrote: answers are bounded in size and time, and a text in them steers no
// terminal when it is read into a Text. It starts no daemon and reaches nothing
// but the socket it is given. Start reading at Caller.Call.
package caller

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"reflect"
	"strings"
	"sync"
	"syscall"
	"time"

	"sotto/anon"
	"sotto/client/api/rpc"
	"sotto/client/metainfo"
)

const (
	// maxAnswer is in bytes; the daemon ends a list of answers at half of it.
	maxAnswer = 64 << 20
	// maxRefusal is how much of a refusal below the RPC is read, in bytes.
	maxRefusal = 4 << 10
	maxHead    = 16 << 10
	dialTime   = 5 * time.Second
	// callTime is for a whole call. The daemon gives the work 30 s, and a turn
	// to begin with it 20 s; one that starts its engine again needs some too.
	callTime = time.Minute

	address       = "http://localhost"
	sessionHeader = "X-Transmission-Session-Id"
	maxSession    = 256 // bytes of a session id
	maxSentence   = 300 // characters of a refusal
)

// ErrNotRunning: there is no socket, or nobody listens on it.
var ErrNotRunning = errors.New("the daemon is not running")

// StatusError is a refusal before the call was looked at: too many at once, or
// something at the socket that is no daemon of ours.
type StatusError struct {
	Status int    // of HTTP
	Text   string // what it says; printable, may be empty
}

func (e *StatusError) Error() string {
	return strings.TrimSuffix(fmt.Sprintf("the daemon refuses to listen: %d %s: %s", e.Status, http.StatusText(e.Status), e.Text), ": ")
}

// Caller is one who asks. All methods may be called concurrently. Close it.
type Caller struct {
	client http.Client

	mu      sync.Mutex
	session string // the session id that the daemon told last
	calls   int
}

// New returns a Caller for the daemon at a unix socket. It connects to nothing
// yet.
func New(path string) *Caller {
	dialer := net.Dialer{Timeout: dialTime}
	return &Caller{client: http.Client{
		Transport: &http.Transport{
			// Whatever an address or a redirect says, this is where it leads.
			DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				return dialer.DialContext(ctx, "unix", path)
			},
			DisableCompression:     true,
			MaxResponseHeaderBytes: maxHead,
			ResponseHeaderTimeout:  callTime,
			MaxIdleConnsPerHost:    2,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// Close gives back what the Caller holds. Streams that are being read end with
// their contexts.
func (c *Caller) Close() { c.client.CloseIdleConnections() }

// Call does one call and reads its outcome into result, as encoding/json does;
// nil for a result that nobody wants. params becomes the params object; nil for
// none. After an error nothing in result means anything.
//
// Errors: ErrNotRunning; *rpc.Error is the daemon's refusal, its text printable;
// *StatusError; anon.ErrProtocol for an answer that is none; that of ctx.
func (c *Caller) Call(ctx context.Context, method string, params, result any) error {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	c.mu.Lock()
	c.calls++
	id := c.calls
	c.mu.Unlock()
	body, err := json.Marshal(request{"2.0", id, method, params})
	if err != nil {
		return fmt.Errorf("ask the daemon: %w", err)
	}
	resp, err := c.ask(ctx, http.MethodPost, "/transmission/rpc", body)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	var raw bytes.Buffer
	_, err = raw.ReadFrom(io.LimitReader(resp.Body, maxAnswer+1))
	switch {
	case err != nil:
		return fmt.Errorf("ask the daemon: %w", dialled(err))
	case raw.Len() > maxAnswer:
		return fmt.Errorf("%w: an answer of more than %d MiB", errNonsense, maxAnswer>>20)
	}
	return readAnswer(raw.Bytes(), id, result)
}

type request struct {
	JSONRPC string `json:"jsonrpc"`
	ID      int    `json:"id"`
	Method  string `json:"method"`
	Params  any    `json:"params,omitempty"`
}

// ask sends one request, with a new session id if the daemon wants one, and
// returns what is answered with 200. The caller closes its body.
func (c *Caller) ask(ctx context.Context, method, path string, body []byte) (*http.Response, error) {
	for again := true; ; again = false {
		r, err := http.NewRequestWithContext(ctx, method, address+path, bytes.NewReader(body))
		if err != nil {
			return nil, fmt.Errorf("ask the daemon: %w", err)
		}
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("User-Agent", "sotto")
		c.mu.Lock()
		if c.session != "" {
			r.Header.Set(sessionHeader, c.session)
		}
		c.mu.Unlock()
		resp, err := c.client.Do(r)
		if err != nil {
			return nil, fmt.Errorf("ask the daemon: %w", dialled(err))
		}
		if resp.StatusCode == http.StatusOK {
			return resp, nil
		}
		text, _ := io.ReadAll(io.LimitReader(resp.Body, maxRefusal))
		resp.Body.Close()
		if id := resp.Header.Get(sessionHeader); resp.StatusCode == http.StatusConflict && again && sessionOK(id) {
			c.mu.Lock()
			c.session = id
			c.mu.Unlock()
			continue
		}
		return nil, refusal(resp.StatusCode, string(text))
	}
}

func sessionOK(id string) bool {
	return id != "" && len(id) <= maxSession && strings.Trim(id, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789") == ""
}

// refusal reads what the daemon's gate says, which begins with the status.
func refusal(status int, text string) error {
	_, said, found := strings.Cut(text, ": ")
	if !found {
		said = text
	}
	return &StatusError{status, metainfo.Printable(strings.TrimSpace(said), maxSentence)}
}

// dialled tells a daemon that is not there from other troubles.
func dialled(err error) error {
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED) {
		return ErrNotRunning
	}
	return err
}

var errNonsense = fmt.Errorf("%w: what listens on the daemon's socket does not answer as a daemon does", anon.ErrProtocol)

// readAnswer reads the answer to the call id into result, in one go: that of a
// thousand torrents is a megabyte.
func readAnswer(raw []byte, id int, result any) error {
	wanted := result != nil
	if !wanted {
		result = new(json.RawMessage)
	}
	var a struct {
		JSONRPC string          `json:"jsonrpc"`
		ID      json.RawMessage `json:"id"`
		Result  any             `json:"result"`
		Error   *struct {
			Code    int    `json:"code"`
			Message string `json:"message"`
			Data    struct {
				Text string `json:"error_string"`
			} `json:"data"`
		} `json:"error"`
	}
	// A pointer that stays nil when there is no result.
	read := reflect.New(reflect.TypeOf(result))
	a.Result = read.Interface()
	if err := json.Unmarshal(raw, &a); err != nil {
		return fmt.Errorf("%w: %s", errNonsense, metainfo.Printable(err.Error(), maxSentence))
	}
	if a.JSONRPC != "2.0" {
		return errNonsense
	}
	if a.Error != nil {
		text := a.Error.Data.Text
		if text == "" {
			text = a.Error.Message
		}
		return &rpc.Error{Code: rpc.Code(a.Error.Code), Text: metainfo.Printable(text, maxSentence)}
	}
	if string(a.ID) != fmt.Sprint(id) {
		return fmt.Errorf("%w: an answer to another call", errNonsense)
	}
	if !wanted {
		return nil
	}
	if read.Elem().IsNil() {
		return fmt.Errorf("%w: an answer without a result", errNonsense)
	}
	reflect.ValueOf(result).Elem().Set(read.Elem().Elem())
	return nil
}
