//go:build linux

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"sotto/anon/admin"
	"sotto/anon/grant"
	"sotto/client/api/caller"
	"sotto/client/api/rpc"
)

// handing runs a command until it has handed over to the daemon, and ends it.
func (d *upNow) handing(t *testing.T, args ...string) (said string) {
	t.Helper()
	cmd := exec.Command("sotto", append([]string{"--config", filepath.Join(d.dir, "sotto.toml"), "--json"}, args...)...)
	var out, errs bytes.Buffer
	cmd.Stderr = &errs
	r, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	late := time.AfterFunc(patient, func() { cmd.Process.Kill() })
	defer late.Stop()
	for lines := json.NewDecoder(r); ; {
		var e jsonEvent
		require.NoError(t, lines.Decode(&e), "%s %s", &out, &errs)
		fmt.Fprintln(&out, e.Event, e.Why)
		if e.Event == "handed_over" {
			break
		}
	}
	require.NoError(t, cmd.Process.Signal(os.Interrupt))
	io.Copy(io.Discard, r)
	cmd.Wait()
	return out.String()
}

func (d *upNow) sotto(t *testing.T, args ...string) (code int, said string) {
	t.Helper()
	cmd := exec.Command("sotto", append([]string{"--config", filepath.Join(d.dir, "sotto.toml")}, args...)...)
	out, err := cmd.CombinedOutput()
	require.True(t, err == nil || cmd.ProcessState != nil, err)
	return cmd.ProcessState.ExitCode(), string(out)
}

// sees reports whether the engine has anything by a name.
func (d *upNow) sees(t *testing.T, path string) bool {
	t.Helper()
	_, err := os.Stat(fmt.Sprintf("/proc/%d/root%s", d.engine(t), path))
	return err == nil
}

func made(t *testing.T, parts ...string) string {
	t.Helper()
	at := filepath.Join(parts...)
	require.NoError(t, os.MkdirAll(at, 0o700))
	return at
}

const someMagnet = "magnet:?xt=urn:btih:0102030405060708090a0b0c0d0e0f1011121314&dn=film"

// A get to a folder that the daemon does not have has its engine start again with
// it. The folder stays, over restarts too, until it is taken away.
func TestGetAddsAFolder(t *testing.T) {
	dir, err := realPath(t.TempDir())
	require.NoError(t, err)
	d := startUp(t, dir, daemonUnder(t, dir))
	first, films := d.engine(t), made(t, dir, "disk", "films")
	require.False(t, d.sees(t, films))
	said := d.handing(t, "get", "-o", films, someMagnet)
	require.Contains(t, said, "folder_added")
	require.NotEqual(t, first, d.engine(t))
	require.True(t, d.sees(t, films))
	for _, at := range []string{adminName, "folders", vaultDir, socketName} {
		require.FileExists(t, filepath.Join(dir, "state", at, map[bool]string{true: "vault"}[at == vaultDir]), at)
		require.False(t, d.sees(t, filepath.Join(dir, "state", at)), at)
	}
	info, err := os.Stat(filepath.Join(dir, "state", adminName))
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	second := d.engine(t)
	require.NotContains(t, d.handing(t, "get", "-o", made(t, films, "below"), someMagnet), "folder_added")
	require.Equal(t, second, d.engine(t), "nothing was new")

	code, list := d.sotto(t, "folders")
	require.Zero(t, code, list)
	require.Regexp(t, films+` +changes +command +there\n`, list)
	require.Regexp(t, filepath.Join(dir, "downloads")+` +changes +configuration +there\n`, list)
	code, said = d.sotto(t, "folders", "rm", films)
	require.Equal(t, exitNotPermitted, code, said)
	require.Contains(t, said, "torrents have their data there: 1 film")

	require.Zero(t, d.end(t, syscall.SIGTERM), d.said)
	code, again := d.sotto(t, "folders")
	require.Zero(t, code)
	require.Equal(t, list, again, "without a daemon")
	d = startUp(t, dir, daemonUnder(t, dir))
	require.True(t, d.sees(t, films))
	require.NoError(t, d.Call(t.Context(), "torrent_remove", map[string]any{"ids": []int{1}}, nil))
	code, said = d.sotto(t, "folders", "rm", films)
	require.Zero(t, code, said)
	require.False(t, d.sees(t, films))
	code, said = d.sotto(t, "folders", "rm", films)
	require.Equal(t, exitNotPermitted, code, said)
	require.Zero(t, d.end(t, syscall.SIGTERM), d.said)
	_, list = d.sotto(t, "folders")
	require.NotContains(t, list, films)
}

