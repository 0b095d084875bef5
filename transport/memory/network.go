// Package memory is a whole anonymising network inside one process: hosts,
// endpoints and reliable streams with a delay, a bandwidth, losses and a switch
// that kills the router.
//
// It owns no socket, starts no goroutine and reads no clock but package time,
// so it runs under testing/synctest. It is no model of TCP: there is no
// congestion window and no retransmitted byte, only bytes that arrive late and
// in order. It carries nothing out of the process.
package memory

import (
	"crypto/rand"
	"crypto/sha256"
	mathrand "math/rand/v2"
	"sync"
	"time"

	"sotto/anon"
	"sotto/transport"
)

// Options shape a network. The zero value is a network without delay or limit.
type Options struct {
	// Delay is one way; a dial takes two of them.
	Delay time.Duration
	// Jitter adds a random delay below it to every segment. Order is kept.
	Jitter time.Duration
	// Rate is in bytes a second, for each connection and direction; 0 is
	// unlimited.
	Rate int64
	// Loss is the share of segments, 0 to 1, that arrive one retransmission
	// timeout late and hold up all behind them.
	Loss float64
	// Seed makes jitter, loss and nothing else repeatable, as long as endpoints
	// are opened in the same order, and connections from one of them to another.
	Seed uint64
	// Buffer is how many bytes a direction holds between Write and Read;
	// writers block beyond. 0 means 4 MiB, or with a Rate what the line
	// carries in one round trip and a second, between 64 KiB and 4 MiB.
	Buffer int
	// HideDialers makes inbound connections come from anon.Unknown, as on an
	// onion service.
	HideDialers bool
}

const (
	segment   = 4 << 10 // bytes that are paced, delayed or lost together
	chunkSize = 32 << 10
	maxBuffer = 4 << 20
	backlog   = 256 // connections an endpoint keeps for Accept; more are turned away
)

// Network connects the endpoints of all transports made from it.
type Network struct {
	opts   Options
	epoch  time.Time
	chunks sync.Pool

	mu        sync.Mutex
	endpoints map[anon.Addr]*endpoint
	opened    uint64 // endpoints so far
	down      bool
	failed    chan struct{} // closed while the network is down
}

// New returns an empty network that is up.
func New(o Options) *Network {
	if o.Buffer <= 0 {
		o.Buffer = defaultBuffer(o)
	}
	n := &Network{
		opts: o, epoch: time.Now(),
		endpoints: map[anon.Addr]*endpoint{}, failed: make(chan struct{}),
	}
	n.chunks.New = func() any { return new([chunkSize]byte) }
	return n
}

func defaultBuffer(o Options) int {
	if o.Rate <= 0 {
		return maxBuffer
	}
	line := time.Second + 2*(o.Delay+o.Jitter)
	return int(min(max(float64(o.Rate)*line.Seconds(), 64<<10), maxBuffer))
}

// Transport returns a new host on the network. Closing it leaves the network
// and the other hosts alone.
func (n *Network) Transport() transport.Transport {
	return &host{net: n, endpoints: map[*endpoint]struct{}{}}
}

// SetDown kills or revives the router of every host. While it is down
// connections are broken, Open and Dial wrap anon.ErrUnavailable and Accept
// blocks; endpoints stay open.
func (n *Network) SetDown(down bool) {
	n.mu.Lock()
	if n.down == down {
		n.mu.Unlock()
		return
	}
	n.down = down
	var broken []*conn
	if down {
		close(n.failed)
		for _, e := range n.endpoints {
			for c := range e.conns {
				broken = append(broken, c)
			}
		}
	} else {
		n.failed = make(chan struct{})
	}
	n.mu.Unlock()
	for _, c := range broken {
		c.breakDown()
	}
}

// addrFor derives a stable address from a key, or draws a fresh one.
func addrFor(key anon.Secret) anon.Addr {
	var id [32]byte
	if key.Empty() {
		rand.Read(id[:])
	} else {
		id = sha256.Sum256(append([]byte("sotto memory endpoint\x00"), key.Expose()...))
	}
	return anon.MemoryAddr(id)
}

// connect makes a stream between two open endpoints and leaves one end in the
// backlog of the other. It reports what stood in the way otherwise.
func (n *Network) connect(from *endpoint, to anon.Addr) (*conn, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if from.closed {
		return nil, closedError("dial")
	}
	if n.down {
		return nil, downError("dial")
	}
	target := n.endpoints[to]
	if target == nil || len(target.backlog) == cap(target.backlog) {
		return nil, unreachableError()
	}
	near, far := n.pair(from, target)
	from.conns[near] = struct{}{}
	target.conns[far] = struct{}{}
	target.backlog <- far // has room: only connect, under mu, puts anything in
	return near, nil
}

func (n *Network) pair(from, to *endpoint) (near, far *conn) {
	from.dialled[to.number]++
	made := from.number<<40 | to.number<<20 | from.dialled[to.number]
	dice := func(way uint64) *mathrand.Rand {
		return mathrand.New(mathrand.NewPCG(n.opts.Seed, made<<1|way))
	}
	out, in := newStream(n, dice(0)), newStream(n, dice(1))
	seen := from.addr
	if n.opts.HideDialers {
		seen = anon.Unknown(anon.Memory)
	}
	near = &conn{owner: from, local: from.addr, remote: to.addr, in: in, out: out}
	far = &conn{owner: to, local: to.addr, remote: seen, in: out, out: in}
	return near, far
}
