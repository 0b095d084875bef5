package wire_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"sotto/anon"
	"sotto/client/engine/merkle"
	"sotto/client/engine/wire"
)

// lender counts the buffers it has lent.
type lender struct {
	free [][]byte
	lent int
}

func (l *lender) Get() []byte {
	l.lent++
	if n := len(l.free); n > 0 {
		b := l.free[n-1]
		l.free = l.free[:n-1]
		return b
	}
	return make([]byte, wire.BlockSize)
}

func (l *lender) Put(b []byte) {
	l.lent--
	l.free = append(l.free, b[:cap(b)])
}

const everything = wire.Extensions | wire.Fast | wire.V2

var metadataOnly = mustRegister(wire.Metadata, wire.Extension{Name: "i2p_pex", Max: 4096})

func mustRegister(all ...wire.Extension) wire.Registry {
	r, err := wire.NewRegistry(all...)
	if err != nil {
		panic(err)
	}
	return r
}

func limits(pieces int) wire.Limits {
	return wire.Limits{Features: everything, Registry: metadataOnly, Pieces: pieces}
}

// frame is a message as a peer would write it, with any length it likes.
func frame(size uint32, rest string) []byte {
	return append(binary.BigEndian.AppendUint32(nil, size), rest...)
}

// message frames rest with its own length.
func message(rest string) []byte { return frame(uint32(len(rest)), rest) }

var someRequest = merkle.Request{Root: merkle.Hash{1, 2}, Base: 3, Index: 8, Length: 4, Proofs: 5}

// said are messages as we write them and as they must be read.
var said = []struct {
	name  string
	bytes []byte
	want  wire.Message
}{
	{"keep-alive", wire.AppendKeepAlive(nil), wire.Message{ID: wire.KeepAlive}},
	{"choke", wire.AppendSimple(nil, wire.Choke), wire.Message{ID: wire.Choke}},
	{"unchoke", wire.AppendSimple(nil, wire.Unchoke), wire.Message{ID: wire.Unchoke}},
	{"interested", wire.AppendSimple(nil, wire.Interested), wire.Message{ID: wire.Interested}},
	{"not interested", wire.AppendSimple(nil, wire.NotInterested), wire.Message{ID: wire.NotInterested}},
	{"have", wire.AppendHave(nil, 258), wire.Message{ID: wire.Have, Index: 258}},
	{"bitfield", wire.AppendBitfield(nil, bytes.Repeat([]byte{0xaa}, 125)), wire.Message{ID: wire.Bits, Data: bytes.Repeat([]byte{0xaa}, 125)}},
	{"request", wire.AppendRequest(nil, 1, 2, 3), wire.Message{ID: wire.Request, Index: 1, Begin: 2, Length: 3}},
	{"piece", wire.AppendPiece(nil, 1, 1<<20, []byte("block")), wire.Message{ID: wire.Piece, Index: 1, Begin: 1 << 20, Length: 5, Data: []byte("block")}},
	{"cancel", wire.AppendCancel(nil, 1, 2, 3), wire.Message{ID: wire.Cancel, Index: 1, Begin: 2, Length: 3}},
	{"port", message("\x09\x1a\xe1"), wire.Message{ID: wire.Ignored, Length: 3}},
	{"suggest", wire.AppendSuggest(nil, 7), wire.Message{ID: wire.Suggest, Index: 7}},
	{"have all", wire.AppendSimple(nil, wire.HaveAll), wire.Message{ID: wire.HaveAll}},
	{"have none", wire.AppendSimple(nil, wire.HaveNone), wire.Message{ID: wire.HaveNone}},
	{"reject", wire.AppendReject(nil, 1, 2, 3), wire.Message{ID: wire.Reject, Index: 1, Begin: 2, Length: 3}},
	{"allowed fast", wire.AppendAllowedFast(nil, 9), wire.Message{ID: wire.AllowedFast, Index: 9}},
	{"extended handshake", wire.AppendExtended(nil, 0, []byte("de")), wire.Message{ID: wire.Extended, Data: []byte("de")}},
	{"extended", wire.AppendExtended(nil, 2, []byte("pex")), wire.Message{ID: wire.Extended, Ext: 2, Data: []byte("pex")}},
	{"extended, empty", wire.AppendExtended(nil, 1, nil), wire.Message{ID: wire.Extended, Ext: 1, Data: []byte{}}},
	{"extended, not ours", wire.AppendExtended(nil, 3, []byte("abc")), wire.Message{ID: wire.Ignored, Length: 5}},
	{"unknown", message("\x63 any"), wire.Message{ID: wire.Ignored, Length: 5}},
	{"unknown, named as ours", message("\xff"), wire.Message{ID: wire.Ignored, Length: 1}},
}

