//go:build linux

package walls

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"testing"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"sotto/anon/cage"
)

// roles are what this program does when a test starts it as a process to set a
// scene in. Each ends by executing the program that it was given.
var roles = map[string]func([]string) error{
	"exec":          run,
	"no-namespaces": withoutNamespaces,
	"no-users":      withoutUsers,
	"narrowed":      narrowed,
	"no-filter":     withoutFilters,
	"no-landlock":   withoutLandlock,
}

func TestMain(m *testing.M) {
	if len(os.Args) > 2 && roles[os.Args[1]] != nil {
		fmt.Fprintln(os.Stderr, roles[os.Args[1]](os.Args[2:]))
		os.Exit(1)
	}
	goleak.VerifyTestMain(m)
}

func run(args []string) error {
	path, err := exec.LookPath(args[0])
	if err != nil {
		return err
	}
	return unix.Exec(path, args, os.Environ())
}

// withoutNamespaces, in a user namespace of its own, forbids further ones there
// (user_namespaces(7)) and gives up the right to change that.
func withoutNamespaces(args []string) error {
	if err := forbidUsers(); err != nil {
		return err
	}
	if err := unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0); err != nil {
		return fmt.Errorf("give up rights: %w", err)
	}
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var none [2]unix.CapUserData
	return errors.Join(unix.Capset(&header, &none[0]), run(args))
}

// withoutUsers keeps root's rights: only user namespaces are not to be had.
func withoutUsers(args []string) error { return errors.Join(forbidUsers(), run(args)) }

func forbidUsers() error {
	if err := os.WriteFile("/proc/sys/user/max_user_namespaces", []byte("0"), 0); err != nil {
		return fmt.Errorf("forbid namespaces: %w", err)
	}
	return nil
}

func narrowed(args []string) error {
	n, err := cage.Narrow(cage.Reach{Programs: true})
	if err != nil || !n.Calls {
		return fmt.Errorf("narrow: %v %w", n, err)
	}
	return run(args)
}

// noNamespaces are the attributes for the role of that name.
func noNamespaces(user int) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: user, HostID: user, Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: user, HostID: user, Size: 1}},
		Credential:  &syscall.Credential{Uid: uint32(user), Gid: uint32(user), NoSetGroups: true},
		AmbientCaps: []uintptr{unix.CAP_SYS_RESOURCE},
	}
}
