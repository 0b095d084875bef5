package engine

import (
	"crypto/rand"
	"encoding/binary"
	"io"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"sotto/anon"
	"sotto/anon/profile"
	"sotto/client/engine/wire"
	"sotto/transport/memory"
)

// siege is a torrent of ours in the middle: it fetches from one honest seed,
// one honest leecher fetches from it alone, and somebody attacks it.
type siege struct {
	t        *testing.T
	sample   sample
	network  *memory.Network
	us, foe  *end
	seed     anon.Addr
	get      *Torrent
	leecher  *Torrent
	hostile  sync.WaitGroup
	attempts int
}

// ordeal is one row of the suite.
type ordeal struct {
	name   string
	known  bool // the network says who dials
	first  bool // the attack comes before we know the seed
	magnet bool
	secret bool // we demand encryption
	attack func(*siege)
	want   Conduct
	serves int64 // bytes that attackers may get out of us at most
}

// affordable is how many bytes may be allocated while an ordeal lasts, the
// honest transfer included. Attackers claim up to 4 GiB a message.
const affordable = 96 << 20

// TestHostilePeers is the suite of ways in which a peer can be a nuisance. Each
// is played in virtual time against a torrent with honest peers on both sides,
// who lose nothing by it; what we did about it is counted exactly. The numbers
// are those of the list of faults we test against.
func TestHostilePeers(t *testing.T) {
	for _, c := range ordeals {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { c.play(t) })
		})
	}
}

func (c ordeal) play(t *testing.T) {
	s := newSample(t, 32<<10, 700_000, 0, 300_001)
	n := memory.New(memory.Options{Delay: 50 * time.Millisecond, Rate: 256 << 10, HideDialers: !c.known, Seed: 1})
	g := &siege{t: t, sample: s, network: n, us: open(t, n), foe: open(t, n)}
	seedEnd := open(t, n)
	s.seeder(t, seedEnd)
	g.seed = seedEnd.Addr()
	o := s.options(t, g.us, t.TempDir())
	if c.magnet {
		o.Info = nil
	}
	if c.secret {
		o.Look.Encryption = profile.Required
	}
	g.get = start(t, o)
	lo := s.options(t, open(t, n), t.TempDir())
	if c.secret {
		lo.Look.Encryption = profile.Required
	}
	g.leecher = start(t, lo)
	if !c.magnet { // it knows the metadata, and would tell us
		g.leecher.AddPeers([]anon.Addr{g.us.Addr()})
	}
	if !c.first {
		g.get.AddPeers([]anon.Addr{g.seed})
		for !c.magnet && g.get.Stats().GoodPieces < 3 {
			time.Sleep(poll)
		}
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	c.attack(g)
	g.get.AddPeers([]anon.Addr{g.seed})
	g.leecher.AddPeers([]anon.Addr{g.us.Addr()})
	within(t, g.get.Done(), g.get)
	within(t, g.leecher.Done(), g.leecher)
	g.hostile.Wait()
	runtime.ReadMemStats(&after)
	s.requireIn(t, o.Dir)
	s.requireIn(t, lo.Dir)
	st := g.get.Stats()
	require.Equal(t, c.want, st.Conduct)
	require.LessOrEqual(t, st.Wasted, s.size/10, "what honest peers sent was not fetched again")
	require.LessOrEqual(t, st.Uploaded-g.leecher.Stats().Downloaded, c.serves)
	require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(affordable))
	require.Zero(t, g.leecher.Stats().Conduct, "nobody blames us")
}

// enter greets as somebody new.
func (g *siege) enter() rawPeer {
	g.attempts++
	p, _ := greet(g.t, g.foe, g.us.Addr(), g.sample.hash, "-XX0000-"+hexHash([20]byte{byte(g.attempts >> 8), byte(g.attempts)})[:4])
	return p
}

// say sends each of the messages on a connection of its own and waits to be
// hung up on.
func say(messages ...[]byte) func(*siege) {
	return func(g *siege) {
		for _, m := range messages {
			p := g.enter()
			if _, err := p.Write(m); err != nil {
				require.ErrorIs(g.t, err, io.ErrClosedPipe)
			}
			p.hungUp()
		}
	}
}

