package broker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"sync"

	"sotto/anon"
	"sotto/transport"
)

// errGone: the broker is no more, and nothing can be reached without it.
var errGone = &fault{"the broker is gone", []error{anon.ErrUnavailable, net.ErrClosed}}

// Client is the engine's side. All methods may be called concurrently.
type Client struct {
	link       link
	transports []transport.Transport
	controls   []net.Listener
	wg         sync.WaitGroup
	slots      chan struct{} // a request that has no reply yet, closes aside
	done       chan struct{} // closed when the connection has ended

	mu    sync.Mutex
	err   error // why, once done is closed
	calls map[uint32]*call
	last  uint32 // id of the newest call
}

// call is a request without reply.
type call struct {
	verb      verb
	answered  chan answer // has room for the one it gets
	abandoned bool        // nobody waits; guarded by Client.mu
}

// answer is a reply, its error and the stream that came with it.
type answer struct {
	message
	err  error
	conn *net.UnixConn
}

// Connect takes f over, the engine's end of a Pair, and greets the broker. It
// waits at most ten seconds. The Client ends with the broker.
func Connect(ctx context.Context, f *os.File) (*Client, error) {
	l, err := newLink(f)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { l.Close() })
	m, err := meet(l)
	if !stop() {
		err = ctx.Err()
	}
	if err != nil {
		l.Close()
		return nil, fmt.Errorf("connect to broker: %w", err)
	}
	c := &Client{
		link: l, slots: make(chan struct{}, m.Limit),
		done: make(chan struct{}), calls: map[uint32]*call{},
	}
	for i, n := range []byte(m.text(0)) {
		c.transports = append(c.transports, newNetwork(c, uint32(i), anon.Network(n)))
	}
	for i := range m.Doors {
		c.controls = append(c.controls, &controlListener{client: c, door: uint32(i), closed: make(chan struct{})})
	}
	c.wg.Go(c.read)
	return c, nil
}

func meet(l link) (message, error) {
	if err := l.send(encoded(hello(message{}))); err != nil {
		return message{}, err
	}
	l.within(helloTimeout)
	buf := make([]byte, maxMessage)
	n, _, err := l.receive(buf, false)
	if err != nil {
		return message{}, err
	}
	l.within(0)
	m, err := parseHello(buf[:n])
	if err == nil && m.Doors > maxDoors {
		err = violation("more doors than there may be")
	}
	return m, err
}

// Transports returns one Transport for each that the broker offers, in its
// order. They have the abilities of those behind them but show no sockets: no
// guard can check them, and none needs to, since one stands behind the broker.
// Closing one closes what was opened through it.
func (c *Client) Transports() []transport.Transport { return slices.Clone(c.transports) }

// Controls returns a listener for each of the broker's doors, in the order of
// Options.Control; none when it has none for us. Each asks for one connection
// for each Accept. What an address says of them is nothing: the caller knows by
// the order which is which. Each call returns the same listeners, and closing
// one leaves the broker's open.
func (c *Client) Controls() []net.Listener { return slices.Clone(c.controls) }

// Report hands at most MaxReport bytes to the broker and returns what it says
// to them.
func (c *Client) Report(ctx context.Context, b []byte) error {
	_, err := c.ask(ctx, nil, message{head{Verb: verbReport}, []string{string(b)}})
	return err
}

// Done is closed when the connection to the broker has ended. An engine whose
// broker is gone has nothing left to do.
func (c *Client) Done() <-chan struct{} { return c.done }

// Close ends the connection; the broker then closes everything that was opened
// through it. It returns when the Client's goroutines are gone. Idempotent.
func (c *Client) Close() error {
	c.fail(net.ErrClosed)
	c.wg.Wait()
	return nil
}

func (c *Client) fail(err error) {
	c.mu.Lock()
	if c.err == nil {
		c.err = err
		close(c.done)
	}
	c.mu.Unlock()
	c.link.Close()
}

// ended returns why the connection is over; nil while it is not.
func (c *Client) ended() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// read gives replies to who waits for them, until the end of the link or a
// violation.
func (c *Client) read() {
	buf := make([]byte, maxMessage)
	for {
		a, err := c.next(buf)
		if err == nil {
			err = c.deliver(a)
		}
		if err != nil {
			if errors.Is(err, anon.ErrProtocol) {
				err = fmt.Errorf("%w: %w", errGone, err)
			} else {
				err = errGone // an io.EOF, or the socket's way to say so
			}
			c.fail(err)
			return
		}
	}
}

