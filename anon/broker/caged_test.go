//go:build linux && (amd64 || arm64)

package broker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"sotto/anon"
	"sotto/anon/cage"
	"sotto/transport"
)

// The engine's side does all its work behind every wall, and rings no alarm
// there: it needs no system call beyond those that the package names.
func TestEngineInTheCage(t *testing.T) {
	l := listenTCP(t)
	go func() { // echoes; ends with the listener
		for {
			c, err := l.AcceptTCP()
			if err != nil {
				return
			}
			io.Copy(c, c)
			c.Close()
		}
	}()
	ours, engine, err := Pair()
	require.NoError(t, err)
	child, err := cage.Start(cage.Spec{Files: []*os.File{nil, nil, os.Stderr, engine}})
	require.NoError(t, err)
	t.Cleanup(func() { child.Kill(); child.Wait() })
	engine.Close()
	_, err = child.Prove(t.Context())
	require.NoError(t, err)
	require.NoError(t, child.Admit())

	reports := make(chan string, 1)
	o := offer(tcpTo(l.Addr().String()))
	o.Report = func(b []byte) error { reports <- string(b); return nil }
	require.NoError(t, Serve(t.Context(), ours, o))
	require.NoError(t, child.Wait())
	require.Equal(t, "all is well", within(t, reports))
	require.Empty(t, child.Incidents().Calls)
}

// caged is the engine of that test.
func caged(in *cage.Inside) int {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := errors.Join(in.Lock(ctx), work(ctx)); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// work uses everything that the engine's side offers.
func work(ctx context.Context) error {
	c, err := Connect(ctx, os.NewFile(3, "door"))
	if err != nil {
		return err
	}
	defer c.Close()
	tr := c.Transports()[0]
	if _, err := tr.(transport.Prober).Probe(ctx); err != nil {
		return err
	}
	e, err := tr.Open(ctx, identity())
	if err != nil {
		return err
	}
	short, cancel := context.WithTimeout(ctx, time.Millisecond)
	defer cancel()
	if _, err := e.Accept(short); !errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("accept without a dialer: %w", err)
	}
	for range 50 {
		if err := echoes(ctx, e); err != nil {
			return err
		}
	}
	if err := c.Report(ctx, []byte("all is well")); err != nil {
		return err
	}
	return errors.Join(e.Close(), tr.Close())
}

func echoes(ctx context.Context, e transport.Endpoint) error {
	conn, err := e.Dial(ctx, there)
	if err != nil {
		return err
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(patience))
	if _, ok := conn.RemoteAddr().(anon.Addr); !ok {
		return errors.New("a connection without an address")
	}
	go func() { // ends with conn
		io.Copy(conn, io.LimitReader(endless{}, 1<<20))
		conn.(halfCloser).CloseWrite()
	}()
	n, err := io.Copy(io.Discard, conn)
	if err == nil && n != 1<<20 {
		err = fmt.Errorf("%d bytes came back", n)
	}
	return err
}
