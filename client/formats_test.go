package client_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"sotto/client"
	"sotto/client/metainfo"
	"sotto/transport/memory"
)

var newFormats = []metainfo.Format{metainfo.FormatHybrid, metainfo.FormatV2}

// What is shared with a v2 part can be had by each of its names.
func TestShareAndGetV2(t *testing.T) {
	for _, f := range newFormats {
		w := newWorld(t, memory.Options{HideDialers: true})
		dir, want := folder(t, 2<<20)
		alice := w.user()
		alice.Format = f
		link := alice.share(t, dir)
		for name, change := range map[string]func(*metainfo.Link){
			"as it is":    func(*metainfo.Link) {},
			"of v2 alone": func(l *metainfo.Link) { l.InfoHash = [20]byte(l.V2Hash[:20]) },
			"of one hash": func(l *metainfo.Link) { l.V2Hash = [32]byte{} },
		} {
			t.Run(f.String()+" "+name, func(t *testing.T) {
				mine := *link
				change(&mine)
				bob := w.user()
				done, err := bob.Get(t.Context(), &mine, t.TempDir())
				require.NoError(t, err)
				require.Equal(t, want, sums(t, done.Path))
			})
		}
	}
}

// Hashes that a magnet did not bring are kept with the download.
func TestGetResumesV2(t *testing.T) {
	for _, f := range newFormats {
		t.Run(f.String(), func(t *testing.T) {
			w := newWorld(t, memory.Options{Rate: 4 << 20, Delay: 5 * time.Millisecond})
			dir, want := folder(t, 12<<20)
			alice := w.user()
			alice.Format = f
			link := alice.share(t, dir)
			bob, target := w.user(), t.TempDir()
			ctx, cancel := context.WithCancel(t.Context())
			ended := make(chan error, 1)
			go func() {
				_, err := bob.Get(ctx, link, target)
				ended <- err
			}()
			bob.await(t, func(e client.Event) bool {
				p, ok := e.(client.Progress)
				return ok && p.Phase == client.Fetching && p.Done >= 4<<20
			})
			cancel()
			require.ErrorIs(t, <-ended, context.Canceled)
			rec, err := bob.Journal.Load(link.InfoHash)
			require.NoError(t, err)
			require.NotNil(t, rec.Info)
			require.Equal(t, f == metainfo.FormatV2, rec.Layers != nil, "what v1 hashes check needs no layers")

			again := w.user()
			again.Journal = bob.Journal
			done, err := again.Get(t.Context(), link, target)
			require.NoError(t, err)
			require.Equal(t, want, sums(t, done.Path))
			require.LessOrEqual(t, done.Received, done.Bytes-4<<20, "a verified byte was fetched twice")
		})
	}
}
