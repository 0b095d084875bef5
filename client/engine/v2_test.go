package engine

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"sotto/anon"
	"sotto/anon/profile"
	"sotto/client/engine/merkle"
	"sotto/client/engine/wire"
	"sotto/client/engine/wire/mse"
	"sotto/client/metainfo"
	"sotto/transport/memory"
)

// newSampleOf is newSample of any format. Empty files come last, as the order
// of a file tree is by name.
func newSampleOf(t testing.TB, f metainfo.Format, pieceLength int64, sizes ...int) sample {
	return newSample(t, pieceLength, sizes...).as(t, f, pieceLength)
}

// as returns a torrent of another format of the same files.
func (s sample) as(t testing.TB, f metainfo.Format, pieceLength int64) sample {
	dir := t.TempDir()
	s.write(t, dir)
	link, err := metainfo.Build(t.Context(), filepath.Join(dir, sampleName), metainfo.BuildOptions{Format: f, PieceLength: pieceLength})
	require.NoError(t, err)
	s.info, s.hash, s.v2, s.layers = link.Info, link.InfoHash, link.V2Hash, link.Layers
	s.format, s.piece = f, int(pieceLength)
	return s
}

var v2Formats = []metainfo.Format{metainfo.FormatV2, metainfo.FormatHybrid}

// trees are those of the sample's files.
func (s sample) trees(t testing.TB) map[merkle.Hash]*merkle.Tree {
	info, err := metainfo.ParseInfo(s.info, s.hash)
	require.NoError(t, err)
	trees, err := info.Trees(s.layers)
	require.NoError(t, err)
	return trees
}

// largest is the tree with the most pieces.
func (s sample) largest(t testing.TB) (best *merkle.Tree) {
	for _, tree := range s.trees(t) {
		if best == nil || tree.Shape().Pieces() > best.Shape().Pieces() {
			best = tree
		}
	}
	return best
}

// number is what the i-th file of a sample has in its torrent, padding counted.
func (s sample) number(t testing.TB, i int) int {
	info, err := metainfo.ParseInfo(s.info, s.hash)
	require.NoError(t, err)
	return slices.IndexFunc(info.Files, func(f metainfo.File) bool { return f.Path == filepath.ToSlash(s.order[i]) })
}

// short is the v2 name of a sample.
func (s sample) short() [20]byte { return [20]byte(s.v2[:20]) }

// What somebody may know of a torrent who wants to have it.
func TestExchangeV2(t *testing.T) {
	for _, f := range v2Formats {
		s := newSampleOf(t, f, 32<<10, 1_300_000, 5, 300_000, 64<<10, 0)
		for name, forget := range map[string]func(*Options){
			"file":                func(*Options) {},
			"file without layers": func(o *Options) { o.Layers = nil },
			"magnet":              func(o *Options) { o.Info, o.Layers = nil, nil },
			"magnet of v2": func(o *Options) {
				o.Info, o.Layers, o.InfoHash = nil, nil, [20]byte(o.V2Hash[:20])
			},
			"magnet of the first hash": func(o *Options) { o.Info, o.Layers, o.V2Hash = nil, nil, [32]byte{} },
		} {
			t.Run(f.String()+" "+name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					n := memory.New(memory.Options{})
					seedEnd, getEnd := open(t, n), open(t, n)
					s.seeder(t, seedEnd)
					dir := t.TempDir()
					o := s.options(t, getEnd, dir)
					forget(&o)
					get := start(t, o)
					get.AddPeers([]anon.Addr{seedEnd.Addr()})
					within(t, get.Done(), get)
					s.requireIn(t, dir)
					layers, err := get.Layers(t.Context())
					require.NoError(t, err)
					require.Equal(t, s.layers, layers)
					st := get.Stats()
					require.Equal(t, st.Total, st.Verified)
					require.Zero(t, st.Left())
					require.Zero(t, st.Wasted)
				})
			})
		}
	}
}

