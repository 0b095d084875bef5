package vault

import (
	"bytes"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"sotto/anon"
	"sotto/anon/folder"
)

func words(s string) Key { return Passphrase(anon.NewSecret([]byte(s))) }

func made(t *testing.T, dir string, k Key) *Vault {
	t.Helper()
	v, err := create(dir, k, leastCost)
	require.NoError(t, err)
	return v
}

func boxOf(t *testing.T, v *Vault, purpose string) *Box {
	t.Helper()
	b, err := v.Box(purpose)
	require.NoError(t, err)
	return b
}

func TestEachKindOpensItsVault(t *testing.T) {
	for name, key := range map[string]func(dir string) Key{
		"passphrase": func(string) Key { return words("correct horse") },
		"key file":   func(dir string) Key { return KeyFile(filepath.Join(dir, "key")) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "state")
			_, err := Open(dir, key(dir))
			require.ErrorIs(t, err, fs.ErrNotExist)
			_, err = Find(dir)
			require.ErrorIs(t, err, fs.ErrNotExist)

			v := made(t, dir, key(dir))
			sealed := boxOf(t, v, "state").Seal("name", []byte("record"))
			v.Close()
			_, err = v.Box("state")
			require.ErrorIs(t, err, ErrClosed)
			require.ErrorIs(t, v.Change(words("x")), ErrClosed)
			_, err = create(dir, key(dir), leastCost)
			require.ErrorIs(t, err, fs.ErrExist, "a vault is never made over another")

			v, err = Open(dir, key(dir))
			require.NoError(t, err)
			got, err := boxOf(t, v, "state").Open("name", sealed)
			require.NoError(t, err)
			require.Equal(t, "record", string(got))
			kind, err := Find(dir)
			require.NoError(t, err)
			require.Equal(t, key(dir).kind(), kind)
		})
	}
}

// What is shipped is the dear cost, and it opens.
func TestDefaultCost(t *testing.T) {
	dir := t.TempDir()
	_, err := Create(dir, words("x"))
	require.NoError(t, err)
	raw, err := os.ReadFile(filepath.Join(dir, fileName))
	require.NoError(t, err)
	h, err := parseHeader(raw)
	require.NoError(t, err)
	require.GreaterOrEqual(t, h.cost.memory*h.cost.passes, uint32(3*64<<10), "RFC 9106 section 4")
	_, err = Open(dir, words("x"))
	require.NoError(t, err)
}

func TestWrongKeys(t *testing.T) {
	dir := t.TempDir()
	made(t, dir, words("right"))
	other := t.TempDir()
	file := filepath.Join(other, "key")
	made(t, other, KeyFile(file))
	foreign := filepath.Join(t.TempDir(), "key")
	require.NoError(t, os.WriteFile(foreign, marshalKeyFile(make([]byte, keySize)), 0o600))
	notKey := filepath.Join(t.TempDir(), "key")
	require.NoError(t, os.WriteFile(notKey, []byte("sotto key 1 zz"), 0o600))
	for _, tc := range []struct {
		dir  string
		key  Key
		want error
	}{
		{dir, words("wrong"), ErrPassphrase},
		{dir, words("right "), ErrPassphrase},
		{dir, words(""), ErrEmpty},
		{dir, Key{}, ErrEmpty},
		{dir, KeyFile(file), ErrKind},
		{other, words("right"), ErrKind},
		{other, KeyFile(foreign), ErrPassphrase},
		{other, KeyFile(notKey), ErrDamaged},
		{other, KeyFile(filepath.Join(other, "none")), fs.ErrNotExist},
	} {
		_, err := Open(tc.dir, tc.key)
		require.ErrorIs(t, err, tc.want)
		require.NotContains(t, err.Error(), "right")
	}
}

func TestChange(t *testing.T) {
	dir := t.TempDir()
	file := KeyFile(filepath.Join(dir, "key"))
	v := made(t, dir, file)
	sealed := boxOf(t, v, "state").Seal("n", []byte("kept"))
	keys := []Key{file, words("one"), words("two"), file}
	for i, next := range keys[1:] {
		require.NoError(t, v.change(next, leastCost))
		_, err := Open(dir, keys[i])
		require.Error(t, err, "the old key opens nothing")
		again, err := Open(dir, next)
		require.NoError(t, err)
		got, err := boxOf(t, again, "state").Open("n", sealed)
		require.NoError(t, err)
		require.Equal(t, "kept", string(got))
	}
}

