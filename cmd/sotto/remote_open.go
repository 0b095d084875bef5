package main

import (
	"context"
	"fmt"
	"sync"

	"sotto/anon"
	"sotto/transport/tor"
)

// openRemote listens at the onion, with hosts that its callers may name. Without
// Tor among the networks it returns nil.
func openRemote(r remote, ns *networks) (l *tor.Listener, hosts []string, err error) {
	if ns.tor == nil {
		return nil, nil, nil
	}
	l, err = ns.tor.Listen(tor.Private{Key: r.key, Addr: r.addr, Clients: []anon.Secret{r.client}})
	if err != nil {
		return nil, nil, fmt.Errorf("open the way in over Tor: %w", err)
	}
	return l, []string{r.addr.Host(), r.addr.Reveal()}, nil
}

// onion tells the user when the way in over Tor is there.
type onion struct {
	*tor.Listener // nil: there is none

	once sync.Once
	stop context.CancelFunc
	done chan struct{}
}

// await begins with the first engine that is ready: before that a tor of ours
// would start with powers that narrow takes away.
func (o *onion) await(a *app) {
	if o.Listener == nil {
		return
	}
	o.once.Do(func() {
		ctx, stop := context.WithCancel(context.Background())
		o.stop, o.done = stop, make(chan struct{})
		go func() {
			defer close(o.done)
			if o.Published(ctx) == nil {
				a.tell("remote_open", "can be reached over Tor; sotto remote show says how")
			}
		}()
	})
}

// close returns when nothing is told any more. The listener is the daemon's.
func (o *onion) close() {
	if o.stop != nil {
		o.stop()
		<-o.done
	}
}
