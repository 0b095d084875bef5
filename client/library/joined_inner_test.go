package library

import (
	"testing"

	"github.com/stretchr/testify/require"

	"sotto/client/api/rpc"
)

func TestTheLastChoiceForAFileHolds(t *testing.T) {
	set := func(i ...int) rpc.FileSet { return rpc.FileSet{Index: i} }
	all := rpc.FileSet{All: true}
	var c *rpc.FileChange
	for _, next := range []rpc.FileChange{
		{High: set(0, 1, 2)}, {Low: set(1)}, {Normal: set(2)}, {Unwanted: set(0, 1)}, {Wanted: set(1)},
	} {
		c = joined(c, next)
	}
	require.Equal(t, rpc.FileChange{
		High: set(0), Low: set(1), Normal: set(2), Unwanted: set(0), Wanted: set(1),
	}, *c)
	require.Equal(t, rpc.FileChange{Low: all, Unwanted: set(0), Wanted: set(1)}, *joined(c, rpc.FileChange{Low: all}))
	again := joined(c, *c)
	require.Equal(t, *c, *again, "said twice it is kept once")
}
