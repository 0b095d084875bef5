// Package health names what can be wrong with a running sotto, and says for
// each in plain English what happened, what that means for privacy, and what to
// do.
//
// A Board is told what is so and shows what the user should know: not before it
// has lasted, not for longer than it lasts, and no symptom beside its cause. It
// measures nothing itself, has no clock, and starts nothing. No sentence holds
// a name, a path or an address; those are in Subject, for the user's eyes.
package health

import (
	"cmp"
	"slices"
	"sync"
	"time"
)

// Severity says how much a condition matters.
type Severity uint8

// The severities, least first.
const (
	Note    Severity = iota + 1 // good to know
	Warning                     // something does not work as it should
	Trouble                     // something has stopped, and waits
	Alarm                       // privacy is at stake
)

func (s Severity) String() string {
	return [...]string{"none", "note", "warning", "trouble", "alarm"}[min(s, Alarm)]
}

// Condition is one thing that is wrong now.
type Condition struct {
	Name Name
	// Subject is what it is about: a network, a folder, a torrent; "" when it
	// is about all of sotto. It may be linkable.
	Subject string
	Since   time.Time
	Entry
}

// Board keeps conditions. All methods may be called concurrently. The zero
// Board is empty and ready.
type Board struct {
	mu    sync.Mutex
	known map[key]*mark
}

type key struct {
	name    Name
	subject string
}

// mark is what is known of one condition.
type mark struct {
	on    bool
	turn  time.Time // when on last changed
	shown bool
	since time.Time // when it began to be so, if shown
}

// Set says whether a condition holds now. A Name that is not in the catalogue
// is a mistake of the caller's and panics.
func (b *Board) Set(now time.Time, name Name, subject string, on bool) {
	if _, ok := catalogue[name]; !ok {
		panic("health: no condition of that name")
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	k := key{name, subject}
	m := b.known[k]
	switch {
	case m == nil && !on:
		return
	case m == nil:
		if b.known == nil {
			b.known = make(map[key]*mark)
		}
		m = &mark{on: true, turn: now}
		b.known[k] = m
	case m.on != on:
		m.on, m.turn = on, now
	}
	b.settle(now, k, m)
}

// settle brings what is shown up to date.
func (b *Board) settle(now time.Time, k key, m *mark) {
	e := catalogue[k.name]
	switch {
	case m.on && !m.shown && now.Sub(m.turn) >= e.rise:
		m.shown, m.since = true, m.turn
	case !m.on && !m.shown, !m.on && now.Sub(m.turn) >= e.fall:
		delete(b.known, k)
	}
}

// Clear forgets all that is known about a subject, because it is gone.
func (b *Board) Clear(subject string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for k := range b.known {
		if k.subject == subject {
			delete(b.known, k)
		}
	}
}

// List returns what the user should know now, what matters most first, without
// what another condition in the list is the cause of. The slice is the
// caller's.
func (b *Board) List(now time.Time) []Condition {
	b.mu.Lock()
	defer b.mu.Unlock()
	var out []Condition
	for k, m := range b.known {
		b.settle(now, k, m)
		if m.shown && b.known[k] == m {
			out = append(out, Condition{k.name, k.subject, m.since, catalogue[k.name]})
		}
	}
	shown := make(map[Name]bool)
	for _, c := range out {
		shown[c.Name] = true
	}
	out = slices.DeleteFunc(out, func(c Condition) bool {
		return slices.ContainsFunc(c.causes, func(n Name) bool { return shown[n] })
	})
	slices.SortFunc(out, func(a, b Condition) int {
		return cmp.Or(cmp.Compare(b.Severity, a.Severity), a.Since.Compare(b.Since),
			cmp.Compare(a.Name, b.Name), cmp.Compare(a.Subject, b.Subject))
	})
	return out
}