// A file that is shared is all that the engine sees of its folder, and only to
// read; and the API cannot ask for more.
func TestShareAddsAFile(t *testing.T) {
	dir, err := realPath(t.TempDir())
	require.NoError(t, err)
	d := startUp(t, dir, daemonUnder(t, dir))
	mine := made(t, dir, "mine")
	song, diary := filepath.Join(mine, "song"), filepath.Join(mine, "diary")
	for _, at := range []string{song, diary} {
		require.NoError(t, os.WriteFile(at, []byte("la la la"), 0o600))
	}
	require.Contains(t, d.handing(t, "share", song), "folder_added")
	require.True(t, d.sees(t, song))
	require.False(t, d.sees(t, diary))
	err = os.WriteFile(fmt.Sprintf("/proc/%d/root%s", d.engine(t), song), nil, 0o600)
	require.ErrorIs(t, err, syscall.EROFS)
	require.Eventually(t, func() bool {
		list, err := caller.Torrents[followRow](t.Context(), d.Caller, nil)
		return err == nil && len(list) == 1 && list[0].Hash != "" && list[0].Size == 8 && list[0].Left == 0
	}, patient, 10*time.Millisecond)

	engine := d.engine(t)
	for method, params := range map[string]map[string]any{
		"sotto_share":          {"path": diary},
		"torrent_add":          {"filename": someMagnet, "download_dir": mine},
		"torrent_set_location": {"ids": []int{1}, "location": mine, "move": false},
	} {
		var refused *rpc.Error
		require.ErrorAs(t, d.Call(t.Context(), method, params, nil), &refused, method)
		require.Equal(t, rpc.CodePath, refused.Code, method)
	}
	require.Equal(t, engine, d.engine(t))
	_, list := d.sotto(t, "folders")
	require.Regexp(t, song+` +reads +command +there\n`, list)
	require.Zero(t, d.end(t, syscall.SIGTERM), d.said)
}

// A link that lies where the engine may exchange it for another is not followed on
// the engine's behalf; one elsewhere is.
func TestEngineDoesNotChooseWhatIsAdded(t *testing.T) {
	dir, err := realPath(t.TempDir())
	require.NoError(t, err)
	d := startUp(t, dir, daemonUnder(t, dir))
	mine := made(t, dir, "mine")
	song := filepath.Join(mine, "song")
	require.NoError(t, os.WriteFile(song, []byte("la la la"), 0o600))
	for _, folder := range []string{"downloads", "elsewhere"} {
		at := filepath.Join(made(t, dir, folder), "link")
		require.NoError(t, os.Symlink(mine, at))
		around := filepath.Join(dir, "to-"+folder)
		require.NoError(t, os.Symlink(at, around))
	}
	for _, path := range []string{"downloads/link/song", "to-downloads/song"} {
		said := d.refusing(t, "share", filepath.Join(dir, path))
		require.Contains(t, said, "over a link in a folder that its engine may change")
		require.False(t, d.sees(t, song))
	}
	require.Contains(t, d.refusing(t, "get", "-o", filepath.Join(dir, "downloads", "link"), someMagnet), "over a link")
	require.False(t, d.sees(t, mine))
	require.Contains(t, d.handing(t, "share", filepath.Join(dir, "to-elsewhere", "song")), "folder_added")
	require.True(t, d.sees(t, song))
	require.Zero(t, d.end(t, syscall.SIGTERM), d.said)
}

// refusing runs a command until it says why it does without the daemon, and ends it.
func (d *upNow) refusing(t *testing.T, args ...string) (said string) {
	t.Helper()
	cmd := exec.Command("sotto", append([]string{"--config", filepath.Join(d.dir, "sotto.toml"), "--json"}, append(args, "--network", "i2p")...)...)
	r, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	defer func() { cmd.Process.Kill(); cmd.Wait() }()
	late := time.AfterFunc(patient, func() { cmd.Process.Kill() })
	defer late.Stop()
	for lines := json.NewDecoder(r); ; {
		var e jsonEvent
		require.NoError(t, lines.Decode(&e), said)
		said += e.Event + " " + e.Why + "\n"
		if e.Event == "here" {
			return said
		}
		require.NotEqual(t, "handed_over", e.Event, said)
	}
}

