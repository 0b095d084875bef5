package cage

import (
	"errors"
	"os"
)

// Spec says what the caged process may keep. Zero means: nothing.
type Spec struct {
	// Args are the program's arguments, without its name.
	Args []string
	// Files become descriptors 0, 1, 2, …; a nil entry is /dev/null. They stay
	// the caller's to close. Sockets among them must be connected unix stream
	// or packet sockets: one of any other kind could be pointed elsewhere.
	Files []*os.File
	// Read are files and folders it may read, Write folders it may also change.
	// They must exist, be absolute and free of symbolic links, since it cannot
	// follow links itself. Each stays at its path.
	Read, Write []string
	// Without leaves walls out. It is for tests, which show that the attack is
	// real; what it does to the label is the attack's to say.
	Without Walls
}

// Incidents are what the engine tried since Admit. In normal running all are
// zero; anything else is a bug of ours or an engine that is no longer ours.
type Incidents struct {
	// Calls counts system calls that are not on the list, by their number on
	// this architecture. Nil where the kernel gave no listener.
	Calls map[int]uint64 `json:"calls,omitempty"`
	// Packets counts what the engine's network namespace was asked to send, or
	// could not route. Without a namespace of its own it stays zero.
	Packets uint64 `json:"packets"`
}

// Any reports whether there was one.
func (i Incidents) Any() bool { return len(i.Calls) > 0 || i.Packets > 0 }

// ErrNoWalls is what Start returns on systems that this package builds no walls
// on. There the engine runs in the same process as ever, under the label
// Checked: our own checks stand and nothing else does.
var ErrNoWalls = errors.New("no walls by the operating system: sotto builds them on Linux (amd64, arm64) only, with namespaces, Landlock and seccomp")