// The bytes of BEP 3, 6, 10 and 52, written by hand.
func TestMessageBytes(t *testing.T) {
	for name, c := range map[string]struct {
		got  []byte
		want string
	}{
		"keep-alive":   {wire.AppendKeepAlive(nil), "\x00\x00\x00\x00"},
		"unchoke":      {wire.AppendSimple(nil, wire.Unchoke), "\x00\x00\x00\x01\x01"},
		"have":         {wire.AppendHave(nil, 0x01020304), "\x00\x00\x00\x05\x04\x01\x02\x03\x04"},
		"bitfield":     {wire.AppendBitfield(nil, wire.Bitfield{0x80}), "\x00\x00\x00\x02\x05\x80"},
		"request":      {wire.AppendRequest(nil, 1, 2, 0x4000), "\x00\x00\x00\x0d\x06\x00\x00\x00\x01\x00\x00\x00\x02\x00\x00\x40\x00"},
		"cancel":       {wire.AppendCancel(nil, 1, 2, 0x4000), "\x00\x00\x00\x0d\x08\x00\x00\x00\x01\x00\x00\x00\x02\x00\x00\x40\x00"},
		"reject":       {wire.AppendReject(nil, 1, 2, 0x4000), "\x00\x00\x00\x0d\x10\x00\x00\x00\x01\x00\x00\x00\x02\x00\x00\x40\x00"},
		"piece":        {wire.AppendPiece(nil, 1, 2, []byte("xy")), "\x00\x00\x00\x0b\x07\x00\x00\x00\x01\x00\x00\x00\x02xy"},
		"suggest":      {wire.AppendSuggest(nil, 5), "\x00\x00\x00\x05\x0d\x00\x00\x00\x05"},
		"have all":     {wire.AppendSimple(nil, wire.HaveAll), "\x00\x00\x00\x01\x0e"},
		"have none":    {wire.AppendSimple(nil, wire.HaveNone), "\x00\x00\x00\x01\x0f"},
		"allowed fast": {wire.AppendAllowedFast(nil, 5), "\x00\x00\x00\x05\x11\x00\x00\x00\x05"},
		"extended":     {wire.AppendExtended(nil, 3, []byte("de")), "\x00\x00\x00\x04\x14\x03de"},
		"hash request": {wire.AppendHashRequest(nil, someRequest), "\x00\x00\x00\x31\x15" + "\x01\x02" + strings.Repeat("\x00", 30) + "\x00\x00\x00\x03\x00\x00\x00\x08\x00\x00\x00\x04\x00\x00\x00\x05"},
		"hashes":       {wire.AppendHashes(nil, merkle.Request{Length: 2}, make([]byte, 64)), "\x00\x00\x00\x71\x16" + strings.Repeat("\x00", 40) + "\x00\x00\x00\x02\x00\x00\x00\x00" + strings.Repeat("\x00", 64)},
		"hash reject":  {wire.AppendHashReject(nil, someRequest), "\x00\x00\x00\x31\x17" + "\x01\x02" + strings.Repeat("\x00", 30) + "\x00\x00\x00\x03\x00\x00\x00\x08\x00\x00\x00\x04\x00\x00\x00\x05"},
	} {
		require.Equal(t, c.want, string(c.got), name)
	}
}

