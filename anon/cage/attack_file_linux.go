//go:build linux && (amd64 || arm64)

package cage

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Files outside the folders that the engine was given. The ear's folder is
// outside for sure; the well-known files are tried unless they were given.
func fileAttempts() []attempt {
	const read = "every file of yours"
	const change = "your files can be changed"
	all := []attempt{
		{name: "read a file outside", reveals: read, try: func(p *probe) error { return reads(p.Targets.Secret) }},
		{name: "list a folder outside", reveals: "the names of your files", try: func(p *probe) error {
			_, err := os.ReadDir(p.Targets.Folder)
			return err
		}},
		{name: "ask about a file outside", reveals: "which files exist, their sizes and times", needsRoot: true, try: func(p *probe) error {
			_, err := os.Stat(p.Targets.Secret)
			return err
		}},
		{name: "climb out of a folder", reveals: read, try: func(p *probe) error {
			if len(p.Write) == 0 {
				return errAbsent
			}
			return reads(p.Write[0] + "/../../../../../../../../../../.." + p.Targets.Secret)
		}},
		{name: "create a file outside", reveals: change, try: func(p *probe) error {
			return os.WriteFile(filepath.Join(p.Targets.Folder, "new"), nil, 0o600)
		}},
		{name: "make a folder outside", reveals: change, try: func(p *probe) error {
			return os.Mkdir(filepath.Join(p.Targets.Folder, "newdir"), 0o700)
		}},
		{name: "change a file outside", reveals: change, try: func(p *probe) error {
			f, err := os.OpenFile(p.Targets.Secret, os.O_WRONLY|os.O_APPEND, 0)
			if err != nil {
				return err
			}
			return f.Close()
		}},
		{name: "truncate a file outside", reveals: change, try: func(p *probe) error { return unix.Truncate(p.Targets.Secret, 1) }},
		{name: "change a mode outside", reveals: change, try: func(p *probe) error { return os.Chmod(p.Targets.Secret, 0o640) }},
		{name: "change an owner outside", reveals: change, try: func(p *probe) error { return os.Lchown(p.Targets.Secret, -1, -1) }},
		{name: "change a time outside", reveals: change, try: func(p *probe) error {
			return unix.UtimesNanoAt(unix.AT_FDCWD, p.Targets.Secret, nil, 0)
		}},
		{name: "read attributes outside", reveals: "where a file came from", try: func(p *probe) error {
			_, err := unix.Listxattr(p.Targets.Secret, nil)
			return err
		}},
		{name: "read a link outside", reveals: "your time zone, and where your folders lead", try: func(p *probe) error {
			if !slices.Contains(p.Targets.Here, zoneLink) {
				return errAbsent
			}
			_, err := os.Readlink(zoneLink)
			return err
		}},
		{name: "the disk outside", reveals: "how large and full your disk is", try: func(p *probe) error {
			var st unix.Statfs_t
			return unix.Statfs(p.Targets.Folder, &st)
		}},
		{name: "hard link out", reveals: read, try: func(p *probe) error {
			return p.withInside("hard", func(name string) error { return os.Link(p.Targets.Secret, name) })
		}},
		{name: "symbolic link out", reveals: read, try: func(p *probe) error {
			return p.withInside("sym", func(name string) error {
				if err := os.Symlink(p.Targets.Secret, name); err != nil {
					return err
				}
				return reads(name)
			})
		}},
		{name: "plant a symbolic link", reveals: "other programs that follow it", try: func(p *probe) error {
			return p.withInside("plant", func(name string) error { return os.Symlink("/", name) })
		}},
		{name: "move a file out", reveals: change, try: func(p *probe) error {
			return p.withInside("move", func(name string) error {
				if err := os.WriteFile(name, nil, 0o600); err != nil {
					return err
				}
				return os.Rename(name, filepath.Join(p.Targets.Folder, "moved"))
			})
		}},
		{name: "make a pipe", reveals: "programs that read it hang", try: func(p *probe) error {
			return p.withInside("pipe", func(name string) error { return unix.Mkfifo(name, 0o600) })
		}},
		{name: "make a device", reveals: "the whole disk", try: func(p *probe) error {
			return p.withInside("dev", func(name string) error { return unix.Mknod(name, unix.S_IFCHR|0o600, 0x103) })
		}},
		{name: "make a program setuid", reveals: "the rights of other users", try: func(p *probe) error {
			return p.withInside("suid", func(name string) error {
				if err := os.WriteFile(name, nil, 0o600); err != nil {
					return err
				}
				return os.Chmod(name, 0o700|os.ModeSetuid)
			})
		}},
		{name: "write what is to be read", reveals: "files that you share can be changed", try: tryReadOnly},
		{name: "remove a file outside", reveals: change, try: func(p *probe) error { return os.Remove(p.Targets.Secret) }},
	}
	for _, known := range knownFiles {
		all = append(all, attempt{name: known.name, reveals: known.reveals, try: func(p *probe) error {
			if !slices.Contains(p.Targets.Here, known.path) || within(known.path, append(append([]string(nil), p.Read...), p.Write...)) {
				return errAbsent
			}
			return look(known.path)
		}})
	}
	return all
}

const zoneLink = "/etc/localtime"

// knownFiles tell who and where somebody is, on every system alike.
var knownFiles = []struct{ name, path, reveals string }{
	{"root folder", "/", "what is installed here"},
	{"machine id", "/etc/machine-id", "this machine, for ever"},
	{"users", "/etc/passwd", "your name"},
	{"resolver", "/etc/resolv.conf", "your provider"},
	{"hosts", "/etc/hosts", "this machine's name"},
	{"hardware address", "/sys/class/net", "this machine, to its network"},
	{"product", "/sys/class/dmi/id", "this machine's maker and serial number"},
	{"own process", "/proc/self/status", "ids, parents and limits"},
	{"own network", "/proc/self/net/dev", "the interfaces of this machine"},
	{"boot id", "/proc/sys/kernel/random/boot_id", "this machine, until it is started again"},
	{"processor", "/proc/cpuinfo", "this machine's kind"},
	{"mounts", "/proc/self/mountinfo", "your disks"},
	{"memory disk", "/dev/shm", "memory of other programs"},
	{"terminal", "/dev/tty", "what you type"},
	{"kernel log", "/dev/kmsg", "hardware addresses and devices"},
	{"physical memory", "/dev/mem", "the whole machine"},
	{"home", "/root", "your files"},
	{"homes", "/home", "the users of this machine"},
	{"temporary files", "/tmp", "other programs' files"},
	{"logs", "/var/log", "what happened on this machine"},
	{"crontabs", "/etc/cron.d", "what this machine does and when"},
}

func knownNames() []string {
	names := []string{zoneLink}
	for _, f := range knownFiles {
		names = append(names, f.path)
	}
	return names
}

// withInside gives do a new name in a folder of the engine's, and cleans up.
func (p *probe) withInside(name string, do func(string) error) error {
	path, err := p.inside(name)
	if err != nil {
		return err
	}
	defer os.Remove(path)
	return do(path)
}

// look reads a byte of a file, or the names in a folder. The root folder of a
// cage holds nothing of the machine's; a few names on the way to the engine's
// own folders are no news to it.
func look(path string) error {
	st, err := os.Stat(path)
	if err != nil {
		return err
	}
	if !st.IsDir() {
		return reads(path)
	}
	names, err := os.ReadDir(path)
	if err != nil {
		return err
	}
	if len(names) == 0 {
		return errAbsent
	}
	var fs unix.Statfs_t
	if fd, err := unix.Open(path, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0); err == nil {
		defer unix.Close(fd)
		if unix.Fstatfs(fd, &fs) == nil && fs.Type == unix.TMPFS_MAGIC && fs.Blocks*uint64(fs.Bsize) == scaffoldSize {
			return errAbsent
		}
	}
	return nil
}

// tryReadOnly writes where the engine may only read.
func tryReadOnly(p *probe) error {
	for _, path := range p.Read {
		st, err := os.Stat(path)
		if err != nil {
			continue
		}
		if st.IsDir() {
			name := filepath.Join(path, ".sotto-self-attack")
			err = os.WriteFile(name, nil, 0o600)
			os.Remove(name)
		} else {
			var f *os.File
			if f, err = os.OpenFile(path, os.O_WRONLY, 0); err == nil {
				f.Close()
			}
		}
		if !within(path, p.Write) && err == nil {
			return nil
		}
	}
	if len(p.Read) == 0 {
		return errAbsent
	}
	return unix.EACCES
}

// hostAttempts look at what is left over in the process itself, and at the
// machine it runs on.
func hostAttempts() []attempt {
	return []attempt{
		{name: "host name", reveals: "this machine's name", try: func(p *probe) error {
			var u unix.Utsname
			if err := unix.Uname(&u); err != nil {
				return err
			}
			if unix.ByteSliceToString(u.Nodename[:]) == "localhost" {
				return errors.New("no name")
			}
			return nil
		}},
		{name: "system information", reveals: "how long this machine is up, and its memory", try: func(*probe) error {
			var i unix.Sysinfo_t
			return unix.Sysinfo(&i)
		}},
		{name: "kernel messages", reveals: "hardware addresses and devices", try: func(*probe) error {
			return call(unix.SYS_SYSLOG, 10 /* SYSLOG_ACTION_SIZE_BUFFER */, 0, 0)
		}},
		{name: "environment", reveals: "your name, home, session and proxies", try: func(*probe) error {
			if len(os.Environ()) == 0 {
				return errors.New("empty")
			}
			return nil
		}},
		{name: "stray descriptors", reveals: "files and sockets of whoever started us", try: tryStray},
		{name: "core file", reveals: "keys and names on the disk", try: func(*probe) error {
			var l unix.Rlimit
			if err := unix.Prlimit(0, unix.RLIMIT_CORE, nil, &l); err != nil {
				return err
			}
			if l.Max == 0 {
				return errors.New("no core")
			}
			return nil
		}},
		{name: "other groups", reveals: "files that a group of yours may read", try: func(*probe) error {
			return call(unix.SYS_SETGROUPS, 0, 0)
		}},
		{name: "another user", reveals: "files of other users", try: func(*probe) error {
			return call(unix.SYS_SETRESUID, 65534, 65534, 65534)
		}},
		{name: "type into a terminal", reveals: "commands that your shell runs", try: func(*probe) error { return tryTerminal(unix.TIOCSTI) }},
		{name: "paste into a console", reveals: "commands that your shell runs", try: func(*probe) error { return tryTerminal(0x541c /* TIOCLINUX */) }},
	}
}

// tryStray looks for descriptors that are neither the Spec's, nor duplicates
// of them, nor the kernel's anonymous ones that the runtime makes.
func tryStray(p *probe) error {
	known := map[[2]uint64]bool{}
	for fd := range 1024 {
		var st unix.Stat_t
		if unix.Fstat(fd, &st) != nil || st.Mode&unix.S_IFMT == 0 {
			continue
		}
		id := [2]uint64{st.Dev, st.Ino}
		if fd <= p.line {
			known[id] = true
		} else if !known[id] {
			return nil
		}
	}
	return errors.New("none")
}

// tryTerminal passes no text: past the checks that is a bad address, or not a
// terminal at all.
func tryTerminal(request uintptr) error {
	last := error(errAbsent)
	for fd := range 3 {
		_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), request, uintptr(unsafe.Pointer(nil)))
		switch errno {
		case 0, unix.EFAULT, unix.ENOTTY: // ENOTTY: the filter let it pass, the file is no terminal
			return nil
		}
		last = errno
	}
	return last
}
