package keyring

import (
	"errors"
	"fmt"
	"math"
	"runtime"
	"time"

	"golang.org/x/sys/unix"

	"sotto/anon"
)

const (
	kind = "user" // bytes that programs may read back, in memory that is not swapped: keyrings(7)
	// rights are the possessor's: to see, read, find and link it. The user's
	// own bits, the group's and those of others stay empty.
	rights = 0x01000000 | 0x02000000 | 0x08000000 | 0x10000000
	// own is the user's keyring: it outlives sessions, and services have it too.
	own = unix.KEY_SPEC_USER_KEYRING
	// mine is seen by nobody else. A key is made ready in it, and is in our
	// possession while it is there, which a link in the user's alone does not
	// give to a program whose session is not the user's.
	mine = unix.KEY_SPEC_THREAD_KEYRING
)

// Put keeps s under a name, instead of what was there. keep is rounded up to
// seconds; 0 is until the machine stops. Errors: ErrSize, ErrRefused, and those
// of the kernel, such as unix.EDQUOT.
func Put(name string, s anon.Secret, keep time.Duration) error {
	raw := s.Expose()
	defer clear(raw)
	if len(raw) == 0 || len(raw) > MaxSecret {
		return fmt.Errorf("put into the keyring: %w", ErrSize)
	}
	seconds := (keep + time.Second - 1) / time.Second
	if keep < 0 || seconds > math.MaxInt32 {
		return fmt.Errorf("put into the keyring: %w: a time out of range", unix.EINVAL)
	}
	return alone("put into the keyring", func() error {
		id, err := unix.AddKey(kind, Description(name), raw, mine)
		if err != nil {
			return err
		}
		defer unlink(id, mine)
		// Others see it only once it has its rights and its end.
		if err := unix.KeyctlSetperm(id, rights|setAttributes); err != nil {
			return err
		}
		if seconds > 0 {
			if _, err := unix.KeyctlInt(unix.KEYCTL_SET_TIMEOUT, id, int(seconds), 0, 0); err != nil {
				return err
			}
		}
		if err := unix.KeyctlSetperm(id, rights); err != nil {
			return err
		}
		_, err = unix.KeyctlInt(unix.KEYCTL_LINK, id, own, 0, 0)
		return err
	})
}

// setAttributes is the possessor's right to change rights and time.
const setAttributes = 0x20000000

// Get returns what is kept under a name. Errors: ErrNone, ErrRefused, ErrSize
// for what is not ours, and those of the kernel.
func Get(name string) (s anon.Secret, err error) {
	return s, alone("read the keyring", func() error {
		id, err := find(name)
		if err != nil {
			return err
		}
		defer unlink(id, mine)
		raw := make([]byte, MaxSecret+1)
		defer clear(raw)
		n, err := unix.KeyctlBuffer(unix.KEYCTL_READ, id, raw, 0)
		if err != nil {
			return err
		}
		if n == 0 || n > MaxSecret {
			return ErrSize
		}
		s = anon.NewSecret(raw[:n])
		return nil
	})
}

// Drop forgets what is kept under a name, for all who may have linked it.
// Errors: ErrNone, ErrRefused, and those of the kernel.
func Drop(name string) error {
	return alone("drop from the keyring", func() error {
		id, err := find(name)
		if err != nil {
			return err
		}
		defer unlink(id, mine)
		if _, err := unix.KeyctlInt(unix.KEYCTL_INVALIDATE, id, 0, 0, 0); err != nil {
			return err
		}
		// The kernel does it too, a little later.
		if err := unlink(id, own); err != nil && !errors.Is(err, unix.ENOENT) && !errors.Is(err, unix.ENOKEY) {
			return err
		}
		return nil
	})
}

// find links a key of the user's keyring into our own and returns its number.
func find(name string) (int, error) { return unix.KeyctlSearch(own, kind, Description(name), mine) }

func unlink(id, ring int) error {
	_, err := unix.KeyctlInt(unix.KEYCTL_UNLINK, id, ring, 0, 0)
	return err
}

// alone calls do on one thread, whose keyring is another than the next one's,
// and says what the kernel's numbers mean.
func alone(verb string, do func() error) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	err := do()
	switch {
	case err == nil:
		return nil
	case errors.Is(err, unix.ENOKEY), errors.Is(err, unix.EKEYEXPIRED), errors.Is(err, unix.EKEYREVOKED):
		err = ErrNone
	case errors.Is(err, unix.ENOSYS), errors.Is(err, unix.EPERM):
		err = fmt.Errorf("%w: %w", ErrRefused, err)
	}
	return fmt.Errorf("%s: %w", verb, err)
}
