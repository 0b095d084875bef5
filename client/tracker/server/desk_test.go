package server

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"sotto/anon"
	"sotto/client/bencode"
)

var start = time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)

func addrOn(n anon.Network, i int) anon.Addr {
	k := [32]byte{byte(i), byte(i >> 8), 0xaa}
	switch n {
	case anon.I2P:
		return anon.I2PAddr(k)
	case anon.Tor:
		return anon.OnionAddr(k, 6881)
	}
	return anon.MemoryAddr(k)
}

// says is an announce of peer i as a client of that network makes it.
func says(n anon.Network, i int) announce {
	return announce{infoHash: hashA, peerID: [20]byte{byte(i), byte(i >> 8)}, claimed: addrOn(n, i), want: usualWant}
}

func remoteOf(n anon.Network, i int) anon.Addr {
	if n == anon.Tor {
		return anon.Unknown(n)
	}
	return addrOn(n, i)
}

// reply is a decoded answer.
type reply struct {
	failure              string
	complete, incomplete int64
	interval             int64
	peers                map[anon.Addr]bool
	count                int
}

func read(t *testing.T, raw []byte, n anon.Network) reply {
	t.Helper()
	v, err := bencode.Parse(raw)
	require.NoError(t, err)
	var r reply
	reason, _ := v.Get("failure reason").Bytes()
	r.failure = string(reason)
	r.complete, _ = v.Get("complete").Int()
	r.incomplete, _ = v.Get("incomplete").Int()
	r.interval, _ = v.Get("interval").Int()
	r.peers = map[anon.Addr]bool{}
	if packed, ok := v.Get("peers").Bytes(); ok {
		require.Equal(t, anon.I2P, n)
		for ; len(packed) > 0; packed = packed[32:] {
			r.peers[anon.I2PAddr([32]byte(packed[:32]))] = true
			r.count++
		}
	}
	for item := range v.Get("peers").Items() {
		host, _ := item.Get("ip").Bytes()
		port, _ := item.Get("port").Int()
		a, err := anon.ParseAddr(fmt.Sprintf("%s:%d", host, port))
		if n == anon.Memory {
			a, err = anon.ParseAddr(string(host))
		}
		require.NoError(t, err)
		r.peers[a] = true
		r.count++
	}
	return r
}

func TestAnswersOnEachNetwork(t *testing.T) {
	for _, n := range []anon.Network{anon.I2P, anon.Tor, anon.Memory} {
		t.Run(n.String(), func(t *testing.T) {
			self := addrOn(n, 1000)
			d := newDesk(New(Config{Swarms: [][20]byte{hashA}}), self)

			r := read(t, d.answer(start, says(n, 1), remoteOf(n, 1)), n)
			require.Empty(t, r.failure)
			require.True(t, r.count == 1 && r.peers[self], "a newcomer learns of the sharer")
			require.EqualValues(t, 1, r.complete)
			require.EqualValues(t, 1, r.incomplete)
			require.GreaterOrEqual(t, r.interval, int64(60))
			require.LessOrEqual(t, r.interval, int64(75))

			r = read(t, d.answer(start, says(n, 2), remoteOf(n, 2)), n)
			require.True(t, r.count == 2 && r.peers[self] && r.peers[addrOn(n, 1)])

			one := says(n, 3)
			one.want = 1
			r = read(t, d.answer(start, one, remoteOf(n, 3)), n)
			require.True(t, r.count == 1 && r.peers[self])

			none := says(n, 3)
			none.want, none.seed = 0, true
			r = read(t, d.answer(start, none, remoteOf(n, 3)), n)
			require.Zero(t, r.count)
			require.EqualValues(t, 2, r.complete)
			require.EqualValues(t, 2, r.incomplete)

			seed := says(n, 4)
			seed.seed = true
			r = read(t, d.answer(start, seed, remoteOf(n, 4)), n)
			require.True(t, r.count == 2 && r.peers[addrOn(n, 1)] && r.peers[addrOn(n, 2)], "a seed learns of leechers only")

			gone := says(n, 2)
			gone.stopped = true
			r = read(t, d.answer(start, gone, remoteOf(n, 2)), n)
			require.Zero(t, r.count)
			r = read(t, d.answer(start, says(n, 1), remoteOf(n, 1)), n)
			require.False(t, r.peers[addrOn(n, 2)], "stopped removes")
		})
	}
}

func TestUnknownTorrentIsRefused(t *testing.T) {
	s := New(Config{})
	d := newDesk(s, addrOn(anon.Tor, 1000))
	require.Equal(t, "torrent not registered here", read(t, d.answer(start, says(anon.Tor, 1), anon.Unknown(anon.Tor)), anon.Tor).failure)
	require.Empty(t, d.swarms)
	s.AddSwarm(hashA)
	require.Empty(t, read(t, d.answer(start, says(anon.Tor, 1), anon.Unknown(anon.Tor)), anon.Tor).failure)
}