// Layers that were kept make resuming a matter of the disk alone.
func TestResumeV2NeedsNobody(t *testing.T) {
	s := newSampleOf(t, metainfo.FormatV2, 32<<10, 500_000, 70_000)
	dir := t.TempDir()
	s.write(t, dir)
	require.NoError(t, os.Truncate(filepath.Join(dir, s.order[0]), 100_000))
	get := start(t, s.options(t, open(t, memory.New(memory.Options{})), dir))
	_, err := get.Layers(t.Context())
	require.NoError(t, err)
	require.Eventually(t, func() bool { return !get.Stats().Checking }, patience, poll)
	require.EqualValues(t, 3*32<<10+70_000, get.Stats().Verified)

	o := s.options(t, open(t, memory.New(memory.Options{})), dir)
	o.Layers = nil
	get = start(t, o)
	_, err = get.Info(t.Context())
	require.NoError(t, err)
	require.False(t, get.Stats().HasInfo, "nothing can be said without layers")
	o.Layers = bytes.Clone(s.layers)
	o.Layers[60] ^= 1 // in the first hash
	require.ErrorContains(t, endsWith(t, start(t, o)), "piece layers")
}

var rawV2 = [8]byte{5: 0x10, 7: 0x14}

func (p rawPeer) helloV2(hash [20]byte, reserved [8]byte) error {
	b := append([]byte(wire.Greeting), reserved[:]...)
	b = append(append(b, hash[:]...), "-XX0000-000000000000"...)
	_, err := p.Write(b)
	return err
}

// Whoever dials by whatever name it knows is answered by the rules of BEP 52.
func TestHybridAnswersByEitherName(t *testing.T) {
	s := newSampleOf(t, metainfo.FormatHybrid, 32<<10, 100_000, 50_000)
	only := newSampleOf(t, metainfo.FormatV2, 32<<10, 100_000, 50_000)
	for _, c := range []struct {
		name         string
		s            sample
		knows        func(*Options)
		says, answer [20]byte
		bits         [8]byte
	}{
		{"v1", s, nil, s.hash, s.hash, rawReserved},
		{"v1 that can do v2", s, nil, s.hash, s.short(), rawV2},
		{"v2", s, nil, s.short(), s.short(), rawReserved},
		{"v2 that says so", s, nil, s.short(), s.short(), rawV2},
		{"v2 only", only, nil, only.hash, only.hash, rawReserved},
		{"magnet of both", s, func(o *Options) { o.Info = nil }, s.hash, s.short(), rawV2},
		{"magnet of v1", s, func(o *Options) { o.Info, o.V2Hash = nil, [32]byte{} }, s.hash, s.hash, rawV2},
	} {
		for _, how := range []profile.Encryption{profile.Accept, profile.Required} {
			t.Run(c.name, func(t *testing.T) {
				n := memory.New(memory.Options{})
				us, them := open(t, n), open(t, n)
				o := c.s.options(t, us, t.TempDir())
				o.Look.Encryption = how
				if c.knows != nil {
					c.knows(&o)
				}
				tor := start(t, o)
				if o.Info != nil {
					require.Eventually(t, func() bool { st := tor.Stats(); return st.HasInfo && !st.Checking }, patience, poll)
				}
				p := dialRaw(t, them, us.Addr())
				stream, err := mse.Dial(p.Conn, how, c.says, nil)
				require.NoError(t, err)
				p.Conn = stream
				require.NoError(t, p.helloV2(c.says, c.bits))
				got := p.helloBack()
				require.Equal(t, c.answer[:], got[28:48])
				wantBit := byte(0x14)
				if o.V2Hash == [32]byte{} {
					wantBit = 0x04
				}
				require.Equal(t, wantBit, got[27])
			})
		}
	}
}

// We say the name of v1 and offer v2; a peer that hangs up may know the other
// name only.
func TestHybridIsDialledByEitherName(t *testing.T) {
	s := newSampleOf(t, metainfo.FormatHybrid, 32<<10, 100_000)
	synctest.Test(t, func(t *testing.T) {
		n := memory.New(memory.Options{})
		us, them := open(t, n), open(t, n)
		tor := start(t, s.options(t, us, t.TempDir()))
		tor.AddPeers([]anon.Addr{them.Addr()})
		for _, want := range [][20]byte{s.hash, s.short(), s.hash} {
			p := acceptRaw(t, them)
			got := p.helloBack()
			require.Equal(t, want[:], got[28:48])
			require.Equal(t, byte(0x14), got[27])
			p.Close()
		}
		p := acceptRaw(t, them)
		p.helloBack()
		require.NoError(t, p.helloV2([20]byte{1}, rawV2))
		p.hungUp()
	})
}

// v2Peer is a rawPeer that speaks v2 with a torrent.
func v2Peer(t testing.TB, from *end, to anon.Addr, s sample) rawPeer {
	p := dialRaw(t, from, to)
	require.NoError(t, p.SetDeadline(time.Time{}))
	require.NoError(t, p.helloV2(s.short(), rawV2))
	hello := p.helloBack()
	short := s.short()
	require.Equal(t, short[:], hello[28:48])
	return p
}

