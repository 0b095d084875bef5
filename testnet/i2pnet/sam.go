package i2pnet

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
)

// bridge is one connection to a SAM bridge: just enough of SAM 3.1 to see
// whether the network works, and independent of the code under test.
type bridge struct {
	net.Conn
	lines *bufio.Reader
	stop  func() bool
}

// maxReply bounds a reply; the longest holds a destination and its keys.
const maxReply = 8 << 10

// hello opens a connection that ctx ends.
func hello(ctx context.Context, addr string) (*bridge, error) {
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp4", addr)
	if err != nil {
		return nil, fmt.Errorf("dial SAM: %w", err)
	}
	b := &bridge{Conn: c, lines: bufio.NewReaderSize(c, maxReply)}
	b.stop = context.AfterFunc(ctx, func() { c.Close() })
	if _, err := b.say("HELLO VERSION MIN=3.1 MAX=3.1"); err != nil {
		b.Close()
		return nil, err
	}
	return b, nil
}

func (b *bridge) Close() error {
	b.stop()
	return b.Conn.Close()
}

// line reads one line of at most maxReply bytes.
func (b *bridge) line() (string, error) {
	text, err := b.lines.ReadSlice('\n')
	if err != nil {
		return "", fmt.Errorf("read SAM: %w", err)
	}
	return strings.TrimRight(string(text), "\r\n"), nil
}

// say sends a command and returns the reply, which must be RESULT=OK.
func (b *bridge) say(command string) (string, error) {
	if _, err := fmt.Fprintf(b, "%s\n", command); err != nil {
		return "", fmt.Errorf("write SAM: %w", err)
	}
	reply, err := b.line()
	if err != nil {
		return "", err
	}
	if field(reply, "RESULT") != "OK" {
		return "", fmt.Errorf("SAM refused: %.80s", reply)
	}
	return reply, nil
}

// session makes a transient stream session, which lives as long as the
// returned connection, and returns its public destination. It takes 20 s on
// i2pd 2.45.1, or 40, or longer.
func session(ctx context.Context, addr, id string) (*bridge, string, error) {
	b, err := hello(ctx, addr)
	if err != nil {
		return nil, "", err
	}
	reply, err := b.say("SESSION CREATE STYLE=STREAM ID=" + id +
		" DESTINATION=TRANSIENT SIGNATURE_TYPE=7 i2cp.leaseSetEncType=4" +
		" inbound.length=1 outbound.length=1 inbound.quantity=3 outbound.quantity=3")
	if err != nil {
		b.Close()
		return nil, "", err
	}
	public, err := publicPart(field(reply, "DESTINATION"))
	if err != nil {
		b.Close()
		return nil, "", err
	}
	return b, public, nil
}

// publicPart cuts the destination off the front of a SAM private key.
func publicPart(private string) (string, error) {
	if len(private) > maxReply {
		return "", errors.New("SAM key is too long")
	}
	raw, err := base64I2P.DecodeString(private)
	if err != nil {
		return "", fmt.Errorf("decode SAM key: %w", err)
	}
	n, err := identityLength(raw)
	if err != nil {
		return "", err
	}
	return base64I2P.EncodeToString(raw[:n]), nil
}

// field returns the value of a key in a reply, or nothing.
func field(reply, key string) string {
	for f := range strings.FieldsSeq(reply) {
		if value, ok := strings.CutPrefix(f, key+"="); ok {
			return value
		}
	}
	return ""
}
