package engine

import (
	"testing"

	"github.com/stretchr/testify/require"

	"sotto/anon"
	"sotto/transport/memory"
)

// A panic in any goroutine of ours ends the torrent, not the process.
func TestOwnPanicEndsTheTorrent(t *testing.T) {
	s := newSample(t, 16<<10, 40<<10)
	for name, crash := range map[string]func(us *end, get *Torrent, other anon.Addr){
		"a dial": func(us *end, get *Torrent, other anon.Addr) {
			us.mu.Lock()
			us.crash = "boom"
			us.mu.Unlock()
			get.AddPeers([]anon.Addr{other})
		},
		"the owner": func(_ *end, get *Torrent, _ anon.Addr) {
			get.ask(func(o *owner) { panic("boom") })
		},
	} {
		t.Run(name, func(t *testing.T) {
			n := memory.New(memory.Options{})
			us, other := open(t, n), open(t, n)
			o := s.options(t, us, t.TempDir())
			told := make(chan any, 10)
			o.OnPanic = func(v any, stack []byte) {
				if len(stack) > 0 {
					told <- v
				}
			}
			get := start(t, o)
			crash(us, get, other.Addr())
			require.ErrorIs(t, endsWith(t, get), errPanicked)
			require.Equal(t, "boom", <-told)
		})
	}
}
