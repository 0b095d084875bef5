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

var (
	swarmSeeds = flag.Int("swarm-seeds", 6, "how many swarms TestSwarm plays")
	swarmFirst = flag.Int("swarm-first", 0, "the seed of the first of them")
)

// The people of a swarm. Each honest one ends with everything.
const (
	swarmSize  = 50
	swarmHosts = 2 // have everything from the start
	liars      = 6 // have everything and send some of it wrong
	stallers   = 4 // have everything and send nothing
	mutes      = 2 // take connections and say nothing
	auditors   = 2 // fetch what they are offered and compare it

	swarmPiece = 32 << 10
)

// swarm is one of them in virtual time.
type swarm struct {
	t       *testing.T
	sample  sample
	truth   []byte // the torrent's byte range
	source  string
	seed    uint64
	rand    *rand.Rand
	network *memory.Network
	budget  *Budget // of all nodes, or nil
	slots   *Slots  // of all nodes, or nil
	ends    []*witness
	nodes   []*Torrent // nil for those who are not honest
	dirs    []string
	lives   []uint64 // times each was started, or its stream accepted
	ctx     context.Context
	hostile sync.WaitGroup
	broken  atomic.Bool // a promise, and that was said
	decided bool        // nobody changes its mind about files any more
	liar    map[anon.Addr]bool
	tally   *tally
}

// tally counts what swarms must have had in them to prove anything.
type tally struct {
	lies, forged, audited, bans, restarts, choices, played, resets, outages, served, claims, steps atomic.Int64
}

func (a *tally) String() string {
	return fmt.Sprintf("%d lies, %d forged hashes, %d bans, %d restarts, %d resets, %d outages, %d choices of files; checked: %d events, %d blocks served, %d claims, %d blocks audited",
		a.lies.Load(), a.forged.Load(), a.bans.Load(), a.restarts.Load(), a.resets.Load(), a.outages.Load(), a.choices.Load(),
		a.steps.Load(), a.served.Load(), a.claims.Load(), a.audited.Load())
}

// TestSwarm plays swarms of fifty with delays, lost packets, narrow links,
// slow disks, connections and routers that die, people who leave and come back
// or change their minds about files, liars, and those who promise and send
// nothing. All that is honest completes, nobody honest is banned, and nothing
// is left running, which the bubble itself checks. After every event of every
// node its bounds are checked, and every word it says to anybody: see witness.
//
// A swarm depends on its seed: who is what, addresses, peer ids, the script,
// the network's dice and the picker's. What Go leaves to chance is which of
// several goroutines runs first at one instant of virtual time, which case of
// a select that has several ready, and the order of maps. Jitter makes equal
// instants rare, and one processor leaves few orders to choose from: of most
// seeds two runs then take the same virtual time, of some they do not. To play
// the seed N again:
//
//	go test ./client/engine -run 'TestSwarm$' -cpu 1 -swarm-seeds 1 -swarm-first N
func TestSwarm(t *testing.T) {
	samples := []sample{seededSample(t, swarmPiece, 200_000, 3, 0, 270_000)}
	for _, f := range v2Formats {
		samples = append(samples, samples[0].as(t, f, swarmPiece))
	}
	source := t.TempDir()
	samples[0].write(t, source)
	var all tally
	for seed := *swarmFirst; seed < *swarmFirst+*swarmSeeds; seed++ {
		if done := seed - *swarmFirst; done > 0 && done%100 == 0 {
			fmt.Printf("%d swarms: %v\n", done, &all)
		}
		ok := t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { playSwarm(t, samples[seed/2%3], source, uint64(seed), &all) })
		})
		if !ok {
			t.Fatalf("again: go test ./client/engine -run 'TestSwarm$' -cpu 1 -swarm-seeds 1 -swarm-first %d", seed)
		}
	}
	t.Log(&all)
	if *swarmSeeds < 6 {
		return // a few may well lack something
	}
	for _, n := range []*atomic.Int64{
		&all.lies, &all.forged, &all.bans, &all.restarts, &all.resets, &all.outages, &all.choices, &all.played,
		&all.served, &all.claims, &all.audited,
	} {
		require.Positive(t, n.Load(), &all)
	}
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
	w := &swarm{
		t: t, sample: s, truth: s.padded(), source: source, seed: seed, rand: r, network: n, ctx: ctx,
		liar: map[anon.Addr]bool{}, tally: all,
	}
	if seed%3 == 0 {
		w.budget = NewBudget(2 << 20)
	}
	if seed%4 == 0 {
		w.slots = NewSlots(250)
	}
	w.populate()
	for i := range w.nodes {
		w.introduce(i)
	}
	began := time.Now()
	w.live()
	n.SetDown(false)
	t.Logf("%v of virtual time", time.Since(began))
	cancel()
	for i, node := range w.nodes {
		if node != nil {
			w.count(node)
			shut(t, node)
			s.requireIn(t, w.dirs[i])
		}
	}
	w.hostile.Wait()
	if w.budget != nil {
		require.Zero(t, w.budget.Used())
	}
	if w.slots != nil {
		require.Zero(t, w.slots.Used())
	}
}

