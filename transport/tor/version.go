package tor

import (
	"slices"
	"strconv"
	"strings"
)

// minVersion is the first tor without the race that let a rendezvous point
// pose as the onion service (tor's bug 41297).
var minVersion = []int{0, 4, 9, 11}

// minVersionText is minVersion for users.
const minVersionText = "0.4.9.11"

// maySafelyHost reads GETINFO version, such as "0.4.9.11 (git-…)" or
// "0.5.0.1-alpha". What cannot be read is too old.
func maySafelyHost(version string) bool {
	number, _, _ := strings.Cut(version, " ")
	number, tag, _ := strings.Cut(number, "-")
	var got []int
	for _, part := range strings.Split(number, ".") {
		n, err := strconv.Atoi(part)
		if err != nil || n < 0 {
			return false
		}
		got = append(got, n)
	}
	if len(got) != len(minVersion) {
		return false
	}
	// A "-dev" of the minimum itself is a snapshot from before or after the
	// release; nobody can tell.
	if c := slices.Compare(got, minVersion); c != 0 || tag != "dev" {
		return c >= 0
	}
	return false
}
