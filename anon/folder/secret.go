package folder

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"sotto/anon"
)

// Guard says who besides the owner may have rights on a secret file.
type Guard fs.FileMode

const (
	// OwnerOnly: no group and no other user may have any right.
	OwnerOnly Guard = 0o077
	// FolderGuarded: the folder keeps others out, and the group's bits of the
	// file say nothing. systemd shows the access list of a credential there:
	// 0440 for a service with a user of its own.
	FolderGuarded Guard = 0o007
	// othersWrite: what lets others change a folder.
	othersWrite Guard = 0o022
)

// ReadSecret returns the contents of a secret file of at most max bytes. It
// refuses, with ErrExposed, a file that guard forbids, one that belongs to
// somebody else than us and root, and anything that is not a plain file; it does
// not wait for the other end of a pipe. On Windows, which has no such bits, the user's profile is
// what protects it. The file may be reached through a symbolic link: secret
// stores link to the version in use.
func ReadSecret(path string, max int64, guard Guard) (anon.Secret, error) {
	h, err := os.OpenFile(filepath.Clean(path), os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return anon.Secret{}, err
	}
	defer h.Close()
	// Asked of the open file, so that it cannot change between the question
	// and the reading.
	info, err := h.Stat()
	if err != nil {
		return anon.Secret{}, err
	}
	if !info.Mode().IsRegular() {
		return anon.Secret{}, fmt.Errorf("%w: it is not a plain file", ErrExposed)
	}
	if foreign(info) {
		return anon.Secret{}, fmt.Errorf("%w: it belongs to somebody else, who knows it", ErrExposed)
	}
	if exposed(info.Mode(), guard) {
		return anon.Secret{}, fmt.Errorf("%w: its mode is %04o; run chmod 600 on it, and change the secret if somebody may have read it",
			ErrExposed, info.Mode().Perm())
	}
	raw, err := readAll(h, max)
	if err != nil {
		return anon.Secret{}, err
	}
	defer clear(raw)
	return anon.NewSecret(raw), nil
}
