package tor

import (
	"context"
	"fmt"
	"net"
	"os"
	"time"

	"sotto/anon"
)

// This file is the only place of the package that opens sockets, and it opens
// them to and for this machine alone.

const localDialLimit = 10 * time.Second

func dialLocal(ctx context.Context, to local) (net.Conn, error) {
	d := net.Dialer{Timeout: localDialLimit}
	c, err := d.DialContext(ctx, to.network, to.addr)
	if ctx.Err() != nil {
		if err == nil {
			c.Close()
		}
		return nil, ctx.Err()
	}
	if err != nil {
		// The cause names the place, which is not for every log.
		return nil, fmt.Errorf("%w: nothing answers at tor's %s socket", anon.ErrUnavailable, to.network)
	}
	return c, nil
}

// listenUnix makes the socket that tor hands inbound streams to.
func listenUnix(path string, mode os.FileMode) (*net.UnixListener, error) {
	ln, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(path, mode); err != nil {
		ln.Close()
		return nil, err
	}
	return ln, nil
}
