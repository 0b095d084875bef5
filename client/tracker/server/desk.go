package server

import (
	"errors"
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"sotto/anon"
	"sotto/client/bencode"
)

const (
	// All announces of one endpoint together; beyond, askers are told to come
	// back in a minute.
	announcesPerSecond, announceBurst = 20, 100
	// One proven remote: three in a row (started, completed, stopped), then
	// one every ten seconds.
	remoteEvery, remoteBurst = 10 * time.Second, 3
	// maxRemotes bounds what is remembered for that; then all is forgotten.
	maxRemotes = 1000
)

// desk answers the announces that come in on one endpoint.
type desk struct {
	server *Server
	self   anon.Addr

	mu      sync.Mutex
	swarms  map[[20]byte]*swarm
	all     *rate.Limiter
	remotes map[anon.Addr]*rate.Limiter
}

func newDesk(s *Server, self anon.Addr) *desk {
	return &desk{
		server: s, self: self, swarms: make(map[[20]byte]*swarm),
		all: rate.NewLimiter(announcesPerSecond, announceBurst), remotes: make(map[anon.Addr]*rate.Limiter),
	}
}

// serve reads one request and answers it. The caller bounds the time and
// closes the connection.
func (d *desk) serve(c net.Conn, peeked []byte) {
	remote, _ := c.RemoteAddr().(anon.Addr)
	head, err := readHead(c, peeked)
	var body []byte
	if err == nil {
		var a announce
		if a, err = parseRequest(head, d.self.On()); err == nil {
			body = d.answer(time.Now(), a, remote)
		}
	}
	switch {
	case err == nil:
		c.Write(respond("200 OK", body))
	case errors.Is(err, errBad), errors.Is(err, errNotFound), errors.Is(err, errTooLarge):
		c.Write(respond(err.Error(), nil))
	}
}

// respond writes an HTTP answer that tells nothing of the host: no date, no
// server name.
func respond(status string, body []byte) []byte {
	head := "HTTP/1.1 " + status + "\r\nContent-Type: text/plain\r\nContent-Length: " +
		strconv.Itoa(len(body)) + "\r\nConnection: close\r\n\r\n"
	return append([]byte(head), body...)
}

// answer returns the bencoded answer to an announce that came from remote,
// which is unknown where the network does not prove it.
func (d *desk) answer(now time.Time, a announce, remote anon.Addr) []byte {
	tracked := d.server.tracks(a.infoHash)
	d.mu.Lock()
	defer d.mu.Unlock()
	if !tracked {
		delete(d.swarms, a.infoHash) // it may have been tracked before
		return failure("torrent not registered here", 0)
	}
	proven := remote.On() == d.self.On() && !remote.IsUnknown()
	if !d.allow(now, remote, proven) {
		return failure("too many announces, come back later", 1)
	}
	addr := a.claimed
	switch {
	case proven:
		addr = remote
	case d.self.On() == anon.I2P: // where a stream without a sender is a fault
		addr = anon.Unknown(anon.I2P)
	}
	s := d.swarm(a.infoHash)
	s.forget(now)
	base := d.interval(len(s.peers))
	if !addr.IsUnknown() && addr.Key() != d.self.Key() {
		s.note(now, addr, proven, a, 3*base)
	}
	if a.stopped {
		a.want = 0
	}
	return d.encode(s, a, addr, base)
}

func (d *desk) swarm(infoHash [20]byte) *swarm {
	s := d.swarms[infoHash]
	if s == nil {
		s = &swarm{peers: make(map[anon.Addr]peer), max: d.server.config.MaxPeers}
		d.swarms[infoHash] = s
	}
	return s
}

func (d *desk) allow(now time.Time, remote anon.Addr, proven bool) bool {
	if proven {
		l := d.remotes[remote]
		if l == nil {
			if len(d.remotes) >= maxRemotes {
				clear(d.remotes)
			}
			l = rate.NewLimiter(rate.Every(remoteEvery), remoteBurst)
			d.remotes[remote] = l
		}
		if !l.AllowN(now, 1) {
			return false
		}
	}
	return d.all.AllowN(now, 1)
}

// interval is short while a swarm is small: a fresh share should come
// together within a minute, a big one needs us less.
func (d *desk) interval(peers int) time.Duration {
	switch {
	case d.server.config.Interval > 0:
		return d.server.config.Interval
	case peers < 10:
		return time.Minute
	case peers < 100:
		return 5 * time.Minute
	}
	return 15 * time.Minute
}

// encode writes the answer, ourselves first: the sharer has everything.
func (d *desk) encode(s *swarm, a announce, asker anon.Addr, base time.Duration) []byte {
	complete, incomplete := s.count()
	var list []anon.Addr
	if !d.self.IsUnknown() {
		complete++
		if a.want > 0 && asker.Key() != d.self.Key() && !a.seed {
			list = append(list, d.self)
		}
	}
	list = append(list, s.pick(a.want-len(list), asker, a.seed)...)
	told := max(base+rand.N(base/4+1), time.Second)

	b := append([]byte("d"), "8:complete"...)
	b = bencode.AppendInt(b, int64(complete))
	b = bencode.AppendInt(append(b, "10:incomplete"...), int64(incomplete))
	b = bencode.AppendInt(append(b, "8:interval"...), int64(told/time.Second))
	b = appendPeers(append(b, "5:peers"...), list, d.self.On())
	return append(b, 'e')
}

// appendPeers writes the form each network's clients read: on I2P the 32-byte
// hashes in one string, elsewhere dictionaries of host and port.
func appendPeers(b []byte, list []anon.Addr, n anon.Network) []byte {
	if n == anon.I2P {
		var packed []byte
		for _, a := range list {
			k := a.Key()
			packed = append(packed, k[:]...)
		}
		return bencode.AppendString(b, packed)
	}
	b = append(b, 'l')
	for _, a := range list {
		port := a.Port()
		if port == 0 {
			port = anon.DefaultPort // memory has no ports, the form wants one
		}
		b = bencode.AppendString(append(b, "d2:ip"...), a.Host())
		b = bencode.AppendInt(append(b, "4:port"...), int64(port))
		b = append(b, 'e')
	}
	return append(b, 'e')
}

// failure writes a refusal; retry, in minutes, follows BEP 31 when not 0.
func failure(reason string, retry int64) []byte {
	b := bencode.AppendString([]byte("d14:failure reason"), reason)
	if retry > 0 {
		b = bencode.AppendInt(append(b, "8:retry in"...), retry)
	}
	return append(b, 'e')
}