// Where the network proves who asks, ip= is not looked at.
func TestProvenAddressWins(t *testing.T) {
	for _, n := range []anon.Network{anon.I2P, anon.Memory} {
		d := newDesk(New(Config{Swarms: [][20]byte{hashA}}), addrOn(n, 1000))
		d.answer(start, says(n, 1), addrOn(n, 2)) // says 1, is 2
		r := read(t, d.answer(start, says(n, 3), addrOn(n, 3)), n)
		require.True(t, r.peers[addrOn(n, 2)] && !r.peers[addrOn(n, 1)])
	}
	d := newDesk(New(Config{Swarms: [][20]byte{hashA}}), addrOn(anon.I2P, 1000))
	d.answer(start, says(anon.I2P, 1), anon.Unknown(anon.I2P))
	d.answer(start, says(anon.I2P, 1), addrOn(anon.Tor, 1))
	require.Empty(t, d.swarms[hashA].peers, "nobody is believed on I2P")
}

// An onion service sees nobody's address, so a stranger may claim any: of an
// address that is there already it can change nothing.
func TestStrangersCannotRemoveOthers(t *testing.T) {
	nobody := anon.Unknown(anon.Tor)
	d := newDesk(New(Config{Swarms: [][20]byte{hashA}}), addrOn(anon.Tor, 1000))
	d.answer(start, says(anon.Tor, 1), nobody)
	evil := says(anon.Tor, 1)
	evil.peerID = [20]byte{0xee}
	d.answer(start, evil, nobody)
	evil.stopped = true
	d.answer(start, evil, nobody)
	require.Contains(t, d.swarms[hashA].peers, addrOn(anon.Tor, 1))

	self := says(anon.Tor, 1000)
	self.stopped = true
	r := read(t, d.answer(start, self, nobody), anon.Tor)
	require.EqualValues(t, 1, r.complete, "the sharer cannot be removed")

	hidden := says(anon.Tor, 5)
	hidden.claimed = nobody
	r = read(t, d.answer(start, hidden, nobody), anon.Tor)
	require.Equal(t, 2, r.count, "who cannot be dialled is answered all the same")
	require.Len(t, d.swarms[hashA].peers, 1)
}

func TestSwarmsAreBoundedAndForget(t *testing.T) {
	nobody := anon.Unknown(anon.Tor)
	d := newDesk(New(Config{Swarms: [][20]byte{hashA}, MaxPeers: 20}), addrOn(anon.Tor, 1000))
	now := start
	for i := range 60 {
		now = now.Add(100 * time.Millisecond)
		d.answer(now, says(anon.Tor, i+1), nobody)
	}
	require.Len(t, d.swarms[hashA].peers, 20)
	require.NotContains(t, d.swarms[hashA].peers, addrOn(anon.Tor, 1))
	require.Contains(t, d.swarms[hashA].peers, addrOn(anon.Tor, 60))

	all := says(anon.Tor, 60)
	all.want = maxWant
	r := read(t, d.answer(now, all, nobody), anon.Tor)
	require.Equal(t, 20, r.count) // 19 others and the sharer
	require.GreaterOrEqual(t, r.interval, int64(300), "bigger swarms ask less often")

	r = read(t, d.answer(now.Add(time.Hour), says(anon.Tor, 99), nobody), anon.Tor)
	require.Equal(t, 1, r.count)
	require.Len(t, d.swarms[hashA].peers, 1)
}

func TestAnswersAreCapped(t *testing.T) {
	d := newDesk(New(Config{Swarms: [][20]byte{hashA}, Interval: time.Hour}), addrOn(anon.Tor, 10000))
	now := start
	for i := range 200 {
		now = now.Add(time.Second)
		d.answer(now, says(anon.Tor, i+1), anon.Unknown(anon.Tor))
	}
	greedy := says(anon.Tor, 500)
	greedy.want = maxWant
	r := read(t, d.answer(now, greedy, anon.Unknown(anon.Tor)), anon.Tor)
	require.Equal(t, maxWant, r.count)
	require.True(t, r.peers[addrOn(anon.Tor, 10000)])
	require.GreaterOrEqual(t, r.interval, int64(3600))
	require.LessOrEqual(t, r.interval, int64(4500))
}

func TestRatesAreLimited(t *testing.T) {
	const slow = "too many announces, come back later"
	d := newDesk(New(Config{Swarms: [][20]byte{hashA}}), addrOn(anon.I2P, 1000))
	for range remoteBurst {
		require.Empty(t, read(t, d.answer(start, says(anon.I2P, 1), addrOn(anon.I2P, 1)), anon.I2P).failure)
	}
	require.Equal(t, slow, read(t, d.answer(start, says(anon.I2P, 1), addrOn(anon.I2P, 1)), anon.I2P).failure)
	require.Empty(t, read(t, d.answer(start, says(anon.I2P, 2), addrOn(anon.I2P, 2)), anon.I2P).failure, "others are not affected")
	later := start.Add(remoteEvery)
	require.Empty(t, read(t, d.answer(later, says(anon.I2P, 1), addrOn(anon.I2P, 1)), anon.I2P).failure)

	refused := 0
	for i := range maxRemotes + 500 {
		if read(t, d.answer(later, says(anon.I2P, i+10), addrOn(anon.I2P, i+10)), anon.I2P).failure == slow {
			refused++
		}
	}
	require.Greater(t, refused, maxRemotes)
	require.LessOrEqual(t, len(d.remotes), maxRemotes)
	require.LessOrEqual(t, len(d.swarms[hashA].peers), 500)
}
