package main

import (
	"net"
	"os"
	"strconv"
	"strings"
	"time"
)

// supervisor is the systemd that started us, if one did and wants to know how
// it goes (sd_notify(3)). A nil one is told nothing. Its socket is opened
// before this process gives up making such.
type supervisor struct {
	conn *net.UnixConn
	// every is how often it wants a sign of life; 0 for never.
	every time.Duration
}

// findSupervisor reads what systemd has put into the environment. A supervisor
// that cannot be reached finds out by itself.
func findSupervisor(env func(string) string) *supervisor {
	at := env("NOTIFY_SOCKET")
	if !strings.HasPrefix(at, "/") && !strings.HasPrefix(at, "@") {
		return nil
	}
	c, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: at, Net: "unixgram"})
	if err != nil {
		return nil
	}
	s := &supervisor{conn: c}
	us, err := strconv.ParseInt(env("WATCHDOG_USEC"), 10, 64)
	pid := env("WATCHDOG_PID")
	if err == nil && us > 0 && (pid == "" || pid == strconv.Itoa(os.Getpid())) {
		s.every = time.Duration(us) * time.Microsecond
	}
	return s
}

// tell sends lines such as "READY=1". It does not wait for a supervisor that
// does not read.
func (s *supervisor) tell(lines ...string) {
	if s == nil {
		return
	}
	s.conn.SetWriteDeadline(time.Now().Add(time.Second))
	s.conn.Write([]byte(strings.Join(lines, "\n"))) // lost is lost: it asks for nothing
}

func (s *supervisor) close() {
	if s != nil {
		s.conn.Close()
	}
}