// next reads one reply.
func (c *Client) next(buf []byte) (a answer, err error) {
	n, f, err := c.link.receive(buf, true)
	if err != nil {
		return a, err
	}
	if a.message, err = parse(buf[:n]); err == nil {
		a.err = a.takeFault()
	}
	streams := a.err == nil && (a.Verb == verbDial || a.Verb == verbAccept || a.Verb == verbControl)
	switch {
	case f == nil && streams && err == nil: // the kernel drops it when we have too many files open
		a.err = fmt.Errorf("the stream was lost on the way: %w", io.ErrUnexpectedEOF)
	case f != nil && streams && err == nil:
		if a.conn, a.err = adopt(f, "unix"); errors.Is(a.err, anon.ErrProtocol) {
			err = a.err
		}
	case f != nil:
		f.Close()
		err = violation("a stream nobody asked for")
	}
	return a, err
}

func (c *Client) deliver(a answer) error {
	c.mu.Lock()
	k := c.calls[a.ID]
	if k == nil || k.verb != a.Verb {
		c.mu.Unlock()
		if a.conn != nil {
			a.conn.Close()
		}
		return violation("a reply to nothing")
	}
	delete(c.calls, a.ID)
	if k.verb != verbClose {
		<-c.slots
	}
	k.answered <- a
	abandoned := k.abandoned
	c.mu.Unlock()
	if abandoned {
		c.dispose(<-k.answered)
	}
	return nil
}

// dispose closes what came too late. It does not wait.
func (c *Client) dispose(a answer) {
	if a.conn != nil {
		a.conn.Close()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if a.Verb == verbOpen && a.err == nil && c.err == nil {
		c.wg.Go(func() { c.closeEndpoint(a.Number) })
	}
}

func (c *Client) closeEndpoint(number uint32) error {
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	_, err := c.ask(ctx, nil, message{head: head{Verb: verbClose, Number: number}})
	return err
}

// ask sends m and waits for its reply, the end of ctx, which is ctx.Err, the
// end of closed, which is net.ErrClosed, or the end of the broker.
func (c *Client) ask(ctx context.Context, closed <-chan struct{}, m message) (answer, error) {
	if err := ctx.Err(); err != nil {
		return answer{}, err
	}
	select { // below, chance decides between what is ready
	case <-closed:
		return answer{}, net.ErrClosed
	default:
	}
	if _, err := m.encode(); err != nil {
		return answer{}, err
	}
	slots := c.slots
	if m.Verb == verbClose { // of which there is one for an endpoint
		slots = make(chan struct{}, 1)
	}
	select {
	case slots <- struct{}{}:
	case <-ctx.Done():
		return answer{}, ctx.Err()
	case <-closed:
		return answer{}, net.ErrClosed
	case <-c.done:
		return answer{}, c.ended()
	}
	k := &call{verb: m.Verb, answered: make(chan answer, 1)}
	m.ID = c.enter(k)
	c.tell(m)
	var err error
	select {
	case a := <-k.answered:
		return a, a.err
	case <-ctx.Done():
		err = ctx.Err()
	case <-closed:
		err = net.ErrClosed
	case <-c.done:
		err = c.ended()
	}
	c.abandon(m.ID, k)
	return answer{}, err
}

func (c *Client) enter(k *call) uint32 {
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.last++; c.calls[c.last] != nil; c.last++ {
	}
	c.calls[c.last] = k
	return c.last
}

// tell sends m. A broker that has stopped reading is waited for.
func (c *Client) tell(m message) {
	b := encoded(m)
	defer clear(b) // it may hold a key
	if c.link.send(b) != nil {
		c.fail(errGone)
	}
}

// abandon tells the broker that nobody waits for k, and closes what its reply
// has brought or will bring.
func (c *Client) abandon(id uint32, k *call) {
	c.mu.Lock()
	k.abandoned = true
	waiting := c.calls[id] == k
	c.mu.Unlock()
	if waiting {
		c.tell(message{head: head{Verb: verbCancel, ID: id}})
		return
	}
	c.dispose(<-k.answered) // the reply crossed our change of mind
}
