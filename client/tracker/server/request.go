package server

import (
	"bytes"
	"errors"
	"io"
	"net/url"
	"strconv"
	"strings"

	"sotto/anon"
)

const (
	// maxHead is the longest request head read, in bytes; an announce with
	// an I2P destination takes about 1 KiB.
	maxHead = 8 << 10
	// maxWant is how many peers one answer may carry, usualWant how many it
	// does when the asker does not say.
	maxWant   = 50
	usualWant = 30
)

// The ways a request is refused; each has an HTTP status.
var (
	errBad      = errors.New("400 Bad Request")
	errNotFound = errors.New("404 Not Found")
	errTooLarge = errors.New("431 Request Header Fields Too Large")
)

// announce is what a request says, none of it believed yet.
type announce struct {
	infoHash, peerID [20]byte
	claimed          anon.Addr // from ip and port; unknown unless of our network
	seed, stopped    bool
	want             int
}

// readHead reads the rest of a request's head after what was peeked.
func readHead(r io.Reader, head []byte) ([]byte, error) {
	buf := append(make([]byte, 0, maxHead), head...)
	for {
		if bytes.Contains(buf, []byte("\r\n\r\n")) || bytes.Contains(buf, []byte("\n\n")) {
			return buf, nil
		}
		if len(buf) == maxHead {
			return nil, errTooLarge
		}
		n, err := r.Read(buf[len(buf):maxHead])
		buf = buf[:len(buf)+n]
		if err != nil && n == 0 {
			return nil, err
		}
	}
}

// parseRequest reads an announce on the network n. Headers do not matter.
func parseRequest(head []byte, n anon.Network) (announce, error) {
	line, _, _ := bytes.Cut(head, []byte("\n"))
	target, version, ok := strings.Cut(strings.TrimSuffix(string(line), "\r"), " HTTP/1.")
	if !ok || len(version) != 1 || !strings.HasPrefix(target, get) {
		return announce{}, errBad
	}
	path, query, _ := strings.Cut(strings.TrimPrefix(target, get), "?")
	if path != "/announce" && path != "/a" {
		return announce{}, errNotFound
	}
	values, err := url.ParseQuery(query)
	if err != nil {
		return announce{}, errBad
	}
	a := announce{
		seed:    values.Get("left") == "0",
		stopped: values.Get("event") == "stopped",
		want:    wanted(values.Get("numwant")),
		claimed: claim(values.Get("ip"), values.Get("port"), n),
	}
	if copy(a.infoHash[:], values.Get("info_hash")) != 20 || len(values.Get("info_hash")) != 20 ||
		copy(a.peerID[:], values.Get("peer_id")) != 20 || len(values.Get("peer_id")) != 20 {
		return announce{}, errBad
	}
	return a, nil
}

func wanted(text string) int {
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		return usualWant
	}
	return min(n, maxWant)
}

// claim reads the address a peer says it has. Anything but a whole address of
// our network, and so every IP and name, is no address.
func claim(ip, port string, n anon.Network) anon.Addr {
	text := ip
	if n == anon.Tor {
		text += ":" + port
	}
	if strings.Contains(ip, ":") {
		return anon.Unknown(n)
	}
	a, err := anon.ParseAddr(text)
	if err != nil || a.On() != n {
		return anon.Unknown(n)
	}
	return a
}
