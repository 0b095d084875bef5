package engine

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"slices"
	"time"

	"sotto/anon"
	"sotto/client/engine/pick"
	"sotto/client/engine/wire"
	"sotto/client/engine/wire/mse"
)

// young is how long after it was made a connection may give way to another
// one to the same peer. When both sides dial at once they have to keep the
// same stream of the two, so both go by their keys and not by the clock.
const young = 30 * time.Second

// meet takes a peer in whose handshake has been read.
func (o *owner) meet(g greeting) {
	now := time.Now()
	switch {
	case g.inbound:
		o.greeting--
	case g.opened:
		o.calling--
	default:
		o.dialing--
	}
	if g.err != nil {
		o.seat.give()
		o.away(g, now)
		return
	}
	how, ok := o.welcome(g, now)
	if !ok {
		if g.inbound {
			o.conduct.TurnedAway++
		}
		g.conn.Close()
		o.seat.give()
		g.entry.ended(how, now, o.rand)
		return
	}
	p := o.admit(g, now)
	o.say(p, o.firstWords(p))
	o.reveal(p, now)
	if o.picker != nil {
		o.rechoke(now) // an unchoke still goes with the first words
		if !p.unchoked {
			o.say(p, o.allow(p, nil))
		}
	}
	o.employ(p, g.stream)
	o.clock.Reset(tick) // it may have stood still
}

// away notes a dial or a handshake that came to nothing.
func (o *owner) away(g greeting, now time.Time) {
	how := failed
	if errors.Is(g.err, anon.ErrUnavailable) {
		how = routerOff
	}
	if errors.Is(g.err, errOurself) && g.entry != nil {
		g.entry.banned = true
	}
	g.entry.ended(how, now, o.rand)
	if g.inbound {
		o.conduct.TurnedAway++
		return
	}
	if g.opened && g.entry != nil {
		g.entry.other = !g.entry.other // it may not know the one we said
	}
	o.dial(now)
}

// welcome decides whether a connection may stay, and how to count it if not.
func (o *owner) welcome(g greeting, now time.Time) (result, bool) {
	switch {
	case g.entry != nil && g.entry.banned:
		return failed, false
	case len(o.peers) >= o.opts.MaxPeers || g.inbound && !o.mayEnter():
		return surplus, false
	}
	for _, old := range slices.Clone(o.peers) {
		if !same(old, g) {
			continue
		}
		if !o.prefers(g, old, now) {
			return surplus, false
		}
		o.dropAs(old, surplus)
	}
	return worked, true
}

// mayEnter reports whether there is room for somebody who dials us. While we
// lack anything a part of the room is left for those we dial: strangers cannot
// take all of it and so cut us off from the seeds.
func (o *owner) mayEnter() bool {
	room := o.opts.MaxPeers
	if !o.complete() {
		room -= o.opts.MaxPeers / outboundShare
	}
	return o.inbound < room && len(o.peers) < o.opts.MaxPeers
}

// same reports whether a connection leads to a peer that is there already: by
// its address where the network proves it, by its word where not.
func same(old *peer, g greeting) bool {
	if !old.addr.IsUnknown() && !g.addr.IsUnknown() {
		return old.addr == g.addr
	}
	return old.peerID == g.hello.PeerID
}

// prefers reports whether a second connection to a peer is the one to keep.
func (o *owner) prefers(g greeting, old *peer, now time.Time) bool {
	proven := !old.addr.IsUnknown() && !g.addr.IsUnknown()
	if now.Sub(old.made) > young {
		// It dials although it is connected: its end has died. A peer's id
		// proves nothing, so that nobody can be pushed out with it.
		return proven && g.inbound && now.Sub(old.heard) > young
	}
	if g.inbound == old.inbound {
		return false
	}
	ours, theirs := o.peerID[:], g.hello.PeerID[:]
	if proven {
		a, b := o.self.Key(), g.addr.Key()
		ours, theirs = a[:], b[:]
	}
	lower := bytes.Compare(ours, theirs) < 0
	return lower != g.inbound // the stream of the lower key stays
}

