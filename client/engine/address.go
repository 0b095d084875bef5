package engine

import (
	"crypto/rand"
	"encoding/binary"
	mathrand "math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/anacrolix/torrent/iplist"

	"sotto/anon"
)

// The library wants addresses that look like IP and a port: a peer without an
// IP cannot be banned, and trying to ban one ends the process. So every peer
// gets a made-up address in 100::/64, the block that RFC 6666 reserves for
// packets to be thrown away, with 64 random bits. Even a leak would go nowhere.
var syntheticNet = netip.MustParsePrefix("100::/64")

// wire is the name of our only network inside the library. It must not
// contain "udp", "tcp", "4" or "6", which the library would interpret.
const wire = "anon"

// synthetic is an address as the library sees it.
type synthetic string

func (s synthetic) Network() string { return wire }
func (s synthetic) String() string  { return string(s) }

func newSynthetic() synthetic {
	a := syntheticNet.Addr().As16()
	rand.Read(a[8:])
	binary.BigEndian.PutUint16(a[14:], binary.BigEndian.Uint16(a[14:])|1) // never 100::
	return synthetic(netip.AddrPortFrom(netip.AddrFrom16(a), anon.DefaultPort).String())
}

func isSynthetic(s string) bool {
	ap, err := netip.ParseAddrPort(s)
	return err == nil && syntheticNet.Contains(ap.Addr())
}

// onlySynthetic is a block list that blocks every address that we did not
// make up, so that not even the library's own checks let one through.
type onlySynthetic struct{}

func (onlySynthetic) NumRanges() int { return 1 }

func (onlySynthetic) Lookup(ip net.IP) (iplist.Range, bool) {
	a, ok := netip.AddrFromSlice(ip)
	return iplist.Range{Description: "not ours"}, !ok || !syntheticNet.Contains(a)
}

const (
	maxPeers   = 4096 // addresses remembered; the oldest idle one makes room
	maxFails   = 6    // in a row, then a peer is forgotten until told of again
	firstRetry = 10 * time.Second
	longRetry  = 15 * time.Minute
	routerWait = 5 * time.Second // after our own router was away
)

// peer is an address we know. Guarded by book.mu.
type peer struct {
	addr  anon.Addr
	fake  synthetic
	conns int       // dials in progress and connections
	fails int       // dials or handshakes in a row
	next  time.Time // when to offer it to the library again
	tried bool
	// spent: the library will answer a failed plain handshake by dialling
	// again for an encrypted one, and must not.
	spent bool
}

// book translates between addresses and made-up ones, and says which peers
// are worth another try.
type book struct {
	mu     sync.Mutex
	byAddr map[anon.Addr]*peer
	byFake map[synthetic]*peer
	order  []*peer // oldest first
}

func newBook() *book {
	return &book{byAddr: make(map[anon.Addr]*peer), byFake: make(map[synthetic]*peer)}
}

// learn returns the made-up address of a peer and whether to offer it to the
// library now. now is when the peer was heard of.
func (b *book) learn(a anon.Addr, now time.Time) (fake synthetic, offer bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	p, old := b.byAddr[a]
	if !old {
		if p = b.add(a); p == nil {
			return "", false
		}
	}
	if p.conns > 0 || old && p.fails == 0 && now.Before(p.next) {
		return p.fake, false
	}
	p.fails = 0
	p.next = now.Add(longRetry)
	return p.fake, true
}

// add makes room if it must; nil when every remembered peer is in use.
func (b *book) add(a anon.Addr) *peer {
	if len(b.order) >= maxPeers && !b.forgetOldest() {
		return nil
	}
	p := &peer{addr: a, fake: newSynthetic()}
	b.byAddr[a], b.byFake[p.fake] = p, p
	b.order = append(b.order, p)
	return p
}

func (b *book) forgetOldest() bool {
	for i, p := range b.order {
		if p.conns == 0 {
			delete(b.byAddr, p.addr)
			delete(b.byFake, p.fake)
			b.order = append(b.order[:i], b.order[i+1:]...)
			return true
		}
	}
	return false
}

// dialing resolves what the library dials. An address that is not in the book
// is a leak, not a reason to look elsewhere.
func (b *book) dialing(fake string) (*peer, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	p, ok := b.byFake[synthetic(fake)]
	if !ok {
		return nil, &anon.LeakError{Op: "dial", Want: "a peer we were told of", Got: "another address"}
	}
	if p.spent {
		p.spent = false
		return nil, errNoFallback
	}
	p.conns++
	p.tried = true
	return p, nil
}

// arrived returns the address to show the library for an inbound stream:
// the peer's own if the network proves who it is, otherwise a fresh one.
func (b *book) arrived(a anon.Addr) (*peer, synthetic) {
	if a.IsUnknown() {
		return nil, newSynthetic()
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	p, ok := b.byAddr[a]
	if !ok {
		if p = b.add(a); p == nil {
			return nil, newSynthetic()
		}
	}
	p.conns++
	return p, p.fake
}

// outcome is how a dial or connection ended.
type outcome uint8

const (
	worked    outcome = iota // it was a BitTorrent connection for a while
	failed                   // no answer, no handshake, or gone again at once
	routerOff                // our fault; says nothing about the peer
)

func (b *book) ended(p *peer, how outcome, now time.Time) {
	if p == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	p.conns--
	wait := firstRetry
	switch how {
	case worked:
		p.fails = 0
	case failed:
		wait = min(firstRetry<<p.fails, longRetry)
		p.fails++
	case routerOff:
		wait = routerWait
	}
	p.next = now.Add(wait/2 + mathrand.N(wait))
}

// spend makes the library's next dial to p fail, once.
func (b *book) spend(p *peer) {
	b.mu.Lock()
	defer b.mu.Unlock()
	p.spent = true
}

// due returns the idle peers whose time for another try has come.
func (b *book) due(now time.Time) (fakes []synthetic) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, p := range b.order {
		if p.conns == 0 && p.fails < maxFails && now.After(p.next) {
			p.next = now.Add(longRetry)
			fakes = append(fakes, p.fake)
		}
	}
	return fakes
}

// untried returns the peers that were offered and never dialled.
func (b *book) untried() (fakes []synthetic) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, p := range b.order {
		if !p.tried && p.conns == 0 {
			fakes = append(fakes, p.fake)
		}
	}
	return fakes
}

func (b *book) len() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.order)
}