// A change that fails leaves the old key in force.
// A name is one vault's as it is now, and shows neither its salt nor a key.
func TestName(t *testing.T) {
	a, b := t.TempDir(), t.TempDir()
	_, err := Name(a)
	require.ErrorIs(t, err, fs.ErrNotExist)
	v := made(t, a, words("x"))
	defer v.Close()
	made(t, b, words("x")).Close()
	first, err := Name(a)
	require.NoError(t, err)
	require.Regexp(t, "^[0-9a-f]{32}$", first)
	again, err := Name(a)
	require.NoError(t, err)
	require.Equal(t, first, again)
	other, err := Name(b)
	require.NoError(t, err)
	require.NotEqual(t, first, other)
	raw, err := os.ReadFile(filepath.Join(a, fileName))
	require.NoError(t, err)
	require.NotContains(t, fmt.Sprintf("%x", raw), first)
	require.NoError(t, v.change(words("y"), leastCost))
	again, err = Name(a)
	require.NoError(t, err)
	require.NotEqual(t, first, again)
}

func TestFailedChangeKeepsTheKey(t *testing.T) {
	dir := t.TempDir()
	v := made(t, dir, words("old"))
	require.ErrorIs(t, v.Change(words("")), ErrEmpty)
	require.NoError(t, os.Mkdir(filepath.Join(dir, fileName+".new"), 0o700))
	require.Error(t, v.change(words("new"), leastCost))
	_, err := Open(dir, words("old"))
	require.NoError(t, err)
}

// Of many that start for the first time at once one makes the vault.
func TestOneOfManyCreates(t *testing.T) {
	dir := t.TempDir()
	var all sync.WaitGroup
	vaults := make([]*Vault, 8)
	for i := range vaults {
		all.Go(func() { vaults[i], _ = create(dir, KeyFile(filepath.Join(dir, "key")), leastCost) })
	}
	all.Wait()
	opened, err := Open(dir, KeyFile(filepath.Join(dir, "key")))
	require.NoError(t, err)
	makers := 0
	for _, v := range vaults {
		if v != nil {
			makers++
			require.Equal(t, opened.master, v.master)
		}
	}
	require.Equal(t, 1, makers)
}

func TestPassphraseFiles(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "pass")
	made(t, dir, words(" two words "))
	for _, text := range []string{" two words ", " two words \n", " two words \r\n"} {
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		k, err := PassphraseFile(path)
		require.NoError(t, err)
		_, err = Open(dir, k)
		require.NoError(t, err, "%q", text)
	}
	require.NoError(t, os.WriteFile(path, []byte("\n"), 0o600))
	_, err := PassphraseFile(path)
	require.ErrorIs(t, err, ErrEmpty)
	require.NoError(t, os.WriteFile(path, make([]byte, maxPassphrase+1), 0o600))
	_, err = PassphraseFile(path)
	require.ErrorIs(t, err, folder.ErrTooLarge)
	for _, name := range []string{"", "../pass", "/etc/passwd", "a/b"} {
		_, err = Credential(dir, name)
		require.ErrorIs(t, err, fs.ErrInvalid, name)
	}
	if runtime.GOOS == "windows" {
		return
	}
	require.NoError(t, os.WriteFile(path, []byte("x"), 0o600))
	require.NoError(t, os.Chmod(path, 0o440))
	_, err = PassphraseFile(path)
	require.ErrorIs(t, err, folder.ErrExposed)
	_, err = Credential(dir, "pass")
	require.NoError(t, err)
	require.NoError(t, os.Chmod(path, 0o444))
	_, err = Credential(dir, "pass")
	require.ErrorIs(t, err, folder.ErrExposed)
}

func TestExposedKeyFileIsRefused(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "key")
	made(t, dir, KeyFile(path))
	info, err := os.Stat(path)
	require.NoError(t, err)
	if runtime.GOOS == "windows" {
		return
	}
	require.Equal(t, fs.FileMode(0o600), info.Mode().Perm())
	require.NoError(t, os.Chmod(path, 0o644))
	_, err = Open(dir, KeyFile(path))
	require.ErrorIs(t, err, folder.ErrExposed)
}

