package caller

import (
	"bytes"
	"testing"
	"unicode"
)

type fuzzRow struct {
	ID   int64 `json:"id"`
	Name Text  `json:"name"`
}

func printable(s string) bool {
	for _, r := range s {
		if r != ' ' && !unicode.IsPrint(r) && r != unicode.ReplacementChar {
			return false
		}
	}
	return true
}

func FuzzAnswer(f *testing.F) {
	f.Add([]byte(`{"jsonrpc":"2.0","id":1,"result":{"id":3,"name":"a"}}`))
	f.Add([]byte(`{"jsonrpc":"2.0","id":1,"error":{"code":5,"message":"\u001b","data":{"error_string":"x"}}}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		var r fuzzRow
		err := readAnswer(raw, 1, &r)
		if !printable(string(r.Name)) || err != nil && !printable(err.Error()) {
			t.Fatalf("steers a terminal: %q %v", r.Name, err)
		}
	})
}

func FuzzEvents(f *testing.F) {
	f.Add([]byte("event: torrents\ndata: {\"torrents\":[{\"id\":1,\"name\":\"a\"}],\"removed\":[],\"all\":true}\n\n"))
	f.Add([]byte(":\n\nevent: stats\ndata: {\"torrent_count\":1}\n\n"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		told := 0
		err := readStream(bytes.NewReader(raw), func() {}, func(name string, data []byte) error {
			told++
			e, _, err := readEvent[fuzzRow](name, data)
			for _, r := range e.Torrents {
				if !printable(string(r.Name)) {
					t.Fatalf("steers a terminal: %q", r.Name)
				}
			}
			return err
		})
		if err == nil || told > len(raw) {
			t.Fatal("a stream that ends is broken, and tells no more than it has")
		}
	})
}
