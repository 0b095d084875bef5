package engine

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"sotto/anon"
	"sotto/client/engine/wire"
	"sotto/client/metainfo"
	"sotto/transport/memory"
)

var swarmSeeds = flag.Int("swarm-seeds", 6, "how many swarms TestSwarm plays")

// The people of a swarm. Each honest one ends with everything.
const (
	swarmSize  = 50
	swarmHosts = 2 // have everything from the start
	liars      = 6 // have everything and send some of it wrong
	stallers   = 4 // have everything and send nothing
	mutes      = 2 // take connections and say nothing
	auditors   = 2 // fetch what they are offered and compare it
)

// swarm is one of them in virtual time.
type swarm struct {
	t       *testing.T
	sample  sample
	source  string
	rand    *rand.Rand
	ends    []*end
	nodes   []*Torrent // nil for those who are not honest
	dirs    []string
	ctx     context.Context
	hostile sync.WaitGroup
	decided bool // nobody changes its mind about files any more
	liar    map[anon.Addr]bool
	tally   *tally
}

// tally counts what a swarm must have had in it to prove anything.
type tally struct{ lies, audited, bans, restarts, choices, played atomic.Int64 }

// TestSwarm plays swarms of fifty with delays, lost packets, narrow links,
// people who leave and come back or change their minds about files, liars and those who promise and send
// nothing. All that is honest completes, nobody honest is banned, no bound is
// passed, and nothing is left running, which the bubble itself checks.
func TestSwarm(t *testing.T) {
	s := newSample(t, 64<<10, 900_000, 3, 0, 1_400_000)
	source := t.TempDir()
	s.write(t, source)
	var all tally
	for seed := range *swarmSeeds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				playSwarm(t, s, source, uint64(seed), &all)
			})
		})
	}
	require.Positive(t, all.lies.Load())
	require.Positive(t, all.audited.Load())
	require.Positive(t, all.bans.Load())
	require.Positive(t, all.restarts.Load())
	require.Positive(t, all.choices.Load())
	require.Positive(t, all.played.Load())
	t.Logf("%d lies, %d bans, %d blocks audited, %d restarts", all.lies.Load(), all.bans.Load(), all.audited.Load(), all.restarts.Load())
}

func playSwarm(t *testing.T, s sample, source string, seed uint64, all *tally) {
	r := rand.New(rand.NewPCG(seed, 1))
	n := memory.New(memory.Options{
		Delay:  time.Duration(20+r.IntN(1500)) * time.Millisecond,
		Jitter: time.Duration(1+r.IntN(300)) * time.Millisecond,
		Rate:   int64(10+r.IntN(100)) << 10, Loss: 0.02 * r.Float64(), Seed: seed,
		HideDialers: seed%2 == 1,
	})
	ctx, cancel := context.WithCancel(t.Context())
	w := &swarm{t: t, sample: s, source: source, rand: r, ctx: ctx, liar: map[anon.Addr]bool{}, tally: all}
	w.populate(n)
	for i := range w.nodes {
		w.introduce(i)
	}
	w.live()
	cancel()
	for i, node := range w.nodes {
		if node != nil {
			w.count(node)
			require.NoError(t, node.Close())
			s.requireIn(t, w.dirs[i])
		}
	}
	w.hostile.Wait()
}

// populate opens everybody's endpoint and starts everybody.
func (w *swarm) populate(n *memory.Network) {
	w.nodes, w.dirs = make([]*Torrent, swarmSize), make([]string, swarmSize)
	for i := range swarmSize {
		w.ends = append(w.ends, open(w.t, n))
		left := swarmSize - i
		switch {
		case i < swarmHosts:
			w.dirs[i] = w.source
			w.start(i)
		case left <= liars:
			w.liar[w.ends[i].Addr()] = true
			w.lurk(i, w.lie)
		case left <= liars+stallers:
			w.lurk(i, w.promise)
		case left <= liars+stallers+mutes:
			w.lurk(i, func(rawPeer) {})
		case left <= liars+stallers+mutes+auditors:
			w.lurk(i, w.audit)
		default:
			w.dirs[i] = w.t.TempDir()
			w.start(i)
		}
	}
}

