package engine

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"reflect"
	"time"

	"github.com/anacrolix/torrent"
	"github.com/anacrolix/torrent/mse"
	pp "github.com/anacrolix/torrent/peer_protocol"
	"golang.org/x/time/rate"

	"sotto/anon"
	"sotto/anon/profile"
)

// lock is one field of the library's configuration, the value it must have,
// and why. A nil value is the field's zero.
type lock struct {
	field string
	value any
	why   string
}

// The library's own names for its anonymous mode, which it sets itself. All
// but the peer id's prefix are for things that are switched off here.
const (
	libAgent  = "curl/7.81.0"
	libPrefix = "-LT20C0-"
)

// Bounds for slow networks. A tunnel or circuit may take a minute to build and
// several seconds a round trip.
const (
	handshakeTime = 75 * time.Second
	dialTime      = 120 * time.Second
	leastDialTime = 60 * time.Second
	stealGrace    = 8 * time.Second
	uploadBurst   = 64 << 10
)

// locks is the whole configuration: every field of the library's is here,
// and a test fails when the library grows one that is not.
func locks(o Options, d *door, h *hooks) []lock {
	enc := encryption(o.Look.Encryption)
	id := o.peerID
	return []lock{
		// The world. Our door is the only way in or out.
		{"DisableTCP", true, "no sockets"},
		{"DisableUTP", true, "no sockets; the stub module has no µTP anyway"},
		{"NoDHT", true, "no sockets; clearnet DHT"},
		{"DisableIPv4", false, "would reject streams, not open sockets"},
		{"DisableIPv6", false, "synthetic addresses are IPv6"},
		{"DisableIPv4Peers", true, "synthetic addresses are never IPv4"},
		{"DialForPeerConns", false, "only the door dials"},
		{"AcceptPeerConnections", true, "the door accepts"},
		{"ListenHost", func(string) string { return "100::1" }, "if it listened, this address cannot be bound"},
		{"ListenPort", 0, "no port to announce"},
		{"ListenPacket", denyPacket, "no sockets"},
		{"NoDefaultPortForwarding", true, "UPnP multicasts and reveals the host"},
		{"UpnpID", "", "UPnP is off"},
		{"LocalServiceDiscovery", nil, "multicasts info hashes on the LAN"},
		{"PublicIp4", nil, "would be told to peers"},
		{"PublicIp6", nil, "would be told to peers"},
		{"IPBlocklist", onlySynthetic{}, "blocks whatever is not synthetic"},
		{"ICEServerList", nil, "WebRTC is off"},
		{"ICEServers", nil, "WebRTC is off"},
		{"DisableWebtorrent", true, "WebRTC enumerates interfaces"},
		{"DisableWebseeds", true, "clearnet HTTP"},
		{"DisablePEX", true, "ut_pex carries IP addresses"},
		{"HTTPProxy", nil, "no proxy, no HTTP"},
		{"HTTPDialContext", denyDial, "no HTTP"},
		{"WebTransport", http.RoundTripper(denyHTTP{}), "no HTTP"},
		{"HttpRequestDirector", nil, "no HTTP"},
		{"HTTPUserAgent", libAgent, "no HTTP"},
		{"WebsocketTrackerHttpHeader", nil, "trackers are off"},
		{"MetainfoSourcesClient", &http.Client{Transport: denyHTTP{}}, "magnet xs= and as= have no other switch"},
		{"MetainfoSourcesMerger", nil, "no metainfo sources"},
		{"DisableTrackers", true, "client/tracker announces; the library's resolves names and skips TLS checks"},
		{"TrackerDialContext", denyDial, "trackers are off"},
		{"TrackerListenPacket", denyPacket, "trackers are off"},
		{"LookupTrackerIp", nil, "trackers are off"},
		{"FailedAnnounceMinInterval", time.Duration(0), "trackers are off"},
		{"FailedAnnounceMaxInterval", time.Duration(0), "trackers are off"},
		{"DhtStartingNodes", nil, "DHT is off; the default resolves names"},
		{"ConfigureAnacrolixDhtServer", nil, "DHT is off"},
		{"PeriodicallyAnnounceTorrentsToDht", false, "DHT is off"},
		{"DHTOnQuery", nil, "DHT is off"},

		// How we look.
		{"AnonymousMode", true, "no version anywhere"},
		{"PeerID", string(id[:]), "the look's prefix, fresh for each torrent and run"},
		{"Bep20", libPrefix, "unused: PeerID is set"},
		{"ExtendedHandshakeClientVersion", "", "no v key"},
		{"Extensions", torrent.PeerExtensionBits(pp.NewPeerExtensionBytes(pp.ExtensionBitLtep, pp.ExtensionBitFast)), "no DHT bit"},
		{"MinPeerExtensions", nil, "speak with everybody"},
		{"HeaderObfuscationPolicy", enc.policy, "the look's encryption"},
		{"CryptoProvides", enc.provides, "the look's encryption"},
		{"CryptoSelector", enc.selects, "the look's encryption; the library prefers plaintext"},
		{"Callbacks", h.callbacks(), "ours"},

		// Bounds.
		{"HandshakesTimeout", handshakeTime, "several round trips of a slow tunnel"},
		{"NominalDialTimeout", dialTime, "a tunnel or circuit may have to be built first"},
		{"MinDialTimeout", leastDialTime, "as above, with many peers waiting"},
		{"KeepAliveTimeout", time.Minute, "half of what peers allow"},
		{"EstablishedConnsPerTorrent", o.MaxPeers, "Options.MaxPeers"},
		{"HalfOpenConnsPerTorrent", o.MaxDials, "Options.MaxDials"},
		{"TotalHalfOpenConns", o.MaxDials, "one torrent a client"},
		{"DialRateLimiter", rate.NewLimiter(rate.Inf, 1), "the number of dials is limited instead"},
		{"TorrentPeersHighWater", 500, "addresses in reserve; the book has the rest"},
		{"TorrentPeersLowWater", 50, "only wakes trackers, which are off"},
		{"MaxAllocPeerRequestDataPerConn", 1 << 20, "memory a peer can make us hold"},
		{"MaxUnverifiedBytes", int64(256 << 20), "many slow peers have many pieces open"},
		{"StealRequestGrace", stealGrace, "a request younger than a round trip is not late"},
		{"PieceHashersPerTorrent", 2, "the library's default"},
		{"UploadRateLimiter", uploadLimit(o.UploadRate), "Options.UploadRate"},
		{"DownloadRateLimiter", downloadLimit(o.DownloadRate), "Options.DownloadRate"},

		// Behaviour.
		{"Seed", true, "upload after completion until closed"},
		{"NoUpload", false, "good neighbour"},
		{"DisableAggressiveUpload", false, "good neighbour"},
		{"DropDuplicatePeerIds", true, "one connection a peer"},
		{"DropMutuallyCompletePeers", true, "nothing left to say"},
		{"AlwaysWantConns", false, "one torrent a client"},
		{"DisableAcceptRateLimiting", true, "a slow handshake must not ban a destination"},
		{"DataDir", "", "storage is given with the torrent"},
		{"DefaultStorage", noStorage{}, "nil would open the current folder"},
		{"Debug", false, "more text, no more facts"},
		{"Logger", nil, "Slogger is set"},
		{"Slogger", libraryLog(o.Log), "nothing above debug but fixed text"},
	}
}

