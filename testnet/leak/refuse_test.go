package leak

import (
	"encoding/json"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"
)

// A link with nothing usable in it ends before anything is started.
func TestHostileLinkSendsNothing(t *testing.T) {
	for name, link := range map[string]string{
		"magnet":  hostileMagnet(),
		"torrent": hostileTorrent(t, someInfo(t)),
	} {
		t.Run(name, func(t *testing.T) {
			silent(t)
			trap := setTrap(t)
			get := start(t, newUser(t), "get", "-o", t.TempDir(), link)
			require.Equal(t, 13, get.Wait(), get.Said())
			for _, e := range get.Events() {
				require.Equal(t, "walls", e.Event, "nothing was opened")
			}
			require.Contains(t, get.Said(), "names no tracker, peer or web seed on Tor or I2P")
			require.Contains(t, get.Said(), "Nothing was sent")
			require.Contains(t, get.Said(), "ask for one with an onion or I2P tracker")
			require.Zero(t, trap.sprung())
		})
	}
}

// inspect shows every single thing that will be ignored.
func TestInspectListsEverythingHostile(t *testing.T) {
	var everywhere []string
	everywhere = append(everywhere, hostileTrackers...)
	everywhere = append(everywhere, hostileSeeds...)
	for _, tc := range []struct {
		name, link string
		ignored    []string
	}{
		{"magnet", hostileMagnet(), append(hostilePeers, hostileSources...)},
		{"torrent", hostileTorrent(t, someInfo(t)), append(nodeTexts(), hostileUpdate)},
	} {
		t.Run(tc.name, func(t *testing.T) {
			silent(t)
			trap := setTrap(t)
			out, err := exec.Command(lab.Desk.Sotto, "--json", "inspect", tc.link).Output()
			require.NoError(t, err)
			var shown struct {
				Trackers, Peers []string
				More            int `json:"more_ignored"`
				Ignored         []struct{ Text, Why string }
			}
			require.NoError(t, json.Unmarshal(out, &shown))
			require.Empty(t, shown.Trackers)
			require.Empty(t, shown.Peers)
			var texts []string
			for _, i := range shown.Ignored {
				require.NotEmpty(t, i.Why, i.Text)
				texts = append(texts, i.Text)
			}
			require.Subset(t, texts, everywhere)
			require.Subset(t, texts, tc.ignored)
			require.Zero(t, trap.sprung())
		})
	}
}

// nodeTexts are the DHT nodes as inspect spells them.
func nodeTexts() []string {
	var texts []string
	for _, n := range hostileNodes {
		texts = append(texts, n[0].(string)+":6881")
	}
	return texts
}
