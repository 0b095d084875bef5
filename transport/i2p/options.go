package i2p

import (
	"strconv"

	"sotto/transport/i2p/sam"
)

// sessionOptions is all that a router is told about a session, each with its
// reason. A router ignores what it does not know.
func sessionOptions(c Config) []sam.Option {
	hops, tunnels := strconv.Itoa(c.Hops), strconv.Itoa(c.Tunnels)
	return []sam.Option{
		// Only ECIES-X25519. 0 is ElGamal, slow and on its way out. 5 and 6,
		// the post-quantum ones, crash the i2pd versions that stop at SAM 3.1.
		{Key: "i2cp.leaseSetEncType", Value: "4"},
		// Length is anonymity: fixed, and the same both ways, so that no
		// session comes out shorter than promised.
		{Key: "inbound.length", Value: hops},
		{Key: "outbound.length", Value: hops},
		{Key: "inbound.lengthVariance", Value: "0"},
		{Key: "outbound.lengthVariance", Value: "0"},
		// Tunnels cost others bandwidth, so few, and none in reserve.
		{Key: "inbound.quantity", Value: tunnels},
		{Key: "outbound.quantity", Value: tunnels},
		{Key: "inbound.backupQuantity", Value: "0"},
		{Key: "outbound.backupQuantity", Value: "0"},
		// Shown in the router's console; unset, some show our session id.
		{Key: "inbound.nickname", Value: c.Nickname},
		{Key: "outbound.nickname", Value: c.Nickname},
		// Give way to the user's browsing over the same router.
		{Key: "outbound.priority", Value: "-10"},
		// Bulk data, already compressed: do not waste time on gzip, whose
		// sizes would tell something about the content besides.
		{Key: "i2p.streaming.profile", Value: "1"},
		{Key: "i2cp.gzip", Value: "false"},
		// Start with one message a round trip, as I2PSnark does: the window
		// is visible to the peer.
		{Key: "i2p.streaming.initialWindowSize", Value: "1"},
		// A destination that answers pings tells strangers when we are there.
		{Key: "i2p.streaming.answerPings", Value: "false"},
		// An idle peer is asked after 4 minutes, above BitTorrent's 2 minute
		// keep-alive, instead of being dropped without a word.
		{Key: "i2p.streaming.inactivityTimeout", Value: "240000"},
		{Key: "i2p.streaming.inactivityAction", Value: "1"},
		// Against floods, inside the router where they are cheap to refuse.
		// I2PSnark's 2 a minute for each peer would shut out one who asks our
		// tracker and then dials us for metadata and data.
		{Key: "i2p.streaming.maxConnsPerMinute", Value: "8"},
		{Key: "i2p.streaming.maxConnsPerHour", Value: "80"},
		{Key: "i2p.streaming.maxTotalConnsPerMinute", Value: "60"},
		// The router need not write down whom it refused.
		{Key: "i2p.streaming.disableRejectLogging", Value: "true"},
	}
}
