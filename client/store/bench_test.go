package store

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"sotto/anon"
	"sotto/anon/vault"
)

// large is a library of 1,000 torrents with metadata of 64 KiB and resume
// state of 4,000 pieces and 20 files each.
func large(b *testing.B) (dir string, box *vault.Box, progress []Progress) {
	b.Helper()
	dir, box = b.TempDir(), newBox(b)
	s, err := Open(dir, box)
	require.NoError(b, err)
	var all []Torrent
	info := make([]byte, 64<<10)
	for n := range 1000 {
		one := sample(byte(n))
		binary.BigEndian.PutUint16(one.V1[2:], uint16(n))
		one.Queue = n
		all = append(all, one)
		progress = append(progress, Progress{ID: one.ID(),
			Resume: &Resume{Pieces: make([]byte, 500), Files: make([]Stamp, 20)},
			Totals: map[anon.Network]Totals{anon.Tor: {Up: int64(n)}}})
	}
	require.NoError(b, s.Put(all...))
	chacha := rand.NewChaCha8([32]byte{})
	for _, one := range all {
		chacha.Read(info)
		require.NoError(b, s.SaveMetadata(one.ID(), info, nil))
	}
	require.NoError(b, s.SaveProgress(progress...))
	require.NoError(b, s.Close())
	return dir, box, progress
}

// From nothing to everything that a daemon needs to show its list and go on.
func BenchmarkLoad1000(b *testing.B) {
	dir, box, _ := large(b)
	for b.Loop() {
		s, err := Open(dir, box)
		require.NoError(b, err)
		all, err := s.Torrents()
		require.NoError(b, err)
		require.Len(b, all, 1000)
		for _, one := range all {
			_, err := s.Progress(one.ID())
			require.NoError(b, err)
		}
		require.NoError(b, s.Close())
	}
}

func BenchmarkSaveProgress(b *testing.B) {
	dir, box, progress := large(b)
	s := opened(b, dir, box)
	for _, bench := range []struct {
		name string
		n    int
	}{{"of1", 1}, {"of100", 100}, {"of1000", 1000}} {
		b.Run(bench.name, func(b *testing.B) {
			for b.Loop() {
				require.NoError(b, s.SaveProgress(progress[:bench.n]...))
			}
		})
	}
}

func BenchmarkSnapshot1000(b *testing.B) {
	dir, box, progress := large(b)
	s := opened(b, dir, box)
	for b.Loop() {
		require.NoError(b, s.SaveProgress(progress[0]))
		require.NoError(b, s.Snapshot())
	}
}
