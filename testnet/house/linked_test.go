package house

import (
	"debug/buildinfo"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// unwanted are parts of module paths that stand for ways around the
// transports, or for payload mapped into memory, where a truncated file ends
// the process.
var unwanted = []string{"pion", "webrtc", "upnp", "utp", "mmap", "dht", "natpmp", "nat-pmp", "quic", "websocket", "sqlite"}

func isUnwanted(path string) bool {
	for part := range strings.SplitSeq(path, "/") {
		for _, u := range unwanted {
			if strings.Contains(part, u) {
				return true
			}
		}
	}
	return false
}

// The program carries nothing that could reach a network by itself: what is
// not linked cannot be switched on.
func TestProgramLinksNoOtherWayOut(t *testing.T) {
	program := filepath.Join(t.TempDir(), "sotto")
	build := exec.Command("go", "build", "-trimpath", "-o", program, module+"cmd/sotto")
	said, err := build.CombinedOutput()
	require.NoError(t, err, "%s", said)
	info, err := buildinfo.ReadFile(program)
	require.NoError(t, err)
	linked := map[string]bool{}
	for _, m := range info.Deps {
		require.False(t, isUnwanted(m.Path), "%s is linked", m.Path)
		linked[m.Path] = true
	}
	require.True(t, linked["github.com/spf13/cobra"], "the list is that of another program")
	t.Logf("%d modules", len(info.Deps))
}

func TestUnwantedModulesAreSeen(t *testing.T) {
	for _, path := range []string{
		"github.com/pion/webrtc/v4", "github.com/anacrolix/upnp", "github.com/anacrolix/go-utp",
		"github.com/edsrzf/mmap-go", "github.com/anacrolix/dht/v2", "github.com/coder/websocket",
	} {
		require.True(t, isUnwanted(path), path)
	}
}
