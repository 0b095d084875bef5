package sam

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"sotto/anon"
)

// Option is one key=value pair of a session. Neither side may hold spaces,
// quotes, newlines or other bytes outside printable ASCII.
type Option struct{ Key, Value string }

// NewID returns a random session id of 64 bits. It says nothing of us, and two
// programs on one router will not meet.
func NewID() string {
	var b [8]byte
	rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

// Generate asks the router for a fresh Ed25519 key and returns the private key
// blob in base64. It never accepts another signature type.
func (c *Conn) Generate(ctx context.Context, limit time.Duration) (anon.Secret, Keys, error) {
	r, err := c.ask(ctx, "DEST GENERATE SIGNATURE_TYPE=7", maxKeys, limit)
	if err != nil {
		return anon.Secret{}, Keys{}, fmt.Errorf("make key: %w", err)
	}
	if !r.Is("DEST", "REPLY") {
		return anon.Secret{}, Keys{}, fmt.Errorf("make key: %w", errReplyForm)
	}
	private := []byte(r.Value("PRIV"))
	keys, err := ParsePrivate(private)
	if err != nil {
		return anon.Secret{}, Keys{}, fmt.Errorf("make key: %w", err)
	}
	return anon.NewSecret(private), keys, nil
}

// CreateStream makes the connection the control connection of a new streaming
// session, which lives as long as the connection does. It takes up to minutes.
// A router that answers with another destination than the key's is an
// anon.ErrProtocol.
func (c *Conn) CreateStream(ctx context.Context, id string, key anon.Secret, options []Option, limit time.Duration) error {
	want, err := ParsePrivate(key.Expose())
	if err != nil {
		return fmt.Errorf("create session: %w", err)
	}
	var line strings.Builder
	fmt.Fprintf(&line, "SESSION CREATE STYLE=STREAM ID=%s DESTINATION=%s", id, key.Expose())
	for _, o := range options {
		if !plain(o.Key) || !plain(o.Value) {
			return fmt.Errorf("create session: option with a byte that sam cannot carry: %w", anon.ErrProtocol)
		}
		fmt.Fprintf(&line, " %s=%s", o.Key, o.Value)
	}
	r, err := c.ask(ctx, line.String(), maxKeys, limit)
	if err != nil {
		return fmt.Errorf("create session: %w", err)
	}
	if !r.Is("SESSION", "STATUS") {
		return fmt.Errorf("create session: %w", errReplyForm)
	}
	if err := r.Err(); err != nil {
		return fmt.Errorf("create session: %w", err)
	}
	got, err := ParsePrivate([]byte(r.Value("DESTINATION")))
	if err != nil {
		return fmt.Errorf("create session: %w", err)
	}
	if got.Hash != want.Hash {
		return fmt.Errorf("create session: the router answered with another destination: %w", anon.ErrProtocol)
	}
	return nil
}

// Connect asks for a stream to a destination, given as <52>.b32.i2p or in
// base64. After nil the connection is that stream: take it with Detach. Some
// routers answer before the peer has, so nil does not prove the peer there.
func (c *Conn) Connect(ctx context.Context, id, destination string, limit time.Duration) error {
	if !plain(destination) {
		return fmt.Errorf("connect: %w", errDestination)
	}
	return c.stream(ctx, "STREAM CONNECT ID="+id+" DESTINATION="+destination+" SILENT=false", limit)
}

// Accept asks for the next inbound stream. After nil the connection waits for
// its peer: call Peer.
func (c *Conn) Accept(ctx context.Context, id string, limit time.Duration) error {
	return c.stream(ctx, "STREAM ACCEPT ID="+id+" SILENT=false", limit)
}

func (c *Conn) stream(ctx context.Context, command string, limit time.Duration) error {
	r, err := c.ask(ctx, command, maxStatus, limit)
	if err != nil {
		return fmt.Errorf("%s: %w", streamVerb(command), err)
	}
	if !r.Is("STREAM", "STATUS") {
		return fmt.Errorf("%s: %w", streamVerb(command), errReplyForm)
	}
	if err := r.Err(); err != nil {
		return fmt.Errorf("%s: %w", streamVerb(command), err)
	}
	return nil
}

func streamVerb(command string) string {
	if strings.HasPrefix(command, "STREAM ACCEPT") {
		return "accept"
	}
	return "connect"
}

// Peer waits, as long as ctx lets it, for the line that announces who has
// connected and returns the hash of that destination. Once the line has begun,
// it must end within limit. Ports behind the destination are ignored. After
// nil the connection is the stream: take it with Detach.
func (c *Conn) Peer(ctx context.Context, limit time.Duration) (hash [32]byte, err error) {
	if err := c.within(ctx, 0, c.fill); err != nil {
		return hash, fmt.Errorf("wait for peer: %w", err)
	}
	var line string
	err = c.within(ctx, limit, func() (err error) {
		line, err = c.readLine(maxPeer)
		return err
	})
	if err != nil {
		return hash, fmt.Errorf("wait for peer: %w", err)
	}
	if r, err := ParseReply(line); err == nil && r.Is("STREAM", "STATUS") {
		if err := r.Err(); err != nil {
			return hash, fmt.Errorf("wait for peer: %w", err)
		}
	}
	destination, _, _ := strings.Cut(strings.TrimSuffix(line, "\r"), " ")
	if hash, err = ParseDestination(destination); err != nil {
		return hash, fmt.Errorf("wait for peer: %w", err)
	}
	return hash, nil
}

// fill returns when at least one byte is there.
func (c *Conn) fill() error {
	for len(c.rest) == 0 {
		var buf [chunk]byte
		n, err := c.wire.Read(buf[:])
		c.rest = append(c.rest, buf[:n]...)
		if n == 0 && err != nil {
			return err
		}
	}
	return nil
}

// plain reports whether s can stand unquoted in a command.
func plain(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' || s[i] == '"' || s[i] == '\\' {
			return false
		}
	}
	return s != ""
}
