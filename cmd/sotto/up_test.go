//go:build linux

package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"sotto/anon"
	"sotto/anon/folder"
	"sotto/anon/keyring"
	"sotto/anon/vault"
	"sotto/client/api/caller"
	"sotto/client/health"
	"sotto/client/store"
)

// daemonUnder prepares a daemon without a router.
func daemonUnder(t *testing.T, dir string, more ...string) *exec.Cmd {
	t.Helper()
	config := filepath.Join(dir, "sotto.toml")
	lines := append([]string{
		fmt.Sprintf("state_dir = %q", filepath.Join(dir, "state")),
		fmt.Sprintf("download_dir = %q", filepath.Join(dir, "downloads")),
		"[i2p]", `sam = "127.0.0.1:9"`,
	}, more...)
	require.NoError(t, os.WriteFile(config, []byte(strings.Join(lines, "\n")+"\n"), 0o600))
	return exec.Command("sotto", "--config", config, "--json", "up", "--network", "i2p")
}

// upNow is a daemon that runs.
type upNow struct {
	*running
	*caller.Caller
	events chan jsonEvent
	seen   map[string]jsonEvent // the last of each name
	said   *strings.Builder     // to be read when it has ended
}

func startUp(t *testing.T, dir string, cmd *exec.Cmd) *upNow {
	t.Helper()
	d := &upNow{running: &running{Cmd: cmd, dir: dir}, events: make(chan jsonEvent, 1000), seen: map[string]jsonEvent{}, said: new(strings.Builder)}
	d.Caller = caller.New(filepath.Join(dir, "state", socketName))
	cmd.Stderr = d.said
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	go func() {
		defer close(d.events)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			var e jsonEvent
			if json.Unmarshal(lines.Bytes(), &e) == nil {
				d.events <- e
			}
		}
	}()
	t.Cleanup(func() {
		cmd.Process.Kill()
		d.Caller.Close()
	})
	d.await(t, "up")
	return d
}

func (d *upNow) await(t *testing.T, event string) jsonEvent {
	t.Helper()
	timer := time.NewTimer(patient)
	defer timer.Stop()
	for {
		select {
		case e, more := <-d.events:
			require.True(t, more, "the daemon has ended without %q", event)
			d.seen[e.Event] = e
			if e.Event == event {
				return e
			}
		case <-timer.C:
			require.FailNow(t, "nothing happened", event)
		}
	}
}

// saw is await for what may have happened already.
func (d *upNow) saw(t *testing.T, event string) jsonEvent {
	t.Helper()
	if e, ok := d.seen[event]; ok {
		return e
	}
	return d.await(t, event)
}

// end asks the daemon to end, and returns its exit code.
func (d *upNow) end(t *testing.T, s syscall.Signal) int {
	t.Helper()
	require.NoError(t, d.Process.Signal(s))
	late := time.AfterFunc(patient, func() { d.Process.Kill() })
	defer late.Stop()
	for range d.events {
	}
	d.Wait()
	return d.ProcessState.ExitCode()
}

func (d *upNow) conditions(t *testing.T) (names []string) {
	t.Helper()
	var status struct {
		Conditions []struct{ Name string } `json:"conditions"`
	}
	require.NoError(t, d.Call(t.Context(), "sotto_status", nil, &status))
	for _, c := range status.Conditions {
		names = append(names, c.Name)
	}
	return names
}

// It answers without any router, is the only one, and ends as it is asked to.
func TestUpEndsWhenAsked(t *testing.T) {
	dir := t.TempDir()
	for _, s := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP} {
		d := startUp(t, dir, daemonUnder(t, dir))
		info, err := os.Stat(filepath.Join(dir, "state", socketName))
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
		require.Equal(t, "away", d.saw(t, "router").Phase)

		out, err := daemonUnder(t, dir).CombinedOutput()
		var exit *exec.ExitError
		require.ErrorAs(t, err, &exit)
		require.Equal(t, exitOtherInstance, exit.ExitCode(), string(out))
		require.Contains(t, string(out), "another sotto up uses this state folder")

		require.NoError(t, d.Call(t.Context(), "session_get", nil, nil), "the first one is as it was")
		require.Zero(t, d.end(t, s), d.said)
		require.ErrorIs(t, d.Call(t.Context(), "session_get", nil, nil), caller.ErrNotRunning)
	}
}

