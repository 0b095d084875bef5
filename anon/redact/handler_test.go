package redact

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"testing"
	"testing/slogtest"

	"encoding/json"

	"github.com/stretchr/testify/require"

	"sotto/anon"
)

const ip = "192.0.2.7"

// logged returns what f writes, as text and as JSON, at the lowest level.
func logged(f func(*slog.Logger)) string {
	var out bytes.Buffer
	all := &slog.HandlerOptions{Level: slog.Level(-100)}
	f(slog.New(New(slog.NewTextHandler(&out, all))))
	f(slog.New(New(slog.NewJSONHandler(&out, all))))
	return out.String()
}

type speaking struct{ text string }

func (s speaking) LogValue() slog.Value { return slog.GroupValue(slog.String("inner", s.text)) }

type marshaller struct{}

func (marshaller) MarshalText() ([]byte, error) { return []byte(ip), nil }

type named string

type nilPanics struct{ s string }

func (n *nilPanics) String() string { return n.s }

func TestEveryValueIsScrubbed(t *testing.T) {
	type config struct{ Addr, path string }
	for name, v := range map[string]any{
		"string":     ip,
		"error":      &net.OpError{Op: "dial", Net: "tcp", Addr: &net.TCPAddr{IP: net.ParseIP(ip)}, Err: errors.New("x")},
		"wrapped":    fmt.Errorf("dial: %w", errors.New(ip)),
		"net.IP":     net.ParseIP(ip),
		"net.Addr":   &net.TCPAddr{IP: net.ParseIP(ip), Port: 1},
		"netip":      netip.MustParseAddr(ip),
		"logvaluer":  speaking{ip},
		"marshaler":  marshaller{},
		"named":      named(ip),
		"struct":     config{ip, ip},
		"pointer":    &config{ip, ip},
		"slice":      []string{ip},
		"map":        map[string]string{ip: ip},
		"bytes":      []byte(ip),
		"raw json":   json.RawMessage(`"` + ip + `"`),
		"group":      slog.GroupValue(slog.String(ip, ip), slog.Group("g", slog.Any("a", config{ip, ip}))),
		"nil method": (*nilPanics)(nil),
	} {
		for _, level := range []slog.Level{-50, slog.LevelDebug, slog.LevelInfo, slog.LevelError} {
			out := logged(func(l *slog.Logger) {
				l.Log(t.Context(), level, "to "+ip, name, v)
				l.With(ip, v).WithGroup(ip).Log(t.Context(), level, "x", "k", v)
			})
			require.NotContains(t, out, ip, name)
			require.Equal(t, 4, strings.Count(out, "\n"), name)
		}
	}
}

func TestHarmlessValuesStay(t *testing.T) {
	out := logged(func(l *slog.Logger) {
		l.WithGroup("g").Info("piece done", "n", 7, "ok", true, "rate", 1.5, "net", anon.Tor, "nothing", nil,
			"addr", anon.OnionAddr([32]byte{1}, 80), "key", anon.NewSecret([]byte("k")))
	})
	for _, want := range []string{
		"g.n=7 g.ok=true g.rate=1.5 g.net=tor g.nothing=<nil> g.addr=tor:(hidden) g.key=(secret)",
		`"g":{"n":7,"ok":true,"rate":1.5,"net":"tor","nothing":null,"addr":"tor:(hidden)","key":"(secret)"}`,
	} {
		require.Contains(t, out, want)
	}
}

func TestCostIsBounded(t *testing.T) {
	nest := slog.String("k", ip)
	for range 1000 {
		nest = slog.Attr{Key: "g", Value: slog.GroupValue(nest)}
	}
	many := make([]any, 0, 2000)
	for range 1000 {
		many = append(many, "k", strings.Repeat("long ", 1000))
	}
	out := logged(func(l *slog.Logger) {
		l.Info("deep", nest)
		l.Info("many", many...)
		l.Info("wide", slog.Group("g", many...))
		l.With(many...).Info("with")
	})
	require.NotContains(t, out, ip)
	require.Less(t, len(out), 2*4*(maxAttrs+2)*(MaxText+64))
	require.Equal(t, 6, strings.Count(out, "attrs_dropped"))
}

func TestIsAHandler(t *testing.T) {
	var out bytes.Buffer
	results := func(t *testing.T) map[string]any {
		var m map[string]any
		require.NoError(t, json.Unmarshal(out.Bytes(), &m))
		return m
	}
	slogtest.Run(t, func(*testing.T) slog.Handler {
		out.Reset()
		return New(slog.NewJSONHandler(&out, nil))
	}, results)
}