func hashMessage(r merkle.Request) []byte {
	b := append([]byte{}, r.Root[:]...)
	return append(b, quads(r.Base, r.Index, r.Length, r.Proofs)...)
}

// answer reads the next message about hashes.
func (p rawPeer) answer() (kind byte, r merkle.Request, hashes []byte) {
	p.t.Helper()
	for {
		k, b, err := p.next()
		require.NoError(p.t, err)
		if k != 22 && k != 23 {
			continue
		}
		r, hashes, err := (wire.Message{ID: wire.ID(k), Data: b}).Hashes()
		require.NoError(p.t, err)
		return k, r, hashes
	}
}

// We answer what the torrent has with proofs that hold, and refuse the rest.
func TestServesHashes(t *testing.T) {
	for _, f := range v2Formats {
		s := newSampleOf(t, f, 64<<10, 700_000, 100_000, 10)
		tree := s.largest(t)
		shape, root := tree.Shape(), tree.Root()
		blocks, ok := shape.BlocksRequest(root, 3)
		require.True(t, ok)
		pieces := merkle.Request{Root: root, Base: uint32(shape.PieceHeight()), Length: 2, Proofs: uint32(shape.Height() - shape.PieceHeight() - 1)}
		n := memory.New(memory.Options{})
		us, them := open(t, n), open(t, n)
		s.seeder(t, us)
		p := v2Peer(t, them, us.Addr(), s)
		change := func(r merkle.Request, f func(*merkle.Request)) merkle.Request { f(&r); return r }
		for name, c := range map[string]struct {
			r    merkle.Request
			good bool
		}{
			"pieces":                    {pieces, true},
			"last pieces":               {change(pieces, func(r *merkle.Request) { r.Index = 10 }), true},
			"all pieces":                {change(pieces, func(r *merkle.Request) { r.Length, r.Proofs = 16, 0 }), true},
			"blocks of a piece":         {blocks, true},
			"blocks of several pieces":  {change(blocks, func(r *merkle.Request) { r.Index, r.Length = 0, 32 }), true},
			"a layer between":           {change(pieces, func(r *merkle.Request) { r.Base, r.Proofs = 1, 0 }), true},
			"unknown file":              {change(pieces, func(r *merkle.Request) { r.Root[0]++ }), false},
			"beyond the end":            {change(pieces, func(r *merkle.Request) { r.Index = 16 }), false},
			"far beyond the end":        {change(blocks, func(r *merkle.Request) { r.Index = 1 << 31 }), false},
			"not a multiple":            {change(pieces, func(r *merkle.Request) { r.Index = 1 }), false},
			"not a power of two":        {change(pieces, func(r *merkle.Request) { r.Length = 3 }), false},
			"no hashes":                 {change(pieces, func(r *merkle.Request) { r.Length = 0 }), false},
			"above the root":            {change(pieces, func(r *merkle.Request) { r.Base = 30 }), false},
			"proofs above the root":     {change(pieces, func(r *merkle.Request) { r.Proofs++ }), false},
			"more than a file":          {change(blocks, func(r *merkle.Request) { r.Index, r.Length = 0, 128 }), false},
			"all numbers of the widest": {merkle.Request{Root: root, Base: 1<<32 - 1, Index: 1<<32 - 1, Length: 1<<32 - 1, Proofs: 1<<32 - 1}, false},
		} {
			p.must(21, hashMessage(c.r)...)
			kind, r, hashes := p.answer()
			require.Equal(t, c.r, r, name)
			if !c.good {
				require.EqualValues(t, 23, kind, name)
				continue
			}
			require.EqualValues(t, 22, kind, name)
			top := root
			if height, index := r.Top(); height < shape.Height() {
				above := merkle.Request{Root: root, Base: uint32(height), Index: uint32(index &^ 1), Length: 2, Proofs: 0}
				p.must(21, hashMessage(above)...)
				_, _, more := p.answer()
				top = merkle.Hash(more[(index&1)*32:][:32])
			}
			require.NoError(t, r.Verify(shape, hashes, top), name)
		}
	}
}

