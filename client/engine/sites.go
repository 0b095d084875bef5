package engine

import (
	"slices"
	"time"

	"sotto/client/engine/pace"
	"sotto/client/engine/pick"
	"sotto/client/engine/webseed"
	"sotto/client/engine/wire"
)

// lanesPerSite is how many connections one webseed gets: while one waits for
// an answer the other delivers.
const lanesPerSite = 2

// site is a webseed: to the picker a peer that has everything and never
// chokes, to the pace a peer whose requests are byte ranges.
type site struct {
	id     pick.Peer
	server *webseed.Server
	lanes  [lanesPerSite]lane
	has    wire.Bitfield // pieces of which it has every file
	retry  webseed.Retry
	banned bool // for as long as the torrent is open
	open   bool // the picker counts on it
	proven bool // it has sent a block
	pace   pace.Peer
	next   uint32 // the piece after the last one it was asked for
}

// web is the webseeds of a torrent. Only the owner touches it.
type web struct {
	sites     []*site
	layout    *webseed.Layout // nil until the disk has been checked
	delivered chan delivery
}

// newWeb returns the webseeds of the options, talking to nobody.
func newWeb(o Options) (web, error) {
	w := web{delivered: make(chan delivery)}
	if o.ReadOnly {
		return w, nil
	}
	for _, target := range o.Webseeds {
		server, err := webseed.New(target, o.Endpoint, o.Look)
		if err != nil {
			return web{}, err
		}
		s := &site{server: server}
		s.pace.SetQueue(pace.MaxDepth) // a range is one request, however long
		w.sites = append(w.sites, s)
	}
	return w, nil
}

// startSites begins to use the webseeds, once it is known what is missing.
func (o *owner) startSites() {
	if len(o.web.sites) == 0 {
		return
	}
	var files []webseed.File
	for _, f := range o.content.files {
		files = append(files, webseed.File{Path: f.Path, Length: f.Length, Offset: f.Offset, Pad: f.Pad})
	}
	o.web.layout = webseed.NewLayout(files)
	for _, s := range o.web.sites {
		o.lastID++
		s.id = o.lastID
		s.has = wire.NewBitfield(o.content.info.Pieces)
		s.has.Fill(o.content.info.Pieces)
		o.picker.AddPeer(s.id, false)
		for i := range s.lanes {
			s.lanes[i].site = s
		}
	}
	o.clock.Reset(tick) // it may have stood still
}

// useSites gives every idle connection work, and makes those that are missing.
func (o *owner) useSites(now time.Time) {
	if o.web.layout == nil {
		return
	}
	for _, s := range o.web.sites {
		switch {
		case s.banned:
		case o.picker.Done():
			o.shutSite(s)
		case s.retry.Due(now):
			o.useSite(s, now)
		}
	}
}

func (o *owner) useSite(s *site, now time.Time) {
	for i := range s.lanes {
		l := &s.lanes[i]
		switch {
		case l.busy:
		case l.conn != nil:
			o.order(l, now)
		case i == 0 || s.proven && s.open && o.picker.Interesting(s.id):
			o.connect(l)
		}
	}
}

// openSite lets the picker count on a webseed.
func (o *owner) openSite(s *site) {
	if s.open {
		return
	}
	s.open = true
	o.tellHas(s)
	o.picker.Unchoked(s.id)
	s.pace.Unchoked()
}

// shutSite ends what a webseed is doing. Nobody waits for its pieces then.
func (o *owner) shutSite(s *site) {
	for i := range s.lanes {
		l := &s.lanes[i]
		if l.busy {
			l.cutBy = byUs
			l.cut()
		} else if l.conn != nil {
			l.conn.Close()
			l.conn = nil
		}
	}
	if s.open {
		s.open = false
		o.picker.Choked(s.id)
		o.picker.HaveNone(s.id)
		o.siteFlight(s, time.Now())
	}
	o.hungry = o.hungry || !o.picker.Done()
}

// banSite gives a webseed up: it sent what cannot be right.
func (o *owner) banSite(s *site, err error) {
	if s.banned {
		return
	}
	s.banned = true
	o.log.Debug("a webseed is given up", "why", err)
	o.shutSite(s)
}

// tellHas tells the picker what a webseed has.
func (o *owner) tellHas(s *site) {
	if n := s.has.Count(); n == o.content.info.Pieces {
		o.picker.HaveAll(s.id)
	} else {
		_ = o.picker.Bitfield(s.id, s.has) // it has the torrent's size
	}
}

// lacks notes that a webseed does not have a file, and reports whether it has
// anything else.
func (o *owner) lacks(s *site, file int) bool {
	first, end := o.content.span(o.content.files[file])
	for i := first; i < end; i++ {
		s.has.Clear(i)
	}
	if s.open {
		o.tellHas(s)
	}
	return s.has.Count() > 0
}

// busy reports whether any of its connections is at work.
func (s *site) busy() bool {
	return slices.ContainsFunc(s.lanes[:], func(l lane) bool { return l.busy })
}

func (o *owner) siteOf(id pick.Peer) *site {
	for _, s := range o.web.sites {
		if s.id == id {
			return s
		}
	}
	return nil
}

// siteFlight tells a webseed's pace what is under way.
func (o *owner) siteFlight(s *site, now time.Time) {
	s.pace.SetFlight(now, o.picker.Outstanding(s.id))
}

// attendSites gives up what webseeds were asked for and do not send, so that
// others may. It reports whether any of them is at work, and whether any may
// have to be tried again.
func (o *owner) attendSites(now time.Time) (busy, waiting bool) {
	if o.picker == nil || o.picker.Done() {
		return false, false
	}
	for _, s := range o.web.sites {
		waiting = waiting || !s.banned
		busy = busy || s.busy()
		since, any := o.picker.Oldest(s.id)
		if late := now.Add(-s.pace.Timeout()); any && !since.After(late) {
			o.wishes = o.picker.Expire(s.id, late, o.wishes[:0])
			s.pace.TimedOut()
			o.siteFlight(s, now)
			for _, b := range o.wishes {
				o.excuse(s, b, byTime)
			}
			o.hungry = true
		}
		s.pace.Snubbed(now)
	}
	return busy, waiting
}

// cancelSite notes that a block came from somebody else.
func (o *owner) cancelSite(c pick.Cancel, now time.Time) {
	if s := o.siteOf(c.Peer); s != nil {
		o.siteFlight(s, now)
		o.excuse(s, c.Block, byUs)
		o.hungry = true
	}
}

// hangUp closes the connections that no worker has.
func (w *web) hangUp() {
	for _, s := range w.sites {
		for _, l := range s.lanes {
			if l.conn != nil && !l.busy {
				l.conn.Close()
			}
		}
	}
}

// webseeds is how many webseeds are connected.
func (o *owner) webseeds() (n int) {
	for _, s := range o.web.sites {
		if s.open {
			n++
		}
	}
	return n
}
