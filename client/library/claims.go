package library

import (
	"hash/maphash"
	"slices"
	"strings"
	"sync"

	"sotto/client/engine"
)

// partSuffix is what client/engine/disk ends the names of unfinished files with.
// Both names of a file count as one.
const partSuffix = ".sotto-part"

// claims are the places on the disk that torrents have data at or write to. Whoever
// names a torrent's files may call them as those of another: what that one has
// verified must not be overwritten for it, or deleted with it. Who wants to write
// has to be alone; whoever only serves may share.
//
// A place is a hash, with a seed of this run: nobody can aim at one. It may be used
// concurrently.
type claims struct {
	seed maphash.Seed

	mu   sync.Mutex
	at   map[uint64][]*torrent
	have map[*torrent][]uint64
}

func newClaims() *claims {
	return &claims{seed: maphash.MakeSeed(), at: make(map[uint64][]*torrent), have: make(map[*torrent][]uint64)}
}

func (c *claims) key(dir, name string) uint64 {
	return maphash.String(c.seed, dir+"/"+strings.TrimSuffix(name, partSuffix))
}

// take makes names below dirs the claim of a torrent, in place of an older one. With
// shared, others may have claimed them as well; else one that did makes it fail, and
// nothing is different.
func (c *claims) take(t *torrent, shared bool, places ...place) bool {
	var keys []uint64
	for _, p := range places {
		for _, n := range p.Paths {
			keys = append(keys, c.key(p.Dir, n))
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !shared && slices.ContainsFunc(keys, func(k uint64) bool { return len(c.beside(t, k)) > 0 }) {
		return false
	}
	c.release(t)
	c.have[t] = keys
	for _, k := range keys {
		c.at[k] = append(c.at[k], t)
	}
	return true
}

// drop ends the claim of a torrent.
func (c *claims) drop(t *torrent) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.release(t)
}

func (c *claims) release(t *torrent) {
	for _, k := range c.have[t] {
		if c.at[k] = slices.DeleteFunc(c.at[k], func(x *torrent) bool { return x == t }); len(c.at[k]) == 0 {
			delete(c.at, k)
		}
	}
	delete(c.have, t)
}

// others returns the torrents beside t that claim a name.
func (c *claims) others(t *torrent, dir, name string) []*torrent {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.beside(t, c.key(dir, name))
}

func (c *claims) beside(t *torrent, key uint64) (out []*torrent) {
	for _, x := range c.at[key] {
		if x != t {
			out = append(out, x)
		}
	}
	return out
}

// claim claims where a torrent's files lie or are being moved to, as claims.take
// does.
func (o *owner) claim(t *torrent, shared bool) bool {
	if t.info == nil {
		return true
	}
	places := t.places()
	for i, p := range places {
		names, err := engine.NamesOf(t.info, p.Paths)
		if err != nil {
			return true // the engine says what is wrong with them
		}
		places[i].Paths = slices.DeleteFunc(append(names.Final, names.Edges), func(n string) bool { return n == "" })
	}
	return o.claims.take(t, shared, places...)
}

// private reports whether no other torrent claims a file of a place.
func (o *owner) private(t *torrent, dir string, names []string) bool {
	return !slices.ContainsFunc(names, func(n string) bool { return n != "" && len(o.claims.others(t, dir, n)) > 0 })
}
