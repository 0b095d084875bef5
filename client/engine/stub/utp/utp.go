// Package utp stands in for github.com/anacrolix/go-utp, so that uTP, which is
// UDP and cannot cross Tor or a SAM stream, is not in the binary at all.
//
// It refuses to open any socket: an engine that was told to use uTP fails
// loudly when it starts instead of sending a datagram.
package utp

import (
	"context"
	"errors"
	"log/slog"
	"net"
)

// ErrCompiledOut is what every constructor returns.
var ErrCompiledOut = errors.New("uTP is compiled out")

// Default names this implementation in the engine's error text.
const Default = "none (compiled out)"

// FirewallCallback has the shape the engine expects; it is never called.
type FirewallCallback func(net.Addr) bool

// Option has the shape the engine expects; it does nothing.
type Option func()

// Socket has the methods the engine expects of a uTP socket. None is ever made.
type Socket interface {
	net.PacketConn
	Accept() (net.Conn, error)
	Addr() net.Addr
	DialContext(ctx context.Context, network, addr string) (net.Conn, error)
	SetFirewallCallback(FirewallCallback)
}

// WithLogger ignores its logger.
func WithLogger(*slog.Logger) Option { return func() {} }

// NewSocket always fails.
func NewSocket(_, _ string, _ ...Option) (Socket, error) { return nil, ErrCompiledOut }

// NewSocketFromPacketConn always fails and leaves the connection alone.
func NewSocketFromPacketConn(net.PacketConn, ...Option) (Socket, error) {
	return nil, ErrCompiledOut
}
