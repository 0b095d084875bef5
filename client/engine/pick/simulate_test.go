package pick

import (
	"container/heap"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"sotto/client/engine/pace"
)

// A swarm is a simulation in virtual time: seeds behind links with a delay
// and a rate serve requests in order; pick and pace drive them as a torrent's
// loop would. Nothing sleeps.
type swarm struct {
	t      *testing.T
	now    time.Time
	events events
	order  int
	rand   *rand.Rand
	pick   *Picker
	peers  map[Peer]*seed
	next   Peer
	bad    map[Block]Peer // blocks that hold a liar's bytes

	pieceLen  int64
	received  int64 // bytes, all
	wasted    int64 // bytes that were not needed
	banned    map[Peer]bool
	invariant func()
}

// seed is the far end of one connection.
type seed struct {
	id       Peer
	delay    time.Duration // one way
	rate     float64
	jitter   time.Duration
	lies     float64                           // share of blocks spoilt
	pausedAt func(time.Time) (until time.Time) // zero: serving
	pace     pace.Peer
	queue    []Block
	serving  bool
	gone     bool
	lastOut  time.Time
}

type event struct {
	at    time.Time
	order int
	do    func()
}

type events []event

func (e events) Len() int { return len(e) }
func (e events) Less(i, j int) bool {
	return e[i].at.Before(e[j].at) || e[i].at.Equal(e[j].at) && e[i].order < e[j].order
}
func (e events) Swap(i, j int) { e[i], e[j] = e[j], e[i] }
func (e *events) Push(x any)   { *e = append(*e, x.(event)) }
func (e *events) Pop() any {
	old := *e
	x := old[len(old)-1]
	*e = old[:len(old)-1]
	return x
}

func newSwarm(t *testing.T, seedNo uint64, length, pieceLen int64) *swarm {
	r := rand.New(rand.NewPCG(seedNo, 7))
	p, err := New(Options{
		Pieces: int((length + pieceLen - 1) / pieceLen), PieceLength: pieceLen, Length: length, Rand: r,
	})
	require.NoError(t, err)
	return &swarm{
		t: t, now: time.Unix(1e9, 0), rand: r, pick: p, peers: map[Peer]*seed{},
		pieceLen: pieceLen, bad: map[Block]Peer{}, banned: map[Peer]bool{},
	}
}

func (s *swarm) after(d time.Duration, do func()) {
	s.order++
	heap.Push(&s.events, event{s.now.Add(d), s.order, do})
}

// join connects a seed and lets it unchoke us after three round trips: dial,
// handshake, interest.
func (s *swarm) join(x *seed) {
	s.next++
	x.id = s.next
	s.peers[x.id] = x
	s.pick.AddPeer(x.id, true)
	s.pick.HaveAll(x.id)
	s.after(6*x.delay, func() {
		if !x.gone {
			s.pick.Unchoked(x.id)
			x.pace.Unchoked()
			s.refill(x)
		}
	})
	s.watch(x)
}

func (s *swarm) leave(x *seed) {
	if !x.gone {
		x.gone = true
		s.pick.RemovePeer(x.id)
		delete(s.peers, x.id)
	}
}

// watch expires requests once a second, as the loop's timer does.
func (s *swarm) watch(x *seed) {
	s.after(time.Second, func() {
		if x.gone {
			return
		}
		if at, ok := s.pick.Oldest(x.id); ok && s.now.Sub(at) >= x.pace.Timeout() {
			s.pick.Expire(x.id, s.now.Add(-x.pace.Timeout()), nil)
			x.pace.TimedOut()
			x.pace.SetFlight(s.now, s.pick.Outstanding(x.id))
		}
		x.pace.Snubbed(s.now)
		s.refill(x)
		s.watch(x)
	})
}

