package tcpnet

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"sync"
	"time"
)

// LinkOptions shape a Link. The model is transport/memory's, in real time.
type LinkOptions struct {
	// Delay is one way. The first byte after a connect takes three of them:
	// a connect through a Link is answered by the kernel at once, so that
	// round trip is made up for.
	Delay time.Duration
	// Rate is in bytes a second, for each connection and direction; 0 is
	// unlimited.
	Rate int64
}

const (
	segment   = 4 << 10  // bytes that are paced together
	kernel    = 64 << 10 // socket buffers before and behind the line, each
	leastHeld = 64 << 10
	mostHeld  = 4 << 20
)

// held is how many bytes a direction keeps in flight: what the line carries in
// a round trip and a second. The kernel's buffers come on top.
func (o LinkOptions) held() int {
	if o.Rate <= 0 {
		return mostHeld
	}
	line := (2*o.Delay + time.Second).Seconds()
	return int(min(max(float64(o.Rate)*line, leastHeld), mostHeld))
}

// Link listens on loopback and passes every connection on to one socket, late
// and slowly.
type Link struct {
	opts LinkOptions
	to   netip.AddrPort
	ln   *net.TCPListener
	done chan struct{}
	gone sync.WaitGroup

	mu    sync.Mutex
	conns map[net.Conn]struct{}
}

// NewLink puts a line between from, where it listens on a free port, and to.
// Both must be of this machine, or it is a *anon.LeakError. The caller must
// Close it.
func NewLink(from netip.Addr, to netip.AddrPort, o LinkOptions) (*Link, error) {
	for _, a := range []netip.Addr{from, to.Addr()} {
		if err := local("link", a); err != nil {
			return nil, err
		}
	}
	ln, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(netip.AddrPortFrom(from, 0)))
	if err != nil {
		return nil, err
	}
	l := &Link{opts: o, to: to, ln: ln, done: make(chan struct{}), conns: map[net.Conn]struct{}{}}
	l.gone.Go(l.listen)
	return l, nil
}

// At is where the Link listens.
func (l *Link) At() netip.AddrPort { return l.ln.Addr().(*net.TCPAddr).AddrPort() }

// Close breaks every connection and waits for the link's goroutines.
// Idempotent.
func (l *Link) Close() error {
	l.mu.Lock()
	select {
	case <-l.done:
	default:
		close(l.done)
	}
	for c := range l.conns {
		c.Close()
	}
	l.mu.Unlock()
	l.ln.Close()
	l.gone.Wait()
	return nil
}

func (l *Link) listen() {
	for {
		near, err := l.ln.AcceptTCP()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err == nil && l.keep(near) {
			l.gone.Go(func() { l.carry(near) })
		}
	}
}

// keep remembers c for Close, or closes it when that has been called.
func (l *Link) keep(c *net.TCPConn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case <-l.done:
		c.Close()
		return false
	default:
	}
	// Small buffers, or the kernel would hold more than the line.
	_ = c.SetReadBuffer(kernel)
	_ = c.SetWriteBuffer(kernel)
	l.conns[c] = struct{}{}
	return true
}

func (l *Link) drop(c net.Conn) {
	l.mu.Lock()
	delete(l.conns, c)
	l.mu.Unlock()
	c.Close()
}

// carry passes one connection on until both directions have ended.
func (l *Link) carry(near *net.TCPConn) {
	defer l.drop(near)
	if !l.sleep(2 * l.opts.Delay) {
		return
	}
	raw, err := net.DialTimeout("tcp", l.to.String(), 10*time.Second)
	if err != nil {
		return
	}
	far := raw.(*net.TCPConn)
	if !l.keep(far) {
		return
	}
	defer l.drop(far)
	var both sync.WaitGroup
	both.Go(func() { l.pass(near, far) })
	both.Go(func() { l.pass(far, near) })
	both.Wait()
}

func (l *Link) sleep(d time.Duration) bool {
	if d <= 0 {
		return true
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-l.done:
		return false
	}
}

// pass carries one direction. An end of stream arrives like a byte; an error
// breaks both directions.
func (l *Link) pass(from, to *net.TCPConn) {
	q := make(chan parcel, max(1, l.opts.held()/segment))
	var reader sync.WaitGroup
	stop := make(chan struct{})
	reader.Go(func() { l.put(from, q, stop) })
	err := l.deliver(to, q)
	close(stop)
	if err != nil {
		from.Close()
		to.Close()
	}
	reader.Wait()
}

// parcel is up to a segment on its way; without data it is the end.
type parcel struct {
	data []byte
	due  time.Time
	err  error
}

// put reads and works out when what was read arrives. A full queue makes the
// sender wait, as a full window would.
func (l *Link) put(from io.Reader, q chan<- parcel, stop <-chan struct{}) {
	var free time.Time // when the last byte put on the line has left
	for {
		buf := make([]byte, segment)
		n, err := from.Read(buf)
		if now := time.Now(); free.Before(now) {
			free = now
		}
		if l.opts.Rate > 0 {
			free = free.Add(time.Duration(n) * time.Second / time.Duration(l.opts.Rate))
		}
		select {
		case q <- parcel{buf[:n], free.Add(l.opts.Delay), err}:
		case <-stop:
			return
		}
		if err != nil {
			return
		}
	}
}

var errShut = errors.New("tcpnet: the link was closed")

// deliver writes what has arrived, when it has.
func (l *Link) deliver(to *net.TCPConn, q <-chan parcel) error {
	for {
		var p parcel
		select {
		case p = <-q:
		case <-l.done:
			return errShut
		}
		if !l.sleep(time.Until(p.due)) {
			return errShut
		}
		if len(p.data) > 0 {
			if _, err := to.Write(p.data); err != nil {
				return err
			}
		}
		if errors.Is(p.err, io.EOF) {
			return to.CloseWrite()
		}
		if p.err != nil {
			return p.err
		}
	}
}
