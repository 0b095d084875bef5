package tracker

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"sotto/anon"
)

func str(s string) string { return fmt.Sprintf("%d:%s", len(s), s) }

func dictPeer(ip string, port int) string {
	return "d2:ip" + str(ip) + "7:peer id" + str(strings.Repeat("p", 20)) + "4:porti" + fmt.Sprint(port) + "ee"
}

func TestParsePeers(t *testing.T) {
	selfFull, self := destination(1)
	aFull, a := destination(2)
	_, b := destination(3)
	ka, kb, ks := a.Key(), b.Key(), self.Key()
	packed := string(ka[:]) + string(kb[:])
	me := anon.OnionAddr(key(1), 6881)
	o1, o2 := anon.OnionAddr(key(2), 6881), anon.OnionAddr(key(2), 7000)
	m1 := anon.MemoryAddr(key(4))

	for name, c := range map[string]struct {
		self    anon.Addr
		peers   string // bencoded
		want    []anon.Addr
		dropped Dropped
	}{
		"i2p compact":       {self, str(packed), []anon.Addr{a, b}, Dropped{}},
		"i2p compact empty": {self, "0:", nil, Dropped{}},
		"i2p compact own, twice": {self, str(string(ks[:]) + packed + string(ka[:])), []anon.Addr{a, b},
			Dropped{Own: 1, Duplicate: 1}},
		"i2p compact with a rest":      {self, str(packed + "\x7f\x00\x00\x01\x00\x50"), []anon.Addr{a, b}, Dropped{Foreign: 1}},
		"i2p compact nobody":           {self, str(strings.Repeat("\x00", 32)), nil, Dropped{Foreign: 1}},
		"i2p clearnet compact":         {self, str("\x7f\x00\x00\x01\x00\x50"), nil, Dropped{Foreign: 1}},
		"i2p list of hashes":           {self, "l" + str(string(ka[:])) + str(string(kb[:])) + "e", []anon.Addr{a, b}, Dropped{}},
		"i2p dictionaries, both forms": {self, "l" + dictPeer(aFull+".i2p", 6881) + dictPeer(b.Host(), 0) + "e", []anon.Addr{a, b}, Dropped{}},
		"i2p dictionary own":           {self, "l" + dictPeer(selfFull, 6881) + "e", nil, Dropped{Own: 1}},
		"i2p told onions and clearnet": {self, "l" + dictPeer(o1.Host(), 80) + dictPeer("127.0.0.1", 80) + dictPeer("::1", 80) +
			dictPeer("localhost", 80) + dictPeer("2130706433", 80) + dictPeer("name.i2p", 80) + dictPeer("example.com", 80) + "e",
			nil, Dropped{Foreign: 7}},
		"onion": {me, "l" + dictPeer(o1.Host(), 6881) + dictPeer(o2.Host(), 7000) + dictPeer(o1.Host(), 6881) + "e",
			[]anon.Addr{o1, o2}, Dropped{Duplicate: 1}},
		"onion own on any port": {me, "l" + dictPeer(me.Host(), 6881) + dictPeer(me.Host(), 1) + "e", nil, Dropped{Own: 2}},
		"onion bad ports": {me, "l" + dictPeer(o1.Host(), 0) + dictPeer(o1.Host(), -1) + dictPeer(o1.Host(), 65536) +
			dictPeer(o1.Host()+":80", 80) + "e", nil, Dropped{Foreign: 4}},
		"onion told i2p and clearnet": {me, "l" + dictPeer(aFull, 6881) + dictPeer(b.Host(), 6881) + dictPeer("10.0.0.1", 80) + "e",
			nil, Dropped{Foreign: 3}},
		"onion compact hashes":        {me, str(packed), nil, Dropped{Foreign: 2}},
		"onion not hosting":           {anon.Unknown(anon.Tor), "l" + dictPeer(o1.Host(), 6881) + "e", []anon.Addr{o1}, Dropped{}},
		"memory":                      {anon.MemoryAddr(key(3)), "l" + dictPeer(m1.Host(), 6881) + dictPeer(o1.Host(), 80) + "e", []anon.Addr{m1}, Dropped{Foreign: 1}},
		"a list of nonsense":          {me, "li1eldee0:i-3ee", nil, Dropped{Foreign: 3}},
		"dictionaries without fields": {me, "lded2:ipi4eed4:port1:xee", nil, Dropped{Foreign: 3}},
		"a number":                    {me, "i7e", nil, Dropped{}},
		"a dictionary":                {me, "de", nil, Dropped{}},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := parse([]byte("d8:intervali60e5:peers"+c.peers+"e"), c.self)
			require.NoError(t, err)
			require.True(t, fmt.Sprint(reveal(c.want)) == fmt.Sprint(reveal(r.Peers)), "got %v", reveal(r.Peers))
			require.Equal(t, c.dropped, r.Dropped)
		})
	}
}

