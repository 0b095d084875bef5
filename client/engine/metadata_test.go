package engine

import (
	"crypto/sha1"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"sotto/anon"
	"sotto/transport/memory"
)

// serveMetadata plays a peer that has nothing but an info dictionary.
func serveMetadata(p rawPeer, info string) {
	const ours, theirs, block = 7, 1, 16 << 10
	_ = p.send(msgExtended, append([]byte{0}, fmt.Sprintf("d1:md11:ut_metadatai%dee13:metadata_sizei%dee", ours, len(info))...)...)
	for {
		kind, b, err := p.next()
		if err != nil {
			return
		}
		if kind != msgExtended || b[0] != ours {
			continue
		}
		var piece int
		if _, err := fmt.Sscanf(string(b[1:]), "d8:msg_typei0e5:piecei%de", &piece); err != nil {
			continue
		}
		part := info[piece*block : min(len(info), (piece+1)*block)]
		_ = p.send(msgExtended, append([]byte{theirs}, fmt.Sprintf("d8:msg_typei1e5:piecei%de10:total_sizei%dee%s", piece, len(info), part)...)...)
	}
}

// Metadata that matches the magnet's hash may still be anything: whoever made
// the magnet made both.
func TestHostileMetadata(t *testing.T) {
	hash := strings.Repeat("h", 20)
	one := func(length, pieceLength string) string {
		return "d6:lengthi" + length + "e4:name1:a12:piece lengthi" + pieceLength + "e6:pieces20:" + hash + "e"
	}
	file := func(length, path string) string { return "d6:lengthi" + length + "e4:pathl" + path + "ee" }
	many := func(files string) string {
		return "d5:filesl" + files + "e4:name1:n12:piece lengthi16384e6:pieces20:" + hash + "e"
	}
	for name, info := range map[string]string{
		"no dictionary":       "i5e",
		"empty":               "de",
		"garbage":             "d4:name",
		"no pieces":           "d6:lengthi5e4:name1:a12:piece lengthi16384e6:pieces0:e",
		"odd pieces":          "d6:lengthi5e4:name1:a12:piece lengthi16384e6:pieces3:abce",
		"zero piece length":   one("5", "0"),
		"negative piece":      one("5", "-1"),
		"piece of 2^40":       one("5", "1099511627776"),
		"piece of 2^63-1":     one("5", "9223372036854775807"),
		"negative length":     one("-5", "16384"),
		"length of 2^63-1":    one("9223372036854775807", "9223372036854775807"),
		"negative file":       many(file("-100", "1:a") + file("200", "1:b")),
		"sum overflows":       many(file("9223372036854775807", "1:a") + file("9223372036854775807", "1:b") + file("102", "1:c")),
		"up":                  many(file("5", "2:..1:a")),
		"up in the name":      "d6:lengthi5e4:name5:../..12:piece lengthi16384e6:pieces20:" + hash + "e",
		"absolute":            many(file("5", "11:/etc/passwd")),
		"no path":             many(file("5", "")),
		"300 bytes":           many(file("5", "300:"+strings.Repeat("x", 300))),
		"file and folder":     many(file("5", "1:a") + file("5", "1:a1:b")),
		"v2 without a tree":   "d12:meta versioni2e4:name1:a12:piece lengthi16384ee",
		"v2, tree of nothing": "d9:file treed1:ad0:d6:lengthi5eeee12:meta versioni2e4:name1:a12:piece lengthi16384ee",
		"v2, piece length 1":  "d9:file treed1:ad0:d6:lengthi5eeee12:meta versioni2e4:name1:a12:piece lengthi1ee",
		"v2, up":              "d9:file treed2:..d0:d6:lengthi5e11:pieces root32:" + strings.Repeat("r", 32) + "eeee12:meta versioni2e4:name1:a12:piece lengthi16384ee",
		"deep":                "d4:name" + deep(3000) + "e",
		"one file, two names": many(file("5", "1:a") + file("5", "1:a")),
		"larger than a block": many(strings.Repeat(file("1", "1:a"), 3000)),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := memory.New(memory.Options{})
			us, them := open(t, n), open(t, n)
			s := sample{hash: sha1.Sum([]byte(info))}
			root := t.TempDir()
			dir := filepath.Join(root, "data")
			tor := start(t, s.options(t, us, dir))
			tor.AddPeers([]anon.Addr{them.Addr()})
			p := acceptRaw(t, them)
			require.NoError(t, p.hello(s.hash, "-XX0000-"))
			p.helloBack()
			serveMetadata(p, info) // until hung up on
			require.Error(t, endsWith(t, tor))
			entries, err := os.ReadDir(root)
			require.NoError(t, err)
			require.LessOrEqual(t, len(entries), 1)
			files, _ := os.ReadDir(dir)
			require.Empty(t, files, "nothing was written")

			given := s.options(t, open(t, n), dir)
			given.Info = []byte(info)
			require.Error(t, endsWith(t, start(t, given)))
		})
	}
}
