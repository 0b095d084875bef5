package sink

import (
	"net/netip"
	"strings"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// maxNames is how many names get an address; 198.19.0.1 to 198.19.254.255
// would hold a few more.
const maxNames = 60_000

// answerLife is how long a resolver may keep an answer.
const answerLife = time.Minute

// namebook gives every name an IPv4 address of its own.
type namebook struct {
	addrs map[string]netip.Addr
	names map[netip.Addr]string
	next  netip.Addr
}

func newNamebook() namebook {
	return namebook{
		addrs: make(map[string]netip.Addr),
		names: make(map[netip.Addr]string),
		next:  netip.MustParseAddr("198.19.0.1"),
	}
}

// of returns the name an address was given to, or nothing.
func (b *namebook) of(a netip.Addr) string { return b.names[a] }

// addr returns the name's address, the same each time.
func (b *namebook) addr(name string) (netip.Addr, bool) {
	name = strings.ToLower(name)
	if a, ok := b.addrs[name]; ok {
		return a, true
	}
	if len(b.addrs) >= maxNames {
		return netip.Addr{}, false
	}
	a := b.next
	b.next = a.Next()
	b.addrs[name], b.names[a] = a, name
	return a, true
}

// answer returns what a DNS query asks, and the reply to it: an address for
// type A, an empty answer for others. A message that is no query has neither.
func (b *namebook) answer(query []byte) (question string, reply []byte) {
	var p dnsmessage.Parser
	head, err := p.Start(query)
	if err != nil || head.Response {
		return "", nil
	}
	q, err := p.Question()
	if err != nil {
		return "", nil
	}
	name := strings.TrimSuffix(q.Name.String(), ".")
	question = name + " " + strings.TrimPrefix(q.Type.String(), "Type")
	m := dnsmessage.Message{
		Header: dnsmessage.Header{
			ID: head.ID, Response: true, RecursionDesired: head.RecursionDesired, RecursionAvailable: true,
		},
		Questions: []dnsmessage.Question{q},
	}
	if a, ok := b.addr(name); ok && q.Type == dnsmessage.TypeA && q.Class == dnsmessage.ClassINET {
		m.Answers = []dnsmessage.Resource{{
			Header: dnsmessage.ResourceHeader{Name: q.Name, Class: q.Class, TTL: uint32(answerLife.Seconds())},
			Body:   &dnsmessage.AResource{A: a.As4()},
		}}
	}
	reply, err = m.Pack()
	if err != nil {
		return question, nil
	}
	return question, reply
}
