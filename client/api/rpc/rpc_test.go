package rpc_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"sotto/client/api/rpc"
	"sotto/client/api/rpc/rpctest"
)

const hash = "0123456789abcdef0123456789abcdef01234567"

func TestAddMagnet(t *testing.T) {
	l := newLab(t)
	out := l.ok("torrent-add", `{"filename":"magnet:?xt=urn:btih:`+hash+`&dn=a+name","paused":true,"labels":["x","y"],"peer-limit":9,"bandwidthPriority":1,"cookies":"a=b"}`)
	require.Equal(t, map[string]any{"hashString": hash, "id": 1., "name": "a name"}, out["torrent-added"])
	require.Equal(t, 0., l.field(1, "status"))
	require.Equal(t, []any{"x", "y"}, l.field(1, "labels"))
	require.Equal(t, 9., l.field(1, "maxConnectedPeers"))
	require.Equal(t, 1., l.field(1, "bandwidthPriority"))

	again := l.ok("torrent-add", `{"filename":"`+strings.ToUpper(hash)+`"}`)
	require.Equal(t, out["torrent-added"], again["torrent-duplicate"], "a bare info hash is a magnet link")
	modern := l.new("torrent_add", `{"filename":"magnet:?xt=urn:btih:`+hash+`"}`)
	require.Equal(t, map[string]any{"hash_string": hash, "id": 1., "name": "a name"}, modern.Result["torrent_duplicate"])
}

func TestAddMetainfo(t *testing.T) {
	l := newLab(t)
	file := base64.StdEncoding.EncodeToString(rpctest.Torrent("album", "one", "two", "three"))
	folder := filepath.Join(l.root, "music")
	l.ok("torrent-add", `{"metainfo":"`+file+`","download-dir":`+quote(folder)+`,"files-unwanted":[0,1],"priority-high":[2],"priority-low":[0]}`)
	require.Equal(t, []any{0., 0., 1.}, l.field(1, "wanted"))
	require.Equal(t, []any{-1., 0., 1.}, l.field(1, "priorities"))
	require.Equal(t, folder, l.field(1, "downloadDir"))
	require.EqualValues(t, 3*rpctest.Size, l.field(1, "totalSize"))
	require.EqualValues(t, rpctest.Size, l.field(1, "sizeWhenDone"))
	require.Nil(t, l.lib.Added()[0].Paused, "what the session says holds")
	require.Equal(t, 4., l.field(1, "status"))
}

func TestAddRefuses(t *testing.T) {
	l := newLab(t)
	secret := filepath.Join(l.root, "secret.torrent")
	require.NoError(t, os.WriteFile(secret, rpctest.Torrent("secret"), 0o600))
	file := base64.StdEncoding.EncodeToString(rpctest.Torrent("x"))
	for _, tc := range []struct{ name, args, says string }{
		{"nothing", `{}`, "no filename or metainfo"},
		{"a path that exists", `{"filename":` + quote(secret) + `}`, "files are not opened"},
		{"a path that does not", `{"filename":"/nowhere/x.torrent"}`, "files are not opened"},
		{"a file address", `{"filename":"file:///etc/passwd"}`, "not fetched"},
		{"the web", `{"filename":"http://example.com/a.torrent"}`, "not fetched"},
		{"an eepsite", `{"filename":"http://x.i2p/a.torrent"}`, "not fetched"},
		{"a bad magnet", `{"filename":"magnet:?dn=x"}`, "invalid or corrupt"},
		{"no base64", `{"metainfo":"%%%"}`, "not base64"},
		{"no torrent", `{"metainfo":"aGVsbG8="}`, "invalid or corrupt"},
		{"a file too many", `{"metainfo":"` + file + `","files-wanted":[7]}`, "file index out of range"},
		{"a negative file", `{"metainfo":"` + file + `","files-wanted":[-1]}`, "file index out of range"},
		{"a folder outside", `{"metainfo":"` + file + `","download-dir":"/etc"}`, "outside the download folders"},
		{"a label with a comma", `{"metainfo":"` + file + `","labels":["a,b"]}`, "labels cannot"},
		{"an unknown argument", `{"metainfo":"` + file + `","exec":"rm"}`, "does not know: exec"},
		{"an argument twice", `{"metainfo":"` + file + `","peer-limit":3,"peerLimit":4}`, "twice"},
		{"a bad flag", `{"metainfo":"` + file + `","paused":"yes"}`, "true or false"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			a := l.old("torrent-add", tc.args)
			require.Contains(t, a.Result, tc.says)
			require.Empty(t, a.Arguments)
		})
	}
	require.Empty(t, l.lib.Added())
	require.EqualValues(t, rpc.CodeTorrent, l.new("torrent_add", `{"filename":"/etc/passwd"}`).Error.Code)
}