// doctor says what the daemon finds wrong beside what it finds itself.
func TestDoctorAsksTheDaemon(t *testing.T) {
	dir := t.TempDir()
	doctor := func(more ...string) string {
		args := append([]string{"--config", filepath.Join(dir, "sotto.toml"), "doctor", "--network", "i2p"}, more...)
		out, err := exec.Command("sotto", args...).CombinedOutput()
		var exit *exec.ExitError
		require.ErrorAs(t, err, &exit, string(out))
		require.Equal(t, exitRouter, exit.ExitCode(), string(out))
		return string(out)
	}
	d := startUp(t, dir, daemonUnder(t, dir, "[daemon]", fmt.Sprintf("folders = [%q]", filepath.Join(dir, "away"))))
	require.Eventually(t, func() bool { return len(d.conditions(t)) > 0 }, patient, 10*time.Millisecond)
	require.Contains(t, doctor(), "\nthe daemon runs and finds ")
	require.Contains(t, doctor("--json"), `"name":"folder-missing"`)
	require.Zero(t, d.end(t, syscall.SIGTERM), d.said)
	require.NotContains(t, doctor(), "the daemon")
}

// An engine that is killed starts again behind the same door; a broker that is
// killed leaves nothing that keeps the next one from starting.
func TestUpIsKilled(t *testing.T) {
	dir := t.TempDir()
	d := startUp(t, dir, daemonUnder(t, dir))
	require.NoError(t, syscall.Kill(d.engine(t), syscall.SIGKILL))
	require.Eventually(t, func() bool { // what an engine had taken goes with it
		err := d.Call(t.Context(), "session_get", nil, nil)
		require.NotErrorIs(t, err, caller.ErrNotRunning, "asked while there is no engine")
		return err == nil
	}, patient, 10*time.Millisecond)
	d.await(t, "engine_restarted")
	d.await(t, "up")
	engine := d.engine(t)
	require.NoError(t, d.Process.Kill())
	d.Wait()
	require.Eventually(t, func() bool { return gone(engine) }, patient, time.Millisecond)
	require.ErrorIs(t, d.Call(t.Context(), "session_get", nil, nil), caller.ErrNotRunning)
	again := startUp(t, dir, daemonUnder(t, dir))
	require.Zero(t, again.end(t, syscall.SIGTERM), again.said)
}

// A passphrase is asked for where it is configured, and a wrong one opens
// nothing.
func TestUpWithPassphrase(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "passphrase")
	vault := []string{"[vault]", fmt.Sprintf("passphrase_file = %q", file)}
	require.NoError(t, os.WriteFile(file, []byte("correct horse\n"), 0o600))
	d := startUp(t, dir, daemonUnder(t, dir, vault...))
	require.Zero(t, d.end(t, syscall.SIGTERM), d.said)
	for name, c := range map[string]struct {
		text string
		mode os.FileMode
		more []string
		code int
		says string
	}{
		"wrong":    {"battery staple\n", 0o600, vault, exitPassphrase, "wrong passphrase"},
		"empty":    {"\n", 0o600, vault, exitPassphrase, "empty"},
		"exposed":  {"correct horse\n", 0o644, vault, exitNotPermitted, "others may read it"},
		"unasked":  {"", 0o600, nil, exitPassphrase, "no terminal"},
		"the same": {"correct horse\n", 0o600, append(vault, "[daemon]", `folders = ["/"]`), exitUsage, "state folder lies in"},
	} {
		t.Run(name, func(t *testing.T) {
			require.NoError(t, os.WriteFile(file, []byte(c.text), 0o600))
			require.NoError(t, os.Chmod(file, c.mode))
			out, err := daemonUnder(t, dir, c.more...).CombinedOutput()
			var exit *exec.ExitError
			require.ErrorAs(t, err, &exit, string(out))
			require.Equal(t, c.code, exit.ExitCode(), string(out))
			require.Contains(t, string(out), c.says)
		})
	}
}

