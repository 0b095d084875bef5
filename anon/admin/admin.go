// Package admin is how the user's commands ask the broker of a running daemon
// for what its engine must not be able to ask for: to be given one more folder,
// or less. They ask over a unix socket of the broker's own, one request a
// connection.
//
// Both ends ask the kernel who is at the other, and speak with nobody but the
// same user. The engine has no way to the socket: it can make none, and sees
// nothing of the folder that this one lies in. The package decides about no
// request, and knows neither folders nor networks. Start reading at Request.
package admin

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"sotto/anon"
	"sotto/anon/grant"
)

// Verb is what is asked for.
type Verb byte

const (
	List   Verb = iota + 1 // which folders there are; without a path
	Read                   // let the engine read a file or folder
	Write                  // let it change a folder
	Remove                 // take away what Read or Write has given
	last   = Remove
)

// Request is one request. Path is one absolute file or folder, "" for List.
type Request struct {
	Do   Verb
	Path string
}

// Folder is a file or folder that the engine sees while it is there.
type Folder struct {
	Path  string `json:"path"`
	Write bool   `json:"write,omitempty"`
	Added bool   `json:"added,omitempty"` // by a command, and not by the configuration
	Away  bool   `json:"away,omitempty"`  // not there now, or refused as it is now
}

// Answer is what the broker says. With Refused, a sentence for the user,
// nothing was changed.
type Answer struct {
	Refused string   `json:"refused,omitempty"`
	Changed bool     `json:"changed,omitempty"` // something is not as it was
	Folders []Folder `json:"folders,omitempty"` // for List
}

// A request is six bytes, and the path to the end of the stream: "sotA", the
// version of this layout, and the verb.
const (
	magic      = "sotA"
	version    = 1
	headSize   = len(magic) + 2
	maxRequest = headSize + grant.MaxPath
	maxAnswer  = 4 << 20 // bytes of JSON
)

const (
	// talkTime is for what needs no work: to connect, to ask, to be answered.
	talkTime = 5 * time.Second
	// WorkTime is for the work on one request: the engine says goodbye to its
	// trackers, and the next one has to begin.
	WorkTime = 5 * time.Minute
)

// ErrNotThere: nobody listens at the socket: no daemon runs, or one of a version
// that has none.
var ErrNotThere = errors.New("no broker answers")

// ErrVersion: the other side speaks another version of this protocol.
var ErrVersion = fmt.Errorf("%w: a request of another version", anon.ErrProtocol)

var errRequest = fmt.Errorf("%w: this is no request", anon.ErrProtocol)

func (r Request) encode() []byte {
	return append([]byte{magic[0], magic[1], magic[2], magic[3], version, byte(r.Do)}, r.Path...)
}

// parse reads a whole request.
func parse(raw []byte) (Request, error) {
	if len(raw) < headSize || len(raw) > maxRequest || string(raw[:len(magic)]) != magic {
		return Request{}, errRequest
	}
	if raw[len(magic)] != version {
		return Request{}, ErrVersion
	}
	r := Request{Verb(raw[len(magic)+1]), string(raw[headSize:])}
	if r.Do < List || r.Do > last || (r.Path == "") != (r.Do == List) {
		return Request{}, errRequest
	}
	return r, nil
}

// parseAnswer reads a whole answer.
func parseAnswer(raw []byte) (Answer, error) {
	var a Answer
	if len(raw) > maxAnswer || json.Unmarshal(raw, &a) != nil {
		return Answer{}, fmt.Errorf("%w: this is no answer of a broker", anon.ErrProtocol)
	}
	return a, nil
}
