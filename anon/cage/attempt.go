package cage

// attempt is one way out. try returns nil when it got through as far as the
// engine can tell; it must end by itself, soon, and undo what it did: an
// attempt that works is run on machines without walls too. It never sends
// beyond the machine, and keeps nothing that it read.
type attempt struct {
	name    string
	reveals string
	// needsRoot: only the root wall stops it, so it may succeed in a cage
	// without namespaces, whose label says so.
	needsRoot bool
	try       func(*probe) error
}
