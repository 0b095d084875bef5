package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"

	"sotto/anon/broker"
	"sotto/anon/folder"
	"sotto/client/api"
	"sotto/client/config"
)

// What the daemon has in its state folder. The engine is given library and
// journal.Folder of it, and sees nothing of the rest.
const (
	socketName = "daemon.sock"
	adminName  = "broker.sock" // as long as socketName
	lockName   = "daemon.lock"
	tokenName  = "api-token"
	libraryDir = "library" // the sealed database
	vaultDir   = "vault"   // what opens it, and the key file
)

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

// listenUser listens where only this user gets in. A socket that is there is
// what a killed daemon left: whoever calls holds the lock of its folder.
func listenUser(path string) (broker.Listener, error) {
	info, err := os.Lstat(path)
	switch {
	case err == nil && info.Mode().Type() != fs.ModeSocket:
		return nil, fmt.Errorf("listen for the user: %s is in the way", path)
	case err == nil:
		if err := os.Remove(path); err != nil {
			return nil, fmt.Errorf("listen for the user: %w", err)
		}
	}
	l, err := private(func() (*net.UnixListener, error) {
		return net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	})
	if err != nil {
		return nil, fmt.Errorf("listen for the user: %w", err)
	}
	return l, nil
}

// listenLoopback listens for programs on this machine.
func listenLoopback(address string) (broker.Listener, error) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listen for programs (daemon.api): %w", err)
	}
	return l.(*net.TCPListener), nil
}

// trimLine returns the first line of a text without its end.
func trimLine(text []byte) []byte {
	line, _, _ := bytes.Cut(text, []byte{'\n'})
	return bytes.TrimSuffix(line, []byte{'\r'})
}

// apiToken returns what programs prove themselves to the daemon with, which is
// made when it is first needed.
func apiToken(state string) (api.Token, error) {
	f, err := folder.Open(state)
	if err != nil {
		return api.Token{}, err
	}
	s, err := folder.ReadSecret(f.Path(tokenName), 256, folder.OwnerOnly)
	if errors.Is(err, fs.ErrNotExist) {
		t := api.NewToken()
		return t, f.Replace(tokenName, []byte(t.Reveal()+"\n"))
	}
	if err != nil {
		return api.Token{}, fmt.Errorf("read the token: %w", err)
	}
	raw := s.Expose()
	defer clear(raw)
	return api.ParseToken(string(trimLine(raw)))
}
