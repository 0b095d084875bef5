package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"sotto/anon/cage"
	"sotto/client/api/rpc"
	"sotto/client/api/rpc/rpctest"
)

// documented are the objects of docs/JSON.md: each has a section of this name.
var documented = map[string]reflect.Type{
	"error":     reflect.TypeFor[message](),
	"notice":    reflect.TypeFor[noticeJSON](),
	"walls":     reflect.TypeFor[wallsEvent](),
	"transfer":  reflect.TypeFor[jsonEvent](),
	"done":      reflect.TypeFor[doneJSON](),
	"torrent":   reflect.TypeFor[torrentJSON](),
	"detail":    reflect.TypeFor[detailJSON](),
	"limits":    reflect.TypeFor[heldJSON](),
	"file":      reflect.TypeFor[torrentFileJSON](),
	"peer":      reflect.TypeFor[peerJSON](),
	"tracker":   reflect.TypeFor[trackerJSON](),
	"place":     reflect.TypeFor[placeJSON](),
	"status":    reflect.TypeFor[statusJSON](),
	"network":   reflect.TypeFor[networkJSON](),
	"folder":    reflect.TypeFor[folderJSON](),
	"condition": reflect.TypeFor[conditionJSON](),
	"beginning": reflect.TypeFor[beginningJSON](),
	"removed":   reflect.TypeFor[removedJSON](),
	"stats":     reflect.TypeFor[statsJSON](),
	"link":      reflect.TypeFor[inspectJSON](),
	"link file": reflect.TypeFor[fileJSON](),
	"ignored":   reflect.TypeFor[ignoredJSON](),
	"diagnosis": reflect.TypeFor[diagnosis](),
	"proof":     reflect.TypeFor[cage.Verdict](),
	"attempt":   reflect.TypeFor[cage.Result](),
	"facts":     reflect.TypeFor[cage.Facts](),
	"setting":   reflect.TypeFor[settingJSON](),
	"remote":    reflect.TypeFor[shown](),
	"token":     reflect.TypeFor[tokenJSON](),
	"checked":   reflect.TypeFor[checkedJSON](),

	"passphrase": reflect.TypeFor[rememberedJSON](),
}

// promise is how a key stands in a table of the document.
type promise struct {
	kind     string
	optional bool // may be missing
}

// kindOf is what the document calls a type.
func kindOf(t reflect.Type) string {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch t.Kind() {
	case reflect.String:
		return "text"
	case reflect.Bool:
		return "truth"
	case reflect.Slice:
		return "list"
	case reflect.Struct:
		return "object"
	case reflect.Interface:
		return "any"
	}
	return "number"
}

func promises(t reflect.Type) map[string]promise {
	out := make(map[string]promise)
	for _, f := range reflect.VisibleFields(t) {
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name != "" && name != "-" {
			out[name] = promise{kindOf(f.Type), strings.Contains(options, "omitempty")}
		}
	}
	return out
}

// Every object that is printed stands in the document with all its keys, and
// the document promises no others.
func TestJSONIsDocumented(t *testing.T) {
	raw, err := os.ReadFile("../../docs/JSON.md")
	require.NoError(t, err)
	row := regexp.MustCompile("(?m)^\\| `([a-z_0-9]+)` \\| (text|number|truth|list|object|any)(, may be missing)?(, or null)? \\|")
	found := make(map[string]bool)
	for _, section := range strings.Split(string(raw), "\n### ")[1:] {
		name, body, _ := strings.Cut(section, "\n")
		kind, ok := documented[name]
		require.True(t, ok, "section %q documents nothing", name)
		require.False(t, found[name], "section %q is there twice", name)
		found[name] = true
		said := make(map[string]promise)
		for _, m := range row.FindAllStringSubmatch(body, -1) {
			said[m[1]] = promise{m[2], m[3] != ""}
		}
		require.Equal(t, promises(kind), said, name)
		require.Len(t, said, strings.Count(body, "\n| `"), "%s: a row that cannot be read", name)
	}
	require.Len(t, found, len(documented))
}

// Every name of an event stands in the document.
func TestEventNamesAreDocumented(t *testing.T) {
	raw, err := os.ReadFile("../../docs/JSON.md")
	require.NoError(t, err)
	files, err := filepath.Glob("*.go")
	require.NoError(t, err)
	named := regexp.MustCompile(`(?:Event: |tell\(|done\(|act\(ctx, (?:method|"[a-z_]+"), |(?:JSON|Event)\{)"([a-z_]+)"`)
	found := make(map[string]bool)
	for _, path := range files {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		source, err := os.ReadFile(path)
		require.NoError(t, err)
		for _, m := range named.FindAllSubmatch(source, -1) {
			found[string(m[1])] = true
			require.True(t, bytes.Contains(raw, []byte("`"+string(m[1])+"`")), "%s: %s", path, m[1])
		}
	}
	for _, name := range []string{"progress", "walls", "moving", "already_there", "listening", "stats", "warning"} {
		require.True(t, found[name], name)
	}
}

// bench is a daemon and one who asks it, in one process.
type bench struct {
	t      *testing.T
	lib    *rpctest.Library
	config string
}

