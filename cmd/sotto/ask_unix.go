//go:build linux || darwin || dragonfly || freebsd || netbsd || openbsd

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"

	"sotto/anon"
)

// ask has the user type a secret at the terminal, which does not show it. It
// needs no goroutine: it looks every so often whether ctx is done, and leaves
// the terminal as it was.
func (a *app) ask(ctx context.Context, prompt string) (anon.Secret, error) {
	tty := int(os.Stdin.Fd())
	was, err := unix.IoctlGetTermios(tty, getTermios)
	if err != nil {
		return anon.Secret{}, errNobodyToAsk
	}
	silent := *was
	silent.Lflag &^= unix.ECHO
	silent.Lflag |= unix.ICANON | unix.ISIG
	if err := unix.IoctlSetTermios(tty, setTermios, &silent); err != nil {
		return anon.Secret{}, fmt.Errorf("ask for the passphrase: %w", err)
	}
	defer fmt.Fprintln(a.err)
	defer unix.IoctlSetTermios(tty, setTermios, was)
	fmt.Fprint(a.err, prompt) // not before: whoever is asked may be quick
	line, err := readLine(ctx, os.Stdin)
	defer clear(line)
	if err != nil {
		return anon.Secret{}, fmt.Errorf("ask for the passphrase: %w", err)
	}
	return anon.NewSecret(trimLine(line)), nil
}

// readLine reads one line of a terminal, which gives whole lines, or ends with
// ctx.
func readLine(ctx context.Context, in *os.File) ([]byte, error) {
	tty := int(in.Fd())
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		p := []unix.PollFd{{Fd: int32(tty), Events: unix.POLLIN}}
		if n, err := unix.Poll(p, 200); err != nil && !errors.Is(err, unix.EINTR) {
			return nil, err
		} else if n <= 0 {
			continue
		}
		line := make([]byte, maxTyped)
		n, err := unix.Read(tty, line)
		if err == nil && n == 0 {
			err = io.ErrUnexpectedEOF
		}
		return line[:max(n, 0)], err
	}
}
