package mse_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/big"
	"math/rand/v2"
	"net"
	"testing"
	"time"

	library "github.com/anacrolix/torrent/mse"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"sotto/anon"
	"sotto/anon/profile"
	"sotto/client/engine/wire"
	"sotto/client/engine/wire/mse"
	"sotto/transport"
	"sotto/transport/memory"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const patience = 30 * time.Second

var hash = [20]byte([]byte("hhhhhhhhhhhhhhhhhhhh"))

type fatal interface {
	require.TestingT
	Helper()
	Context() context.Context
}

// pair returns both ends of a stream of the memory network, with deadlines.
func pair(t fatal) (dialer, acceptor net.Conn, done func()) {
	t.Helper()
	tr := memory.New(memory.Options{}).Transport()
	open := func() transport.Endpoint {
		e, err := tr.Open(t.Context(), anon.Identity{Network: anon.Memory, Label: anon.NewLabel()})
		require.NoError(t, err)
		return e
	}
	a, b := open(), open()
	dialer, err := a.Dial(t.Context(), b.Addr())
	require.NoError(t, err)
	acceptor, err = b.Accept(t.Context())
	require.NoError(t, err)
	for _, c := range []net.Conn{dialer, acceptor} {
		require.NoError(t, c.SetDeadline(time.Now().Add(patience)))
	}
	return dialer, acceptor, func() { require.NoError(t, tr.Close()) }
}

// spy keeps what is written to a stream.
type spy struct {
	net.Conn
	out bytes.Buffer
}

func (s *spy) Write(b []byte) (int, error) {
	s.out.Write(b)
	return s.Conn.Write(b)
}

type end struct {
	conn io.ReadWriter
	err  error
}

// first is what a dialer says first.
var first = string(wire.AppendHandshake(nil, wire.Handshake{InfoHash: hash})) + "more"

// talk has both ends say different things at once and checks that every byte
// arrives.
func talk(t fatal, dialer, acceptor io.ReadWriter, already string, size int) {
	t.Helper()
	there, back := make([]byte, size), make([]byte, size+7)
	rand.NewChaCha8([32]byte{1}).Read(there)
	rand.NewChaCha8([32]byte{2}).Read(back)
	errs := make(chan error, 2)
	send := func(w io.Writer, b []byte) {
		kept := bytes.Clone(b)
		for rest := b; len(rest) > 0; {
			n := min(len(rest), 1+size/3)
			if _, err := w.Write(rest[:n]); err != nil {
				errs <- err
				return
			}
			rest = rest[n:]
		}
		if !bytes.Equal(kept, b) {
			errs <- errors.New("the writer's bytes were changed")
			return
		}
		errs <- nil
	}
	go send(dialer, there)
	go send(acceptor, back)
	got := make([]byte, len(already)+size)
	_, err := io.ReadFull(acceptor, got)
	require.NoError(t, err)
	require.Equal(t, already, string(got[:len(already)]))
	require.True(t, bytes.Equal(there, got[len(already):]), "dialer's bytes")
	got = make([]byte, len(back))
	_, err = io.ReadFull(dialer, got)
	require.NoError(t, err)
	require.True(t, bytes.Equal(back, got), "acceptor's bytes")
	require.NoError(t, <-errs)
	require.NoError(t, <-errs)
}

func TestPolicies(t *testing.T) {
	const ok, refused = true, false
	for _, c := range []struct {
		name           string
		dial, accept   profile.Encryption
		works, inClear bool
	}{
		{"required, required", profile.Required, profile.Required, ok, false},
		{"required, preferred", profile.Required, profile.Preferred, ok, false},
		{"required, accept", profile.Required, profile.Accept, ok, false},
		{"preferred, required", profile.Preferred, profile.Required, ok, false},
		{"preferred, preferred", profile.Preferred, profile.Preferred, ok, false},
		{"preferred, accept", profile.Preferred, profile.Accept, ok, false},
		{"accept, required", profile.Accept, profile.Required, refused, true},
		{"accept, preferred", profile.Accept, profile.Preferred, ok, true},
		{"accept, accept", profile.Accept, profile.Accept, ok, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			d, a, done := pair(t)
			defer done()
			ds, as := &spy{Conn: d}, &spy{Conn: a}
			accepted := make(chan end, 1)
			go func() {
				conn, err := mse.Accept(as, c.accept, hash)
				accepted <- end{conn, err}
			}()
			dialed, err := mse.Dial(ds, c.dial, hash, []byte(first))
			require.NoError(t, err)
			in := <-accepted
			if c.works == refused {
				require.ErrorIs(t, in.err, anon.ErrProtocol)
				require.Zero(t, as.out.Len(), "nothing is written to a peer that is refused")
				return
			}
			require.NoError(t, in.err)
			talk(t, dialed, in.conn, first, 100_000)
			require.Equal(t, c.inClear, bytes.Contains(ds.out.Bytes(), []byte(first)))
		})
	}
}