// populate opens everybody's endpoint and starts everybody.
func (w *swarm) populate() {
	w.nodes, w.dirs, w.lives = make([]*Torrent, swarmSize), make([]string, swarmSize), make([]uint64, swarmSize)
	for i := range swarmSize {
		w.ends = append(w.ends, w.witness(i))
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
			w.lurk(i, func(rawPeer, *rand.Rand) {})
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
		o.Info, o.Layers = nil, nil
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
	o.Budget, o.Slots = w.budget, w.slots
	w.lives[i]++
	w.ends[i].begin()
	o.seam = seam{
		dice: rand.New(rand.NewPCG(w.seed, uint64(i)<<16|w.lives[i])),
		step: w.ends[i].step,
	}
	if w.rand.IntN(8) == 0 {
		o.seam.disk = func() { time.Sleep(700 * time.Millisecond) }
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
	numbers := make([]int, len(files))
	for i, f := range files {
		numbers[i] = w.sample.number(w.t, f)
	}
	if err := node.Prioritize(to, numbers...); !errors.Is(err, ErrNoInfo) {
		require.NoError(w.t, err)
		w.tally.choices.Add(1)
	}
}

// live watches until all honest have everything; every few seconds somebody may
// leave and come back, or choose other files.
func (w *swarm) live() {
	began := time.Now()
	next := began
	for round := uint64(0); ; round++ {
		// What happens in a round, and when, does not depend on what happened
		// in the one before.
		w.rand = rand.New(rand.NewPCG(w.seed, 1<<50|round))
		next = next.Add(time.Duration(3+w.rand.IntN(4)) * time.Second)
		time.Sleep(time.Until(next))
		done := 0
		w.decided = w.decided || time.Since(began) > 2*time.Minute
		for i, node := range w.nodes {
			if node == nil {
				done++
				continue
			}
			require.NoError(w.t, node.Err())
			if w.decided && i >= swarmHosts && node.Stats().Done {
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
		if w.seed%5 == 2 && round%8 == 5 {
			w.outage()
		}
		i := w.rand.IntN(swarmSize)
		if w.nodes[i] == nil {
			continue
		}
		if i >= swarmHosts && w.rand.IntN(3) == 0 {
			w.count(w.nodes[i])
			w.tally.restarts.Add(1)
			shut(w.t, w.nodes[i])
			w.start(i)
		}
		w.disturb(i)
		if i >= swarmHosts && !w.decided {
			w.rechoose(w.nodes[i], Priority(w.rand.IntN(4)), w.rand.IntN(4))
		}
		w.play(i)
		w.introduce(i)
	}
}

// outage takes everybody's router away for a while.
func (w *swarm) outage() {
	w.tally.outages.Add(1)
	w.network.SetDown(true)
	time.AfterFunc(time.Duration(1+w.rand.IntN(20))*time.Second, func() { w.network.SetDown(false) })
}

// disturb cuts one of a node's connections now and then.
func (w *swarm) disturb(i int) {
	if k := w.rand.IntN(20); k < 10 {
		w.nodes[i].ask(func(o *owner) {
			if k < len(o.peers) {
				o.peers[k].conn.Close()
				w.tally.resets.Add(1)
			}
		})
	}
}

// play reads from anywhere in a node's files for a moment, and compares.
func (w *swarm) play(i int) {
	file := w.rand.IntN(4)
	want := w.sample.files[w.sample.order[file]]
	ctx, cancel := context.WithTimeout(w.ctx, 2*time.Second)
	defer cancel()
	r, err := w.nodes[i].NewReader(ctx, w.sample.number(w.t, file))
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

// lurk accepts for somebody who is not honest.
func (w *swarm) lurk(i int, f func(rawPeer, *rand.Rand)) {
	e := w.ends[i].Endpoint
	w.hostile.Go(func() {
		for n := uint64(1); ; n++ {
			c, err := e.Accept(w.ctx)
			if w.ctx.Err() != nil {
				return
			}
			if err != nil {
				time.Sleep(time.Second)
				continue
			}
			w.hostile.Go(func() {
				defer c.Close()
				defer context.AfterFunc(w.ctx, func() { c.Close() })()
				p, dice := rawPeer{w.t, c}, rand.New(rand.NewPCG(w.seed, 1<<40|uint64(i)<<20|n))
				if _, err := io.ReadFull(c, make([]byte, wire.HandshakeSize)); err != nil {
					return
				}
				if p.hello(w.sample.hash, fmt.Sprintf("-XX%04d-%08d", i, dice.IntN(1e8))) != nil {
					return
				}
				f(p, dice)
				io.Copy(io.Discard, c)
			})
		}
	})
}

// promise reads requests and answers none.
func (w *swarm) promise(p rawPeer, _ *rand.Rand) {
	p.send(msgHaveAll)
	p.send(msgUnchoke)
}

// audit fetches a block of every piece it is told of, and compares.
func (w *swarm) audit(p rawPeer, _ *rand.Rand) {
	p.send(msgHaveNone)
	p.send(msgInterested)
	whole := w.truth
	for {
		kind, b, err := p.next()
		if err != nil {
			return
		}
		switch kind {
		case msgUnchoke:
			for i := range (len(whole) - 1) / swarmPiece {
				p.send(msgRequest, quads(uint32(i), 0, 1<<14)...)
			}
		case msgPiece:
			at := int(binary.BigEndian.Uint32(b))*swarmPiece + int(binary.BigEndian.Uint32(b[4:]))
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
func (w *swarm) lie(p rawPeer, dice *rand.Rand) {
	p.send(msgHaveAll)
	p.send(msgUnchoke)
	whole := w.truth
	for {
		kind, b, err := p.next()
		if err != nil {
			return
		}
		if kind == 21 && dice.IntN(2) == 0 {
			r, _, _ := (wire.Message{ID: wire.HashRequest, Data: b}).Hashes()
			p.send(22, append(b, make([]byte, r.Count()*32)...)...)
			w.tally.forged.Add(1)
		}
		if kind != msgRequest {
			continue
		}
		piece, begin, n := binary.BigEndian.Uint32(b), binary.BigEndian.Uint32(b[4:]), binary.BigEndian.Uint32(b[8:])
		at := int(piece)*swarmPiece + int(begin)
		block := append([]byte(nil), whole[at:at+int(n)]...)
		if dice.IntN(4) == 0 {
			block[dice.IntN(len(block))]++
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

// padded is whole with zeros up to the end of the last piece, where a torrent
// of v2 may be asked for them.
func (s sample) padded() []byte {
	all := s.whole()
	if s.format == metainfo.FormatV1 {
		return all
	}
	return append(all, make([]byte, (s.piece-len(all)%s.piece)%s.piece)...)
}
