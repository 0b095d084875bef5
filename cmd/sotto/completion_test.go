package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"sotto/client/api/rpc"
	"sotto/client/api/rpc/rpctest"
)

func (b *bench) complete(args ...string) []string {
	b.t.Helper()
	code, lines := b.run(b.t.Context(), append([]string{"__complete"}, args...)...)
	require.Zero(b.t, code)
	var out []string
	for _, line := range lines {
		if !strings.HasPrefix(line, ":") && !strings.HasPrefix(line, "Completion ended") {
			out = append(out, line)
		}
	}
	return out
}

func TestTorrentsAreCompleted(t *testing.T) {
	b := newBench(t)
	for _, name := range []string{"song.ogg", "Sonnet", "film"} {
		b.add(rpctest.Torrent(name))
	}
	require.Equal(t, []string{"1\tsong.ogg", "2\tSonnet", "3\tfilm"}, b.complete("stop", ""))
	require.Equal(t, []string{"1\tsong.ogg", "3\tfilm"}, b.complete("stop", "2", ""), "what is there already is not offered")
	require.Equal(t, []string{"song.ogg\t1", "Sonnet\t2"}, b.complete("show", "so"))
	require.Empty(t, b.complete("show", "1", ""), "one is enough")
	require.Equal(t, []string{"i2p", "tor"}, b.complete("add", "--network", ""))
	require.Equal(t, []string{"tor"}, b.complete("add", "--network", "t"))
	require.Contains(t, b.complete("ls", "--state", ""), "fetching")
	require.Contains(t, b.complete("ls", "--sort", ""), "queue")
	require.Equal(t, []string{"bash", "zsh", "fish"}, b.complete("completion", ""))
}

// Strangers choose names: nothing of one may be more than text to a shell.
func TestHostileNamesAreNotCompleted(t *testing.T) {
	b := newBench(t)
	b.add(rpctest.Torrent("x"))
	for _, name := range []string{"$(touch owned)", "`id`", "a;b", "x\ny", "a'b\"", "\x1b[2J", "_activeHelp_ x:4", "x\t~root/*", "é y"} {
		b.lib.Edit(1, func(t *rpc.Torrent) { t.Name = name })
		for _, line := range append(b.complete("rm", ""), b.complete("rm", name[:1])...) {
			id, text, _ := strings.Cut(line, "\t")
			if id != "1" { // the name itself
				id, text = text, id
				require.Equal(t, name, text)
			}
			require.Equal(t, "1", id)
			require.NotRegexp(t, "[^ ._+a-z0-9A-Zé-]", text)
		}
	}
}

func TestNothingIsCompletedWithoutDaemon(t *testing.T) {
	b := &bench{t: t, config: "nowhere.toml"}
	require.Empty(t, b.complete("stop", ""))
}