func reveal(list []anon.Addr) (out []string) {
	for _, a := range list {
		out = append(out, a.Reveal())
	}
	return out
}

func TestParseUsesFewOfManyPeers(t *testing.T) {
	_, self := destination(1)
	var packed strings.Builder
	for i := range 3000 {
		fmt.Fprintf(&packed, "%032d", i)
	}
	r, err := parse([]byte("d5:peers"+str(packed.String())+"e"), self)
	require.NoError(t, err)
	require.Len(t, r.Peers, MaxPeers)
	require.Equal(t, Dropped{Surplus: 3000 - MaxPeers}, r.Dropped)
}

func TestParseIntervals(t *testing.T) {
	for in, want := range map[string]time.Duration{
		"":                                    DefaultInterval,
		"8:intervali0e":                       DefaultInterval,
		"8:intervali-1e":                      DefaultInterval,
		"8:intervali-9223372036854775808e":    DefaultInterval,
		"8:intervali1e":                       MinInterval,
		"8:intervali60e":                      time.Minute,
		"8:interval2:90":                      90 * time.Second,
		"8:interval3:abc":                     DefaultInterval,
		"8:intervalle":                        DefaultInterval,
		"8:intervali1800e12:min intervali60e": 30 * time.Minute,
		"8:intervali60e12:min intervali900e":  15 * time.Minute,
		"8:intervali9223372036854775807e":     MaxInterval,
		"8:intervali9223372036854775808e":     MaxInterval, // 2^63
		"8:intervali99999999999999999999999e": MaxInterval,
		"8:intervali60000e":                   MaxInterval,
	} {
		r, err := parse([]byte("d"+in+"e"), anon.Unknown(anon.Tor))
		require.NoError(t, err, in)
		require.Equal(t, want, r.Interval, in)
	}
}

func TestParseFacts(t *testing.T) {
	r, err := parse([]byte("d8:completei3e10:incompletei-7e15:warning message"+str("be\x1b[31m nice\r\n\u202e")+"e\r\n"), anon.Unknown(anon.Tor))
	require.NoError(t, err)
	require.Equal(t, 3, r.Complete)
	require.Equal(t, -1, r.Incomplete)
	require.Equal(t, "be?[31m nice???", r.Warning)

	r, err = parse([]byte("de"), anon.Unknown(anon.Tor))
	require.NoError(t, err)
	require.Equal(t, Response{Interval: DefaultInterval, Complete: -1, Incomplete: -1}, r)
}