func TestWrittenIsRead(t *testing.T) {
	var stream []byte
	for _, c := range said {
		stream = append(stream, c.bytes...)
	}
	for name, in := range map[string]io.Reader{
		"at once": bytes.NewReader(stream), "byte by byte": iotest.OneByteReader(bytes.NewReader(stream)),
		"end with data": iotest.DataErrReader(bytes.NewReader(stream)),
	} {
		t.Run(name, func(t *testing.T) {
			l := new(lender)
			lim := limits(1000)
			lim.ReadAhead = 1 // the least there is
			r := wire.NewReader(in, l, lim)
			for _, c := range said {
				m, err := r.Next()
				require.NoError(t, err, c.name)
				require.Equal(t, c.want, m, c.name)
				if m.ID == wire.Piece {
					l.Put(m.Data)
				}
			}
			for range 2 {
				_, err := r.Next()
				require.Equal(t, io.EOF, err)
			}
			require.Zero(t, l.lent)
		})
	}
}

// Wherever the connection ends inside a message, the reader says so and gives
// the buffer back.
func TestCutStream(t *testing.T) {
	for _, c := range said {
		for n := 1; n < len(c.bytes); n++ {
			l := new(lender)
			_, err := wire.NewReader(bytes.NewReader(c.bytes[:n]), l, limits(1000)).Next()
			require.ErrorIs(t, err, io.ErrUnexpectedEOF, "%s after %d bytes", c.name, n)
			require.NotEqual(t, io.EOF, err)
			require.Zero(t, l.lent)
		}
	}
}