func TestTagsAndIDs(t *testing.T) {
	l := newLab(t)
	for _, tc := range []struct{ body, want string }{
		{`{"method":"port-test","tag":9223372036854775807}`, `{"arguments":{"port-is-open":false},"result":"success","tag":9223372036854775807}`},
		{`{"method":"port-test"}`, `{"arguments":{"port-is-open":false},"result":"success"}`},
		{`{"method":"port-test","arguments":21,"tag":"x"}`, `{"arguments":{"port-is-open":false},"result":"success"}`},
		{`{"method":"port_test","tag":1}`, `{"arguments":{"port-is-open":false},"result":"success","tag":1}`},
		{`{"method":"nonsense","tag":1}`, `{"arguments":{},"result":"method name not recognized","tag":1}`},
		{`{"Method":"port-test","tag":1}`, `{"arguments":{},"result":"no method name","tag":1}`},
		{`{}`, `{"arguments":{},"result":"no method name"}`},
		{`7`, `{"arguments":{},"result":"no method name"}`},
		{`{"method":`, `{"arguments":{},"result":"no method name: the request is not JSON, or nested too deeply"}`},
		{`{"jsonrpc":"2.0","method":"port_test","id":null}`, `{"jsonrpc":"2.0","id":null,"result":{"port_is_open":false}}`},
		{`{"jsonrpc":"2.0","method":"port_test","id":"abc"}`, `{"jsonrpc":"2.0","id":"abc","result":{"port_is_open":false}}`},
		{`{"jsonrpc":"2.0","method":"nonsense","id":5}`, `{"jsonrpc":"2.0","id":5,"error":{"code":-32601,"message":"Method not found","data":{"error_string":"method name not recognized"}}}`},
		{`{"jsonrpc":"1.0","method":"port_test","id":5}`, `{"jsonrpc":"2.0","id":5,"error":{"code":-32600,"message":"Invalid Request","data":{"error_string":"not JSON-RPC 2.0"}}}`},
		{`[{"jsonrpc":"2.0","method":"port_test","id":1},{"jsonrpc":"2.0","method":"port_test"},{"jsonrpc":"2.0","method":"port_test","id":2}]`,
			`[{"jsonrpc":"2.0","id":1,"result":{"port_is_open":false}},{"jsonrpc":"2.0","id":2,"result":{"port_is_open":false}}]`},
		{`[]`, `{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"Invalid Request","data":{"error_string":"a list of calls must have 1 to 64 of them"}}}`},
		{`[{"method":"port-test"}]`, `[{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"Invalid Request","data":{"error_string":"not a JSON-RPC 2.0 call"}}}]`},
	} {
		require.Equal(t, tc.want, l.ask(tc.body), tc.body)
	}
	require.Nil(t, l.r.Answer(t.Context(), []byte(`{"jsonrpc":"2.0","method":"torrent_stop"}`), false), "a notification wants no answer")
}

