package main

import (
	"testing"

	"github.com/stretchr/testify/require"

	"sotto/anon/cage"
)

// prove says where an older kernel has fewer walls, and is silent where it has
// all or where the label says it.
func TestLandlockText(t *testing.T) {
	for _, tc := range []struct {
		landlock int
		own      bool
		want     string
	}{
		{0, true, ""},
		{2, true, "Landlock of this kernel (version 2) does not stop TCP, other programs' sockets and signals: the namespaces and seccomp do"},
		{2, false, "Landlock of this kernel (version 2) does not stop TCP, other programs' sockets and signals: seccomp alone does"},
		{5, true, "Landlock of this kernel (version 5) does not stop other programs' sockets and signals: the namespaces and seccomp do"},
		{6, true, ""},
		{6, false, ""},
		{10, true, ""},
	} {
		require.Equal(t, tc.want, landlockText(cage.Facts{Landlock: tc.landlock, OwnNetwork: tc.own}))
	}
}
