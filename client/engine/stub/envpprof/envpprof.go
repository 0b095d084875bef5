// Package envpprof stands in for github.com/anacrolix/envpprof, whose init
// opens an HTTP listener with profiles and counters when GOPPROF is set.
// This one reads no environment and listens nowhere.
package envpprof

// Stop has nothing to stop.
func Stop() {}
