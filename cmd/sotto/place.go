package main

import (
	"errors"
	"fmt"
	"path/filepath"

	"sotto/client/config"
)

// What the daemon has in its state folder.
const socketName = "daemon.sock"

// maxSocketPath is the longest name of a unix socket, in bytes: that of BSD
// and macOS, so that a state folder works everywhere or nowhere.
const maxSocketPath = 103

// errLongPath: the state folder's path leaves no room for a socket's name.
var errLongPath = errors.New("the path of the state folder is too long for the socket in it")

// socketPath is where a daemon of this configuration answers.
func socketPath(cfg config.Config) (string, error) {
	path := filepath.Join(cfg.StateDir, socketName)
	if n := len(path) - maxSocketPath; n > 0 {
		return "", fmt.Errorf("%w, by %d bytes", errLongPath, n)
	}
	return path, nil
}
