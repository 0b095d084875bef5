package engine

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"sotto/anon"
	"sotto/transport/memory"
)

// nextAbout returns the payload of the next extended handshake.
func (p rawPeer) nextAbout() string {
	for {
		if b := p.until(msgExtended); b[0] == 0 {
			return string(b[1:])
		}
	}
}

// Who is here learns that we are done, also with some files only, and that we
// are not any more. The rest of what we say stays the same (BEP 21).
func TestUploadOnlyIsTold(t *testing.T) {
	s := newSample(t, 16<<10, 100_000, 200_000)
	synctest.Test(t, func(t *testing.T) {
		n := memory.New(memory.Options{Delay: 100 * time.Millisecond, Rate: 100 << 10})
		seedEnd, us, them := open(t, n), open(t, n), open(t, n)
		s.seeder(t, seedEnd)
		o := s.options(t, us, t.TempDir())
		o.Choose = choose(0)
		get := start(t, o)
		p, _ := greet(t, them, us.Addr(), s.hash, "-XX0000-")
		require.NoError(t, p.SetDeadline(time.Time{}))
		p.must(msgExtended, append([]byte{0}, "d1:mdee"...)...)
		p.must(msgHaveNone)
		first := p.nextAbout()
		require.NotContains(t, first, "upload_only")
		get.AddPeers([]anon.Addr{seedEnd.Addr()})
		told := strings.TrimSuffix(first, "e") + "11:upload_onlyi1ee"
		require.Equal(t, told, p.nextAbout())
		within(t, get.Done(), get)

		require.NoError(t, get.Prioritize(Normal, 1))
		require.Equal(t, strings.TrimSuffix(first, "e")+"11:upload_onlyi0ee", p.nextAbout())
		require.Equal(t, told, p.nextAbout())
		require.True(t, get.Stats().Done)
	})
}

// A peer that wants no more is not kept by one that does not either, nor given
// a slot, nor dialled again and again.
func TestUploadOnlyOfOthers(t *testing.T) {
	s := newSample(t, 16<<10, 100_000)
	synctest.Test(t, func(t *testing.T) {
		n := memory.New(memory.Options{})
		us, them := open(t, n), open(t, n)
		seed := s.seeder(t, us)
		seed.AddPeers([]anon.Addr{them.Addr()})
		p := acceptRaw(t, them)
		p.helloBack()
		require.NoError(t, p.hello(s.hash, "-XX0000-"))
		p.must(msgHaveNone)
		p.must(msgInterested)
		p.until(msgUnchoke)
		p.must(msgExtended, append([]byte{0}, "d11:upload_onlyi1ee"...)...)
		p.hungUp()
		settle()
		require.Equal(t, 1, us.dialled())
	})
}
