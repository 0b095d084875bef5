package pace

// Budget splits a bound on bytes under way fairly among peers. It is a plain
// value: who shares it between torrents must guard it.
type Budget struct {
	limit int64
	used  int64
}

// NewBudget returns a budget of so many bytes. 0 or less is no bound.
func NewBudget(limit int64) Budget { return Budget{limit: limit} }

// Grant takes up to want bytes in whole blocks and returns how many blocks
// were taken. held is what the peer has already, peers how many share. While
// half of the budget is free whoever asks gets; after that nobody gets beyond
// an equal share, so that the fast cannot starve the rest.
func (b *Budget) Grant(held int64, want, peers int) int {
	if want <= 0 {
		return 0
	}
	if b.limit > 0 {
		room := b.limit - b.used
		if share := b.limit / int64(max(peers, 1)); room <= b.limit/2 {
			room = min(room, share-held)
		} else {
			room = max(room-b.limit/2, min(room, share-held))
		}
		want = int(min(int64(want), max(room, 0)/BlockSize))
	}
	b.used += int64(want) * BlockSize
	return want
}

// Return gives bytes back: of blocks that came and are verified or written,
// and of requests that were given up.
func (b *Budget) Return(bytes int64) { b.used = max(0, b.used-bytes) }

// Used is the bytes taken and not returned.
func (b *Budget) Used() int64 { return b.used }