func TestUnknownPolicy(t *testing.T) {
	d, a, done := pair(t)
	defer done()
	_, err := mse.Dial(d, 9, hash, nil)
	require.Error(t, err)
	_, err = mse.Accept(a, 9, hash)
	require.Error(t, err)
	_, err = mse.Dial(d, profile.Required, hash, make([]byte, 64<<10))
	require.Error(t, err)
}

// A torrent with two names is found by either, and by no third.
func TestEitherName(t *testing.T) {
	one, two := [20]byte{1}, [20]byte{2}
	for _, named := range [][20]byte{one, two, {3}} {
		dialer, acceptor, done := pair(t)
		accepted := make(chan error, 1)
		go func() {
			c, err := mse.Accept(acceptor, profile.Required, one, two)
			if err == nil {
				b := make([]byte, 5)
				if _, err = io.ReadFull(c, b); err == nil && string(b) != "hello" {
					err = errors.New("other words")
				}
			}
			acceptor.Close()
			accepted <- err
		}()
		_, err := mse.Dial(dialer, profile.Required, named, []byte("hello"))
		if named == one || named == two {
			require.NoError(t, err)
			require.NoError(t, <-accepted)
		} else {
			require.Error(t, err)
			require.ErrorIs(t, <-accepted, anon.ErrProtocol)
		}
		done()
	}
	_, err := mse.Accept(nil, profile.Required)
	require.Error(t, err)
}

// A dialer that names another torrent than ours learns nothing but random
// bytes.
func TestWrongTorrent(t *testing.T) {
	d, a, done := pair(t)
	defer done()
	as := &spy{Conn: a}
	accepted := make(chan end, 1)
	go func() {
		conn, err := mse.Accept(as, profile.Accept, hash)
		as.Close()
		accepted <- end{conn, err}
	}()
	_, err := mse.Dial(d, profile.Required, [20]byte{1}, []byte(first))
	require.Error(t, err)
	require.ErrorIs(t, (<-accepted).err, anon.ErrProtocol)
	require.GreaterOrEqual(t, as.out.Len(), 96)
	require.LessOrEqual(t, as.out.Len(), 96+512)
}

// The library's implementation understands ours, in both roles and methods.
func TestLibraryDials(t *testing.T) {
	for _, provides := range []library.CryptoMethod{library.CryptoMethodRC4, library.CryptoMethodPlaintext, library.AllSupportedCrypto} {
		for _, policy := range []profile.Encryption{profile.Required, profile.Accept} {
			d, a, done := pair(t)
			accepted := make(chan end, 1)
			go func() {
				conn, err := mse.Accept(a, policy, hash)
				if err != nil {
					a.Close()
				}
				accepted <- end{conn, err}
			}()
			conn, method, err := library.InitiateHandshake(d, hash[:], []byte(first), provides)
			in := <-accepted
			if policy == profile.Required && provides == library.CryptoMethodPlaintext {
				require.Error(t, err)
				require.ErrorIs(t, in.err, anon.ErrProtocol)
			} else {
				require.NoError(t, err)
				require.NoError(t, in.err)
				require.Equal(t, provides&library.CryptoMethodRC4 != 0, method == library.CryptoMethodRC4)
				talk(t, conn, in.conn, first, 50_000)
			}
			done()
		}
	}
}

func TestLibraryAccepts(t *testing.T) {
	for _, chosen := range []library.CryptoMethod{library.CryptoMethodRC4, library.CryptoMethodPlaintext} {
		for _, policy := range []profile.Encryption{profile.Required, profile.Preferred} {
			d, a, done := pair(t)
			accepted := make(chan end, 1)
			go func() {
				keys := func(yield func([]byte) bool) { yield(hash[:]) }
				conn, _, err := library.ReceiveHandshake(context.Background(), a, keys, func(library.CryptoMethod) library.CryptoMethod { return chosen })
				accepted <- end{conn, err}
			}()
			conn, err := mse.Dial(d, policy, hash, []byte(first))
			in := <-accepted
			require.NoError(t, in.err)
			if policy == profile.Required && chosen == library.CryptoMethodPlaintext {
				require.ErrorIs(t, err, anon.ErrProtocol)
			} else {
				require.NoError(t, err)
				talk(t, conn, in.conn, first, 50_000)
			}
			done()
		}
	}
}

