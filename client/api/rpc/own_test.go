package rpc_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"sotto/client/api/rpc"
	"sotto/client/metainfo"
)

// withOwn lets a lab answer sotto's own methods.
func withOwn(t *testing.T) (*lab, string) {
	l := newLab(t)
	shared := t.TempDir()
	own := newLab(t, func(c *rpc.Config) {
		c.Library, c.Own, c.Folders, c.ShareDirs = l.lib, l.lib, []string{l.root}, []string{shared}
		c.Label, c.Started = "sealed", time.Unix(1_800_000_000, 0)
	})
	own.lib, own.root = l.lib, l.root
	return own, shared
}

func TestStatus(t *testing.T) {
	l, shared := withOwn(t)
	l.lib.Wrong(rpc.Condition{Name: "disk-full", Severity: "trouble", Subject: "/d\x1b[2J", Since: time.Unix(1_700_000_000, 0), What: "It is full.", Privacy: "None.", Remedy: "Free some."})
	got := l.new("sotto_status", "").Result
	require.Equal(t, []any{"0.1", "sealed", 1_800_000_000.}, []any{got["version"], got["label"], got["started"]})
	require.Equal(t, []any{l.root}, got["folders"])
	require.Equal(t, []any{shared}, got["share_dirs"])
	networks := got["networks"].([]any)
	require.Len(t, networks, 2)
	i2p := networks[0].(map[string]any)
	require.Equal(t, []any{"i2p", true, "127.0.0.1:7656", "2.50", ""}, []any{i2p["network"], i2p["ready"], i2p["where"], i2p["version"], i2p["note"]})
	require.Contains(t, i2p["address"], ".b32.i2p")
	tor := networks[1].(map[string]any)
	require.Equal(t, []any{"tor", false, ""}, []any{tor["network"], tor["ready"], tor["address"]})
	require.NotEmpty(t, tor["note"])
	wrong := got["conditions"].([]any)[0].(map[string]any)
	require.Equal(t, []any{"disk-full", "trouble", 1_700_000_000.}, []any{wrong["name"], wrong["severity"], wrong["since"]})
	require.NotContains(t, wrong["subject"], "\x1b")
	for _, key := range []string{"what", "privacy", "remedy"} {
		require.NotEmpty(t, wrong[key])
	}
	l.lib.Fail(errors.New("/secret/path"))
	require.Equal(t, int(rpc.CodeInternal), l.new("sotto_status", "").Error.Code)
	require.NotContains(t, l.ask(`{"jsonrpc":"2.0","id":1,"method":"sotto_status"}`), "secret")
}

func TestTuneAndLimit(t *testing.T) {
	l, _ := withOwn(t)
	id := l.add("a")
	require.Nil(t, l.new("sotto_set", `{"ids":[1],"networks":["tor","i2p"],"identity":"work","seed_time":90}`).Error)
	require.Equal(t, []any{"tor", "i2p"}, l.field(id, "sotto_networks"))
	require.Equal(t, "work", l.field(id, "sotto_identity"))
	require.Equal(t, 90., l.field(id, "sotto_seed_time"))
	require.Nil(t, l.new("sotto_set", `{"ids":1,"networks":[]}`).Error)
	require.Equal(t, []any{}, l.field(id, "sotto_networks"))

	require.Equal(t, map[string]any{"network": "tor", "down": 40., "up": 0.}, l.new("sotto_limits", `{"network":"tor","down":40}`).Result)
	require.Equal(t, map[string]any{"network": "tor", "down": 40., "up": 7.}, l.new("sotto_limits", `{"network":"tor","up":7}`).Result)
	require.Equal(t, map[string]any{"network": "tor", "down": 40., "up": 7.}, l.new("sotto_limits", `{"network":"tor"}`).Result)
}

