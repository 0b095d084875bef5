// Package cage builds the walls around the engine, and attacks them.
//
// The parent (the broker) starts its own program once more with Start. The
// child calls Enter before anything else and Lock before it reads a foreign
// byte. Lock tries every attempt of the catalogue from inside; the parent
// listens for what arrives and judges with Prove. The label comes from that,
// and from what the kernel says of the process, never from what was asked for.
//
// It refuses: to let the child go on before the parent has seen the proof; to
// keep a descriptor that is not named in the Spec, an inherited socket that is
// not a connected unix one, any environment, any capability; to fall back
// silently: a wall that the kernel refuses shows in the label. It speaks no
// network protocol, and it does not decide what happens to a child whose walls
// have holes.
//
// decisions/0009 has the walls, what each one alone stops, and what remains.
package cage

import (
	"slices"
	"strings"
)

// Walls is a set of walls.
type Walls uint8

// The walls. No two of them share a mechanism in the kernel, but for Root,
// which needs Namespaces.
const (
	// Namespaces: user, network, IPC, PID and UTS namespaces of its own.
	Namespaces Walls = 1 << iota
	// Root: a root folder with the folders of the Spec and nothing else.
	Root
	// Landlock: files beyond the folders of the Spec cannot be opened.
	Landlock
	// Seccomp: system calls that are not on the list are refused.
	Seccomp
	// Hidden: the parent's memory and descriptors cannot be opened.
	Hidden
	// Stripped: no environment, stray descriptors, capabilities, terminal, core,
	// session keyring.
	Stripped

	allWalls = Namespaces | Root | Landlock | Seccomp | Hidden | Stripped
)

var wallNames = []string{"namespaces", "root", "landlock", "seccomp", "hidden", "stripped"}

// String lists the names, "none" for the empty set.
func (w Walls) String() string {
	var names []string
	for i, name := range wallNames {
		if w&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	if names == nil {
		return "none"
	}
	return strings.Join(names, "+")
}

// Has reports whether w holds all of other.
func (w Walls) Has(other Walls) bool { return w&other == other }

// Label is what the user is told.
type Label string

// The labels, from best to worst.
const (
	Sealed   Label = "sealed"   // every wall stands, every attempt blocked
	Confined Label = "confined" // a wall is missing, yet all is blocked but questions whether names exist
	Checked  Label = "checked"  // this system has no walls for us: only our own checks stand
	Open     Label = "open"     // an attempt got through, or the proof is incomplete
)

// Result is one attempt and what became of it.
type Result struct {
	Name    string `json:"name"`
	Reveals string `json:"reveals"` // what success would tell or allow
	// Open: the engine's system calls succeeded, or the parent heard of it.
	Open bool `json:"open"`
	// Why it did not work: an error number's text, or "heard" when Open.
	Why string `json:"why,omitempty"`
	// Absent: this machine has nothing to try it on. Never true when Open.
	Absent bool `json:"absent,omitempty"`
}

// Report is what the engine saw. It holds no data that an attempt got hold of.
type Report struct {
	Results []Result `json:"results"`
}

// Facts are what the parent read from the kernel about the child.
type Facts struct {
	OwnNetwork bool `json:"own_network"` // another network namespace, with no interface that is up
	OwnUsers   bool `json:"own_users"`   // another user namespace: its root is nobody outside
	Filtered   bool `json:"filtered"`    // every thread has a seccomp filter and no_new_privs
	Powerless  bool `json:"powerless"`   // no thread has a capability
	Hidden     bool `json:"hidden"`      // the parent is not dumpable
	Landlock   int  `json:"landlock"`    // the ABI that was used, 0 for none
	// Refused lists walls that could not be built, with the kernel's reason.
	Refused []string `json:"refused,omitempty"`
}

// Verdict is a judged report.
type Verdict struct {
	Label   Label    `json:"label"`
	Results []Result `json:"results"`
	Facts   Facts    `json:"facts"`
	// Missing lists what keeps the label from being Sealed, in short words for
	// logs and facts; it names no path and no address.
	Missing []string `json:"missing,omitempty"`
}

// Holes returns the names of the attempts that got through.
func (v Verdict) Holes() []string {
	var names []string
	for _, r := range v.Results {
		if r.Open {
			names = append(names, r.Name)
		}
	}
	return names
}

// missing returns what the kernel says is not there: grave is what no engine may
// run without if it is to be called confined.
func (f Facts) missing() (grave, slight []string) {
	if !f.Filtered {
		grave = append(grave, "a thread without a filter")
	}
	if !f.Powerless {
		grave = append(grave, "a thread with capabilities")
	}
	if !f.Hidden {
		grave = append(grave, "the parent can be opened")
	}
	if f.Landlock == 0 {
		slight = append(slight, "no landlock")
	}
	if !f.OwnNetwork {
		slight = append(slight, "no network namespace of its own")
	}
	if !f.OwnUsers {
		slight = append(slight, "no user namespace of its own")
	}
	return grave, slight
}

// Judge turns what the engine reported, what the parent heard and what the
// kernel says into a label. An attempt of the catalogue that the report lacks
// counts as one that got through: an engine cannot pass by silence. On systems
// without walls the label is Checked.
func Judge(report Report, heard []string, facts Facts) Verdict {
	if !walled {
		return Verdict{Label: Checked, Missing: []string{ErrNoWalls.Error()}}
	}
	v := Verdict{Facts: facts}
	said := map[string]Result{}
	for _, r := range report.Results {
		r.Open = r.Open || said[r.Name].Open // said twice: the worse counts
		said[r.Name] = r
	}
	onlyNamespaces, known := true, map[string]bool{}
	for _, a := range catalogue() {
		known[a.name] = true
		r, ok := said[a.name]
		r.Name, r.Reveals = a.name, a.reveals
		switch {
		case slices.Contains(heard, a.name):
			r.Open, r.Absent, r.Why = true, false, "heard"
		case !ok:
			r.Open, r.Why = true, "not reported"
		}
		if r.Open {
			v.Missing = append(v.Missing, "attempt not blocked: "+a.name)
			onlyNamespaces = onlyNamespaces && a.needsRoot
		}
		v.Results = append(v.Results, r)
	}
	for _, name := range heard {
		if !known[name] {
			v.Missing, onlyNamespaces = append(v.Missing, "unexplained arrival"), false
		}
	}
	grave, slight := facts.missing()
	v.Missing = slices.Concat(v.Missing, grave, slight)
	onlyNamespaces = onlyNamespaces && len(grave) == 0
	switch {
	case len(v.Missing) == 0:
		v.Label = Sealed
	case onlyNamespaces && len(v.Results) > 0:
		v.Label = Confined
	default:
		v.Label = Open
	}
	return v
}
