package mse

import (
	"bufio"
	"bytes"
	"io"
	"math/big"
	"net"
	"testing"

	"github.com/stretchr/testify/require"

	"sotto/anon/profile"
)

// script is a peer that says what it has to say whatever it hears.
type script struct {
	net.Conn
	io.Reader
}

func (script) Write(b []byte) (int, error)  { return len(b), nil }
func (s script) Read(b []byte) (int, error) { return s.Reader.Read(b) }

// knowing returns an exchange with a peer that has a good key, and that peer's
// own view of it, by which its words can be encrypted.
func knowing(t *testing.T, hash [20]byte) (ours, theirs *exchange, key []byte) {
	ours, err := newExchange(script{}, hash)
	require.NoError(t, err)
	theirs, err = newExchange(script{}, hash)
	require.NoError(t, err)
	public := func(e *exchange) *big.Int { return new(big.Int).Exp(big.NewInt(2), e.private, e.prime) }
	new(big.Int).Exp(public(ours), theirs.private, theirs.prime).FillBytes(theirs.secret[:])
	return ours, theirs, public(theirs).FillBytes(make([]byte, keySize))
}

// FuzzKnowing is what a peer can do that knows the torrent: say anything
// behind a good exchange, as dialer and as acceptor.
func FuzzKnowing(f *testing.F) {
	methods := func(offer byte, more string) []byte {
		return []byte("\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00" + string([]byte{offer}) + more)
	}
	f.Add(methods(2, "\x00\x00\x00\x05hello and more"), uint8(profile.Required))
	f.Add(methods(1, "\x00\x02xx\x00\x05hello and more"), uint8(profile.Accept))
	f.Add(methods(3, "\xff\xff"), uint8(profile.Preferred))
	f.Fuzz(func(t *testing.T, in []byte, policy uint8) {
		hash := [20]byte{9}
		how := profile.Encryption(policy % 3)

		ours, theirs, key := knowing(t, hash)
		sync, torrent := theirs.marks()
		words := bytes.Clone(in)
		theirs.cipher("keyA").XORKeyStream(words, words)
		said := bytes.Join([][]byte{key, sync[:], torrent[:], words}, nil)
		ours.in = bufio.NewReader(bytes.NewReader(said))
		if c, err := ours.accept(how); err == nil {
			got, err := io.ReadAll(c)
			require.NoError(t, err)
			require.LessOrEqual(t, len(got), len(in))
			if in[11]&byte(rc4) != 0 {
				require.True(t, bytes.HasSuffix(in, got), "every byte behind the exchange, and no other")
			}
		}

		ours, theirs, key = knowing(t, hash)
		words = bytes.Clone(in)
		theirs.cipher("keyB").XORKeyStream(words, words)
		ours.in = bufio.NewReader(bytes.NewReader(append(key, words...)))
		if c, err := ours.dial(rc4, nil); err == nil {
			got, err := io.ReadAll(c)
			require.NoError(t, err)
			require.True(t, bytes.HasSuffix(in, got))
		}
	})
}
