// Package remote holds tests and no code: the clients that people steer
// Transmission with, as Debian, npm and the Go proxy ship them, against our API
// on the loopback interface; and a browser with a page of another site.
//
// The library behind the API is rpctest's: what is tried here is whether
// clients understand what we say and we what they send.
package remote
