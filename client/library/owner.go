package library

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"sotto/anon"
	"sotto/client/engine"
	"sotto/client/health"
	"sotto/client/metainfo"
	"sotto/client/store"
)

const (
	tick = time.Second
	// saveEvery is how often progress is saved: what a crash costs is that
	// files written to since are hashed again.
	saveEvery = 5 * time.Second
	// timesEvery is how often it is saved for how long torrents have run.
	timesEvery = 10 * time.Minute
	// snapshotEvery is how often the store copies itself.
	snapshotEvery = 24 * time.Hour
	spaceEvery    = 5 * time.Second
	watchEvery    = 10 * time.Second
	patrolEvery   = 20 * time.Second // one share at a time
	// startGap is the mean time between two starts: torrents of one user that
	// announce at once would be known to be one user's.
	startGap = 3 * time.Second
	// openings is how many identities are made at a time.
	openings = 8
)

// owner has all of a library's state. Only the goroutine in live touches it.
type owner struct {
	opts     Options
	signal   func()
	ctx      context.Context // done when workers must end
	reports  chan report
	working  int // workers that have not reported
	leaving  bool
	failed   error // of the last save
	networks []*network

	torrents []*torrent // by id
	byHash   map[[20]byte]*torrent
	lastID   int64
	removed  []removal
	leavers  []*torrent // removed, and not gone yet
	// notBuried: the store could not forget them, and is asked again then.
	notBuried time.Time
	claims    *claims

	settings settings
	all      *rates // of everything
	groups   map[string]*rates
	slots    *engine.Slots

	clock       *time.Timer
	wall        func() time.Time // what the clock on the wall shows
	shown       time.Time        // by it, at the last tick
	last        time.Time        // of the clock that nobody sets
	passed      time.Duration    // since the tick before
	ticks       int
	begun       time.Time
	nextStart   time.Time
	opening     int
	checking    *torrent // the one whose files are hashed now
	saving      bool
	writing     sync.Mutex // held by the workers that save progress, so that no older one comes last
	saved       time.Time
	timed       time.Time
	snapshot    time.Time
	spaced      time.Time
	low         map[string]bool // folders with too little room
	watched     time.Time
	watching    bool
	seen        map[string]int64
	inside      bool // the hours of the alternative limits
	session     store.Totals
	past        map[anon.Network]store.Totals // of torrents that were removed
	begunWith   store.Totals                  // of all torrents when this run began
	addedBefore int
	patrolled   time.Time
	rounds      int  // of the patrol
	different   bool // from what was signalled
}

type removal struct {
	id int64
	at time.Time
}

// report is what a worker has to say. The types that implement it, in the files
// of those who send them, and the cases of run are all that can happen:
//
//	built      what is to be shared was hashed for the first time
//	checked    files were hashed
//	opened     a torrent joined a network, or could not
//	learned    a magnet link's metadata is here
//	completed  everything wanted is here
//	ended      a torrent stopped by itself
//	closed     a torrent has left a network
//	moved      files have another place
//	erased     files of a removed torrent are gone
//	saved      progress is in the store
//	looked     files of a share were looked at
//	found      the watch folder has something
type report interface{ take(o *owner) }

// work starts a worker. Whatever it returns is taken in turn.
func (o *owner) work(f func() report) {
	o.working++
	go func() { o.reports <- f() }()
}

// live runs until ctx is done.
func (o *owner) live(ctx context.Context, asks <-chan func(*owner)) error {
	inner, stop := context.WithCancel(ctx)
	defer stop()
	o.ctx, o.begun, o.last, o.shown = inner, time.Now(), time.Now(), o.wall().Round(0)
	o.saved, o.timed, o.snapshot = o.begun, o.begun, o.begun
	o.clock = time.NewTimer(tick)
	defer o.clock.Stop()
	o.resumeJobs()
	o.react()
	o.run(asks)
	o.leaving = true
	for _, t := range o.torrents {
		o.halt(t)
	}
	for o.working > 0 {
		o.take(<-o.reports)
	}
	for _, n := range o.networks {
		n.close()
	}
	return o.keepAll()
}

// run is the list of everything that can happen.
func (o *owner) run(asks <-chan func(*owner)) {
	for {
		select {
		case <-o.ctx.Done():
			return
		case ask := <-asks:
			ask(o)
		case r := <-o.reports:
			o.take(r)
		case <-o.clock.C:
			o.tick()
			o.clock.Reset(tick)
		}
		o.react()
	}
}

func (o *owner) take(r report) {
	switch r.(type) {
	case learned, completed: // from a worker that goes on
	default:
		o.working--
	}
	r.take(o)
}

// react does once what several events may have asked for.
func (o *owner) react() {
	if o.leaving || o.ctx.Err() != nil {
		return
	}
	o.bury()
	o.arrange(time.Now())
	if o.different {
		o.different = false
		o.signal()
	}
}

// tick does what is due by time.
func (o *owner) tick() {
	now := time.Now()
	o.ticks++
	o.watchClock(now)
	for _, t := range o.torrents {
		o.measure(t, now)
		o.limit(t, now)
	}
	o.schedule(o.wall())
	if now.Sub(o.spaced) >= spaceEvery {
		o.spaced = now
		o.guardSpace(now)
	}
	if now.Sub(o.saved) >= saveEvery {
		o.save(now)
	}
	if now.Sub(o.timed) >= timesEvery {
		o.keepTimes(now)
	}
	if now.Sub(o.patrolled) >= patrolEvery {
		o.patrol(now)
	}
	if o.opts.Watch != "" && !o.watching && now.Sub(o.watched) >= watchEvery {
		o.watched, o.watching = now, true
		o.work(o.scan())
	}
	if o.ticks%60 == 0 {
		o.forgetRemoved(now)
	}
}

