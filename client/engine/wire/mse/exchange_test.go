package mse

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"testing"

	"github.com/stretchr/testify/require"

	"sotto/anon"
	"sotto/anon/profile"
)

// A dialer that knows the torrent, and may therefore say what it likes behind
// the exchange, is bounded there as well.
func TestHostileMethods(t *testing.T) {
	hash := [20]byte{7}
	methods := func(vc byte, offer uint32, pad uint16) []byte {
		b := append(make([]byte, vcSize-1), vc)
		return binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint32(b, offer), pad)
	}
	none := []byte{0, 0}
	for _, c := range []struct {
		name string
		in   []byte
		want error
	}{
		{"right, RC4", append(methods(0, rc4, 0), none...), nil},
		{"right, more methods than we know", append(methods(0, 1<<32-1, 0), none...), nil},
		{"another constant", methods(1, rc4, 0), anon.ErrProtocol},
		{"padding of 513", methods(0, rc4, maxPad+1), anon.ErrProtocol},
		{"padding of 65535", methods(0, rc4, 1<<16-1), anon.ErrProtocol},
		{"no method", append(methods(0, 0, 0), none...), anon.ErrProtocol},
		{"methods we do not know", append(methods(0, 12, 0), none...), anon.ErrProtocol},
		{"plain alone", append(methods(0, plain, 0), none...), anon.ErrProtocol},
	} {
		t.Run(c.name, func(t *testing.T) {
			near, far := net.Pipe()
			accepted := make(chan error, 1)
			go func() {
				_, err := Accept(far, profile.Required, hash)
				far.Close()
				accepted <- err
			}()
			e, err := newExchange(near, hash)
			require.NoError(t, err)
			drained := make(chan struct{})
			require.NoError(t, sendBareKey(e))
			require.NoError(t, e.readKey())
			go func() {
				defer close(drained)
				io.Copy(io.Discard, e.in)
			}()
			sync, torrent := e.marks()
			out := append(append(append([]byte{}, sync[:]...), torrent[:]...), c.in...)
			e.cipher("keyA").XORKeyStream(out[40:], out[40:])
			_, err = near.Write(out)
			require.True(t, err == nil || errors.Is(err, io.ErrClosedPipe))
			require.ErrorIs(t, <-accepted, c.want)
			require.NoError(t, near.Close())
			<-drained
		})
	}
}

// sendBareKey sends a public key without padding: nobody reads it on a pipe
// before the answer.
func sendBareKey(e *exchange) error {
	var buf capture
	with := *e
	with.c = &buf
	if err := with.sendKey(); err != nil {
		return err
	}
	_, err := e.c.Write(buf.b[:keySize])
	return err
}

type capture struct {
	net.Conn
	b []byte
}

func (c *capture) Write(b []byte) (int, error) {
	c.b = append(c.b, b...)
	return len(b), nil
}
