//go:build !linux

package tor

// bodies: no test of these systems starts the test binary again.
var bodies map[string]func()
