package disk

import (
	"io/fs"
	"os"
	"path"
	"strings"
)

// source is what files are looked up in and read from, by their paths in the
// torrent.
type source interface {
	Lstat(name string) (fs.FileInfo, error)
	Open(name string) (*os.File, error)
	Close() error
}

// openBase opens the one file or folder that Options.Base names, without a
// look at the folder that it is in: a process behind walls may not take one.
func openBase(base string) (source, error) {
	info, err := os.Lstat(base)
	switch {
	case err != nil:
		return nil, err
	case info.Mode().IsRegular():
		return lone(base), nil
	case !info.IsDir():
		return nil, ErrInTheWay
	}
	root, err := os.OpenRoot(base)
	if err != nil {
		return nil, err
	}
	return inside{root}, nil
}

// inside is the torrent's own folder, under whatever name.
type inside struct{ root *os.Root }

func (in inside) Lstat(name string) (fs.FileInfo, error) { return in.root.Lstat(below(name)) }
func (in inside) Open(name string) (*os.File, error)     { return in.root.Open(below(name)) }
func (in inside) Close() error                           { return in.root.Close() }

// below takes the torrent's name off a path.
func below(name string) string {
	_, rest, _ := strings.Cut(name, "/")
	return path.Clean(rest)
}

// lone is a torrent's only file, by its path. It was named by the user, so a
// folder on the way to it may be a link; that it is none itself is looked at
// before each use, as for every other file.
type lone string

func (l lone) Lstat(name string) (fs.FileInfo, error) {
	if strings.Contains(name, "/") {
		return nil, fs.ErrNotExist
	}
	return os.Lstat(string(l))
}

func (l lone) Open(name string) (*os.File, error) {
	info, err := l.Lstat(name)
	if err != nil {
		return nil, err
	}
	f, err := os.Open(string(l))
	if err != nil {
		return nil, err
	}
	if now, err := f.Stat(); err != nil || !os.SameFile(info, now) {
		f.Close()
		return nil, ErrInTheWay
	}
	return f, nil
}

func (lone) Close() error { return nil }
