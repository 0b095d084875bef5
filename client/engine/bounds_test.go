package engine

import (
	"context"
	"encoding/binary"
	"io"
	"net"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"sotto/anon"
	"sotto/client/engine/wire"
	"sotto/transport/memory"
)

// look has the owner read its own state.
func look[T any](t testing.TB, tor *Torrent, f func(*owner) T) (v T) {
	t.Helper()
	require.True(t, tor.ask(func(o *owner) { v = f(o) }))
	return v
}

// Silent strangers cannot take all the room, and not for ever.
func TestSilentStrangersAreLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSample(t, 16<<10, 40<<10)
		n := memory.New(memory.Options{HideDialers: true})
		us, liar := open(t, n), open(t, n)
		get := start(t, s.options(t, us, t.TempDir()))
		greet(t, liar, us.Addr(), s.hash, "-XX0000-")
		for range maxGreeting + 10 {
			dialRaw(t, liar, us.Addr())
			synctest.Wait()
		}
		greeting := func(o *owner) int { return o.greeting }
		require.Equal(t, maxGreeting, look(t, get, greeting))
		dialRaw(t, liar, us.Addr()).hungUp()
		time.Sleep(greetTime + time.Second)
		require.Zero(t, look(t, get, greeting))
		greet(t, liar, us.Addr(), s.hash, "-XX0001-")
	})
}

// A peer that promises and sends nothing loses its requests soon and its
// connection later; keep-alives do not save it.
func TestStallersAreDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSample(t, 16<<10, 40<<10)
		n := memory.New(memory.Options{})
		us, lazy := open(t, n), open(t, n)
		get := start(t, s.options(t, us, t.TempDir()))
		p, _ := greet(t, lazy, us.Addr(), s.hash, "-XX0000-")
		require.NoError(t, p.SetDeadline(time.Time{}))
		p.must(msgHaveAll)
		p.must(msgUnchoke)
		p.until(msgRequest)
		began := time.Now()
		stop := make(chan struct{})
		go func() {
			defer close(stop)
			for range 20 {
				time.Sleep(20 * time.Second)
				if _, err := p.Write(make([]byte, 4)); err != nil {
					return
				}
			}
		}()
		p.hungUp()
		require.InDelta(t, stall.Seconds(), time.Since(began).Seconds(), 10)
		<-stop
		require.NoError(t, get.Err())
	})
}

// One byte now and then is not a sign of life, at whatever stage.
func TestSlowlorisIsDropped(t *testing.T) {
	for name, greeted := range map[string]bool{"handshake": false, "message": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSample(t, 16<<10, 40<<10)
				n := memory.New(memory.Options{})
				us, slow := open(t, n), open(t, n)
				get := start(t, s.options(t, us, t.TempDir()))
				first, _ := greet(t, slow, us.Addr(), s.hash, "-XX0000-")
				p, drip := first, append(quads(9+1<<14), msgPiece)
				if !greeted {
					p, drip = dialRaw(t, slow, us.Addr()), []byte(wire.Greeting)
				}
				require.NoError(t, p.SetDeadline(time.Time{}))
				began := time.Now()
				over := make(chan struct{})
				go func() {
					defer close(over)
					for i := range 1000 {
						b := byte(0)
						if i < len(drip) {
							b = drip[i]
						}
						time.Sleep(10 * time.Second)
						if _, err := p.Write([]byte{b}); err != nil {
							return
						}
					}
				}()
				p.hungUp()
				require.Less(t, time.Since(began), silence+time.Minute)
				require.NoError(t, get.Err())
				<-over
			})
		})
	}
}

// Messages without a reason run out; the same number of requests does not.
func TestFloodIsDropped(t *testing.T) {
	s := newSample(t, 16<<10, 40<<10)
	dir := t.TempDir()
	s.write(t, dir)
	for name, message := range map[string][]byte{
		"keep-alives":        {0, 0, 0, 0},
		"interest":           wire.AppendSimple(nil, wire.Interested),
		"cancels":            wire.AppendCancel(nil, 0, 0, 1<<14),
		"unknown":            {0, 0, 0, 1, 99},
		"extended handshake": wire.AppendExtended(nil, 0, []byte("de")),
		"old news":           wire.AppendHave(nil, 0),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := memory.New(memory.Options{})
				us, mad := open(t, n), open(t, n)
				o := s.options(t, us, dir)
				o.ReadOnly = true
				get := start(t, o)
				p, _ := greet(t, mad, us.Addr(), s.hash, "-XX0000-")
				over, began := make(chan struct{}), time.Now()
				go func() {
					defer close(over)
					io.Copy(io.Discard, p.Conn)
				}()
				for range 2 * floodBurst {
					if _, err := p.Write(message); err != nil {
						break
					}
				}
				<-over
				require.Less(t, time.Since(began), time.Minute, "hung up at once and not for silence")
				require.NoError(t, get.Err())
			})
		})
	}
}

