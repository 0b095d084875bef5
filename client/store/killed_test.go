package store

import (
	"bufio"
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"sotto/anon"
	"sotto/anon/vault"
)

var cycles = flag.Int("store.kills", 50, "how often a writing process is killed")

// The environment of the process that is killed: where it works.
const killedDir = "SOTTO_TEST_STORE_DIR"

const slots = 8

// step is change number n of a history that is the same every time. Each
// change writes its number into the settings in its own transaction, so that
// whoever opens the library knows how far it came.
func step(s *Store, n int) error {
	one := sample(byte(n % slots))
	one.Name = strconv.Itoa(n)
	return s.update(func(t *txn) error {
		id := one.ID().String()
		var err error
		switch n % 3 {
		case 0:
			err = errors.Join(t.putJSON(torrents, id, one.encode()), t.put(infos, id, make([]byte, n%7*1000+1)))
		case 1:
			r := Resume{Pieces: bytes.Repeat([]byte(strconv.Itoa(n)), n%200)}
			err = errors.Join(t.putJSON(resumes, id, r), t.addTotals(id, map[anon.Network]Totals{anon.Tor: {Up: int64(n)}}, Totals.Plus))
		case 2:
			err = errors.Join(t.bury(one.ID()), t.del(torrents, id), t.del(infos, id), t.del(resumes, id), t.del(totals, id))
		}
		return errors.Join(err, t.put(settings, settingsID, []byte(strconv.Itoa(n))))
	})
}

// dump is everything in a library, as a text.
func dump(t *testing.T, s *Store) (n int, text string) {
	t.Helper()
	var out strings.Builder
	require.NoError(t, s.view(func(tx *txn) error {
		for _, k := range kinds {
			require.NoError(t, tx.each(k, func(record []byte) error {
				fmt.Fprintf(&out, "%s %s\n", k, record)
				return nil
			}))
		}
		return nil
	}))
	raw, err := s.Settings()
	require.NoError(t, err)
	if raw != nil {
		n, err = strconv.Atoi(string(raw))
		require.NoError(t, err)
	}
	return n, out.String()
}

func killedBox(t *testing.T, dir string) *vault.Box {
	t.Helper()
	v, err := vault.Open(dir, vault.KeyFile(filepath.Join(dir, "key")))
	require.NoError(t, err)
	box, err := v.Box("state")
	require.NoError(t, err)
	return box
}

// writeUntilKilled goes on with the history and says after each change that it
// is safe.
func writeUntilKilled(t *testing.T, dir string) {
	s, err := Open(dir, killedBox(t, dir))
	require.NoError(t, err)
	n, _ := dump(t, s)
	for {
		n++
		require.NoError(t, step(s, n))
		fmt.Println("safe", n)
		if n%16 == 0 {
			require.NoError(t, s.Snapshot())
		}
	}
}

// A process that writes without a pause is killed at random instants. What it
// had said to be safe is there, whole, and nothing is half done.
func TestKilledAtAnyInstant(t *testing.T) {
	if dir := os.Getenv(killedDir); dir != "" {
		writeUntilKilled(t, dir)
	}
	dir := t.TempDir()
	v, err := vault.Create(dir, vault.KeyFile(filepath.Join(dir, "key")))
	require.NoError(t, err)
	v.Close()
	box := killedBox(t, dir)
	model := opened(t, t.TempDir(), box) // the same history without kills
	at := 0
	for range *cycles {
		safe := writeAndKill(t, dir)
		s, err := Open(dir, box)
		require.NoError(t, err)
		require.Nil(t, s.recovered, "a kill damages nothing")
		n, got := dump(t, s)
		require.GreaterOrEqual(t, n, safe)
		require.LessOrEqual(t, n, max(safe, at)+1)
		for at < n {
			at++
			require.NoError(t, step(model, at))
		}
		_, want := dump(t, model)
		require.Equal(t, want, got)
		s.changed = false
		require.NoError(t, s.Close())
	}
	require.Greater(t, at, *cycles/2, "it got somewhere")
	t.Log(*cycles, "kills,", at, "changes")
}

// writeAndKill returns the last change that was said to be safe, 0 for none.
func writeAndKill(t *testing.T, dir string) (safe int) {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestKilledAtAnyInstant$")
	cmd.Env = append(os.Environ(), killedDir+"="+dir)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	in := bufio.NewReader(out)
	kill := func() { cmd.Process.Kill() }
	// Some die while they open, most while they write.
	if rand.IntN(4) == 0 {
		defer time.AfterFunc(rand.N(100*time.Millisecond), kill).Stop()
	}
	for first := true; err == nil; first = false {
		var line string
		line, err = in.ReadString('\n')
		if word, ok := strings.CutPrefix(line, "safe "); err == nil && ok {
			safe, err = strconv.Atoi(strings.TrimSpace(word))
		}
		if first {
			defer time.AfterFunc(rand.N(30*time.Millisecond), kill).Stop()
		}
	}
	require.ErrorIs(t, err, io.EOF)
	require.ErrorContains(t, cmd.Wait(), "killed")
	return safe
}
