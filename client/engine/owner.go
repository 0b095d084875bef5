package engine

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	mathrand "math/rand/v2"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"sotto/anon"
	"sotto/client/engine/choke"
	"sotto/client/engine/pick"
	"sotto/client/engine/wire"
)

// owner has all of a torrent's state. Only the goroutine in run touches it.
type owner struct {
	*Torrent
	ctx     context.Context // done when every worker must end
	stop    context.CancelFunc
	workers sync.WaitGroup
	rand    *mathrand.Rand
	self    anon.Addr

	names    names
	layers   *layers             // that are being fetched
	inquests map[uint32]*inquest // bad pieces whose liar is being looked for
	book     *book
	peers    []*peer              // in the order they came
	past     map[pick.Peer]*entry // of peers that have gone
	lastID   pick.Peer
	dialing  int
	calling  int // dialled streams whose handshake is under way
	greeting int // inbound streams that have not said who they are
	inbound  int // peers that dialled us
	conduct  Conduct
	account  *account
	seat     *seat
	outside  bool // we accept and dial

	drafts  []*draft // of the info dictionary, while it is unknown
	judging bool     // a draft is being checked
	content *content // nil until the info dictionary is known
	// priorities of the files, as they are now.
	priorities []Priority
	sequential bool
	uploadOnly bool         // what peers have been told of us
	superSeed  bool         // is wanted
	super      *choke.Super // nil unless it goes on
	readers    []*Reader
	urgent     map[int]time.Time // the deadlines of pieces that readers need
	picker     *pick.Picker      // nil until the disk has been checked
	choker     *choke.Choker
	web        web
	have       wire.Bitfield
	pieces     map[uint32][]byte // begun and not whole
	spare      [][]byte          // buffers for whole pieces
	spared     int               // bytes of them
	backlog    []keeping         // whole and waiting for a keeper
	hungry     bool              // blocks became free for whoever can fetch them
	chokes     bool              // somebody came, left or changed its mind

	arrived          chan net.Conn
	greeted          chan greeting
	streams          chan struct{}
	mail             chan parcel
	judged           chan verdict
	checked          chan error
	jobs             chan keeping
	kept             chan kept
	lost             chan uint32
	proved           chan proved
	reading          chan struct{}
	upload, download *Rate
	clock            *time.Timer
	ticks            int // of the clock, so far
	registry         wire.Registry
	shared           atomic.Pointer[content] // content, for the writers
	blocks           blocks

	// Room that is used again and again.
	wishes []pick.Block
	out    []byte
	conns  []choke.Conn
	chosen []uint32
}

// blocks lends the memory that blocks arrive in.
type blocks struct {
	pool    sync.Pool
	account *account
}

func (b *blocks) Get() []byte {
	b.account.lend(wire.BlockSize)
	if p, ok := b.pool.Get().(*[wire.BlockSize]byte); ok {
		return p[:]
	}
	return new([wire.BlockSize]byte)[:]
}

func (b *blocks) Put(p []byte) {
	b.account.lend(-wire.BlockSize)
	b.pool.Put((*[wire.BlockSize]byte)(p[:wire.BlockSize]))
}

const (
	readersAtOnce = 4
	rateBurst     = 64 << 10
)

func newOwner(t *Torrent, ctx context.Context) *owner {
	o := &owner{
		Torrent: t, rand: newRand(t.opts.seam.dice), self: t.opts.Endpoint.Addr(), book: newBook(),
		urgent: make(map[int]time.Time),
		past:   make(map[pick.Peer]*entry), pieces: make(map[uint32][]byte),
		arrived: make(chan net.Conn), greeted: make(chan greeting), streams: make(chan struct{}), mail: make(chan parcel),
		judged: make(chan verdict), checked: make(chan error), jobs: make(chan keeping),
		kept: make(chan kept), lost: make(chan uint32), proved: make(chan proved),
		names: namesOf(&t.opts), inquests: make(map[uint32]*inquest),
		reading: make(chan struct{}, readersAtOnce), sequential: t.opts.Sequential, superSeed: t.opts.SuperSeed,
		upload: t.opts.Upload, download: t.opts.Download,
	}
	o.registry, _ = register(t.opts.Extensions) // Open has checked them
	o.account = &account{budget: t.opts.Budget}
	o.blocks.account = o.account
	o.seat = t.opts.Slots.seat()
	o.ctx, o.stop = context.WithCancel(ctx)
	return o
}

