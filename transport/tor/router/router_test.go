//go:build linux

package router

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"sotto/anon"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const patience = 60 * time.Second

func home(t *testing.T, state string) *Home {
	t.Helper()
	h, err := NewHome("", state)
	require.NoError(t, err)
	t.Cleanup(func() { h.Close() })
	return h
}

func TestEachHomeHasItsOwnSlot(t *testing.T) {
	state := t.TempDir()
	a, b := home(t, state), home(t, state)
	require.NotEqual(t, a.State(), b.State())
	require.NotEqual(t, a.Dir(), b.Dir())
	first := a.State()
	require.NoError(t, a.Close())
	require.Equal(t, first, home(t, state).State(), "a slot that was given back is taken first")
}

func TestSlotsRunOut(t *testing.T) {
	state := t.TempDir()
	for range Slots {
		home(t, state)
	}
	before := runDirs(t)
	_, err := NewHome("", state)
	require.ErrorContains(t, err, "taken")
	require.Equal(t, before, runDirs(t), "a failed NewHome leaves a directory behind")
}

func runDirs(t *testing.T) int {
	dirs, err := filepath.Glob(filepath.Join(os.TempDir(), "sotto-*"))
	require.NoError(t, err)
	return len(dirs)
}

func TestDirectoriesArePrivate(t *testing.T) {
	h := home(t, t.TempDir())
	for _, dir := range []string{h.Dir(), h.State(), filepath.Dir(h.State())} {
		info, err := os.Stat(dir)
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o700), info.Mode().Perm(), dir)
	}
}

func TestRunDirRefusesPathsThatTorWouldMisread(t *testing.T) {
	for _, name := range []string{strings.Repeat("long", 20), "a b", "a,b", "a\"b", "a%b", "a#b", "ü"} {
		base := filepath.Join(t.TempDir(), name)
		require.NoError(t, os.Mkdir(base, 0o700))
		_, err := NewRunDir(base)
		require.Error(t, err, name)
		left, err := os.ReadDir(base)
		require.NoError(t, err)
		require.Empty(t, left, name)
	}
}

func TestTorrc(t *testing.T) {
	h := &Home{run: "/run/x", state: `/home/a "b" \c #d`}
	text, err := h.torrc([]string{"SafeLogging 0"})
	require.NoError(t, err)
	for _, line := range []string{
		"SafeLogging 0",
		"SocksPort unix:/run/x/peers OnionTrafficOnly IsolateSOCKSAuth IsolateDestAddr KeepAliveIsolateSOCKSAuth ExtendedErrors",
		"ControlPort unix:/run/x/control", "SafeSocks 1", "AvoidDiskWrites 1", "CookieAuthentication 1", "DisableNetwork 1",
		`DataDirectory "/home/a \"b\" \\c #d"`,
	} {
		require.Contains(t, "\n"+text, "\n"+line+"\n")
	}
	require.Contains(t, text, "__OwningControllerProcess ")
	for _, bad := range []string{"a\nSocksPort 9050", "a\r", "\x00"} {
		_, err := h.torrc([]string{bad})
		require.Error(t, err)
	}
	h.state = "/a\nb"
	_, err = h.torrc(nil)
	require.Error(t, err)
}

// start runs the system's tor; its network stays off.
func start(t *testing.T, h *Home) *Child {
	t.Helper()
	c, err := h.Start("", nil)
	require.NoError(t, err)
	t.Cleanup(c.Stop)
	require.Eventually(t, func() bool {
		_, err := os.Stat(h.Cookie())
		return err == nil
	}, patience, 10*time.Millisecond)
	return c
}

func ended(c *Child) bool {
	select {
	case <-c.Done():
		return true
	default:
		return false
	}
}

func TestStateWithOddCharacters(t *testing.T) {
	h := home(t, filepath.Join(t.TempDir(), `my "state" \ #1 ü %s`))
	c := start(t, h)
	require.False(t, ended(c), "%v", c.said.last())
	require.Eventually(t, func() bool {
		_, err := os.Stat(filepath.Join(h.State(), "lock"))
		return err == nil
	}, patience, 10*time.Millisecond, "tor uses another data directory")
	c.Stop()
}

// TestChildOutlivesThreads: the kernel's death signal belongs to the thread
// that started the child, and Go ends threads.
func TestChildOutlivesThreads(t *testing.T) {
	c := start(t, home(t, ""))
	for range 50 {
		done := make(chan struct{})
		go func() {
			defer close(done)
			runtime.LockOSThread() // never unlocked: the thread ends here
		}()
		<-done
	}
	runtime.GC()
	time.Sleep(100 * time.Millisecond)
	require.False(t, ended(c))
}

func TestStopAndRestart(t *testing.T) {
	h := home(t, t.TempDir())
	c := start(t, h)
	c.Stop()
	require.True(t, ended(c))
	c.Stop()
	again := start(t, h)
	require.NotEqual(t, c.PID(), again.PID())
}

func TestStopKillsWhatDoesNotListen(t *testing.T) {
	script := filepath.Join(t.TempDir(), "tor")
	require.NoError(t, os.WriteFile(script, []byte("#!/bin/sh\ntrap '' TERM\nwhile :; do /bin/sleep 1 </dev/null >/dev/null 2>&1; done\n"), 0o700))
	c, err := home(t, "").Start(script, nil)
	require.NoError(t, err)
	time.Sleep(50 * time.Millisecond)
	c.Stop()
	require.True(t, ended(c))
	require.ErrorIs(t, c.Err(), anon.ErrUnavailable)
}

func TestTheSlotIsHeldAsLongAsTheChild(t *testing.T) {
	state := t.TempDir()
	h := home(t, state)
	c := start(t, h)
	require.NoError(t, h.lock.Close()) // as if we had died and tor not yet
	h.lock = nil
	require.NotEqual(t, h.State(), home(t, state).State())
	c.Stop()
	require.Equal(t, h.State(), home(t, state).State())
}

func TestStartRefuses(t *testing.T) {
	h := home(t, "")
	for _, binary := range []string{"/nowhere/tor", "no-such-tor-anywhere", h.Dir()} {
		_, err := h.Start(binary, nil)
		require.ErrorIs(t, err, anon.ErrUnavailable, binary)
		require.ErrorIs(t, err, ErrMissing, binary)
	}
	_, err := h.Start("", []string{"a\nb"})
	require.ErrorIs(t, err, anon.ErrUnavailable)
}

func TestLastWords(t *testing.T) {
	var w words
	for range 1000 {
		w.Write([]byte("Nov 20 09:17:57.116 [warn] " + strings.Repeat("x", 50) + "\n"))
	}
	w.Write([]byte("Nov 20 [warn] the cause\nNov 20 [err] Reading config failed--see warnings above.\nno level\n"))
	require.LessOrEqual(t, len(w.text), maxWords)
	require.Equal(t, strings.Repeat("x", 50)+"; the cause", w.last())
	require.Empty(t, (&words{}).last())
}

func TestTorsWordsAreScrubbed(t *testing.T) {
	for _, secret := range []string{
		"192.0.2.7", "192.0.2.7:9001", "[2001:db8::1]:443", "$A0C944FFFDA568AA768306087A1FB585887F2D86~nick",
		"A0C944FFFDA568AA768306087A1FB585887F2D86", "3bgybjwumurvpsxnd4ed6pvilyjhwunt5uw3y663lavp7a2fryc6nlad",
	} {
		got := Scrub("Problem with " + secret + " (timed out)")
		require.Equal(t, "Problem with (hidden) (timed out)", got)
	}
}
