package grant

import "slices"

// trees are the system's: neither they are given, nor anything in them but
// what exempt names. /net, /misc and /afs call other hosts when they are
// looked at.
var trees = []string{
	"/afs", "/bin", "/boot", "/dev", "/etc", "/gnu", "/lib", "/lib32", "/lib64", "/libx32", "/misc", "/net",
	"/nix", "/proc", "/run", "/sbin", "/snap", "/sys", "/usr", "/var",
}

// exempt are folders in them whose folders may be given: what lies so deep
// below the first belongs to one user or one disk.
var exempt = []struct {
	tree  string
	depth int
}{
	{"/run/media", 2}, // USER/DISK
	{"/var/tmp", 1},
}

// common are those that many programs and people share: what is in them may be
// given, and not they.
var common = []string{"/home", "/media", "/opt", "/root", "/tmp"}

// bySystem says why a path cannot be given on any machine, "" when it can, by
// the text alone.
func bySystem(path string) string {
	switch {
	case slices.ContainsFunc(trees, func(t string) bool { return Within(path, t) || Within(t, path) && !exempted(path) }):
		return "is a folder of the system, or holds one"
	case slices.Contains(common, path):
		return "is for everybody, and not for downloads alone: name a folder in it"
	case depth("/home", path) == 1:
		return "is a home folder, or holds one"
	}
	return ""
}

func exempted(path string) bool {
	for _, e := range exempt {
		if depth(e.tree, path) >= e.depth {
			return true
		}
	}
	return false
}

// depth is how many folders deep a clean path lies in a tree; 0 for the tree
// itself and for what is elsewhere.
func depth(tree, path string) (n int) {
	if path == tree || !Within(tree, path) {
		return 0
	}
	for _, c := range path[len(tree):] {
		if c == '/' {
			n++
		}
	}
	return n
}
