//go:build linux

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// roles are what this program does inside a machine.
var roles = map[string]func() error{
	"first": first, // the kernel's first process, in the archive
	"act":   act,   // plays the scenes, in the root that first has made
}

// payload are the programs that first brings along, all of which any user may
// run.
var payload = []string{"kernels", "sotto", "cage.test", "broker.test"}

// first makes a machine like others of the bare kernel, plays the scenes in a
// child, and switches off.
func first() error {
	err := furnish()
	if err == nil {
		err = reap(exec.Command("/kernels", "act"))
	}
	if err != nil {
		fmt.Println("guest:", err)
	}
	unix.Sync()
	return unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF)
}

// furnish moves to a root of its own, since that of the archive cannot be
// exchanged for another, as every real one can.
func furnish() error {
	if err := errors.Join(
		unix.Mount("tmpfs", "/root", "tmpfs", 0, "mode=0755"),
		folders("/root", 0o755, "proc", "sys", "dev", "etc", "bin", "run", "var", "var/log", "home", "root"),
		folders("/root", 0o777|os.ModeSticky, "tmp", "var/tmp"),
	); err != nil {
		return fmt.Errorf("furnish: %w", err)
	}
	for _, name := range payload {
		raw, err := os.ReadFile("/" + name)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err = errors.Join(err, os.WriteFile(filepath.Join("/root", name), raw, 0o755), os.Remove("/"+name)); err != nil {
			return fmt.Errorf("furnish: %w", err)
		}
	}
	if err := errors.Join(
		os.Chdir("/root"), unix.Mount(".", "/", "", unix.MS_MOVE, ""), unix.Chroot("."), os.Chdir("/"),
		unix.Mount("proc", "/proc", "proc", 0, ""), unix.Mount("sysfs", "/sys", "sysfs", 0, ""),
		unix.Mount("devtmpfs", "/dev", "devtmpfs", 0, ""), folders("/dev", 0o755, "pts", "shm"),
		unix.Mount("devpts", "/dev/pts", "devpts", 0, "ptmxmode=0666"), unix.Mount("tmpfs", "/dev/shm", "tmpfs", 0, "mode=1777"),
		folders("/", 0o700, "home/user"), os.Chown("/home/user", ordinary, ordinary), os.Chmod("/root", 0o700),
	); err != nil {
		return fmt.Errorf("furnish: %w", err)
	}
	return errors.Join(decorate(), loopback())
}

func folders(below string, mode os.FileMode, names ...string) error {
	var errs []error
	for _, name := range names {
		path := filepath.Join(below, name)
		errs = append(errs, os.MkdirAll(path, 0o755), os.Chmod(path, mode))
	}
	return errors.Join(errs...)
}

// decorate puts there what the self-attack looks for: files that tell who and
// where somebody is, and programs to run.
func decorate() error {
	errs := []error{
		os.Symlink("/etc/passwd", "/etc/localtime"), // a link is what it wants, not a zone
		os.Symlink("/kernels", "/bin/true"), os.Symlink("/kernels", "/bin/sh"),
		folders("/etc", 0o755, "cron.d"),
	}
	for name, text := range map[string]string{
		"/etc/passwd":     "root:x:0:0::/root:/bin/sh\nuser:x:1000:1000::/home/user:/bin/sh\n",
		"/etc/group":      "root:x:0:\nuser:x:1000:\n",
		"/etc/machine-id": "0123456789abcdef0123456789abcdef\n", "/etc/hosts": "127.0.0.1 localhost\n",
		"/etc/resolv.conf": "nameserver 127.0.0.1\n", "/etc/cron.d/job": "#\n", "/var/log/messages": "x\n", "/tmp/other": "x\n",
	} {
		errs = append(errs, os.WriteFile(name, []byte(text), 0o644))
	}
	return errors.Join(errs...)
}

// loopback brings the interface up that the ear listens on.
func loopback() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("bring loopback up: %w", err)
	}
	defer unix.Close(fd)
	req, err := unix.NewIfreq("lo")
	if err != nil {
		return fmt.Errorf("bring loopback up: %w", err)
	}
	req.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	if err := unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, req); err != nil {
		return fmt.Errorf("bring loopback up: %w", err)
	}
	return nil
}

