package rpc_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"sotto/client/api/rpc"
	"sotto/client/api/rpc/rpctest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// lab is a responder and its library.
type lab struct {
	t    *testing.T
	lib  *rpctest.Library
	root string // the download folder
	log  *bytes.Buffer
	r    *rpc.Responder
}

func newLab(t *testing.T, change ...func(*rpc.Config)) *lab {
	t.Helper()
	root := filepath.Join(t.TempDir(), "downloads")
	require.NoError(t, os.Mkdir(root, 0o700))
	l := &lab{t: t, root: root, log: new(bytes.Buffer), lib: rpctest.New(root)}
	c := rpc.Config{
		Library: l.lib, Folders: []string{root}, Version: "0.1", SessionID: "abc",
		Log: slog.New(slog.NewTextHandler(l.log, &slog.HandlerOptions{Level: slog.LevelInfo})),
	}
	for _, f := range change {
		f(&c)
	}
	var err error
	l.r, err = rpc.New(c)
	require.NoError(t, err)
	return l
}

func (l *lab) ask(request string) string {
	l.t.Helper()
	return string(l.r.Answer(l.t.Context(), []byte(request), false))
}

type answer struct {
	Arguments map[string]any
	Result    string
	Tag       json.RawMessage
}

// old makes a call in the old dialect.
func (l *lab) old(method, arguments string) answer {
	l.t.Helper()
	if arguments == "" {
		arguments = "{}"
	}
	text := l.ask(`{"method":"` + method + `","arguments":` + arguments + `,"tag":7}`)
	var a answer
	require.NoError(l.t, json.Unmarshal([]byte(text), &a), text)
	require.Equal(l.t, "7", string(a.Tag))
	return a
}

// ok is old for a call that must succeed.
func (l *lab) ok(method, arguments string) map[string]any {
	l.t.Helper()
	a := l.old(method, arguments)
	require.Equal(l.t, "success", a.Result)
	require.NotNil(l.t, a.Arguments)
	return a.Arguments
}

type reply struct {
	JSONRPC string
	ID      json.RawMessage
	Result  map[string]any
	Error   *struct {
		Code    int
		Message string
		Data    struct {
			ErrorString string `json:"error_string"`
		}
	}
}

// new makes a call in the JSON-RPC dialect.
func (l *lab) new(method, params string) reply {
	l.t.Helper()
	if params == "" {
		params = "{}"
	}
	text := l.ask(`{"jsonrpc":"2.0","id":"x1","method":"` + method + `","params":` + params + `}`)
	var r reply
	require.NoError(l.t, json.Unmarshal([]byte(text), &r), text)
	require.Equal(l.t, "2.0", r.JSONRPC)
	require.Equal(l.t, `"x1"`, string(r.ID))
	require.NotEqual(l.t, r.Result == nil, r.Error == nil, "either a result or an error")
	return r
}

// add adds a torrent file and returns its id.
func (l *lab) add(name string, files ...string) int64 {
	l.t.Helper()
	out := l.ok("torrent-add", `{"metainfo":"`+base64.StdEncoding.EncodeToString(rpctest.Torrent(name, files...))+`"}`)
	return int64(out["torrent-added"].(map[string]any)["id"].(float64))
}

// field returns one field of one torrent, as old clients see it.
func (l *lab) field(id int64, name string) any {
	l.t.Helper()
	raw, err := json.Marshal(map[string]any{"ids": id, "fields": []string{name}})
	require.NoError(l.t, err)
	list := l.ok("torrent-get", string(raw))["torrents"].([]any)
	require.Len(l.t, list, 1)
	value, ok := list[0].(map[string]any)[name]
	require.True(l.t, ok, "no field %s", name)
	return value
}

func quote(s string) string {
	raw, _ := json.Marshal(s)
	return string(raw)
}
