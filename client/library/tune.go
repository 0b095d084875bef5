package library

import (
	"context"
	"errors"
	"maps"
	"slices"

	"sotto/anon"
	"sotto/client/api/rpc"
)

// MaxIdentities is how many addresses torrents share on one network, at most: by
// their names, and apart for who fetches, who shares, and who shares under an
// address that stays.
const MaxIdentities = 8

var (
	errNotInUse   = &rpc.Error{Code: rpc.CodeParams, Text: "that network is not in use: switch it on in the configuration"}
	errIdentities = &rpc.Error{Code: rpc.CodeParams, Text: "there are as many identities as there may be: each costs the network tunnels"}
)

func (o *owner) network(on anon.Network) *network {
	for _, n := range o.networks {
		if n.transport.Network() == on {
			return n
		}
	}
	return nil
}

// inUse reports whether all of a list of networks can be used.
func (o *owner) inUse(list []anon.Network) error {
	for _, on := range list {
		if o.network(on) == nil {
			return errNotInUse
		}
	}
	return nil
}

// LimitNetwork bounds all torrents on one network together.
func (l *Library) LimitNetwork(ctx context.Context, on anon.Network, down, up *int64) (limit rpc.NetworkLimit, err error) {
	err = l.ask(ctx, func(o *owner) error {
		if o.network(on) == nil {
			return errNotInUse
		}
		limit = o.settings.Networks[on.String()]
		if down == nil && up == nil {
			return nil
		}
		set(&limit.Down, down)
		set(&limit.Up, up)
		s := o.settings
		s.Networks = maps.Clone(s.Networks)
		s.Networks[on.String()] = limit
		if err := o.settle(s); err != nil {
			return errors.Join(errSave, err)
		}
		return nil
	})
	return limit, err
}

// Tune sets all that c sets, for every one of ids or, with an error, for none. A
// name of an address more than MaxIdentities is an *rpc.Error. What runs where it
// may not run any more leaves, and comes back where it may.
func (l *Library) Tune(ctx context.Context, ids []int64, c rpc.Tuning) error {
	return l.ask(ctx, func(o *owner) error {
		ts := o.these(ids)
		if c.Networks != nil {
			if err := o.inUse(*c.Networks); err != nil {
				return err
			}
		}
		if c.Identity != nil {
			var want []berth
			for _, t := range ts {
				b := t.berth()
				b.name = *c.Identity
				want = append(want, b)
			}
			if !o.roomFor(want, ts) {
				return errIdentities
			}
		}
		moves := make(map[*torrent]bool)
		err := o.commit(ts, func(t *torrent) {
			if c.Networks != nil {
				t.rec.Networks = slices.Clone(*c.Networks)
			}
			if moves[t] = c.Identity != nil && *c.Identity != t.own.Identity; moves[t] && t.own.Share != nil {
				s := *t.own.Share
				s.Homes = nil
				t.own.Share = &s
			}
			set(&t.own.Identity, c.Identity)
			set(&t.rec.Limits.SeedTime, c.SeedTime)
		})
		if err != nil {
			return err
		}
		for _, t := range ts {
			for _, x := range t.lanes {
				if moves[t] && x.net.shared || !t.mayUse(x.net.transport.Network()) {
					o.leave(x)
				}
			}
		}
		return nil
	})
}

// mayUse reports whether the user lets a torrent run on a network.
func (t *torrent) mayUse(on anon.Network) bool {
	return len(t.rec.Networks) == 0 || slices.Contains(t.rec.Networks, on)
}

// roomFor reports whether there is room for more berths, for torrents ts that have
// others now or none yet.
func (o *owner) roomFor(want []berth, ts []*torrent) bool {
	all := make(map[berth]bool)
	for _, b := range want {
		all[b] = true
	}
	for _, t := range o.torrents {
		if !slices.Contains(ts, t) {
			all[t.berth()] = true
		}
	}
	return len(all) <= MaxIdentities
}