// Somebody who asks and does not read costs us a bounded queue.
func TestDeafPeerIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSample(t, 256<<10, 4<<20)
		dir := t.TempDir()
		s.write(t, dir)
		n := memory.New(memory.Options{Buffer: 64 << 10})
		us, deaf := open(t, n), open(t, n)
		o := s.options(t, us, dir)
		o.ReadOnly = true
		seed := start(t, o)
		p, _ := greet(t, deaf, us.Addr(), s.hash, "-XX0000-")
		p.must(msgInterested)
		p.until(msgUnchoke)
		for i := range 1000 {
			p.must(msgRequest, quads(uint32(i/16%16), uint32(i%16)<<14, 1<<14)...)
		}
		synctest.Wait()
		waits := look(t, seed, func(o *owner) int { return o.peers[0].box.waiting() })
		require.LessOrEqual(t, waits, o.Look.Queue)
		rejects := 0
		for range 1000 {
			kind, _, err := p.next()
			require.NoError(t, err)
			if kind == 16 {
				rejects++
			}
		}
		require.Positive(t, rejects, "what does not fit is rejected")
		require.EqualValues(t, (1000-rejects)<<14, seed.Stats().Uploaded)
	})
}

// Both sides dial each other at once and keep one connection, the same one.
func TestOneConnectionAPeer(t *testing.T) {
	for range 10 {
		synctest.Test(t, func(t *testing.T) {
			s := newSample(t, 16<<10, 400<<10)
			n := memory.New(memory.Options{Delay: 500 * time.Millisecond, Rate: 20 << 10})
			aEnd, bEnd := open(t, n), open(t, n)
			dir := t.TempDir()
			s.write(t, dir)
			ao := s.options(t, aEnd, dir)
			ao.ReadOnly = true
			a, b := start(t, ao), start(t, s.options(t, bEnd, t.TempDir()))
			<-a.Done()
			a.AddPeers([]anon.Addr{bEnd.Addr()})
			b.AddPeers([]anon.Addr{aEnd.Addr()})
			within(t, b.Done(), b)
			require.LessOrEqual(t, aEnd.dialled()+bEnd.dialled(), 2, "nobody had to dial twice")
			st := b.Stats()
			require.Zero(t, st.Wasted)
		})
	}
}

// Nobody is a peer of their own, by whatever way they meet themselves.
func TestNoConnectionToOurselves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSample(t, 16<<10, 40<<10)
		n := memory.New(memory.Options{})
		us, mirror := open(t, n), open(t, n)
		get := start(t, s.options(t, us, t.TempDir()))
		require.Zero(t, get.AddPeers([]anon.Addr{us.Addr()}))
		// A mirror leads whoever dials it back to us.
		get.AddPeers([]anon.Addr{mirror.Addr()})
		in := acceptRaw(t, mirror)
		out := dialRaw(t, mirror, us.Addr())
		go io.Copy(out.Conn, in.Conn)
		go io.Copy(in.Conn, out.Conn)
		out.hungUp()
		synctest.Wait()
		require.Zero(t, get.Stats().Peers)
	})
}

// A verified piece that vanishes from the disk is not served, and ends a
// share; a download fetches it again.
func TestVanishedDataIsNotServed(t *testing.T) {
	s := newSample(t, 16<<10, 40<<10)
	n := memory.New(memory.Options{})
	us, them := open(t, n), open(t, n)
	dir := t.TempDir()
	s.write(t, dir)
	o := s.options(t, us, dir)
	o.ReadOnly = true
	seed := start(t, o)
	within(t, seed.Done(), seed)
	require.NoError(t, os.Truncate(filepath.Join(dir, s.order[0]), 10))
	p, _ := greet(t, them, us.Addr(), s.hash, "-XX0000-")
	p.must(msgInterested)
	p.until(msgUnchoke)
	p.must(msgRequest, quads(1, 0, 1<<14)...)
	select {
	case <-seed.Failed():
		require.ErrorIs(t, seed.Err(), ErrIncomplete)
	case <-time.After(patience):
		t.Fatal("still alive")
	}
}

