package engine

import (
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"sotto/anon"
)

func nth(n int) anon.Addr { return anon.MemoryAddr([32]byte{byte(n), byte(n >> 8), byte(n >> 16), 1}) }

func TestSyntheticAddresses(t *testing.T) {
	seen := make(map[synthetic]bool)
	for range 1000 {
		s := newSynthetic()
		require.False(t, seen[s])
		seen[s] = true
		ap, err := netip.ParseAddrPort(s.String())
		require.NoError(t, err)
		require.True(t, syntheticNet.Contains(ap.Addr()))
		require.EqualValues(t, anon.DefaultPort, ap.Port())
	}
}

func TestBookTranslatesBothWays(t *testing.T) {
	b, now := newBook(), time.Now()
	fake, offer := b.learn(nth(1), now)
	require.True(t, offer)
	again, offer := b.learn(nth(1), now)
	require.False(t, offer, "told of twice")
	require.Equal(t, fake, again)
	p, err := b.dialing(string(fake))
	require.NoError(t, err)
	require.Equal(t, nth(1), p.addr)
	_, same := b.arrived(nth(1))
	require.Equal(t, fake, same, "who dials us is who we dial: bans stick")
	_, one := b.arrived(anon.Unknown(anon.Tor))
	_, two := b.arrived(anon.Unknown(anon.Tor))
	require.NotEqual(t, one, two, "strangers are not one peer")
}

func TestBookIsBounded(t *testing.T) {
	b, now := newBook(), time.Now()
	first, _ := b.learn(nth(0), now)
	_, err := b.dialing(string(first)) // in use: must survive
	require.NoError(t, err)
	for i := range 2 * maxPeers {
		b.learn(nth(i), now)
	}
	require.Equal(t, maxPeers, b.len())
	require.Len(t, b.byFake, maxPeers)
	require.Contains(t, b.byFake, first)
	_, gone := b.byAddr[nth(1)]
	require.False(t, gone, "the oldest idle one made room")
}

func TestRetries(t *testing.T) {
	b, now := newBook(), time.Now()
	fake, _ := b.learn(nth(1), now)
	try := func(how outcome) time.Duration {
		p, err := b.dialing(string(fake))
		require.NoError(t, err)
		b.ended(p, how, now)
		return p.next.Sub(now)
	}
	require.Less(t, try(routerOff), 2*routerWait)
	require.Empty(t, b.due(now), "not at once")
	require.Len(t, b.due(now.Add(2*routerWait)), 1)
	require.Empty(t, b.due(now.Add(2*routerWait)), "offered once")
	for range maxFails {
		require.Len(t, b.due(now.Add(3*longRetry)), 1)
		require.GreaterOrEqual(t, try(failed), firstRetry/2)
	}
	require.Empty(t, b.due(now.Add(1000*longRetry)), "given up")
	_, offer := b.learn(nth(1), now)
	require.True(t, offer, "until told of again")
}

// Only the dial that follows a failed plain handshake is refused.
func TestSpentIsForOneDial(t *testing.T) {
	b := newBook()
	fake, _ := b.learn(nth(1), time.Now())
	p, err := b.dialing(string(fake))
	require.NoError(t, err)
	b.spend(p)
	_, err = b.dialing(string(fake))
	require.ErrorIs(t, err, errNoFallback)
	_, err = b.dialing(string(fake))
	require.NoError(t, err)
}
