package library_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"sotto/anon/vault"
	"sotto/client/api/rpc"
	"sotto/transport/memory"
)

// shareUntilKilled shares folders one after another, in a library that has been
// killed before, and says each path before it asks, after it was promised, and with
// its link.
func shareUntilKilled(t *testing.T, dir string) {
	v, err := vault.Open(dir, vault.KeyFile(filepath.Join(dir, "key")))
	require.NoError(t, err)
	box, err := v.Box("state")
	require.NoError(t, err)
	b := &lab{t: t, net: memory.New(memory.Options{}), box: box, state: filepath.Join(dir, "state"), folder: filepath.Join(dir, "0")}
	if _, err := os.Stat(filepath.Join(dir, "together")); err == nil {
		b.change = sharing
	}
	l := b.start()
	for _, x := range l.all() {
		fmt.Println("kept", filepath.Join(x.Folder, x.Name))
	}
	fmt.Println("listed")
	for n := 0; ; n++ {
		at := filepath.Join(dir, "mine", fmt.Sprint(rand.N(4)))
		got, err := l.Share(context.Background(), rpc.Share{Path: at, Stable: true})
		require.NoError(t, err)
		fmt.Println("promised", at)
		time.Sleep(rand.N(50 * time.Millisecond))
		for _, x := range l.all() {
			if x.Magnet != "" {
				fmt.Println("link", filepath.Join(x.Folder, x.Name), x.Magnet)
			}
		}
		if n > 0 && rand.N(4) == 0 {
			fmt.Println("removed", at)
			require.NoError(t, l.Remove(context.Background(), []int64{got.ID}, false))
		}
	}
}

// A library that shares is killed at random instants, while it hashes, gives
// hashes, makes keys and publishes. What it had promised to share is there, under
// the link that it had told, and no share is there twice.
func TestShareKilledAtAnyInstant(t *testing.T) {
	if dir := os.Getenv(killedDir); dir != "" {
		shareUntilKilled(t, dir)
	}
	for _, together := range []bool{false, true} { // both ways to live have keys
		killShares(t, together)
	}
}

func killShares(t *testing.T, together bool) {
	dir := t.TempDir()
	if together {
		require.NoError(t, os.WriteFile(filepath.Join(dir, "together"), nil, 0o600))
	}
	v, err := vault.Create(dir, vault.KeyFile(filepath.Join(dir, "key")))
	require.NoError(t, err)
	v.Close()
	for i := range 4 {
		made, _, _ := sample(t, fmt.Sprint(i), 200_000<<i)
		require.NoError(t, os.CopyFS(filepath.Join(dir, "mine", fmt.Sprint(i)), os.DirFS(made)))
	}
	promised, links, told := make(map[string]bool), make(map[string]string), 0
	for n := range (*kills + 9) / 10 {
		kept := make(map[string]bool)
		for _, line := range killSomeTime(t, "TestShareKilledAtAnyInstant", dir, "promised ", 900*time.Millisecond) {
			word, rest, _ := strings.Cut(line, " ")
			switch word {
			case "listed":
				for at := range promised {
					require.True(t, kept[at], "cycle %d: a share was promised and is lost", n)
				}
			case "kept":
				require.False(t, kept[rest], "cycle %d: a share is there twice", n)
				kept[rest] = true
			case "promised":
				promised[rest] = true
			case "removed": // or not, or soon: its key goes with it
				delete(promised, rest)
				delete(links, rest)
			case "link":
				at, link, _ := strings.Cut(rest, " ")
				if old, ok := links[at]; ok {
					require.Equal(t, old, link, "cycle %d: a link that was told does not hold", n)
				}
				links[at] = link
				told++
			}
		}
	}
	t.Logf("%d times a link was told", told)
}
