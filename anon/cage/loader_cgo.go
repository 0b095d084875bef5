//go:build linux && (amd64 || arm64) && cgo

package cage

import "os"

// loaderPaths are what a program that was linked with cgo needs to start: the
// loader and the C library. The caged process may read and execute them; they
// are the same for everybody with the same system. Our own builds have none.
func loaderPaths() []string {
	var paths []string
	for _, p := range []string{"/lib", "/lib64", "/usr/lib"} {
		if _, err := os.Stat(p); err == nil {
			paths = append(paths, p)
		}
	}
	return paths
}
