package engine

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"sotto/anon"
	"sotto/anon/profile"
	"sotto/transport/memory"
)

// One serves and the other fetches, whoever dials, however they encrypt, with
// the metadata known or not.
func TestEveryWayToMeet(t *testing.T) {
	s := newSample(t, 32<<10, 300_000, 0, 5, 200_000)
	source := t.TempDir()
	s.write(t, source)
	for _, how := range []profile.Encryption{profile.Required, profile.Preferred, profile.Accept} {
		for _, magnet := range []bool{false, true} {
			for _, dialled := range []bool{false, true} {
				name := fmt.Sprintf("encryption %d/magnet %v/seed dials %v", how, magnet, dialled)
				t.Run(name, func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						n := memory.New(memory.Options{Delay: 250 * time.Millisecond, Rate: 100 << 10})
						seedEnd, getEnd := open(t, n), open(t, n)
						so, o := s.options(t, seedEnd, source), s.options(t, getEnd, t.TempDir())
						so.ReadOnly = true
						so.Look.Encryption, o.Look.Encryption = how, how
						if magnet {
							o.Info = nil
						}
						seed, err := Open(t.Context(), so)
						require.NoError(t, err)
						defer seed.Close()
						<-seed.Done()
						get, err := Open(t.Context(), o)
						require.NoError(t, err)
						defer get.Close()
						if dialled {
							seed.AddPeers([]anon.Addr{getEnd.Addr()})
						} else {
							get.AddPeers([]anon.Addr{seedEnd.Addr()})
						}
						within(t, get.Done(), get)
						s.requireIn(t, o.Dir)
						st := get.Stats()
						require.Equal(t, s.size, st.Downloaded-st.Wasted)
						require.Less(t, st.Wasted, s.size/10)
					})
				})
			}
		}
	}
}
