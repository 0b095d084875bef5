package pick

import "github.com/stretchr/testify/require"

// check recounts everything the picker keeps counts of.
func check(t require.TestingT, p *Picker) {
	holders := checkPeers(t, p)
	checkOpen(t, p, holders)
	require.Empty(t, holders, "requests for pieces that are not open")
	require.Len(t, p.trials, len(p.records))
	missing, have := 0, 0
	for i, at := range p.pieces {
		onShelf := at.stage == untouched && at.priority != Skip
		for l := range p.shelf.free {
			require.Equal(t, onShelf && at.priority == Priority(l), p.shelf.free[l].has(uint32(i)))
		}
		if onShelf {
			require.Equal(t, uint32(i), p.shelf.buckets[at.priority][p.shelf.avail[i]][p.shelf.pos[i]])
		}
		if p.wanted(uint32(i)) {
			missing++
		}
		if at.stage == verified {
			have++
		}
	}
	require.Equal(t, missing, p.missing)
	require.Equal(t, have, p.have)
}

// checkPeers returns how many live requests there are for each block.
func checkPeers(t require.TestingT, p *Picker) map[Block]int {
	holders, live := map[Block]int{}, 0
	for _, q := range p.order {
		require.Same(t, q, p.peers[q.id])
		n, wanted := 0, 0
		for _, r := range q.queue {
			if !r.late {
				n++
				holders[r.Block]++
			}
		}
		for i := range p.pieces {
			if !q.all && q.has(uint32(i)) && p.wanted(uint32(i)) {
				wanted++
			}
		}
		require.Equal(t, n, q.live)
		require.Equal(t, wanted, q.wanted)
		require.LessOrEqual(t, len(q.queue)-n, maxLate)
		live += n
	}
	require.Equal(t, live, p.asked)
	require.Len(t, p.order, len(p.peers))
	return holders
}

// checkOpen takes from holders what belongs to open pieces.
func checkOpen(t require.TestingT, p *Picker, holders map[Block]int) {
	bytes, hungry := int64(0), 0
	for i, o := range p.open {
		require.Equal(t, begun, p.pieces[i].stage)
		bytes += o.size
		free, got := 0, 0
		for k := range o.blocks {
			b := &o.blocks[k]
			require.Equal(t, holders[o.block(k)], int(b.n))
			delete(holders, o.block(k))
			if b.got {
				require.Zero(t, b.n)
				got++
			}
			if b.isFree() {
				require.GreaterOrEqual(t, k, o.low)
				free++
			}
		}
		require.Equal(t, free, o.free)
		require.Equal(t, got, o.got)
		require.Equal(t, free > 0, o.at >= 0)
		if o.at >= 0 {
			require.Same(t, o, p.hungry[o.at])
			hungry++
		}
	}
	require.Len(t, p.hungry, hungry)
	require.Equal(t, bytes, p.bytes)
}