// message is one of the wire, as long as it says.
func message(kind byte, payload ...byte) []byte {
	return append(append(quads(uint32(len(payload)+1)), kind), payload...)
}

// long is the start of a message of so many bytes.
func long(size uint32, kind byte) []byte { return append(quads(size), kind) }

const far = 1<<32 - 1

var ordeals = []ordeal{
	{name: "26 handshakes of a byte now and then", attack: drip(40), want: Conduct{TurnedAway: 40}},
	{name: "27 keys of nobody", secret: true, attack: keys, want: Conduct{TurnedAway: 4}},
	{name: "27 rubbish instead of the marks", secret: true, attack: obscure(nil, make([]byte, 700)), want: Conduct{TurnedAway: 1}},
	{name: "27 another constant", secret: true, attack: obscure([]byte("\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x02\x00\x00\x00\x00"), nil), want: Conduct{TurnedAway: 1}},
	{name: "27 padding of 513", secret: true, attack: obscure(append([]byte("\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x02\x01"), make([]byte, 600)...), nil), want: Conduct{TurnedAway: 1}},
	{name: "27 plain alone", secret: true, attack: obscure([]byte("\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00"), nil), want: Conduct{TurnedAway: 1}},
	{name: "27 nothing said at once", secret: true, attack: sayNothingAtOnce},
	{name: "27 we dial those who have no key", secret: true, attack: badAcceptors},
	{name: "28 messages of four gigabytes", attack: say(
		long(far, msgPiece), long(far, msgBitfield), long(far, msgExtended), long(far, 99), long(far, msgHave),
		long(1<<31, msgPiece), long(1<<20, 99), long(9+1<<14+1, msgPiece), long(far, msgRequest),
	), want: Conduct{Expelled: 9}},
	{name: "29 messages too short for their kind", attack: say(
		message(msgHave), message(msgHave, 0, 0, 0), message(msgRequest), message(msgRequest, make([]byte, 11)...),
		message(msgPiece), message(msgPiece, make([]byte, 8)...), message(msgCancel, 1), message(msgBitfield),
		message(msgExtended), message(13, 0), message(16, 0), message(17), message(msgChoke, 0), message(msgHaveAll, 0),
	), want: Conduct{Expelled: 14}},
	{name: "30 indices and offsets beyond everything", attack: say(
		message(msgRequest, quads(far, 0, 1<<14)...), message(msgRequest, quads(0, far, 1<<14)...),
		message(msgRequest, quads(0, 1<<31, 1<<14)...), message(msgRequest, quads(30, 1<<14, 1<<14)...),
		message(msgPiece, append(quads(far, 0), 1)...), message(msgPiece, append(quads(0, far), 1, 2)...),
		message(msgPiece, append(quads(0, 1), 1)...), message(msgCancel, quads(far, far, far)...),
		message(16, quads(far, 0, 1<<14)...), message(13, quads(far)...), message(17, quads(far)...),
	), want: Conduct{Expelled: 11}},
	{name: "31 a request of two gigabytes", attack: say(
		message(msgRequest, quads(0, 0, 1<<31)...), message(msgRequest, quads(0, 0, far)...),
		message(msgRequest, quads(0, 0, 0)...), message(msgRequest, quads(0, 0, wire.MaxRequest+1)...),
	), want: Conduct{Expelled: 4}},
	{name: "32 a million requests and nobody reads", attack: func(g *siege) {
		g.flood(1e6, func(i uint32) []byte { return message(msgRequest, quads(i%3, 0, 1<<14)...) })
	}, want: Conduct{Expelled: 1}, serves: 8 << 20},
	{name: "33 news of a piece that is not", attack: say(
		message(msgHave, quads(far)...), message(msgHave, quads(31)...), message(msgHave, quads(1<<31)...),
	), want: Conduct{Expelled: 3}},
	{name: "34 bitfields of another torrent", attack: say(
		message(msgBitfield, 0xff, 0xff, 0xff, 0xff), message(msgBitfield, 0, 0, 0, 1), message(msgBitfield, 0, 0, 0),
		message(msgBitfield, make([]byte, 5)...), message(msgBitfield, make([]byte, wire.MaxBitfield)...),
		append(message(msgHaveAll), message(msgHaveNone)...),
	), want: Conduct{Expelled: 6}},
	{name: "36 one peer a thousand times", known: true, first: true, attack: crowd(1000), want: Conduct{TurnedAway: 996, Expelled: 1}},
	{name: "36 a thousand strangers", first: true, attack: crowd(1000), want: Conduct{TurnedAway: 1000 - 26, Expelled: 26}},
	{name: "37 ten thousand peers that are not there", first: true, attack: phantoms},
	{name: "38 requests taken back at once", attack: func(g *siege) {
		g.flood(50_000, func(i uint32) []byte {
			ask := quads(i%3, 0, 1<<14)
			return append(message(msgRequest, ask...), message(msgCancel, ask...)...)
		})
	}, want: Conduct{Expelled: 1}, serves: 8 << 20},
	{name: "39 an extended message before any handshake", attack: func(g *siege) {
		p := dialRaw(g.t, g.foe, g.us.Addr())
		p.must(msgExtended, append([]byte{0}, "d1:md11:ut_metadatai1eee"+string(make([]byte, 100))...)...)
		p.hungUp()
	}, want: Conduct{TurnedAway: 1}},
	{name: "39 metadata before the extended handshake", attack: func(g *siege) {
		p := g.enter()
		for _, kind := range []string{"d8:msg_typei0e5:piecei0ee", "d8:msg_typei2e5:piecei0ee", "d8:msg_typei1e5:piecei0e10:total_sizei1eex"} {
			p.must(msgExtended, append([]byte{1}, kind...)...)
		}
		p.hungUp() // over the last: nobody asked for it
	}, want: Conduct{Expelled: 1}},
	{name: "40 metadata of another torrent", magnet: true, first: true, attack: forgeries(3), want: Conduct{Expelled: 3, Banned: 3}},
}

