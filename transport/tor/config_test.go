package tor

import (
	"testing"

	"github.com/stretchr/testify/require"

	"sotto/anon"
	"sotto/transport"
)

func TestConfigRefuses(t *testing.T) {
	run := func(control, socks string) Config { return Config{Control: control, Socks: socks} }
	for name, c := range map[string]Config{
		"no socks":             run("unix:/c", ""),
		"no control":           run("", "unix:/s"),
		"cookie for a child":   {CookieFile: "/c"},
		"password for a child": {Password: anon.NewSecret([]byte("x"))},
		"relative socket":      run("unix:c", "unix:/s"),
		"a name":               run("localhost:9051", "127.0.0.1:9050"),
		"another machine":      run("192.0.2.1:9051", "127.0.0.1:9050"),
		"every address":        run("0.0.0.0:9051", "127.0.0.1:9050"),
		"no port":              run("127.0.0.1", "127.0.0.1:9050"),
		"port 0":               run("127.0.0.1:0", "127.0.0.1:9050"),
		"decimal":              run("2130706433:9051", "127.0.0.1:9050"),
		"socks elsewhere":      run("127.0.0.1:9051", "10.0.0.1:9050"),
		"zone":                 run("[::1%lo]:9051", "127.0.0.1:9050"),
		"two torrc lines":      {UnsafeTorrc: []string{"a\nSocksPort 9050"}},
		"torrc for a stranger": {Control: "unix:/c", Socks: "unix:/s", UnsafeTorrc: []string{"a"}},
	} {
		_, err := New(c)
		require.Error(t, err, name)
	}
}

func TestConfigTakes(t *testing.T) {
	for _, c := range []Config{
		{}, {UnsafeTorrc: []string{"TestingTorNetwork 1"}},
		{Control: "unix:/c", Socks: "unix:/s"},
		{Control: "127.0.0.1:9051", Socks: "[::1]:9050", CookieFile: "/c"},
	} {
		tr, err := New(c)
		require.NoError(t, err)
		require.Equal(t, anon.Tor, tr.Network())
		require.NoError(t, tr.Close(), "a transport that was never used closes")
	}
}

func TestFromEnv(t *testing.T) {
	type env map[string]string
	const controlPath, socksPath = "/run/tor/control", "/run/tor/socks"
	whonix := env{"TOR_SKIP_LAUNCH": "1", "TOR_CONTROL_IPC_PATH": controlPath, "TOR_SOCKS_IPC_PATH": socksPath, "TOR_CONTROL_PASSWD": `"password"`}
	tails := env{"TOR_SKIP_LAUNCH": "1", "TOR_CONTROL_HOST": "127.0.0.1", "TOR_CONTROL_PORT": "951", "TOR_SOCKS_PORT": "9050", "TOR_CONTROL_COOKIE_AUTH_FILE": "/c"}
	for name, c := range map[string]struct {
		env     env
		running bool
		bad     bool
		want    Config
	}{
		"nothing":          {env: env{}},
		"launch wanted":    {env: env{"TOR_SKIP_LAUNCH": "0", "TOR_CONTROL_PORT": "9051"}},
		"only socks":       {env: env{"TOR_SOCKS_PORT": "9050"}},
		"whonix":           {env: whonix, running: true, want: Config{Control: "unix:" + controlPath, Socks: "unix:" + socksPath, Password: anon.NewSecret([]byte("password"))}},
		"tails":            {env: tails, running: true, want: Config{Control: "127.0.0.1:951", Socks: "127.0.0.1:9050", CookieFile: "/c"}},
		"IPv6":             {env: env{"TOR_CONTROL_HOST": "::1", "TOR_CONTROL_PORT": "1", "TOR_SOCKS_HOST": "::1", "TOR_SOCKS_PORT": "2"}, running: true, want: Config{Control: "[::1]:1", Socks: "[::1]:2"}},
		"no place":         {env: env{"TOR_SKIP_LAUNCH": "1"}, bad: true},
		"no socks":         {env: env{"TOR_CONTROL_PORT": "9051"}, bad: true},
		"another machine":  {env: env{"TOR_CONTROL_HOST": "10.152.152.10", "TOR_CONTROL_PORT": "9051", "TOR_SOCKS_PORT": "9050"}, bad: true},
		"a name":           {env: env{"TOR_CONTROL_HOST": "localhost", "TOR_CONTROL_PORT": "9051", "TOR_SOCKS_PORT": "9050"}, bad: true},
		"port not numeric": {env: env{"TOR_CONTROL_PORT": "x", "TOR_SOCKS_PORT": "9050"}, bad: true},
	} {
		got, running, err := FromEnv(func(k string) string { return c.env[k] })
		require.Equal(t, c.bad, err != nil, "%s: %v", name, err)
		require.Equal(t, c.running, running, name)
		require.Equal(t, c.want, got, name)
	}
}

func TestVersions(t *testing.T) {
	for version, want := range map[string]bool{
		"0.4.9.11": true, "0.4.9.11 (git-0123456789abcdef)": true, "0.4.9.12": true, "0.4.10.1": true,
		"0.5.0.1-alpha": true, "0.5.0.1-alpha-dev": true, "1.0.0.0": true,
		"0.4.9.10": false, "0.4.9.9": false, "0.4.8.99": false, "0.3.5.18": false, "0.4.9.11-dev": false,
		"": false, "0.4.9": false, "0.4.9.11.1": false, "Tor 0.4.9.11": false, "0.4.9.x": false, "0.-4.9.11": false,
		"9999999999999999999999.0.0.0": false,
	} {
		require.Equal(t, want, maySafelyHost(version), "%q", version)
	}
}

func TestPhase(t *testing.T) {
	for text, want := range map[string]phase{
		`NOTICE BOOTSTRAP PROGRESS=45 TAG=x SUMMARY="Asking for 192.0.2.1"`: {45, "Asking for (hidden)"},
		`NOTICE BOOTSTRAP PROGRESS=100`:                                     {100, ""},
		`PROGRESS=101`:                                                      {}, `PROGRESS=-1`: {}, `PROGRESS=`: {}, ``: {}, `SUMMARY="`: {},
	} {
		require.Equal(t, want, parsePhase(text), text)
	}
}

func TestParseAddrKnowsOnionsOnly(t *testing.T) {
	tr, err := New(Config{})
	require.NoError(t, err)
	defer tr.Close()
	const onion = "pg6mmjiyjmcrsslvykfwnntlaru7p5svn6y2ymmju6nubxndf4pscryd.onion:80"
	a, err := tr.ParseAddr(onion)
	require.NoError(t, err)
	require.Equal(t, onion, a.Reveal())
	var _ transport.Transport = tr
}
