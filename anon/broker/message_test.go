package broker

import (
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"sotto/anon"
)

func TestMessagesHideKeys(t *testing.T) {
	m := message{head{Verb: verbOpen}, []string{"label", "key material"}}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%q", "%d"} {
		require.NotContains(t, fmt.Sprintf(verb+verb, m, &m), "key")
	}
}

// FuzzMessage: what parses can be written in one way only, and an error that has
// crossed crosses again.
func FuzzMessage(f *testing.F) {
	failed := message{head: head{Verb: verbProbe, ID: 7}, texts: []string{"where", "", "note"}}
	failed.fail(&anon.LeakError{Op: "dial", Want: "a", Got: "b"})
	for _, m := range []message{
		hello(message{}), failed, {head{Verb: verbOpen, Port: 6881}, []string{"label", "key"}},
		{head: head{Verb: verbDial, Remote: placeOf(anon.OnionAddr([32]byte{1}, 80))}},
	} {
		f.Add(encoded(m))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := parse(b)
		if err != nil {
			require.ErrorIs(t, err, anon.ErrProtocol)
			return
		}
		if len(b) <= maxMessage {
			require.Equal(t, b, encoded(m), "two ways to say one thing")
		}
		_, _ = parseHello(b)
		if err := m.takeFault(); err != nil {
			again := message{}
			again.fail(err)
			second := again.takeFault()
			require.Equal(t, cut(err.Error()), second.Error())
			for _, kind := range kinds {
				require.Equal(t, errors.Is(err, kind), errors.Is(second, kind))
			}
		}
	})
}