// What makes no sense is refused before anything is changed.
func TestOwnRefuses(t *testing.T) {
	l, _ := withOwn(t)
	id := l.add("a")
	for _, tc := range []struct{ method, params string }{
		{"sotto_status", `{"ids":1}`},
		{"sotto_set", `{"identity":"x"}`},
		{"sotto_set", `{"ids":1,"identity":"x","networks":["clearnet"]}`},
		{"sotto_set", `{"ids":1,"identity":"x","networks":["memory"]}`},
		{"sotto_set", `{"ids":1,"identity":"x","networks":[7]}`},
		{"sotto_set", `{"ids":1,"identity":"x","networks":["tor","tor","tor","tor","tor","tor","tor","tor","tor"]}`},
		{"sotto_set", `{"ids":1,"identity":"x","seed_time":-1}`},
		{"sotto_set", `{"ids":1,"identity":"x","seed_time":1.5}`},
		{"sotto_set", `{"ids":1,"identity":"x","seedtime":1}`},
		{"sotto_set", `{"ids":1,"identity":"a\u001b[2J"}`},
		{"sotto_set", `{"ids":1,"identity":"` + strings.Repeat("x", 65) + `"}`},
		{"sotto_set", `{"ids":{},"identity":"x"}`},
		{"sotto_limits", `{}`},
		{"sotto_limits", `{"network":"clearnet","down":1}`},
		{"sotto_limits", `{"network":["tor"],"down":1}`},
		{"sotto_limits", `{"network":"tor","down":-1}`},
		{"sotto_limits", `{"network":"tor","down":1e300}`},
		{"sotto_limits", `{"network":"tor","down":"1"}`},
		{"sotto_limits", `{"network":"tor","rate":1}`},
	} {
		require.NotNil(t, l.new(tc.method, tc.params).Error, "%s %s", tc.method, tc.params)
	}
	require.Equal(t, "", l.field(id, "sotto_identity"))
	require.Equal(t, 0., l.new("sotto_limits", `{"network":"tor"}`).Result["down"])
}

// Remotes of Transmission's see nothing of it, and neither does anybody when the
// daemon has no such library.
func TestOwnIsForOwnCallers(t *testing.T) {
	l, _ := withOwn(t)
	require.Equal(t, "method name not recognized", l.old("sotto-status", "").Result)
	require.Equal(t, int(rpc.CodeMethod), newLab(t).new("sotto_status", "").Error.Code)
	var list []json.RawMessage
	require.NoError(t, json.Unmarshal([]byte(l.ask(`[{"jsonrpc":"2.0","id":1,"method":"sotto_status"},{"jsonrpc":"2.0","id":2,"method":"session_get"}]`)), &list))
	require.Len(t, list, 2)
}

func TestShare(t *testing.T) {
	l, shared := withOwn(t)
	for i, at := range []string{filepath.Join(shared, "song"), filepath.Join(l.root, "sub", "film")} {
		require.NoError(t, os.MkdirAll(filepath.Dir(at), 0o755))
		require.NoError(t, os.WriteFile(at, []byte("something to share"), 0o644))
		got := l.new("sotto_share", `{"path":`+quote(at)+`,"format":"hybrid","networks":["tor"],"stable":`+[]string{"false", "true"}[i]+`}`).Result
		require.Equal(t, []any{float64(i + 1), false}, []any{got["id"], got["duplicate"]})
		require.Equal(t, got["hash"], l.field(int64(i+1), "hashString"))
		require.Equal(t, []any{"tor"}, l.field(int64(i+1), "sotto_networks"))
		require.Equal(t, []any{true, i == 1}, []any{l.field(int64(i+1), "sotto_shared"), l.field(int64(i+1), "sotto_stable")})
		require.Contains(t, l.field(int64(i+1), "magnetLink"), "x.pe=")
	}
	require.True(t, l.new("sotto_share", `{"path":`+quote(filepath.Join(shared, "song"))+`,"format":"hybrid"}`).Result["duplicate"].(bool))
	require.NotNil(t, l.new("torrent_remove", `{"ids":1,"delete_local_data":true}`).Error)
	require.FileExists(t, filepath.Join(shared, "song"))
}

