package i2pnet

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"sotto/testnet/daemon"
	"sotto/testnet/netns"
)

// The ports of router i, counted from 0; a bridge's UDP port is one less.
const (
	samBase  = 7656
	samStep  = 10
	peerPort = 20000
)

// router is one i2pd.
type router struct {
	index     int
	floodfill bool
	dir       string
	addr      netip.Addr

	mu      sync.Mutex
	process *daemon.Process // nil before the first start
	killed  bool            // by us, not started again
}

func newRouter(dir string, i int, floodfill bool) *router {
	return &router{
		index:     i,
		floodfill: floodfill,
		dir:       filepath.Join(dir, fmt.Sprintf("router%d", i)),
		addr:      netip.AddrFrom4([4]byte{198, 18, byte(i + 1), 1}),
	}
}

func (r *router) path(name string) string { return filepath.Join(r.dir, name) }
func (r *router) log() string             { return r.path("log") }
func (r *router) sam() string             { return fmt.Sprintf("127.0.0.1:%d", samBase+samStep*r.index) }

// prepare sets the router's address and writes its files.
func (r *router) prepare() error {
	if err := netns.AddAddr("lo", r.addr); err != nil {
		return err
	}
	if err := os.MkdirAll(r.dir, 0o700); err != nil {
		return fmt.Errorf("make folder: %w", err)
	}
	for name, text := range map[string]string{"i2pd.conf": r.config(), "tunnels.conf": ""} {
		if err := os.WriteFile(r.path(name), []byte(text), 0o600); err != nil {
			return fmt.Errorf("write configuration: %w", err)
		}
	}
	return nil
}

// config is the router's i2pd.conf. What may look superfluous is not: with
// the address book off, the first SAM CONNECT crashes 2.45.1, and with its
// URL blank the router dies minutes later; without netid and reservedrange
// the routers turn each other away; and a floodfill must carry no clients,
// because it would find their destinations in its own store, where 2.45.1
// keeps them without keys.
func (r *router) config() string {
	port := peerPort + r.index
	sam := samBase + samStep*r.index
	return fmt.Sprintf(`netid = 77
host = %[1]v
address4 = %[1]v
port = %[2]d
ipv4 = true
ipv6 = false
nat = false
reservedrange = false
floodfill = %[3]t
bandwidth = X
share = 100
log = stdout
loglevel = warn
[limits]
transittunnels = 5000
[ntcp2]
enabled = true
published = true
port = %[2]d
[ssu2]
enabled = false
[http]
enabled = false
[httpproxy]
enabled = false
[socksproxy]
enabled = false
[bob]
enabled = false
[i2pcontrol]
enabled = false
[upnp]
enabled = false
[nettime]
enabled = false
frompeers = false
[addressbook]
enabled = true
[persist]
profiles = false
addressbook = false
[reseed]
threshold = 0
urls =
yggurls =
[exploratory]
inbound.length = 1
outbound.length = 1
inbound.quantity = 3
outbound.quantity = 3
[sam]
enabled = true
address = 127.0.0.1
port = %[4]d
singlethread = true
[i2cp]
enabled = false
`, r.addr, port, r.floodfill, sam)
}

func (r *router) start(i2pd string) error {
	p, err := daemon.Start(daemon.Spec{
		Path: i2pd,
		Args: []string{"--datadir=" + r.dir, "--conf=" + r.path("i2pd.conf"),
			"--tunconf=" + r.path("tunnels.conf"), "--pidfile=" + r.path("pid")},
		Env: []string{"PATH=" + os.Getenv("PATH"), "HOME=" + r.dir},
		Log: r.log(),
	})
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.process, r.killed = p, false
	return nil
}

// running is the process that was started last; it may have ended.
func (r *router) running() *daemon.Process {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.process
}

// kill ends the router if there is one, and returns when it is gone. The
// error says that it had ended by itself before.
func (r *router) kill() error {
	p := r.running()
	if p == nil {
		return nil
	}
	r.mu.Lock()
	surprise := p.Ended() && !r.killed
	r.killed = true
	r.mu.Unlock()
	p.Kill()
	if surprise {
		return r.failed(fmt.Errorf("ended by itself: %v", p.Err()))
	}
	return nil
}

// poll calls try until it succeeds, the router dies or ctx ends.
func (r *router) poll(ctx context.Context, what string, try func() error) error {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	p := r.running()
	for {
		err := try()
		if err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-p.Done():
			return r.failed(fmt.Errorf("%s: router died: %v", what, p.Err()))
		case <-ctx.Done():
			return r.failed(fmt.Errorf("%s: %w", what, errors.Join(ctx.Err(), err)))
		}
	}
}

// answers waits until the SAM bridge says hello.
func (r *router) answers(ctx context.Context) error {
	return r.poll(ctx, "wait for the SAM bridge", func() error {
		c, err := hello(ctx, r.sam())
		if err == nil {
			c.Close()
		}
		return err
	})
}

// failed adds to err what the router itself had to say.
func (r *router) failed(err error) error {
	tail := strings.TrimSpace(daemon.Tail(r.log(), 12))
	return fmt.Errorf("router %d: %w; end of %s:\n%s", r.index, err, r.log(), tail)
}
