// Package e2e holds the tests that need real networks: one private Tor and one
// private I2P network of real daemons, each built once for all of them, in a
// namespace of testnet/netns. It has no code of its own.
package e2e
