package netns

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestJudge(t *testing.T) {
	const outside = "net:[1],mnt:[2]"
	for _, c := range []struct {
		name, outside, here string
		links               []string
		private             bool
	}{
		{"fresh", outside, "net:[3],mnt:[4]", []string{"lo"}, true},
		{"with the packet counter", outside, "net:[3],mnt:[4]", []string{"lo", TunName}, true},
		{"same network", outside, "net:[1],mnt:[4]", []string{"lo"}, false},
		{"same mounts", outside, "net:[3],mnt:[2]", []string{"lo"}, false},
		{"a cable", outside, "net:[3],mnt:[4]", []string{"lo", "eth0"}, false},
		{"malformed", "net:[1]", "net:[3],mnt:[4]", []string{"lo"}, false},
		{"swapped", "mnt:[2],net:[1]", "net:[3],mnt:[4]", []string{"lo"}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			why := judge(c.outside, c.here, c.links)
			require.Equal(t, c.private, why == "", why)
		})
	}
}
