//go:build unix

package main

import (
	"os"
	"os/signal"
	"syscall"

	"sotto/anon/cage"
)

// pauses are Ctrl-Z. The engine is in a session of its own, which the terminal
// does not stop: it would draw its bar over the shell's prompt.
type pauses struct{ asked, over chan os.Signal }

func newPauses() pauses {
	p := pauses{make(chan os.Signal, 1), make(chan os.Signal, 1)}
	if !signal.Ignored(syscall.SIGTSTP) {
		signal.Notify(p.asked, syscall.SIGTSTP)
	}
	return p
}

func (p pauses) stop() { signal.Stop(p.asked) }

// take stops the engine and this process until somebody says fg, or bg.
func (p pauses) take(child *cage.Child) {
	signal.Notify(p.over, syscall.SIGCONT)
	defer signal.Stop(p.over)
	child.Signal(syscall.SIGSTOP)
	defer child.Signal(syscall.SIGCONT)
	if syscall.Kill(os.Getpid(), syscall.SIGSTOP) == nil {
		<-p.over // the stop may come a moment after the call
	}
}
