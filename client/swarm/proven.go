package swarm

import (
	"context"
	"fmt"

	"sotto/anon"
	"sotto/transport"
)

// Proven asks the router behind a transport, starting a managed one, whether
// it is what it should be. It need not be ready: Open waits for that. With
// host it must also be fit to be dialled through.
func Proven(ctx context.Context, t transport.Transport, host bool) error {
	p, ok := t.(transport.Prober)
	if !ok {
		return fmt.Errorf("%w: %s cannot be probed", anon.ErrUnavailable, t.Network())
	}
	s, err := p.Probe(ctx)
	switch {
	case err != nil:
		return err
	case !s.Proven:
		return fmt.Errorf("%w: %s: %s", anon.ErrUnavailable, t.Network(), s.Note)
	case host && !s.CanHost:
		return fmt.Errorf("%w: %s cannot host: %s", anon.ErrUnavailable, t.Network(), s.Note)
	}
	return nil
}
