//go:build linux

package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var debian12 = machine{release{kernel: "6.1", landlock: 2, debianSwitch: true}, "12", "amd64"}

// both are the packages whose tests run in machines.
var both = []string{"cage", "broker"}

// good is what a machine says of which nothing is wrong.
func good(m machine) (found []finding) {
	for _, s := range scenes() {
		label, exit := m.expect(s)
		f := finding{Scene: s.name, Kernel: "6.1.0", Label: label, Exit: exit, Landlock: m.landlock, Blocked: minTried, Tried: minTried}
		if s.test != "" {
			f.Exit = 0
		}
		found = append(found, f)
	}
	return found
}

func TestExpect(t *testing.T) {
	for _, tc := range []struct {
		landlock    int
		own, partly bool
		label       string
		exit        int
	}{
		{2, true, false, "sealed", 0},
		{2, false, true, "confined", 0},
		{2, false, false, "confined", 0},
		{0, true, false, "confined", 0},
		{0, false, true, "confined", 0},
		{0, false, false, "open", 15},
	} {
		label, exit := machine{release: release{landlock: tc.landlock}}.expect(scene{own: tc.own, partly: tc.partly})
		require.Equal(t, tc.label, label)
		require.Equal(t, tc.exit, exit)
	}
}

func TestJudge(t *testing.T) {
	require.Empty(t, debian12.judge(good(debian12), both))
	require.Empty(t, debian12.judge(good(debian12)[:6], nil))
	for name, change := range map[string]func([]finding) []finding{
		"no answer":          func(f []finding) []finding { return f[1:] },
		"a better label":     func(f []finding) []finding { f[2].Label = "sealed"; return f },
		"a worse label":      func(f []finding) []finding { f[0].Label = "confined"; return f },
		"another exit code":  func(f []finding) []finding { f[0].Exit = 15; return f },
		"another landlock":   func(f []finding) []finding { f[0].Landlock = 1; return f },
		"hardly an attempt":  func(f []finding) []finding { f[0].Blocked, f[0].Tried = 10, 10; return f },
		"an attempt is lost": func(f []finding) []finding { f[0].Blocked--; return f },
		"sealed with a hole": func(f []finding) []finding { f[0].Open, f[0].Tried = []string{"tcp4"}, minTried+1; return f },
		"confined, a hole":   func(f []finding) []finding { f[3].Open, f[3].Tried = []string{"tcp4"}, minTried+1; return f },
		"a root, and names":  func(f []finding) []finding { f[2].Open, f[2].Tried = harmless, minTried+2; return f },
		"sealed, not whole":  func(f []finding) []finding { f[0].Missing = []string{"no landlock"}; return f },
		"a setting is gone":  func(f []finding) []finding { f[4] = finding{Scene: f[4].Scene, Absent: true}; return f },
		"tests failed":       func(f []finding) []finding { f[6].Exit = 1; return f },
		"tests, other label": func(f []finding) []finding { f[6].Label = "confined"; return f },
		"nothing was said":   func(f []finding) []finding { f[0] = finding{Scene: f[0].Scene, Exit: 0}; return f },
	} {
		require.Len(t, debian12.judge(change(good(debian12)), both), 1, name)
	}
	harmlessOnly := good(debian12)
	harmlessOnly[3].Open, harmlessOnly[3].Tried = harmless, minTried+2
	require.Empty(t, debian12.judge(harmlessOnly, both))
	without := debian12
	without.debianSwitch = false
	absent := good(without)
	absent[4], absent[5] = finding{Scene: absent[4].Scene, Absent: true}, finding{Scene: absent[5].Scene, Absent: true}
	require.Empty(t, without.judge(absent, both))
}

func TestListen(t *testing.T) {
	raw, err := json.Marshal(finding{Scene: "root", Label: "sealed"})
	require.NoError(t, err)
	answer := foundMark + string(raw) + "\r\n"
	for name, tc := range map[string]struct {
		console string
		found   int
		err     string
	}{
		"whole":           {"[ 1.0] noise\r\n" + answer + answer + endMark + "\r\n", 2, ""},
		"beside noise":    {"[ 1.0] noise " + answer + endMark, 1, ""},
		"ended too early": {answer + "[ 1.0] Kernel panic\r\n", 1, "Kernel panic"},
		"cut":             {answer[:30] + "\r\n" + endMark, 0, "read an answer"},
		"silence":         {"", 0, "ended too early"},
	} {
		found, err := listen(strings.NewReader(tc.console))
		require.Len(t, found, tc.found, name)
		if tc.err == "" {
			require.NoError(t, err, name)
		} else {
			require.ErrorContains(t, err, tc.err, name)
		}
	}
}

func TestReadProof(t *testing.T) {
	var f finding
	require.NoError(t, f.readProof([]byte(`{"label":"confined","missing":["x"],"facts":{"landlock":2},"results":[
		{"name":"a","open":true},{"name":"b","open":false},{"name":"c","open":false,"absent":true}]}`)))
	require.Equal(t, finding{Label: "confined", Landlock: 2, Blocked: 1, Tried: 2, Open: []string{"a"}, Missing: []string{"x"}}, f)
	require.Error(t, f.readProof([]byte("{")))
	require.NoError(t, new(finding).readProof(nil))
}

func TestReadTests(t *testing.T) {
	const out = "=== RUN   TestA\n    a.go:1: label sealed, 161 attempts\n--- PASS: TestA (0.1s)\n=== RUN   TestB\n    b.go:2: broken\n--- FAIL: TestB (0.1s)\nFAIL\n"
	f := finding{Exit: 1}
	f.readTests(out)
	require.Equal(t, "sealed", f.Label)
	require.Equal(t, "    a.go:1: label sealed, 161 attempts\n    b.go:2: broken\n--- FAIL: TestB (0.1s)\nFAIL\n", f.Said)
	f = finding{}
	f.readTests(out)
	require.Empty(t, f.Said)
}

// The layout that the kernel reads: headers of 110 bytes, everything from a
// multiple of four on.
func TestArchive(t *testing.T) {
	dir := t.TempDir()
	from := filepath.Join(dir, "from")
	require.NoError(t, os.WriteFile(from, []byte("hello"), 0o600))
	path := filepath.Join(dir, "archive")
	require.NoError(t, archive(path, []entry{{path: "proc", mode: kindFolder | 0o755}, {path: "init", mode: kindFile | 0o755, from: from}}))
	raw, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Zero(t, len(raw)%4)
	require.Equal(t, 3, bytes.Count(raw, []byte("070701")))
	second := raw[110+5+1:] // "proc" and its end make 115, one short of 116
	require.Equal(t, "07070100000002"+"000081ed", string(second[:22]))
	require.Equal(t, "00000005", string(second[54:62]), "size")
	require.Equal(t, "00000005", string(second[94:102]), "length of the name")
	require.Equal(t, "init\x00\x00hello\x00\x00\x00", string(second[110:124]))
	require.Equal(t, "TRAILER!!!\x00", string(second[124+110:124+110+11]))
	require.Error(t, archive(path, []entry{{path: "x", from: filepath.Join(dir, "none")}}))
}