func (w *swarm) start(i int) {
	o := w.sample.options(w.t, w.ends[i], w.dirs[i])
	o.ReadOnly = i < swarmHosts
	o.MaxPeers, o.MaxDials = 12, 4
	if w.rand.IntN(3) == 0 && !o.ReadOnly {
		o.Info = nil
	}
	if w.rand.IntN(4) == 0 {
		o.UploadRate = 40 << 10
	}
	if w.rand.IntN(3) == 0 && !o.ReadOnly && !w.decided {
		o.Choose = choose(w.rand.IntN(4))
	}
	o.Sequential, o.SuperSeed = w.rand.IntN(4) == 0, w.rand.IntN(3) == 0
	if w.rand.IntN(4) == 0 {
		o.DownloadRate = 60 << 10
	}
	var err error
	w.nodes[i], err = Open(w.ctx, o)
	require.NoError(w.t, err)
}

// introduce tells a node of twenty others.
func (w *swarm) introduce(i int) {
	if w.nodes[i] == nil {
		return
	}
	var addrs []anon.Addr
	for _, j := range w.rand.Perm(swarmSize)[:20] {
		addrs = append(addrs, w.ends[j].Addr())
	}
	w.nodes[i].AddPeers(append(addrs, w.ends[0].Addr()))
}

// rechoose has a node want other files.
func (w *swarm) rechoose(node *Torrent, to Priority, files ...int) {
	if err := node.Prioritize(to, files...); !errors.Is(err, ErrNoInfo) {
		require.NoError(w.t, err)
		w.tally.choices.Add(1)
	}
}

// live watches until all honest have everything; every few seconds somebody may
// leave and come back, or choose other files.
func (w *swarm) live() {
	for began := time.Now(); ; {
		time.Sleep(time.Duration(1+w.rand.IntN(4)) * time.Second)
		done := 0
		w.decided = w.decided || time.Since(began) > 2*time.Minute
		for i, node := range w.nodes {
			if node == nil {
				done++
				continue
			}
			w.inspect(i)
			if w.decided && i >= swarmHosts {
				w.rechoose(node, Normal, 0, 1, 2, 3)
			}
			if st := node.Stats(); st.Done && st.Left() == 0 {
				done++
			}
		}
		if done == swarmSize {
			return
		}
		if time.Since(began) > 6*time.Hour {
			w.t.Fatalf("only %d of %d are done", done, swarmSize)
		}
		i := w.rand.IntN(swarmSize)
		if w.nodes[i] == nil {
			continue
		}
		if i >= swarmHosts && w.rand.IntN(3) == 0 {
			w.count(w.nodes[i])
			w.tally.restarts.Add(1)
			require.NoError(w.t, w.nodes[i].Close())
			w.start(i)
		}
		if i >= swarmHosts && !w.decided {
			w.rechoose(w.nodes[i], Priority(w.rand.IntN(4)), w.rand.IntN(4))
		}
		w.play(i)
		w.introduce(i)
	}
}

// play reads from anywhere in a node's files for a moment, and compares.
func (w *swarm) play(i int) {
	file := w.rand.IntN(4)
	want := w.sample.files[w.sample.order[file]]
	ctx, cancel := context.WithTimeout(w.ctx, 2*time.Second)
	defer cancel()
	r, err := w.nodes[i].NewReader(ctx, file)
	if errors.Is(err, ErrNoInfo) || errors.Is(err, ErrSkipped) {
		return
	}
	require.NoError(w.t, err)
	defer r.Close()
	at, err := r.Seek(w.rand.Int64N(int64(len(want))+1), io.SeekStart)
	require.NoError(w.t, err)
	got := make([]byte, 100_000)
	n, err := r.Read(got)
	require.Equal(w.t, want[at:at+int64(n)], got[:n:n])
	if n == 0 && at < int64(len(want)) && !errors.Is(err, ErrSkipped) {
		require.ErrorIs(w.t, err, context.DeadlineExceeded)
	}
	w.tally.played.Add(int64(n))
}

