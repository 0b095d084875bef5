package transporttest_test

import (
	"context"
	"flag"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"sotto/anon"
	"sotto/transport"
	"sotto/transport/memory"
	"sotto/transport/transporttest"
)

var chosen = flag.String("mutant", "", "the broken transport that TestMutant runs the suite on")

// mutant is a transport with one fault, and caught the case that must fail.
type mutant struct {
	caught    string
	transport func(transport.Transport) transport.Transport
	endpoint  func(transport.Endpoint) transport.Endpoint
	conn      func(net.Conn) net.Conn
}

var mutants = map[string]mutant{
	"reads the first bytes away": {caught: "FirstBytesArrive", endpoint: func(e transport.Endpoint) transport.Endpoint { return greedy{e} }},
	"says nothing on close":      {caught: "EndpointClose", endpoint: func(e transport.Endpoint) transport.Endpoint { return open{e} }},
	"cannot be cancelled":        {caught: "AcceptCancels", endpoint: func(e transport.Endpoint) transport.Endpoint { return stubborn{e} }},
	"dials anything":             {caught: "DialRefusesAnotherNetwork", endpoint: func(e transport.Endpoint) transport.Endpoint { return eager{e} }},
	"parses anything":            {caught: "ParseAddrRefusesStrangers", transport: func(t transport.Transport) transport.Transport { return parser{t} }},
	"opens anything":             {caught: "OpenRefusesAnotherNetwork", transport: func(t transport.Transport) transport.Transport { return opener{t} }},
	"leaves a goroutine":         {caught: "NoGoroutineLeft", transport: func(t transport.Transport) transport.Transport { return messy{t} }},
	"shows an IP address":        {caught: "BothEndsNamed", conn: func(c net.Conn) net.Conn { return named{c} }},
	"shows a socket it has not":  {caught: "WirePresent", conn: func(c net.Conn) net.Conn { return socketed{c} }},
	"ignores deadlines":          {caught: "Deadlines", conn: func(c net.Conn) net.Conn { return patient{c} }},
	"changes a byte":             {caught: "ConcurrentStreams", conn: func(c net.Conn) net.Conn { return &garbled{Conn: c} }},
}

// TestSuiteCatches is the suite's positive control: each broken transport must
// fail in its own case. It runs in a process of its own, since a failing test
// cannot be taken back.
func TestSuiteCatches(t *testing.T) {
	self, err := os.Executable()
	require.NoError(t, err)
	for name, m := range mutants {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
			defer cancel()
			out, err := exec.CommandContext(ctx, self, "-test.run=^TestMutant$", "-mutant="+name).CombinedOutput()
			require.Error(t, err)
			require.Contains(t, string(out), "--- FAIL: TestMutant/"+m.caught)
		})
	}
}

// TestMutant runs the suite on the transport named by -mutant, and without it
// on one that has nothing wrong.
func TestMutant(t *testing.T) {
	m := mutants[*chosen]
	transporttest.Run(t, transporttest.Factory{
		Make: func(*testing.T) (a, b transport.Transport) {
			n := memory.New(memory.Options{})
			return m.wrap(n.Transport()), m.wrap(n.Transport())
		},
		DialTimeout: time.Second, Prompt: 2 * time.Second, CloseTimeout: 3 * time.Second,
		Slow: true, Greetings: 8, Streams: 2, StreamBytes: 64 << 10,
	})
}

func (m mutant) wrap(t transport.Transport) transport.Transport {
	t = proven{t, t.(transport.Prober), m}
	if m.transport != nil {
		t = m.transport(t)
	}
	return t
}

// proven applies a mutant's faults to endpoints and connections.
type proven struct {
	transport.Transport
	transport.Prober
	m mutant
}

func (p proven) Open(ctx context.Context, id anon.Identity) (transport.Endpoint, error) {
	e, err := p.Transport.Open(ctx, id)
	if err != nil {
		return nil, err
	}
	if p.m.conn != nil {
		e = bent{e, p.m.conn}
	}
	if p.m.endpoint != nil {
		e = p.m.endpoint(e)
	}
	return e, nil
}

type bent struct {
	transport.Endpoint
	bend func(net.Conn) net.Conn
}

func (b bent) Dial(ctx context.Context, to anon.Addr) (net.Conn, error) {
	c, err := b.Endpoint.Dial(ctx, to)
	if err != nil {
		return nil, err
	}
	return b.bend(c), nil
}

func (b bent) Accept(ctx context.Context) (net.Conn, error) {
	c, err := b.Endpoint.Accept(ctx)
	if err != nil {
		return nil, err
	}
	return b.bend(c), nil
}

type greedy struct{ transport.Endpoint }

func (g greedy) Accept(ctx context.Context) (net.Conn, error) {
	c, err := g.Endpoint.Accept(ctx)
	if err == nil {
		c.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
		c.Read(make([]byte, 4096)) // as a buffered reader of the router's line does
		c.SetReadDeadline(time.Time{})
	}
	return c, err
}

type open struct{ transport.Endpoint }

func (open) Close() error { return nil }

type stubborn struct{ transport.Endpoint }

func (s stubborn) Accept(ctx context.Context) (net.Conn, error) {
	return s.Endpoint.Accept(context.WithoutCancel(ctx))
}

type eager struct{ transport.Endpoint }

func (e eager) Dial(ctx context.Context, to anon.Addr) (net.Conn, error) {
	return e.Endpoint.Dial(ctx, anon.MemoryAddr(to.Key()))
}

type parser struct{ transport.Transport }

func (p parser) ParseAddr(s string) (anon.Addr, error) {
	if strings.HasPrefix(s, "127.") {
		return anon.MemoryAddr([32]byte{1}), nil
	}
	return p.Transport.ParseAddr(s)
}

type opener struct{ transport.Transport }

func (o opener) Open(ctx context.Context, id anon.Identity) (transport.Endpoint, error) {
	id.Network = anon.Memory
	return o.Transport.Open(ctx, id)
}

type messy struct{ transport.Transport }

func (m messy) Close() error {
	go func() { select {} }()
	return m.Transport.Close()
}

type named struct{ net.Conn }

func (named) LocalAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1} }

type socketed struct{ net.Conn }

func (s socketed) Wire() net.Conn { return s.Conn }

type patient struct{ net.Conn }

func (patient) SetReadDeadline(time.Time) error { return nil }

type garbled struct {
	net.Conn
	read int
}

func (g *garbled) Read(p []byte) (int, error) {
	n, err := g.Conn.Read(p)
	if g.read < 40_000 && g.read+n >= 40_000 {
		p[0] ^= 1
	}
	g.read += n
	return n, err
}
