package library_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"sotto/anon"
	"sotto/client/api/rpc"
	"sotto/client/library"
	"sotto/transport"
	"sotto/transport/memory"
)

// A small file that was skipped, all of whose bytes came with its neighbours, is made
// when it is wanted, also of a torrent that only serves.
func TestSkippedFileIsMadeLater(t *testing.T) { synctest.Test(t, testSkippedFileIsMadeLater) }

func testSkippedFileIsMadeLater(t *testing.T) {
	b := newLab(t, memory.Options{})
	s := b.serve("album", 100_000)
	l := b.start()
	got, err := l.Add(t.Context(), rpc.Addition{Link: s.link, Files: rpc.FileChange{Unwanted: rpc.FileSet{Index: []int{1}}}})
	require.NoError(t, err)
	l.until(got.ID, "done", seeding)
	l.stop()
	l = b.start()
	id := l.all()[0].ID
	l.until(id, "serving", func(t rpc.Torrent) bool { return seeding(t) && t.Trackers[0].LastOK })
	require.NoFileExists(t, filepath.Join(b.folder, "album", "c"))
	require.NoError(t, l.Change(t.Context(), []int64{id}, rpc.Change{Files: rpc.FileChange{Wanted: rpc.FileSet{All: true}}}))
	l.until(id, "made", func(rpc.Torrent) bool {
		_, err := os.Stat(filepath.Join(b.folder, "album", "c"))
		return err == nil
	})
	s.requireIn(t, b.folder)
}

// gated is a network that lets nobody in before it is opened.
type gated struct {
	transport.Transport
	knock chan struct{}
	open  chan struct{}
}

func (g *gated) Open(ctx context.Context, id anon.Identity) (transport.Endpoint, error) {
	g.knock <- struct{}{}
	select {
	case <-g.open:
		return g.Transport.Open(ctx, id)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (g *gated) Probe(ctx context.Context) (transport.Status, error) {
	return g.Transport.(transport.Prober).Probe(ctx)
}

// A choice that is made while a torrent is on its way to a network holds there.
func TestChoiceOnTheWay(t *testing.T) { synctest.Test(t, testChoiceOnTheWay) }

func testChoiceOnTheWay(t *testing.T) {
	b := newLab(t, memory.Options{})
	s := b.serve("album", 100_000)
	g := &gated{knock: make(chan struct{}, 10), open: make(chan struct{})}
	b.change = func(o *library.Options) {
		g.Transport = o.Transports[0]
		o.Transports[0] = g
	}
	l := b.start()
	got, err := l.Add(t.Context(), rpc.Addition{Link: s.link, Files: rpc.FileChange{Unwanted: rpc.FileSet{Index: []int{0}}}})
	require.NoError(t, err)
	<-g.knock
	require.NoError(t, l.Change(t.Context(), []int64{got.ID}, rpc.Change{Files: rpc.FileChange{Wanted: rpc.FileSet{All: true}}}))
	close(g.open)
	l.until(got.ID, "all of it", func(t rpc.Torrent) bool { return seeding(t) && t.Valid == t.Size })
	s.requireIn(t, b.folder)
}