// Peers who lie about the metadata delay it and do not prevent it.
func TestMetadataOfLiars(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSample(t, 16<<10, 5<<20)
		require.Greater(t, len(s.info), 0)
		n := memory.New(memory.Options{Delay: 100 * time.Millisecond})
		us, honest := open(t, n), open(t, n)
		s.seeder(t, honest)
		o := s.options(t, us, t.TempDir())
		o.Info = nil
		get := start(t, o)
		for i := range 5 {
			liar := open(t, n)
			p, _ := greet(t, liar, us.Addr(), s.hash, "-XX0000-"+string(rune('0'+i)))
			p.must(msgExtended, append([]byte{0}, wire.About{Registry: registry(t), MetadataSize: len(s.info) + i%2}.Append(nil)...)...)
			go func() {
				for {
					kind, b, err := p.next()
					if err != nil {
						return
					}
					if kind != msgExtended || b[0] == 0 {
						continue
					}
					m, err := wire.ReadMetadata(b[1:], len(s.info)+i%2)
					if err != nil || m.Kind != wire.MetadataRequest {
						continue
					}
					m.Kind, m.Data = wire.MetadataData, make([]byte, min(wire.MetadataPiece, len(s.info)+i%2-m.Piece*wire.MetadataPiece))
					p.send(msgExtended, append([]byte{1}, wire.AppendMetadata(nil, m, len(s.info)+i%2)...)...)
				}
			}()
		}
		get.AddPeers([]anon.Addr{honest.Addr()})
		within(t, get.Done(), get)
	})
}

// Those who name a size each and then send nothing do not keep honest peers
// from being asked.
func TestMetadataOfTheSilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSample(t, 16<<10, 40<<10)
		n := memory.New(memory.Options{})
		us, honest := open(t, n), open(t, n)
		s.seeder(t, honest)
		o := s.options(t, us, t.TempDir())
		o.Info = nil
		get := start(t, o)
		for i := range 2 * maxDrafts {
			p, _ := greet(t, open(t, n), us.Addr(), s.hash, "-XX0000-"+string(rune('0'+i)))
			p.must(msgExtended, append([]byte{0}, wire.About{Registry: registry(t), MetadataSize: len(s.info) + 1 + i}.Append(nil)...)...)
		}
		get.AddPeers([]anon.Addr{honest.Addr()})
		began := time.Now()
		within(t, get.Done(), get)
		require.Less(t, time.Since(began), silence, "nobody had to be dropped for it")
	})
}

func registry(t *testing.T) wire.Registry {
	r, err := wire.NewRegistry(wire.Metadata)
	require.NoError(t, err)
	return r
}

// Limits hold, in both directions.
func TestRateLimits(t *testing.T) {
	for name, set := range map[string]func(seed, get *Options){
		"upload":   func(seed, _ *Options) { seed.UploadRate = 100 << 10 },
		"download": func(_, get *Options) { get.DownloadRate = 100 << 10 },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSample(t, 64<<10, 2<<20)
				dir := t.TempDir()
				s.write(t, dir)
				n := memory.New(memory.Options{Delay: 50 * time.Millisecond, Buffer: 64 << 10})
				seedEnd, getEnd := open(t, n), open(t, n)
				so, o := s.options(t, seedEnd, dir), s.options(t, getEnd, t.TempDir())
				so.ReadOnly = true
				set(&so, &o)
				start(t, so)
				get := start(t, o)
				began := time.Now()
				get.AddPeers([]anon.Addr{seedEnd.Addr()})
				within(t, get.Done(), get)
				require.Greater(t, time.Since(began), 17*time.Second)
				require.Less(t, time.Since(began), 30*time.Second)
			})
		})
	}
}

// Without peers and addresses nothing ticks.
func TestIdleTorrentSleeps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSample(t, 16<<10, 40<<10)
		us := open(t, memory.New(memory.Options{}))
		get := start(t, s.options(t, us, t.TempDir()))
		time.Sleep(time.Minute)
		before := look(t, get, func(o *owner) int { return o.ticks })
		time.Sleep(time.Hour)
		require.Equal(t, before, look(t, get, func(o *owner) int { return o.ticks }))
	})
}