func TestChoosingTorrents(t *testing.T) {
	l := newLab(t)
	for _, name := range []string{"a", "b", "c"} {
		l.add(name)
	}
	h := l.field(2, "hashString").(string)
	l.lib.Pass(2 * time.Minute)
	l.lib.Edit(3, func(*rpc.Torrent) {})
	for _, tc := range []struct {
		ids  string
		want []any
	}{
		{``, []any{"a", "b", "c"}},
		{`,"ids":2`, []any{"b"}},
		{`,"ids":[1,3]`, []any{"a", "c"}},
		{`,"ids":["` + strings.ToUpper(h) + `",1]`, []any{"a", "b"}},
		{`,"ids":"` + h + `"`, []any{"b"}},
		{`,"ids":"recently-active"`, []any{"c"}},
		{`,"ids":"recently_active"`, []any{"c"}},
		{`,"ids":[]`, []any{}},
		{`,"ids":99`, []any{}},
		{`,"ids":null`, []any{"a", "b", "c"}},
	} {
		got := []any{}
		for _, row := range l.ok("torrent-get", `{"fields":["name"]`+tc.ids+`}`)["torrents"].([]any) {
			got = append(got, row.(map[string]any)["name"])
		}
		require.Equal(t, tc.want, got, tc.ids)
	}
	for _, bad := range []string{`"x"`, `[1.5]`, `[{}]`, `{}`, `["deadbeef"]`} {
		require.NotEqual(t, "success", l.old("torrent-stop", `{"ids":`+bad+`}`).Result, bad)
	}
	// Read as no arguments, these would mean every torrent.
	for _, params := range []string{`[[1]]`, `[]`, `"1"`} {
		require.EqualValues(t, rpc.CodeParams, l.new("torrent_remove", params).Error.Code, params)
		require.NotEqual(t, "success", l.old("torrent-remove", params).Result, params)
	}
	l.ok("torrent-remove", `{"ids":[1]}`)
	require.Equal(t, []any{1.}, l.ok("torrent-get", `{"fields":["id"],"ids":"recently-active"}`)["removed"])
	l.lib.Pass(2 * time.Minute)
	require.Equal(t, []any{}, l.ok("torrent-get", `{"fields":["id"],"ids":"recently-active"}`)["removed"])
}

func TestActions(t *testing.T) {
	l := newLab(t)
	l.add("a")
	l.add("b")
	for _, tc := range []struct {
		method string
		want   float64
	}{
		{"torrent-stop", 0}, {"torrent-start", 4}, {"torrent-stop", 0}, {"torrent-start-now", 4}, {"torrent-verify", 2},
	} {
		l.ok(tc.method, `{"ids":[1]}`)
		require.Equal(t, tc.want, l.field(1, "status"), tc.method)
		require.Equal(t, 4., l.field(2, "status"), tc.method)
	}
	require.Nil(t, l.new("torrent_stop", `{"ids":[2]}`).Error)
	require.Equal(t, 0., l.field(2, "status"))
	l.ok("torrent-start", "")
	require.Equal(t, 4., l.field(2, "status"), "without ids it is all")

	l.ok("torrent-reannounce", `{"ids":1}`)
	stats := l.field(1, "trackerStats").([]any)[0].(map[string]any)
	require.Equal(t, "Success", stats["lastAnnounceResult"])
	require.Equal(t, 3., stats["seederCount"])
}

func TestRemove(t *testing.T) {
	l := newLab(t)
	for _, name := range []string{"a", "b", "c"} {
		l.add(name)
	}
	l.ok("torrent-remove", `{"ids":1}`)
	require.Empty(t, l.lib.Deleted())
	l.ok("torrent-remove", `{"ids":[2],"delete-local-data":true}`)
	require.Equal(t, []string{"b"}, l.lib.Deleted())
	require.Contains(t, l.old("torrent-remove", `{"delete-local-data":true}`).Result, "needs ids", "files of all torrents are not deleted by forgetting to name one")
	l.ok("torrent-remove", `{"ids":[],"delete-local-data":true}`)
	require.Equal(t, "c", l.field(3, "name"))
	l.ok("torrent-remove", ``)
	require.Empty(t, l.ok("torrent-get", `{"fields":["id"]}`)["torrents"])
	require.Equal(t, []string{"b"}, l.lib.Deleted())
}

func TestQueue(t *testing.T) {
	l := newLab(t)
	for _, name := range []string{"a", "b", "c", "d"} {
		l.add(name)
	}
	order := func() string {
		out := make([]string, 4)
		for i, name := range []string{"a", "b", "c", "d"} {
			out[int(l.field(int64(i+1), "queuePosition").(float64))] = name
		}
		return strings.Join(out, "")
	}
	for _, tc := range []struct{ method, args, want string }{
		{"queue-move-top", `{"ids":[3,4]}`, "cdab"},
		{"queue-move-bottom", `{"ids":3}`, "dabc"},
		{"queue-move-up", `{"ids":2}`, "dbac"},
		{"queue-move-down", `{"ids":4}`, "bdac"},
		{"torrent-set", `{"ids":3,"queuePosition":0}`, "cbda"},
	} {
		l.ok(tc.method, tc.args)
		require.Equal(t, tc.want, order(), tc.method)
	}
}

