//go:build linux && (amd64 || arm64)

package cage

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"sotto/anon/keyring"
)

// A narrowed process reaches its router's port and no other, on threads that
// were there before as on later ones, and can still cage an engine, whichever
// thread asks for the proof.
func TestNarrow(t *testing.T) {
	right, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer right.Close()
	wrong, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer wrong.Close()
	port := func(l net.Listener) string { return strconv.Itoa(l.Addr().(*net.TCPAddr).Port) }
	cmd := exec.Command("/proc/self/exe", "narrow", port(right), port(wrong))
	cmd.Env = append(os.Environ(), "HOME="+t.TempDir())
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
}

// narrowed runs in a process of its own.
func narrowed(right, wrong string) error {
	before := make(chan func()) // a thread from before
	go func() {
		runtime.LockOSThread()
		for f := range before {
			f()
		}
	}()
	before <- func() {}
	port, err := strconv.ParseUint(right, 10, 16)
	if err != nil {
		return err
	}
	n, err := Narrow(Reach{Ports: []uint16{uint16(port)}})
	if err != nil {
		return err
	}
	if !n.Calls {
		return fmt.Errorf("calls are not narrowed: %v", n.Missing)
	}
	if err := dial(right); err != nil {
		return fmt.Errorf("dial the router: %w", err)
	}
	held := make(chan error, 1)
	before <- func() { held <- dial(wrong) }
	for _, err := range []error{<-held, dial(wrong)} {
		if n.Ports != errors.Is(err, unix.EACCES) {
			return fmt.Errorf("dial another port, ports %v: %w", n.Ports, err)
		}
	}
	for name, s := range map[string][3]int{
		"udp": {unix.AF_INET, unix.SOCK_DGRAM, 0}, "mptcp": {unix.AF_INET, unix.SOCK_STREAM, unix.IPPROTO_MPTCP},
		"netlink": {unix.AF_NETLINK, unix.SOCK_RAW, 0}, "vsock": {unix.AF_VSOCK, unix.SOCK_STREAM, 0},
	} {
		if _, err := unix.Socket(s[0], s[1], s[2]); !errors.Is(err, unix.EPERM) {
			return fmt.Errorf("make a %s socket: %w", name, err)
		}
	}
	if _, err := keyring.Get("nobody's"); !errors.Is(err, keyring.ErrRefused) {
		return fmt.Errorf("ask the keyring: %w", err)
	}
	return cageOne(os.Getenv("HOME"), before)
}

func dial(port string) error {
	c, err := net.Dial("tcp", "127.0.0.1:"+port)
	if err == nil {
		c.Close()
	}
	return err
}

// cageOne starts a child here and has it proven by the thread behind prove.
func cageOne(dir string, prove chan<- func()) error {
	c, err := Start(Spec{Files: []*os.File{nil, nil, stderr()}, Write: []string{dir}})
	if err != nil {
		return err
	}
	proven := make(chan error, 1)
	prove <- func() {
		v, err := c.Prove(context.Background())
		if err == nil && (v.Label == Open || c.own.Has(Namespaces) != v.Facts.OwnNetwork || v.Facts.OwnUsers != (v.Label == Sealed)) {
			err = fmt.Errorf("caged by a narrowed parent: %s, %v", v.Label, v.Missing)
		}
		proven <- err
	}
	if err := <-proven; err != nil {
		c.Kill()
		return errors.Join(err, c.Wait())
	}
	return errors.Join(c.Admit(), c.Wait())
}
