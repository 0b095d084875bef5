// Package transporttest is what every transport must pass: the contracts of
// package transport, each as a named test case.
//
// It knows no network. It talks only through the two transports it is given
// and opens no socket of its own. A case never asserts how fast something is,
// only that it ends within the limits the factory sets.
package transporttest

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"sotto/anon"
	"sotto/transport"
)

// Factory describes the transport under test. Every zero duration and number
// has a default fit for a network inside this machine.
type Factory struct {
	// Make returns two transports whose endpoints can reach each other, or
	// the same one twice. It is called once; the suite closes both.
	Make func(t *testing.T) (a, b transport.Transport)

	// OpenTimeout limits Open; default 30 s. I2P and Tor want minutes.
	OpenTimeout time.Duration
	// DialTimeout limits a dial with its first bytes; default 30 s.
	DialTimeout time.Duration
	// NobodyTimeout is how long the dial of somebody who is not there may try;
	// default DialTimeout. A transport that goes on until its ctx ends keeps
	// its promise after a short one as well as after a long one.
	NobodyTimeout time.Duration
	// Prompt is what "soon after ctx is done" and "Close unblocks" may last;
	// default 10 s.
	Prompt time.Duration
	// CloseTimeout limits Transport.Close; default 30 s.
	CloseTimeout time.Duration

	// Slow leaves nettest.TestConn out, whose limit of a minute for a
	// mebibyte is no fault of a transport. The suite's own cases for
	// deadlines, closing and hashes stay.
	Slow bool
	// LazyDial says that Dial reports success before the remote has answered,
	// as on I2P.
	LazyDial bool
	// HidesDialers says that inbound connections come from anon.Unknown.
	HidesDialers bool
	// OwnsSockets says that connections run over sockets of this process and
	// must be transport.Wired; without it they must not be.
	OwnsSockets bool

	// Greetings is how many short connections carry bytes written at once
	// after Dial and Accept; default 64.
	Greetings int
	// Streams is how many large streams run side by side, default 8, each of
	// StreamBytes in both directions, default 1 MiB.
	Streams     int
	StreamBytes int

	// IgnoreGoroutines excuses goroutines that outlive the transport by
	// design, such as those of a lab network started by the test.
	IgnoreGoroutines []goleak.Option
}

func (f Factory) withDefaults() Factory {
	set := func(d *time.Duration, v time.Duration) {
		if *d == 0 {
			*d = v
		}
	}
	set(&f.OpenTimeout, 30*time.Second)
	set(&f.DialTimeout, 30*time.Second)
	set(&f.NobodyTimeout, f.DialTimeout)
	set(&f.Prompt, 10*time.Second)
	set(&f.CloseTimeout, 30*time.Second)
	if f.Greetings == 0 {
		f.Greetings = 64
	}
	if f.Streams == 0 {
		f.Streams = 8
	}
	if f.StreamBytes == 0 {
		f.StreamBytes = 1 << 20
	}
	return f
}

// Run runs all cases, one after the other, on one pair of endpoints, and ends
// with those that close things.
func Run(t *testing.T, f Factory) {
	f = f.withDefaults()
	ignore := append([]goleak.Option{goleak.IgnoreCurrent()}, f.IgnoreGoroutines...)
	s := &suite{Factory: f}
	s.ta, s.tb = f.Make(t)
	closed := false
	t.Cleanup(func() { // a case failed on the way: leave nothing running
		if !closed {
			s.ta.Close()
			s.tb.Close()
		}
	})
	s.network = s.ta.Network()
	s.a, s.b = s.open(t, s.ta), s.open(t, s.tb)

	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) { c.run(t, s) })
	}
	t.Run("TransportClose", func(t *testing.T) { s.transportClose(t); closed = true })
	t.Run("NoGoroutineLeft", func(t *testing.T) {
		end := time.Now().Add(f.CloseTimeout)
		err := goleak.Find(ignore...) // waits a little by itself
		for err != nil && time.Now().Before(end) {
			err = goleak.Find(ignore...)
		}
		require.NoError(t, err, "goroutines outlive Close")
	})
}

type suite struct {
	Factory
	network anon.Network
	ta, tb  transport.Transport
	a, b    transport.Endpoint // b accepts, a dials; no case closes them
}

var cases = []struct {
	name string
	run  func(*testing.T, *suite)
}{
	{"NetworkIsNamed", networkIsNamed},
	{"OpenRefusesAnotherNetwork", openRefusesAnotherNetwork},
	{"OpenRefusesNoLabel", openRefusesNoLabel},
	{"OpenCancels", openCancels},
	{"ParseAddrRefusesStrangers", parseAddrRefusesStrangers},
	{"AddrRoundTrips", addrRoundTrips},
	{"RouterIsProven", routerIsProven},
	{"DialRefusesAnotherNetwork", dialRefusesAnotherNetwork},
	{"DialRefusesUnknown", dialRefusesUnknown},
	{"DialUnreachable", dialUnreachable},
	{"DialCancels", dialCancels},
	{"AcceptCancels", acceptCancels},
	{"BothEndsNamed", bothEndsNamed},
	{"WirePresent", wirePresent},
	{"FirstBytesArrive", firstBytesArrive},
	{"Deadlines", deadlines},
	{"CloseUnblocksOwnCalls", closeUnblocksOwnCalls},
	{"CloseReachesTheOtherEnd", closeReachesTheOtherEnd},
	{"ConcurrentStreams", concurrentStreams},
	{"NetTest", netTest},
	{"EndpointClose", endpointClose},
	{"EndpointCloseLeavesOthers", endpointCloseLeavesOthers},
}

func (s *suite) identity() anon.Identity {
	return anon.Identity{Network: s.network, Label: anon.NewLabel()}
}

func (s *suite) open(t *testing.T, tr transport.Transport) transport.Endpoint {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), s.OpenTimeout)
	defer cancel()
	e, err := tr.Open(ctx, s.identity())
	require.NoError(t, err)
	return e
}

// within returns what f returns and fails the test when that takes too long.
// It leaves f behind in that case, since nothing can stop it; f therefore must
// not touch t.
func within(t *testing.T, limit time.Duration, what string, f func() error) error {
	t.Helper()
	done := make(chan error, 1)
	go func() { done <- f() }()
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case err := <-done:
		return err
	case <-timer.C:
		t.Fatalf("%s still blocked after %v", what, limit)
		return nil
	}
}
