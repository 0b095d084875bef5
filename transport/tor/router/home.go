// Package router starts a tor of our own and sees it die: one child process,
// its configuration, and the two directories it lives in.
//
// It never gives tor a TCP or UDP listener, speaks no protocol with it and
// restarts nothing; that is the transport's work. The network stays off until
// the transport has checked the policy and turns it on.
package router

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Home is where a child lives: a short private directory for sockets, gone at
// Close, and a slot of the state directory, which keeps tor's guards from run
// to run and is locked against a second sotto. One child at a time.
type Home struct {
	run   string
	state string
	lock  *os.File
}

// Slots is how many children may share one state directory.
const Slots = 16

// maxSocket is the longest path a unix socket may have: sun_path holds 104
// bytes on some systems and 108 on Linux, with a NUL.
const maxSocket = 103

// NewHome makes the run directory under runBase and claims a slot under
// stateDir. An empty runBase is the system's directory for temporary files,
// or /tmp where that is too long a path for a socket. An empty stateDir puts
// the state into the run directory: tor then picks fresh guards every time,
// which over many runs is worse for anonymity.
func NewHome(runBase, stateDir string) (*Home, error) {
	run, err := NewRunDir(runBase)
	if err != nil {
		return nil, err
	}
	h := &Home{run: run}
	if stateDir == "" {
		h.state = filepath.Join(run, "state")
		err = os.Mkdir(h.state, 0o700)
	} else {
		err = h.claim(stateDir)
	}
	if err != nil {
		h.Close()
		return nil, fmt.Errorf("prepare tor's state: %w", err)
	}
	return h, nil
}

// NewRunDir makes a directory with mode 0700 whose path is short and plain
// enough for sockets named by Socket. The caller removes it.
func NewRunDir(base string) (string, error) {
	bases := []string{base}
	if base == "" {
		bases = []string{os.TempDir(), "/tmp"}
	}
	var errs []error
	for _, b := range bases {
		dir, err := runDir(b)
		if err == nil {
			return dir, nil
		}
		errs = append(errs, err)
	}
	return "", fmt.Errorf("make a directory for sockets: %w", errors.Join(errs...))
}

func runDir(base string) (string, error) {
	base, err := filepath.Abs(base)
	if err != nil {
		return "", err
	}
	dir, err := os.MkdirTemp(base, "sotto-")
	if err != nil {
		return "", err
	}
	if err := checkPath(dir); err != nil {
		os.Remove(dir)
		return "", err
	}
	return dir, nil
}

// socketName leaves room for 128 random bits in hex.
const socketName = 34

// checkPath refuses what tor's configuration, its ADD_ONION command or the
// kernel would misread.
func checkPath(dir string) error {
	if len(dir)+1+socketName > maxSocket {
		return fmt.Errorf("%d bytes are too long a path for unix sockets", len(dir))
	}
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("/._-", r)
	}
	if strings.TrimFunc(dir, plain) != "" {
		return errors.New("tor takes only letters, digits and /._- in the path of a socket")
	}
	return nil
}

// claim locks the first free slot. The lock dies with its holders, not with
// the file, so a crash leaves nothing behind.
func (h *Home) claim(stateDir string) error {
	stateDir, err := filepath.Abs(stateDir)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(stateDir, "tor"), 0o700); err != nil {
		return err
	}
	for i := range Slots {
		slot := filepath.Join(stateDir, "tor", "slot-"+strconv.Itoa(i))
		f, err := os.OpenFile(slot+".lock", os.O_CREATE|os.O_RDWR, 0o600)
		if err != nil {
			return err
		}
		ok, err := tryLock(f)
		if ok {
			h.state, h.lock = slot, f
			return os.MkdirAll(slot, 0o700)
		}
		f.Close()
		if err != nil {
			return fmt.Errorf("lock a slot: %w", err)
		}
	}
	return fmt.Errorf("all %d slots are taken by other processes", Slots)
}

// Dir is the private run directory.
func (h *Home) Dir() string { return h.run }

// State is tor's data directory.
func (h *Home) State() string { return h.state }

// Control is the path of the control socket.
func (h *Home) Control() string { return filepath.Join(h.run, "control") }

// Socks is the path of the SOCKS socket, which carries onion streams only.
func (h *Home) Socks() string { return filepath.Join(h.run, "peers") }

// Cookie is the path of the control cookie.
func (h *Home) Cookie() string { return filepath.Join(h.run, "cookie") }

// Close gives the slot back and removes the run directory. The child must be
// gone.
func (h *Home) Close() error {
	err := os.RemoveAll(h.run)
	if h.lock != nil {
		err = errors.Join(err, h.lock.Close())
	}
	if err != nil {
		return fmt.Errorf("remove the run directory: %w", err)
	}
	return nil
}