const modulus = "FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74020BBEA63B139B22514A08798E3404DDEF9519B3CD3A431B302B0A6DF25F14374FE1356D6D51C245E485B576625E7EC6F44C42E9A63A36210000000000090563"

func TestHostileDialers(t *testing.T) {
	p, _ := new(big.Int).SetString(modulus, 16)
	key := func(n *big.Int) []byte { return n.FillBytes(make([]byte, 96)) }
	random := make([]byte, 96+512+20)
	rand.NewChaCha8([32]byte{3}).Read(random)
	for name, c := range map[string]struct {
		in    []byte
		want  error
		wrote bool
	}{
		"nothing":             {nil, io.EOF, false},
		"cut in the greeting": {[]byte("\x13Bit"), io.EOF, false},
		"cut key":             {random[:95], io.ErrUnexpectedEOF, false},
		"key 0":               {key(big.NewInt(0)), anon.ErrProtocol, false},
		"key 1":               {key(big.NewInt(1)), anon.ErrProtocol, false},
		"key p-1":             {key(new(big.Int).Sub(p, big.NewInt(1))), anon.ErrProtocol, false},
		"key p":               {key(p), anon.ErrProtocol, false},
		"key above p":         {bytes.Repeat([]byte{0xff}, 96), anon.ErrProtocol, false},
		"key alone":           {random[:96], io.EOF, true},
		"garbage of 532":      {random, anon.ErrProtocol, true},
		"more garbage":        {bytes.Repeat(random, 3), anon.ErrProtocol, true},
		"http":                {append([]byte("GET / HTTP/1.1\r\nHost: x\r\n"), random...), anon.ErrProtocol, true},
	} {
		t.Run(name, func(t *testing.T) {
			d, a, done := pair(t)
			defer done()
			_, err := d.Write(c.in)
			require.NoError(t, err)
			require.NoError(t, d.Close())
			s := &spy{Conn: a}
			_, err = mse.Accept(&deaf{s}, profile.Accept, hash)
			require.ErrorIs(t, err, c.want)
			require.Equal(t, c.wrote, s.out.Len() > 0)
		})
	}
}

// deaf takes writes for a peer that has closed.
type deaf struct{ *spy }

func (d *deaf) Write(b []byte) (int, error) { return d.out.Write(b) }

func TestHostileAcceptors(t *testing.T) {
	random := make([]byte, 96+512+8)
	rand.NewChaCha8([32]byte{4}).Read(random)
	for name, c := range map[string]struct {
		in   []byte
		want error
	}{
		"nothing": {nil, io.EOF}, "a plain handshake": {[]byte(first), io.ErrUnexpectedEOF},
		"key 0": {make([]byte, 96), anon.ErrProtocol}, "key alone": {random[:96], io.EOF}, "garbage of 520": {random, anon.ErrProtocol},
	} {
		t.Run(name, func(t *testing.T) {
			d, a, done := pair(t)
			defer done()
			_, err := a.Write(c.in)
			require.NoError(t, err)
			require.NoError(t, a.Close())
			_, err = mse.Dial(&deaf{&spy{Conn: d}}, profile.Required, hash, []byte(first))
			require.ErrorIs(t, err, c.want)
		})
	}
}

// A peer that says nothing holds us until the caller's deadline, no longer.
func TestDeadlineEnds(t *testing.T) {
	for name, run := range map[string]func(net.Conn) error{
		"accept": func(c net.Conn) error { _, err := mse.Accept(c, profile.Accept, hash); return err },
		"dial":   func(c net.Conn) error { _, err := mse.Dial(c, profile.Required, hash, nil); return err },
	} {
		t.Run(name, func(t *testing.T) {
			d, _, done := pair(t)
			defer done()
			require.NoError(t, d.SetDeadline(time.Now().Add(20*time.Millisecond)))
			var late net.Error
			require.ErrorAs(t, run(d), &late)
			require.True(t, late.Timeout())
		})
	}
}

