package conform

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"sotto/anon/guard"
	"sotto/transport"
	"sotto/transport/i2p"
	"sotto/transport/tor"
	"sotto/transport/transporttest"
)

// The real transports, over real daemons and behind the guard, keep every
// promise of package transport.
func TestTorTransport(t *testing.T) {
	testTor(t, true, torTransport)
}

// And they keep them through the broker, as the engine has them.
func TestTorThroughTheBroker(t *testing.T) {
	testTor(t, false, func(t testing.TB) transport.Transport { return brokered(t, torTransport(t)) })
}

func testTor(t *testing.T, ownsSockets bool, open func(testing.TB) transport.Transport) {
	_, err := lab.Tor(within(t)) // before goroutines are counted
	require.NoError(t, err)
	transporttest.Run(t, transporttest.Factory{
		Make:        func(t *testing.T) (a, b transport.Transport) { return open(t), open(t) },
		OpenTimeout: 2 * time.Minute, DialTimeout: 2 * time.Minute, Prompt: 30 * time.Second, CloseTimeout: time.Minute,
		Slow: true, HidesDialers: true, OwnsSockets: ownsSockets, Greetings: 32, StreamBytes: 1 << 20,
	})
}

func torTransport(t testing.TB) transport.Transport {
	t.Helper()
	net, err := lab.Tor(within(t))
	require.NoError(t, err)
	tr, err := tor.New(tor.Config{UnsafeTorrc: net.ClientTorrc()})
	require.NoError(t, err)
	return guard.New(tr, guard.Options{})
}

// I2P goes through the broker only, which has the guarded transport behind it:
// the suite waits minutes for a router to give up, and would twice. That the
// transport shows its sockets to the guard is a test of transport/i2p.
func TestI2PThroughTheBroker(t *testing.T) {
	_, err := lab.I2P(within(t)) // before goroutines are counted
	require.NoError(t, err)
	transporttest.Run(t, transporttest.Factory{
		Make: func(t *testing.T) (a, b transport.Transport) {
			return brokered(t, i2pTransport(t, 0)), brokered(t, i2pTransport(t, 1))
		},
		OpenTimeout: 5 * time.Minute, DialTimeout: 3 * time.Minute, NobodyTimeout: 45 * time.Second,
		Prompt: 30 * time.Second, CloseTimeout: time.Minute,
		Slow: true, LazyDial: true, Greetings: 16, Streams: 4, StreamBytes: 256 << 10,
	})
}

func i2pTransport(t testing.TB, router int) transport.Transport {
	t.Helper()
	net, err := lab.I2P(within(t))
	require.NoError(t, err)
	tr, err := i2p.New(i2p.Config{SAM: net.SAM(router)})
	require.NoError(t, err)
	return guard.New(tr, guard.Options{})
}