func (s *swarm) refill(x *seed) {
	if x.gone {
		return
	}
	s.pick.SetPace(x.id, x.pace.Rate(), x.pace.RTT())
	blocks := s.pick.Next(x.id, x.pace.Want(), s.now, nil)
	x.pace.SetFlight(s.now, s.pick.Outstanding(x.id))
	if len(blocks) == 0 {
		return
	}
	s.after(x.delay, func() {
		x.queue = append(x.queue, blocks...)
		s.serve(x)
	})
}

// serve sends the first block of the queue at the link's rate.
func (s *swarm) serve(x *seed) {
	if x.serving || x.gone || len(x.queue) == 0 {
		return
	}
	if x.pausedAt != nil {
		if until := x.pausedAt(s.now); !until.IsZero() {
			x.serving = true
			s.after(until.Sub(s.now), func() { x.serving = false; s.serve(x) })
			return
		}
	}
	b := x.queue[0]
	x.queue = x.queue[1:]
	x.serving = true
	s.after(time.Duration(float64(b.Length)/x.rate*float64(time.Second)), func() {
		x.serving = false
		// A stream keeps its order whatever the jitter.
		out := s.now.Add(x.delay)
		if x.jitter > 0 {
			out = out.Add(time.Duration(s.rand.Int64N(int64(x.jitter))))
		}
		if out.Before(x.lastOut) {
			out = x.lastOut
		}
		x.lastOut = out
		s.after(out.Sub(s.now), func() { s.arrive(x, b) })
		s.serve(x)
	})
}

func (s *swarm) arrive(x *seed, b Block) {
	if x.gone {
		return
	}
	s.received += int64(b.Length)
	got := s.pick.Receive(x.id, b)
	x.pace.SetFlight(s.now, s.pick.Outstanding(x.id))
	x.pace.Got(s.now, got.Asked, int(b.Length))
	for _, c := range got.Cancel {
		s.cancel(c)
	}
	if got.Verdict != Needed {
		require.NotEqual(s.t, Misfit, got.Verdict)
		s.wasted += int64(b.Length)
	} else {
		delete(s.bad, b)
		if x.lies > 0 && s.rand.Float64() < x.lies {
			s.bad[b] = x.id
		}
	}
	if got.Complete {
		s.hash(b.Piece)
	}
	s.refill(x)
	if s.invariant != nil {
		s.invariant()
	}
}

func (s *swarm) cancel(c Cancel) {
	y := s.peers[c.Peer]
	y.pace.SetFlight(s.now, s.pick.Outstanding(y.id))
	s.after(y.delay, func() {
		for k, b := range y.queue {
			if b == c.Block {
				y.queue = append(y.queue[:k:k], y.queue[k+1:]...)
				return
			}
		}
	})
	s.refill(y)
}

// hash verifies a complete piece; wrong blocks have wrong sums.
func (s *swarm) hash(i uint32) {
	o := s.pick.open[i]
	sums, good := make([]Sum, len(o.blocks)), true
	for k := range o.blocks {
		if liar, ok := s.bad[o.block(k)]; ok {
			sums[k][0], good = byte(liar), false
		}
	}
	var verdict Blame
	if good {
		verdict = s.pick.Verify(i, sums)
	} else {
		verdict = s.pick.Fail(i, sums)
		s.wasted += o.size
	}
	for _, id := range verdict.Guilty {
		s.banned[id] = true
		if x := s.peers[id]; x != nil {
			s.leave(x)
		}
		s.pick.Distrust(id)
	}
}

// run plays until the torrent is complete and returns how long it took.
func (s *swarm) run(limit time.Duration) time.Duration {
	start := s.now
	for !s.pick.Done() {
		require.NotEmpty(s.t, s.events, "nothing left to happen")
		e := heap.Pop(&s.events).(event)
		s.now = e.at
		e.do()
		require.Less(s.t, s.now.Sub(start), limit, "%d pieces missing, %d open", s.pick.Missing(), len(s.pick.open))
	}
	return s.now.Sub(start)
}
