package main

import (
	"testing"

	"github.com/stretchr/testify/require"

	"sotto/client/config"
	"sotto/transport/i2p"
)

// What sotto says a default is, the transport does.
func TestDefaultsAreTheTransports(t *testing.T) {
	require.Equal(t, i2p.DefaultSAM, config.Default().I2P.SAM)
}