// admit makes a peer of a greeting.
func (o *owner) admit(g greeting, now time.Time) *peer {
	o.lastID++
	p := &peer{
		id: o.lastID, entry: g.entry, addr: g.addr, inbound: g.inbound, conn: g.conn,
		agreed: g.names.agree(g.hello.Features, g.hash), peerID: g.hello.PeerID, hello: g.ours(o.peerID),
		box: newOutbox(o.account), made: now, heard: now, choking: true,
	}
	p.box.wrote.Store(now.UnixNano())
	if p.inbound {
		o.inbound++
	}
	o.peers = append(o.peers, p)
	if o.content != nil {
		p.has = wire.NewBitfield(o.content.info.Pieces)
	}
	if o.picker != nil {
		o.picker.AddPeer(p.id, p.fast())
	}
	p.stop = func() {}
	return p
}

// employ starts a peer's reader and writer.
func (o *owner) employ(p *peer, stream net.Conn) {
	p.rc4 = mse.Encrypted(stream)
	ctx, cancel := context.WithCancel(o.ctx)
	p.stop = cancel
	r := &reader{peer: p, from: stream, count: &o.count, limit: o.download, mail: o.mail, ctx: ctx, blocks: &o.blocks}
	limits := wire.Limits{Features: p.agreed, Registry: o.registry, ReadAhead: readAhead}
	if o.content != nil {
		limits.Pieces = o.content.info.Pieces
	}
	p.messages = wire.NewReader(r, &o.blocks, limits)
	o.work("write", func() {
		defer p.box.close()
		defer p.conn.Close() // which ends the reader, and that tells the owner
		o.writer(p, stream).run(ctx)
	})
	o.work("read", func() {
		defer cancel()
		r.run(p.messages)
	})
}

func (o *owner) writer(p *peer, to io.Writer) *writer {
	return &writer{
		box: p.box, to: to, count: &o.count, limit: o.upload, reading: o.reading,
		content: o.shared.Load, lost: o.tellLost, seam: o.opts.seam,
		before: func() error { return p.conn.SetWriteDeadline(time.Now().Add(writeTime)) },
	}
}

func (o *owner) dropAs(p *peer, how result) {
	i := slices.Index(o.peers, p)
	if i < 0 {
		return
	}
	now := time.Now()
	o.peers = slices.Delete(o.peers, i, i+1)
	p.stop()
	p.conn.Close()
	o.estrange(p)
	if o.super != nil {
		o.super.Leave(uint32(p.id))
	}
	o.seat.give()
	if p.inbound {
		o.inbound--
	}
	if p.entry != nil {
		p.entry.seed = p.hasAll || p.about.UploadOnly
		o.remember(p)
	}
	p.entry.ended(how, now, o.rand)
	for _, d := range o.drafts {
		d.release(p)
	}
	if o.picker != nil {
		o.picker.RemovePeer(p.id)
	}
	o.releaseHashes(p, now)
	o.hungry, o.chokes = true, true
	o.dial(now)
}

// has reports whether a peer is still here.
func (o *owner) has(p *peer) bool { return slices.Contains(o.peers, p) }

func (o *owner) find(id pick.Peer) *peer {
	for _, p := range o.peers {
		if p.id == id {
			return p
		}
	}
	return nil
}

// learn notes addresses to dial.
func (o *owner) learn(addrs []anon.Addr) (n int) {
	now := time.Now()
	for _, a := range addrs {
		if a.On() == o.self.On() && !a.IsUnknown() && a != o.self && o.book.learn(a, now) {
			n++
		}
	}
	if o.outside {
		o.dial(now)
	}
	o.clock.Reset(tick) // it may have stood still
	return n
}

// maxPast bounds the peers that are remembered after they have gone, in case
// a piece that they helped to send turns out bad.
const maxPast = 1024

func (o *owner) remember(p *peer) {
	for id := range o.past {
		if len(o.past) < maxPast {
			break
		}
		delete(o.past, id)
	}
	o.past[p.id] = p.entry
}
