package client_test

import (
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"sotto/client/metainfo"
	"sotto/transport/memory"
)

var newFormats = []metainfo.Format{metainfo.FormatHybrid, metainfo.FormatV2}

// What is shared with a v2 part can be had by each of its names.
func TestShareAndGetV2(t *testing.T) {
	for _, f := range newFormats {
		for name, change := range map[string]func(*metainfo.Link){
			"as it is":    func(*metainfo.Link) {},
			"of v2 alone": func(l *metainfo.Link) { l.InfoHash = [20]byte(l.V2Hash[:20]) },
			"of one hash": func(l *metainfo.Link) { l.V2Hash = [32]byte{} },
		} {
			t.Run(f.String()+" "+name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := newWorld(t, memory.Options{HideDialers: true})
					dir, want := folder(t, 2<<20)
					alice := w.user()
					alice.Format = f
					link := alice.share(t, dir)
					change(link)
					bob := w.user()
					done, err := bob.Get(t.Context(), link, t.TempDir())
					require.NoError(t, err)
					require.Equal(t, want, sums(t, done.Path))
				})
			})
		}
	}
}
