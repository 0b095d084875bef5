// Package sink is the wall a leak runs into: in a network namespace of
// testnet/netns it makes an interface the way to everywhere, IPv4 and IPv6,
// counts every packet that is sent there, and answers every DNS question with
// an address that belongs to that name alone, so that what follows can be
// laid at its door.
//
// It forwards nothing and answers nothing but DNS. It ignores no packet but
// the kernel's own IPv6 housekeeping (neighbour discovery and multicast
// listener reports), so a count of zero means that nothing was sent. A burst
// of more than 500 packets may be counted too low. It does not see what goes
// to lo, nor questions put to a resolver over a unix socket.
package sink

import (
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"sync"

	"golang.org/x/sys/unix"

	"sotto/testnet/netns"
)

// The sink's own addresses. Names get theirs from 198.19.0.0/16 from below;
// testnet/i2pnet's routers are in 198.18.0.0/16.
var (
	own4  = netip.MustParseAddr("198.19.255.1")
	own6  = netip.MustParseAddr("fd73:6f74:746f::1")
	dns4  = netip.MustParseAddr("198.19.255.53")
	flush = netip.MustParseAddrPort("198.19.255.254:9")
)

// maxKinds bounds what is kept; packets of further kinds are counted
// together, as Other.
const maxKinds = 4096

// Packet is a kind of packet: what the sink tells apart.
type Packet struct {
	Protocol string // "tcp", "udp", "icmp", "icmp6", "ip <number>" or "malformed"
	Dst      netip.AddrPort
	Name     string // the name that was given Dst as its address, or nothing
	Question string // for a DNS query: the name and type asked, "example.com A"
}

// Other stands for all kinds beyond the 4096th.
var Other = Packet{Protocol: "other"}

// Count is how many packets of a kind there were.
type Count struct {
	Packet
	N int
}

func (c Count) String() string {
	s := fmt.Sprintf("%d × %s %v", c.N, c.Protocol, c.Dst)
	if c.Name != "" {
		s += " (" + c.Name + ")"
	}
	if c.Question != "" {
		s += " asking " + c.Question
	}
	return s
}

// Sink is a running packet counter. Safe for concurrent use.
type Sink struct {
	tun     *os.File
	resolv  string        // what our resolv.conf is mounted on
	done    chan struct{} // closed when the reader is gone
	readErr error         // why; read only after done

	mu      sync.Mutex
	counts  map[Packet]int
	order   []Packet // as first seen
	names   namebook
	flushes map[uint64]chan struct{}
	flushed uint64
	close   sync.Once
}

// Start makes the sink this namespace's way to everywhere and its resolver.
// dir is a folder for its resolv.conf. One can run at a time in a namespace.
// Outside a namespace of testnet/netns the error is netns.ErrNotPrivate and
// nothing is changed. Needs /dev/net/tun, which is root's own on some
// systems.
func Start(dir string) (*Sink, error) {
	if err := netns.Verify(); err != nil {
		return nil, fmt.Errorf("start sink: %w", err)
	}
	tun, err := open()
	if err != nil {
		return nil, fmt.Errorf("start sink: %w", err)
	}
	s := &Sink{
		tun:     tun,
		done:    make(chan struct{}),
		counts:  make(map[Packet]int),
		names:   newNamebook(),
		flushes: make(map[uint64]chan struct{}),
	}
	if err := s.route(dir); err != nil {
		tun.Close()
		return nil, fmt.Errorf("start sink: %w", err)
	}
	go s.read()
	return s, nil
}

// open makes the interface; it is gone when the file is closed.
func open() (*os.File, error) {
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("open /dev/net/tun: %w", err)
	}
	request, err := unix.NewIfreq(netns.TunName)
	if err == nil {
		request.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
		err = unix.IoctlIfreq(fd, unix.TUNSETIFF, request)
	}
	if err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("make interface %s: %w", netns.TunName, err)
	}
	// Only now: the poller refuses a tun file that has no interface yet.
	return os.NewFile(uintptr(fd), "/dev/net/tun"), nil
}

// route points the namespace at the interface. The addresses are usable, and
// have been tried, before there is a route: what tries them is not counted.
func (s *Sink) route(dir string) error {
	if err := netns.Up(netns.TunName); err != nil {
		return err
	}
	for _, a := range []netip.Addr{own4, own6} {
		if err := netns.AddAddr(netns.TunName, a); err != nil {
			return err
		}
	}
	for _, v6 := range []bool{false, true} {
		if err := netns.AddDefaultRoute(netns.TunName, v6); err != nil {
			return err
		}
	}
	return s.mountResolver(dir)
}

