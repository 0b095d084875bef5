package conform

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"sotto/anon/broker"
	"sotto/transport"
)

// brokered returns inner as an engine has it. Its Close is that of everything:
// the engine's side, the broker and inner.
func brokered(t testing.TB, inner transport.Transport) transport.Transport {
	t.Helper()
	near, far, err := broker.Pair()
	require.NoError(t, err)
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	served := make(chan error, 1)
	go func() { served <- broker.Serve(ctx, near, broker.Options{Transports: []transport.Transport{inner}}) }()
	client, err := broker.Connect(t.Context(), far)
	require.NoError(t, err)
	tr := client.Transports()[0]
	return behind{tr, tr.(transport.Prober), sync.OnceValue(func() error {
		err := errors.Join(tr.Close(), client.Close())
		stop()
		<-served // that the engine has left, or that we have
		return errors.Join(err, inner.Close())
	})}
}

// behind is a transport behind a broker of its own.
type behind struct {
	transport.Transport
	transport.Prober
	close func() error
}

func (b behind) Close() error { return b.close() }
