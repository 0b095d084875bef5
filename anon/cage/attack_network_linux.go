//go:build linux && (amd64 || arm64)

package cage

import (
	"cmp"
	"context"
	"errors"
	"net"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"
)

// What arrives at the parent's ear has left the cage.
func networkAttempts() []attempt {
	const out = "a connection past every router: your address"
	return []attempt{
		{name: "tcp4", reveals: out, try: func(p *probe) error { return p.stream(unix.AF_INET, 0, p.tcp4()) }},
		{name: "tcp6", reveals: out, try: func(p *probe) error { return p.stream(unix.AF_INET6, 0, p.tcp6()) }},
		{name: "multipath tcp", reveals: out, try: func(p *probe) error { return p.stream(unix.AF_INET, unix.IPPROTO_MPTCP, p.tcp4()) }},
		{name: "tcp fast open", reveals: out, try: tryFastOpen},
		{name: "udp4 sendto", reveals: out, try: func(p *probe) error { return p.packet(unix.AF_INET, p.udp4()) }},
		{name: "udp6 sendto", reveals: out, try: func(p *probe) error { return p.packet(unix.AF_INET6, p.udp6()) }},
		{name: "udp4 connect", reveals: out, try: func(p *probe) error { return p.connected(unix.AF_INET, unix.SOCK_DGRAM, 0, p.udp4()) }},
		{name: "sendmmsg", reveals: out, try: trySendmmsg},
		{name: "go dial", reveals: out, try: tryGoDial},
		{name: "go http get", reveals: out, try: tryHTTP},
		{name: "go lookup", reveals: "the names you ask for, and your resolver", try: tryLookup},
		{name: "abstract socket", reveals: "programs of this desktop that send for others", try: func(p *probe) error {
			return p.stream(unix.AF_UNIX, 0, &unix.SockaddrUnix{Name: "@" + p.Targets.Abstract})
		}},
		{name: "abstract datagram", reveals: "programs of this desktop that send for others", try: func(p *probe) error {
			return p.packet(unix.AF_UNIX, &unix.SockaddrUnix{Name: "@" + p.Targets.Abstract + "d"})
		}},
		{name: "named socket", reveals: "name service, message bus, docker: they send for others", try: func(p *probe) error {
			return p.stream(unix.AF_UNIX, 0, &unix.SockaddrUnix{Name: p.Targets.Path})
		}},
		{name: "named datagram", reveals: "system log and others that take datagrams", try: func(p *probe) error {
			return p.packet(unix.AF_UNIX, &unix.SockaddrUnix{Name: p.Targets.Path + "d"})
		}},
		{name: "known services", reveals: "name service, message bus, docker: they send for others", try: tryServices},
		{name: "datagram pair", reveals: "a harmless-looking pair that sends to any name", try: tryDatagramPair},
		{name: "listen tcp", reveals: "a door that others can come in by", try: func(*probe) error { return tryListen(unix.AF_INET, unix.SOCK_STREAM, &unix.SockaddrInet4{}) }},
		{name: "listen udp", reveals: "a door that others can come in by", try: func(*probe) error { return tryListen(unix.AF_INET, unix.SOCK_DGRAM, &unix.SockaddrInet4{}) }},
		{name: "listen abstract", reveals: "a door for programs of this desktop", try: func(p *probe) error {
			return tryListen(unix.AF_UNIX, unix.SOCK_STREAM, &unix.SockaddrUnix{Name: "@" + p.Targets.Abstract + "-engine"})
		}},
		{name: "io_uring", reveals: "sockets that no filter sees", try: tryRing},
	}
}

func (p *probe) tcp4() unix.Sockaddr { return loop4(p.Targets.TCP4) }
func (p *probe) tcp6() unix.Sockaddr { return loop6(p.Targets.TCP6) }
func (p *probe) udp4() unix.Sockaddr { return loop4(p.Targets.UDP4) }
func (p *probe) udp6() unix.Sockaddr { return loop6(p.Targets.UDP6) }

// nobody is a port that nobody listens at: the aim when the parent could not
// make an ear for this network. A refusal from there has been there.
const nobody = 9

func loop4(port int) unix.Sockaddr {
	if port == 0 {
		port = nobody
	}
	return &unix.SockaddrInet4{Port: port, Addr: [4]byte{127, 0, 0, 1}}
}

func loop6(port int) unix.Sockaddr {
	if port == 0 {
		port = nobody
	}
	return &unix.SockaddrInet6{Port: port, Addr: [16]byte{15: 1}}
}

func (p *probe) stream(family, protocol int, to unix.Sockaddr) error {
	return p.connected(family, unix.SOCK_STREAM, protocol, to)
}

