package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const unitFile = "../../packaging/systemd/sotto.service"

// The unit gives the daemon the time it takes, starts it again only where that
// helps, and forbids nothing that the walls are made of.
func TestUnit(t *testing.T) {
	raw, err := os.ReadFile(unitFile)
	require.NoError(t, err)
	values := map[string]string{}
	for _, m := range regexp.MustCompile(`(?m)^(\w+)=(.*)$`).FindAllStringSubmatch(string(raw), -1) {
		require.NotContains(t, values, m[1])
		values[m[1]] = m[2]
	}
	require.Equal(t, "notify", values["Type"])
	require.Equal(t, "mixed", values["KillMode"], "the engine is asked by the broker")
	require.Equal(t, "continue", values["OOMPolicy"], "an engine that is killed is not the end")
	seconds, err := strconv.Atoi(values["TimeoutStopSec"])
	require.NoError(t, err)
	require.Greater(t, time.Duration(seconds)*time.Second, goodbye)
	var never []string
	for _, code := range []int{exitUsage, exitNotPermitted, exitOtherInstance, exitPassphrase, exitLeak, exitWalls} {
		never = append(never, strconv.Itoa(code))
	}
	require.Equal(t, strings.Join(never, " "), values["RestartPreventExitStatus"])
	for _, wall := range []string{"RestrictNamespaces", "PrivateUsers", "SystemCallFilter", "PrivateMounts", "ProtectProc", "SystemCallArchitectures"} {
		require.NotContains(t, values, wall, "the walls need what it takes")
	}
	require.Contains(t, string(raw), "LoadCredentialEncrypted="+credentialName+":")
}

// What systemd itself says of it, where there is one.
func TestUnitIsValid(t *testing.T) {
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Log("there is no systemd-analyze here; TestUnit looks at the text")
		return
	}
	raw, err := os.ReadFile(unitFile)
	require.NoError(t, err)
	program, err := exec.LookPath("sotto")
	require.NoError(t, err)
	at := filepath.Join(t.TempDir(), "sotto.service")
	text := strings.Replace(string(raw), "%h/.local/bin/sotto", program, 1)
	text = strings.Replace(text, "man:sotto(1)", "https://example.org", 1) // the page is not installed here
	require.NoError(t, os.WriteFile(at, []byte(text), 0o600))
	cmd := exec.Command(analyze, "verify", at)
	cmd.Env = append(os.Environ(), "SYSTEMD_LOG_LEVEL=warning")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
	require.NotContains(t, string(out), "sotto.service", string(out))
}
