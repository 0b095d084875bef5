// Package census counts the sockets of a process and says to whom each leads,
// as the kernel's own tables have it. It is how a test or a demonstration
// shows what a process can talk to, whatever the process itself says.
//
// It only looks: it changes nothing and attributes nothing it did not find.
// A socket of a kind it does not know is counted as such, never left out.
package census

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Kinds of socket. Others are named as the kernel's table file is, such as
// "raw6" or "netlink"; a socket in no table at all is "unknown".
const (
	TCP     = "tcp" // both families
	UDP     = "udp" // both families
	Unix    = "unix"
	Unknown = "unknown"
)

// Socket is one socket that a process holds.
type Socket struct {
	FD    int
	Inode uint64
	Kind  string
	// Local and Remote are host:port, or for unix sockets the path, with @
	// for the zero byte that an abstract name begins with. Empty means none:
	// not bound, not connected, or, for a unix socket's remote, bound to
	// nothing or not told by the kernel.
	Local, Remote string
	// State is as ss(8) has it: "listen", "established", … Empty where the
	// kind has none.
	State string
}

// Of returns the sockets of the process, by descriptor. A socket held under
// two descriptors comes twice. The remote path of a unix socket is known only
// in our own network namespace. What is opened or closed while it looks may
// be missing. A process that is gone is fs.ErrNotExist.
func Of(pid int) ([]Socket, error) { return Given(pid, pid) }

// Given returns the sockets of a process as they are known in the network
// namespace of another, which has made them and handed them over.
func Given(pid, maker int) ([]Socket, error) {
	held, err := descriptors(pid)
	if err != nil {
		return nil, fmt.Errorf("census of process %d: %w", pid, err)
	}
	if len(held) == 0 {
		return nil, nil
	}
	known, err := tables(fmt.Sprintf("/proc/%d/net", maker))
	if err != nil {
		return nil, fmt.Errorf("census of process %d: %w", pid, err)
	}
	if slices.ContainsFunc(held, func(s Socket) bool { return known[s.Inode].Kind == Unix }) && sameNetwork(maker) {
		if err := peers(known); err != nil {
			return nil, fmt.Errorf("census of process %d: %w", pid, err)
		}
	}
	for i, s := range held {
		held[i] = Socket{Kind: Unknown}
		if k, ok := known[s.Inode]; ok {
			held[i] = k
		}
		held[i].FD, held[i].Inode = s.FD, s.Inode
	}
	return held, nil
}

// descriptors returns the sockets among a process's files, with FD and Inode
// filled in, in order.
func descriptors(pid int) ([]Socket, error) {
	dir := fmt.Sprintf("/proc/%d/fd", pid)
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var held []Socket
	for _, e := range entries {
		target, err := os.Readlink(filepath.Join(dir, e.Name()))
		if errors.Is(err, fs.ErrNotExist) {
			continue // closed in the meantime
		} else if err != nil {
			return nil, err
		}
		inode, ok := strings.CutPrefix(target, "socket:[")
		if !ok {
			continue
		}
		s := Socket{}
		if s.Inode, err = strconv.ParseUint(strings.TrimSuffix(inode, "]"), 10, 64); err != nil {
			return nil, fmt.Errorf("read descriptor %s: %w", e.Name(), err)
		}
		if s.FD, err = strconv.Atoi(e.Name()); err != nil {
			return nil, fmt.Errorf("read descriptor %s: %w", e.Name(), err)
		}
		held = append(held, s)
	}
	slices.SortFunc(held, func(a, b Socket) int { return a.FD - b.FD })
	return held, nil
}

func sameNetwork(pid int) bool {
	ours, err1 := os.Readlink("/proc/self/ns/net")
	theirs, err2 := os.Readlink(fmt.Sprintf("/proc/%d/ns/net", pid))
	return err1 == nil && err2 == nil && ours == theirs
}
