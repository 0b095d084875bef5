package api_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"sotto/client/api"
	"sotto/client/api/rpc"
	"sotto/client/api/rpc/rpctest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const host = "127.0.0.1:9091"

// lab is a server and its library, asked without sockets.
type lab struct {
	t       *testing.T
	lib     *rpctest.Library
	root    string // the download folder
	token   api.Token
	log     *bytes.Buffer
	server  *api.Server
	handler http.Handler // with a token
	open    http.Handler // without
	session string
}

func newLab(t *testing.T, change ...func(*api.Config)) *lab {
	t.Helper()
	root := filepath.Join(t.TempDir(), "downloads")
	require.NoError(t, os.Mkdir(root, 0o700))
	l := &lab{t: t, root: root, token: api.NewToken(), log: new(bytes.Buffer), lib: rpctest.New(root)}
	c := api.Config{
		RPC:   rpc.Config{Library: l.lib, Folders: []string{root}},
		Token: l.token,
		Log:   slog.New(slog.NewTextHandler(l.log, &slog.HandlerOptions{Level: slog.LevelInfo})),
	}
	for _, f := range change {
		f(&c)
	}
	var err error
	l.server, err = api.New(c)
	require.NoError(t, err)
	l.handler, err = l.server.Handler(api.Rules{Hosts: []string{host}})
	require.NoError(t, err)
	l.open, err = l.server.Handler(api.Rules{Hosts: []string{host}, Open: true})
	require.NoError(t, err)
	l.session = l.send(l.open, http.MethodGet, "/transmission/rpc", "", nil).Header().Get("X-Transmission-Session-Id")
	require.Len(t, l.session, 48)
	return l
}

// send sends one request with the headers of a well-behaved caller, and those
// of h instead; an empty one leaves a header out.
func (l *lab) send(handler http.Handler, method, path, body string, h map[string]string) *httptest.ResponseRecorder {
	l.t.Helper()
	r := httptest.NewRequest(method, "http://"+host+path, strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer "+l.token.Reveal())
	r.Header.Set("X-Transmission-Session-Id", l.session)
	for name, value := range h {
		switch {
		case name == "Host":
			r.Host = value
		case value == "":
			r.Header.Del(name)
		default:
			r.Header.Set(name, value)
		}
	}
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, r)
	return w
}

func (l *lab) post(body string) *httptest.ResponseRecorder {
	l.t.Helper()
	return l.send(l.handler, http.MethodPost, "/transmission/rpc", body, nil)
}

type answer struct {
	Arguments map[string]any
	Result    string
	Tag       json.RawMessage
}

// old makes a call.
func (l *lab) old(method, arguments string) answer {
	l.t.Helper()
	if arguments == "" {
		arguments = "{}"
	}
	w := l.post(`{"method":"` + method + `","arguments":` + arguments + `,"tag":7}`)
	require.Equal(l.t, http.StatusOK, w.Code)
	var a answer
	require.NoError(l.t, json.Unmarshal(w.Body.Bytes(), &a), w.Body.String())
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
