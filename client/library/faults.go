package library

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"syscall"
	"time"

	"sotto/anon"
	"sotto/client/engine"
	"sotto/client/engine/disk"
	"sotto/client/health"
	"sotto/client/metainfo"
)

var (
	errFolderGone = errors.New("the folder of the data is not there")
	errFilesGone  = errors.New("files of the torrent are gone")
	// errState: it was the library's own state, not the torrent's disk.
	errState = errors.New("keep the state of the library")
)

// stateFault says of whatever the store has met that it was the store.
func stateFault(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w: %w", errState, err)
}

// sort names the condition behind an error, and says it to the user.
func sort(err error) (health.Name, string) {
	name := health.InternalFault
	var errno syscall.Errno
	var bad *metainfo.Error
	var named *disk.NameError
	var refused *unshareable
	switch {
	case errors.As(err, &refused):
		return health.ShareRefused, health.All()[health.ShareRefused].What + " " + refused.why
	case errors.Is(err, errShareChanged):
		name = health.ShareChanged
	case errors.Is(err, errKeySave), errors.Is(err, errState), errors.Is(err, errSave):
		name = health.StateFault
	case errors.Is(err, anon.ErrLeak):
		name = health.Incident
	case tooMany(err):
		name = health.TooManyFiles
	case errors.Is(err, anon.ErrFull):
		name = health.NetworkFull
	case errors.Is(err, anon.ErrUnavailable), errors.Is(err, anon.ErrUnreachable):
		name = health.RouterAway
	case errors.Is(err, errNoRoom):
		name = health.DiskLow
	case engine.IsFull(err):
		name = health.DiskFull
	case errors.Is(err, errFolderGone):
		name = health.FolderMissing
	case errors.Is(err, errFilesGone):
		name = health.FilesMissing
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		name = health.FolderReadOnly
	case errors.As(err, &bad), errors.As(err, &named), errors.Is(err, metainfo.ErrHash):
		name = health.Refused
	case errors.Is(err, engine.ErrInTheWay), errors.Is(err, errInTheWay):
		name = health.InTheWay
	case errors.Is(err, engine.ErrIncomplete):
		name = health.FilesChanged
	case errors.As(err, &errno), errors.Is(err, io.ErrShortWrite), errors.Is(err, io.ErrUnexpectedEOF):
		name = health.DiskFault
	}
	e := health.All()[name]
	return name, e.What + " " + e.Remedy
}

// kept notes that the state of a torrent could be read and saved.
func (o *owner) kept(t *torrent) {
	o.opts.Board.Set(time.Now(), health.StateFault, t.subject(), false)
}

// tooMany: this process, or the system, has as many files open as it may.
func tooMany(err error) bool {
	return errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE)
}
