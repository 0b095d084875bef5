package vault

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"sotto/anon"
)

func twoBoxes(t testing.TB) (a, b *Box) {
	t.Helper()
	v := &Vault{master: random(keySize)}
	a, err := v.Box("a")
	require.NoError(t, err)
	b, err = v.Box("b")
	require.NoError(t, err)
	return a, b
}

func TestBoxRoundTrip(t *testing.T) {
	box, _ := twoBoxes(t)
	for _, n := range []int{0, 1, 251, 252, 253, 1000, 1 << 20} {
		record := random(n)
		sealed := box.Seal("name", record)
		require.NotEqual(t, sealed, box.Seal("name", record), "nonces are fresh")
		got, err := box.Open("name", sealed)
		require.NoError(t, err)
		require.True(t, bytes.Equal(record, got))
	}
	require.Panics(t, func() { box.Seal("x", make([]byte, MaxRecord+1)) })
}

func TestRecordsStayWhereTheyWere(t *testing.T) {
	box, other := twoBoxes(t)
	sealed := box.Seal("name", []byte("record"))
	_, err := box.Open("name2", sealed)
	require.ErrorIs(t, err, ErrDamaged)
	_, err = other.Open("name", sealed)
	require.ErrorIs(t, err, ErrDamaged)
	_, err = box.OpenSecret("name", sealed)
	require.ErrorIs(t, err, ErrDamaged)
	_, err = box.Open("name", box.SealSecret("name", anon.NewSecret([]byte("k"))))
	require.ErrorIs(t, err, ErrDamaged, "secrets come out as secrets only")
}

func TestSecretRoundTrip(t *testing.T) {
	box, _ := twoBoxes(t)
	for _, raw := range [][]byte{nil, []byte("key")} {
		s, err := box.OpenSecret("n", box.SealSecret("n", anon.NewSecret(raw)))
		require.NoError(t, err)
		require.Equal(t, raw, s.Expose())
	}
}

func TestTags(t *testing.T) {
	a, b := twoBoxes(t)
	require.Equal(t, a.Tag("x", "y"), a.Tag("x", "y"))
	seen := map[[TagSize]byte]bool{}
	for _, tag := range [][TagSize]byte{a.Tag("x", "y"), a.Tag("xy"), a.Tag("x", "y", ""), a.Tag(), a.Tag(""), b.Tag("x", "y")} {
		require.False(t, seen[tag])
		seen[tag] = true
	}
}

// A sealed record with any one bit changed, or cut anywhere, does not open.
func TestDamagedRecordIsNoticed(t *testing.T) {
	box, _ := twoBoxes(t)
	sealed := box.Seal("n", []byte("record"))
	for bit := range len(sealed) * 8 {
		bad := bytes.Clone(sealed)
		bad[bit/8] ^= 1 << (bit % 8)
		_, err := box.Open("n", bad)
		require.ErrorIs(t, err, ErrDamaged)
	}
	for i := range sealed {
		_, err := box.Open("n", sealed[:i])
		require.ErrorIs(t, err, ErrDamaged)
	}
}

func TestSizesTellLittle(t *testing.T) {
	sizes := map[int]bool{}
	for n := 0; n < 100_000; n += 7 {
		p := padded(n)
		require.GreaterOrEqual(t, p, n)
		require.LessOrEqual(t, p-n, max(minText, n/16))
		require.Equal(t, p, padded(p), "a size is its own")
		sizes[p] = true
	}
	require.Less(t, len(sizes), 250)
	box, _ := twoBoxes(t)
	require.Len(t, box.Seal("n", []byte("a short name")), len(box.Seal("n", bytes.Repeat([]byte("long"), 60))))
}

func FuzzOpen(f *testing.F) {
	box, _ := twoBoxes(f)
	sealed := box.Seal("n", []byte("record"))
	f.Add([]byte("n"), sealed[:len(sealed)-1])
	f.Add([]byte("m"), sealed)
	f.Fuzz(func(t *testing.T, name, sealed []byte) {
		_, err := box.Open(string(name), sealed)
		require.ErrorIs(t, err, ErrDamaged)
	})
}