// Requests that cost a reading of the disk wait in a short line, and nobody has
// the whole tree again and again.
func TestHashRequestFlood(t *testing.T) {
	s := newSampleOf(t, metainfo.FormatV2, 64<<10, 700_000)
	tree := s.largest(t)
	blocks, _ := tree.Shape().BlocksRequest(tree.Root(), 3)
	synctest.Test(t, func(t *testing.T) {
		n := memory.New(memory.Options{})
		us, them := open(t, n), open(t, n)
		seed := s.seeder(t, us)
		p := v2Peer(t, them, us.Addr(), s)
		const many = 300
		go func() {
			for range many {
				p.send(21, hashMessage(blocks)...)
			}
		}()
		served := 0
		for range many {
			if kind, _, _ := p.answer(); kind == 22 {
				served++
			}
			require.LessOrEqual(t, look(t, seed, func(o *owner) int { return o.peers[0].proving }), maxProving)
		}
		require.Positive(t, served)
		out := look(t, seed, func(o *owner) int { return o.peers[0].hashesOut })
		require.LessOrEqual(t, out, hashesOver*(maxRun+4*look(t, seed, (*owner).blocksInAll))+blocks.Count())
		for range 20_000 { // more than anybody needs
			p.send(21, hashMessage(blocks)...)
			if kind, _, _ := p.answer(); kind == 23 {
				return
			}
		}
		t.Fatal("no end of hashes")
	})
}

// libtorrent 2 asks for whole blocks where a file ends inside one; they are
// zeros behind it. What begins behind the end is nobody's.
func TestServesWholeBlocksAtTheEndOfAFile(t *testing.T) {
	s := newSampleOf(t, metainfo.FormatV2, 32<<10, 40_000, 70_000)
	n := memory.New(memory.Options{})
	us, them := open(t, n), open(t, n)
	s.seeder(t, us)
	p := v2Peer(t, them, us.Addr(), s)
	p.must(msgInterested)
	p.until(msgUnchoke)
	p.must(msgRequest, quads(1, 0, 16<<10)...)
	got := p.until(msgPiece)[8:]
	require.Equal(t, append(bytes.Clone(s.files[s.order[0]][32<<10:]), make([]byte, 48<<10-40_000)...), got)
	p.must(msgRequest, quads(1, 16<<10, 16<<10)...)
	p.hungUp()
}

// Hash messages on a connection that goes by v1 are a violation.
func TestNoHashesOnV1(t *testing.T) {
	s := newSampleOf(t, metainfo.FormatHybrid, 32<<10, 100_000)
	n := memory.New(memory.Options{})
	us, them := open(t, n), open(t, n)
	s.seeder(t, us)
	p, _ := greet(t, them, us.Addr(), s.hash, "-XX0000-")
	p.must(21, hashMessage(merkle.Request{Root: s.largest(t).Root(), Length: 2})...)
	p.hungUp()
}

// serveV2 plays a seed by hand. tell may change the answer to a request for
// hashes, and send a block.
func serveV2(p rawPeer, s sample, tell func(r merkle.Request, hashes []byte) []byte, send func(piece, begin uint32, block []byte) bool) {
	p.send(msgHaveAll)
	p.send(msgUnchoke)
	whole, trees := s.whole(), s.trees(p.t)
	for {
		kind, b, err := p.next()
		if err != nil {
			return
		}
		switch kind {
		case msgRequest:
			piece, begin, n := binary.BigEndian.Uint32(b), binary.BigEndian.Uint32(b[4:]), binary.BigEndian.Uint32(b[8:])
			at := int(piece)*s.piece + int(begin)
			block := bytes.Clone(whole[at : at+int(n)])
			if send(piece, begin, block) && p.send(msgPiece, append(b[:8:8], block...)...) != nil {
				return
			}
		case 21:
			r, _, err := (wire.Message{ID: wire.HashRequest, Data: b}).Hashes()
			if err != nil {
				return
			}
			tree := trees[r.Root]
			first, n := r.Needs(tree.Shape())
			var leaves []merkle.Hash
			for i := range n {
				at := (int(first) + i) * s.piece
				piece := whole[at:min(at+s.piece, len(whole))]
				for block := range blocksOf(piece) {
					leaves = append(leaves, merkle.Leaf(block))
				}
			}
			hashes, err := tree.Append(nil, r, leaves)
			if err != nil {
				return
			}
			if hashes = tell(r, hashes); hashes == nil {
				p.send(23, b...)
			} else {
				p.send(22, append(b, hashes...)...)
			}
		}
	}
}

