//go:build linux && (amd64 || arm64)

package cage

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// deeds are what a caged child can be told to do after Lock.
var deeds = map[string]func([]string) error{
	"wait":  wait,
	"work":  work,
	"knock": knock,
	"shout": shout,
	"touch": func([]string) error { return nil },
}

// What an engine does all day is allowed, and rings no alarm.
func TestAnEngineCanWork(t *testing.T) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	require.NoError(t, err)
	ours, theirs := os.NewFile(uintptr(pair[0]), "ours"), os.NewFile(uintptr(pair[1]), "theirs")
	defer ours.Close()
	dir, read := t.TempDir(), t.TempDir()
	require.NoError(t, os.WriteFile(read+"/given", []byte("given"), 0o600))
	c := start(t, Spec{Args: []string{"work", dir, read}, Files: []*os.File{nil, nil, stderr(), theirs}, Write: []string{dir}, Read: []string{read}})
	theirs.Close()
	prove(t, c)
	require.NoError(t, c.Admit())

	conn, err := lineOn(ours)
	require.NoError(t, err)
	defer conn.Close()
	// One stream for the child, handed over as the broker does.
	stream, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	require.NoError(t, err)
	_, _, err = conn.WriteMsgUnix([]byte("s"), unix.UnixRights(stream[1]), nil)
	require.NoError(t, err)
	unix.Close(stream[1])
	peer := os.NewFile(uintptr(stream[0]), "peer")
	defer peer.Close()
	sent := bytes.Repeat([]byte("sotto"), 100_000)
	go func() {
		_, _ = peer.Write(sent)
		_ = unix.Shutdown(stream[0], unix.SHUT_WR)
	}()
	echo, err := io.ReadAll(peer)
	require.NoError(t, err)
	require.Equal(t, sent, echo)

	require.NoError(t, c.Wait())
	require.Empty(t, c.Incidents().Calls)
	require.FileExists(t, dir+"/sub/done")
}

func work(args []string) error {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(signals)
	if err := syscall.Kill(os.Getpid(), syscall.SIGTERM); err != nil {
		return err
	}
	<-signals
	return errors.Join(echo(), disk(args[0], args[1]), compute())
}

func echo() error {
	conn, err := lineOn(os.NewFile(3, "broker"))
	if err != nil {
		return err
	}
	defer conn.Close()
	b, oob := make([]byte, 1), make([]byte, unix.CmsgSpace(4))
	_, n, _, _, err := conn.ReadMsgUnix(b, oob)
	if err != nil {
		return err
	}
	fd, err := passed(oob[:n])
	if err != nil {
		return err
	}
	f := os.NewFile(uintptr(fd), "stream")
	defer f.Close()
	stream, err := net.FileConn(f)
	if err != nil {
		return err
	}
	defer stream.Close()
	if err := stream.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		return err
	}
	all, err := io.ReadAll(stream)
	if err != nil {
		return err
	}
	if _, err = stream.Write(all); err != nil {
		return err
	}
	return stream.(*net.UnixConn).CloseWrite()
}

func disk(write, read string) error {
	if b, err := os.ReadFile(read + "/given"); err != nil || string(b) != "given" {
		return fmt.Errorf("read what was given: %q %w", b, err)
	}
	if _, err := os.ReadDir(read); err != nil {
		return err
	}
	root, err := os.OpenRoot(write)
	if err != nil {
		return err
	}
	defer root.Close()
	if err := root.MkdirAll("sub/deeper", 0o755); err != nil {
		return err
	}
	f, err := root.OpenFile("sub/part", os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := f.WriteAt(make([]byte, 1<<20), 1<<16); err != nil {
		return err
	}
	err = errors.Join(f.Truncate(1<<21), unix.Fallocate(int(f.Fd()), 0, 0, 1<<21), f.Sync(), unix.Fdatasync(int(f.Fd())),
		unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB))
	if _, err2 := f.ReadAt(make([]byte, 100), 1<<16); err2 != nil {
		return err2
	}
	if err := errors.Join(err, root.Rename("sub/part", "sub/done"), root.Remove("sub/deeper")); err != nil {
		return err
	}
	temp, err := os.CreateTemp(write, ".new-*")
	if err != nil {
		return err
	}
	defer temp.Close()
	if _, err := io.Copy(temp, io.NewSectionReader(f, 0, 1<<20)); err != nil {
		return err
	}
	d, err := os.Open(write)
	if err != nil {
		return err
	}
	defer d.Close()
	var st unix.Statfs_t
	return errors.Join(os.Rename(temp.Name(), write+"/renamed"), d.Sync(), unix.Fstatfs(int(d.Fd()), &st), os.Remove(write+"/renamed"))
}

// compute makes the runtime start threads, collect garbage and set timers.
func compute() error {
	var wg sync.WaitGroup
	for range 64 {
		wg.Go(func() {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			keep := make([][]byte, 0, 100)
			for range 100 {
				keep = append(keep, make([]byte, 10_000))
			}
			runtime.KeepAlive(keep)
			<-time.After(time.Millisecond)
		})
	}
	wg.Wait()
	runtime.GC()
	return nil
}

// What leaves the list rings the alarm, by the call's number.
func TestTheTripwireRings(t *testing.T) {
	c := start(t, Spec{Args: []string{"knock"}})
	prove(t, c)
	require.NoError(t, c.Admit())
	require.NoError(t, c.Wait())
	calls := c.Incidents().Calls
	require.EqualValues(t, 1, calls[unix.SYS_SOCKET])
	require.EqualValues(t, 1, calls[unix.SYS_PTRACE])
	require.True(t, c.Incidents().Any())
}

// Without the filter a packet is stopped by the namespace, which counts it.
func TestTheTripwireCountsPackets(t *testing.T) {
	c := start(t, Spec{Args: []string{"shout"}, Files: []*os.File{nil, nil, stderr(), nil}, Without: Seccomp})
	prove(t, c)
	if !c.own.Has(Namespaces) {
		require.Zero(t, attempts(c.pid)) // our own traffic is not the child's
		return
	}
	before := attempts(c.pid)
	require.NotZero(t, before) // the self-attack's
	require.NoError(t, c.Admit())
	require.Eventually(t, func() bool { return c.Incidents().Packets > 0 }, 30*time.Second, time.Millisecond)
}

// shout sends until it is killed.
func shout([]string) error {
	for {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		_ = unix.Sendto(fd, []byte("x"), 0, &unix.SockaddrInet4{Port: nobody, Addr: [4]byte{127, 0, 0, 1}})
		unix.Close(fd)
		time.Sleep(time.Millisecond)
	}
}

func knock([]string) error {
	if _, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0); !errors.Is(err, unix.EPERM) {
		return fmt.Errorf("a socket: %w", err)
	}
	return reaches(unix.PtraceAttach(1), unix.EPERM)
}
