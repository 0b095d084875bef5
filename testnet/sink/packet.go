package sink

import (
	"encoding/binary"
	"fmt"
	"net/netip"
)

// IP protocol numbers (IANA).
const (
	protoHopByHop = 0
	protoICMP     = 1
	protoTCP      = 6
	protoUDP      = 17
	protoRouting  = 43
	protoFragment = 44
	protoICMP6    = 58
	protoDestOpts = 60
)

// packet is what is read out of an IP packet.
type packet struct {
	protocol string
	src, dst netip.AddrPort // ports are 0 where the protocol has none
	payload  []byte         // of UDP; points into the packet
	noise    bool           // the kernel's IPv6 housekeeping
}

// parse never fails: what it does not understand is counted as malformed.
func parse(raw []byte) packet {
	malformed := packet{protocol: "malformed"}
	if len(raw) == 0 {
		return malformed
	}
	switch raw[0] >> 4 {
	case 4: // RFC 791
		head := int(raw[0]&15) * 4
		if head < 20 || len(raw) < head {
			return malformed
		}
		p := packet{src: host(raw[12:16]), dst: host(raw[16:20])}
		body := raw[head:]
		if binary.BigEndian.Uint16(raw[6:])&0x1fff != 0 {
			body = nil // a later fragment: no ports in it
		}
		p.transport(raw[9], body)
		return p
	case 6: // RFC 8200
		if len(raw) < 40 {
			return malformed
		}
		p := packet{src: host(raw[8:24]), dst: host(raw[24:40])}
		next, body, ok := skipExtensions(raw[6], raw[40:])
		if !ok {
			p.protocol = "malformed"
			return p
		}
		p.transport(next, body)
		return p
	}
	return malformed
}

func host(raw []byte) netip.AddrPort {
	a, _ := netip.AddrFromSlice(raw)
	return netip.AddrPortFrom(a, 0)
}

// skipExtensions walks over IPv6 extension headers to what they precede.
func skipExtensions(next byte, body []byte) (byte, []byte, bool) {
	for {
		var size int
		switch next {
		case protoHopByHop, protoRouting, protoDestOpts:
			if len(body) < 8 {
				return 0, nil, false
			}
			size = (int(body[1]) + 1) * 8
		case protoFragment:
			if len(body) < 8 {
				return 0, nil, false
			}
			if binary.BigEndian.Uint16(body[2:])>>3 != 0 {
				return body[0], nil, true // a later fragment
			}
			size = 8
		default:
			return next, body, true
		}
		if len(body) < size {
			return 0, nil, false
		}
		next, body = body[0], body[size:]
	}
}

func (p *packet) transport(proto byte, body []byte) {
	switch proto {
	case protoTCP:
		p.protocol = "tcp"
		p.ports(body)
	case protoUDP:
		p.protocol = "udp"
		p.ports(body)
		if len(body) >= 8 {
			p.payload = body[8:]
		}
	case protoICMP:
		p.protocol = "icmp"
	case protoICMP6:
		p.protocol = "icmp6"
		p.noise = len(body) > 0 && housekeeping(body[0])
	default:
		p.protocol = fmt.Sprintf("ip %d", proto)
	}
}

func (p *packet) ports(body []byte) {
	if len(body) >= 4 {
		p.src = netip.AddrPortFrom(p.src.Addr(), binary.BigEndian.Uint16(body))
		p.dst = netip.AddrPortFrom(p.dst.Addr(), binary.BigEndian.Uint16(body[2:]))
	}
}

// housekeeping tells the ICMPv6 messages that a kernel sends by itself when an
// interface comes up: multicast listener reports (RFC 2710, 3810) and
// neighbour discovery (RFC 4861).
func housekeeping(kind byte) bool {
	return kind >= 130 && kind <= 137 || kind == 143
}

// respond wraps an answer into the UDP packet that goes back where p came
// from.
func respond(p packet, answer []byte) []byte {
	udp := binary.BigEndian.AppendUint16(nil, p.dst.Port())
	udp = binary.BigEndian.AppendUint16(udp, p.src.Port())
	udp = binary.BigEndian.AppendUint16(udp, uint16(8+len(answer)))
	udp = append(udp, 0, 0)
	udp = append(udp, answer...)
	from, to := p.dst.Addr().AsSlice(), p.src.Addr().AsSlice()
	pseudo := append(append([]byte(nil), from...), to...)
	pseudo = binary.BigEndian.AppendUint32(pseudo, uint32(len(udp)))
	pseudo = append(pseudo, 0, 0, 0, protoUDP)
	sum := checksum(append(pseudo, udp...))
	if sum == 0 {
		sum = 0xffff // zero means none was computed, which IPv6 forbids
	}
	binary.BigEndian.PutUint16(udp[6:], sum)

	const hops = 64
	if p.dst.Addr().Is4() {
		ip := make([]byte, 20)
		ip[0], ip[8], ip[9] = 4<<4|5, hops, protoUDP
		binary.BigEndian.PutUint16(ip[2:], uint16(20+len(udp)))
		copy(ip[12:], from)
		copy(ip[16:], to)
		binary.BigEndian.PutUint16(ip[10:], checksum(ip))
		return append(ip, udp...)
	}
	ip := make([]byte, 40)
	ip[0], ip[6], ip[7] = 6<<4, protoUDP, hops
	binary.BigEndian.PutUint16(ip[4:], uint16(len(udp)))
	copy(ip[8:], from)
	copy(ip[24:], to)
	return append(ip, udp...)
}

// checksum is the internet's (RFC 1071).
func checksum(b []byte) uint16 {
	var sum uint32
	for ; len(b) >= 2; b = b[2:] {
		sum += uint32(binary.BigEndian.Uint16(b))
	}
	if len(b) == 1 {
		sum += uint32(b[0]) << 8
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}
