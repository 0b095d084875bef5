package main

import (
	"errors"
	"os"
	"path/filepath"
	"slices"

	"sotto/anon/grant"
	torhome "sotto/transport/tor/router"
)

// errNoRunBase: the engine has every folder where a router's sockets could lie.
var errNoRunBase = errors.New("every folder for temporary files lies in a folder that the engine would see")

// runPrefix begins the names of what package tor makes there.
const runPrefix = "sotto-"

// runBases are the folders, free of links, where the sockets and the settings of
// a router may lie, the best first: those of the environment, and those that
// every system has.
func runBases() (all []string) {
	for _, base := range []string{os.TempDir(), "/tmp", os.Getenv("XDG_RUNTIME_DIR"), "/run", "/dev/shm"} {
		if !filepath.IsAbs(base) {
			continue
		}
		if real, err := realPath(base); err == nil && !slices.Contains(all, real) {
			all = append(all, real)
		}
	}
	return all
}

// runBase is the first of runBases in which tor can have sockets and that lies in
// none of an engine's folders; "" leaves the choice to package tor. An engine that
// could write there would choose what tor reads at its start, which can be any
// program to run.
func runBase(folders []string) (string, error) {
	if !walls { // there the engine is this process
		return "", nil
	}
	for _, base := range runBases() {
		if slices.ContainsFunc(folders, func(f string) bool { return grant.Within(f, base) }) {
			continue
		}
		// Whether tor takes sockets there is for who makes its folder to say.
		if try, err := torhome.NewRunDir(base); err == nil && os.Remove(try) == nil {
			return base, nil
		}
	}
	return "", errNoRunBase
}
