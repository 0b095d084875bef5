package library

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"sotto/client/engine"
	"sotto/client/engine/disk"
)

// pairs lists every name that a torrent's files may have, at the same index for
// two places of one torrent.
func pairs(n engine.Names) []string {
	all := slices.Concat(n.Final, n.Part)
	return append(all, n.Edges)
}

// carrier brings files from one folder to another.
type carrier struct {
	from, to []string
	dirs     [2]string
}

// carry brings all of them over, and their names to the disk. When it fails with
// undone they are where they were. Otherwise, as when it is interrupted by ctx or
// by death, each is at one place or the other, and it can be called again.
func (c *carrier) carry(ctx context.Context) (undone bool, err error) {
	if err := os.MkdirAll(c.dirs[1], 0o755); err != nil {
		return c.back() == nil, disk.Bare(err)
	}
	for i := range c.from {
		if ctx.Err() != nil {
			return false, ctx.Err()
		}
		if err := c.one(ctx, i); err != nil {
			if ctx.Err() != nil {
				return false, err
			}
			back := c.back()
			return back == nil, errors.Join(err, back)
		}
	}
	return false, c.settle()
}

// settle brings the new names to the disk: afterwards the library says that the
// files are there, and that must not be on the disk before they are.
func (c *carrier) settle() error {
	for _, d := range append(foldersOf(c.to), ".") {
		err := syncFolder(filepath.Join(c.dirs[1], filepath.FromSlash(d)))
		if err != nil && !notThere(err) {
			return disk.Bare(err)
		}
	}
	syncFolder(filepath.Dir(c.dirs[1])) // it may be none that we may read
	return nil
}

func (c *carrier) one(ctx context.Context, i int) error {
	if c.from[i] == "" || c.dirs[0] == c.dirs[1] && c.from[i] == c.to[i] {
		return nil
	}
	from, to := filepath.Join(c.dirs[0], filepath.FromSlash(c.from[i])), filepath.Join(c.dirs[1], filepath.FromSlash(c.to[i]))
	if !straight(c.dirs[0], c.from[i]) || !straight(c.dirs[1], c.to[i]) {
		return engine.ErrInTheWay
	}
	info, err := os.Lstat(from)
	switch {
	case notThere(err):
		return nil // it never was, or has been brought over already
	case err != nil:
		return disk.Bare(err)
	case !info.Mode().IsRegular():
		return engine.ErrInTheWay
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return disk.Bare(err)
	}
	if there, err := os.Lstat(to); err == nil {
		if there.Mode().IsRegular() && there.Size() == info.Size() && there.ModTime().Equal(info.ModTime()) {
			return nil // a copy that an earlier try made
		}
		return engine.ErrInTheWay
	} else if !notThere(err) {
		return disk.Bare(err)
	}
	err = os.Rename(from, to)
	if err == nil || !anotherDisk(err) {
		return disk.Bare(err)
	}
	return disk.Bare(duplicate(ctx, from, to, info))
}

// duplicate copies a file and brings it to the disk before it has its name.
func duplicate(ctx context.Context, from, to string, info fs.FileInfo) (err error) {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	half := to + copySuffix
	out, err := os.OpenFile(half, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			os.Remove(half)
		}
	}()
	_, err = io.Copy(out, reader{ctx, in})
	if err == nil {
		err = stamp(out, info.ModTime())
	}
	if err == nil {
		err = out.Sync()
	}
	if err = errors.Join(err, out.Close()); err != nil {
		return err
	}
	if err := os.Rename(half, to); err != nil {
		return err
	}
	return syncFolder(filepath.Dir(to))
}

// reader reads until ctx is done.
type reader struct {
	ctx context.Context
	io.Reader
}

func (r reader) Read(b []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.Reader.Read(b)
}

// back undoes what carry has done: what is still at its old place has a copy to
// be deleted, and what is not is brought back.
func (c *carrier) back() error {
	var errs []error
	for i := range c.from {
		if c.from[i] == "" || c.dirs[0] == c.dirs[1] && c.from[i] == c.to[i] {
			continue
		}
		from, to := filepath.Join(c.dirs[0], filepath.FromSlash(c.from[i])), filepath.Join(c.dirs[1], filepath.FromSlash(c.to[i]))
		was, err := os.Lstat(from)
		there, terr := os.Lstat(to)
		switch {
		case terr != nil:
		case notThere(err):
			errs = append(errs, disk.Bare(os.Rename(to, from)))
		case err == nil && there.Size() == was.Size() && there.ModTime().Equal(was.ModTime()) && !os.SameFile(was, there):
			errs = append(errs, disk.Bare(os.Remove(to)))
		}
	}
	prune(c.dirs[1], c.to)
	return errors.Join(errs...)
}

// copied reports whether file i, where it was, is a whole copy of what is at its
// new place, or is not there. Whoever calls sweep after a crash, which may be
// years ago, must not delete what came there since.
func (c *carrier) copied(i int) bool {
	from, to := filepath.Join(c.dirs[0], filepath.FromSlash(c.from[i])), filepath.Join(c.dirs[1], filepath.FromSlash(c.to[i]))
	was, err := os.Lstat(from)
	if err != nil {
		return notThere(err)
	}
	there, err := os.Lstat(to)
	return err == nil && there.Mode().IsRegular() && there.Size() == was.Size() && !os.SameFile(was, there)
}

// sweep deletes what is left at the old place, and folders that are empty now.
// When files were carried it deletes those that have a copy at the new place.
func (c *carrier) sweep() error {
	var errs []error
	for i := range c.from {
		if c.from[i] == "" || c.dirs[0] == c.dirs[1] && slices.Contains(c.to, c.from[i]) {
			continue
		}
		if !straight(c.dirs[0], c.from[i]) {
			continue // what is there is not the torrent's
		}
		if c.to != nil && !c.copied(i) {
			errs = append(errs, errNoCopy)
			continue
		}
		err := os.Remove(filepath.Join(c.dirs[0], filepath.FromSlash(c.from[i])))
		if !notThere(err) {
			errs = append(errs, disk.Bare(err))
		}
	}
	prune(c.dirs[0], c.from)
	return errors.Join(errs...)
}

// errNoCopy: something at the old place is not at the new one.
var errNoCopy = errors.New("what is at the old place is nowhere else")

// foldersOf are the folders of names, inner ones first.
func foldersOf(names []string) (list []string) {
	folders := make(map[string]bool)
	for _, n := range names {
		for d := path.Dir(n); d != "." && d != "/" && n != ""; d = path.Dir(d) {
			folders[d] = true
		}
	}
	for d := range folders {
		list = append(list, d)
	}
	slices.SortFunc(list, func(a, b string) int { return strings.Count(b, "/") - strings.Count(a, "/") })
	return list
}

// prune removes the folders of names below dir that are empty.
func prune(dir string, names []string) {
	for _, d := range foldersOf(names) {
		if straight(dir, d+"/x") {
			os.Remove(filepath.Join(dir, filepath.FromSlash(d))) // not an empty folder: it stays
		}
	}
}

// straight reports whether no folder on the way to name below dir is a link or
// anything else than a folder. One that is not there is none.
func straight(dir, name string) bool {
	parts := strings.Split(name, "/")
	for i := 1; i < len(parts); i++ {
		info, err := os.Lstat(filepath.Join(append([]string{dir}, parts[:i]...)...))
		if notThere(err) {
			return true
		}
		if err != nil || !info.IsDir() {
			return false
		}
	}
	return true
}
