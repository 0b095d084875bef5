package sink

import (
	"encoding/hex"
	"fmt"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/dns/dnsmessage"
)

// v6 builds an IPv6 packet from ::1 to ::2 out of what follows its header.
func v6(next byte, body ...byte) []byte {
	b := make([]byte, 40, 40+len(body))
	b[0], b[6], b[23], b[39] = 0x60, next, 1, 2
	return append(b, body...)
}

// v4 likewise, from 1.0.0.1 to 1.0.0.2, with the given fragment field.
func v4(proto byte, fragment byte, body ...byte) []byte {
	b := make([]byte, 20, 20+len(body))
	b[0], b[7], b[9] = 0x45, fragment, proto
	copy(b[12:], []byte{1, 0, 0, 1, 1, 0, 0, 2})
	return append(b, body...)
}

func TestParse(t *testing.T) {
	hopByHop := func(next byte) []byte { return []byte{next, 0, 5, 2, 0, 0, 1, 0} }
	for _, c := range []struct {
		name, protocol, dst string
		noise               bool
		raw                 []byte
	}{
		{"empty", "malformed", "", false, nil},
		{"neither 4 nor 6", "malformed", "", false, []byte{0x50}},
		{"short v4", "malformed", "", false, v4(6, 0)[:19]},
		{"v4 header length too small", "malformed", "", false, append([]byte{0x44}, v4(6, 0)[1:]...)},
		{"short v6", "malformed", "", false, v6(6)[:39]},
		{"tcp", "tcp", "1.0.0.2:258", false, v4(6, 0, 9, 9, 1, 2)},
		{"tcp without ports", "tcp", "1.0.0.2:0", false, v4(6, 0, 9, 9)},
		{"later fragment", "udp", "1.0.0.2:0", false, v4(17, 1, 9, 9, 1, 2)},
		{"sctp", "ip 132", "1.0.0.2:0", false, v4(132, 0)},
		{"ping 6", "icmp6", "[::2]:0", false, v6(58, 128)},
		{"router solicitation", "icmp6", "[::2]:0", true, v6(58, 133)},
		{"listener report", "icmp6", "[::2]:0", true, v6(0, append(hopByHop(58), 143)...)},
		{"udp after options", "udp", "[::2]:258", false, v6(0, append(hopByHop(17), 9, 9, 1, 2)...)},
		{"extension cut off", "malformed", "[::2]:0", false, v6(0, 58, 1, 0, 0, 0, 0, 0, 0)},
		{"v6 later fragment", "udp", "[::2]:0", false, v6(44, 17, 0, 0, 8, 0, 0, 0, 0, 9, 9, 1, 2)},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := parse(c.raw)
			require.Equal(t, c.protocol, p.protocol)
			require.Equal(t, c.noise, p.noise)
			if c.dst != "" {
				require.Equal(t, netip.MustParseAddrPort(c.dst), p.dst)
			}
		})
	}
}

// The example of RFC 1071, section 3, complemented.
func TestChecksum(t *testing.T) {
	b, err := hex.DecodeString("0001f203f4f5f6f7")
	require.NoError(t, err)
	require.Equal(t, ^uint16(0xddf2), checksum(b))
}

func TestKindsAreBounded(t *testing.T) {
	s := &Sink{counts: map[Packet]int{}, names: newNamebook()}
	for i := range maxKinds + 10 {
		s.take(v4(6, 0, 0, 0, byte(i>>8), byte(i)))
	}
	require.Equal(t, maxKinds+10, s.Total())
	seen := s.Seen()
	require.Len(t, seen, maxKinds+1)
	require.Equal(t, Count{Other, 10}, seen[maxKinds])
}

func TestNamesHaveAddressesOfTheirOwn(t *testing.T) {
	b := newNamebook()
	seen := map[netip.Addr]bool{}
	for i := range maxNames {
		a, ok := b.addr(fmt.Sprintf("n%d.example", i))
		require.True(t, ok)
		require.False(t, seen[a])
		seen[a] = true
	}
	_, ok := b.addr("one too many.example")
	require.False(t, ok)
	for _, a := range []netip.Addr{own4, dns4, flush.Addr()} {
		require.False(t, seen[a], a)
	}
	again, ok := b.addr("N7.example")
	require.True(t, ok)
	require.Equal(t, "n7.example", b.of(again))
}

func FuzzTake(f *testing.F) {
	query, err := (&dnsmessage.Message{Questions: []dnsmessage.Question{{
		Name: dnsmessage.MustNewName("a.example."), Type: dnsmessage.TypeA, Class: dnsmessage.ClassINET,
	}}}).Pack()
	require.NoError(f, err)
	f.Add(v4(17, 0, append([]byte{9, 9, 0, 53, 0, 0, 0, 0}, query...)...))
	f.Add(v6(17, append([]byte{9, 9, 0, 53, 0, 0, 0, 0}, query...)...))
	f.Add(v6(44, 17, 0, 0, 0, 0, 0, 0, 0))
	f.Fuzz(func(t *testing.T, raw []byte) {
		s := &Sink{counts: map[Packet]int{}, names: newNamebook()}
		reply := s.take(raw)
		if !parse(raw).noise {
			require.Equal(t, 1, s.Total())
		}
		if reply != nil {
			back := parse(reply)
			require.Equal(t, "udp", back.protocol)
			require.Equal(t, uint16(53), back.src.Port())
		}
	})
}
