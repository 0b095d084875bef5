package engine

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"sotto/anon"
	"sotto/transport/memory"
)

// A verified byte is fetched once, however often the torrent is opened.
func TestResumeFetchesOnlyWhatIsMissing(t *testing.T) {
	s := newSample(t, 16<<10, 100<<10, 200<<10, 3)
	n := memory.New(memory.Options{Rate: 400 << 10})
	seedEnd := open(t, n)
	s.seeder(t, seedEnd)
	dir := t.TempDir()

	get := start(t, s.options(t, open(t, n), dir))
	get.AddPeers([]anon.Addr{seedEnd.Addr()})
	require.Eventually(t, func() bool { return get.Stats().Verified >= 64<<10 }, patience, poll)
	require.NoError(t, get.Close())
	had := get.Stats().Verified
	require.Less(t, had, s.size)

	again := start(t, s.options(t, open(t, n), dir))
	again.AddPeers([]anon.Addr{seedEnd.Addr()})
	within(t, again.Done(), again)
	s.requireIn(t, dir)
	st := again.Stats()
	// A piece may have been written and not yet hashed when it was closed.
	require.LessOrEqual(t, st.Downloaded-st.Wasted, s.size-had)
	require.GreaterOrEqual(t, st.Checked, s.size)
	require.NoError(t, again.Close())

	third := start(t, s.options(t, open(t, n), dir))
	within(t, third.Done(), third)
	require.Zero(t, third.Stats().Downloaded)
}

// The router going away and coming back loses nothing and needs no help.
func TestRouterRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSample(t, 16<<10, 300<<10)
		n := memory.New(memory.Options{Rate: 100 << 10})
		seedEnd := open(t, n)
		s.seeder(t, seedEnd)
		dir := t.TempDir()
		get := start(t, s.options(t, open(t, n), dir))
		get.AddPeers([]anon.Addr{seedEnd.Addr()})
		require.Eventually(t, func() bool { return get.Stats().Verified > 0 }, patience, poll)
		n.SetDown(true)
		require.Eventually(t, func() bool { return get.Stats().Peers == 0 }, patience, poll)
		n.SetDown(false)
		within(t, get.Done(), get)
		s.requireIn(t, dir)
	})
}

func TestChecksBeforeTouchingTheDisk(t *testing.T) {
	s := newSample(t, 16<<10, 40<<10)
	refusal := errors.New("bad names")
	for _, magnet := range []bool{false, true} {
		n := memory.New(memory.Options{})
		us, seedEnd := open(t, n), open(t, n)
		s.seeder(t, seedEnd)
		dir := filepath.Join(t.TempDir(), "new")
		o := s.options(t, us, dir)
		if magnet {
			o.Info = nil
		}
		o.CheckInfo = func(info []byte) error {
			require.Equal(t, s.info, info)
			return refusal
		}
		get := start(t, o)
		get.AddPeers([]anon.Addr{seedEnd.Addr()})
		require.ErrorIs(t, endsWith(t, get), refusal)
		require.NoDirExists(t, dir)
		_, err := get.Info(t.Context())
		require.ErrorIs(t, err, refusal)
	}
}

func TestReadOnlyWantsEverything(t *testing.T) {
	s := newSample(t, 16<<10, 40<<10, 5)
	dir := t.TempDir()
	s.write(t, dir)
	damaged := filepath.Join(dir, sampleName, "dir", "a")
	require.NoError(t, os.WriteFile(damaged, make([]byte, 40<<10), 0o644))
	o := s.options(t, open(t, memory.New(memory.Options{})), dir)
	o.ReadOnly = true
	require.ErrorIs(t, endsWith(t, start(t, o)), ErrIncomplete)
	got, err := os.ReadFile(damaged)
	require.NoError(t, err)
	require.Equal(t, make([]byte, 40<<10), got)
}

func TestForeignFileIsLeftAlone(t *testing.T) {
	s := newSample(t, 16<<10, 40<<10)
	n := memory.New(memory.Options{})
	seedEnd := open(t, n)
	s.seeder(t, seedEnd)
	dir := t.TempDir()
	thesis := filepath.Join(dir, sampleName, "dir", "a")
	require.NoError(t, os.MkdirAll(filepath.Dir(thesis), 0o755))
	require.NoError(t, os.WriteFile(thesis, []byte("three years of work"), 0o644))
	get := start(t, s.options(t, open(t, n), dir))
	get.AddPeers([]anon.Addr{seedEnd.Addr()})
	require.ErrorIs(t, endsWith(t, get), ErrInTheWay)
	got, err := os.ReadFile(thesis)
	require.NoError(t, err)
	require.Equal(t, "three years of work", string(got))
}

func TestCloseInEveryState(t *testing.T) {
	s := newSample(t, 16<<10, 40<<10)
	n := memory.New(memory.Options{})
	o := s.options(t, open(t, n), t.TempDir())
	at := start(t, o)
	require.NoError(t, at.Close())
	require.NoError(t, at.Close())
	require.ErrorIs(t, at.Err(), ErrClosed)
	require.Zero(t, at.AddPeers([]anon.Addr{anon.MemoryAddr([32]byte{9})}), "harmless")
	o.Info = nil
	magnet := start(t, o)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := magnet.Info(ctx)
	require.ErrorIs(t, err, context.Canceled)
	require.EqualValues(t, -1, magnet.Stats().Left())
	o.Endpoint.Close()
	require.NoError(t, magnet.Close())
}

// Nothing linkable is logged above debug, whatever the library says.
func TestLogsAreQuiet(t *testing.T) {
	s := newSample(t, 16<<10, 40<<10)
	n := memory.New(memory.Options{})
	us, liar, seedEnd := open(t, n), open(t, n), open(t, n)
	var info, debug syncBuilder
	o := s.options(t, us, t.TempDir())
	o.Log = slog.New(twice{
		slog.NewTextHandler(&info, &slog.HandlerOptions{Level: slog.LevelInfo}),
		slog.NewTextHandler(&debug, &slog.HandlerOptions{Level: slog.LevelDebug}),
	})
	get := start(t, o)
	p, _ := greet(t, liar, us.Addr(), s.hash, "-XX0000-")
	serveRubbish(p)
	s.seeder(t, seedEnd)
	get.AddPeers([]anon.Addr{seedEnd.Addr()})
	within(t, get.Done(), get)
	require.NoError(t, get.Close())
	require.NotEmpty(t, debug.String(), "the library does talk")
	for _, canary := range []string{sampleName, "100:", "XX0000", o.Dir, seedEnd.Addr().Reveal(), hexHash(s.hash)} {
		require.NotContains(t, info.String(), canary)
	}
}

func TestNameCannotEscape(t *testing.T) {
	outside := t.TempDir()
	for _, name := range []string{"..", "/etc", "a/b", "", ".", "nul\x00"} {
		s := namedSample(t, name)
		dir := filepath.Join(outside, "in")
		get := start(t, s.options(t, open(t, memory.New(memory.Options{})), dir))
		require.Error(t, endsWith(t, get), "%q", name)
		_, err := os.Stat(dir)
		require.ErrorIs(t, err, fs.ErrNotExist)
	}
}
