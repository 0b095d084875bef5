package router

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Setting is one line of configuration that must hold while tor runs.
type Setting struct{ Key, Value string }

// Policy is what makes the child safe, as tor reports it with GETCONF. The
// transport reads it back before it turns the network on.
func (h *Home) Policy() []Setting {
	return []Setting{
		// OnionTrafficOnly: no exit, no address of the open internet.
		// IsolateSOCKSAuth, IsolateDestAddr: identities and peers share no
		// circuit.
		{"SocksPort", "unix:" + h.Socks() +
			" OnionTrafficOnly IsolateSOCKSAuth IsolateDestAddr KeepAliveIsolateSOCKSAuth ExtendedErrors"},
		{"ControlPort", "unix:" + h.Control()},
		{"SafeSocks", "1"},
		{"HiddenServiceSingleHopMode", "0"},
		{"HiddenServiceNonAnonymousMode", "0"},
		{"ORPort", ""}, {"DirPort", ""}, {"ExtORPort", ""},
		{"HTTPTunnelPort", ""}, {"TransPort", ""}, {"NATDPort", ""},
		{"DNSPort", ""}, {"MetricsPort", ""},
	}
}

// torrc spells the configuration. The unsafe lines come first and ours after
// them; a port of theirs is still added to ours, which Policy then catches.
func (h *Home) torrc(unsafe []string) (string, error) {
	var b strings.Builder
	for _, line := range unsafe {
		if strings.ContainsAny(line, "\r\n\x00") {
			return "", errors.New("an unsafe torrc line with a line break in it")
		}
		fmt.Fprintln(&b, line)
	}
	for _, path := range []string{h.state, h.run} {
		if strings.ContainsFunc(path, func(r rune) bool { return r < ' ' || r == 0x7f }) {
			return "", errors.New("a path with control characters")
		}
	}
	for _, s := range h.Policy() {
		if s.Value != "" {
			fmt.Fprintln(&b, s.Key, s.Value)
		}
	}
	for _, s := range []Setting{
		{"DataDirectory", quote(h.state)},
		{"CookieAuthentication", "1"},
		{"CookieAuthFile", quote(h.Cookie())},
		{"AvoidDiskWrites", "1"},
		{"DisableNetwork", "1"},
		{"Log", "warn stdout"},
		{"__OwningControllerProcess", fmt.Sprint(os.Getpid())},
	} {
		fmt.Fprintln(&b, s.Key, s.Value)
	}
	return b.String(), nil
}

func quote(path string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(path) + `"`
}

// write leaves torrc and an empty file for --defaults-torrc: without the
// latter the system's own defaults would apply.
func (h *Home) write(unsafe []string) (torrc, defaults string, err error) {
	text, err := h.torrc(unsafe)
	if err != nil {
		return "", "", err
	}
	torrc, defaults = filepath.Join(h.run, "torrc"), filepath.Join(h.run, "defaults")
	if err := os.WriteFile(torrc, []byte(text), 0o600); err != nil {
		return "", "", err
	}
	return torrc, defaults, os.WriteFile(defaults, nil, 0o600)
}