func TestMoveAndRename(t *testing.T) {
	l := newLab(t)
	l.add("album", "one", "two")
	to := filepath.Join(l.root, "else", "where")
	l.ok("torrent-set-location", `{"ids":1,"location":`+quote(to)+`,"move":true}`)
	require.Equal(t, to, l.field(1, "downloadDir"))
	l.ok("torrent-set", `{"ids":1,"location":`+quote(l.root)+`}`)
	require.Equal(t, l.root, l.field(1, "downloadDir"))
	require.Equal(t, "no location", l.old("torrent-set-location", `{"ids":1}`).Result)

	out := l.ok("torrent-rename-path", `{"ids":[1],"path":"album/one","name":"uno"}`)
	require.Equal(t, map[string]any{"id": 1., "path": "album/one", "name": "uno"}, out)
	require.Equal(t, "album/uno", l.field(1, "files").([]any)[0].(map[string]any)["name"])
	l.ok("torrent-rename-path", `{"ids":[1],"path":"album","name":"disc"}`)
	require.Equal(t, "disc", l.field(1, "name"))
	require.Equal(t, "disc/two", l.field(1, "files").([]any)[1].(map[string]any)["name"])

	l.add("b")
	for _, tc := range []struct{ args, says string }{
		{`{"path":"disc","name":"x"}`, "requires 1 torrent"},
		{`{"ids":[1],"path":"disc","name":"../x"}`, "the name must be"},
		{`{"ids":[1],"path":"disc","name":".."}`, "the name must be"},
		{`{"ids":[1],"path":"disc","name":"a\\b"}`, "the name must be"},
		{`{"ids":[1],"path":"disc","name":""}`, "the name must be"},
		{`{"ids":[1],"path":"../disc","name":"x"}`, "the path must be"},
		{`{"ids":[1],"path":"/etc","name":"x"}`, "the path must be"},
		{`{"ids":[1],"name":"x"}`, "the path must be"},
		{`{"ids":[1],"path":"nothing","name":"x"}`, "no such file"},
	} {
		require.Contains(t, l.old("torrent-rename-path", tc.args).Result, tc.says, tc.args)
	}
}

// Nothing a caller says leads out of the download folders.
func TestFolderJail(t *testing.T) {
	l := newLab(t)
	l.add("a")
	outside := t.TempDir()
	require.NoError(t, os.Symlink(outside, filepath.Join(l.root, "out")))
	require.NoError(t, os.Symlink(filepath.Join(outside, "nothing"), filepath.Join(l.root, "dangling")))
	require.NoError(t, os.Mkdir(filepath.Join(l.root, "in"), 0o700))
	require.NoError(t, os.Symlink(filepath.Join(l.root, "in"), filepath.Join(l.root, "inner")))
	for path, fine := range map[string]bool{
		l.root:                                   true,
		l.root + "/":                             true,
		filepath.Join(l.root, "new", "deep"):     true,
		filepath.Join(l.root, "inner", "new"):    true,
		filepath.Join(l.root, "out"):             false,
		filepath.Join(l.root, "out", "new"):      false,
		filepath.Join(l.root, "dangling"):        false,
		filepath.Join(l.root, "dangling/new"):    false,
		l.root + "/../x":                         false,
		l.root + "/in/../in":                     false,
		l.root + "x":                             false,
		filepath.Dir(l.root):                     false,
		"/":                                      false,
		"":                                       false,
		"downloads":                              false,
		"~/downloads":                            false,
		"/etc/passwd":                            false,
		l.root + "/a\x00b":                       false,
		l.root + "/" + strings.Repeat("a", 5000): false,
	} {
		for method, args := range map[string]string{
			"torrent-set-location": `{"ids":1,"location":` + quote(path) + `}`,
			"torrent-set":          `{"ids":1,"location":` + quote(path) + `}`,
			"torrent-add":          `{"filename":"` + hash + `","download-dir":` + quote(path) + `}`,
			"session-set":          `{"download-dir":` + quote(path) + `}`,
			"free-space":           `{"path":` + quote(path) + `}`,
		} {
			a := l.old(method, args)
			require.Equal(t, fine, a.Result == "success", "%s %q: %s", method, path, a.Result)
			if !fine && path != "" {
				require.NotContains(t, a.Result, path)
			}
		}
		require.Equal(t, fine, l.old("session-set", `{"incomplete-dir":`+quote(path)+`}`).Result == "success", path)
	}
}

