package main

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestPercent(t *testing.T) {
	for share, want := range map[float64]int{0: 0, 0.29: 29, 0.57: 57, 0.58: 58, 0.9999: 99, 1: 100} {
		require.Equal(t, want, percentOf(share))
	}
	for part := range int64(101) {
		require.Equal(t, part, percent(part, 100))
	}
}
