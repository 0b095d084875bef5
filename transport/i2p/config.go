package i2p

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"path/filepath"
	"strings"
	"time"

	"sotto/anon"
)

// DefaultSAM is where routers offer SAM unless told otherwise.
const DefaultSAM = "127.0.0.1:7656"

// Config says which router to use and how. The zero Config is a good one.
type Config struct {
	// SAM is the router's SAM bridge: a loopback "ip:port" or "unix:/path".
	// Empty means DefaultSAM. Host names, "localhost" included, are refused:
	// looking one up would leave the anonymising network.
	SAM string
	// DangerousRemoteSAM permits an ip:port that is not loopback. SAM is
	// neither encrypted nor authenticated: whoever is on the way reads the
	// private keys and everything sent.
	DangerousRemoteSAM bool
	// Hops is the length of each tunnel, 1 to 7. 0 means 3. Fewer hops are
	// faster and make it easier to find out who we are. No tunnel of no hops
	// can be asked for.
	Hops int
	// Tunnels is how many tunnels each direction has, 1 to 16. 0 means 3.
	// i2pd with fewer often forgets to publish its destination.
	Tunnels int
	// Nickname is what the router's own console calls our tunnels: 1 to 32
	// letters, digits, "-" or "_". Empty means "streams", which names no
	// program. It does not leave the router.
	Nickname string
	// PendingAccepts is how many inbound streams can arrive at the same
	// moment, 1 to 16. 0 means 3: i2pd drops some of them now and then.
	PendingAccepts int
	// Backlog is how many accepted streams wait for Accept, 1 to 1024. 0
	// means 16. When it is full, more wait inside the router.
	Backlog int
	// Times are the waits and their bounds.
	Times Times
	// Log gets what happens to the session. nil discards it. At level info
	// and above nothing links to an address.
	Log *slog.Logger
}

// Times bounds every wait. A zero field means its default; a negative one is
// refused.
type Times struct {
	// Hello bounds reaching the router, agreeing on a version and making a
	// key, each: 20 s.
	Hello time.Duration
	// Session bounds the making of a session, for which the router builds
	// tunnels: 5 min. i2pd takes 20 s at least.
	Session time.Duration
	// Connect bounds one attempt to reach a peer: 90 s.
	Connect time.Duration
	// Dial bounds a whole Dial whose ctx would go on longer: 3 min.
	Dial time.Duration
	// FirstByte is how long after Dial a connection may stay without a byte
	// from the peer before it is closed: 90 s.
	FirstByte time.Duration
	// Accept bounds the lines around an inbound stream, not the wait for it: 30 s.
	Accept time.Duration
	// Lookup bounds a name look-up: 60 s.
	Lookup time.Duration
	// Publish is how long a new session may take until our address can be
	// looked up: 40 s. i2pd publishes at once, on its second try 20 s later, or
	// never.
	Publish time.Duration
	// Rest is how long a key is left alone after a session with it has ended:
	// 15 s. i2pd hands a key that comes back within 5 s its old destination,
	// which it destroys shortly after.
	Rest time.Duration
	// Linger is how long a session outlives its streams when we close it: 4 s.
	// i2pd 2.45.1 may crash when they end together.
	Linger time.Duration
	// RetryMin and RetryMax are the first and the longest wait between two
	// attempts to get a lost session back: 1 s and 5 min.
	RetryMin, RetryMax time.Duration
	// RedialMin and RedialMax are the same inside Dial, when the peer cannot
	// be reached: 1 s and 15 s.
	RedialMin, RedialMax time.Duration
}

func (t Times) withDefaults() (Times, error) {
	for _, f := range []struct {
		value    *time.Duration
		standard time.Duration
	}{
		{&t.Hello, 20 * time.Second}, {&t.Session, 5 * time.Minute},
		{&t.Connect, 90 * time.Second}, {&t.Dial, 3 * time.Minute},
		{&t.FirstByte, 90 * time.Second}, {&t.Accept, 30 * time.Second},
		{&t.Lookup, time.Minute}, {&t.Publish, 40 * time.Second},
		{&t.Rest, 15 * time.Second}, {&t.Linger, 4 * time.Second},
		{&t.RetryMin, time.Second}, {&t.RetryMax, 5 * time.Minute},
		{&t.RedialMin, time.Second}, {&t.RedialMax, 15 * time.Second},
	} {
		if *f.value < 0 {
			return t, errors.New("a time is negative")
		}
		if *f.value == 0 {
			*f.value = f.standard
		}
	}
	if t.RetryMax < t.RetryMin || t.RedialMax < t.RedialMin {
		return t, errors.New("a longest wait is shorter than its first one")
	}
	return t, nil
}

// withDefaults fills in what is zero and refuses what is out of bounds.
func (c Config) withDefaults() (Config, error) {
	for _, f := range []struct {
		name           string
		value          *int
		standard, most int
	}{
		{"hops", &c.Hops, 3, 7}, {"tunnels", &c.Tunnels, 3, 16},
		{"pending accepts", &c.PendingAccepts, 3, 16}, {"backlog", &c.Backlog, 16, 1024},
	} {
		if *f.value == 0 {
			*f.value = f.standard
		}
		if *f.value < 1 || *f.value > f.most {
			return c, fmt.Errorf("%s must be 1 to %d", f.name, f.most)
		}
	}
	if c.SAM == "" {
		c.SAM = DefaultSAM
	}
	if c.Nickname == "" {
		c.Nickname = "streams"
	}
	if len(c.Nickname) > 32 || strings.ContainsFunc(c.Nickname, notInNickname) {
		return c, errors.New("nickname must be 1 to 32 letters, digits, - or _")
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	var err error
	c.Times, err = c.Times.withDefaults()
	return c, err
}

func notInNickname(r rune) bool {
	return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_')
}

// parseDoor reads Config.SAM.
func parseDoor(text string, remote bool) (door, error) {
	if path, ok := strings.CutPrefix(text, "unix:"); ok {
		if !filepath.IsAbs(path) && !strings.HasPrefix(path, "/") {
			return door{}, errors.New("sam address: a unix socket needs its whole path")
		}
		return door{network: "unix", address: path, where: text, peer: text}, nil
	}
	ap, err := netip.ParseAddrPort(text)
	if err != nil || ap.Port() == 0 || ap.Addr().Zone() != "" {
		return door{}, errors.New("sam address: want a loopback ip:port or unix:/path; names are not looked up")
	}
	ap = netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
	if !ap.Addr().IsLoopback() && (!remote || ap.Addr().IsUnspecified()) {
		return door{}, &anon.LeakError{Op: "use sam bridge", Want: "a loopback address or a unix socket", Got: "another host"}
	}
	return door{network: "tcp", address: ap.String(), where: ap.String(), peer: "tcp:" + ap.String()}, nil
}
