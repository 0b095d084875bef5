package main

import (
	"encoding/json"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"

	"sotto/anon"
	"sotto/anon/cage"
	"sotto/client/config"
	"sotto/transport/i2p"
)

// judge decides whether an engine may begin, and tells the user on what
// grounds.
func (a *app) judge(v cage.Verdict) error {
	holds := v.Label == cage.Sealed || v.Label == cage.Confined
	if !holds || !a.quietWalls {
		a.tellWalls(v)
	}
	switch {
	case holds || a.acceptUnconfined:
		return nil
	case len(v.Holes()) > 0:
		return fmt.Errorf("%w: %d ways out, such as %q", errWalls, len(v.Holes()), v.Holes()[0])
	}
	return fmt.Errorf("%w: %s", errWalls, strings.Join(v.Missing, ", "))
}

// wallsEvent is what --json says of the walls.
type wallsEvent struct {
	Event    string   `json:"event"`
	Label    string   `json:"label"`
	Tried    int      `json:"tried"`
	Open     []string `json:"open"`
	Missing  []string `json:"missing,omitempty"`
	Accepted bool     `json:"accepted_unconfined,omitempty"`
}

func (a *app) tellWalls(v cage.Verdict) {
	if a.json {
		e := wallsEvent{"walls", string(v.Label), tried(v), v.Holes(), v.Missing, a.acceptUnconfined}
		if e.Open == nil {
			e.Open = []string{}
		}
		raw, _ := json.Marshal(e) // strings and a number
		fmt.Fprintf(a.out, "%s\n", raw)
		return
	}
	fmt.Fprintln(a.err, wallsText(v))
	if a.acceptUnconfined && v.Label != cage.Sealed && v.Label != cage.Confined {
		fmt.Fprintln(a.err, "UNCONFINED, as you accepted: a flaw in the engine could reveal you")
	}
}

// wallsText says in a line what the self-attack found.
func wallsText(v cage.Verdict) string {
	text := string(v.Label) + ": "
	switch v.Label {
	case cage.Checked:
		return text + "this system has no walls for the engine; every connection is checked, but a flaw in the engine could reveal you"
	case cage.Open:
		text += fmt.Sprintf("the engine tried %d ways out and %d work", tried(v), len(v.Holes()))
	default:
		text += fmt.Sprintf("the engine tried %d ways out and none works", tried(v))
		if n := len(v.Holes()); n > 0 { // confined allows these and no others
			text += fmt.Sprintf(" but %d, which only tell whether a file is there", n)
		}
	}
	if len(v.Missing) > 0 {
		text += " (missing: " + strings.Join(v.Missing, ", ") + ")"
	}
	return text
}

// tried counts the attempts that this machine has something to try on.
func tried(v cage.Verdict) (n int) {
	for _, r := range v.Results {
		if !r.Absent {
			n++
		}
	}
	return n
}

// tripwire tells of what the engine has tried since it was last looked at. It
// has no reason to try anything, and reports whether it has tried so much that
// it is to be ended.
func (a *app) tripwire(child *cage.Child, told *cage.Incidents) (flooded bool) {
	now := child.Incidents()
	if !now.Any() || now.Packets == told.Packets && slices.Equal(counts(now), counts(*told)) {
		return false
	}
	*told = now
	var calls []string
	for number, n := range now.Calls {
		calls = append(calls, fmt.Sprintf("system call %d: %d", number, n))
	}
	slices.Sort(calls)
	a.tell("incident", fmt.Sprintf("the engine tried what it has no reason to, and the walls held (%s; packets: %d); please report this",
		strings.Join(calls, ", "), now.Packets))
	return floods(now)
}

// floods reports whether an engine has tried more than a whim of some library
// explains.
func floods(i cage.Incidents) bool {
	sum := i.Packets
	for _, n := range i.Calls {
		sum += n
	}
	return sum > flood
}

func counts(i cage.Incidents) (n []uint64) {
	for _, c := range i.Calls {
		n = append(n, c)
	}
	slices.Sort(n)
	return n
}

// noticeJSON is something that is not of a transfer.
type noticeJSON struct {
	Event string `json:"event"`
	Why   string `json:"why"`
}

// tell says something that is not of a transfer.
func (a *app) tell(event, text string) {
	if a.json {
		raw, _ := json.Marshal(noticeJSON{event, text}) // two strings
		fmt.Fprintf(a.out, "%s\n", raw)
		return
	}
	fmt.Fprintln(a.err, text)
}

// say is tell with facts: the event for --json, a sentence for people.
func (a *app) say(e jsonEvent, text string) {
	if a.json {
		raw, _ := json.Marshal(e) // strings and numbers
		fmt.Fprintf(a.out, "%s\n", raw)
		return
	}
	fmt.Fprintln(a.err, text)
}

// narrow takes from this process what it has no use for, once: after the
// attack on the first engine, which the parent listens to with sockets of many
// kinds.
func (a *app) narrow() error {
	if a.reach == nil {
		return nil
	}
	r := *a.reach
	a.reach = nil
	if _, err := cage.Narrow(r); err != nil && !a.acceptUnconfined {
		return fmt.Errorf("%w: %w", errWalls, err)
	}
	return nil
}

// reach is what the routers in use leave to be needed of the network.
func reach(cfg config.Config, use []anon.Network) *cage.Reach {
	r := new(cage.Reach)
	for _, n := range use {
		var at []string
		switch n {
		case anon.I2P:
			at = []string{or(cfg.I2P.SAM, i2p.DefaultSAM)}
		case anon.Tor:
			c, own, err := torConfig(cfg, "", nil)
			if err != nil || own {
				r.Programs = true
			}
			at = []string{c.Control, c.Socks}
		}
		for _, address := range at {
			if p := port(address); p != 0 {
				r.Ports = append(r.Ports, p)
			}
		}
	}
	return r
}

// port is the TCP port of a router's address; 0 when it is a unix socket.
func port(address string) uint16 {
	_, text, err := net.SplitHostPort(address)
	if err != nil || strings.HasPrefix(address, "unix:") {
		return 0
	}
	n, _ := strconv.ParseUint(text, 10, 16)
	return uint16(n)
}
