package census

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const tcpTable = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 17 1 0 100 0
   1: 00000000:0001 00000000:0002 06 00000000:00000000 00:00000000 00000000     0        0 0 1 0 100 0
`

const unixTable = `Num       RefCount Protocol Flags    Type St Inode Path
0000000000000000: 00000002 00000000 00010000 0001 01    23 /run/a b
0000000000000000: 00000003 00000000 00000000 0001 03   117
`

func TestParsersSkipAndRefuse(t *testing.T) {
	known := map[uint64]Socket{}
	require.NoError(t, parseInet(strings.NewReader(tcpTable), TCP, known))
	require.NoError(t, parseUnix(strings.NewReader(unixTable), known))
	require.Equal(t, map[uint64]Socket{
		17:  {Kind: TCP, Local: "0.0.0.0:8080", State: "listen"},
		23:  {Kind: Unix, Local: "/run/a b", State: "listen"},
		117: {Kind: Unix, State: "established"},
	}, known)
	for _, bad := range []string{"h\nx y z\n", "h\n0: zz:1 0:0 01 a a a a a 1\n", strings.Repeat("x", maxLine+1)} {
		require.Error(t, parseInet(strings.NewReader(bad), TCP, known), bad[:4])
	}
}

func FuzzTables(f *testing.F) {
	f.Add(tcpTable)
	f.Add(unixTable)
	f.Fuzz(func(t *testing.T, table string) {
		known := map[uint64]Socket{}
		// An error is as good as a result; neither may panic.
		_ = parseInet(strings.NewReader(table), TCP, known)
		_ = parseUnix(strings.NewReader(table), known)
		_ = parseInodes(strings.NewReader(table), "netlink", 9, known)
		for inode, s := range known {
			require.NotEmpty(t, s.Kind, inode)
		}
	})
}

func FuzzPeers(f *testing.F) {
	f.Add(make([]byte, 64))
	f.Add([]byte{40, 0, 0, 0, 20, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 0, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 8, 0, 2, 0, 9, 0, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		pairs, _, err := parsePeers(b)
		if err != nil {
			require.Empty(t, pairs)
		}
		require.LessOrEqual(t, len(pairs), len(b)/16)
	})
}
