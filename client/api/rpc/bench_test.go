package rpc_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"sotto/client/api/rpc"
	"sotto/client/api/rpc/rpctest"
)

// What a remote asks for every second, of a library of 1,000 torrents.
func BenchmarkTorrentGet(b *testing.B) {
	lib := rpctest.New(b.TempDir())
	r, err := rpc.New(rpc.Config{Library: lib})
	require.NoError(b, err)
	for i := range 1000 {
		out := r.Answer(b.Context(), fmt.Appendf(nil, `{"method":"torrent-add","arguments":{"filename":"%040x"}}`, i+1), true)
		require.Contains(b, string(out), "success")
	}
	names := make([]string, 0, len(wantFields))
	for name := range wantFields {
		names = append(names, `"`+name+`"`)
	}
	for _, bench := range []struct{ name, fields string }{
		{"list", `"id","name","status","error","errorString","eta","leftUntilDone","rateDownload","rateUpload","sizeWhenDone","uploadRatio","isFinished"`},
		{"everything", strings.Join(names, ",")},
	} {
		request := []byte(`{"method":"torrent-get","arguments":{"fields":[` + bench.fields + `]}}`)
		b.Run(bench.name, func(b *testing.B) {
			for b.Loop() {
				r.Answer(b.Context(), request, true)
			}
		})
	}
}