// A stream that is not of our network ends the torrent.
func TestForeignStreamIsALeak(t *testing.T) {
	s := newSample(t, 16<<10, 40<<10)
	n := memory.New(memory.Options{})
	us, them := open(t, n), open(t, n)
	o := s.options(t, us, t.TempDir())
	foreign := &foreigner{end: us}
	o.Endpoint = foreign
	get := start(t, o)
	dialRaw(t, them, us.Addr())
	require.ErrorIs(t, endsWith(t, get), anon.ErrLeak)
}

// foreigner accepts streams that come from nowhere we know.
type foreigner struct{ *end }

func (f *foreigner) Accept(ctx context.Context) (net.Conn, error) {
	c, err := f.end.Accept(ctx)
	if err != nil {
		return nil, err
	}
	return plainConn{c}, nil
}

type plainConn struct{ net.Conn }

func (plainConn) RemoteAddr() net.Addr { return &net.TCPAddr{} }

// Who was dropped for what it did is not dialled again at once.
func TestMisconductIsRemembered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSample(t, 16<<10, 40<<10)
		n := memory.New(memory.Options{})
		us, lazy := open(t, n), open(t, n)
		get := start(t, s.options(t, us, t.TempDir()))
		get.AddPeers([]anon.Addr{lazy.Addr()})
		for range 4 {
			p := acceptRaw(t, lazy)
			require.NoError(t, p.SetDeadline(time.Time{}))
			require.NoError(t, p.hello(s.hash, "-XX0000-"))
			p.must(msgHaveAll)
			p.must(msgUnchoke)
			p.hungUp()
		}
		fails := look(t, get, func(o *owner) int { return o.book.byAddr[lazy.Addr()].fails })
		require.Equal(t, 4, fails)
	})
}

// When all connections are taken, one that is of no use makes room.
func TestUselessConnectionMakesRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSample(t, 16<<10, 40<<10)
		n := memory.New(memory.Options{})
		us, seedEnd := open(t, n), open(t, n)
		s.seeder(t, seedEnd)
		o := s.options(t, us, t.TempDir())
		o.MaxPeers = 2
		get := start(t, o)
		for i := range o.MaxPeers {
			p, _ := greet(t, open(t, n), us.Addr(), s.hash, "-XX0000-"+string(rune('0'+i)))
			require.NoError(t, p.SetDeadline(time.Time{}))
			go func() {
				for {
					time.Sleep(time.Minute)
					if _, err := p.Write(make([]byte, 4)); err != nil {
						return
					}
				}
			}()
		}
		get.AddPeers([]anon.Addr{seedEnd.Addr()})
		began := time.Now()
		within(t, get.Done(), get)
		require.Less(t, time.Since(began), trial+time.Minute)
		require.NoError(t, get.Close())
		time.Sleep(2 * time.Minute) // for those who keep the others alive
	})
}

// With all slots taken a newcomer gets a few pieces to trade with, and no more.
func TestAllowedFast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSample(t, 16<<10, 1<<20)
		dir := t.TempDir()
		s.write(t, dir)
		n := memory.New(memory.Options{})
		us := open(t, n)
		o := s.options(t, us, dir)
		o.ReadOnly = true
		start(t, o)
		for i := range 20 {
			p, _ := greet(t, open(t, n), us.Addr(), s.hash, "-XX0000-"+string(rune('a'+i)))
			p.must(msgInterested)
			go io.Copy(io.Discard, p.Conn)
		}
		synctest.Wait()
		p, _ := greet(t, open(t, n), us.Addr(), s.hash, "-XX0000-")
		first := binary.BigEndian.Uint32(p.until(17))
		allowed := map[uint32]bool{first: true}
		for range allowedFast - 1 {
			allowed[binary.BigEndian.Uint32(p.until(17))] = true
		}
		other := uint32(0)
		for allowed[other] {
			other++
		}
		p.must(msgRequest, quads(other, 0, 1<<14)...)
		require.Equal(t, quads(other, 0, 1<<14), p.until(16))
		p.must(msgRequest, quads(first, 0, 1<<14)...)
		require.Equal(t, quads(first, 0), p.until(msgPiece)[:8])
		for range maxGifts>>14 - 1 {
			p.must(msgRequest, quads(first, 0, 1<<14)...)
			p.until(msgPiece)
		}
		p.must(msgRequest, quads(first, 0, 1<<14)...)
		require.Equal(t, quads(first, 0, 1<<14), p.until(16), "the same piece for ever is not trade")
	})
}