// drip opens connections that send their handshake a byte at a time.
func drip(n int) func(*siege) {
	return func(g *siege) {
		for range n {
			p := dialRaw(g.t, g.foe, g.us.Addr())
			g.hostile.Go(func() {
				for _, b := range []byte(wire.Greeting + string(make([]byte, 100))) {
					if _, err := p.Write([]byte{b}); err != nil {
						return
					}
					time.Sleep(5 * time.Second)
				}
				g.t.Error("nobody hung up")
			})
		}
	}
}

// flood sends without reading, once there is something to be had.
func (g *siege) flood(n uint32, f func(i uint32) []byte) {
	p := g.enter()
	p.must(msgInterested)
	p.until(msgUnchoke)
	g.hostile.Go(func() {
		var words []byte
		for i := range n {
			if words = append(words, f(i)...); len(words) < 32<<10 {
				continue
			}
			if _, err := p.Write(words); err != nil {
				return
			}
			words = words[:0]
		}
		p.hungUp()
	})
}

// crowd connects so many times, as one peer or as many, and claims interest.
func crowd(n int) func(*siege) {
	return func(g *siege) {
		g.enter()
		for i := range n - 1 {
			p := dialRaw(g.t, g.foe, g.us.Addr())
			id := "-XX0000-" + hexHash([20]byte{1, byte(i >> 8), byte(i)})[:6]
			if p.hello(g.sample.hash, id) == nil && p.send(msgInterested) == nil {
				g.hostile.Go(func() { io.Copy(io.Discard, p.Conn) })
			}
			st := g.get.Stats()
			require.LessOrEqual(g.t, st.Peers, DefaultMaxPeers-DefaultMaxPeers/outboundShare)
			require.LessOrEqual(g.t, st.Dialing, maxGreeting)
		}
	}
}

