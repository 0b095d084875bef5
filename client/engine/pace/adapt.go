package pace

import "time"

// margin is the length in time of the queue we keep at the peer.
func (p *Peer) margin() time.Duration { return max(minMargin, p.trips.base/2) }

// target is the depth that keeps the link full with a queue of the given time.
func (p *Peer) target(queue time.Duration) float64 {
	return p.rate.value() * (p.trips.base + queue).Seconds() / BlockSize
}

// adapt follows one round trip.
func (p *Peer) adapt(now, asked time.Time, trip time.Duration) {
	switch {
	case p.ramp:
		p.climb(trip)
	case !p.drained.IsZero():
		p.drain(now, asked, trip)
	default:
		p.cruise(now, trip)
	}
	p.depth = min(max(p.depth, MinDepth), MaxDepth)
}

// climb doubles the depth each round trip, one block for one block, until the
// queue we want stands at the peer.
func (p *Peer) climb(trip time.Duration) {
	if trip > p.trips.base+p.margin() {
		p.ramp = false
		return
	}
	p.depth++
}

// cruise moves towards the target, a block for a block, so that one odd
// measurement cannot flood or dry the link.
func (p *Peer) cruise(now time.Time, trip time.Duration) {
	p.depth += min(max(p.target(p.margin())-p.depth, -1), 1)
	unseen := now.Sub(p.trips.baseAt)
	longer := trip > p.trips.base+2*p.margin() && unseen > minDrain
	if longer || unseen > max(drainEvery, 20*p.trips.base) {
		p.drained, p.drainMin, p.drainSeen = now, 0, 0
		// Below what fills the link, or a base taken for too long would prove
		// itself.
		p.depth = p.target(-p.trips.base / 4)
	}
}

// drain waits for the answers to requests that met a short queue; the least of
// their trips is the base.
func (p *Peer) drain(now, asked time.Time, trip time.Duration) {
	if asked.Before(p.drained) {
		return
	}
	if p.drainMin == 0 || trip < p.drainMin {
		p.drainMin = trip
	}
	if p.drainSeen++; p.drainSeen < drainBlocks {
		return
	}
	p.trips.setBase(now, p.drainMin)
	p.drained = time.Time{}
	p.depth = max(p.depth, p.target(p.margin()))
}

// trips are the round trips from request to block. Base is the least, smooth
// and dev are RFC 6298's SRTT and RTTVAR.
type trips struct {
	base, smooth, dev time.Duration
	baseAt            time.Time // when base was last seen
}

func (t *trips) add(now time.Time, trip time.Duration) {
	if t.base == 0 || trip <= t.base+t.base/16 {
		if t.base == 0 || trip < t.base {
			t.base = trip
		}
		t.baseAt = now
	}
	if t.smooth == 0 {
		t.smooth, t.dev = trip, trip/2
		return
	}
	t.dev += ((trip - t.smooth).Abs() - t.dev) / 4
	t.smooth += (trip - t.smooth) / 8
}

func (t *trips) setBase(now time.Time, base time.Duration) { t.base, t.baseAt = base, now }

// rate is bytes by time, both fading with age. Idle time does not count.
type rate struct {
	bytes, time float64 // seconds
	last        time.Time
	busy        bool
}

// minMemory is the least age at which a measurement has faded to a third.
const minMemory = 3 * time.Second

// add counts a block. The first of a busy spell only starts the clock: the
// time before it is distance, not speed. Only where it is the last as well, as
// with a peer that takes one request at a time, the whole time since it was
// asked for counts.
func (r *rate) add(now, asked time.Time, bytes int, base time.Duration) {
	if !r.busy {
		r.busy, r.last = true, now
		if asked.IsZero() {
			return
		}
		r.last = asked
	}
	dt := now.Sub(r.last).Seconds()
	r.last = now
	keep := 1 / (1 + max(dt, 0)/max(minMemory, 2*base).Seconds())
	r.bytes, r.time = r.bytes*keep+float64(bytes), r.time*keep+max(dt, 0)
}

func (r *rate) idle() { r.busy = false }

func (r *rate) value() float64 {
	if r.time < 0.05 {
		return 0
	}
	return r.bytes / r.time
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }
