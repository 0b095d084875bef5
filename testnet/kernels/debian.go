//go:build linux

package main

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// release is a part of Debian's archive with a kernel in it.
type release struct {
	source string // as in sources.list, after the options
	meta   string // the package that depends on the newest kernel, without the architecture
	kernel string // "6.1"
	// landlock is the ABI that this kernel has; 0 for none.
	landlock int
	// debianSwitch: Debian's kernel.unprivileged_userns_clone is there.
	debianSwitch bool
}

// machine is one kernel on one processor.
type machine struct {
	release
	debian string // the number of the Debian release
	arch   string // as Go and Debian call it
}

func (m machine) name() string { return fmt.Sprintf("Debian %s, %s, %s", m.debian, m.kernel, m.arch) }

// machines are those of Debian's own kernels that are still had: the cloud
// flavour has the same walls as the others and is smaller.
func machines() []machine {
	const main, security = "http://deb.debian.org/debian ", "http://deb.debian.org/debian-security "
	all := []machine{
		{release{security + "bookworm-security main", "linux-image-cloud", "6.1", 2, true}, "12", "amd64"},
		{release{security + "bookworm-security main", "linux-image-6.12-cloud", "6.12", 6, true}, "12", "amd64"},
		{release{main + "trixie-backports main", "linux-image-cloud", "7.2", 10, true}, "13", "amd64"},
		{release{security + "bullseye-security main", "linux-image-cloud", "5.10", 0, true}, "11", "amd64"},
	}
	for _, m := range all[:3] { // Debian 11 is no longer had for arm64
		m.arch = "arm64"
		all = append(all, m)
	}
	return all
}

const keyring = "/usr/share/keyrings/debian-archive-keyring.gpg"

// dependsOn finds what a package without a kernel of its own has it from. Each
// step has a longer name than the one before, and the last depends on none.
var dependsOn = regexp.MustCompile(`(?m)^Depends: .*\b(linux-(?:image|binary)-\d[^ ,]+)`)

const fetchWait = 10 * time.Minute

// fetch downloads the kernel into the cache, unless it is there, and returns
// the image. apt checks the signatures.
func (m machine) fetch(ctx context.Context, cache string) (string, error) {
	dir := filepath.Join(cache, m.debian+"-"+m.kernel+"-"+m.arch)
	image := filepath.Join(dir, "vmlinuz")
	if _, err := os.Stat(image); err == nil {
		return image, nil
	}
	ctx, cancel := context.WithTimeout(ctx, fetchWait)
	defer cancel()
	conf, err := m.configure(dir)
	if err != nil {
		return "", fmt.Errorf("fetch the kernel: %w", err)
	}
	apt := func(program string, args ...string) (string, error) {
		cmd := exec.CommandContext(ctx, program, args...)
		cmd.Dir, cmd.Env = dir, append(os.Environ(), "APT_CONFIG="+conf)
		out, err := cmd.CombinedOutput()
		if err != nil {
			return "", fmt.Errorf("%s %s: %w: %s", program, args[0], err, out)
		}
		return string(out), nil
	}
	if _, err := apt("apt-get", "update"); err != nil {
		return "", fmt.Errorf("fetch the kernel: %w", err)
	}
	name := m.meta + "-" + m.arch
	for {
		text, err := apt("apt-cache", "show", "--no-all-versions", name+":"+m.arch)
		if err != nil {
			return "", fmt.Errorf("fetch the kernel: %w", err)
		}
		next := dependsOn.FindStringSubmatch(text)
		if next == nil || next[1] == name {
			break
		}
		name = next[1]
	}
	if _, err := apt("apt-get", "download", name+":"+m.arch); err != nil {
		return "", fmt.Errorf("fetch the kernel: %w", err)
	}
	return image, unpack(ctx, dir, image)
}

// configure gives apt a state of its own, so that it touches nothing of the
// machine's.
func (m machine) configure(dir string) (string, error) {
	err := errors.Join(os.MkdirAll(filepath.Join(dir, "lists/partial"), 0o755), os.MkdirAll(filepath.Join(dir, "parts"), 0o755))
	list, conf := filepath.Join(dir, "sources.list"), filepath.Join(dir, "apt.conf")
	return conf, errors.Join(err,
		os.WriteFile(list, []byte("deb [signed-by="+keyring+"] "+m.source+"\n"), 0o644),
		os.WriteFile(conf, []byte(strings.NewReplacer("DIR", dir, "ARCH", m.arch).Replace(`
APT::Architecture "ARCH"; APT::Architectures { "ARCH"; };
APT::Sandbox::User ""; Acquire::Languages "none"; Acquire::Retries "3"; Acquire::Check-Valid-Until "false";
Dir::State "DIR"; Dir::State::lists "DIR/lists"; Dir::State::status "/dev/null"; Dir::Cache "DIR";
Dir::Etc::sourcelist "DIR/sources.list"; Dir::Etc::sourceparts "DIR/parts"; Dir::Etc::preferencesparts "DIR/parts";
`)), 0o644))
}

// unpack takes the kernel's image out of the package in dir.
func unpack(ctx context.Context, dir, image string) error {
	found, _ := filepath.Glob(filepath.Join(dir, "linux-*.deb"))
	if len(found) != 1 {
		return fmt.Errorf("unpack the kernel: %d packages in %s", len(found), dir)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	cmd := exec.CommandContext(ctx, "dpkg-deb", "--fsys-tarfile", found[0])
	out, err := cmd.StdoutPipe()
	if err != nil {
		return fmt.Errorf("unpack the kernel: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("unpack the kernel: %w", err)
	}
	err = takeImage(tar.NewReader(out), image)
	cancel() // the rest of the package is modules
	_ = cmd.Wait()
	if err != nil {
		return fmt.Errorf("unpack the kernel: %w", err)
	}
	return os.Remove(found[0])
}

func takeImage(r *tar.Reader, image string) error {
	for {
		h, err := r.Next()
		if err != nil {
			return err
		}
		// ./boot/vmlinuz-VERSION, and from 7 on ./usr/lib/modules/VERSION/vmlinuz.
		if h.Typeflag != tar.TypeReg || !strings.HasPrefix(path.Base(h.Name), "vmlinuz") {
			continue
		}
		f, err := os.Create(image + ".new")
		if err != nil {
			return err
		}
		_, err = io.Copy(f, r)
		if err = errors.Join(err, f.Close()); err != nil {
			return err
		}
		return os.Rename(image+".new", image)
	}
}
