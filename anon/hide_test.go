package anon_test

import (
	"bytes"
	"encoding/base64"
	"encoding/gob"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"text/template"

	"github.com/stretchr/testify/require"

	"sotto/anon"
)

// secretKey is recognisable in every base.
var secretKey = [32]byte([]byte("THIS-KEY-MUST-NEVER-BE-PRINTED-!"))

// spellings of the key, or of what makes its address, that no output may hold.
func spellings() []string {
	k := secretKey[:]
	s := []string{
		string(k), hex.EncodeToString(k), strings.ToUpper(hex.EncodeToString(k)),
		strings.Trim(fmt.Sprint(k), "[]"), base64.StdEncoding.EncodeToString(k),
		strings.Trim(fmt.Sprintf("%#v", k), "[]byte{}"), strings.Trim(fmt.Sprintf("% x", k), ""),
		"84, 72, 73", "84 72 73", "84,72,73", "0x54", "54484953", "THIS-KEY",
	}
	for _, a := range addrs() {
		s = append(s, strings.SplitN(a.Host(), ".", 2)[0])
	}
	return s
}

func addrs() []anon.Addr {
	return []anon.Addr{anon.I2PAddr(secretKey), anon.OnionAddr(secretKey, 4711), anon.MemoryAddr(secretKey)}
}

// holders puts a value where programs put values: bare, by pointer, in fields
// that are exported and that are not, in collections, in an error.
func holders(v any) []any {
	return []any{
		v, &v, struct{ V any }{v}, struct{ v any }{v}, &struct{ v any }{v}, []any{v}, map[string]any{"k": v},
		fmt.Errorf("wrapped: %v", v), errors.Join(fmt.Errorf("%+v", v)),
	}
}

func values() (vs []any) {
	type unexported struct{ a anon.Addr }
	type exported struct{ A anon.Addr }
	for _, a := range addrs() {
		vs = append(vs, a, &a, unexported{a}, &unexported{a}, exported{a}, []anon.Addr{a}, map[anon.Addr]int{a: 1})
	}
	s := anon.NewSecret(secretKey[:])
	id := anon.Identity{Network: anon.Tor, Label: "x", Key: s}
	return append(vs, s, &s, struct{ s anon.Secret }{s}, []anon.Secret{s}, id, &id, struct{ id anon.Identity }{id})
}

func requireHidden(t *testing.T, out string, how string) {
	t.Helper()
	for _, s := range spellings() {
		if i := strings.Index(out, s); i >= 0 {
			t.Fatalf("%s shows the key: %.200q", how, out[max(0, i-60):])
		}
	}
}

func TestFmtHides(t *testing.T) {
	for _, v := range values() {
		for _, h := range holders(v) {
			for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "% x", "%d", "%o", "%b", "%c", "%U", "%t", "%e", "%p", "%T", "%10.3v", "%w"} {
				requireHidden(t, fmt.Sprintf(verb, h), verb)
			}
		}
	}
}

func TestSlogHides(t *testing.T) {
	var out bytes.Buffer
	for _, h := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
		for _, v := range values() {
			for _, held := range holders(v) {
				slog.New(h).Info("x", "v", held, slog.Group("g", "v", held))
			}
		}
	}
	require.NotZero(t, out.Len())
	requireHidden(t, out.String(), "slog")
}

func TestEncodersHide(t *testing.T) {
	tmpl := template.Must(template.New("").Parse("{{.}} {{printf \"%x\" .}} {{js .}}"))
	for _, v := range values() {
		for _, h := range holders(v) {
			var out bytes.Buffer
			if b, err := json.Marshal(h); err == nil {
				out.Write(b)
			}
			if b, err := xml.Marshal(h); err == nil {
				out.Write(b)
			}
			gob.NewEncoder(&out).Encode(h) // refused, and then writes nothing that matters
			tmpl.Execute(&out, h)
			requireHidden(t, out.String(), "encoders")
		}
	}
}

func TestSecretCopies(t *testing.T) {
	raw := []byte("key")
	s := anon.NewSecret(raw)
	raw[0] = 'x'
	s.Expose()[1] = 'x'
	require.Equal(t, "key", string(s.Expose()))
	require.False(t, s.Empty())
	require.True(t, anon.Secret{}.Empty())
	require.True(t, anon.NewSecret(nil).Empty())
	require.Empty(t, anon.Secret{}.Expose())
}
