//go:build linux

package main

import (
	"fmt"
	"slices"
	"strings"
)

// scene is one run of sotto prove in a machine, or of a package's tests.
type scene struct {
	name string
	user int
	// sysctl is set to 0 for it, when it is not empty. A kernel that does not
	// have it leaves the scene out, which judge must expect.
	sysctl string
	// own: the kernel gives this user namespaces; partly, all but a user's.
	own    bool
	partly bool
	test   string // the package's tests instead of prove
}

const (
	maxNamespaces = "/proc/sys/user/max_user_namespaces"
	debianSwitch  = "/proc/sys/kernel/unprivileged_userns_clone"
	ordinary      = 1000
)

func scenes() []scene {
	return []scene{
		{name: "root", own: true},
		{name: "user", user: ordinary, own: true},
		{name: "root, no user namespaces", sysctl: maxNamespaces, partly: true},
		{name: "user, no user namespaces", user: ordinary, sysctl: maxNamespaces},
		{name: "root, namespaces for root only", sysctl: debianSwitch, own: true},
		{name: "user, namespaces for root only", user: ordinary, sysctl: debianSwitch},
		{name: "cage, root", own: true, test: "cage"},
		{name: "cage, user", user: ordinary, own: true, test: "cage"},
		{name: "cage, user, no user namespaces", user: ordinary, sysctl: maxNamespaces, test: "cage"},
		{name: "broker, user", user: ordinary, own: true, test: "broker"},
	}
}

// finding is what a scene gave. It crosses the console as one line of JSON.
type finding struct {
	Scene    string
	Kernel   string // the running kernel's own word
	Absent   bool   // this kernel lacks the scene's setting
	Exit     int
	Label    string
	Landlock int
	Blocked  int      // attempts that were made and failed
	Tried    int      // attempts that this machine has something to try on
	Open     []string // attempts that got through
	Missing  []string
	Said     string // the end of what the program said, when it failed
}

// row is a line of the table. A package's tests count no attempts here.
func (f finding) row() string {
	switch {
	case f.Absent:
		return fmt.Sprintf("%s\t%s\tno such setting\t\t\t\t", f.Kernel, f.Scene)
	case f.Tried == 0:
		return fmt.Sprintf("%s\t%s\t%s\t%d\t\t\t", f.Kernel, f.Scene, f.Label, f.Exit)
	}
	return fmt.Sprintf("%s\t%s\t%s\t%d\t%d\t%d of %d\t%s", f.Kernel, f.Scene, f.Label, f.Exit,
		f.Landlock, f.Blocked, f.Tried, strings.Join(f.Open, ", "))
}

// minTried is how many attempts a machine as bare as ours has something to try
// on: with fewer the answer says little.
const minTried = 140

// harmless are the two attempts that an engine without namespaces may get
// through.
var harmless = []string{"ask about a file outside", "other processes"}

// judge compares what was found with what this kernel can give: the label of a
// scene follows from Landlock and namespaces alone, and nothing but a question
// whether names exist may get through where a label promises so.
func (m machine) judge(found []finding, tests []string) (wrong []error) {
	for _, s := range scenes() {
		if s.test != "" && !slices.Contains(tests, s.test) {
			continue
		}
		i := slices.IndexFunc(found, func(f finding) bool { return f.Scene == s.name })
		if i < 0 {
			wrong = append(wrong, fmt.Errorf("%s: %s: no answer", m.name(), s.name))
			continue
		}
		if err := m.judgeOne(s, found[i]); err != nil {
			wrong = append(wrong, fmt.Errorf("%s: %s: %w\n%s", m.name(), s.name, err, found[i].Said))
		}
	}
	return wrong
}

func (m machine) judgeOne(s scene, f finding) error {
	label, exit := m.expect(s)
	switch {
	case f.Absent && s.sysctl == debianSwitch && !m.debianSwitch:
		return nil
	case f.Absent:
		return fmt.Errorf("this kernel has no %s", s.sysctl)
	case s.test != "" && f.Exit != 0:
		return fmt.Errorf("the tests failed")
	case s.test == "broker":
		return nil
	case f.Label != label:
		return fmt.Errorf("the label is %q and should be %q: %v", f.Label, label, f.Missing)
	case s.test != "":
		return nil
	case f.Exit != exit:
		return fmt.Errorf("exit code %d, and should be %d", f.Exit, exit)
	case f.Landlock != m.landlock:
		return fmt.Errorf("landlock's ABI is %d, and should be %d", f.Landlock, m.landlock)
	case f.Tried < minTried:
		return fmt.Errorf("%d attempts only", f.Tried)
	case f.Blocked+len(f.Open) != f.Tried:
		return fmt.Errorf("%d blocked and %d open are not the %d tried", f.Blocked, len(f.Open), f.Tried)
	case label == "sealed" && len(f.Missing) > 0:
		return fmt.Errorf("sealed, and missing are %v", f.Missing)
	case label == "open": // refused, whatever gets through
		return nil
	}
	for _, name := range f.Open {
		if s.own || s.partly || !slices.Contains(harmless, name) {
			return fmt.Errorf("%s, and %q gets through", label, name)
		}
	}
	return nil
}

// expect: with neither Landlock nor a root of its own the engine can open every
// file of the user's, and must not run.
func (m machine) expect(s scene) (label string, exit int) {
	switch {
	case s.own && m.landlock > 0:
		return "sealed", 0
	case s.own || s.partly || m.landlock > 0:
		return "confined", 0
	}
	return "open", 15
}
