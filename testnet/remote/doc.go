// Package remote holds tests and no code: the clients that people steer
// Transmission with, as Debian, npm and the Go proxy ship them, against our API
// on the loopback interface; and a browser with a page of another site.
//
// Each is tried twice: against rpctest's library, which can be put into any
// state, for whether clients understand what we say and we what they send; and
// against a real "sotto up" on a private Tor network, for whether what they ask
// for is done and what they show is so.
package remote
