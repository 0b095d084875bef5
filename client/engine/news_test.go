package engine

import (
	"bytes"
	"crypto/sha1"
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/anacrolix/torrent/bencode"
	"github.com/anacrolix/torrent/metainfo"
	"github.com/stretchr/testify/require"

	"sotto/anon"
	"sotto/client/engine/wire"
	"sotto/transport/memory"
)

// wide is a torrent of many tiny pieces, all alike.
func wide(t testing.TB, pieces int) sample {
	const length = 64
	sum := sha1.Sum(make([]byte, length))
	info := bencode.MustMarshal(metainfo.Info{
		Name: "wide", PieceLength: length, Length: int64(pieces * length), Pieces: bytes.Repeat(sum[:], pieces),
	})
	return sample{
		info: info, hash: sha1.Sum(info), size: int64(pieces * length), order: []string{"wide"},
		files: map[string][]byte{"wide": make([]byte, pieces*length)},
	}
}

// A magnet is resumed with most of 200,000 pieces on disk. Whoever was met
// before we knew that is told of every one, without BEP 6 in one message.
func TestLargeResumeTellsEverything(t *testing.T) {
	const pieces, missing = 200_000, 1000
	s := wide(t, pieces)
	synctest.Test(t, func(t *testing.T) {
		n := memory.New(memory.Options{Delay: 100 * time.Millisecond, Rate: 300 << 10})
		us, them, seedEnd := open(t, n), open(t, n), open(t, n)
		s.seeder(t, seedEnd)
		dir := t.TempDir()
		s.write(t, dir)
		damaged := bytes.Repeat([]byte{1}, missing*64)
		require.NoError(t, os.WriteFile(filepath.Join(dir, "wide"), append(damaged, s.files["wide"][len(damaged):]...), 0o644))
		o := s.options(t, us, dir)
		o.Info = nil
		get := start(t, o)

		fast, _ := greet(t, them, us.Addr(), s.hash, "-XX0000-1")
		slow := dialRaw(t, open(t, n), us.Addr())
		_, err := slow.Write(wire.AppendHandshake(nil, wire.Handshake{Features: wire.Extensions, InfoHash: s.hash, PeerID: [20]byte{2}}))
		require.NoError(t, err)
		for _, p := range []rawPeer{fast, slow} {
			require.NoError(t, p.SetDeadline(time.Time{}))
		}
		slow.helloBack()
		get.AddPeers([]anon.Addr{seedEnd.Addr()})

		bits := wire.Bitfield(bytes.Clone(slow.until(msgBitfield)))
		require.GreaterOrEqual(t, bits.Count(), pieces-missing)
		require.False(t, bits.Get(missing-1))
		told := wire.NewBitfield(pieces)
		for range pieces {
			piece := int(binary.BigEndian.Uint32(fast.until(msgHave)))
			if told.Get(piece) {
				t.Fatalf("told twice of %d", piece)
			}
			told.Set(piece)
		}
		within(t, get.Done(), get)
		s.requireIn(t, dir)
	})
}