func TestViolations(t *testing.T) {
	index := func(i uint32) string { return string(binary.BigEndian.AppendUint32(nil, i)) }
	plain := wire.Limits{Pieces: 10}
	for _, c := range []struct {
		name    string
		in      []byte
		limits  wire.Limits
		problem string
	}{
		{"length 2^32-1", frame(1<<32-1, "\x07"), limits(10), "longer than any message"},
		{"length 2^32-1 of an unknown kind", frame(1<<32-1, "\x63"), limits(10), "longer than any message"},
		{"unknown kind of 64 KiB and one", frame(64<<10+1, "\x63"), limits(10), "too long to skip"},
		{"unknown extension of 64 KiB and one", frame(64<<10+1, "\x14\x09"), limits(10), "too long to skip"},
		{"choke with payload", message("\x00x"), limits(10), "longer than its kind"},
		{"have, short", message("\x04\x00\x00\x00"), limits(10), "shorter than its kind"},
		{"have, long", message("\x04" + index(1) + "x"), limits(10), "longer than its kind"},
		{"have out of range", message("\x04" + index(10)), limits(10), "does not have"},
		{"have of the largest index", message("\x04" + index(1<<32-1)), limits(10), "does not have"},
		{"suggest out of range", message("\x0d" + index(10)), limits(10), "does not have"},
		{"allowed fast out of range", message("\x11" + index(10)), limits(10), "does not have"},
		{"bitfield, short", message("\x05\xff"), limits(10), "shorter than its kind"},
		{"bitfield, long", message("\x05\xff\xc0\x00"), limits(10), "longer than its kind"},
		{"bitfield with spare bits", message("\x05\xff\xe0"), limits(10), "spare bits"},
		{"bitfield without a torrent, over the cap", frame(2+wire.MaxBitfield, "\x05"), limits(0), "longer than its kind"},
		{"request, short", message("\x06" + index(1) + index(0)), limits(10), "shorter than its kind"},
		{"request of nothing", message("\x06" + index(1) + index(0) + index(0)), limits(10), "without bytes"},
		{"request of 2^31", message("\x06" + index(1) + index(0) + index(1<<31)), limits(10), "longer than any"},
		{"request of 128 KiB and one", message("\x06" + index(1) + index(0) + index(128<<10+1)), limits(10), "longer than any"},
		{"request that overflows", message("\x06" + index(1) + index(1<<32-1) + index(2)), limits(10), "beyond every piece"},
		{"request out of range", message("\x06" + index(10) + index(0) + index(1)), limits(10), "does not have"},
		{"cancel out of range", message("\x08" + index(10) + index(0) + index(1)), limits(10), "does not have"},
		{"reject out of range", message("\x10" + index(10) + index(0) + index(1)), limits(10), "does not have"},
		{"piece without a block", message("\x07" + index(1) + index(0)), limits(10), "shorter than its kind"},
		{"piece of 16 KiB and one", frame(9+wire.BlockSize+1, "\x07"), limits(10), "longer than its kind"},
		{"piece out of range", message("\x07" + index(10) + index(0) + "x"), limits(10), "does not have"},
		{"piece that overflows", message("\x07" + index(1) + index(1<<32-1) + "xy"), limits(10), "beyond every piece"},
		{"extended without a number", message("\x14"), limits(10), "shorter than its kind"},
		{"extended handshake too long", frame(2+16<<10+1, "\x14\x00"), limits(10), "its extension allows"},
		{"metadata too long", frame(2+16<<10+257, "\x14\x01"), limits(10), "its extension allows"},
		{"pex too long", frame(2+4097, "\x14\x02"), limits(10), "its extension allows"},
		{"extended of a megabyte and one", frame(2+1<<20+1, "\x14\x01"), limits(10), "longer than"},
		{"hash request, short", message("\x15" + strings.Repeat("x", 47)), limits(10), "shorter than its kind"},
		{"hash request, long", message("\x15" + strings.Repeat("x", 49)), limits(10), "longer than its kind"},
		{"hashes, none", message("\x16" + strings.Repeat("x", 48)), limits(10), "shorter than its kind"},
		{"hashes, one and a half", message("\x16" + strings.Repeat("x", 48+48)), limits(10), "whole number"},
		{"hashes, too many", frame(49+32*(wire.MaxHashes+1), "\x16"), limits(10), "longer than its kind"},
		{"fast message, not agreed", message("\x0e"), plain, "not agreed"},
		{"reject, not agreed", message("\x10" + index(1) + index(0) + index(1)), plain, "not agreed"},
		{"extended, not agreed", message("\x14\x00de"), plain, "not agreed"},
		{"hash request, not agreed", message("\x15" + strings.Repeat("x", 48)), plain, "not agreed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := new(lender)
			// What follows never arrives: the reader must not wait for it.
			in := io.MultiReader(bytes.NewReader(c.in), iotest.ErrReader(errors.New("read on")))
			r := wire.NewReader(in, l, c.limits)
			_, err := r.Next()
			var bad *wire.Error
			require.ErrorAs(t, err, &bad)
			require.Contains(t, bad.Problem, c.problem)
			require.ErrorIs(t, err, anon.ErrProtocol)
			require.Zero(t, l.lent)
			_, again := r.Next()
			require.Equal(t, err, again)
		})
	}
}

// As long as the torrent is not known, indices are taken as they are; once it
// is, they are judged.
func TestSetPieces(t *testing.T) {
	in := append(wire.AppendBitfield(nil, make(wire.Bitfield, 777)), wire.AppendHave(nil, 5000)...)
	r := wire.NewReader(bytes.NewReader(append(in, wire.AppendHave(nil, 5000)...)), new(lender), limits(0))
	m, err := r.Next()
	require.NoError(t, err)
	require.Len(t, m.Data, 777)
	_, err = r.Next()
	require.NoError(t, err)
	r.SetPieces(5000)
	_, err = r.Next()
	require.ErrorIs(t, err, anon.ErrProtocol)
}

// The loop learns how many pieces there are while a reader is at work.
func TestSetPiecesWhileReading(t *testing.T) {
	in := bytes.Repeat(wire.AppendHave(nil, 7), 1000)
	r := wire.NewReader(bytes.NewReader(in), new(lender), limits(0))
	told := make(chan struct{})
	go func() {
		defer close(told)
		r.SetPieces(8)
	}()
	for range 1000 {
		_, err := r.Next()
		require.NoError(t, err)
	}
	<-told
}

