package library

import (
	"time"

	"sotto/client/api/rpc"
	"sotto/client/engine"
	"sotto/client/store"
)

// rates are a bound in each direction.
type rates struct{ up, down *engine.Rate }

func newRates() *rates { return &rates{engine.NewRate(0), engine.NewRate(0)} }

// bound makes the bounds of everything, of networks and of groups hold.
func (o *owner) bound() {
	s := &o.settings
	down, up := when(s.LimitDown, s.SpeedDown), when(s.LimitUp, s.SpeedUp)
	if s.Alt.On {
		down, up = least(s.Alt.Down), least(s.Alt.Up)
	}
	o.all.set(down, up)
	for _, n := range o.networks {
		l := s.Networks[n.transport.Network().String()]
		n.rates.set(l.Down*1000, l.Up*1000)
	}
	for _, g := range s.Groups {
		r := o.groups[g.Name]
		r.set(when(g.LimitDown, g.SpeedDown), when(g.LimitUp, g.SpeedUp))
	}
}

func (r *rates) set(down, up int64) {
	r.down.Set(down)
	r.up.Set(up)
}

// when is a limit in bytes, 0 for none.
func when(on bool, kB int64) int64 {
	if !on {
		return 0
	}
	return least(kB)
}

// least turns a limit that holds into bytes. A limit of nothing at all becomes
// one that keeps connections alive.
func least(kB int64) int64 { return max(kB*1000, 1) }

// relimit makes the bounds of one torrent hold.
func (o *owner) relimit(t *torrent) {
	t.down.Set(when(t.own.DownLimited, t.own.Down))
	t.up.Set(when(t.own.UpLimited, t.own.Up))
	var above []*rates
	apart := t.own.Apart
	for _, g := range o.settings.Groups {
		if g.Name == t.own.Group && g.Name != "" {
			above = append(above, o.groups[g.Name])
			apart = apart || !g.HonorsSessionLimits
		}
	}
	if !apart {
		above = append(above, o.all)
	}
	var up, down []*engine.Rate
	for _, r := range above {
		up, down = append(up, r.up), append(down, r.down)
	}
	t.up.Under(up...)
	t.down.Under(down...)
	for _, l := range t.lanes {
		if l.swarm != nil {
			l.swarm.SetMaxPeers(o.peerLimit(t))
		}
	}
}

func (o *owner) peerLimit(t *torrent) int {
	if t.rec.Limits.Peers > 0 {
		return t.rec.Limits.Peers
	}
	return o.settings.TorrentPeerLimit
}

// schedule switches the alternative limits on and off at the edges of their
// hours, so that in between the user's word holds.
func (o *owner) schedule(now time.Time) {
	in := within(o.settings.Alt, now)
	if in == o.inside {
		return
	}
	o.inside = in
	if !o.settings.Alt.Scheduled {
		return
	}
	s := o.settings
	s.Alt.On = in
	if err := o.settle(s); err != nil {
		o.settings.Alt.On = in // not saved: the next start works it out again
		o.bound()
	}
}

// within reports whether the hours of the alternative limits are now. Hours that
// pass midnight belong to the day they begin on; those that end when they begin
// are a whole day, as Transmission has it. The hours are the wall clock's, so that
// a day on which it is put forward or back has fewer or more of them.
func within(a rpc.AltSpeed, now time.Time) bool {
	at := time.Duration(now.Hour())*time.Hour + time.Duration(now.Minute())*time.Minute + time.Duration(now.Second())*time.Second
	on := func(d time.Weekday) bool { return a.Days>>d&1 == 1 }
	today, yesterday := now.Weekday(), (now.Weekday()+6)%7
	if a.Begin < a.End {
		return on(today) && at >= a.Begin && at < a.End
	}
	return on(today) && at >= a.Begin || on(yesterday) && at < a.End
}

// limit stops a seed that has given what it was to give.
func (o *owner) limit(t *torrent, now time.Time) {
	if !t.done || t.rec.Want == store.Stopped || len(t.lanes) == 0 || t.job != idle {
		return
	}
	ratio, byRatio := o.ratioLimit(t)
	idle, byIdle := o.idleLimit(t)
	size, _ := t.wanted()
	up := t.sum().Up
	last := later(t.fed, t.started)
	switch {
	case byRatio && size > 0 && float64(up) >= ratio*float64(size):
	case byIdle && !last.IsZero() && now.Sub(last) >= idle:
	case t.rec.Limits.SeedTime > 0 && t.own.Seeding >= t.rec.Limits.SeedTime:
	default:
		return
	}
	t.own.Finished, t.rec.Want = true, store.Stopped
	if err := o.put(t); err != nil {
		o.unsaved(err)
	}
}

func (o *owner) ratioLimit(t *torrent) (float64, bool) {
	switch t.own.RatioMode {
	case rpc.OwnLimit:
		return t.own.RatioLimit, true
	case rpc.NoLimit:
		return 0, false
	}
	return o.settings.RatioLimit, o.settings.LimitRatio
}

func (o *owner) idleLimit(t *torrent) (time.Duration, bool) {
	switch t.own.IdleMode {
	case rpc.OwnLimit:
		return t.own.IdleLimit, true
	case rpc.NoLimit:
		return 0, false
	}
	return o.settings.IdleLimit, o.settings.LimitIdle
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