// configure builds the library's configuration out of locks.
func configure(all []lock) (*torrent.ClientConfig, error) {
	c := new(torrent.ClientConfig)
	v := reflect.ValueOf(c).Elem()
	for _, l := range all {
		f := v.FieldByName(l.field)
		if !f.IsValid() {
			return nil, fmt.Errorf("configure engine: the library has no field %s", l.field)
		}
		if l.value == nil {
			f.SetZero()
			continue
		}
		f.Set(reflect.ValueOf(l.value))
	}
	return c, nil
}

type crypto struct {
	policy   torrent.HeaderObfuscationPolicy
	provides mse.CryptoMethod
	selects  mse.CryptoSelector
}

func encryption(e profile.Encryption) crypto {
	const rc4, both = mse.CryptoMethodRC4, mse.AllSupportedCrypto
	preferRC4 := func(offered mse.CryptoMethod) mse.CryptoMethod {
		if offered&rc4 != 0 {
			return rc4
		}
		return offered & mse.CryptoMethodPlaintext
	}
	switch e {
	case profile.Preferred:
		return crypto{torrent.HeaderObfuscationPolicy{Preferred: true}, both, preferRC4}
	case profile.Accept:
		return crypto{torrent.HeaderObfuscationPolicy{}, both, preferRC4}
	}
	onlyRC4 := func(offered mse.CryptoMethod) mse.CryptoMethod { return offered & rc4 }
	return crypto{torrent.HeaderObfuscationPolicy{Preferred: true, RequirePreferred: true}, rc4, onlyRC4}
}

// uploadLimit must not be nil, downloadLimit must be nil for no limit: with a
// limiter that never runs dry the library believes it has run dry.
func uploadLimit(bytesPerSecond int64) *rate.Limiter {
	if bytesPerSecond <= 0 {
		return rate.NewLimiter(rate.Inf, 0)
	}
	return rate.NewLimiter(rate.Limit(bytesPerSecond), uploadBurst)
}

func downloadLimit(bytesPerSecond int64) *rate.Limiter {
	if bytesPerSecond <= 0 {
		return nil
	}
	return rate.NewLimiter(rate.Limit(bytesPerSecond), 0) // the library picks the burst
}

var errDenied = &anon.LeakError{Op: "library", Want: "no network of its own", Got: "an attempt to use one"}

func denyDial(context.Context, string, string) (net.Conn, error) { return nil, errDenied }

func denyPacket(string, string) (net.PacketConn, error) { return nil, errDenied }

type denyHTTP struct{}

func (denyHTTP) RoundTrip(*http.Request) (*http.Response, error) { return nil, errDenied }
