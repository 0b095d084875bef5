package client

import (
	"errors"

	"sotto/client/engine"
	"sotto/client/metainfo"
)

// ErrNothingChosen: none of the files that were asked for is in the torrent.
var ErrNothingChosen = errors.New("the torrent has none of the files that were asked for")

// choose turns a link's selection into what the engine asks for; without one
// every file is wanted.
func choose(s metainfo.Selection) func([]metainfo.File) ([]engine.Priority, error) {
	if s == nil {
		return nil
	}
	return func(files []metainfo.File) ([]engine.Priority, error) {
		chosen := make([]engine.Priority, len(files))
		any := false
		for i, f := range files {
			if s.Has(i) {
				chosen[i] = engine.Normal
				any = any || !f.Pad
			}
		}
		if !any {
			return nil, ErrNothingChosen
		}
		return chosen, nil
	}
}
