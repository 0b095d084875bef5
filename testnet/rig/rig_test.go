package rig

import (
	"os"
	"os/exec"
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

// failing is the argument that makes this program a package whose tests fail.
const failing = "failing"

var lab = &Rig{Patience: time.Minute}

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == failing {
		os.Exit(lab.Around(fails{}).Run())
	}
	goleak.VerifyTestMain(lab.Around(m))
}

type fails struct{}

func (fails) Run() int { return 7 }

// A run that fails says so with its own code, and where its logs are.
func TestLogsAreKeptOfAFailure(t *testing.T) {
	home := t.TempDir()
	cmd := exec.CommandContext(lab.Within(t), os.Args[0], failing)
	cmd.Env = append(os.Environ(), "TMPDIR="+home)
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	require.ErrorAs(t, err, &exit, "%s", out)
	require.Equal(t, 7, exit.ExitCode(), "%s", out)
	kept := regexp.MustCompile(`logs are kept in (\S+)`).FindSubmatch(out)
	require.NotNil(t, kept, "%s", out)
	require.DirExists(t, string(kept[1]))
}

func TestDeskHasAProgram(t *testing.T) {
	out, err := exec.CommandContext(lab.Within(t), lab.Desk.Sotto, "--help").CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Contains(t, string(out), "share")
}
