//go:build !unix

package main

import (
	"os"

	"sotto/anon/cage"
)

// pauses do not exist here.
type pauses struct{ asked chan os.Signal }

func newPauses() pauses { return pauses{} }

func (pauses) stop() {}

func (pauses) take(*cage.Child) {}
