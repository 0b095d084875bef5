package rpc

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// folders are where callers may let files lie.
//
// This is a courtesy to the careless and a first wall: it looks at links as
// they are now. What holds when somebody changes them later is the engine's own
// way of opening files, and the cage's rules.
type folders []string

func newFolders(list []string) (folders, error) {
	var out folders
	for _, f := range list {
		if !filepath.IsAbs(f) {
			return nil, errors.New("a download folder that is not absolute")
		}
		out = append(out, filepath.Clean(f))
	}
	return out, nil
}

var (
	errFolderText = &Error{CodePath, "the folder must be an absolute path without \"..\""}
	errFolder     = &Error{CodePath, "the folder is outside the download folders"}
)

// check returns path cleaned when it is one of the folders or below one, both
// as it is written and after every symbolic link that is there now.
func (f folders) check(path string) (string, error) { return f.follow(path, resolve) }

// follow is check, with resolve to follow links by. A path that does not lie
// below a folder as it is written is not looked at: to look at /net/host or
// \\host\share is enough to have the system call that host, around the networks.
func (f folders) follow(path string, resolve func(string) (string, error)) (string, error) {
	if len(path) > maxPath || !filepath.IsAbs(path) || strings.ContainsRune(path, 0) || hasDotDot(path) {
		return "", errFolderText
	}
	path = filepath.Clean(path)
	for _, root := range f {
		if !below(root, path) {
			continue
		}
		real, err := resolve(path)
		if err != nil {
			return "", errFolder
		}
		if realRoot, err := resolve(root); err == nil && below(realRoot, real) {
			return path, nil
		}
	}
	return "", errFolder
}

func hasDotDot(path string) bool {
	for part := range strings.SplitSeq(filepath.ToSlash(path), "/") {
		if part == ".." {
			return true
		}
	}
	return false
}

func below(root, path string) bool {
	rel, err := filepath.Rel(root, path)
	return err == nil && filepath.IsLocal(rel)
}

// resolve follows the links of the part of path that exists. What does not
// exist yet cannot be a link.
func resolve(path string) (string, error) {
	rest := ""
	for {
		real, err := filepath.EvalSymlinks(path)
		if err == nil {
			return filepath.Join(real, rest), nil
		}
		parent := filepath.Dir(path)
		if !errors.Is(err, fs.ErrNotExist) || parent == path || dangling(path) {
			return "", errors.New("cannot be followed")
		}
		rest, path = filepath.Join(filepath.Base(path), rest), parent
	}
}

// dangling reports whether path is there, which after a failure to follow it
// means a link to nowhere: writing to it would make what it points to.
func dangling(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// elementOK reports whether name can be one element of a path on every system
// we run on.
func elementOK(name string) bool {
	return name != "" && name != "." && name != ".." && len(name) <= 255 &&
		!strings.ContainsAny(name, "/\\\x00") && filepath.IsLocal(name)
}