func TestHashMessages(t *testing.T) {
	hashes := bytes.Repeat([]byte("0123456789abcdef"), 2*someRequest.Count())
	for _, c := range []struct {
		id     wire.ID
		bytes  []byte
		hashes []byte
	}{
		{wire.HashRequest, wire.AppendHashRequest(nil, someRequest), []byte{}},
		{wire.Hashes, wire.AppendHashes(nil, someRequest, hashes), hashes},
		{wire.HashReject, wire.AppendHashReject(nil, someRequest), []byte{}},
	} {
		m, err := wire.NewReader(bytes.NewReader(c.bytes), new(lender), limits(10)).Next()
		require.NoError(t, err)
		require.Equal(t, c.id, m.ID)
		r, got, err := m.Hashes()
		require.NoError(t, err)
		require.Equal(t, someRequest, r)
		require.Equal(t, c.hashes, got)
	}
	for name, m := range map[string]wire.Message{
		"one hash less": {ID: wire.Hashes, Data: wire.AppendHashes(nil, someRequest, hashes[32:])[5:]},
		"of length 3":   {ID: wire.Hashes, Data: wire.AppendHashes(nil, merkle.Request{Length: 3}, hashes[:96])[5:]},
		"another kind":  {ID: wire.Piece, Data: make([]byte, 100)},
		"cut":           {ID: wire.HashRequest, Data: make([]byte, 47)},
		"empty":         {ID: wire.HashReject},
	} {
		_, _, err := m.Hashes()
		require.ErrorIs(t, err, anon.ErrProtocol, name)
	}
}

// A peer that announces the longest messages and then sends nothing costs next
// to nothing.
func TestAnnouncedLengthCostsNothing(t *testing.T) {
	reg := mustRegister(wire.Extension{Name: "big", Max: wire.MaxExtended})
	for name, in := range map[string][]byte{
		"bitfield": frame(1+wire.MaxBitfield, "\x05"), "extended": frame(2+wire.MaxExtended, "\x14\x01"),
		"hashes": frame(49+32*wire.MaxHashes, "\x16"),
	} {
		t.Run(name, func(t *testing.T) {
			const peers = 100
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			for range peers {
				r := wire.NewReader(bytes.NewReader(in), new(lender), wire.Limits{Features: everything, Registry: reg})
				_, err := r.Next()
				require.ErrorIs(t, err, io.ErrUnexpectedEOF)
			}
			runtime.ReadMemStats(&after)
			require.Less(t, (after.TotalAlloc-before.TotalAlloc)/peers, uint64(64<<10))
		})
	}
}

func TestLongMessagesArriveWhole(t *testing.T) {
	reg := mustRegister(wire.Extension{Name: "big", Max: wire.MaxExtended})
	for _, n := range []int{0, 1, 4095, 4096, 4097, 16384, 16385, 500_000, wire.MaxExtended} {
		want := make([]byte, n)
		for i := range want {
			want[i] = byte(i * 31 >> 3)
		}
		r := wire.NewReader(bytes.NewReader(wire.AppendExtended(nil, 1, want)), new(lender), wire.Limits{Features: everything, Registry: reg})
		m, err := r.Next()
		require.NoError(t, err)
		require.True(t, bytes.Equal(want, m.Data), "%d bytes", n)
	}
}

// again is an endless stream of the same bytes.
type again struct {
	b  []byte
	at int
}

func (a *again) Read(p []byte) (int, error) {
	n := copy(p, a.b[a.at:])
	a.at = (a.at + n) % len(a.b)
	return n, nil
}

