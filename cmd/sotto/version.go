package main

import (
	"fmt"
	"runtime"
	"runtime/debug"
)

// version is that of the module that was built, which names its commit, if it
// has one. The owner and who steers a daemon are told, no stranger is.
func version() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
		return info.Main.Version
	}
	return "unreleased"
}

// build is the version and what it was built with, for who reports a flaw.
func build() string {
	return fmt.Sprintf("%s (%s, %s/%s)", version(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
}
