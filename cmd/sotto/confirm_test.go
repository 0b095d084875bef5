//go:build linux

package main

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// asked runs confirm at a terminal, which answer is done to when the question
// shows, and returns all that the terminal showed and what confirm says.
func asked(t *testing.T, answer func(keys *os.File, interrupt func())) (shown string, err error) {
	t.Helper()
	master, slave := terminal(t)
	ctx, interrupt := context.WithTimeout(t.Context(), time.Minute)
	defer interrupt()
	said := make(chan error, 1)
	go func() { said <- confirm(ctx, slave, slave, "Forget it? [y/N] ", true) }()
	var text strings.Builder
	for b := make([]byte, 100); !strings.Contains(text.String(), "[y/N] "); {
		n, err := master.Read(b)
		require.NoError(t, err)
		text.Write(b[:n])
	}
	answer(master, interrupt)
	return text.String(), <-said
}

// A question is asked once, and an interrupt is an answer to it.
func TestConfirm(t *testing.T) {
	for answer, want := range map[string]error{"y": nil, "YES": nil, "n": errNotConfirmed, "": errNotConfirmed, "yesterday": errNotConfirmed} {
		shown, err := asked(t, func(keys *os.File, _ func()) {
			_, err := keys.WriteString(answer + "\n")
			require.NoError(t, err)
		})
		require.ErrorIs(t, err, want, answer)
		require.Equal(t, 1, strings.Count(shown, "[y/N]"), answer)
	}
	_, err := asked(t, func(_ *os.File, interrupt func()) { interrupt() })
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorIs(t, err, errNotConfirmed)
}

// Where nobody can be asked, what matters is refused.
func TestConfirmWithoutATerminal(t *testing.T) {
	null, err := os.Open(os.DevNull)
	require.NoError(t, err)
	defer null.Close()
	require.ErrorIs(t, confirm(t.Context(), null, null, "?", true), errNobodyToAgree)
	require.NoError(t, confirm(t.Context(), null, null, "?", false))
}
