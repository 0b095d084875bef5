package vault

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

func handed(t testing.TB, b *Box) []byte {
	t.Helper()
	var frame bytes.Buffer
	require.NoError(t, b.Hand(&frame))
	require.Equal(t, handSize, frame.Len())
	return frame.Bytes()
}

// A box is the same on the other side of a pipe, and no other.
func TestBoxCrosses(t *testing.T) {
	box, other := twoBoxes(t)
	r, w, err := os.Pipe()
	require.NoError(t, err)
	defer r.Close()
	sent := make(chan error, 1)
	go func() {
		err := box.Hand(w)
		fmt.Fprint(w, "next")
		sent <- errors.Join(err, w.Close())
	}()
	got, err := Take(r)
	require.NoError(t, err)
	rest, err := io.ReadAll(r)
	require.NoError(t, err)
	require.Equal(t, "next", string(rest), "what follows is not the box's")
	require.NoError(t, <-sent)

	record, err := got.Open("name", box.Seal("name", []byte("record")))
	require.NoError(t, err)
	require.Equal(t, "record", string(record))
	record, err = box.Open("name", got.Seal("name", []byte("record")))
	require.NoError(t, err)
	require.Equal(t, "record", string(record))
	require.Equal(t, box.Tag("x"), got.Tag("x"))

	_, err = got.Open("name", other.Seal("name", nil))
	require.ErrorIs(t, err, ErrDamaged, "one box opens one purpose's records")
	require.Equal(t, handed(t, box), handed(t, got), "a box that was taken can be handed on")
}

// Neither the master key nor another box's is in the frame.
func TestHandTellsOneBoxOnly(t *testing.T) {
	master := random(keySize)
	v := &Vault{master: master}
	a, err := v.Box("a")
	require.NoError(t, err)
	b, err := v.Box("b")
	require.NoError(t, err)
	frame := handed(t, a)
	for _, secret := range [][]byte{master, b.key, b.tags} {
		require.False(t, bytes.Contains(frame, secret))
	}
	require.True(t, bytes.Contains(frame, a.key), "the test looks at the right bytes")
}

// hold keeps what it is given without a copy.
type hold struct{ got []byte }

func (h *hold) Write(b []byte) (int, error) { h.got = b; return len(b), nil }

func TestHandLeavesNothing(t *testing.T) {
	box, _ := twoBoxes(t)
	var h hold
	require.NoError(t, box.Hand(&h))
	require.Equal(t, make([]byte, handSize), h.got)
}

func TestSpoiltFrames(t *testing.T) {
	box, _ := twoBoxes(t)
	frame := handed(t, box)
	for bit := range len(frame) * 8 {
		bad := bytes.Clone(frame)
		bad[bit/8] ^= 1 << (bit % 8)
		_, err := Take(bytes.NewReader(bad))
		require.ErrorIs(t, err, errFrame)
	}
	for i := range frame {
		_, err := Take(bytes.NewReader(frame[:i]))
		want := io.ErrUnexpectedEOF
		if i == 0 {
			want = io.EOF
		}
		require.ErrorIs(t, err, want)
	}
	next := bytes.Clone(frame)
	next[len(handMagic)]++
	sum := sha256.Sum256(next[:handBody])
	copy(next[handBody:], sum[:])
	_, err := Take(bytes.NewReader(next))
	require.ErrorIs(t, err, errFrame, "another version")
	require.ErrorIs(t, box.Hand(broken{}), io.ErrClosedPipe)
}

// broken is a pipe whose reader has died.
type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

func TestBoxesDoNotPrint(t *testing.T) {
	v := &Vault{master: random(keySize)}
	box, err := v.Box("a")
	require.NoError(t, err)
	for _, secret := range [][]byte{box.key, box.tags, v.master} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%x", "%s"} {
			text := fmt.Sprintf(verb+verb+verb, box, *box, v)
			require.NotContains(t, text, hex.EncodeToString(secret))
			require.NotContains(t, text, fmt.Sprint(secret[:4])[1:8])
		}
	}
}

// FuzzTake: what is taken is what Hand writes of it, byte for byte.
func FuzzTake(f *testing.F) {
	box, _ := twoBoxes(f)
	frame := handed(f, box)
	f.Add(frame[:handBody])
	f.Add(append(frame[:handBody:handBody], 1, 2, 3))
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) >= handBody { // behind a right sum the rest is reached
			sum := sha256.Sum256(b[:handBody])
			b = append(b[:handBody:handBody], sum[:]...)
		}
		got, err := Take(bytes.NewReader(b))
		if err != nil {
			require.Nil(t, got)
			return
		}
		require.Equal(t, b, handed(t, got))
	})
}
