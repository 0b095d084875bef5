package i2pnet_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"sotto/testnet/i2pnet"
	"sotto/testnet/netns"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(netns.Wrap(m)) }

// TestNetwork starts the one network of this package: it delivers, and a
// killed router comes back under the same address and delivers again.
func TestNetwork(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 8*time.Minute)
	defer cancel()
	n, err := i2pnet.Start(ctx, i2pnet.Config{Dir: t.TempDir(), Log: t.Output()})
	require.NoError(t, err)
	defer n.Close()
	require.Equal(t, 7, n.Clients())
	require.Equal(t, "127.0.0.1:7656", n.SAM(0))
	require.NotEqual(t, n.SAM(0), n.SAM(6))
	require.Panics(t, func() { n.SAM(7) }, "a floodfill is no client")

	old := n.PID(0)
	identity := read(t, n, "router.keys")
	require.NoError(t, n.Kill(0))
	require.ErrorIs(t, syscall.Kill(old, 0), syscall.ESRCH)
	require.NoError(t, n.Restart(ctx, 0))
	require.NotEqual(t, old, n.PID(0))
	require.Equal(t, identity, read(t, n, "router.keys"))
	begin := time.Now()
	require.NoError(t, n.Healthy(ctx))
	t.Logf("deliver again %.1f s after the restart", time.Since(begin).Seconds())

	pid := n.PID(0)
	require.NoError(t, n.Kill(1)) // ours: no surprise
	require.NoError(t, syscall.Kill(n.PID(2), syscall.SIGKILL))
	require.Eventually(t, func() bool { return syscall.Kill(n.PID(2), 0) != nil }, time.Minute, time.Millisecond)
	err = n.Close()
	require.ErrorContains(t, err, "router 2: ended by itself: ended by a signal: killed")
	require.NotContains(t, err.Error(), "router 1")
	require.NoError(t, n.Close())
	require.ErrorIs(t, syscall.Kill(pid, 0), syscall.ESRCH, "router left behind")
	require.Error(t, n.Restart(ctx, 0))
}

func read(t *testing.T, n *i2pnet.Network, name string) []byte {
	b, err := os.ReadFile(filepath.Join(filepath.Dir(n.Log(0)), name))
	require.NoError(t, err)
	return b
}

func TestStartExplainsItsFailure(t *testing.T) {
	broken := filepath.Join(t.TempDir(), "i2pd")
	require.NoError(t, os.WriteFile(broken, []byte("#!/bin/sh\necho out of order; exit 3\n"), 0o700))
	var log bytes.Buffer
	dir := t.TempDir()
	_, err := i2pnet.Start(t.Context(), i2pnet.Config{Dir: dir, I2PD: broken, Log: &log})
	require.ErrorContains(t, err, "exit status 3")
	require.ErrorContains(t, err, filepath.Join(dir, "1", "router0", "log")+":\nout of order")
	require.Equal(t, 3, strings.Count(log.String(), "of 3: "), log.String())

	_, err = i2pnet.Start(t.Context(), i2pnet.Config{Dir: dir, Routers: 6})
	require.ErrorContains(t, err, "6 routers")
}

func TestStartStopsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := i2pnet.Start(ctx, i2pnet.Config{Dir: t.TempDir()})
	require.ErrorIs(t, err, context.Canceled)
}

// The mark is what tells a namespace of ours from the machine's own network.
func TestStartRefusesElsewhere(t *testing.T) {
	t.Setenv("LAB_OUTSIDE", "")
	_, err := i2pnet.Start(t.Context(), i2pnet.Config{Dir: t.TempDir()})
	require.ErrorIs(t, err, netns.ErrNotPrivate)
}
