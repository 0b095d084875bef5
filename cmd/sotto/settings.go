package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/adrg/xdg"

	"sotto/anon/folder"
	"sotto/client/config"
)

// load puts the configuration together. Only the default file may be missing. A
// state folder that others can write to is none: they could answer in the place of
// our daemon, and give our state a key of theirs.
func (a *app) load() (config.Config, error) {
	s, err := a.settings()
	if err != nil {
		return config.Config{}, err
	}
	if err := folder.Own(s.Config.StateDir); err != nil {
		return config.Config{}, fmt.Errorf("use the state folder %s: %w", s.Config.StateDir, err)
	}
	return s.Config, nil
}

// settings reads the file, and puts over it what the environment and the
// command line say.
func (a *app) settings() (*config.Settings, error) {
	from := config.Sources{Environ: os.Environ(), Default: config.Default()}
	from.Default.StateDir = filepath.Join(xdg.StateHome, "sotto")
	if a.stateDir != "" {
		dir, err := filepath.Abs(a.stateDir) // people name folders from where they stand
		if err != nil {
			return nil, badUsage(err)
		}
		from.Flags = []config.Flag{{Name: "--state-dir", Key: "state_dir", Value: dir}}
	}
	return a.read(from)
}

// read adds the file to other sources.
func (a *app) read(from config.Sources) (*config.Settings, error) {
	from.File = a.configFile()
	s, err := config.Load(from)
	if !errors.Is(err, fs.ErrNotExist) {
		return s, err
	}
	if a.configPath != "" {
		return nil, badUsage(err)
	}
	from.File = ""
	return config.Load(from)
}

// configFile is the file that --config names, or the default one.
func (a *app) configFile() string {
	if a.configPath != "" {
		return a.configPath
	}
	return filepath.Join(xdg.ConfigHome, "sotto", "sotto.toml")
}