// Nothing outside the folders can be shared, whatever a path looks like.
func TestShareStaysInItsFolders(t *testing.T) {
	l, shared := withOwn(t)
	outside := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(outside, "secret"), []byte("secret"), 0o600))
	require.NoError(t, os.Symlink(outside, filepath.Join(shared, "out")))
	require.NoError(t, os.Symlink(filepath.Join(outside, "secret"), filepath.Join(shared, "file")))
	require.NoError(t, os.WriteFile(filepath.Join(shared, "ok"), []byte("fine"), 0o600))
	for _, path := range []string{
		"", ".", "ok", "/", outside, filepath.Join(outside, "secret"), shared, shared + "/", l.root, shared + "/../" + filepath.Base(outside),
		filepath.Join(shared, "out"), filepath.Join(shared, "out", "secret"), filepath.Join(shared, "file"), shared + "/ok\x00", shared + "/" + strings.Repeat("x", 5000),
		"/proc/self/environ", "file://" + shared + "/ok",
	} {
		require.NotNil(t, l.new("sotto_share", `{"path":`+quote(path)+`}`).Error, path)
	}
	at := quote(filepath.Join(shared, "ok"))
	for _, params := range []string{
		`{}`, `{"path":7}`, `{"path":[` + at + `]}`, `{"path":` + at + `,"format":"v3"}`, `{"path":` + at + `,"format":1}`, `{"path":` + at + `,"networks":["web"]}`,
		`{"path":` + at + `,"stable":"yes"}`, `{"path":` + at + `,"name":"x"}`, `{"path":` + at + `,"Path":` + at + `}`,
	} {
		require.NotNil(t, l.new("sotto_share", params).Error, params)
	}
	require.Equal(t, 0., l.ok("session-stats", "")["torrentCount"])
	require.NotNil(t, l.new("torrent_set_location", `{"ids":[],"location":`+quote(shared)+`,"move":false}`).Error, "nothing is put there")
}

// What was given for sharing may be shared as such, and nothing beside it.
func TestShareWhatWasGiven(t *testing.T) {
	l := newLab(t)
	dir := t.TempDir()
	album, file := filepath.Join(dir, "album"), filepath.Join(dir, "file")
	require.NoError(t, os.Mkdir(album, 0o700))
	for _, at := range []string{file, filepath.Join(album, "song"), filepath.Join(dir, "secret"), filepath.Join(dir, "album2")} {
		require.NoError(t, os.WriteFile(at, []byte(at), 0o600))
	}
	own := newLab(t, func(c *rpc.Config) {
		c.Library, c.Own, c.Folders, c.Given = l.lib, l.lib, []string{l.root}, []string{album, file}
	})
	require.Equal(t, []any{album, file}, own.new("sotto_status", "").Result["share_dirs"])
	for _, path := range []string{dir, filepath.Join(dir, "secret"), filepath.Join(dir, "album2"), l.root} {
		require.NotNil(t, own.new("sotto_share", `{"path":`+quote(path)+`}`).Error, path)
	}
	for _, path := range []string{album, file, filepath.Join(album, "song")} {
		require.Nil(t, own.new("sotto_share", `{"path":`+quote(path)+`}`).Error, path)
	}
	require.NotNil(t, own.new("torrent_set_location", `{"ids":[],"location":`+quote(album)+`,"move":false}`).Error, "nothing is put there")
}

// A torrent file is given of what is shared only, and whole.
func TestTorrentFile(t *testing.T) {
	l, shared := withOwn(t)
	at := filepath.Join(shared, "song")
	require.NoError(t, os.WriteFile(at, []byte("la la la"), 0o600))
	require.Nil(t, l.new("sotto_share", `{"path":`+quote(at)+`}`).Error)
	raw, err := base64.StdEncoding.DecodeString(l.new("sotto_torrent", `{"id":1}`).Result["metainfo"].(string))
	require.NoError(t, err)
	link, err := metainfo.ParseTorrent(raw)
	require.NoError(t, err)
	require.Equal(t, "song", link.Name)
	for _, params := range []string{`{}`, `{"id":"1"}`, `{"id":1.5}`, `{"id":-1}`, `{"id":2}`, `{"id":[1]}`, `{"ids":[1]}`, `{"id":1,"path":"/x"}`} {
		require.NotNil(t, l.new("sotto_torrent", params).Error, params)
	}
}
