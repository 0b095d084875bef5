package profile

// snarkWeb follows I2PSnark's WebPeer, which sends the head of its announces
// and adds a range, but for "Connection: close": a stream for each range would
// cost a round trip of seconds each.
var snarkWeb = []Header{
	{"Host", ""}, {"Accept-Encoding", ""}, {"Cache-Control", "no-cache"}, {"Pragma", "no-cache"},
	{"User-Agent", "I2PSnark"}, {"Range", ""},
}

// onionWeb follows libtorrent's web_connection_base::add_headers, with the
// agent that onionAnnounce has.
var onionWeb = []Header{{"Host", ""}, {"User-Agent", "curl/7.81.0"}, {"Connection", "keep-alive"}, {"Range", ""}}