// watchClock notices when somebody sets the computer's clock.
func (o *owner) watchClock(now time.Time) {
	passed, shown := now.Sub(o.last), o.wall().Round(0)
	jumped := shown.Sub(o.shown) - passed
	o.last, o.shown, o.passed = now, shown, passed
	o.session.Active += passed
	o.opts.Board.Set(now, health.ClockJump, "", jumped.Abs() > time.Minute)
}

// oddStart reports whether the clock cannot be right both now and when the
// library was last written to: it went back, or on by years.
func oddStart(before, now time.Time) bool {
	const years = 5 * 365 * 24 * time.Hour
	return !before.IsZero() && (before.Sub(now) > time.Hour || now.Sub(before) > years)
}

// get returns the torrent of an id, nil if there is none.
func (o *owner) get(id int64) *torrent {
	i, ok := slices.BinarySearchFunc(o.torrents, id, func(t *torrent, id int64) int { return int(t.id - id) })
	if !ok {
		return nil
	}
	return o.torrents[i]
}

// add takes a torrent into the list.
func (o *owner) add(t *torrent) {
	o.lastID++
	t.id = o.lastID
	t.up, t.down = engine.NewRate(0), engine.NewRate(0)
	o.torrents = append(o.torrents, t)
	o.byHash[t.rec.ID()] = t
	o.relimit(t)
}

// drop takes some out again.
func (o *owner) drop(ts []*torrent) {
	leave := make(map[*torrent]bool)
	for _, t := range ts {
		leave[t] = true
		delete(o.byHash, t.rec.ID())
		o.removed = append(o.removed, removal{t.id, time.Now()})
		o.opts.Board.Clear(t.subject())
	}
	o.torrents = slices.DeleteFunc(o.torrents, func(t *torrent) bool { return leave[t] })
	o.renumber()
	o.changed()
}

func (o *owner) forgetRemoved(now time.Time) {
	o.removed = slices.DeleteFunc(o.removed, func(r removal) bool { return now.Sub(r.at) > time.Minute })
}

func (o *owner) changed() { o.different = true }

// queue returns the torrents by their places.
func (o *owner) queue() []*torrent {
	list := slices.Clone(o.torrents)
	slices.SortStableFunc(list, func(a, b *torrent) int { return a.rec.Queue - b.rec.Queue })
	return list
}

// renumber gives places without holes. What changed is saved with the next
// change of each.
func (o *owner) renumber() {
	for i, t := range o.queue() {
		t.rec.Queue = i
	}
}

// dice returns a random time below d.
func dice(d time.Duration) time.Duration { return rand.N(max(d, 1)) }

func newOwner(opts Options, signal func()) (*owner, error) {
	o := &owner{
		opts: opts, signal: signal, reports: make(chan report), byHash: make(map[[20]byte]*torrent),
		groups: make(map[string]*rates), low: make(map[string]bool), seen: make(map[string]int64),
		claims: newClaims(),
		wall:   time.Now,
	}
	keys := &keyring{store: opts.Store}
	for _, t := range opts.Transports {
		o.networks = append(o.networks, newNetwork(t, slices.Contains(opts.Shared, t.Network()), opts.Label, keys))
	}
	if err := o.loadSettings(); err != nil {
		return nil, err
	}
	o.slots = engine.NewSlots(o.streams())
	var err error
	if o.past, err = opts.Store.Past(); err != nil {
		return nil, err
	}
	list, err := opts.Store.Torrents()
	if err != nil {
		return nil, err
	}
	for _, rec := range list {
		t, err := o.load(rec)
		if err != nil {
			return nil, err
		}
		o.add(t)
		if t.valid > 0 || t.own.Move != nil {
			o.claim(t, true)
		}
	}
	o.renumber()
	o.begunWith, o.addedBefore = o.everything(), o.settings.Added
	if r, ok := opts.Store.Recovered(); ok {
		opts.Board.Set(time.Now(), health.Recovered, "", true)
		opts.Log.Warn("the library was recovered from damage", "lost_nothing", r.Snapshot.IsZero())
	}
	return o, nil
}

// streams is how many may be open now.
func (o *owner) streams() int {
	n := o.settings.PeerLimit
	if n <= 0 {
		n = engine.DefaultSlots
	}
	if o.opts.Streams > 0 {
		n = min(n, o.opts.Streams)
	}
	return n
}

// load makes a torrent of its record.
func (o *owner) load(rec store.Torrent) (*torrent, error) {
	t := &torrent{rec: rec, totals: make(map[anon.Network]store.Totals)}
	if err := t.own.read(rec.More); err != nil {
		return nil, err
	}
	if err := t.relink(); err != nil {
		return nil, err
	}
	p, err := o.opts.Store.Progress(rec.ID())
	if err != nil {
		return nil, err
	}
	if t.resume = p.Resume; t.own.Unseen {
		t.resume = nil
	}
	t.verify = t.own.Verify || t.own.Unseen
	for n, x := range p.Totals {
		t.totals[n] = x
	}
	raw, _, err := o.opts.Store.Metadata(rec.ID())
	if err == nil {
		var info *metainfo.Info
		if info, err = metainfo.ParseInfo(raw, rec.ID()); err == nil {
			t.inform(info)
		}
	}
	if err != nil && !notThere(err) {
		return nil, err
	}
	return t, nil
}