// A vault cut at any byte, or with any one bit changed, is an error.
func TestDamagedVaultIsNoticed(t *testing.T) {
	dir := t.TempDir()
	k := KeyFile(filepath.Join(t.TempDir(), "key"))
	made(t, dir, k)
	path := filepath.Join(dir, fileName)
	raw, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Len(t, raw, headerSize)
	for i := range raw {
		require.NoError(t, os.WriteFile(path, raw[:i], 0o600))
		_, err := Open(dir, k)
		require.ErrorIs(t, err, ErrDamaged, "cut at %d", i)
	}
	for bit := range len(raw) * 8 {
		bad := bytes.Clone(raw)
		bad[bit/8] ^= 1 << (bit % 8)
		_, err := parseHeader(bad)
		require.ErrorIs(t, err, ErrDamaged, "bit %d", bit)
	}
	require.NoError(t, os.WriteFile(path, append(raw, 0), 0o600))
	_, err = Open(dir, k)
	require.ErrorIs(t, err, ErrDamaged)
}

// Somebody who can write the file, sum included, cannot make us pay more than
// the bounds allow, and learns nothing from a cheap one.
func TestHostileCosts(t *testing.T) {
	dir := t.TempDir()
	made(t, dir, words("x"))
	path := filepath.Join(dir, fileName)
	raw, err := os.ReadFile(path)
	require.NoError(t, err)
	for _, c := range []cost{
		{}, {1, 1, 0}, {1, 0, 64 << 10}, {0, 3, 64 << 10}, {1, 1, 8<<10 - 1},
		{17, 3, 64 << 10}, {4, 17, 64 << 10}, {4, 3, 256<<10 + 1}, {255, 1<<32 - 1, 1<<32 - 1},
	} {
		h, err := parseHeader(raw)
		require.NoError(t, err)
		h.cost = c
		require.NoError(t, os.WriteFile(path, h.marshal(), 0o600))
		_, err = Open(dir, words("x"))
		require.ErrorIs(t, err, ErrDamaged, "%+v", c)
	}
	h, err := parseHeader(raw)
	require.NoError(t, err)
	h.cost.memory++
	require.NoError(t, os.WriteFile(path, h.marshal(), 0o600))
	_, err = Open(dir, words("x"))
	require.ErrorIs(t, err, ErrPassphrase, "the cost is bound to the key")
}

func TestLaterVersionIsLeftAlone(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, fileName)
	for _, size := range []int{headerSize + 1, 500} {
		raw := append([]byte(magic), version+1)
		raw = append(raw, make([]byte, size-len(raw))...)
		require.NoError(t, os.WriteFile(path, raw, 0o600))
		_, err := Open(dir, words("x"))
		require.ErrorIs(t, err, ErrVersion)
		_, err = create(dir, words("x"), leastCost)
		require.ErrorIs(t, err, fs.ErrExist)
	}
}

// Nothing that holds a key prints it.
func TestKeysDoNotPrint(t *testing.T) {
	const canary = "canary-in-the-vault"
	k := words(canary)
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "key", k)
	for _, text := range []string{fmt.Sprint(k), fmt.Sprintf("%+v %#v", k, k), log.String()} {
		require.NotContains(t, text, canary)
	}
}

func FuzzHeader(f *testing.F) {
	dir := f.TempDir()
	_, err := create(dir, words("x"), leastCost)
	require.NoError(f, err)
	raw, err := os.ReadFile(filepath.Join(dir, fileName))
	require.NoError(f, err)
	f.Add(raw[:bodySize])
	f.Fuzz(func(t *testing.T, body []byte) {
		h, err := parseHeader(body)
		if err == nil {
			require.Equal(t, body, h.marshal())
		}
		// Behind a right sum the fields themselves are reached.
		if len(body) != bodySize {
			return
		}
		h = header{kind: Kind(body[13]), cost: cost{body[14], uint32(body[16]), uint32(body[20])}}
		copy(h.salt[:], body[24:])
		if _, err := parseHeader(h.marshal()); err == nil {
			require.True(t, h.kind == ByKeyFile || h.cost.within(leastCost, mostCost))
		}
	})
}

func FuzzKeyFile(f *testing.F) {
	f.Add(marshalKeyFile(make([]byte, keySize)))
	f.Fuzz(func(t *testing.T, raw []byte) {
		secret, err := parseKeyFile(raw)
		if err == nil {
			require.Len(t, secret, keySize)
		}
	})
}
