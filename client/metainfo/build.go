package metainfo

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// Format is which parts a torrent has: who can fetch it.
type Format uint8

const (
	// FormatV1 is for everybody: what every client reads (BEP 3).
	FormatV1 Format = iota
	// FormatHybrid has both parts. Who reads v1 only sees padding files.
	FormatHybrid
	// FormatV2 is for clients of BEP 52 only.
	FormatV2
)

var formats = [...]string{FormatV1: "v1", FormatHybrid: "hybrid", FormatV2: "v2"}

// String returns the name that ParseFormat reads.
func (f Format) String() string {
	if int(f) < len(formats) {
		return formats[f]
	}
	return fmt.Sprintf("format %d", uint8(f))
}

// Format returns which parts the torrent has.
func (in *Info) Format() Format {
	switch {
	case !in.V2:
		return FormatV1
	case in.V1:
		return FormatHybrid
	}
	return FormatV2
}

// ParseFormat reads "v1", "hybrid" or "v2".
func ParseFormat(s string) (Format, error) {
	if i := slices.Index(formats[:], s); i >= 0 {
		return Format(i), nil
	}
	return 0, fmt.Errorf("%q is no format: v1, hybrid or v2", Printable(s, maxText))
}

// BuildOptions says how to make a torrent. The zero value is a good choice.
type BuildOptions struct {
	// Format of the torrent; the zero one is v1.
	Format Format
	// Name of the torrent; "" takes the last part of the path. It is told to
	// everybody.
	Name string
	// PieceLength in bytes, a power of two from 16 KiB to 32 MiB; 0 chooses
	// one by the total length.
	PieceLength int64
	// Private forbids finding peers other than through trackers.
	Private bool
	// Progress, when not nil, is called from the goroutine that called Build
	// after every read, with bytes hashed so far and in all.
	Progress func(done, total int64)
}

// Build hashes a file, or a folder with all that is in it, once, and returns a
// Link without trackers and peers, with the info dictionary and the piece
// layers if it has any. They depend on the names and bytes and on nothing else:
// not on times, owners, modes, where it lies or in which order it is read.
// Empty folders are left out.
//
// It refuses what it could not share whole: symbolic links below root (root
// itself may be one) and special files, names that ParseInfo would refuse, no
// data at all, and files that change while they are read. Errors name the file
// relative to root; after ctx is done the error wraps ctx.Err().
func Build(ctx context.Context, root string, o BuildOptions) (*Link, error) {
	link, err := makeLink(ctx, root, o)
	if err != nil {
		return nil, fmt.Errorf("build torrent: %w", err)
	}
	return link, nil
}

func makeLink(ctx context.Context, root string, o BuildOptions) (*Link, error) {
	if o.Format > FormatV2 {
		return nil, fmt.Errorf("%v is none", o.Format)
	}
	s, err := openSource(root, o)
	if err != nil {
		return nil, err
	}
	defer s.close()
	if err := s.collect(ctx); err != nil {
		return nil, err
	}
	if o.Format == FormatV2 && s.only == "" && len(s.files) == 1 && !strings.Contains(s.files[0].path, "/") {
		return nil, errors.New("v2 cannot tell a folder with one file from the file: share the file")
	}
	h, err := s.hash(ctx, o)
	if err != nil {
		return nil, err
	}
	link, err := FromInfo(s.encode(h, o))
	if err != nil { // nothing leaves that others would refuse
		return nil, err
	}
	if o.Format != FormatV1 {
		link.Layers = EncodeLayers(h.trees)
	}
	return link, nil
}

// source is what gets shared: one file, or a folder. All access to a folder
// goes through dir, which does not let a path out of it, whatever happens to
// it. The folder that a single file is in is not opened: a process behind walls
// may not.
type source struct {
	dir   *os.Root // nil for a single file
	name  string   // the torrent's
	only  string   // the single file; "" for a folder
	files []sourceFile
	total int64
}

type sourceFile struct {
	path string // below dir, with "/"
	was  fs.FileInfo
}

func openSource(root string, o BuildOptions) (*source, error) {
	path, err := filepath.Abs(root)
	if err != nil {
		return nil, err
	}
	s := &source{name: o.Name}
	if s.name == "" {
		s.name = filepath.Base(path)
	}
	if why := whyNotTop(s.name); why != "" {
		return nil, fmt.Errorf("%s: %s", Printable(s.name, maxText), why)
	}
	if path, err = filepath.EvalSymlinks(path); err != nil {
		return nil, err
	}
	fi, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !fi.IsDir() {
		s.only = path
		return s, nil
	}
	s.dir, err = os.OpenRoot(path)
	return s, err
}

// open opens a file for reading; a special one does not make it wait.
func (s *source) open(path string) (*os.File, error) {
	const flags = os.O_RDONLY | syscall.O_NONBLOCK
	if s.dir == nil {
		return os.OpenFile(s.only, flags, 0)
	}
	return s.dir.OpenFile(path, flags, 0)
}

func (s *source) close() {
	if s.dir != nil {
		s.dir.Close()
	}
}

// collect lists the files, in the order in which they are hashed, and refuses
// what cannot be shared before any time is spent on hashing.
func (s *source) collect(ctx context.Context) error {
	err := s.walk(func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := s.add(path, d); err != nil {
			return fmt.Errorf("%s: %w", Printable(path, maxText), err)
		}
		return nil
	})
	if err != nil {
		return err
	}
	slices.SortFunc(s.files, func(a, b sourceFile) int {
		return slices.Compare(strings.Split(a.path, "/"), strings.Split(b.path, "/"))
	})
	if s.total == 0 {
		return errors.New("there is no data to share")
	}
	return s.checkLayout()
}

// walk calls f for all there is, by its path below the folder; a single file
// goes by its name.
func (s *source) walk(f fs.WalkDirFunc) error {
	if s.dir != nil {
		return fs.WalkDir(s.dir.FS(), ".", f)
	}
	info, err := os.Lstat(s.only)
	if err != nil {
		return err
	}
	return f(filepath.Base(s.only), fs.FileInfoToDirEntry(info), nil)
}

func (s *source) add(path string, d fs.DirEntry) error {
	if path != "." && s.only == "" {
		if why := whyNotName(d.Name()); why != "" {
			return errors.New(why)
		}
	}
	switch {
	case d.IsDir():
		return nil
	case d.Type()&fs.ModeSymlink != 0:
		return errors.New("symbolic links are not shared")
	case !d.Type().IsRegular():
		return errors.New("special files are not shared")
	case len(s.files) == MaxFiles:
		return fmt.Errorf("more than %d files", MaxFiles)
	case strings.Count(path, "/") >= maxPathNames || len(s.name)+1+len(path) > maxPathBytes:
		return errors.New("a path that is too long")
	}
	was, err := d.Info()
	if err != nil {
		return err
	}
	if was.Size() > math.MaxInt64-s.total {
		return errors.New("the files together are too long")
	}
	s.files = append(s.files, sourceFile{path, was})
	s.total += was.Size()
	return nil
}

func (s *source) checkLayout() error {
	files := make([]File, len(s.files))
	for i, f := range s.files {
		files[i] = File{Path: f.path, Length: f.was.Size()}
	}
	err := checkLayout(files)
	var bad *Error
	if errors.As(err, &bad) {
		return fmt.Errorf("%s: %s", Printable(s.files[bad.File-1].path, maxText), bad.Problem)
	}
	return err
}
