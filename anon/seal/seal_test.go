package seal_test

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"sotto/anon"
	"sotto/anon/guard"
	"sotto/anon/seal"
	"sotto/anon/vault"
	"sotto/transport"
	"sotto/transport/memory"
	"sotto/transport/transporttest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func boxes(t *testing.T) (a, b *vault.Box) {
	dir := t.TempDir()
	v, err := vault.Create(dir, vault.KeyFile(filepath.Join(dir, "key")))
	require.NoError(t, err)
	defer v.Close()
	a, err = v.Box("keys")
	require.NoError(t, err)
	b, err = v.Box("state")
	require.NoError(t, err)
	return a, b
}

func TestConformance(t *testing.T) {
	box, _ := boxes(t)
	transporttest.Run(t, transporttest.Factory{Make: func(t *testing.T) (a, b transport.Transport) {
		n := memory.New(memory.Options{})
		return seal.New(guard.New(n.Transport(), guard.Options{}), box), seal.New(guard.New(n.Transport(), guard.Options{}), box)
	}})
}

// witness notes the keys that reach the transport inside.
type witness struct {
	*guard.Guard
	made, opened []string
}

func (w *witness) NewKey(ctx context.Context) (anon.Secret, error) {
	key, err := w.Guard.NewKey(ctx)
	w.made = append(w.made, string(key.Expose()))
	return key, err
}

func (w *witness) Open(ctx context.Context, id anon.Identity) (transport.Endpoint, error) {
	w.opened = append(w.opened, string(id.Key.Expose()))
	return w.Guard.Open(ctx, id)
}

// The key is inside what comes out, and cannot be read from it; it opens the same
// address each time, also in a later run.
func TestKeysStaySealed(t *testing.T) {
	box, other := boxes(t)
	n := memory.New(memory.Options{})
	w := &witness{Guard: guard.New(n.Transport(), guard.Options{})}
	defer w.Close()
	key, err := seal.New(w, box).NewKey(t.Context())
	require.NoError(t, err)
	require.NotContains(t, string(key.Expose()), w.made[0])
	var seen []anon.Addr
	for range 2 {
		e, err := seal.New(w, box).Open(t.Context(), anon.Identity{Network: anon.Memory, Label: "x", Key: key})
		require.NoError(t, err)
		seen = append(seen, e.Addr())
		require.NoError(t, e.Close())
	}
	require.Equal(t, seen[0], seen[1])
	require.Equal(t, []string{w.made[0], w.made[0]}, w.opened)

	// Nobody opens what another box has sealed, a key in the clear, or a changed one.
	sealed := key.Expose()
	sealed[len(sealed)/2] ^= 1
	for name, bad := range map[string]anon.Secret{
		"the key itself": anon.NewSecret([]byte(w.made[0])),
		"a changed one":  anon.NewSecret(sealed),
		"a long one":     anon.NewSecret([]byte(strings.Repeat("x", 4096))),
		"nobody's":       anon.NewSecret(box.SealSecret("key/memory", anon.Secret{})),
		"another box's":  anon.NewSecret(other.SealSecret("key/memory", anon.NewSecret([]byte(w.made[0])))),
		"another net's":  anon.NewSecret(box.SealSecret("key/tor", anon.NewSecret([]byte(w.made[0])))),
	} {
		_, err := seal.New(w, box).Open(t.Context(), anon.Identity{Network: anon.Memory, Label: "x", Key: bad})
		require.ErrorIs(t, err, anon.ErrPermission, name)
	}
	require.Len(t, w.opened, 2)
	e, err := seal.New(w, box).Open(t.Context(), anon.Identity{Network: anon.Memory, Label: "x"})
	require.NoError(t, err)
	require.NoError(t, e.Close())
}

// An engine that needs no keys gets none, and brings none of its own.
func TestKeyless(t *testing.T) {
	n := memory.New(memory.Options{})
	w := &witness{Guard: guard.New(n.Transport(), guard.Options{})}
	defer w.Close()
	k := seal.Keyless{Inner: w}
	_, err := k.NewKey(t.Context())
	require.ErrorIs(t, err, errors.ErrUnsupported)
	key, err := w.NewKey(t.Context())
	require.NoError(t, err)
	_, err = k.Open(t.Context(), anon.Identity{Network: anon.Memory, Label: "x", Key: key})
	require.ErrorIs(t, err, anon.ErrPermission)
	require.Empty(t, w.opened)
	e, err := k.Open(t.Context(), anon.Identity{Network: anon.Memory, Label: "x"})
	require.NoError(t, err)
	require.NoError(t, e.Close())
}