// With hardly any files to open it works, and says what is wrong.
func TestUpWithFewFiles(t *testing.T) {
	dir := t.TempDir()
	cmd := daemonUnder(t, dir)
	path, err := exec.LookPath("sotto")
	require.NoError(t, err)
	cmd.Args = append([]string{"sh", "-c", `ulimit -n 64; exec "$@"`, "sh", path}, cmd.Args[1:]...)
	cmd.Path, err = exec.LookPath("sh")
	require.NoError(t, err)
	d := startUp(t, dir, cmd)
	require.Contains(t, d.conditions(t), string(health.FewFiles))
	var many []net.Conn
	for range 200 { // more than it could have open
		c, err := net.Dial("unix", filepath.Join(dir, "state", socketName))
		if err != nil {
			break // the queue is full
		}
		many = append(many, c)
	}
	for _, c := range many {
		c.Close()
	}
	require.NoError(t, d.Call(t.Context(), "session_get", nil, nil))
	require.Zero(t, d.end(t, syscall.SIGTERM), d.said)
}

// systemd hears that it is ready, that it lives, and that it ends.
func TestUpTellsSystemd(t *testing.T) {
	dir := t.TempDir()
	at := filepath.Join(dir, "notify")
	heard, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: at, Net: "unixgram"})
	require.NoError(t, err)
	defer heard.Close()
	next := func(want string) {
		t.Helper()
		for buf := make([]byte, 1000); ; {
			require.NoError(t, heard.SetReadDeadline(time.Now().Add(patient)))
			n, err := heard.Read(buf)
			require.NoError(t, err, want)
			if strings.HasPrefix(string(buf[:n]), want) {
				return
			}
		}
	}
	cmd := daemonUnder(t, dir)
	cmd.Env = append(os.Environ(), "NOTIFY_SOCKET="+at, "WATCHDOG_USEC=3000000")
	d := startUp(t, dir, cmd)
	next("READY=1\nSTATUS=sealed")
	next("WATCHDOG=1")
	next("WATCHDOG=1")
	require.NoError(t, syscall.Kill(d.engine(t), syscall.SIGKILL))
	d.await(t, "up")
	next("WATCHDOG=1")
	require.Zero(t, d.end(t, syscall.SIGTERM), d.said)
	next("STOPPING=1")
}

// A folder that is not there at first is a condition; when it comes, the engine
// starts again to see it.
func TestUpFindsAFolderThatComesLater(t *testing.T) {
	dir := t.TempDir()
	late := filepath.Join(dir, "disk")
	d := startUp(t, dir, daemonUnder(t, dir, "[daemon]", fmt.Sprintf("folders = [%q]", late)))
	require.Contains(t, d.conditions(t), string(health.FolderMissing))
	require.NoError(t, os.Mkdir(late, 0o700))
	d.await(t, "engine_renewed")
	d.await(t, "up")
	require.NotContains(t, d.conditions(t), string(health.FolderMissing))
	_, err := os.Stat(fmt.Sprintf("/proc/%d/root%s", d.engine(t), late))
	require.NoError(t, err)
	_, err = os.Stat(fmt.Sprintf("/proc/%d/root%s", d.engine(t), filepath.Join(dir, "state", vaultDir)))
	require.ErrorIs(t, err, os.ErrNotExist, "the engine sees the keys")
	require.Zero(t, d.end(t, syscall.SIGTERM), d.said)
}

// A state folder whose path leaves no room for a socket.
func TestSocketPath(t *testing.T) {
	dir := filepath.Join(t.TempDir(), strings.Repeat("long", 30))
	require.NoError(t, os.Mkdir(dir, 0o700))
	out, err := daemonUnder(t, dir).CombinedOutput()
	var exit *exec.ExitError
	require.ErrorAs(t, err, &exit)
	require.Equal(t, exitUsage, exit.ExitCode(), string(out))
	require.Contains(t, string(out), "too long for the socket")
}

