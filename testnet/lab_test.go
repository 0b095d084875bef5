package testnet_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"sotto/testnet"
	"sotto/testnet/netns"
	"sotto/testnet/tornet"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(netns.Wrap(m)) }

// Both networks start at the same time in one namespace.
func TestLab(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 6*time.Minute)
	defer cancel()
	lab, err := testnet.New(testnet.Config{Log: t.Output()})
	require.NoError(t, err)
	defer lab.Close()
	var all sync.WaitGroup
	var torErr, i2pErr error
	all.Go(func() { _, torErr = lab.Tor(ctx) })
	all.Go(func() { _, i2pErr = lab.I2P(ctx) })
	all.Wait()
	require.NoError(t, torErr)
	require.NoError(t, i2pErr)

	tor, err := lab.Tor(ctx)
	require.NoError(t, err)
	again, err := lab.Tor(ctx)
	require.NoError(t, err)
	require.Same(t, tor, again)
	require.Len(t, tor.PIDs(), 5)

	require.NoError(t, lab.Close())
	require.NoError(t, lab.Close())
	require.NoDirExists(t, lab.Dir())
	_, err = lab.I2P(ctx)
	require.ErrorIs(t, err, testnet.ErrClosed)
}

func TestFailureKeepsTheLogs(t *testing.T) {
	var log bytes.Buffer
	dir := filepath.Join(t.TempDir(), "lab")
	lab, err := testnet.New(testnet.Config{Dir: dir, Log: &log, Tor: tornet.Config{Gencert: "/does/not/exist"}})
	require.NoError(t, err)
	_, err = lab.Tor(t.Context())
	require.ErrorContains(t, err, "kept: "+dir)
	require.Contains(t, log.String(), "attempt 4 of 4")
	require.NoError(t, lab.Close())
	require.DirExists(t, dir)
}

func TestKeep(t *testing.T) {
	for _, keep := range []bool{true, false} {
		dir := t.TempDir()
		lab, err := testnet.New(testnet.Config{Dir: dir})
		require.NoError(t, err)
		if keep {
			lab.Keep()
		}
		require.NoError(t, lab.Close())
		_, err = os.Stat(dir)
		require.Equal(t, keep, err == nil)
	}
}

func TestNewRefusesElsewhere(t *testing.T) {
	t.Setenv("LAB_OUTSIDE", "")
	_, err := testnet.New(testnet.Config{})
	require.ErrorIs(t, err, netns.ErrNotPrivate)
}