// reap runs cmd and takes in every process that ends meanwhile, as the first
// process of a machine must.
func reap(cmd *exec.Cmd) error {
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("play the scenes: %w", err)
	}
	for {
		var status unix.WaitStatus
		pid, err := unix.Wait4(-1, &status, 0, nil)
		switch {
		case err == unix.EINTR:
		case err != nil:
			return fmt.Errorf("play the scenes: %w", err)
		case pid == cmd.Process.Pid && status.ExitStatus() != 0:
			return fmt.Errorf("play the scenes: exit code %d", status.ExitStatus())
		case pid == cmd.Process.Pid:
			return nil
		}
	}
}

// act plays every scene that there are programs for.
func act() error {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return err
	}
	for _, s := range scenes() {
		if _, err := os.Stat("/" + s.test + ".test"); s.test != "" && err != nil {
			continue
		}
		f, err := s.play()
		if err != nil {
			return fmt.Errorf("play %q: %w", s.name, err)
		}
		f.Scene, f.Kernel = s.name, unix.ByteSliceToString(u.Release[:])
		raw, err := json.Marshal(f)
		if err != nil {
			return err
		}
		fmt.Printf("%s%s\n", foundMark, raw)
	}
	fmt.Println(endMark)
	return nil
}

// playWait bounds one program in a scene; saidKept is what is told of one that
// failed, in bytes.
const (
	playWait = 10 * time.Minute
	saidKept = 6000
)

func (s scene) play() (finding, error) {
	if s.sysctl != "" {
		before, err := os.ReadFile(s.sysctl)
		if errors.Is(err, os.ErrNotExist) {
			return finding{Absent: true}, nil
		}
		if err = errors.Join(err, os.WriteFile(s.sysctl, []byte("0"), 0)); err != nil {
			return finding{}, err
		}
		defer os.WriteFile(s.sysctl, before, 0)
	}
	cmd := exec.Command("/sotto", "--json", "prove")
	if s.test != "" {
		cmd = exec.Command("/"+s.test+".test", "-test.v", "-test.timeout", playWait.String())
	}
	home := map[int]string{0: "/root", ordinary: "/home/user"}[s.user]
	cmd.Dir, cmd.Env = home, []string{"HOME=" + home, "PATH=/bin"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(s.user), Gid: uint32(s.user)}}
	var out, errs strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Start(); err != nil {
		return finding{}, err
	}
	timer := time.AfterFunc(playWait, func() { cmd.Process.Kill() })
	defer timer.Stop()
	_ = cmd.Wait() // the code has it
	f := finding{Exit: cmd.ProcessState.ExitCode()}
	if s.test != "" {
		f.readTests(out.String() + errs.String())
		return f, nil
	}
	f.Said = tail(errs.String())
	return f, f.readProof([]byte(out.String()))
}

var (
	labelled = regexp.MustCompile(`label (\w+), `)
	passed   = regexp.MustCompile(`(?m)^\s*(=== (RUN|PAUSE|CONT)|--- PASS).*\n`)
)

func (f *finding) readTests(out string) {
	if m := labelled.FindStringSubmatch(out); m != nil {
		f.Label = m[1]
	}
	if f.Exit != 0 {
		f.Said = tail(passed.ReplaceAllString(out, ""))
	}
}

func tail(s string) string { return s[max(0, len(s)-saidKept):] }

// readProof reads what prove printed; of one that printed nothing the exit code
// and what it said are all there is.
func (f *finding) readProof(raw []byte) error {
	if len(raw) == 0 {
		return nil
	}
	var v struct {
		Label   string
		Missing []string
		Facts   struct{ Landlock int }
		Results []struct {
			Name         string
			Open, Absent bool
		}
	}
	if err := json.Unmarshal(raw, &v); err != nil {
		return fmt.Errorf("read the proof: %w", err)
	}
	f.Label, f.Missing, f.Landlock = v.Label, v.Missing, v.Facts.Landlock
	for _, r := range v.Results {
		switch {
		case r.Open:
			f.Open = append(f.Open, r.Name)
		case !r.Absent:
			f.Blocked++
		}
	}
	f.Tried = f.Blocked + len(f.Open)
	return nil
}
