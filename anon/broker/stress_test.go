//go:build linux && (amd64 || arm64)

package broker

import (
	"context"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"sotto/anon"
	"sotto/transport"
	"sotto/transport/memory"
)

// However calls, cancels and closes of an honest engine cross their replies, it
// is never taken for a hostile one, and nothing of it stays behind.
func TestHonestEngineIsNeverCutOff(t *testing.T) {
	n := memory.New(memory.Options{Delay: 50 * time.Microsecond, Jitter: 200 * time.Microsecond})
	inner := n.Transport()
	o := offer(inner)
	o.Requests, o.Streams, o.Identities = 4, 6, map[anon.Network]int{anon.Memory: 3}
	b := start(t, o)
	tr := b.client.Transports()[0]
	seed := rand.Uint64()
	t.Log("seed", seed)
	var wg sync.WaitGroup
	for i := range uint64(12) {
		wg.Go(func() {
			dice := rand.New(rand.NewPCG(seed, i))
			for range 40 {
				live(tr, dice)
			}
		})
	}
	wg.Wait()
	require.NoError(t, b.client.ended())
	e := b.open(t) // all identities have been given back
	require.NoError(t, e.Close())
	b.client.Close()
	require.NoError(t, b.ended(t))
}

// live is a short life of an identity: each of its calls may be cancelled at
// any moment, and its end may come first.
func live(tr transport.Transport, dice *rand.Rand) {
	soon := func() (context.Context, context.CancelFunc) {
		return context.WithTimeout(context.Background(), time.Duration(dice.IntN(3000))*time.Microsecond)
	}
	ctx, cancel := soon()
	e, err := tr.Open(ctx, identity())
	cancel()
	if err != nil {
		return
	}
	var calls sync.WaitGroup
	for range 3 {
		dialCtx, cancelDial := soon()
		acceptCtx, cancelAccept := soon()
		calls.Go(func() {
			defer cancelDial()
			if c, err := e.Dial(dialCtx, e.Addr()); err == nil {
				c.Write([]byte("x"))
				c.Close()
			}
		})
		calls.Go(func() {
			defer cancelAccept()
			if c, err := e.Accept(acceptCtx); err == nil {
				c.Close()
			}
		})
	}
	if dice.IntN(2) == 0 {
		calls.Wait()
	}
	e.Close()
	calls.Wait()
}
