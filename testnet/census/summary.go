package census

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Summary says in one line how many sockets there are, of what kinds, and
// whom they lead to, with equal ones counted together:
//
//	3 sockets, all unix: → /run/tor/control, 2 × → /run/tor/peers
//
// It prints addresses and paths: for a laboratory, not for a log.
func Summary(sockets []Socket) string {
	if len(sockets) == 0 {
		return "no sockets"
	}
	kinds, ends := make(map[string]int), make(map[string]int)
	for _, s := range sockets {
		kinds[s.Kind]++
	}
	for _, s := range sockets {
		end := s.End()
		if len(kinds) > 1 {
			end = s.Kind + " " + end
		}
		ends[end]++
	}
	var b strings.Builder
	if len(sockets) == 1 {
		b.WriteString("1 socket, ")
	} else {
		fmt.Fprintf(&b, "%d sockets, ", len(sockets))
	}
	names := slices.Sorted(maps.Keys(kinds))
	switch {
	case len(sockets) == 1:
		b.WriteString(names[0])
	case len(names) == 1:
		b.WriteString("all " + names[0])
	default:
		for i, k := range names {
			names[i] = fmt.Sprintf("%d %s", kinds[k], k)
		}
		b.WriteString(strings.Join(names, ", "))
	}
	b.WriteString(": ")
	parts := slices.Sorted(maps.Keys(ends))
	for i, e := range parts {
		if ends[e] > 1 {
			parts[i] = fmt.Sprintf("%d × %s", ends[e], e)
		}
	}
	return b.String() + strings.Join(parts, ", ")
}

// End says whom the socket leads to, or where it waits.
func (s Socket) End() string {
	switch {
	case s.Remote != "":
		return "→ " + s.Remote
	case s.State == "listen":
		return "listening at " + s.Local
	case s.Local != "":
		return "at " + s.Local
	default:
		return "unnamed"
	}
}