// inspect checks what must hold of a node at any time.
func (w *swarm) inspect(i int) {
	node := w.nodes[i]
	require.NoError(w.t, node.Err())
	node.ask(func(o *owner) {
		for _, e := range o.book.order {
			require.False(w.t, e.banned && !w.liar[e.addr], "node %d has banned somebody honest", i)
		}
		require.LessOrEqual(w.t, len(o.peers), o.opts.MaxPeers)
		require.LessOrEqual(w.t, o.dialing, o.opts.MaxDials)
		if o.picker == nil {
			return
		}
		require.LessOrEqual(w.t, o.picker.Open(), int64(maxOpen))
		require.LessOrEqual(w.t, len(o.pieces)*64<<10, int(o.picker.Open()))
		for _, p := range o.peers {
			require.LessOrEqual(w.t, p.box.waiting(), o.opts.Look.Queue)
			require.LessOrEqual(w.t, o.picker.Outstanding(p.id), 500)
		}
	})
}

// lurk accepts for somebody who is not honest.
func (w *swarm) lurk(i int, f func(rawPeer)) {
	e := w.ends[i]
	w.hostile.Go(func() {
		for {
			c, err := e.Accept(w.ctx)
			if err != nil {
				return
			}
			w.hostile.Go(func() {
				defer c.Close()
				defer context.AfterFunc(w.ctx, func() { c.Close() })()
				p := rawPeer{w.t, c}
				if _, err := io.ReadFull(c, make([]byte, wire.HandshakeSize)); err != nil {
					return
				}
				if p.hello(w.sample.hash, fmt.Sprintf("-XX%04d-%08d", i, rand.IntN(1e8))) != nil {
					return
				}
				f(p)
				io.Copy(io.Discard, c)
			})
		}
	})
}

// promise reads requests and answers none.
func (w *swarm) promise(p rawPeer) {
	p.send(msgHaveAll)
	p.send(msgUnchoke)
}

// audit fetches a block of every piece it is told of, and compares.
func (w *swarm) audit(p rawPeer) {
	p.send(msgHaveNone)
	p.send(msgInterested)
	whole := w.sample.whole()
	for {
		kind, b, err := p.next()
		if err != nil {
			return
		}
		switch kind {
		case msgUnchoke:
			for i := range (len(whole) - 1) >> 16 {
				p.send(msgRequest, quads(uint32(i), 0, 1<<14)...)
			}
		case msgPiece:
			at := int(binary.BigEndian.Uint32(b))<<16 + int(binary.BigEndian.Uint32(b[4:]))
			if !bytes.Equal(whole[at:at+len(b)-8], b[8:]) {
				w.t.Error("an honest node served wrong bytes")
				return
			}
			w.tally.audited.Add(1)
		}
	}
}

func (w *swarm) count(node *Torrent) {
	node.ask(func(o *owner) {
		for _, e := range o.book.order {
			if e.banned {
				w.tally.bans.Add(1)
			}
		}
	})
}

// lie answers every request, one in four with rubbish.
func (w *swarm) lie(p rawPeer) {
	p.send(msgHaveAll)
	p.send(msgUnchoke)
	whole := w.sample.whole()
	for {
		kind, b, err := p.next()
		if err != nil {
			return
		}
		if kind != msgRequest {
			continue
		}
		piece, begin, n := binary.BigEndian.Uint32(b), binary.BigEndian.Uint32(b[4:]), binary.BigEndian.Uint32(b[8:])
		at := int(piece)*64<<10 + int(begin)
		block := append([]byte(nil), whole[at:at+int(n)]...)
		if rand.IntN(4) == 0 {
			block[rand.IntN(len(block))]++
			w.tally.lies.Add(1)
		}
		if p.send(msgPiece, append(b[:8:8], block...)...) != nil {
			return
		}
	}
}

// whole is the torrent's byte range. Of v2 every file begins a piece.
func (s sample) whole() (all []byte) {
	for _, name := range s.order {
		for s.format != metainfo.FormatV1 && len(all)%s.piece != 0 {
			all = append(all, 0)
		}
		all = append(all, s.files[name]...)
	}
	return all
}
