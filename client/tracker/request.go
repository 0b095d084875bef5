package tracker

import (
	"bytes"
	"net/url"
	"strconv"
	"strings"

	"sotto/anon"
	"sotto/anon/profile"
	"sotto/client/website"
	"sotto/transport"
)

// Event is what happened to the torrent since the last announce.
type Event uint8

// None is a regular announce.
const (
	None Event = iota
	Started
	Completed
	Stopped
)

var eventNames = map[Event]string{Started: "started", Completed: "completed", Stopped: "stopped"}

// String returns the event's name on the wire, "" for None.
func (e Event) String() string { return eventNames[e] }

// Request is what one announce tells. What is not here is not told.
type Request struct {
	InfoHash, PeerID [20]byte
	// Bytes moved in this run under this identity, never totals over several.
	// They are told rounded down to Step: exact counters would let trackers
	// that compare notes link announces.
	Uploaded, Downloaded int64
	// Left is what is missing, told rounded up to Step, so that 0 means
	// complete. Negative stands for unknown (a magnet whose metadata we lack)
	// and is told as 1, as I2PSnark does.
	Left int64
	// Event of this announce.
	Event Event
	// WantPeers asks for the network's usual number of peers; false asks for
	// none. With Stopped none are asked for.
	WantPeers bool
}

// Step is the grain of the counters we tell, in bytes: a BitTorrent block.
const Step = 16 << 10

func down(n int64) int64 { return max(n, 0) / Step * Step }

func up(n int64) int64 {
	if n < 0 {
		return 1
	}
	if rest := n % Step; rest != 0 {
		n += min(Step-rest, 1<<63-1-n)
	}
	return n
}

// own is what a tracker is told about where we are.
type own struct {
	ip   string // "" when nobody can dial us
	port uint16
}

// ownAddress takes our address from the endpoint and nowhere else: an address
// of the host or of another network cannot get into an announce.
func ownAddress(ep transport.Endpoint, look profile.Announce) (own, error) {
	a := ep.Addr()
	o := own{port: look.Port}
	switch {
	case a.IsUnknown():
		return o, nil
	case a.On() == anon.I2P:
		full, err := fullAddress(ep)
		if err != nil {
			return own{}, err
		}
		o.ip = full + ".i2p"
	default:
		o.ip = a.Host()
		if look.Port == 0 {
			o.port = a.Port()
		}
	}
	if o.port == 0 && a.On() == anon.Memory {
		o.port = anon.DefaultPort // memory has no ports, onion trackers want one
	}
	return o, nil
}

// fullAddress returns the endpoint's destination once it has shown to be the
// one the endpoint listens at.
func fullAddress(ep transport.Endpoint) (string, error) {
	f, ok := ep.(transport.FullAddresser)
	if !ok {
		return "", &anon.LeakError{Op: "announce", Want: "the endpoint's destination", Got: "an endpoint that cannot tell it"}
	}
	full := f.FullAddr()
	if a, err := anon.ParseAddr(full); err != nil || a != ep.Addr() {
		return "", &anon.LeakError{Op: "announce", Want: "the endpoint's destination", Got: "a different text"}
	}
	return full, nil
}

// build returns the bytes of one announce.
func build(t website.Target, look profile.Announce, me own, r Request) []byte {
	var b bytes.Buffer
	b.WriteString("GET " + t.Path)
	sep := byte('?')
	if strings.Contains(t.Path, "?") {
		sep = '&'
	}
	for _, k := range look.Query {
		v, ok := value(k, look, me, r)
		if !ok {
			continue
		}
		b.WriteByte(sep)
		b.WriteString(k.String() + "=" + v)
		sep = '&'
	}
	b.WriteString(" HTTP/1.1\r\n")
	for _, h := range look.Headers {
		v := h.Value
		if h.Name == "Host" {
			v = t.HostHeader()
		}
		b.WriteString(h.Name + ": " + v + "\r\n")
	}
	b.WriteString("\r\n")
	return b.Bytes()
}

// value returns a parameter's text on the wire, and whether it is sent at all.
func value(k profile.Key, look profile.Announce, me own, r Request) (string, bool) {
	switch k {
	case profile.InfoHash:
		return escape(r.InfoHash[:], look), true
	case profile.PeerID:
		return escape(r.PeerID[:], look), true
	case profile.Port:
		return strconv.Itoa(int(me.port)), true
	case profile.IP:
		if look.RawIP {
			return me.ip, me.ip != ""
		}
		return url.QueryEscape(me.ip), me.ip != ""
	case profile.Uploaded:
		return strconv.FormatInt(down(r.Uploaded), 10), true
	case profile.Downloaded:
		return strconv.FormatInt(down(r.Downloaded), 10), true
	case profile.Left:
		return strconv.FormatInt(up(r.Left), 10), true
	case profile.Compact:
		return look.Compact, true
	case profile.Event:
		return r.Event.String(), r.Event != None
	case profile.NumWant:
		if r.WantPeers && r.Event != Stopped {
			return strconv.Itoa(look.NumWant), true
		}
		return "0", true
	}
	return "", false
}

// escape writes binary in the look's spelling of percent escapes.
func escape(raw []byte, look profile.Announce) string {
	var b strings.Builder
	for _, c := range raw {
		alnum := c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z'
		if alnum || strings.IndexByte(look.Plain, c) >= 0 {
			b.WriteByte(c)
			continue
		}
		b.Write([]byte{'%', look.Hex[c>>4], look.Hex[c&15]})
	}
	return b.String()
}
