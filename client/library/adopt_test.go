package library_test

import (
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"sotto/client/journal"
	"sotto/client/metainfo"
	"sotto/client/store"
	"sotto/transport/memory"
)

// A download that a get has left keeps all its names, so that it is looked for
// in both swarms of a hybrid, and its link leads others here.
func TestAdoptedDownloadsKeepTheirNames(t *testing.T) { synctest.Test(t, testAdoptedNames) }

func testAdoptedNames(t *testing.T) {
	for _, format := range []metainfo.Format{metainfo.FormatV1, metainfo.FormatHybrid, metainfo.FormatV2} {
		b := newLab(t, memory.Options{})
		_, link, _ := sample(t, "album", 100_000, format)
		j, err := journal.Open(b.state)
		require.NoError(t, err)
		require.NoError(t, j.Save(journal.Record{InfoHash: link.InfoHash, Dir: b.folder, Magnet: link.Magnet()}))
		st, err := store.Open(b.state, b.box)
		require.NoError(t, err)
		added, err := st.Adopt(j, func(string) bool { return true })
		require.NoError(t, err)
		require.Equal(t, 1, added)
		require.NoError(t, st.Close())

		l := b.start()
		got, err := metainfo.ParseMagnet(l.all()[0].Magnet)
		require.NoError(t, err)
		require.Equal(t, link.InfoHash, got.InfoHash)
		require.Equal(t, link.V2Hash, got.V2Hash, format)
		l.stop()
	}
}
