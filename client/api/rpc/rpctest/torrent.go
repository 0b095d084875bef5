package rpctest

import (
	"bytes"
	"fmt"
	"strings"
)

// Size is how long each file of Torrent is.
const Size = 40_000

// Torrent returns a torrent file with that name, whose files, of Size bytes
// each, have names below it; without files it is a single one. Its hashes
// belong to no data. Different names give different torrents.
func Torrent(name string, files ...string) []byte {
	var b bytes.Buffer
	total := Size
	b.WriteString("d8:announce" + text("http://"+strings.Repeat("b", 51)+"a.b32.i2p/a") + "4:infod")
	if len(files) == 0 {
		fmt.Fprintf(&b, "6:lengthi%de", Size)
	} else {
		b.WriteString("5:filesl")
		for _, f := range files {
			fmt.Fprintf(&b, "d6:lengthi%de4:pathl%see", Size, text(f))
		}
		b.WriteString("e")
		total = Size * len(files)
	}
	const piece = 16 << 10
	b.WriteString("4:name" + text(name) + fmt.Sprintf("12:piece lengthi%de", piece))
	b.WriteString("6:pieces" + text(strings.Repeat("h", 20*((total+piece-1)/piece))) + "ee")
	return b.Bytes()
}

func text(s string) string { return fmt.Sprintf("%d:%s", len(s), s) }
