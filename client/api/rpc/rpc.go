// Package rpc answers calls of the Transmission RPC, version 17, and of the
// JSON-RPC 2.0 dialect of Transmission 4.1, on behalf of a Library.
//
// It gets bytes and gives bytes: who may call and over what is package api's to
// decide. It reads no file a caller names, runs no program, and refuses every
// setting that would reach around the anonymising networks. Decision 0013 says
// what else is different from Transmission, and why. Start reading at Library
// for what is answered, and at Responder.Answer for how.
package rpc

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// MaxBody is the largest request in bytes: a torrent file of metainfo.MaxSize
// in base64, with room for the rest.
const MaxBody = 24 << 20

const (
	callTimeout = 30 * time.Second // for the Library
	// maxAnswer is in bytes; a list of calls that has got more than this is
	// not worked on any further.
	maxAnswer = 32 << 20
	maxFiles  = 100_000 // indices in one list
	maxIDs    = 100_000 // ids in one list
)

// Config of a Responder.
type Config struct {
	// Library does the work. Never nil.
	Library Library
	// Folders are where downloads may go: absolute paths. Nothing outside them
	// can be named. None means that callers cannot choose a folder at all.
	Folders []string
	// ShareDirs are more folders, absolute, in which things may be shared, but
	// nothing may be put.
	ShareDirs []string
	// Given are files and folders, absolute, each of which may be shared, or
	// something in it, and nothing beside it.
	Given []string
	// Own answers sotto's own methods; nil means that there are none.
	Own Own
	// Label is what the walls around us are worth, in one word, and Started when
	// this run began: sotto_status tells them.
	Label   string
	Started time.Time
	// ShowPeers reveals the addresses of peers. Otherwise a peer has a name
	// that holds for this run of the program and says its network only.
	ShowPeers bool
	// Version of sotto, without spaces; "" means "unknown".
	Version string
	// SessionID is what session-get reports.
	SessionID string
	// Stop is called, at most once and on a goroutine of its own, when a local
	// caller asks the daemon to end. Nil means that this is refused.
	Stop func()
	// Log gets nothing above debug; nil means discard.
	Log *slog.Logger
}

// Responder answers calls. All methods may be called concurrently.
type Responder struct {
	config  Config
	log     *slog.Logger
	folders folders
	shares  folders
	given   folders
	peerKey [32]byte // hides peers' addresses for this run
	stop    sync.Once
}

// New returns a Responder. It starts nothing.
func New(c Config) (*Responder, error) {
	if c.Library == nil {
		return nil, errors.New("answer calls: no library")
	}
	f, err := newFolders(c.Folders)
	if err != nil {
		return nil, fmt.Errorf("answer calls: %w", err)
	}
	shares, err := newFolders(c.ShareDirs)
	if err != nil {
		return nil, fmt.Errorf("answer calls: %w", err)
	}
	given, err := newFolders(c.Given)
	if err != nil {
		return nil, fmt.Errorf("answer calls: %w", err)
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Version == "" {
		c.Version = "unknown"
	}
	r := &Responder{config: c, log: c.Log, folders: f, shares: shares, given: given}
	rand.Read(r.peerKey[:]) // never fails: crypto/rand ends the process instead
	return r, nil
}

// Answer does what the request asks for and returns the answer, nil when none
// is wanted. It takes anything for a request: what is wrong with it stands in
// the answer. Local callers sit at this machine and may stop the daemon. The
// time is bounded, also when ctx is not.
func (r *Responder) Answer(ctx context.Context, request []byte, local bool) []byte {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	calls, batch := parse(request)
	var out []byte
	for _, m := range calls {
		var result object
		err := errTooLarge
		if len(out) <= maxAnswer {
			result, err = r.call(ctx, m, local)
		}
		if m.notification() {
			continue
		}
		if out != nil {
			out = append(out, ',')
		}
		out = m.answer(out, result, err)
	}
	if batch && out != nil {
		out = append(append([]byte{'['}, out...), ']')
	}
	return out
}

var errTooLarge = &Error{CodeSystem, "not done: the answers to the calls before were too large together"}

// call does what m asks for.
func (r *Responder) call(ctx context.Context, m message, local bool) (object, *Error) {
	if m.bad != nil {
		return nil, m.bad
	}
	do := r.method(m)
	if do == nil {
		return nil, &Error{CodeMethod, "method name not recognized"}
	}
	result, err := do(&call{r: r, ctx: ctx, dialect: m.dialect, local: local}, m.args)
	if err == nil {
		return result, nil
	}
	if !errors.As(err, new(*Error)) {
		r.log.Debug("call failed", "method", m.method, "error", err)
	}
	return nil, forCaller(err)
}

// call is one call while it is worked on.
type call struct {
	r       *Responder
	ctx     context.Context // ends with the call; it is kept no longer than that
	dialect dialect
	local   bool
}

func (c *call) lib() Library { return c.r.config.Library }

// methods are all there are, in their modern spelling. Each reads its
// arguments to the end before it changes anything.
var methods = map[string]func(*call, *args) (object, error){
	"torrent_get":          (*call).torrentGet,
	"torrent_add":          (*call).torrentAdd,
	"torrent_set":          (*call).torrentSet,
	"torrent_remove":       (*call).torrentRemove,
	"torrent_set_location": (*call).torrentSetLocation,
	"torrent_rename_path":  (*call).torrentRenamePath,
	"torrent_start":        act(Start),
	"torrent_start_now":    act(StartNow),
	"torrent_stop":         act(Stop),
	"torrent_verify":       act(Verify),
	"torrent_reannounce":   act(Reannounce),
	"queue_move_top":       shift(ToTop),
	"queue_move_up":        shift(Up),
	"queue_move_down":      shift(Down),
	"queue_move_bottom":    shift(ToBottom),
	"session_get":          (*call).sessionGet,
	"session_set":          (*call).sessionSet,
	"session_stats":        (*call).sessionStats,
	"session_close":        (*call).sessionClose,
	"free_space":           (*call).freeSpace,
	"group_get":            (*call).groupGet,
	"group_set":            (*call).groupSet,
	"port_test":            (*call).portTest,
	"blocklist_update":     (*call).blocklistUpdate,
}
