//go:build linux && (amd64 || arm64) && !cgo

package cage

// loaderPaths: a static program needs nothing to start.
func loaderPaths() []string { return nil }
