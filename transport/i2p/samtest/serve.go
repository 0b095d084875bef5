package samtest

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"time"
)

// reachable is how long a dialer waits for an accept to be put up.
const reachable = 2 * time.Second

// handle speaks SAM with one client until the connection has found its use.
func (r *Router) handle(c net.Conn) {
	defer func() {
		c.Close()
		r.mu.Lock()
		delete(r.conns, c)
		r.mu.Unlock()
	}()
	in := bufio.NewReader(c)
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}
		line = strings.TrimSuffix(line, "\n")
		r.mu.Lock()
		r.commands = append(r.commands, line)
		intercept := r.intercept
		r.mu.Unlock()
		if intercept != nil && intercept(c, line) {
			return
		}
		if !r.obey(c, in, line) {
			return
		}
	}
}

// obey carries a command out. It returns false when the connection is used up.
func (r *Router) obey(c net.Conn, in *bufio.Reader, line string) bool {
	args := arguments(line)
	switch {
	case strings.HasPrefix(line, "HELLO VERSION"):
		fmt.Fprint(c, "HELLO REPLY RESULT=OK VERSION=3.1\n")
	case strings.HasPrefix(line, "DEST GENERATE"):
		var signature byte // DSA unless asked for more, as i2pd does
		if args["SIGNATURE_TYPE"] == "7" {
			signature = 7
		}
		pub, priv := NewKey(signature)
		fmt.Fprintf(c, "DEST REPLY PUB=%s PRIV=%s\n", pub, priv)
	case strings.HasPrefix(line, "SESSION CREATE"):
		r.session(c, in, args)
		return false
	case strings.HasPrefix(line, "NAMING LOOKUP"):
		r.lookup(c, args["NAME"])
	case strings.HasPrefix(line, "STREAM CONNECT"):
		r.connect(c, in, args)
		return false
	case strings.HasPrefix(line, "STREAM ACCEPT"):
		r.accept(c, args)
		return false
	case strings.HasPrefix(line, "PONG"):
	default: // i2pd hangs up on what it does not know, PING included
		return false
	}
	return true
}

func arguments(line string) map[string]string {
	args := make(map[string]string)
	for _, word := range strings.Fields(line) {
		key, value, _ := strings.Cut(word, "=")
		args[key] = value
	}
	return args
}

func (r *Router) session(c net.Conn, in *bufio.Reader, args map[string]string) {
	dest, host := public(args["DESTINATION"])
	s := &session{
		id: args["ID"], dest: dest, hash: host, control: c,
		accepts: make(chan *accept, 64), gone: make(chan struct{}),
	}
	if refusal := r.enter(s); refusal != "" {
		fmt.Fprintf(c, "SESSION STATUS RESULT=%s\n", refusal)
		return
	}
	defer r.leave(s)
	fmt.Fprintf(c, "SESSION STATUS RESULT=OK DESTINATION=%s\n", args["DESTINATION"])
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}
		line = strings.TrimSuffix(line, "\n")
		r.mu.Lock()
		r.commands = append(r.commands, line)
		intercept := r.intercept
		r.mu.Unlock()
		if intercept != nil && intercept(c, line) || !r.obey(c, in, line) {
			return
		}
	}
}

func (r *Router) enter(s *session) (refusal string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if s.dest == "" || s.id == "" {
		return "INVALID_KEY"
	}
	for _, other := range r.sessions {
		if other.id == s.id {
			return "DUPLICATED_ID"
		}
		if other.dest == s.dest {
			return "DUPLICATED_DEST"
		}
	}
	s.published = r.unpublished == 0
	r.unpublished = max(0, r.unpublished-1)
	r.sessions[s.id] = s
	return ""
}

// join makes c a socket of a session; false when that has ended.
func (r *Router) join(s *session, c net.Conn) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.sessions[s.id] != s {
		return false
	}
	s.sockets = append(s.sockets, c)
	return true
}

// leave ends a session and with it every socket that belongs to it.
func (r *Router) leave(s *session) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.sessions[s.id] == s {
		delete(r.sessions, s.id)
	}
	for _, c := range s.sockets {
		c.Close()
	}
	close(s.gone)
}

func (r *Router) lookup(c net.Conn, name string) {
	r.mu.Lock()
	value := r.names[name]
	for _, s := range r.sessions {
		if s.hash == name && s.published {
			value = s.dest
		}
	}
	r.mu.Unlock()
	if value == "" {
		fmt.Fprintf(c, "NAMING REPLY RESULT=INVALID_KEY NAME=%s\n", name)
		return
	}
	fmt.Fprintf(c, "NAMING REPLY RESULT=OK NAME=%s VALUE=%s\n", name, value)
}

// connect joins the dialer with an accept of the session it asks for.
func (r *Router) connect(c net.Conn, in *bufio.Reader, args map[string]string) {
	r.mu.Lock()
	from := r.sessions[args["ID"]]
	var to *session
	for _, s := range r.sessions {
		if s.published && (s.hash == args["DESTINATION"] || s.dest == args["DESTINATION"]) {
			to = s
		}
	}
	r.mu.Unlock()
	switch {
	case from == nil || !r.join(from, c):
		fmt.Fprint(c, "STREAM STATUS RESULT=INVALID_ID\n")
		return
	case to == nil:
		fmt.Fprint(c, "STREAM STATUS RESULT=CANT_REACH_PEER MESSAGE=\"LeaseSet not found\"\n")
		return
	}
	fmt.Fprint(c, "STREAM STATUS RESULT=OK\n") // before the peer is asked
	select {
	case a := <-to.accepts:
		defer close(a.taken)
		if _, err := fmt.Fprintf(a.conn, "%s\n", from.dest); err == nil {
			splice(c, in, a.conn)
		}
	case <-to.gone:
	case <-from.gone:
	case <-time.After(reachable):
	}
}

func (r *Router) accept(c net.Conn, args map[string]string) {
	r.mu.Lock()
	s := r.sessions[args["ID"]]
	r.mu.Unlock()
	if s == nil || !r.join(s, c) {
		fmt.Fprint(c, "STREAM STATUS RESULT=INVALID_ID\n")
		return
	}
	fmt.Fprint(c, "STREAM STATUS RESULT=OK\n")
	a := &accept{conn: c, taken: make(chan struct{})}
	select {
	case s.accepts <- a:
	case <-s.gone:
		return
	}
	select {
	case <-a.taken:
	case <-s.gone:
	}
}

// splice carries bytes both ways until both ends have stopped. A dialer's
// bytes may have come right behind its command: in holds them.
func splice(dialer net.Conn, in *bufio.Reader, acceptor net.Conn) {
	var wg sync.WaitGroup
	wg.Go(func() { carry(acceptor, in, dialer) })
	wg.Go(func() { carry(dialer, acceptor, acceptor) })
	wg.Wait()
}

// carry copies from one end to the other. An end of stream is passed on; a
// writer that fails takes the reader down with it.
func carry(to net.Conn, from io.Reader, source net.Conn) {
	if _, err := io.Copy(to, from); err != nil {
		to.Close()
		source.Close()
		return
	}
	if half, ok := to.(interface{ CloseWrite() error }); ok {
		half.CloseWrite()
	}
}
