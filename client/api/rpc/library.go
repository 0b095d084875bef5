package rpc

import "context"

// Library is the collection of torrents that callers steer. It is safe for
// concurrent use.
//
// Every method ends within its ctx; a caller that goes away cancels it, so what
// is begun must be finished or not done at all, and survives a restart when the
// method returns nil. Long work, such as verifying or moving, is only started:
// its end shows in Torrent.State.
//
// An *Error is shown to the caller as it stands. The text of any other error
// stays inside, and the caller is told that the daemon could not do it.
//
// Ids number the torrents of one run of the daemon from 1 and are never given
// twice in it. Methods get ids of torrents that were there a moment ago; those
// that are gone since are skipped and no error. What the Library returns is the
// caller's to keep, and must not change any more. rpctest.Run judges all this.
type Library interface {
	Reader
	Adder
	Actor
	Editor
	Session
	Grouper
}

// Reader tells what there is.
type Reader interface {
	// Torrents returns those that which chooses, in the order of their ids,
	// all of them as they were at one moment. Only the parts that are asked
	// for have to be filled.
	Torrents(ctx context.Context, which Which, parts Part) ([]Torrent, error)
	// Removed returns the ids of torrents removed within the last minute.
	Removed(ctx context.Context) ([]int64, error)
	// Changed returns a channel that is closed when anything that Torrents,
	// Stats or Settings would say is different from when Changed was called.
	// It may be closed too often, never too late by more than a second.
	Changed() <-chan struct{}
}

// Adder takes torrents in.
type Adder interface {
	// Add takes a torrent in. One that is there already is left as it is and
	// returned with Duplicate set.
	Add(ctx context.Context, a Addition) (Added, error)
}

// Actor does something to torrents.
type Actor interface {
	// Act does what to each of ids. A torrent that is in the asked state
	// already stays as it is.
	Act(ctx context.Context, what Action, ids []int64) error
	// Remove forgets torrents, and with data true deletes their files, but no
	// file that is not the torrent's.
	Remove(ctx context.Context, ids []int64, data bool) error
	// Move makes folder, which is absolute and allowed, the place of the
	// torrents' files: with data true the files are moved there, otherwise
	// they are looked for there and verified.
	Move(ctx context.Context, ids []int64, folder string, data bool) error
	// Rename gives the file or folder at path, as it stands in File.Path, or
	// the whole torrent when path is its name, another last element. Neither
	// can lead out of the torrent's folder.
	Rename(ctx context.Context, id int64, path, name string) error
}

// Editor changes what holds for torrents.
type Editor interface {
	// Change sets all that c sets, for every one of ids or, with an error, for
	// none of them.
	Change(ctx context.Context, ids []int64, c Change) error
	// Shift moves torrents within the queue, keeping their order.
	Shift(ctx context.Context, ids []int64, to Shift) error
}

// Session is about the whole client.
type Session interface {
	Settings(ctx context.Context) (Settings, error)
	// Configure sets all that c sets, or with an error nothing.
	Configure(ctx context.Context, c SettingsChange) error
	Stats(ctx context.Context) (Stats, error)
	// Space returns the bytes that are free and those there are in all on the
	// file system of folder, which is absolute and allowed.
	Space(ctx context.Context, folder string) (free, total int64, err error)
}

// Grouper keeps groups of torrents that share limits.
type Grouper interface {
	Groups(ctx context.Context) ([]Group, error)
	// SetGroup changes the group of that name, making it when there is none.
	SetGroup(ctx context.Context, name string, c GroupChange) error
}

// Which chooses torrents; the zero Which chooses none.
type Which struct {
	All    bool
	Recent bool // those that changed or moved data within the last minute
	IDs    []int64
	Hashes []string // info hashes as in Torrent.Hash
}

// Action is something done to a torrent.
type Action int

// What Act does.
const (
	Start      Action = iota + 1 // run, as soon as the queue lets it
	StartNow                     // run, whatever the queue says
	Stop                         // stop, and stay stopped
	Verify                       // read the files again
	Reannounce                   // ask trackers for peers, as soon as they allow
)

// Shift is a way to go in the queue.
type Shift int

// Where Shift moves torrents.
const (
	ToTop Shift = iota + 1
	Up
	Down
	ToBottom
)
