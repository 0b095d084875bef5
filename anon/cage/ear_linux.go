//go:build linux && (amd64 || arm64)

package cage

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"sotto/anon"
	"sotto/anon/keyring"
)

// targets is what the engine aims at: sockets and files of the parent's that
// nobody else uses. Zero ports and empty names were not to be had.
type targets struct {
	Parent     int // process id, as the parent sees it
	TCP4, TCP6 int // ports on the loopback addresses
	UDP4, UDP6 int
	Abstract   string // unix sockets: a stream; its datagram twin has "d" at its end
	Path       string
	Folder     string // outside the cage, the parent's own
	Secret     string // a file in it
	Key        string // a key in the user's keyring, as the kernel calls it
	// Here are the well-known names that this machine has. From inside, one
	// that is hidden looks like one that does not exist.
	Here []string
}

// ear holds listening sockets in the parent's own namespaces. It has no
// goroutine: what arrived waits in the kernel until heard takes it, and on
// loopback and unix sockets a call that sends has delivered when it returns.
type ear struct {
	targets targets
	streams []int
	packets []int
	key     string // the key's name, "" where there is none
}

// attemptMark begins what an attempt sends; the rest of the line is its name.
const attemptMark = "sotto self-attack: "

// listen makes an ear whose folder is not below any of the given ones.
func listen(avoid []string) (*ear, error) {
	dir, err := outside(avoid)
	if err != nil {
		return nil, err
	}
	e := &ear{targets: targets{
		Parent: os.Getpid(), Folder: dir, Secret: filepath.Join(dir, "secret"),
		Path: filepath.Join(dir, "ear"), Abstract: "sotto-ear-" + rand.Text(),
	}}
	for _, name := range append(knownNames(), services...) {
		if _, err := os.Lstat(name); err == nil {
			e.targets.Here = append(e.targets.Here, name)
		}
	}
	if err := os.WriteFile(e.targets.Secret, []byte(rand.Text()), 0o600); err != nil {
		return nil, errors.Join(fmt.Errorf("listen for the attack: %w", err), e.close())
	}
	e.putKey()
	any4, any6 := [4]byte{127, 0, 0, 1}, [16]byte{15: 1}
	e.targets.TCP4 = e.open(unix.SOCK_STREAM, &unix.SockaddrInet4{Addr: any4})
	e.targets.TCP6 = e.open(unix.SOCK_STREAM, &unix.SockaddrInet6{Addr: any6})
	e.targets.UDP4 = e.open(unix.SOCK_DGRAM, &unix.SockaddrInet4{Addr: any4})
	e.targets.UDP6 = e.open(unix.SOCK_DGRAM, &unix.SockaddrInet6{Addr: any6})
	for _, name := range []string{"@" + e.targets.Abstract, e.targets.Path} {
		if e.open(unix.SOCK_STREAM, &unix.SockaddrUnix{Name: name}) < 0 || e.open(unix.SOCK_DGRAM, &unix.SockaddrUnix{Name: name + "d"}) < 0 {
			return nil, errors.Join(errors.New("listen for the attack: no unix socket to be had"), e.close())
		}
	}
	return e, nil
}

// keyTime is how long the key stays if nobody drops it.
const keyTime = time.Minute

// putKey has the user's keyring hold something to find. Without a keyring there
// is nothing to protect in it.
func (e *ear) putKey() {
	name := "ear-" + rand.Text()
	if keyring.Put(name, anon.NewSecret([]byte(rand.Text())), keyTime) == nil {
		e.key, e.targets.Key = name, keyring.Description(name)
	}
}

// dropKey is for when the attack is over: a parent that was narrowed since has no
// call for it, and the key stays for its time.
func (e *ear) dropKey() {
	if e.key != "" {
		_ = keyring.Drop(e.key)
		e.key = ""
	}
}

// outside makes a folder that the engine was not given.
func outside(avoid []string) (string, error) {
	for _, base := range []string{os.TempDir(), os.Getenv("XDG_RUNTIME_DIR"), "/var/tmp", "/dev/shm", "/run"} {
		if base == "" || within(base, avoid) {
			continue
		}
		if dir, err := os.MkdirTemp(base, "sotto-ear-"); err == nil {
			return dir, nil
		}
	}
	return "", errors.New("listen for the attack: the engine was given every folder for temporary files; give it less")
}

// within reports whether path is one of the folders or below one.
func within(path string, folders []string) bool {
	for _, f := range folders {
		if rel, err := filepath.Rel(f, path); err == nil && rel != ".." && !strings.HasPrefix(rel, "../") {
			return true
		}
	}
	return false
}

// open returns the port, 0 for a unix socket, -1 or 0 when this machine has no
// such network.
func (e *ear) open(kind int, at unix.Sockaddr) int {
	family := unix.AF_UNIX
	switch at.(type) {
	case *unix.SockaddrInet4:
		family = unix.AF_INET
	case *unix.SockaddrInet6:
		family = unix.AF_INET6
	}
	missing := 0
	if family == unix.AF_UNIX {
		missing = -1
	}
	fd, err := unix.Socket(family, kind|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return missing
	}
	if err = unix.Bind(fd, at); err == nil && kind == unix.SOCK_STREAM {
		err = unix.Listen(fd, 64)
	}
	if err != nil {
		unix.Close(fd)
		return missing
	}
	if kind == unix.SOCK_STREAM {
		e.streams = append(e.streams, fd)
	} else {
		e.packets = append(e.packets, fd)
	}
	name, _ := unix.Getsockname(fd)
	switch name := name.(type) {
	case *unix.SockaddrInet4:
		return name.Port
	case *unix.SockaddrInet6:
		return name.Port
	}
	return 0
}

// heard returns the names of the attempts that arrived, and "unknown" for
// arrivals that do not say: nobody else knows these sockets, so they count.
func (e *ear) heard() []string {
	var names []string
	buf := make([]byte, 512)
	for _, fd := range e.packets {
		for {
			n, _, err := unix.Recvfrom(fd, buf, 0)
			if err != nil {
				break
			}
			names = append(names, heardName(buf[:n]))
		}
	}
	for _, fd := range e.streams {
		for {
			conn, _, err := unix.Accept4(fd, unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK)
			if err != nil {
				break
			}
			n, _ := unix.Read(conn, buf)
			unix.Close(conn)
			names = append(names, heardName(buf[:max(n, 0)]))
		}
	}
	return names
}

func heardName(b []byte) string {
	_, rest, ok := bytes.Cut(b, []byte(attemptMark))
	name, _, end := bytes.Cut(rest, []byte("\n"))
	if !ok || !end {
		return "unknown"
	}
	return string(bytes.TrimSuffix(name, []byte("\r")))
}

// close removes what the ear made. It may be called twice.
func (e *ear) close() error {
	for _, fd := range append(e.streams, e.packets...) {
		unix.Close(fd)
	}
	e.streams, e.packets = nil, nil
	e.dropKey()
	return os.RemoveAll(e.targets.Folder)
}
