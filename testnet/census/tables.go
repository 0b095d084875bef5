package census

import (
	"bufio"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// inetTables have one layout (Linux, Documentation/networking/proc_net_tcp.rst);
// the value is the kind to report.
var inetTables = map[string]string{
	"tcp": TCP, "tcp6": TCP, "udp": UDP, "udp6": UDP, "udplite": "udplite", "udplite6": "udplite",
	"raw": "raw", "raw6": "raw6", "icmp": "icmp", "icmp6": "icmp6",
}

// inodeColumn gives the column of the inode in tables of which no more is of
// interest, counted from 0.
var inodeColumn = map[string]int{"netlink": 9, "packet": 8}

// maxLine bounds a line; the longest is a unix socket's with its path.
const maxLine = 4 << 10

// tables reads every socket table below dir and returns what is in them by
// inode. A table the kernel does not have is left out.
func tables(dir string) (map[uint64]Socket, error) {
	known := make(map[uint64]Socket)
	read := func(name string, parse func(io.Reader) error) error {
		f, err := os.Open(filepath.Join(dir, name))
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		} else if err != nil {
			return err
		}
		defer f.Close()
		if err := parse(f); err != nil {
			return fmt.Errorf("read table %s: %w", name, err)
		}
		return nil
	}
	for name, kind := range inetTables {
		if err := read(name, func(r io.Reader) error { return parseInet(r, kind, known) }); err != nil {
			return nil, err
		}
	}
	for name, column := range inodeColumn {
		if err := read(name, func(r io.Reader) error { return parseInodes(r, name, column, known) }); err != nil {
			return nil, err
		}
	}
	if err := read("unix", func(r io.Reader) error { return parseUnix(r, known) }); err != nil {
		return nil, err
	}
	return known, nil
}

// rows calls each with the columns of every line but the heading.
func rows(r io.Reader, each func(columns []string, line string) error) error {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxLine)
	for n := 0; lines.Scan(); n++ {
		columns := strings.Fields(lines.Text())
		if n == 0 || len(columns) == 0 {
			continue
		}
		if err := each(columns, lines.Text()); err != nil {
			return fmt.Errorf("line %d: %w", n+1, err)
		}
	}
	return lines.Err()
}

func parseInet(r io.Reader, kind string, known map[uint64]Socket) error {
	return rows(r, func(c []string, _ string) error {
		if len(c) < 10 {
			return fmt.Errorf("%d columns", len(c))
		}
		local, err := parseAddr(c[1])
		if err != nil {
			return err
		}
		remote, err := parseAddr(c[2])
		if err != nil {
			return err
		}
		inode, err := strconv.ParseUint(c[9], 10, 64)
		if err != nil {
			return err
		}
		if inode == 0 {
			return nil // nobody's any more: time-wait
		}
		s := Socket{Kind: kind, Local: local.String(), State: state(kind, c[3])}
		if remote.Port() != 0 || !remote.Addr().IsUnspecified() {
			s.Remote = remote.String()
		}
		known[inode] = s
		return nil
	})
}

// parseAddr reads an address as the tables print it: 32-bit words in the
// machine's own byte order, each as hexadecimal, and after a colon the port.
func parseAddr(s string) (netip.AddrPort, error) {
	host, port, _ := strings.Cut(s, ":")
	raw, err := hex.DecodeString(host)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("address %.60q: %w", s, err)
	}
	for i := 0; i+4 <= len(raw); i += 4 {
		binary.BigEndian.PutUint32(raw[i:], binary.NativeEndian.Uint32(raw[i:]))
	}
	a, ok := netip.AddrFromSlice(raw)
	p, err := strconv.ParseUint(port, 16, 16)
	if !ok || err != nil {
		return netip.AddrPort{}, fmt.Errorf("address %.60q is malformed", s)
	}
	return netip.AddrPortFrom(a.Unmap(), uint16(p)), nil
}

// states are the kernel's (include/net/tcp_states.h).
var states = map[string]string{
	"01": "established", "02": "syn-sent", "03": "syn-recv", "04": "fin-wait-1", "05": "fin-wait-2",
	"06": "time-wait", "07": "closed", "08": "close-wait", "09": "last-ack", "0A": "listen", "0B": "closing",
}

func state(kind, code string) string {
	if kind != TCP && code == "07" {
		return "" // merely not connected
	}
	if name, ok := states[code]; ok {
		return name
	}
	return "state " + code
}

// Columns of the unix table: address of the kernel object, references,
// protocol, flags, type, state, inode, and the path when there is one.
func parseUnix(r io.Reader, known map[uint64]Socket) error {
	const accepting = 0x10000 // __SO_ACCEPTCON
	return rows(r, func(c []string, line string) error {
		if len(c) < 7 {
			return fmt.Errorf("%d columns", len(c))
		}
		inode, err := strconv.ParseUint(c[6], 10, 64)
		if err != nil {
			return err
		}
		flags, err := strconv.ParseUint(c[3], 16, 32)
		if err != nil {
			return err
		}
		s := Socket{Kind: Unix}
		switch {
		case flags&accepting != 0:
			s.State = "listen"
		case c[5] == "03":
			s.State = "established"
		}
		if len(c) > 7 {
			// A path may hold blanks: take the line's rest as it is. The
			// inode is padded on its left.
			_, rest, _ := strings.Cut(line, " "+c[6]+" ")
			s.Local = rest
		}
		known[inode] = s
		return nil
	})
}

func parseInodes(r io.Reader, kind string, column int, known map[uint64]Socket) error {
	return rows(r, func(c []string, _ string) error {
		if len(c) <= column {
			return fmt.Errorf("%d columns", len(c))
		}
		inode, err := strconv.ParseUint(c[column], 10, 64)
		if err != nil {
			return err
		}
		known[inode] = Socket{Kind: kind}
		return nil
	})
}