func TestBlocksDoNotAllocate(t *testing.T) {
	in := wire.AppendPiece(wire.AppendHave(nil, 3), 1, 0, make([]byte, wire.BlockSize))
	l := new(lender)
	r := wire.NewReader(&again{b: in}, l, limits(10))
	require.Zero(t, testing.AllocsPerRun(1000, func() {
		m, err := r.Next()
		if err != nil {
			t.Error(err)
		}
		if m.ID == wire.Piece {
			l.Put(m.Data)
		}
	}))
	b := make([]byte, 0, 1<<15)
	require.Zero(t, testing.AllocsPerRun(100, func() {
		b = wire.AppendRequest(b[:0], 1, 2, 3)
		b = wire.AppendPieceHeader(b, 1, 2, 3)
		b = wire.AppendHashRequest(b, someRequest)
	}))
}

func BenchmarkReader(b *testing.B) {
	for name, ahead := range map[string]int{"4KiB": 0, "64KiB": 64 << 10} {
		b.Run(name, func(b *testing.B) {
			in := wire.AppendPiece(nil, 1, 0, make([]byte, wire.BlockSize))
			l := new(lender)
			r := wire.NewReader(&again{b: in}, l, wire.Limits{Pieces: 10, ReadAhead: ahead})
			b.SetBytes(wire.BlockSize)
			b.ReportAllocs()
			for b.Loop() {
				m, err := r.Next()
				if err != nil {
					b.Fatal(err)
				}
				l.Put(m.Data)
			}
		})
	}
}

func BenchmarkReaderRequests(b *testing.B) {
	r := wire.NewReader(&again{b: wire.AppendRequest(nil, 1, 2, 3)}, new(lender), wire.Limits{Pieces: 10})
	b.ReportAllocs()
	for b.Loop() {
		if _, err := r.Next(); err != nil {
			b.Fatal(err)
		}
	}
}

// No stream panics, takes more than it sent, or keeps a buffer; what is read
// can be written and read again.
func FuzzReader(f *testing.F) {
	for _, c := range said {
		f.Add(c.bytes, uint16(1000), uint8(everything))
	}
	f.Add(wire.AppendHashes(nil, someRequest, make([]byte, 32*someRequest.Count())), uint16(0), uint8(everything))
	f.Fuzz(func(t *testing.T, in []byte, pieces uint16, features uint8) {
		l := new(lender)
		lim := limits(int(pieces))
		lim.Features = wire.Features(features) & everything
		r := wire.NewReader(bytes.NewReader(in), l, lim)
		used := 0
		for {
			m, err := r.Next()
			if err != nil {
				var bad *wire.Error
				require.True(t, errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.As(err, &bad))
				break
			}
			out := rewrite(m)
			if out == nil {
				used += 4 + int(m.Length)
			} else {
				require.Equal(t, in[used:used+len(out)], out)
				used += len(out)
			}
			if m.ID == wire.Piece {
				l.Put(m.Data)
			}
			m.Hashes()
		}
		require.Zero(t, l.lent)
		require.LessOrEqual(t, used, len(in))
	})
}

// rewrite writes a message as it must have been; nil for an Ignored one.
func rewrite(m wire.Message) []byte {
	switch m.ID {
	case wire.Ignored:
		return nil
	case wire.KeepAlive:
		return wire.AppendKeepAlive(nil)
	case wire.Have, wire.Suggest, wire.AllowedFast:
		return fiveBytes(m)
	case wire.Request:
		return wire.AppendRequest(nil, m.Index, m.Begin, m.Length)
	case wire.Cancel:
		return wire.AppendCancel(nil, m.Index, m.Begin, m.Length)
	case wire.Reject:
		return wire.AppendReject(nil, m.Index, m.Begin, m.Length)
	case wire.Piece:
		return wire.AppendPiece(nil, m.Index, m.Begin, m.Data)
	case wire.Extended:
		return wire.AppendExtended(nil, m.Ext, m.Data)
	case wire.Bits, wire.HashRequest, wire.Hashes, wire.HashReject:
		return frame(uint32(len(m.Data)+1), string([]byte{byte(m.ID)})+string(m.Data))
	}
	return wire.AppendSimple(nil, m.ID)
}

func fiveBytes(m wire.Message) []byte {
	return binary.BigEndian.AppendUint32(frame(5, string([]byte{byte(m.ID)})), m.Index)
}