func TestFreeSpace(t *testing.T) {
	l := newLab(t)
	out := l.ok("free-space", `{"path":`+quote(l.root)+`}`)
	require.Equal(t, map[string]any{"path": l.root, "size-bytes": float64(rpctest.FreeSpace), "total_size": float64(rpctest.TotalSpace)}, out)
	modern := l.new("free_space", `{"path":`+quote(l.root)+`}`).Result
	require.EqualValues(t, rpctest.FreeSpace, modern["size_bytes"])
	require.EqualValues(t, rpctest.TotalSpace, modern["total_size"])
	require.NotEqual(t, "success", l.old("free-space", `{}`).Result)
}

func TestGroups(t *testing.T) {
	l := newLab(t)
	l.add("a")
	l.ok("group-set", `{"name":"slow","speed-limit-down":30,"speed-limit-down-enabled":true,"honorsSessionLimits":false}`)
	l.ok("group-set", `{"name":"slow","speed-limit-up":20,"honorSessionLimits":false}`)
	l.ok("group-set", `{"name":"other"}`)
	want := map[string]any{"name": "slow", "honorsSessionLimits": false, "speed-limit-down": 30., "speed-limit-down-enabled": true, "speed-limit-up": 20., "speed-limit-up-enabled": false}
	require.Equal(t, []any{want}, l.ok("group-get", `{"group":"slow"}`)["group"])
	require.Len(t, l.ok("group-get", ``)["group"], 2)
	require.Len(t, l.ok("group-get", `{"group":["slow","none"]}`)["group"], 1)
	require.Contains(t, l.new("group_get", ``).Result["group"].([]any)[0], "honors_session_limits")
	require.NotEqual(t, "success", l.old("group-set", `{"name":" "}`).Result)
	l.ok("torrent-set", `{"ids":1,"group":"slow"}`)
	require.Equal(t, "slow", l.field(1, "group"))
}

// What would go around the networks is answered, and does nothing.
func TestClearnetMethods(t *testing.T) {
	l := newLab(t)
	require.Equal(t, map[string]any{"port-is-open": false}, l.ok("port-test", `{"ipProtocol":"ipv4"}`))
	require.Contains(t, l.old("blocklist-update", ``).Result, "no blocklist")
}

func TestStopping(t *testing.T) {
	stopped := make(chan struct{})
	l := newLab(t, func(c *rpc.Config) { c.Stop = func() { close(stopped) } })
	require.Contains(t, l.old("session-close", ``).Result, "not allowed")
	for range 2 {
		out := l.r.Answer(t.Context(), []byte(`{"method":"session-close"}`), true)
		require.Contains(t, string(out), "success")
	}
	<-stopped
}

// A caller reads what the library says for it, and nothing else.
func TestErrorsOfTheLibrary(t *testing.T) {
	l := newLab(t)
	l.add("a")
	for _, tc := range []struct {
		err  error
		code rpc.Code
		says string
	}{
		{&rpc.Error{Code: rpc.CodeSystem, Text: "the disk is full"}, rpc.CodeSystem, "the disk is full"},
		{errors.New("open /home/alice/x.torrent: denied"), rpc.CodeInternal, "the daemon could not do that"},
		{context.DeadlineExceeded, rpc.CodeSystem, "the daemon did not answer in time"},
	} {
		l.lib.Fail(tc.err)
		for _, call := range [][2]string{
			{"torrent_get", `{"fields":["id"]}`}, {"torrent_add", `{"filename":"` + hash + `"}`}, {"torrent_set", `{"ids":1,"group":"x"}`},
			{"torrent_start", ``}, {"torrent_remove", ``}, {"torrent_set_location", `{"location":` + quote(l.root) + `}`},
			{"torrent_rename_path", `{"ids":1,"path":"a","name":"b"}`}, {"queue_move_up", ``}, {"session_get", ``},
			{"session_set", `{"peer_limit_global":3}`}, {"session_stats", ``}, {"free_space", `{"path":` + quote(l.root) + `}`},
			{"group_get", ``}, {"group_set", `{"name":"x"}`},
		} {
			r := l.new(call[0], call[1])
			require.NotNil(t, r.Error, call[0])
			require.EqualValues(t, tc.code, r.Error.Code, call[0])
			require.Equal(t, tc.says, r.Error.Data.ErrorString, call[0])
			require.NotEmpty(t, r.Error.Message)
		}
	}
	require.NotContains(t, l.log.String(), "alice")
}