// failing lets some bytes through and then fails once.
type failing struct {
	net.Conn
	left  int
	calls int
}

func (f *failing) Write(b []byte) (int, error) {
	f.calls++
	if f.left < len(b) {
		return f.left, errors.New("link broke")
	}
	return f.Conn.Write(b)
}

// After a write that failed halfway the key stream is lost: what followed
// would be noise, so nothing follows.
func TestNoWriteAfterAFailedOne(t *testing.T) {
	d, a, done := pair(t)
	defer done()
	f := &failing{Conn: d, left: 1 << 20}
	accepted := make(chan end, 1)
	go func() {
		conn, err := mse.Accept(a, profile.Required, hash)
		accepted <- end{conn, err}
	}()
	conn, err := mse.Dial(f, profile.Required, hash, []byte(first))
	require.NoError(t, err)
	require.NoError(t, (<-accepted).err)
	f.left, f.calls = 3, 0
	n, err := conn.Write([]byte("broken off"))
	require.EqualError(t, err, "link broke")
	require.Equal(t, 3, n)
	f.left = 1 << 20
	n, again := conn.Write([]byte("x"))
	require.Equal(t, err, again)
	require.Zero(t, n)
	require.Equal(t, 1, f.calls)
}

// Whatever the sizes, no byte is lost at the edge between exchange and talk.
func TestNoByteIsLost(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d, a, done := pair(rapidT{t})
		defer done()
		policy := rapid.SampledFrom([]profile.Encryption{profile.Required, profile.Preferred, profile.Accept}).Draw(t, "policy")
		// Shorter than a key it could not be told from one that is cut.
		said := first + string(rapid.SliceOfN(rapid.Byte(), 0, 3000).Draw(t, "said"))
		accepted := make(chan end, 1)
		go func() {
			conn, err := mse.Accept(a, profile.Accept, hash)
			accepted <- end{conn, err}
		}()
		conn, err := mse.Dial(d, policy, hash, []byte(said))
		require.NoError(t, err)
		in := <-accepted
		require.NoError(t, in.err)
		talk(rapidT{t}, conn, in.conn, said, rapid.IntRange(1, 60_000).Draw(t, "size"))
	})
}

type rapidT struct{ *rapid.T }

func FuzzAccept(f *testing.F) {
	f.Add([]byte(first), uint8(profile.Accept))
	f.Add(bytes.Repeat([]byte{7}, 700), uint8(profile.Required))
	f.Fuzz(func(t *testing.T, in []byte, policy uint8) {
		c := &canned{in: bytes.NewReader(in)}
		conn, err := mse.Accept(c, profile.Encryption(policy), hash)
		if err != nil {
			return
		}
		require.True(t, bytes.HasPrefix(in, []byte(wire.Greeting)), "nobody guesses a key")
		require.NotEqual(t, uint8(profile.Required), policy)
		require.Zero(t, c.out)
		got, err := io.ReadAll(conn)
		require.NoError(t, err)
		require.True(t, bytes.Equal(in, got))
	})
}

func FuzzDial(f *testing.F) {
	f.Add([]byte(first))
	f.Add(bytes.Repeat([]byte{7}, 700))
	f.Fuzz(func(t *testing.T, in []byte) {
		_, err := mse.Dial(&canned{in: bytes.NewReader(in)}, profile.Required, hash, []byte(first))
		require.Error(t, err, "nobody guesses a key")
	})
}

// canned is a peer that says what it has to say whatever it hears.
type canned struct {
	net.Conn
	in  *bytes.Reader
	out int
}

func (c *canned) Read(b []byte) (int, error) { return c.in.Read(b) }

func (c *canned) Write(b []byte) (int, error) {
	c.out += len(b)
	return len(b), nil
}

func BenchmarkRead(b *testing.B) {
	d, a, done := pair(b)
	defer done()
	accepted := make(chan end, 1)
	go func() {
		conn, err := mse.Accept(a, profile.Required, hash)
		accepted <- end{conn, err}
	}()
	conn, err := mse.Dial(d, profile.Required, hash, nil)
	require.NoError(b, err)
	in := <-accepted
	require.NoError(b, in.err)
	block := make([]byte, 16<<10)
	b.SetBytes(int64(len(block)))
	b.ReportAllocs()
	for b.Loop() {
		conn.Write(block)
		io.ReadFull(in.conn, block)
	}
}
