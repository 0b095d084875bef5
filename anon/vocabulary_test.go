package anon_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"sotto/anon"
)

func TestNetworkNames(t *testing.T) {
	for _, n := range []anon.Network{anon.I2P, anon.Tor} {
		got, err := anon.ParseNetwork(n.String())
		require.NoError(t, err)
		require.Equal(t, n, got)
	}
	for _, s := range []string{"", "none", "memory", "TOR", " tor", "clearnet", "tcp"} {
		n, err := anon.ParseNetwork(s)
		require.Error(t, err, s)
		require.Zero(t, n)
	}
	require.Equal(t, "none", anon.Network(0).String())
	require.Equal(t, "none", anon.Network(99).String())
	require.Equal(t, "memory", anon.Memory.String())
}

func TestLeakErrorIsErrLeak(t *testing.T) {
	err := fmt.Errorf("dial: %w", &anon.LeakError{Op: "dial", Want: "tor", Got: "i2p"})
	require.ErrorIs(t, err, anon.ErrLeak)
	for _, other := range []error{anon.ErrUnavailable, anon.ErrUnreachable, anon.ErrPermission, anon.ErrProtocol} {
		require.False(t, errors.Is(err, other))
	}
	require.Equal(t, "dial: dial refused, it would leak: want tor, got i2p", err.Error())
}

func TestLabelsAreFresh(t *testing.T) {
	seen := map[string]bool{}
	for range 1000 {
		l := anon.NewLabel()
		require.Len(t, l, 32)
		require.False(t, seen[l])
		seen[l] = true
	}
}