func TestLives(t *testing.T) {
	l := lives{short: time.Second, most: 4}
	for _, want := range []time.Duration{firstPause, 2 * firstPause, 4 * firstPause} {
		pause, ok := l.end(time.Millisecond)
		require.True(t, ok)
		require.Equal(t, want, pause)
	}
	pause, ok := l.end(time.Minute)
	require.True(t, ok)
	require.Zero(t, pause, "a long life makes up for all short ones")
	for range 3 {
		_, ok = l.end(0)
		require.True(t, ok)
	}
	_, ok = l.end(0)
	require.False(t, ok)
}

func TestRoom(t *testing.T) {
	for files, want := range map[int]room{
		0:       {Peers: 6, Onions: 2, Tight: true},
		64:      {Peers: 6, Onions: 2, Tight: true},
		1024:    {Peers: 273, Onions: 82},
		1 << 20: {Peers: mostPeers, Onions: mostOnions},
	} {
		require.Equal(t, want, roomFor(files), files)
	}
}

// A router that is started after the daemon is found, without a restart.
func TestUpFindsARouterThatComesLater(t *testing.T) {
	free, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	at := free.Addr().String()
	require.NoError(t, free.Close())
	dir := t.TempDir()
	cmd := daemonUnder(t, dir)
	cmd.Env = append(os.Environ(), "SOTTO_I2P_SAM="+at)
	d := startUp(t, dir, cmd)
	require.Equal(t, "away", d.saw(t, "router").Phase)
	router, err := net.Listen("tcp", at)
	require.NoError(t, err)
	defer router.Close()
	go func() {
		for {
			c, err := router.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				if _, err := bufio.NewReader(c).ReadString('\n'); err == nil {
					fmt.Fprint(c, "HELLO REPLY RESULT=OK VERSION=3.3\n")
				}
				c.Read(make([]byte, 1)) // until the daemon has enough
			}()
		}
	}()
	require.Equal(t, "ready", d.await(t, "router").Phase)
	require.Zero(t, d.end(t, syscall.SIGTERM), d.said)
}

// Each way in which the state cannot be opened has a code and all three parts of
// a message.
func TestStateErrorsAreExplained(t *testing.T) {
	for err, code := range map[error]int{
		errDaemonRuns: exitOtherInstance, store.ErrRunning: exitOtherInstance,
		vault.ErrPassphrase: exitPassphrase, vault.ErrKind: exitPassphrase, vault.ErrEmpty: exitPassphrase,
		errNobodyToAsk: exitPassphrase, errTwice: exitPassphrase, errRemembered: exitPassphrase,
		errNothingSealed: exitUsage, keyring.ErrRefused: exitOther,
		vault.ErrDamaged: exitOther, vault.ErrVersion: exitOther,
		store.ErrDamaged: exitOther, store.ErrVersion: exitOther, store.ErrVault: exitOther,
		folder.ErrExposed: exitNotPermitted, errKeysInside: exitUsage, errLongPath: exitUsage,
		errShortLives: exitOther, errForeignCall: exitOther,
	} {
		m := explain(fmt.Errorf("open: %w", err))
		require.Equal(t, code, m.Code, err)
		for _, part := range []string{m.What, m.Privacy, m.Do} {
			require.NotEmpty(t, part, err)
		}
		require.Regexp(t, `^[A-Z].*\.$`, m.Privacy, err)
		require.Regexp(t, `^[A-Z].*\.$`, m.Do, err)
	}
}

// The next engine of a daemon asks for the same presences; another daemon, and
// another torrent or network, for others. A label tells nothing.
func TestLabelsLastAsLongAsTheDaemon(t *testing.T) {
	j := &upJob{Seed: anon.NewLabel()}
	raw, err := json.Marshal(j)
	require.NoError(t, err)
	next := new(upJob)
	require.NoError(t, json.Unmarshal(raw, next))
	label := j.label(anon.Tor, "plain abc")
	require.Equal(t, label, next.label(anon.Tor, "plain abc"))
	require.Regexp(t, "^[0-9a-f]{32}$", label)
	other := &upJob{Seed: anon.NewLabel()}
	for _, l := range []string{j.label(anon.I2P, "plain abc"), j.label(anon.Tor, "plain abd"), other.label(anon.Tor, "plain abc")} {
		require.NotEqual(t, label, l)
	}
}
