package diskfault

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var (
	// Process id, call, what its first descriptor is, the rest.
	onFile = regexp.MustCompile(`^\d+ +(pwrite64|write|ftruncate|fdatasync|fsync)\(\d+<([^>]*)>(.*)\) += \d+$`)
	rename = regexp.MustCompile(`^\d+ +rename(?:at2?)?\((?:AT_FDCWD(?:<[^>]*>)?, )?"([^"]*)", (?:AT_FDCWD(?:<[^>]*>)?, )?"([^"]*)".*\) += 0$`)
)

// disk is what a power cut would leave, as far as it matters: what has been
// written and not been synced.
type disk struct {
	dirty   map[string]bool // files and folders
	roots   int             // how many were written
	renamed int
}

// see takes in one line of a trace. The error says what a power cut now could
// do.
func (d *disk) see(line string) error {
	if m := rename.FindStringSubmatch(line); m != nil {
		d.renamed++
		d.dirty[filepath.Dir(m[2])] = true
		if d.dirty[m[1]] {
			return errors.New("a file gets its name before it is synced")
		}
		return nil
	}
	m := onFile.FindStringSubmatch(line)
	if m == nil {
		return nil
	}
	call, file, rest := m[1], m[2], m[3]
	wasDirty := d.dirty[file]
	switch {
	case call == "fdatasync" || call == "fsync":
		delete(d.dirty, file)
	case strings.Contains(rest, `"made: `) || strings.Contains(rest, `"closed: `):
		if len(d.dirty) > 0 {
			return fmt.Errorf("said to be safe, and %v is not", d.dirty)
		}
	case strings.Contains(file, "/library.") || strings.Contains(file, "/note"):
		d.dirty[file] = true
	}
	// bbolt's roots, the first two pages, make what was written the state.
	if filepath.Base(file) == "library.db" && (strings.HasSuffix(rest, ", 4096, 0") || strings.HasSuffix(rest, ", 4096, 4096")) {
		d.roots++
		if wasDirty {
			return errors.New("a root comes before its pages")
		}
	}
	return nil
}

func (d *disk) seeAll(trace string) error {
	d.dirty = map[string]bool{}
	for line := range strings.Lines(trace) {
		if err := d.see(strings.TrimSuffix(line, "\n")); err != nil {
			return fmt.Errorf("%w: %s", err, line)
		}
	}
	return nil
}

// What a power cut takes is what was not synced. So nothing is said to be safe,
// no root is written and no file gets its name while a write to it, or to the
// folder, is not.
func TestNothingIsSafeBeforeItIsSynced(t *testing.T) {
	dir := prepare(t)
	trace := filepath.Join(t.TempDir(), "trace")
	cmd := exec.Command("strace", "-f", "-y", "-o", trace,
		"-e", "trace=pwrite64,write,ftruncate,fdatasync,fsync,rename,renameat,renameat2",
		os.Args[0], "-test.run=^TestEveryWriteFails$", "-test.v")
	cmd.Env = append(os.Environ(), dirKey+"="+dir)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
	require.Contains(t, string(out), "closed: <nil>")
	raw, err := os.ReadFile(trace)
	require.NoError(t, err)
	var d disk
	require.NoError(t, d.seeAll(string(raw)))
	require.Greater(t, d.roots, 4)
	require.Greater(t, d.renamed, 1)
}

// The judge finds what is wrong.
func TestMissingSyncIsSeen(t *testing.T) {
	page := `7 pwrite64(5</d/library.db>, "x"..., 8192, 40960) = 8192`
	root := `7 pwrite64(5</d/library.db>, "x"..., 4096, 0) = 4096`
	sync := `7 fdatasync(5</d/library.db>) = 0`
	said := `7 write(1<pipe:[1]>, "made: 1\n", 8) = 8`
	move := `7 renameat(AT_FDCWD, "/d/library.new", AT_FDCWD, "/d/library.good") = 0`
	for _, tc := range []struct {
		lines []string
		ok    bool
	}{
		{[]string{page, sync, root, sync, said}, true},
		{[]string{page, root, sync, said}, false},
		{[]string{page, sync, root, said}, false},
		{[]string{move, `7 fsync(6</d>) = 0`, said}, true},
		{[]string{move, said}, false},
		{[]string{`7 write(5</d/library.new>, "x"..., 1) = 1`, move}, false},
	} {
		err := new(disk).seeAll(strings.Join(tc.lines, "\n"))
		require.Equal(t, tc.ok, err == nil, "%q", tc.lines)
	}
}
