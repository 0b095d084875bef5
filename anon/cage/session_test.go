//go:build linux && (amd64 || arm64)

package cage

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// A login's session keyring holds the user's, and is inherited past all
// namespaces: the engine gets another one.
func TestSessionKeyringIsLeft(t *testing.T) {
	type end struct {
		out []byte
		err error
	}
	ended := make(chan end)
	go func() {
		runtime.LockOSThread() // and never unlocked: the session ends with the thread
		ring, err := unix.KeyctlInt(unix.KEYCTL_JOIN_SESSION_KEYRING, 0, 0, 0, 0)
		if err == nil {
			_, err = unix.KeyctlInt(unix.KEYCTL_LINK, unix.KEY_SPEC_USER_KEYRING, ring, 0, 0)
		}
		if err != nil {
			ended <- end{nil, err}
			return
		}
		cmd := exec.Command("/proc/self/exe", "session", t.TempDir())
		out, err := cmd.CombinedOutput()
		ended <- end{out, err}
	}()
	e := <-ended
	require.NoError(t, e.err, string(e.out))
}

// inSession runs in a process of its own.
func inSession(dir string) error {
	for _, c := range []struct {
		without Walls
		open    bool
	}{{Seccomp, false}, {Seccomp | Stripped, true}} {
		child, err := Start(Spec{Files: []*os.File{nil, nil, stderr()}, Write: []string{dir}, Without: c.without})
		if err != nil {
			return err
		}
		v, err := child.Prove(context.Background())
		child.Kill()
		_ = child.Wait() // that it was killed
		if err != nil {
			return err
		}
		// Without a user namespace the user's number leads there too, past the
		// session: then the filter alone keeps it.
		if v.Facts.OwnUsers && slices.Contains(v.Holes(), "read the user's keyring") != c.open {
			return fmt.Errorf("without %s the user's keyring can be read: %v", c.without, !c.open)
		}
	}
	return nil
}
