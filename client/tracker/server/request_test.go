package server

import (
	"io"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"sotto/anon"
)

var (
	hashA, idA = [20]byte{1, 2, 3}, [20]byte{9, 9}
	okQuery    = "info_hash=" + url.QueryEscape(string(hashA[:])) + "&peer_id=" + url.QueryEscape(string(idA[:]))
)

func TestParseRequest(t *testing.T) {
	onion, memory := anon.OnionAddr([32]byte{7}, 6881), anon.MemoryAddr([32]byte{8})
	base := announce{infoHash: hashA, peerID: idA, want: usualWant}
	with := func(f func(*announce)) announce {
		a := base
		a.claimed = anon.Unknown(anon.Tor)
		f(&a)
		return a
	}
	for name, c := range map[string]struct {
		net   anon.Network
		line  string
		want  announce
		error error
	}{
		"least":    {anon.Tor, "/announce?" + okQuery, with(func(*announce) {}), nil},
		"short":    {anon.Tor, "/a?" + okQuery, with(func(*announce) {}), nil},
		"seed":     {anon.Tor, "/a?" + okQuery + "&left=0", with(func(a *announce) { a.seed = true }), nil},
		"stopped":  {anon.Tor, "/a?" + okQuery + "&event=stopped", with(func(a *announce) { a.stopped = true }), nil},
		"few":      {anon.Tor, "/a?" + okQuery + "&numwant=3", with(func(a *announce) { a.want = 3 }), nil},
		"none":     {anon.Tor, "/a?" + okQuery + "&numwant=0", with(func(a *announce) { a.want = 0 }), nil},
		"many":     {anon.Tor, "/a?" + okQuery + "&numwant=10000", with(func(a *announce) { a.want = maxWant }), nil},
		"less":     {anon.Tor, "/a?" + okQuery + "&numwant=-1", with(func(*announce) {}), nil},
		"nonsense": {anon.Tor, "/a?" + okQuery + "&numwant=9999999999999999999", with(func(*announce) {}), nil},
		"onion":    {anon.Tor, "/a?" + okQuery + "&ip=" + onion.Host() + "&port=6881", with(func(a *announce) { a.claimed = onion }), nil},
		"memory": {anon.Memory, "/a?" + okQuery + "&ip=" + memory.Host() + "&port=6881",
			with(func(a *announce) { a.claimed = memory }), nil},
		"onion, port 0":     {anon.Tor, "/a?" + okQuery + "&ip=" + onion.Host() + "&port=0", with(func(*announce) {}), nil},
		"onion, no port":    {anon.Tor, "/a?" + okQuery + "&ip=" + onion.Host(), with(func(*announce) {}), nil},
		"onion, two ports":  {anon.Tor, "/a?" + okQuery + "&ip=" + onion.Host() + ":1&port=2", with(func(*announce) {}), nil},
		"an ip":             {anon.Tor, "/a?" + okQuery + "&ip=127.0.0.1&port=80", with(func(*announce) {}), nil},
		"an ipv6":           {anon.Tor, "/a?" + okQuery + "&ip=::1&port=80", with(func(*announce) {}), nil},
		"a name":            {anon.Tor, "/a?" + okQuery + "&ip=localhost&port=80", with(func(*announce) {}), nil},
		"another network":   {anon.Tor, "/a?" + okQuery + "&ip=" + memory.Host() + "&port=80", with(func(*announce) {}), nil},
		"scrape":            {anon.Tor, "/scrape?" + okQuery, announce{}, errNotFound},
		"root":              {anon.Tor, "/", announce{}, errNotFound},
		"elsewhere":         {anon.Tor, "http://example.com/announce?" + okQuery, announce{}, errNotFound},
		"no query":          {anon.Tor, "/announce", announce{}, errBad},
		"short hash":        {anon.Tor, "/a?info_hash=abc&peer_id=aaaaaaaaaaaaaaaaaaaa", announce{}, errBad},
		"long hash":         {anon.Tor, "/a?info_hash=" + strings.Repeat("a", 21) + "&peer_id=aaaaaaaaaaaaaaaaaaaa", announce{}, errBad},
		"long peer id":      {anon.Tor, "/a?info_hash=aaaaaaaaaaaaaaaaaaaa&peer_id=" + strings.Repeat("a", 21), announce{}, errBad},
		"broken escapes":    {anon.Tor, "/a?info_hash=%zz&" + okQuery, announce{}, errBad},
		"blank in the path": {anon.Tor, "/a b?" + okQuery, announce{}, errNotFound},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := parseRequest([]byte("GET "+c.line+" HTTP/1.1\r\nHost: x\r\n\r\n"), c.net)
			require.ErrorIs(t, err, c.error)
			require.True(t, c.want == got, "got %+v", got)
		})
	}
	for _, head := range []string{"", "\r\n\r\n", "GET \r\n\r\n", "GET /a\r\n\r\n", "GET /a HTTP/2.0\r\n\r\n", "POST /a HTTP/1.1\r\n\r\n", "GET /a HTTP/1.10\r\n\r\n"} {
		_, err := parseRequest([]byte(head), anon.Tor)
		require.ErrorIs(t, err, errBad, head)
	}
}

func TestReadHeadIsBounded(t *testing.T) {
	endless := &counter{}
	_, err := readHead(endless, []byte("GET "))
	require.ErrorIs(t, err, errTooLarge)
	require.Equal(t, maxHead-len("GET "), endless.n)

	_, err = readHead(strings.NewReader("/a HTTP/1.1\r\n"), []byte("GET "))
	require.ErrorIs(t, err, io.EOF)
	got, err := readHead(strings.NewReader("/a HTTP/1.1\n\n"), []byte("GET "))
	require.NoError(t, err)
	require.Equal(t, "GET /a HTTP/1.1\n\n", string(got))
}

// counter is an endless stream of x that counts what was taken from it.
type counter struct{ n int }

func (c *counter) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'x'
	}
	c.n += len(p)
	return len(p), nil
}

func FuzzParseRequest(f *testing.F) {
	f.Add([]byte("GET /announce?" + okQuery + "&ip=" + anon.OnionAddr([32]byte{1}, 1).Host() + "&port=1&numwant=5&left=0&event=stopped HTTP/1.1\r\n\r\n"))
	f.Add([]byte("GET /a?info_hash=%00&peer_id=+ HTTP/1.0\n\n"))
	f.Add([]byte("GET /scrape HTTP/1.1\r\n\r\n"))
	f.Fuzz(func(t *testing.T, head []byte) {
		for _, n := range []anon.Network{anon.I2P, anon.Tor, anon.Memory} {
			a, err := parseRequest(head, n)
			if err == nil && (a.want < 0 || a.want > maxWant || a.claimed.On() != n) {
				t.Fatalf("%+v", a)
			}
		}
	})
}
