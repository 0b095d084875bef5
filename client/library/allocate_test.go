package library_test

import (
	"path/filepath"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"sotto/client/api/rpc"
	"sotto/client/health"
	"sotto/client/library"
	"sotto/transport/memory"
)

// A download that takes its room beforehand does not begin where the disk has too
// little for all of it, says so, and goes on by itself.
func TestPreallocate(t *testing.T) { synctest.Test(t, testPreallocate) }

func testPreallocate(t *testing.T) {
	b := newLab(t, memory.Options{})
	var free atomic.Int64
	free.Store(library.DefaultReserve + 1_000_000) // enough to begin, as others do
	b.change = func(o *library.Options) {
		o.Preallocate = true
		o.Space = func(string) (int64, int64, error) { return free.Load(), 1 << 41, nil }
	}
	s := b.serve("album", 900_000)
	l := b.start()
	magnet := *s.link
	magnet.Info = nil
	id := l.add(&magnet)
	l.until(id, "waits", func(t rpc.Torrent) bool { return t.Fault == rpc.LocalFault })
	l.expect(health.DiskLow)
	require.NoFileExists(t, filepath.Join(b.folder, "album", "a.sotto-part"))
	free.Store(1 << 40)
	l.until(id, "done", seeding)
	s.requireIn(t, b.folder)
	l.expect()
	l.stop()
	l = b.start()
	l.until(l.all()[0].ID, "again", seeding)
}
