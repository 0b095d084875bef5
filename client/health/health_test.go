package health_test

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"sotto/client/health"
)

var noon = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

func names(list []health.Condition) (out []health.Name) {
	for _, c := range list {
		out = append(out, c.Name)
	}
	return out
}

func TestConditionsDoNotFlap(t *testing.T) {
	var b health.Board
	for i := range 60 { // on and off, every two seconds
		b.Set(noon.Add(time.Duration(i)*2*time.Second), health.RouterAway, "tor", i%2 == 0)
	}
	now := noon.Add(2 * time.Minute)
	require.Empty(t, b.List(now), "it never lasted")
	b.Set(now, health.RouterAway, "tor", true)
	require.Empty(t, b.List(now.Add(5*time.Second)))
	require.Len(t, b.List(now.Add(10*time.Second)), 1)
	require.Equal(t, now, b.List(now.Add(time.Hour))[0].Since)

	back := now.Add(time.Hour)
	b.Set(back, health.RouterAway, "tor", false)
	require.Len(t, b.List(back.Add(5*time.Second)), 1, "a moment is not enough")
	b.Set(back.Add(6*time.Second), health.RouterAway, "tor", true)
	require.Equal(t, now, b.List(back.Add(time.Minute))[0].Since, "it is the same one")
	b.Set(back.Add(2*time.Minute), health.RouterAway, "tor", false)
	require.Empty(t, b.List(back.Add(3*time.Minute)))
}

func TestCauseBeforeSymptom(t *testing.T) {
	var b health.Board
	b.Set(noon, health.NoPeers, "t", true)
	b.Set(noon, health.TrackerSilent, "t", true)
	b.Set(noon, health.FilesMissing, "t", true)
	now := noon.Add(time.Hour)
	require.Equal(t, []health.Name{health.FilesMissing, health.TrackerSilent}, names(b.List(now)))
	b.Set(now, health.RouterAway, "tor", true)
	b.Set(now, health.FolderMissing, "/d", true)
	b.Set(now, health.Incident, "", true)
	now = now.Add(time.Minute)
	require.Equal(t, []health.Name{health.Incident, health.FolderMissing, health.RouterAway}, names(b.List(now)))
	b.Clear("/d")
	require.Equal(t, []health.Name{health.Incident, health.FilesMissing, health.RouterAway}, names(b.List(now)))
}

func TestUnknownNamePanics(t *testing.T) {
	var b health.Board
	require.Panics(t, func() { b.Set(noon, "nonsense", "", true) })
}

// Each says what happened, what it means for privacy and what to do, in whole
// sentences.
func TestCatalogue(t *testing.T) {
	sentence := regexp.MustCompile(`^[A-Z].*\.$`)
	for name, e := range health.All() {
		require.NotEqual(t, "none", e.Severity.String(), name)
		for _, s := range []string{e.What, e.Privacy, e.Remedy} {
			require.Regexp(t, sentence, s, name)
			require.LessOrEqual(t, len(s), 200, name)
		}
		require.Equal(t, strings.ToLower(string(name)), string(name))
	}
}
