package tor

import (
	"errors"
	"fmt"
	"strings"

	"sotto/anon"
)

// FromEnv reads the variables with which Whonix, Tails and Tor Browser tell a
// program about a tor that already runs: TOR_SKIP_LAUNCH, and for the ports
// TOR_CONTROL_IPC_PATH or TOR_CONTROL_HOST and _PORT, TOR_SOCKS_IPC_PATH or
// TOR_SOCKS_HOST and _PORT, TOR_CONTROL_COOKIE_AUTH_FILE, TOR_CONTROL_PASSWD.
// A host is 127.0.0.1 when not given.
//
// It reports false when they name none. TOR_SKIP_LAUNCH=1 without both ports is
// an error: the system forbids a child, and there is no other way out. lookup
// is os.Getenv or like it.
func FromEnv(lookup func(string) string) (Config, bool, error) {
	skip := lookup("TOR_SKIP_LAUNCH")
	control := envPlace(lookup, "TOR_CONTROL")
	if skip == "0" || skip == "" && control == "" {
		return Config{}, false, nil
	}
	c := Config{
		Control:    control,
		Socks:      envPlace(lookup, "TOR_SOCKS"),
		CookieFile: lookup("TOR_CONTROL_COOKIE_AUTH_FILE"),
	}
	// Tor Browser's launcher takes the password in double quotes.
	if pw := strings.Trim(lookup("TOR_CONTROL_PASSWD"), `"`); pw != "" {
		c.Password = anon.NewSecret([]byte(pw))
	}
	if c.Control == "" || c.Socks == "" {
		return Config{}, false, errors.New("read TOR_ variables: a running tor needs TOR_CONTROL_PORT and TOR_SOCKS_PORT, or their _IPC_PATH forms")
	}
	if _, err := c.check(); err != nil {
		return Config{}, false, fmt.Errorf("read TOR_ variables: %w", err)
	}
	return c, true, nil
}

func envPlace(lookup func(string) string, prefix string) string {
	if path := lookup(prefix + "_IPC_PATH"); path != "" {
		return "unix:" + strings.TrimPrefix(strings.TrimPrefix(path, "unix:"), "file:")
	}
	port, host := lookup(prefix+"_PORT"), lookup(prefix+"_HOST")
	if port == "" {
		return ""
	}
	if host == "" {
		host = "127.0.0.1"
	}
	if strings.Contains(host, ":") && !strings.HasPrefix(host, "[") {
		host = "[" + host + "]"
	}
	return host + ":" + port
}
