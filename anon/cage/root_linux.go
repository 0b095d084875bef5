//go:build linux && (amd64 || arm64)

package cage

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// The root wall: a small tmpfs with the folders of the Spec at their own paths,
// as bind mounts. Landlock does not stop a process from asking whether a name
// exists, how old and how large it is, and where a link leads; with nothing
// there, there is nothing to ask. It is also the only wall between the engine
// and the user's files, and the unix sockets of other programs, on kernels
// without Landlock.

// scaffold is where the new root is put together: a folder that every Linux
// system has, in our own mount namespace, where the old /proc is not needed.
const (
	scaffold        = "/proc"
	scaffoldSize    = 256 << 10
	scaffoldOptions = "size=256k,mode=0755"
)

// stretch is a folder or file of the old root, cloned and not yet placed.
type stretch struct {
	path string
	dir  bool
	fd   int
}

// buildRoot moves the calling process into its new root. It needs a mount
// namespace of its own and CAP_SYS_ADMIN in it. On an error the old root is
// still in place, and whole as far as the Spec goes.
func buildRoot(spec message) (err error) {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}
	parts, err := cloneParts(spec)
	defer func() {
		for _, p := range parts {
			unix.Close(p.fd)
		}
	}()
	if err != nil {
		return err
	}
	const flags = unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC
	if err := unix.Mount("tmpfs", scaffold, "tmpfs", flags, scaffoldOptions); err != nil {
		return fmt.Errorf("mount the new root: %w", err)
	}
	for _, p := range parts {
		if err := p.place(); err != nil {
			return errors.Join(err, unix.Unmount(scaffold, unix.MNT_DETACH))
		}
	}
	// Read-only, so that a broken engine cannot fill it.
	if err := unix.Mount("", scaffold, "", flags|unix.MS_REMOUNT|unix.MS_RDONLY|unix.MS_BIND, ""); err != nil {
		return errors.Join(fmt.Errorf("close the new root: %w", err), unix.Unmount(scaffold, unix.MNT_DETACH))
	}
	return enterRoot()
}

// enterRoot puts the new root on top of the old one and takes the old one
// away (pivot_root(2), notes).
func enterRoot() error {
	if err := os.Chdir(scaffold); err != nil {
		return fmt.Errorf("enter the new root: %w", err)
	}
	if err := unix.PivotRoot(".", "."); err != nil {
		return errors.Join(fmt.Errorf("enter the new root: %w", err), os.Chdir("/"))
	}
	if err := unix.Unmount(".", unix.MNT_DETACH); err != nil {
		return fmt.Errorf("leave the old root: %w", err)
	}
	return os.Chdir("/")
}

// cloneParts clones what the Spec names, shortest path first, so that a folder
// in another is placed after it.
func cloneParts(spec message) ([]stretch, error) {
	var parts []stretch
	add := func(paths []string, attr uint64) error {
		for _, path := range paths {
			p, err := clonePart(path, attr|unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NODEV)
			if err != nil {
				return err
			}
			parts = append(parts, p)
		}
		return nil
	}
	err := errors.Join(
		add(loaderPaths(), unix.MOUNT_ATTR_RDONLY),
		add(spec.Read, unix.MOUNT_ATTR_RDONLY|unix.MOUNT_ATTR_NOEXEC),
		add(spec.Write, unix.MOUNT_ATTR_NOEXEC))
	slices.SortStableFunc(parts, func(a, b stretch) int { return strings.Count(a.path, "/") - strings.Count(b.path, "/") })
	return parts, err
}

func clonePart(path string, attr uint64) (stretch, error) {
	st, err := os.Stat(path)
	if err != nil {
		return stretch{}, fmt.Errorf("look at a folder of the cage: %w", err)
	}
	fd, err := unix.OpenTree(unix.AT_FDCWD, path, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_RECURSIVE)
	if err != nil {
		return stretch{}, fmt.Errorf("clone a folder of the cage: %w", err)
	}
	p := stretch{path: path, dir: st.IsDir(), fd: fd}
	err = unix.MountSetattr(fd, "", unix.AT_EMPTY_PATH|unix.AT_RECURSIVE, &unix.MountAttr{Attr_set: attr})
	if err != nil && !errors.Is(err, unix.ENOSYS) { // before 5.12: the attack will tell what that costs
		unix.Close(fd)
		return stretch{}, fmt.Errorf("restrict a folder of the cage: %w", err)
	}
	return p, nil
}

func (p stretch) place() error {
	at := filepath.Join(scaffold, p.path)
	dir := at
	if !p.dir {
		dir = filepath.Dir(at)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("make room for a folder of the cage: %w", err)
	}
	if !p.dir {
		f, err := os.OpenFile(at, os.O_CREATE|os.O_RDONLY, 0o644)
		if err != nil {
			return fmt.Errorf("make room for a file of the cage: %w", err)
		}
		f.Close()
	}
	if err := unix.MoveMount(p.fd, "", unix.AT_FDCWD, at, unix.MOVE_MOUNT_F_EMPTY_PATH); err != nil {
		return fmt.Errorf("place a folder of the cage: %w", err)
	}
	return nil
}