// What would let the engine out is refused, however it is asked for, and changes
// nothing; a get does it by itself then, and says why.
func TestFoldersThatAreRefused(t *testing.T) {
	dir, err := realPath(t.TempDir())
	require.NoError(t, err)
	home := made(t, dir, "home")
	keys := made(t, home, ".ssh")
	link := filepath.Join(dir, "link")
	require.NoError(t, os.Symlink(keys, link))
	pass := filepath.Join(made(t, dir, "pass"), "word")
	require.NoError(t, os.WriteFile(pass, []byte("secret\n"), 0o600))
	cmd := daemonUnder(t, dir, "[vault]", fmt.Sprintf("passphrase_file = %q", pass))
	cmd.Env = append(os.Environ(), "HOME="+home)
	d := startUp(t, dir, cmd)
	engine := d.engine(t)
	socket := filepath.Join(dir, "state", adminName)
	program, err := exec.LookPath("sotto")
	require.NoError(t, err)
	for _, at := range []string{
		"/", "/etc", "/proc/self", dir, home, keys, link, filepath.Dir(pass), pass, filepath.Join(dir, "state"), filepath.Join(dir, "state", vaultDir),
		filepath.Join(dir, "state", "library"), filepath.Join(dir, "sotto.toml"), filepath.Dir(program), dir + "/home/../home/x", filepath.Join(dir, "none"), "relative",
	} {
		for _, do := range []admin.Verb{admin.Read, admin.Write} {
			if at == filepath.Dir(program) && do == admin.Read {
				continue // what others run may be read
			}
			answer, err := admin.Ask(t.Context(), socket, admin.Request{Do: do, Path: at})
			require.NoError(t, err, at)
			require.NotEmpty(t, answer.Refused, at)
			require.False(t, answer.Changed, at)
		}
	}
	code, said := d.sotto(t, "get", "--network", "i2p", "-o", keys, someMagnet)
	require.Equal(t, exitLeak, code, said)
	require.Contains(t, said, "cannot be given to the engine: it is hidden")
	require.Contains(t, said, "doing it here")
	_, list := d.sotto(t, "folders")
	require.Equal(t, 2, strings.Count(list, "\n"), list)
	require.Equal(t, engine, d.engine(t), "nothing has changed")
	require.Zero(t, d.end(t, syscall.SIGTERM), d.said)
}

// What a router of ours is started with is no engine's, now or later.
func TestFitForThisDaemon(t *testing.T) {
	dir, err := realPath(t.TempDir())
	require.NoError(t, err)
	g := ground{run: made(t, dir, "run")}
	for below, ok := range map[string]bool{"sotto-123": false, "sotto-123/in": false, "sotto-films": true, "films": true, "sotto-": true, ".": false} {
		at := made(t, g.run, below)
		require.Equal(t, ok, g.fit(grant.Grant{Path: at, Write: true}) == nil, below)
	}
	require.Error(t, g.fit(grant.Grant{Path: dir}))
	g.run = ""
	require.NoError(t, g.fit(grant.Grant{Path: dir, Write: true}))

	// Nor is a link by which the configuration names a folder.
	require.NoError(t, os.Symlink(made(t, dir, "elsewhere"), filepath.Join(made(t, dir, "links"), "films")))
	g.folders = []string{filepath.Join(dir, "links", "films")}
	for path, ok := range map[string]bool{dir: false, filepath.Join(dir, "links"): false, filepath.Join(dir, "elsewhere"): true} {
		require.Equal(t, ok, g.fit(grant.Grant{Path: path, Write: true}) == nil, path)
		require.NoError(t, g.fit(grant.Grant{Path: path}))
	}
}

// A folder that was right and has become a way to something else is taken from
// the engine as soon as that is seen.
func TestAddedFolderBecomesALink(t *testing.T) {
	dir, err := realPath(t.TempDir())
	require.NoError(t, err)
	d := startUp(t, dir, daemonUnder(t, dir))
	films, other := made(t, dir, "films"), made(t, dir, "other")
	d.handing(t, "get", "-o", films, someMagnet)
	require.NoError(t, os.Remove(films))
	require.NoError(t, os.Symlink(other, films))
	d.await(t, "engine_renewed") // to add it
	d.await(t, "engine_renewed")
	d.await(t, "up")
	require.False(t, d.sees(t, films))
	require.False(t, d.sees(t, other))
	_, list := d.sotto(t, "folders")
	require.Regexp(t, films+` +changes +command +away\n`, list)
	require.Contains(t, d.conditions(t), "folder-missing")
	require.Zero(t, d.end(t, syscall.SIGTERM), d.said)
}
