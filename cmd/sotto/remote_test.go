package main

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"rsc.io/qr"

	"sotto/anon/vault"
)

func TestRemoteIsSealed(t *testing.T) {
	v, err := vault.Create(t.TempDir(), vault.KeyFile(t.TempDir()+"/key"))
	require.NoError(t, err)
	box, err := v.Box(remoteBox)
	require.NoError(t, err)
	r := newRemote()
	sealed := r.seal(box)
	got, err := openSealedRemote(box, sealed)
	require.NoError(t, err)
	require.Equal(t, r.addr, got.addr)
	require.Equal(t, r.key.Expose(), got.key.Expose())
	require.Equal(t, r.client.Expose(), got.client.Expose())
	for _, secret := range [][]byte{r.key.Expose(), r.client.Expose()} {
		require.False(t, bytes.Contains(sealed, secret))
		require.NotContains(t, fmt.Sprintf("%v %+v", r, &r), string(secret))
	}
	require.NotContains(t, fmt.Sprintf("%v %+v", r, &r), r.addr.Host())

	state, err := v.Box("state")
	require.NoError(t, err)
	_, err = openSealedRemote(state, sealed)
	require.ErrorIs(t, err, vault.ErrDamaged, "the engine's box does not open it")
	require.NotEqual(t, r.addr, newRemote().addr)
}

// What is drawn is the code, module by module, in a white margin.
func TestQRIsTheCode(t *testing.T) {
	text := strings.Repeat("http://sotto:token@onion/", 7)
	code, err := qr.Encode(text, qr.L)
	require.NoError(t, err)
	var out bytes.Buffer
	require.NoError(t, drawQR(&out, text))
	lines := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
	require.Len(t, lines, (code.Size+2*quiet+1)/2)
	black := 0
	for i, line := range lines {
		line, ok := strings.CutPrefix(strings.TrimSuffix(line, "\x1b[0m"), "\x1b[30;107m")
		require.True(t, ok)
		cells := []rune(line)
		require.Len(t, cells, code.Size+2*quiet)
		for j, cell := range cells {
			x, y := j-quiet, 2*i-quiet
			upper, lower := cell == '▀' || cell == '█', cell == '▄' || cell == '█'
			require.Equal(t, code.Black(x, y), upper)
			require.Equal(t, code.Black(x, y+1), lower)
			if upper {
				black++
			}
		}
	}
	require.Greater(t, black, 100)
	require.Error(t, drawQR(&out, strings.Repeat("x", 4000)))
}
