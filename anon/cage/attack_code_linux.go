//go:build linux && (amd64 || arm64)

package cage

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"
)

// Other programs, and code that was not in ours.
func codeAttempts() []attempt {
	const programs = "programs that have no walls of their own"
	return []attempt{
		{name: "fork", reveals: programs, try: func(*probe) error { return inChild(0) }},
		{name: "run a program", reveals: programs, try: func(*probe) error { return started(exec.Command("/bin/true").Run()) }},
		{name: "run ip", reveals: "the addresses of this machine", try: func(*probe) error {
			return started(exec.Command("ip", "-o", "address").Run())
		}},
		{name: "run a file of ours", reveals: "programs out of a torrent", try: tryRunData},
		{name: "run from memory", reveals: "programs that were never a file", try: tryRunMemory},
		{name: "memory file", reveals: "programs that were never a file", try: func(*probe) error {
			fd, err := unix.MemfdCreate("sotto", unix.MFD_CLOEXEC)
			if err == nil {
				unix.Close(fd)
			}
			return err
		}},
		{name: "map code", reveals: "an exploit can bring its own code", try: func(*probe) error {
			b, err := unix.Mmap(-1, 0, 4096, unix.PROT_READ|unix.PROT_WRITE|unix.PROT_EXEC, unix.MAP_PRIVATE|unix.MAP_ANON)
			if err == nil {
				err = unix.Munmap(b)
			}
			return err
		}},
		{name: "turn data into code", reveals: "an exploit can bring its own code", try: func(*probe) error {
			b, err := unix.Mmap(-1, 0, 4096, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
			if err != nil {
				return err
			}
			defer unix.Munmap(b)
			return unix.Mprotect(b, unix.PROT_READ|unix.PROT_EXEC)
		}},
	}
}

// started: a program that ran and failed has run.
func started(err error) error {
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return nil
	}
	return err
}

const script = "#!/bin/sh\nexit 0\n"

func tryRunData(p *probe) error {
	name, err := p.inside("run")
	if err != nil {
		return err
	}
	if err := os.WriteFile(name, []byte(script), 0o700); err != nil {
		return err
	}
	defer os.Remove(name)
	return started(exec.Command(name).Run())
}

func tryRunMemory(*probe) error {
	fd, err := unix.MemfdCreate("sotto", 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if _, err := unix.Write(fd, []byte(script)); err != nil {
		return err
	}
	return started(exec.Command("/proc/self/fd/" + strconv.Itoa(fd)).Run())
}

// inside is a new name in the first folder that the engine may change.
func (p *probe) inside(name string) (string, error) {
	if len(p.Write) == 0 {
		return "", errAbsent
	}
	return filepath.Join(p.Write[0], ".sotto-self-attack-"+name), nil
}