// mountResolver puts a resolv.conf that names the sink over the system's, in
// this mount namespace only; netns.Arrive has cut it off from the others.
func (s *Sink) mountResolver(dir string) error {
	file := filepath.Join(dir, "resolv.conf")
	text := fmt.Sprintf("nameserver %v\noptions timeout:1 attempts:1\n", dns4)
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		return fmt.Errorf("write resolv.conf: %w", err)
	}
	target, err := filepath.EvalSymlinks("/etc/resolv.conf")
	if err != nil {
		return fmt.Errorf("find resolv.conf: %w", err)
	}
	if err := unix.Mount(file, target, "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("mount resolv.conf: %w", err)
	}
	s.resolv = target
	return nil
}

// read counts packets until the interface is gone.
func (s *Sink) read() {
	defer close(s.done)
	buf := make([]byte, 64<<10) // an IP packet's limit
	for {
		n, err := s.tun.Read(buf)
		if err != nil {
			s.readErr = err
			return
		}
		if reply := s.take(buf[:n]); reply != nil {
			if _, err := s.tun.Write(reply); err != nil {
				s.readErr = err
				return
			}
		}
	}
}

// take counts one packet and returns the one to send back, if any.
func (s *Sink) take(raw []byte) (reply []byte) {
	p := parse(raw)
	if p.noise {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if p.protocol == "udp" && p.dst == flush && len(p.payload) == 8 {
		id := binary.BigEndian.Uint64(p.payload)
		if waiting, ok := s.flushes[id]; ok {
			close(waiting)
			delete(s.flushes, id)
			return nil
		}
	}
	kind := Packet{Protocol: p.protocol, Dst: p.dst, Name: s.names.of(p.dst.Addr())}
	if p.protocol == "udp" && p.dst.Port() == 53 {
		var answer []byte
		kind.Question, answer = s.names.answer(p.payload)
		if answer != nil {
			reply = respond(p, answer)
		}
	}
	if _, seen := s.counts[kind]; !seen {
		if len(s.order) >= maxKinds {
			kind = Other
		}
		if s.counts[kind] == 0 {
			s.order = append(s.order, kind)
		}
	}
	s.counts[kind]++
	return reply
}

// Flush returns when every packet sent before it was called is counted. It
// sends one of its own, which is not. An error means that the sink has not
// been counting, and that a zero means nothing.
func (s *Sink) Flush(ctx context.Context) error {
	seen := make(chan struct{})
	s.mu.Lock()
	s.flushed++
	id := s.flushed
	s.flushes[id] = seen
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		delete(s.flushes, id)
		s.mu.Unlock()
	}()
	var d net.Dialer
	c, err := d.DialContext(ctx, "udp4", flush.String())
	if err != nil {
		return fmt.Errorf("flush sink: %w", err)
	}
	defer c.Close()
	if _, err := c.Write(binary.BigEndian.AppendUint64(nil, id)); err != nil {
		return fmt.Errorf("flush sink: %w", err)
	}
	select {
	case <-seen:
		return nil
	case <-s.done:
		return fmt.Errorf("flush sink: it stopped: %w", s.readErr)
	case <-ctx.Done():
		return fmt.Errorf("flush sink: %w", ctx.Err())
	}
}

// Seen returns what was counted so far, in the order of first sight. Call
// Flush before believing an empty answer.
func (s *Sink) Seen() []Count {
	s.mu.Lock()
	defer s.mu.Unlock()
	counts := make([]Count, len(s.order))
	for i, p := range s.order {
		counts[i] = Count{p, s.counts[p]}
	}
	return counts
}

// Total returns the number of packets counted so far.
func (s *Sink) Total() int {
	total := 0
	for _, c := range s.Seen() {
		total += c.N
	}
	return total
}

// Reset forgets what was counted; names keep their addresses.
func (s *Sink) Reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.counts)
	s.order = nil
}

// Close takes the interface, the routes and the resolver away and returns
// when the reader is gone. The error is that of taking away the resolver.
func (s *Sink) Close() error {
	var err error
	s.close.Do(func() {
		s.tun.Close()
		<-s.done
		if unmount := unix.Unmount(s.resolv, unix.MNT_DETACH); unmount != nil {
			err = fmt.Errorf("close sink: %w", unmount)
		}
	})
	return err
}
