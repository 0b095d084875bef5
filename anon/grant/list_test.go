package grant_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"sotto/anon/grant"
	"sotto/anon/vault"
)

func openList(t *testing.T, state string, box *vault.Box) *grant.List {
	t.Helper()
	l, err := grant.Open(state, box)
	require.NoError(t, err)
	return l
}

func newBox(t *testing.T, purpose string) *vault.Box {
	t.Helper()
	dir := t.TempDir()
	v, err := vault.Create(dir, vault.KeyFile(filepath.Join(dir, "key")))
	require.NoError(t, err)
	defer v.Close()
	box, err := v.Box(purpose)
	require.NoError(t, err)
	return box
}

// What was given is known to the next daemon, once, and lies sealed.
func TestList(t *testing.T) {
	state, box := t.TempDir(), newBox(t, "folders")
	l := openList(t, state, box)
	require.Empty(t, l.All())
	add := func(path string, write, want bool) {
		t.Helper()
		added, err := l.Add(grant.Grant{Path: path, Write: write})
		require.NoError(t, err)
		require.Equal(t, want, added)
		require.Equal(t, l.All(), openList(t, state, box).All())
	}
	add("/data/film", false, true)
	add("/data/film", false, false)
	add("/data/film/sub", false, false)
	add("/data/film/sub", true, true)
	add("/data/film", true, true)
	add("/data/film/sub/x", true, false)
	add("/data/film2", false, true)
	require.Equal(t, []grant.Grant{{Path: "/data/film/sub", Write: true}, {Path: "/data/film", Write: true}, {Path: "/data/film2"}}, l.All())

	raw, err := os.ReadFile(filepath.Join(state, "folders"))
	require.NoError(t, err)
	require.False(t, bytes.Contains(raw, []byte("film")))
	info, err := os.Stat(filepath.Join(state, "folders"))
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())

	for path, want := range map[string]bool{"/data/film": true, "/data": false, "/data/film/": false} {
		removed, err := l.Remove(path)
		require.NoError(t, err)
		require.Equal(t, want, removed, path)
	}
	require.Len(t, openList(t, state, box).All(), 2)
}

func TestListIsBounded(t *testing.T) {
	l := openList(t, t.TempDir(), newBox(t, "folders"))
	for i := range grant.Most {
		added, err := l.Add(grant.Grant{Path: fmt.Sprintf("/data/%d", i)})
		require.NoError(t, err)
		require.True(t, added)
	}
	var no *grant.Refused
	_, err := l.Add(grant.Grant{Path: "/data/more"})
	require.ErrorAs(t, err, &no)
	added, err := l.Add(grant.Grant{Path: "/data/7", Write: true})
	require.NoError(t, err)
	require.True(t, added, "it takes the place of another")
	require.Len(t, l.All(), grant.Most)
}

// A list that somebody changed gives nothing.
func TestDamagedList(t *testing.T) {
	state, box := t.TempDir(), newBox(t, "folders")
	_, err := openList(t, state, box).Add(grant.Grant{Path: "/data"})
	require.NoError(t, err)
	at := filepath.Join(state, "folders")
	whole, err := os.ReadFile(at)
	require.NoError(t, err)
	for name, raw := range map[string][]byte{
		"in the open": []byte(`[{"path":"/"}]`), "empty": nil, "cut": whole[:len(whole)-1],
		"of another kind": box.Seal("other", []byte(`[]`)), "no list": box.Seal("folders", []byte(`{}`)),
		"no path": box.Seal("folders", []byte(`[{"path":"x"}]`)),
	} {
		require.NoError(t, os.WriteFile(at, raw, 0o600))
		_, err := grant.Open(state, box)
		require.ErrorIs(t, err, grant.ErrDamaged, name)
	}
	require.NoError(t, os.WriteFile(at, whole, 0o600))
	_, err = grant.Open(state, newBox(t, "folders"))
	require.ErrorIs(t, err, grant.ErrDamaged)
}