func newRand(given *mathrand.Rand) *mathrand.Rand {
	if given != nil {
		return given
	}
	var seed [16]byte
	rand.Read(seed[:])
	return mathrand.New(mathrand.NewPCG(binary.NativeEndian.Uint64(seed[:]), binary.NativeEndian.Uint64(seed[8:])))
}

// live runs the torrent to its end and returns when every goroutine it
// started is gone.
func (o *owner) live() {
	defer close(o.gone)
	func() {
		defer o.guard("owner")
		o.begin()
		o.run()
	}()
	if o.ctx.Err() == nil {
		o.fail(ErrClosed) // unless there was a better reason
	}
	o.keepStats()
	o.stop()
	for _, p := range o.peers {
		p.conn.Close()
		o.seat.give()
	}
	o.web.hangUp()
	o.workers.Wait()
	o.forgotten = o.account.close() + int64(o.seat.close())
}

// work starts a worker. A panic in it ends the torrent.
func (o *owner) work(name string, f func()) {
	o.workers.Go(func() {
		defer o.guard(name)
		f()
	})
}

// begin does what need not wait for anybody.
func (o *owner) begin() {
	o.clock = time.NewTimer(tick)
	if o.opts.Info == nil {
		o.goOutside()
		return
	}
	o.judge(o.opts.Info, nil)
}

// goOutside begins to accept and to dial.
func (o *owner) goOutside() {
	if o.outside {
		return
	}
	o.outside = true
	o.work("accept", func() { o.accept(o.ctx, o.arrived) })
	o.dial(time.Now())
}

// run is the list of everything that can happen to a torrent.
func (o *owner) run() {
	defer o.clock.Stop()
	for {
		select {
		case <-o.ctx.Done():
			return
		case <-o.failed:
			return
		case ask := <-o.asks:
			ask(o)
		case c := <-o.arrived:
			o.arrive(c)
		case <-o.streams:
			o.opened()
		case g := <-o.greeted:
			o.meet(g)
		case m := <-o.mail:
			o.receive(m)
		case v := <-o.judged:
			o.believe(v)
		case err := <-o.checked:
			o.start(err)
		case o.free() <- o.first():
			o.backlog = o.backlog[1:]
		case d := <-o.web.delivered:
			o.take(d)
		case k := <-o.kept:
			o.settle(k)
		case piece := <-o.lost:
			o.lose(piece)
		case p := <-o.proved:
			o.prove(p)
		case <-o.clock.C:
			o.tick()
		}
		o.react()
		if o.opts.seam.step != nil {
			o.opts.seam.step(o)
		}
	}
}

// free is the keepers' channel while there is work for them.
func (o *owner) free() chan<- keeping {
	if len(o.backlog) == 0 {
		return nil
	}
	return o.jobs
}

func (o *owner) first() keeping {
	if len(o.backlog) == 0 {
		return keeping{}
	}
	return o.backlog[0]
}

// react does once what several events may have asked for.
func (o *owner) react() {
	defer func() { o.account.settle(o.held()) }()
	if o.picker == nil {
		return
	}
	now := time.Now()
	if o.hungry {
		o.hungry = false
		for _, p := range slices.Clone(o.peers) {
			o.fetch(p, now)
		}
		o.useSites(now)
	}
	if o.chokes {
		o.chokes = false
		o.rechoke(now)
	}
}

// complete reports whether there is nothing left to fetch.
func (o *owner) complete() bool { return o.picker != nil && o.picker.Done() }

// tellLost is called by writers that did not find a verified piece on disk.
func (o *owner) tellLost(piece uint32) {
	select {
	case o.lost <- piece:
	case <-o.ctx.Done():
	}
}