// connected connects and sends the mark.
func (p *probe) connected(family, kind, protocol int, to unix.Sockaddr) error {
	fd, err := unix.Socket(family, kind|unix.SOCK_CLOEXEC, protocol)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	wait := unix.NsecToTimeval(int64(patience))
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &wait); err != nil {
		return err
	}
	if err := unix.Connect(fd, to); err != nil {
		if family == unix.AF_UNIX { // where a refusal means that nobody of that name is in sight
			return err
		}
		return reaches(err, unix.ECONNREFUSED)
	}
	_, err = unix.Write(fd, p.mark())
	return err
}

func (p *probe) packet(family int, to unix.Sockaddr) error {
	fd, err := unix.Socket(family, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return unix.Sendto(fd, p.mark(), unix.MSG_DONTWAIT, to)
}

func tryFastOpen(p *probe) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return reaches(unix.Sendto(fd, p.mark(), unix.MSG_FASTOPEN, p.tcp4()), unix.ECONNREFUSED)
}

func trySendmmsg(p *probe) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	port := cmp.Or(p.Targets.UDP4, nobody)
	to := unix.RawSockaddrInet4{Family: unix.AF_INET, Port: uint16(port>>8 | port<<8), Addr: [4]byte{127, 0, 0, 1}}
	text := p.mark()
	part := unix.Iovec{Base: &text[0]}
	part.SetLen(len(text))
	m := struct {
		unix.Msghdr
		sent uint32
	}{Msghdr: unix.Msghdr{Name: (*byte)(unsafe.Pointer(&to)), Namelen: unix.SizeofSockaddrInet4, Iov: &part}}
	m.SetIovlen(1)
	return call(unix.SYS_SENDMMSG, uintptr(fd), uintptr(unsafe.Pointer(&m)), 1, 0)
}

func tryGoDial(p *probe) error {
	d := net.Dialer{Timeout: patience}
	c, err := d.DialContext(p.ctx, "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(cmp.Or(p.Targets.TCP4, nobody))))
	if err != nil {
		return reaches(err, unix.ECONNREFUSED)
	}
	defer c.Close()
	_, err = c.Write(p.mark())
	return err
}

// tryHTTP sends the mark as a header: nobody answers, the request arrives.
func tryHTTP(p *probe) error {
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://127.0.0.1:"+strconv.Itoa(cmp.Or(p.Targets.TCP4, nobody))+"/", nil)
	if err != nil {
		return err
	}
	req.Header.Set("X", attemptMark+p.name)
	t := &http.Transport{DisableKeepAlives: true}
	defer t.CloseIdleConnections()
	res, err := t.RoundTrip(req)
	if err == nil {
		res.Body.Close()
	}
	return reaches(err, unix.ECONNREFUSED)
}

// tryLookup asks the parent's ear as if it were a name server, with a name that
// cannot exist: no real server ever hears of it.
func tryLookup(p *probe) error {
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	var mu sync.Mutex // both address families are asked for at once
	sent := error(errAbsent)
	r := net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		err := p.connected(unix.AF_INET, unix.SOCK_DGRAM, 0, p.udp4())
		mu.Lock()
		defer mu.Unlock()
		if err == nil || sent != nil {
			sent = err
		}
		if err == nil {
			cancel() // nobody will answer
		}
		return nil, errors.Join(context.Canceled, err)
	}}
	_, _ = r.LookupHost(ctx, "self-attack.invalid.") // sent has the truth
	mu.Lock()
	defer mu.Unlock()
	return sent
}

var services = []string{
	"/run/dbus/system_bus_socket", "/run/nscd/socket", "/run/systemd/resolve/io.systemd.Resolve",
	"/run/systemd/journal/stdout", "/run/docker.sock", "/run/podman/podman.sock", "/run/snapd.socket", "/run/avahi-daemon/socket",
}

func tryServices(p *probe) error {
	last := error(errAbsent)
	for _, path := range services {
		if !slices.Contains(p.Targets.Here, path) {
			continue
		}
		fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
		if err != nil {
			return err
		}
		err = unix.Connect(fd, &unix.SockaddrUnix{Name: path})
		unix.Close(fd)
		if err == nil {
			return nil
		}
		last = err
	}
	return last
}

// tryDatagramPair: a datagram socket, connected or not, sends to any name.
func tryDatagramPair(p *probe) error {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(pair[0])
	defer unix.Close(pair[1])
	return unix.Sendmsg(pair[0], p.mark(), nil, &unix.SockaddrUnix{Name: p.Targets.Path + "d"}, unix.MSG_DONTWAIT)
}

func tryListen(family, kind int, at unix.Sockaddr) error {
	fd, err := unix.Socket(family, kind|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if err := unix.Bind(fd, at); err != nil || kind == unix.SOCK_DGRAM {
		return err
	}
	return unix.Listen(fd, 1)
}

func tryRing(*probe) error {
	var params [120]byte // struct io_uring_params
	return opens(unix.SYS_IO_URING_SETUP, 1, uintptr(unsafe.Pointer(&params)))
}
