package tornet

import (
	"fmt"
	"strings"
	"time"
)

const contact = "lab@test.invalid"

// firstInterval is how many seconds after the start the first consensus comes.
// Five are the shortest that tor accepts, and too few on a busy machine: the vote
// is four seconds earlier, and every authority must know the others by then.
const firstInterval = 10

// commonTorrc returns what every node and client of the network is told.
func commonTorrc(nodes []*node) []string {
	lines := []string{
		"TestingTorNetwork 1",
		"AssumeReachable 1",
		"PathsNeededToBuildCircuits 0.67",
		"ShutdownWaitLength 0",
		// Do not wait before the first look at the directory.
		"TestingClientDownloadInitialDelay 0",
		"TestingClientConsensusDownloadInitialDelay 0",
		"TestingServerDownloadInitialDelay 0",
		"TestingServerConsensusDownloadInitialDelay 0",
		"ClientBootstrapConsensusAuthorityDownloadInitialDelay 0",
		"ClientBootstrapConsensusAuthorityOnlyDownloadInitialDelay 0",
		// The default scheduler looks at sockets every 10 ms, which is all
		// the delay there is on one machine.
		"Schedulers Vanilla",
		// A second layer of guards out of five relays collides with the rest
		// of the path; such circuits fail and cost seconds.
		"VanguardsLiteEnabled 0",
	}
	for _, a := range nodes {
		lines = append(lines, fmt.Sprintf("DirAuthority %s orport=%d no-v2 v3ident=%s 127.0.0.1:%d %s",
			a.name, a.orPort, a.v3ident, a.dirPort, a.fingerprint))
	}
	return lines
}

// torrc is an authority's configuration when the network starts at the given
// moment.
func (a *node) torrc(common []string, start time.Time) []byte {
	lines := append([]string{
		"Nickname " + a.name,
		`DataDirectory "` + a.dir + `"`,
		// Not to a file of tor's own: its name could not hold a space.
		"Log notice stdout",
		"SafeLogging 0",
		"ContactInfo " + contact,
		"Address 127.0.0.1",
		fmt.Sprintf("ORPort 127.0.0.1:%d IPv4Only", a.orPort),
		fmt.Sprintf("DirPort 127.0.0.1:%d", a.dirPort),
		"SocksPort 0",
		"ServerDNSDetectHijacking 0",
		"ServerDNSTestAddresses",
		"ExitRelay 0",
		"ExitPolicy reject *:*",
		"AuthoritativeDirectory 1",
		"V3AuthoritativeDirectory 1",
		"V3AuthNIntervalsValid 2",
		"AuthDirMaxServersPerAddr 0",
		"AuthDirTestReachability 0",
		"TestingMinExitFlagThreshold 0",
		"TestingDirAuthVoteExit *",
		"TestingDirAuthVoteGuard *",
		"TestingDirAuthVoteHSDir *",
		fmt.Sprintf("TestingV3AuthInitialVotingInterval %d", firstInterval),
		"TestingV3AuthInitialVoteDelay 2",
		"TestingV3AuthInitialDistDelay 2",
		// The schedule is counted from midnight. Shifting it to start now is
		// what makes the first consensus come after one interval and not
		// after anything up to two.
		fmt.Sprintf("TestingV3AuthVotingStartOffset %d", start.Unix()%firstInterval),
		fmt.Sprintf("V3AuthVotingInterval %d", steadyInterval(start)),
		"V3AuthVoteDelay 20",
		"V3AuthDistDelay 20",
	}, common...)
	return []byte(strings.Join(lines, "\n") + "\n")
}

// steadyInterval picks the seconds between votes after the first. A vote in
// the middle of a test moves onion descriptors about, so of the intervals
// that divide a day the one whose next vote is farthest off is taken. That is
// more than ten minutes at any time but the last ten before midnight, UTC,
// when tor ends every interval.
func steadyInterval(start time.Time) int {
	today := int(start.Unix() % 86400)
	best, farthest := 0, 0
	for _, interval := range []int{2400, 2700, 2880, 3456, 3600} {
		if left := interval - today%interval; left > farthest {
			best, farthest = interval, left
		}
	}
	return best
}