func TestParseFailures(t *testing.T) {
	for name, c := range map[string]struct {
		body string
		want FailureError
	}{
		"plain":        {"d14:failure reason4:busye", FailureError{Reason: "busy"}},
		"unsorted":     {"d8:retry ini5e14:failure reason4:busye", FailureError{Reason: "busy", RetryIn: 5 * time.Minute}},
		"with peers":   {"d14:failure reason4:busy5:peers0:e", FailureError{Reason: "busy"}},
		"permanent":    {"d14:failure reason" + str("Torrent not registered with this tracker") + "e", FailureError{Reason: "Torrent not registered with this tracker", Permanent: true}},
		"unauthorised": {"d14:failure reason" + str("torrent unauthorised") + "e", FailureError{Reason: "torrent unauthorised", Permanent: true}},
		"retry":        {"d14:failure reason4:busy8:retry in1:5e", FailureError{Reason: "busy", RetryIn: 5 * time.Minute}},
		"retry number": {"d14:failure reason4:busy8:retry ini5ee", FailureError{Reason: "busy", RetryIn: 5 * time.Minute}},
		"retry never":  {"d14:failure reason4:busy8:retry in5:nevere", FailureError{Reason: "busy", Permanent: true}},
		"retry huge":   {"d14:failure reason4:busy8:retry ini9223372036854775807ee", FailureError{Reason: "busy", RetryIn: MaxInterval}},
		"retry past":   {"d14:failure reason4:busy8:retry ini-5ee", FailureError{Reason: "busy"}},
		"escapes":      {"d14:failure reason" + str("\x1b]0;own\x07ed\xff\x00") + "e", FailureError{Reason: "?]0;own?ed??"}},
		"long":         {"d14:failure reason" + str(strings.Repeat("é", 5000)) + "e", FailureError{Reason: strings.Repeat("é", maxText) + "…"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := parse([]byte(c.body), anon.Unknown(anon.Tor))
			var got *FailureError
			require.ErrorAs(t, err, &got)
			require.Equal(t, c.want, *got)
		})
	}
}

func TestParseRefuses(t *testing.T) {
	deep := strings.Repeat("l", 60000) + strings.Repeat("e", 60000)
	for name, body := range map[string]string{
		"nothing":          "",
		"blanks":           " \r\n",
		"a page":           "\n<html>go away</html>",
		"a list":           "le",
		"cut":              "d8:intervali60e5:pee",
		"no end":           "d8:intervali60e",
		"depth":            "d1:x" + deep + "e",
		"depth of peers":   "d5:peers" + deep + "e",
		"string of 10^18":  "d5:peers1000000000000000000:xe",
		"string of 2^64":   "d5:peers18446744073709551616:xe",
		"key of 10^18":     "d1000000000000000000:xe",
		"numeric key":      "di1ei2ee",
		"value missing":    "d5:peerse",
		"unknown type":     "d5:peersxe",
		"larger than ours": "d5:peers" + str(strings.Repeat("x", MaxBody)) + "e",
	} {
		t.Run(name, func(t *testing.T) {
			_, err := parse([]byte(body), anon.Unknown(anon.Tor))
			var ae *AnswerError
			require.ErrorAs(t, err, &ae)
			require.ErrorIs(t, err, anon.ErrProtocol)
		})
	}
}

func FuzzParse(f *testing.F) {
	full, self := destination(1)
	k := anon.I2PAddr(key(4)).Key()
	f.Add([]byte("d8:intervali60e5:peers" + str(string(k[:])) + "e"))
	f.Add([]byte("d8:intervali60e5:peersl" + dictPeer(full, 1) + dictPeer("127.0.0.1", 80) + "ee"))
	f.Add([]byte("d14:failure reason4:busy8:retry in1:5e"))
	f.Add([]byte("d8:intervali-e5:peersl0:e1:xd1:al1:bee"))
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, self := range []anon.Addr{self, anon.Unknown(anon.Tor), anon.MemoryAddr(key(1))} {
			r, err := parse(body, self)
			if err != nil {
				continue
			}
			if r.Interval < MinInterval || r.Interval > MaxInterval || len(r.Peers) > MaxPeers {
				t.Fatalf("unbounded answer: %v, %d peers", r.Interval, len(r.Peers))
			}
			for _, p := range r.Peers {
				if p.On() != self.On() || p.IsUnknown() || p == self {
					t.Fatal("a peer that must not be dialled")
				}
			}
		}
	})
}
