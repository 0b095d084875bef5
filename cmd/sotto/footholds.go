package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"sotto/anon/grant"
	"sotto/client/config"
)

// programs are those that a later start runs: sotto, and the tor of our own.
func programs(cfg config.Config) (all []string) {
	if self, err := os.Executable(); err == nil {
		all = append(all, self)
	}
	if path, err := exec.LookPath(or(cfg.Tor.Binary, "tor")); err == nil {
		all = append(all, path)
	}
	return all
}

// footholds are files that a later start believes or runs, and the folder where
// other programs keep such for a moment.
func footholds(cfg config.Config, settings string) []string {
	return append(programs(cfg), settings, os.TempDir())
}

// warnOfFolder says what it means to give the engine a folder that holds more
// than downloads: the user's home, our own state, or footholds.
func (a *app) warnOfFolder(dir, state string, footholds []string) {
	var inside []string
	home, err := os.UserHomeDir()
	if err == nil {
		home, err = filepath.EvalSymlinks(home)
	}
	if err == nil && grant.Within(dir, home) || grant.Within(dir, state) {
		inside = append(inside, "your keys")
	}
	for _, f := range footholds {
		if holds(dir, f) {
			inside = append(inside, f)
		}
	}
	if len(inside) > 0 {
		a.tell("warning", "the engine may read and change everything in "+dir+", "+strings.Join(inside, " and ")+" too; -o FOLDER gives it that folder only")
	}
}