func newBench(t *testing.T) *bench {
	dir, err := os.MkdirTemp("", "sotto") // t.TempDir is too long for a socket
	require.NoError(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	b := &bench{t: t, config: filepath.Join(dir, "sotto.toml")}
	require.NoError(t, os.WriteFile(b.config, []byte("state_dir = \""+dir+"\"\n"), 0o600))
	b.lib = serveLibrary(t, dir)
	return b
}

// run runs sotto with --json and returns the lines it printed on both outputs.
func (b *bench) run(ctx context.Context, args ...string) (code int, lines []string) {
	b.t.Helper()
	out, err := os.CreateTemp(b.t.TempDir(), "out")
	require.NoError(b.t, err)
	defer out.Close()
	code = run(ctx, append([]string{"--json", "--config", b.config}, args...), out, out)
	_, err = out.Seek(0, io.SeekStart)
	require.NoError(b.t, err)
	raw, err := io.ReadAll(out)
	require.NoError(b.t, err)
	if text := strings.TrimSuffix(string(raw), "\n"); text != "" {
		lines = strings.Split(text, "\n")
	}
	return code, lines
}

// add adds a torrent file.
func (b *bench) add(raw []byte) {
	b.t.Helper()
	path := filepath.Join(b.t.TempDir(), "x.torrent")
	require.NoError(b.t, os.WriteFile(path, raw, 0o600))
	code, lines := b.run(b.t.Context(), "add", path)
	require.Zero(b.t, code, lines)
}

// What the commands print is what the document says, and nothing more.
func TestJSONIsAsDocumented(t *testing.T) {
	b := newBench(t)
	torrent := filepath.Join(t.TempDir(), "film.torrent")
	require.NoError(t, os.WriteFile(torrent, rpctest.Torrent("film", "a.mkv", "b.srt"), 0o600))
	b.lib.Wrong(rpc.Condition{Name: "disk-full", Severity: "trouble", Subject: "/x", Since: time.Now(), What: "The disk is full.", Remedy: "Free some."})
	prepare := func() {
		b.lib.Edit(1, func(t *rpc.Torrent) {
			t.Peers = []rpc.Peer{{Client: "x", Share: .5}}
			t.Downloaded, t.Uploaded, t.RateDown, t.Comment = 100, 50, 10, "c\x1b"
		})
	}
	for _, tc := range []struct {
		args   string
		object string
		code   int
		lines  int
	}{
		{"add " + torrent, "done", 0, 1},
		{"add " + torrent, "done", 0, 1},
		{"add /nowhere", "error", 2, 1},
		{"ls", "torrent", 0, 1},
		{"show film", "detail", 0, 1},
		{"show 9", "error", 2, 1},
		{"stop --all", "done", 0, 1},
		{"start 1", "done", 0, 1},
		{"verify 1", "done", 0, 1},
		{"limit 1 --down 5K", "limits", 0, 1},
		{"limit --up 5K", "limits", 0, 1},
		{"limit --network tor", "limits", 0, 1},
		{"files 1 --skip 0", "file", 0, 2},
		{"peers 1", "peer", 0, 1},
		{"trackers 1", "tracker", 0, 1},
		{"trackers --ask 1", "done", 0, 1},
		{"open 1", "place", 0, 1},
		{"status", "status", 0, 1},
		{"rm --yes 1", "done", 0, 1},
		{"rm 1", "error", 2, 1},
		{"config check", "checked", 0, 1},
		{"config show", "setting", 0, 1},
	} {
		code, lines := b.run(t.Context(), strings.Fields(tc.args)...)
		require.Equal(t, tc.code, code, "%s: %v", tc.args, lines)
		require.Len(t, lines, tc.lines, tc.args)
		for _, line := range lines {
			asDocumented(t, tc.object, line)
		}
		if strings.HasPrefix(tc.args, "add") && tc.code == 0 {
			prepare()
		}
	}
}

// asDocumented reads one line as the object that it should be.
func asDocumented(t *testing.T, object, line string) {
	t.Helper()
	var keys map[string]json.RawMessage
	require.NoError(t, json.Unmarshal([]byte(line), &keys), line)
	said := promises(documented[object])
	for key := range keys {
		require.Contains(t, said, key, "%s: %s", object, line)
	}
	for key, p := range said {
		raw, there := keys[key]
		require.True(t, there || p.optional, "%s lacks %s: %s", object, key, line)
		if there && !bytes.Equal(raw, []byte("null")) {
			require.Contains(t, map[string]string{"text": `"`, "truth": "tf", "list": "[", "object": "{", "number": "-0123456789", "any": string(raw)}[p.kind],
				string(raw[:1]), "%s: %s", key, line)
		}
	}
	require.NotContains(t, line, `\u001b`)
}

// The stream says what there is, and what becomes of it.
func TestEventsAreAsDocumented(t *testing.T) {
	b := newBench(t)
	b.add(rpctest.Torrent("song"))
	read, write, err := os.Pipe()
	require.NoError(t, err)
	defer read.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	ended := make(chan int, 1)
	go func() {
		defer write.Close()
		ended <- run(ctx, []string{"--json", "--config", b.config, "events"}, write, write)
	}()
	lines := json.NewDecoder(read)
	next := func() (event string) {
		var raw json.RawMessage
		require.NoError(t, lines.Decode(&raw))
		var e struct{ Event string }
		require.NoError(t, json.Unmarshal(raw, &e))
		asDocumented(t, e.Event, string(raw))
		return e.Event
	}
	require.Equal(t, "beginning", next())
	require.Equal(t, "torrent", next())
	require.Equal(t, "stats", next())
	code, _ := b.run(t.Context(), "rm", "1")
	require.Zero(t, code)
	require.Equal(t, "removed", next())
	require.Equal(t, "stats", next())
	cancel()
	require.Equal(t, "error", next())
	require.Equal(t, exitInterrupted, <-ended)
}
