package engine

import "sync"

// DefaultBudget is the memory of a torrent that shares none, in bytes.
const DefaultBudget = 256 << 20

// Budget bounds the memory that strangers can make torrents hold: pieces that
// were begun and are not verified, parts of info dictionaries, blocks between
// the reader and the owner, and what waits to be written to peers. Torrents of
// one process share one, see Options. All methods may be called concurrently.
//
// Only the pieces wait for room, so it cannot deadlock: whatever else is
// counted is on its way out of memory by itself, and every torrent may have one
// piece open however little is left, so each can finish something and give it
// back. The bound is therefore passed by one piece a torrent at most, and by
// what has arrived or is being answered meanwhile, which each connection bounds
// for itself (Slots bounds the connections).
//
// While more than half is free whoever asks gets. After that nobody gets more
// than an equal share of the whole, so that the fast cannot starve the rest.
type Budget struct {
	mu     sync.Mutex
	limit  int64
	used   int64
	active int64 // torrents that have begun pieces
}

// NewBudget returns a budget of so many bytes; 0 or less means DefaultBudget.
func NewBudget(bytes int64) *Budget {
	if bytes <= 0 {
		bytes = DefaultBudget
	}
	return &Budget{limit: bytes}
}

// Used is the bytes held now, by all torrents.
func (b *Budget) Used() int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.used
}

// account is one torrent's part of a budget. The owner reserves and settles;
// whoever lends memory from it gives it back, on every path.
type account struct {
	budget *Budget
	active bool  // has reserved and holds something
	held   int64 // by the owner, as it said last
	ahead  int64 // reserved and not settled
	lent   int64 // what others hold
}

// reserve returns how many bytes more the owner may hold, most at most, and
// keeps them for it until settle.
func (a *account) reserve(most int64) int64 {
	b := a.budget
	b.mu.Lock()
	defer b.mu.Unlock()
	if !a.active {
		a.active = true
		b.active++
	}
	free := b.limit - b.used
	room := b.limit/b.active - a.held - a.lent
	if half := b.limit / 2; free > half {
		room = max(room, free-half)
	}
	b.used -= a.ahead
	a.ahead = max(min(room, free, most), 0)
	b.used += a.ahead
	return a.ahead
}

// settle states what the owner holds.
func (a *account) settle(held int64) {
	if held == a.held && a.ahead == 0 && !a.active {
		return // the owner alone changes these
	}
	b := a.budget
	b.mu.Lock()
	defer b.mu.Unlock()
	b.used += held - a.held - a.ahead
	a.held, a.ahead = held, 0
	if held == 0 && a.active {
		a.active = false
		b.active--
	}
}

// lend counts bytes that exist already; less than nothing gives them back.
func (a *account) lend(bytes int) {
	a.budget.mu.Lock()
	defer a.budget.mu.Unlock()
	a.lent += int64(bytes)
	a.budget.used += int64(bytes)
}

// tight reports that more than half of the budget is held.
func (a *account) tight() bool {
	a.budget.mu.Lock()
	defer a.budget.mu.Unlock()
	return a.budget.used > a.budget.limit/2
}

// close gives everything back and returns what others should have given back
// before: 0, unless a path was forgotten.
func (a *account) close() (forgotten int64) {
	a.settle(0)
	forgotten = a.lent
	a.lend(int(-forgotten))
	return forgotten
}

// held is what the owner holds of the budget.
func (o *owner) held() int64 {
	n := int64(o.spared)
	if o.picker != nil {
		n += o.picker.Open()
	}
	for _, d := range o.drafts {
		n += d.held()
	}
	return n
}

// openMore lets the picker begin as much as there is memory for.
func (o *owner) openMore() {
	open := o.picker.Open()
	o.picker.SetMaxOpen(open + o.account.reserve(maxOpen-open))
}