func TestTable(t *testing.T) {
	l := newLab(t)
	l.add("a")
	l.add("b")
	out := l.ok("torrent-get", `{"fields":["id","name","nonsense","totalSize"],"format":"table"}`)
	require.Equal(t, []any{
		[]any{"id", "name", "totalSize"}, []any{1., "a", float64(rpctest.Size)}, []any{2., "b", float64(rpctest.Size)},
	}, out["torrents"])
	modern := l.new("torrent_get", `{"fields":["id","total_size"],"format":"table"}`).Result
	require.Equal(t, []any{"id", "total_size"}, modern["torrents"].([]any)[0])
	require.Equal(t, "no fields specified", l.old("torrent-get", `{}`).Result)
}

// A list of calls cannot make us hold any amount of answers.
func TestLargeAnswers(t *testing.T) {
	l := newLab(t)
	l.add("a")
	l.lib.Edit(1, func(t *rpc.Torrent) { t.Availability = slices.Repeat([]int{1 << 60}, 900_000) })
	get := `{"jsonrpc":"2.0","id":1,"method":"torrent_get","params":{"fields":["availability"]}}`
	out := l.ask("[" + get + "," + get + "," + get + `,{"jsonrpc":"2.0","id":2,"method":"torrent_stop"}]`)
	require.Less(t, len(out), 40<<20)
	require.Contains(t, out[len(out)-1000:], "too large together")
	require.Equal(t, 4., l.field(1, "status"), "what is said not to be done is not done")
}

func TestNestedTooDeeply(t *testing.T) {
	l := newLab(t)
	for _, body := range []string{strings.Repeat("[", 1<<20), strings.Repeat(`{"a":`, 1<<18), `{"method":"torrent-get","arguments":` + strings.Repeat("[", 20) + strings.Repeat("]", 20) + `}`} {
		require.Contains(t, l.ask(body), "nested too deeply")
	}
	require.Contains(t, l.ask(`{"method":"nonsense","arguments":{"x":"`+strings.Repeat("[{", 50)+`"}}`), "not recognized", "brackets in a text are text")
}

func FuzzCall(f *testing.F) {
	for _, seed := range []string{
		`{"method":"torrent-get","arguments":{"fields":["id","files"],"ids":[1,"recently-active"],"format":"table"},"tag":3}`,
		`{"jsonrpc":"2.0","id":"a","method":"torrent_set","params":{"ids":1,"tracker_list":"http://x.i2p/a\n\n","labels":["x"],"seed_ratio_limit":1.5}}`,
		`[{"jsonrpc":"2.0","id":1,"method":"session_set","params":{"alt_speed_time_begin":3,"dht_enabled":false}},{"jsonrpc":"2.0","method":"torrent_stop"}]`,
		`{"method":"torrent-add","arguments":{"filename":"magnet:?xt=urn:btih:` + hash + `","metainfo":"ZA==","download-dir":"/x"}}`,
		`{"method":"torrent-set","arguments":{"trackerReplace":[0,"http://x.i2p/b"],"trackerRemove":[0],"files-wanted":[]}}`,
		`{"jsonrpc":"2.0","id":1,"method":"sotto_set","params":{"ids":[1],"networks":["tor"],"identity":"x","seed_time":5}}`,
		`[{"jsonrpc":"2.0","id":1,"method":"sotto_limits","params":{"network":"i2p","down":5}},{"jsonrpc":"2.0","id":2,"method":"sotto_status"}]`,
		`{"jsonrpc":"2.0","id":1,"method":"sotto_share","params":{"path":"/tmp/../x","format":"v2","networks":["tor"],"stable":false}}`,
	} {
		f.Add([]byte(seed))
	}
	root := f.TempDir()
	f.Fuzz(func(t *testing.T, body []byte) {
		lib := rpctest.New(root)
		r, err := rpc.New(rpc.Config{Library: lib, Own: lib, Folders: []string{root}})
		require.NoError(t, err)
		if out := r.Answer(t.Context(), body, false); out != nil {
			require.True(t, json.Valid(out), string(out))
		}
		for _, a := range lib.Added() {
			require.NotNil(t, a.Link)
			require.True(t, a.Folder == "" || strings.HasPrefix(a.Folder, root))
		}
	})
}