func blocksOf(piece []byte) func(func([]byte) bool) {
	return func(yield func([]byte) bool) {
		for len(piece) > 0 {
			n := min(len(piece), 16<<10)
			if !yield(piece[:n]) {
				return
			}
			piece = piece[n:]
		}
	}
}

func honest(_ merkle.Request, hashes []byte) []byte { return hashes }

func everyBlock(uint32, uint32, []byte) bool { return true }

// With the hashes of the blocks the sender of one bad block is known, whatever
// else it sent, and nothing but that block is fetched again.
func TestLiarInABlockIsConvicted(t *testing.T) {
	for _, f := range v2Formats {
		s := newSampleOf(t, f, 256<<10, 500_000)
		synctest.Test(t, func(t *testing.T) {
			n := memory.New(memory.Options{})
			us, liar, good := open(t, n), open(t, n), open(t, n)
			dir := t.TempDir()
			get := start(t, s.options(t, us, dir))
			sent := map[uint32]int{}
			gone := make(chan struct{}, 2)
			go func() {
				defer func() { gone <- struct{}{} }()
				p := v2Peer(t, liar, us.Addr(), s)
				serveV2(p, s, honest, func(piece, begin uint32, block []byte) bool {
					if sent[piece]++; sent[piece] > 8 {
						return false // the rest is for others
					}
					if piece == 0 && begin == 0 {
						block[100]++
					}
					return true
				})
			}()
			time.Sleep(time.Second)
			go func() {
				defer func() { gone <- struct{}{} }()
				serveV2(v2Peer(t, good, us.Addr(), s), s, honest, everyBlock)
			}()
			within(t, get.Done(), get)
			s.requireIn(t, dir)
			require.EqualValues(t, 16<<10, get.Stats().Wasted)
			require.True(t, look(t, get, func(o *owner) bool { return o.book.byAddr[liar.Addr()].banned }))
			require.False(t, look(t, get, func(o *owner) bool { e := o.book.byAddr[good.Addr()]; return e != nil && e.banned }))
			require.NoError(t, get.Close())
			<-gone
			<-gone
		})
	}
}

// Without a witness that tells, the piece comes again as a whole and convicts
// as in a v1 torrent.
func TestLiarWithoutAWitness(t *testing.T) {
	s := newSampleOf(t, metainfo.FormatV2, 256<<10, 250_000)
	for name, tell := range map[string]func(merkle.Request, []byte) []byte{
		"rejects": func(merkle.Request, []byte) []byte { return nil },
		"lies":    func(_ merkle.Request, hashes []byte) []byte { hashes[0]++; return hashes },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := memory.New(memory.Options{})
				us, liar, good := open(t, n), open(t, n), open(t, n)
				dir := t.TempDir()
				get := start(t, s.options(t, us, dir))
				sent := 0
				gone := make(chan struct{}, 2)
				go func() {
					defer func() { gone <- struct{}{} }()
					serveV2(v2Peer(t, liar, us.Addr(), s), s, tell, func(_, _ uint32, block []byte) bool {
						block[0]++
						sent++
						return sent <= 8
					})
				}()
				time.Sleep(time.Second)
				go func() {
					defer func() { gone <- struct{}{} }()
					refuse := func(merkle.Request, []byte) []byte { return nil }
					serveV2(v2Peer(t, good, us.Addr(), s), s, refuse, everyBlock)
				}()
				within(t, get.Done(), get)
				s.requireIn(t, dir)
				require.True(t, look(t, get, func(o *owner) bool { return o.book.byAddr[liar.Addr()].banned }))
				require.False(t, look(t, get, func(o *owner) bool { e := o.book.byAddr[good.Addr()]; return e != nil && e.banned }))
				require.NoError(t, get.Close())
				<-gone
				<-gone
			})
		})
	}
}

