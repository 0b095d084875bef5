package grant

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"sync"

	"sotto/anon/folder"
	"sotto/anon/vault"
)

const (
	// Most is how many grants a list has at most: each is a mount, or a rule,
	// of every engine.
	Most = 64

	fileName = "folders"
	record   = "folders"
	maxFile  = 4 << 20 // bytes: Most of MaxPath, escaped
)

// ErrDamaged: the list is not as it was written. It was left as it is.
var ErrDamaged = errors.New("the list of folders that were added is damaged")

// List is the grants of one state folder, sealed in a file of it. All methods
// may be called concurrently; one process has a list at a time.
type List struct {
	folder *folder.Folder
	box    *vault.Box

	mu     sync.Mutex
	grants []Grant
}

// Open reads the list of a state folder; without a file it is empty. The box
// stays the caller's and is used as long as the list is.
func Open(state string, box *vault.Box) (*List, error) {
	f, err := folder.Open(state)
	if err != nil {
		return nil, err
	}
	l := &List{folder: f, box: box}
	sealed, err := f.Read(fileName, maxFile)
	if errors.Is(err, fs.ErrNotExist) {
		return l, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the folders that were added: %w", err)
	}
	raw, err := box.Open(record, sealed)
	if err == nil {
		err = json.Unmarshal(raw, &l.grants)
	}
	if err != nil || len(l.grants) > Most || slices.ContainsFunc(l.grants, func(g Grant) bool { return unfit(g.Path) != "" }) {
		return nil, ErrDamaged
	}
	return l, nil
}

// All returns the grants in the order they were made. The slice is the caller's.
func (l *List) All() []Grant {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.grants)
}

// Add keeps a grant that was checked, and reports whether it adds anything to
// what there was. One that may change what another may read takes its place.
func (l *List) Add(g Grant) (added bool, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if covers(l.grants, g) {
		return false, nil
	}
	next := slices.DeleteFunc(slices.Clone(l.grants), func(old Grant) bool { return old.Path == g.Path })
	if len(next) >= Most {
		return false, &Refused{g.Path, fmt.Sprintf("would be one of more than %d that were added; sotto folders rm takes one away", Most)}
	}
	return true, l.keep(append(next, g))
}

// Remove takes a grant away, by its path, and reports whether there was one.
func (l *List) Remove(path string) (removed bool, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	next := slices.DeleteFunc(slices.Clone(l.grants), func(g Grant) bool { return g.Path == path })
	if len(next) == len(l.grants) {
		return false, nil
	}
	return true, l.keep(next)
}

func (l *List) keep(next []Grant) error {
	raw, err := json.Marshal(next)
	if err == nil {
		err = l.folder.Replace(fileName, l.box.Seal(record, raw))
	}
	if err != nil {
		return fmt.Errorf("keep the folders that were added: %w", err)
	}
	l.grants = next
	return nil
}
