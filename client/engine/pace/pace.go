// Package pace decides how many blocks to have under way at one peer and when
// to stop waiting for them, from nothing but the times of requests and blocks.
//
// It refuses to know the clock (every time is passed in), which blocks they
// are, and who the peer is.
//
// The model: a link has a base round trip and a rate. Asking for rate × base
// keeps it just full; a margin above that forms a short queue at the peer, so
// that neither jitter nor the coalescing of our writes ever empties it. Until
// the queue shows up in the round trips the depth doubles each one. Because a
// standing queue hides the base, the queue is drained now and then for one
// round trip to see it again: a path that became longer is told from a queue.
package pace

import "time"

// BlockSize is the bytes of the blocks counted here.
const BlockSize = 16 << 10

// The bounds of what is asked and waited for.
const (
	MinDepth     = 2   // blocks: one on the way and one being served
	FirstDepth   = 16  // blocks in the first write after an unchoke
	MaxDepth     = 500 // blocks
	DefaultQueue = 250 // a peer's reqq when it states none (as libtorrent's)

	// MinTimeout: tunnels of I2P and circuits of Tor pause for seconds when
	// they are rebuilt; giving up earlier fetches twice.
	MinTimeout   = 10 * time.Second
	FirstTimeout = 30 * time.Second // before any round trip is known
	MaxTimeout   = 3 * time.Minute
	MinSnub      = 60 * time.Second
)

const (
	minMargin   = 1500 * time.Millisecond // of queue at the peer
	minDrain    = 10 * time.Second        // when the path seems to be longer
	drainEvery  = 2 * time.Minute
	drainBlocks = 3 // answers that tell the base while drained
	largestStep = 16
)

// Peer is the pace of one connection. The zero Peer is ready: choked, nothing
// known. It is a plain value; no method may run beside another.
type Peer struct {
	queue    int // the peer's reqq; 0 is unstated
	inflight int
	depth    float64
	ramp     bool // doubling; no queue seen yet

	rate  rate
	trips trips

	drained   time.Time // when draining began; zero: not draining
	drainMin  time.Duration
	drainSeen int

	heard   time.Time // last block, or when waiting for one began
	backoff int       // timeouts since the last block
	snubbed bool
}

// SetQueue states the peer's reqq (BEP 10). Values below 1 mean unstated.
func (p *Peer) SetQueue(reqq int) { p.queue = max(reqq, 0) }

// Unchoked begins again at the first depth, or at the last one known if the
// rate is, and forgives a snub.
func (p *Peer) Unchoked() {
	p.depth, p.ramp = max(FirstDepth, p.target(p.margin())), true
	p.drained, p.snubbed = time.Time{}, false
}

// SetFlight says that n blocks are under way now: asked for and neither come,
// rejected, expired nor cancelled. Call it whenever that changed, for a block
// before Got.
func (p *Peer) SetFlight(now time.Time, n int) {
	if p.inflight == 0 && n > 0 {
		p.heard = now
		p.rate.idle()
	}
	p.inflight = n
}

// Got says that a block of so many bytes came, which had been asked for at the
// given time. A zero asked is a block that was no longer waited for: it counts
// as delivered and tells nothing of the round trip.
func (p *Peer) Got(now, asked time.Time, bytes int) {
	since := time.Time{}
	if p.inflight == 0 {
		since = asked
	}
	p.rate.add(now, since, bytes, p.trips.base)
	p.heard, p.backoff = now, 0
	if p.snubbed {
		p.snubbed = false
		p.depth, p.ramp = MinDepth, true
	}
	if asked.IsZero() {
		return
	}
	trip := max(now.Sub(asked), time.Millisecond)
	p.trips.add(now, trip)
	p.adapt(now, asked, trip)
}

// TimedOut says that requests were given up after Timeout. The depth is halved
// and the next timeout doubled until a block comes.
func (p *Peer) TimedOut() {
	p.backoff = min(p.backoff+1, 8)
	p.depth, p.ramp = max(p.depth/2, MinDepth), false
	p.drained = time.Time{}
}

// Depth is how many blocks should be under way now, at least 1.
func (p *Peer) Depth() int {
	if p.snubbed {
		return 1
	}
	limit := DefaultQueue
	if p.queue > 0 {
		limit = p.queue
	}
	return min(max(int(p.depth), MinDepth), limit, MaxDepth)
}

// Want is how many blocks to ask for now. It is 0 until a few can go in one
// write, but never while the pipe is half empty.
func (p *Peer) Want() int {
	depth := p.Depth()
	free := depth - p.inflight
	step := min(max(depth/8, 1), largestStep)
	if free >= step || p.inflight <= depth/2 {
		return max(free, 0)
	}
	return 0
}

// Rate is the bytes a second the peer delivers while it has requests; 0 is
// unknown.
func (p *Peer) Rate() float64 { return p.rate.value() }

// RTT is the round trip of the idle link; 0 is unknown.
func (p *Peer) RTT() time.Duration { return p.trips.base }

// Timeout is the age at which a request is given up: the round trip with what
// stands in the queue before it, and four times its deviation (RFC 6298),
// doubled for every timeout since the last block.
func (p *Peer) Timeout() time.Duration {
	return min(p.patience()<<min(p.backoff, 4), MaxTimeout)
}

func (p *Peer) patience() time.Duration {
	if p.trips.smooth == 0 {
		return FirstTimeout
	}
	t := max(p.trips.smooth, p.trips.base+p.queued()) + 4*p.trips.dev
	return min(max(t, MinTimeout), MaxTimeout)
}

// queued is how long the blocks under way take at the peer's rate.
func (p *Peer) queued() time.Duration {
	if r := p.rate.value(); r > 0 {
		return min(seconds(float64(p.inflight)*BlockSize/r), MaxTimeout)
	}
	return 0
}

// Snubbed reports, and notes, that the peer has let us wait for everything it
// owes us for max(MinSnub, 3 × Timeout). Then the depth is 1 until a block
// comes.
func (p *Peer) Snubbed(now time.Time) bool {
	if p.inflight > 0 && now.Sub(p.heard) >= max(MinSnub, 3*p.patience()) {
		p.snubbed = true
	}
	return p.snubbed
}

// CancelHelps reports whether a cancel sent now for a block asked for at the
// given time is likely to reach the peer before it sends the block.
func (p *Peer) CancelHelps(now, asked time.Time) bool {
	left := max(p.trips.smooth, p.queued()) - now.Sub(asked)
	return left > p.trips.base/2
}