// A peer that lies about the layers of a magnet is banned at its first lie; one
// that tells nothing delays, and does not prevent.
func TestLiarsInLayers(t *testing.T) {
	s := newSampleOf(t, metainfo.FormatV2, 16<<10, 2_000_000, 20_000_000)
	for name, tell := range map[string]func(merkle.Request, []byte) []byte{
		"a wrong hash":  func(_ merkle.Request, hashes []byte) []byte { hashes[33]++; return hashes },
		"a wrong proof": func(_ merkle.Request, hashes []byte) []byte { hashes[len(hashes)-1]++; return hashes },
		"other hashes":  func(_ merkle.Request, hashes []byte) []byte { return make([]byte, len(hashes)) },
		"a reject":      func(merkle.Request, []byte) []byte { return nil },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := memory.New(memory.Options{})
				us, liar, good := open(t, n), open(t, n), open(t, n)
				seed := s.seeder(t, good)
				o := s.options(t, us, t.TempDir())
				o.Layers = nil
				get := start(t, o)
				var told atomic.Int64
				gone := make(chan struct{})
				go func() {
					defer close(gone)
					serveV2(v2Peer(t, liar, us.Addr(), s), s, func(r merkle.Request, hashes []byte) []byte {
						told.Add(1)
						return tell(r, hashes)
					}, func(uint32, uint32, []byte) bool { return false })
				}()
				time.Sleep(time.Second)
				get.AddPeers([]anon.Addr{good.Addr()})
				layers, err := get.Layers(t.Context())
				require.NoError(t, err)
				require.Equal(t, s.layers, layers)
				require.Positive(t, told.Load())
				require.Equal(t, name != "a reject", look(t, get, func(o *owner) bool { return o.book.byAddr[liar.Addr()].banned }))
				require.NoError(t, get.Close())
				require.NoError(t, seed.Close())
				<-gone
			})
		})
	}
}

// A hybrid whose parts describe different bytes ends, at once with layers and
// else as soon as a file shows it.
func TestContradictionEnds(t *testing.T) {
	for _, withLayers := range []bool{true, false} {
		s, lie := contradicting(t)
		dir := t.TempDir()
		s.write(t, dir)
		o := s.options(t, open(t, memory.New(memory.Options{})), dir)
		o.Info, o.InfoHash, o.V2Hash = lie.Info, lie.InfoHash, lie.V2Hash
		if !withLayers {
			o.Layers = nil
		}
		require.ErrorIs(t, endsWith(t, start(t, o)), ErrContradiction)
	}
}

// contradicting returns a sample and a torrent whose v1 part is the sample's and
// whose v2 part is not.
func contradicting(t *testing.T) (sample, *metainfo.Link) {
	s := newSampleOf(t, metainfo.FormatHybrid, 32<<10, 100_000)
	other := newSampleOf(t, metainfo.FormatHybrid, 32<<10, 100_000)
	a, b := s.largest(t).Root(), other.largest(t).Root()
	link, err := metainfo.FromInfo(bytes.Replace(s.info, a[:], b[:], 1))
	require.NoError(t, err)
	s.layers = other.layers
	return s, link
}

// Whoever fills the padding of a hybrid with rubbish is a liar and does not make
// the torrent one.
func TestRubbishInPadding(t *testing.T) {
	s := newSampleOf(t, metainfo.FormatHybrid, 64<<10, 40_000, 70_000)
	synctest.Test(t, func(t *testing.T) {
		n := memory.New(memory.Options{})
		us, liar, good := open(t, n), open(t, n), open(t, n)
		dir := t.TempDir()
		get := start(t, s.options(t, us, dir))
		gone := make(chan struct{})
		go func() {
			defer close(gone)
			serveV2(v2Peer(t, liar, us.Addr(), s), s, honest, func(piece, begin uint32, block []byte) bool {
				if piece == 0 && begin == 48<<10 {
					block[len(block)-1] = 1
				}
				return true
			})
		}()
		<-gone
		require.NoError(t, get.Err())
		seed := s.seeder(t, good)
		get.AddPeers([]anon.Addr{good.Addr()})
		within(t, get.Done(), get)
		s.requireIn(t, dir)
		require.NoError(t, get.Close())
		require.NoError(t, seed.Close())
	})
}

// A dictionary is the right one only by every hash that is known of it.
func TestMatchesEveryHash(t *testing.T) {
	s := newSampleOf(t, metainfo.FormatHybrid, 32<<10, 100_000)
	o := Options{InfoHash: s.hash, V2Hash: s.v2}
	require.True(t, o.matches(s.info))
	require.True(t, (&Options{InfoHash: s.short(), V2Hash: s.v2}).matches(s.info))
	require.True(t, (&Options{InfoHash: s.hash}).matches(s.info))
	o.V2Hash = sha256.Sum256([]byte("x"))
	require.False(t, o.matches(s.info))
	require.False(t, (&Options{InfoHash: [20]byte{1}, V2Hash: s.v2}).matches(s.info))
	_, err := Open(t.Context(), func() Options {
		n := memory.New(memory.Options{})
		o := s.options(t, open(t, n), t.TempDir())
		o.V2Hash[31]++
		return o
	}())
	require.ErrorContains(t, err, "does not match")
}
