// Package grant knows which files and folders the user has given a daemon's
// engine beside those of the configuration: Rules say what no command may give
// it, List remembers, sealed, what it was given.
//
// It builds no walls and asks nobody. It looks at the disk as it is at the
// moment; whoever opens a folder to an engine has it checked anew each time. It
// guards against what a flaw in the engine would do with a folder, not against
// programs of the user's own, which have all of them already. Start reading at
// Rules.Check.
package grant

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// MaxPath is how long a path may be, in bytes: Linux has no longer ones.
const MaxPath = 4096

// Grant is a file or folder that an engine may read or, a folder only, change.
type Grant struct {
	Path  string `json:"path"` // absolute, clean, free of links
	Write bool   `json:"write"`
}

// Refused is why an engine does not get something. Nothing was changed.
type Refused struct {
	Path string
	Why  string // the rest of a sentence that begins with "it"
}

func (r *Refused) Error() string {
	return fmt.Sprintf("%q cannot be given to the engine: it %s", r.Path, r.Why)
}

// Rules are what is refused beside what Check refuses always. Paths are
// absolute; one that is not there refuses nothing.
type Rules struct {
	// Homes are folders of users. Neither they are given, nor what they lie in.
	Homes []string
	// Apart are folders and files of which nothing is given, nor what they lie in.
	Apart []string
	// Programs are programs, and folders of them, that somebody runs outside the
	// walls. Nothing that one is, or lies in, is given to be changed.
	Programs []string
}

// Check returns nil when an engine may have a file or folder, and a *Refused
// when not; an error of another kind when nobody can look: fs.ErrNotExist for
// what is not there. The path is the one that will be opened: a name with a link
// in it is refused, so that nobody can change what it means later.
func (r *Rules) Check(g Grant) error {
	no := func(why string) error { return &Refused{g.Path, why} }
	if why := unfit(g.Path); why != "" {
		return no(why)
	}
	if why := bySystem(g.Path); why != "" {
		return no(why) // before anybody looks at it: for some names that is a call to another host
	}
	real, err := filepath.EvalSymlinks(g.Path)
	if err != nil {
		return fmt.Errorf("look at a folder: %w", err)
	}
	if real != g.Path {
		return no("is reached by a link")
	}
	info, err := os.Lstat(real)
	switch {
	case err != nil:
		return fmt.Errorf("look at a folder: %w", err)
	case info.Mode().IsRegular() && g.Write:
		return no("is not a folder")
	case !info.Mode().IsRegular() && !info.IsDir():
		return no("is neither a file nor a folder")
	}
	return r.byRules(g)
}

// unfit says what is wrong with a path as a text.
func unfit(path string) string {
	switch {
	case len(path) > MaxPath || !filepath.IsAbs(path) || filepath.Clean(path) != path:
		return "is no absolute path in its shortest form"
	case !utf8.ValidString(path) || strings.ContainsFunc(path, unicode.IsControl):
		return "has a name that cannot be shown"
	}
	for part := range strings.SplitSeq(filepath.ToSlash(path), "/") {
		if strings.HasPrefix(part, ".") {
			return "is hidden, or lies in a hidden folder, where programs keep keys and settings"
		}
	}
	return ""
}

func (r *Rules) byRules(g Grant) error {
	no := func(why string) error { return &Refused{g.Path, why} }
	for _, home := range known(r.Homes) {
		if holds(g.Path, home) {
			return no("is a home folder, or holds one")
		}
	}
	for _, at := range known(r.Apart) {
		if holds(g.Path, at) || holds(at, g.Path) {
			return no("holds what sotto or your system keeps secret, or lies in it")
		}
	}
	if !g.Write {
		return nil
	}
	for _, at := range known(r.Programs) {
		if holds(g.Path, at) {
			return no("is where programs are started from: who can change them is outside the walls")
		}
	}
	return nil
}

// known returns the paths of what is there, without links.
func known(paths []string) (real []string) {
	for _, path := range paths {
		if path == "" || !filepath.IsAbs(path) {
			continue
		}
		at, err := filepath.EvalSymlinks(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			at = filepath.Clean(path) // it may be there, and is closed to us
		}
		real = append(real, at)
	}
	return real
}

// holds reports whether a file or folder is folder or below it, by its path or
// by another that the same folder has: one may be mounted in several places.
func holds(folder, path string) bool {
	if Within(folder, path) {
		return true
	}
	is, err := os.Stat(folder)
	if err != nil {
		return false
	}
	for {
		info, err := os.Stat(path)
		if err == nil && os.SameFile(is, info) {
			return true
		}
		up := filepath.Dir(path)
		if up == path {
			return false
		}
		path = up
	}
}

// Within reports whether a path is a folder or below it; both are absolute and
// free of links.
func Within(folder, path string) bool {
	below, err := filepath.Rel(folder, path)
	return err == nil && filepath.IsLocal(below)
}

// covers reports whether whoever has one grant needs no other for what is wanted.
func covers(has []Grant, want Grant) bool {
	return slices.ContainsFunc(has, func(g Grant) bool {
		return (g.Write || !want.Write) && Within(g.Path, want.Path)
	})
}
