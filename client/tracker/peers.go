package tracker

import (
	"strconv"
	"strings"

	"github.com/anacrolix/torrent/bencode"

	"sotto/anon"
)

// hashSize is the length of a destination's hash in the compact form of I2P.
const hashSize = 32

// peerEntry is a peer in the dictionary form.
type peerEntry struct {
	IP   bencode.Bytes `bencode:"ip"`
	Port bencode.Bytes `bencode:"port"`
}

// peers reads the three forms of "peers": a string of 32-byte destination
// hashes (I2P only), a list of such strings (an old test format I2PSnark still
// reads), a list of dictionaries. Reading stops neither at garbage nor at our
// cap, so that Dropped says how much a tracker sent of what.
func peers(raw bencode.Bytes, self anon.Addr) ([]anon.Addr, Dropped) {
	s := &sieve{self: self, seen: make(map[anon.Addr]bool)}
	if packed, ok := text(raw); ok {
		s.hashes(packed)
		return s.kept, s.dropped
	}
	var list []bencode.Bytes
	if len(raw) == 0 || raw[0] != 'l' || decode(raw, &list) != nil {
		return nil, s.dropped
	}
	for _, item := range list {
		if packed, ok := text(item); ok {
			s.hashes(packed)
			continue
		}
		var e peerEntry
		if item[0] != 'd' || decode(item, &e) != nil {
			s.dropped.Foreign++
			continue
		}
		s.entry(e)
	}
	return s.kept, s.dropped
}

// sieve lets through what may be dialled and counts the rest.
type sieve struct {
	self    anon.Addr
	seen    map[anon.Addr]bool
	kept    []anon.Addr
	dropped Dropped
}

// hashes takes 32-byte hashes. A rest, such as the six bytes of an IPv4 peer,
// counts as one foreign peer.
func (s *sieve) hashes(packed string) {
	for ; len(packed) >= hashSize; packed = packed[hashSize:] {
		if s.self.On() != anon.I2P {
			s.dropped.Foreign++
			continue
		}
		s.take(anon.I2PAddr([hashSize]byte([]byte(packed[:hashSize]))))
	}
	if packed != "" {
		s.dropped.Foreign++
	}
}

// entry takes a host and, where the network has ports, a port. Both must
// spell an address of ours; a name is never looked up.
func (s *sieve) entry(e peerEntry) {
	host, _ := text(e.IP)
	if strings.Contains(host, ":") {
		s.dropped.Foreign++
		return
	}
	if s.self.On() == anon.Tor {
		host += ":" + strconv.FormatInt(number(e.Port, 0), 10)
	}
	a, err := anon.ParseAddr(host)
	if err != nil {
		s.dropped.Foreign++
		return
	}
	s.take(a)
}

func (s *sieve) take(a anon.Addr) {
	switch {
	case a.On() != s.self.On() || a.IsUnknown():
		s.dropped.Foreign++
	case a.Key() == s.self.Key(): // on any port
		s.dropped.Own++
	case s.seen[a]:
		s.dropped.Duplicate++
	case len(s.kept) == MaxPeers:
		s.dropped.Surplus++
	default:
		s.seen[a] = true
		s.kept = append(s.kept, a)
	}
}
