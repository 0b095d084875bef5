package i2p

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"sotto/anon"
)

func TestSAMAddress(t *testing.T) {
	for text, peer := range map[string]string{
		"":                        "tcp:127.0.0.1:7656",
		"127.0.0.1:7656":          "tcp:127.0.0.1:7656",
		"127.3.2.1:1":             "tcp:127.3.2.1:1",
		"[::1]:7656":              "tcp:[::1]:7656",
		"[::ffff:127.0.0.1]:7656": "tcp:127.0.0.1:7656",
		"unix:/run/i2p/sam":       "unix:/run/i2p/sam",
	} {
		tr, err := New(Config{SAM: text})
		require.NoError(t, err, text)
		require.Equal(t, peer, tr.door.peer)
		require.NoError(t, tr.Close())
	}
	for _, text := range []string{
		"localhost:7656", "router.example:7656", "127.0.0.1", "127.0.0.1:", "127.0.0.1:0", "127.0.0.1:99999",
		"127.1:7656", "2130706433:7656", ":7656", "unix:sam", "unix:", "tcp://127.0.0.1:7656", "[::1%lo]:7656",
	} {
		for _, dangerous := range []bool{false, true} {
			_, err := New(Config{SAM: text, DangerousRemoteSAM: dangerous})
			require.Error(t, err, text)
		}
	}
	for _, text := range []string{"192.0.2.1:7656", "10.0.0.1:7656", "[2001:db8::1]:7656"} {
		_, err := New(Config{SAM: text})
		require.ErrorIs(t, err, anon.ErrLeak, text)
		tr, err := New(Config{SAM: text, DangerousRemoteSAM: true})
		require.NoError(t, err, text)
		require.NoError(t, tr.Close())
	}
	for _, text := range []string{"0.0.0.0:7656", "[::]:7656"} { // the kernel's way to say this host
		_, err := New(Config{SAM: text, DangerousRemoteSAM: true})
		require.ErrorIs(t, err, anon.ErrLeak, text)
	}
}

func TestConfigBounds(t *testing.T) {
	for name, c := range map[string]Config{
		"no hops":             {Hops: -1},
		"more hops than i2p":  {Hops: 8},
		"too many tunnels":    {Tunnels: 17},
		"negative accepts":    {PendingAccepts: -1},
		"endless backlog":     {Backlog: 1 << 20},
		"name with a space":   {Nickname: "a b"},
		"name with a newline": {Nickname: "a\nSESSION"},
		"long name":           {Nickname: "abcdefghijklmnopqrstuvwxyzabcdefghijklmnop"},
		"negative time":       {Times: Times{Hello: -time.Second}},
		"crossed waits":       {Times: Times{RetryMin: time.Hour}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := New(c)
			require.Error(t, err)
		})
	}
	c, err := Config{}.withDefaults()
	require.NoError(t, err)
	require.Equal(t, []int{3, 3, 3, 16}, []int{c.Hops, c.Tunnels, c.PendingAccepts, c.Backlog})
	require.Equal(t, Times{
		Hello: 20 * time.Second, Session: 5 * time.Minute, Connect: 90 * time.Second, Dial: 3 * time.Minute,
		FirstByte: 90 * time.Second, Accept: 30 * time.Second, Lookup: time.Minute, Publish: 40 * time.Second,
		Rest: 15 * time.Second, Linger: 4 * time.Second, RetryMin: time.Second, RetryMax: 5 * time.Minute,
		RedialMin: time.Second, RedialMax: 15 * time.Second,
	}, c.Times)
	require.NotNil(t, c.Log)
}
