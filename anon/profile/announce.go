package profile

import "sotto/anon"

// Key is one parameter of an announce's query.
type Key uint8

// The parameters a tracker may be told, and there are no others: what has no
// Key (key, trackerid, supportcrypto, corrupt, redundant, ipv4, ipv6) cannot
// be sent.
const (
	InfoHash Key = iota + 1
	PeerID
	Port
	IP
	Uploaded
	Downloaded
	Left
	Compact
	Event
	NumWant
)

var keyNames = map[Key]string{
	InfoHash: "info_hash", PeerID: "peer_id", Port: "port", IP: "ip", Uploaded: "uploaded",
	Downloaded: "downloaded", Left: "left", Compact: "compact", Event: "event", NumWant: "numwant",
}

// String returns the parameter's name on the wire, "" for no key.
func (k Key) String() string { return keyNames[k] }

// Header is one line of a request's head. The value of a header called "Host"
// is the tracker's host and filled in by whoever sends it.
type Header struct{ Name, Value string }

// Announce is how an HTTP announce looks on one network. Whoever builds the
// request follows it byte by byte. The slices are shared: do not write to them.
type Announce struct {
	// Query lists the parameters in the order of the wire. IP and Event are
	// left out when there is nothing to tell.
	Query []Key
	// Headers follow the request line in this order.
	Headers []Header
	// Port is told to every tracker; 0 means the virtual port of our own
	// address, or port 0 when nobody can dial us. Never a port of the host.
	Port uint16
	// Compact is the value of the parameter of that name.
	Compact string
	// NumWant is how many peers we ask for when we want any, else we ask for 0.
	NumWant int
	// Plain are the bytes other than letters and digits that stay unescaped
	// in binary values, Hex the sixteen digits of the escapes of all others.
	Plain, Hex string
	// RawIP sends the value of IP as it is, without escapes.
	RawIP bool
}

// snarkAnnounce follows I2PSnark to the byte, the client nearly everybody on
// I2P uses: TrackerClient.doRequest for the parameters and urlencode for the
// escapes, I2PSocketEepGet.getRequest for the head (Host without a port, an
// empty Accept-Encoding with its blank, User-Agent last), MAX_CONNECTIONS for
// the number of peers.
var snarkAnnounce = Announce{
	Query: []Key{InfoHash, PeerID, Port, IP, Uploaded, Downloaded, Left, Compact, Event, NumWant},
	Headers: []Header{
		{"Host", ""}, {"Accept-Encoding", ""}, {"Cache-Control", "no-cache"}, {"Pragma", "no-cache"},
		{"Connection", "close"}, {"User-Agent", "I2PSnark"},
	},
	Port: anon.DefaultPort, Compact: "1", NumWant: 24,
	Plain: "", Hex: "0123456789abcdef", RawIP: true,
}

// onionAnnounce has no crowd to hide in, so it says as little as works: the
// parameters onion trackers understand (BiglyBT's TRTrackerServerProcessorTCP
// takes ip and port as the peer's address), the head of libtorrent's
// http_connection::get without "Accept-Encoding: gzip", since we refuse
// compressed answers.
var onionAnnounce = Announce{
	Query:   []Key{InfoHash, PeerID, Port, Uploaded, Downloaded, Left, Compact, Event, NumWant, IP},
	Headers: []Header{{"Host", ""}, {"User-Agent", "curl/7.81.0"}, {"Connection", "close"}},
	Compact: "0", NumWant: 50,
	Plain: "-._~", Hex: "0123456789ABCDEF",
}