// phantoms announces addresses that nobody has.
func phantoms(g *siege) {
	var addrs []anon.Addr
	for range 10_000 {
		var id [32]byte
		rand.Read(id[:])
		addrs = append(addrs, anon.MemoryAddr(id))
	}
	g.get.AddPeers(addrs)
	for range 30 {
		time.Sleep(time.Second)
		st := g.get.Stats()
		require.LessOrEqual(g.t, st.Known, maxBook)
		require.LessOrEqual(g.t, st.Dialing, DefaultMaxDials)
		require.Positive(g.t, st.Dialing)
	}
	g.hostile.Go(func() {
		time.Sleep(5 * time.Minute)
		require.LessOrEqual(g.t, g.us.dialled(), maxFails*(maxBook+1))
	})
}

// forgeries are peers who claim the size of the info dictionary and send
// another one.
func forgeries(n int) func(*siege) {
	return func(g *siege) {
		size := len(g.sample.info)
		for range n {
			p := g.enter()
			p.must(msgExtended, append([]byte{0}, wire.About{Registry: registry(g.t), MetadataSize: size}.Append(nil)...)...)
			g.hostile.Go(func() {
				for {
					kind, b, err := p.next()
					if err != nil {
						return
					}
					if kind != msgExtended || b[0] == 0 {
						continue
					}
					m := wire.MetadataMessage{Kind: wire.MetadataData, Data: make([]byte, size)}
					p.send(msgExtended, append([]byte{1}, wire.AppendMetadata(nil, m, size)...)...)
				}
			})
		}
		for g.get.Stats().Banned < n {
			time.Sleep(poll)
		}
	}
}

// One wrong block in a thousand: its sender is found and banned, nobody else,
// whether it sent whole pieces or shared each with others.
func TestOneWrongBlockInAThousand(t *testing.T) {
	for name, rate := range map[string]int64{"whole pieces": 256 << 10, "shared pieces": 12 << 10} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSample(t, 512<<10, 1000<<14)
				n := memory.New(memory.Options{Delay: 100 * time.Millisecond, Rate: rate, Seed: 35})
				us, foe := open(t, n), open(t, n)
				dir := t.TempDir()
				get := start(t, s.options(t, us, dir))
				addrs := []anon.Addr{foe.Addr()}
				for range 4 {
					e := open(t, n)
					s.seeder(t, e)
					addrs = append(addrs, e.Addr())
				}
				get.AddPeers(addrs)
				p := acceptRaw(t, foe)
				require.NoError(t, p.SetDeadline(time.Time{}))
				require.NoError(t, p.hello(s.hash, "-XX0035-"))
				p.helloBack()
				served := make(chan int)
				go func() { served <- s.serveBut(p, 512<<10, 5) }()
				select {
				case <-get.Done():
				case <-time.After(3 * time.Hour):
					t.Fatalf("not done: %+v", get.Stats())
				}
				require.Greater(t, <-served, 4)
				s.requireIn(t, dir)
				require.Equal(t, Conduct{Expelled: 1, Banned: 1, BadPieces: 1}, get.Stats().Conduct)
				banned := look(t, get, func(o *owner) (out []anon.Addr) {
					for _, e := range o.book.order {
						if e.banned {
							out = append(out, e.addr)
						}
					}
					return out
				})
				require.Equal(t, []anon.Addr{foe.Addr()}, banned)
				require.LessOrEqual(t, get.Stats().Wasted, int64(2*512<<10))
			})
		})
	}
}

// serveBut serves like an honest seed, but for one block. It returns how many
// it sent until it was hung up on.
func (s sample) serveBut(p rawPeer, length, wrong int) (n int) {
	p.send(msgHaveAll)
	p.send(msgUnchoke)
	whole := s.whole()
	for {
		kind, b, err := p.next()
		if err != nil {
			return n
		}
		if kind != msgRequest {
			continue
		}
		at := int(binary.BigEndian.Uint32(b))*length + int(binary.BigEndian.Uint32(b[4:]))
		block := append([]byte(nil), whole[at:at+int(binary.BigEndian.Uint32(b[8:]))]...)
		if n++; n == wrong {
			block[0]++
		}
		if p.send(msgPiece, append(b[:8:8], block...)...) != nil {
			return n
		}
	}
}
