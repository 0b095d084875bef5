package website

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"sotto/anon"
)

func at(a anon.Addr, path string) Target { return Target{Addr: a, Host: a.Host(), Path: path} }

func TestTargetCheck(t *testing.T) {
	dest, onion, memory := anon.I2PAddr([32]byte{4}), anon.OnionAddr([32]byte{5}, 80), anon.MemoryAddr([32]byte{6})
	for name, c := range map[string]struct {
		target Target
		ok     bool
	}{
		"i2p name":       {Target{Host: "tracker2.postman.i2p", Path: "/announce.php"}, true},
		"b32":            {at(dest, "/a"), true},
		"onion":          {at(onion, "/announce?key=1&k=%20"), true},
		"memory":         {at(memory, "/"), true},
		"nothing":        {Target{}, false},
		"clearnet":       {Target{Host: "tracker.example.com", Path: "/announce"}, false},
		"localhost":      {Target{Host: "localhost", Path: "/"}, false},
		"ip":             {Target{Host: "127.0.0.1", Path: "/"}, false},
		"onion name":     {Target{Host: onion.Host(), Path: "/"}, false},
		"damaged b32":    {Target{Host: "aaaa.b32.i2p", Path: "/"}, false},
		"host of other":  {Target{Addr: onion, Host: memory.Host(), Path: "/"}, false},
		"host with port": {Target{Addr: onion, Host: onion.Host() + ":80", Path: "/"}, false},
		"name escapes":   {Target{Host: "a%2f.i2p", Path: "/"}, false},
		"name smuggles":  {Target{Host: "x\r\nEvil: y.i2p", Path: "/"}, false},
		"name NUL":       {Target{Host: "x\x00.i2p", Path: "/"}, false},
		"name homograph": {Target{Host: "х.i2p", Path: "/"}, false},
		"name upper":     {Target{Host: "X.i2p", Path: "/"}, false},
		"name dot first": {Target{Host: ".i2p", Path: "/"}, false},
		"name dots":      {Target{Host: "a..i2p", Path: "/"}, false},
		"name long":      {Target{Host: strings.Repeat("a", 70) + ".i2p", Path: "/"}, false},
		"no path":        {at(onion, ""), false},
		"relative path":  {at(onion, "announce"), false},
		"path blank":     {at(onion, "/ HTTP/1.1"), false},
		"path smuggles":  {at(onion, "/\r\nX: y"), false},
		"path fragment":  {at(onion, "/a#b"), false},
		"path unicode":   {at(onion, "/é"), false},
		"path long":      {at(onion, "/"+strings.Repeat("a", maxPath)), false},
	} {
		t.Run(name, func(t *testing.T) {
			err := c.target.check()
			if c.ok {
				require.NoError(t, err)
				return
			}
			var te *TargetError
			require.ErrorAs(t, err, &te)
		})
	}
}

func TestTargetHidesItself(t *testing.T) {
	target := Target{Host: "secret-place.i2p", Path: "/secret-place"}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
		require.NotContains(t, fmt.Sprintf(verb, target), "secret", verb)
		require.NotContains(t, fmt.Sprintf(verb, target), fmt.Sprintf("%x", "secret"), verb)
	}
}
