//go:build linux

package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// What the guest writes to the console begins so. Everything else there is the
// kernel's and is kept for errors only.
const (
	foundMark = "sotto-found: "
	endMark   = "sotto-end"
)

// bootWait bounds a machine from power on to off; emulated, it runs some ten to
// thirty times slower than this one.
const bootWait = 20 * time.Minute

// consoleKept is how many lines of the console go into an error.
const consoleKept = 30

var emulators = map[string][]string{
	"amd64": {"qemu-system-x86_64", "-cpu", "max", "-append", "console=ttyS0 "},
	"arm64": {"qemu-system-aarch64", "-machine", "virt", "-cpu", "max,pauth-impdef=on", "-append", "console=ttyAMA0 "},
}

// boot runs the machine and returns what it has found, also beside an error.
func (m machine) boot(ctx context.Context, cache string, tests []string) ([]finding, error) {
	image, err := m.fetch(ctx, cache)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "sotto-kernels-")
	if err != nil {
		return nil, fmt.Errorf("boot: %w", err)
	}
	defer os.RemoveAll(dir)
	first, err := m.build(ctx, dir, tests)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, bootWait)
	defer cancel()
	words := emulators[m.arch]
	// quiet keeps the console for the answers; a kernel that panics is ended.
	args := append([]string{"-n", "10"}, words...)
	args[len(args)-1] += "quiet panic=-1 rdinit=/kernels -- first"
	args = append(args, "-kernel", image, "-initrd", first, "-m", "2048", "-smp", "2",
		"-nic", "none", "-display", "none", "-monitor", "none", "-serial", "stdio", "-no-reboot")
	cmd := exec.CommandContext(ctx, "nice", args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("boot: %w", err)
	}
	var errs strings.Builder
	cmd.Stderr = &errs
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("boot: %w", err)
	}
	found, err := listen(out)
	return found, errors.Join(err, ended(cmd, &errs), ctx.Err())
}

func ended(cmd *exec.Cmd, errs *strings.Builder) error {
	if err := cmd.Wait(); err != nil {
		return fmt.Errorf("boot: %w: %s", err, errs)
	}
	return nil
}

// listen reads the console to its end. One that does not say so has lost
// answers.
func listen(console io.Reader) (found []finding, err error) {
	var kept []string
	whole := false
	lines := bufio.NewScanner(console)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		line := strings.TrimRight(lines.Text(), "\r")
		kept = append(kept, line)
		kept = kept[max(0, len(kept)-consoleKept):]
		if _, text, ok := strings.Cut(line, foundMark); ok {
			var f finding
			if err := json.Unmarshal([]byte(text), &f); err != nil {
				return found, fmt.Errorf("read an answer: %w: %q", err, text)
			}
			fmt.Fprintf(os.Stderr, "%s: %s: %s, exit %d\n", f.Kernel, f.Scene, f.Label, f.Exit)
			found = append(found, f)
		}
		whole = whole || strings.Contains(line, endMark)
	}
	switch err := lines.Err(); {
	case err != nil:
		return found, fmt.Errorf("read the console: %w", err)
	case !whole:
		return found, fmt.Errorf("the machine ended too early:\n%s", strings.Join(kept, "\n"))
	}
	return found, nil
}

// build compiles what goes into the machine and packs it.
func (m machine) build(ctx context.Context, dir string, tests []string) (string, error) {
	jobs := [][]string{
		{"kernels", "build", "sotto/testnet/kernels"},
		{"sotto", "build", "sotto/cmd/sotto"},
	}
	for _, name := range tests {
		jobs = append(jobs, []string{name + ".test", "test", "-c", "sotto/anon/" + name})
	}
	entries := []entry{{path: "proc", mode: kindFolder | 0o755}, {path: "sys", mode: kindFolder | 0o755},
		{path: "dev", mode: kindFolder | 0o755}, {path: "root", mode: kindFolder | 0o700}}
	for _, job := range jobs {
		name, to := job[0], filepath.Join(dir, job[0])
		last := len(job) - 1
		args := append(append([]string(nil), job[1:last]...), "-trimpath", "-ldflags=-s -w", "-o", to, job[last])
		cmd := exec.CommandContext(ctx, "go", args...)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+m.arch)
		if out, err := cmd.CombinedOutput(); err != nil {
			return "", fmt.Errorf("build %s for the machine: %w: %s", name, err, out)
		}
		entries = append(entries, entry{path: name, mode: kindFile | 0o755, from: to})
	}
	first := filepath.Join(dir, "first")
	return first, archive(first, entries)
}
