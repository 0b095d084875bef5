package rpctest_test

import (
	"testing"

	"sotto/client/api/rpc"
	"sotto/client/api/rpc/rpctest"
)

func TestLibrary(t *testing.T) {
	rpctest.Run(t, func(_ *testing.T, folder string) rpc.Library { return rpctest.New(folder) })
}

func TestOwn(t *testing.T) {
	rpctest.RunOwn(t, func(_ *testing.T, folder string) rpctest.OwnLibrary { return rpctest.New(folder) })
}
