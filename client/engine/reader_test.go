package engine

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"sotto/anon"
	"sotto/transport/memory"
)

// theatre is one downloader with three seeds on slow links of its own.
func theatre(t *testing.T, s sample) *Torrent {
	n := memory.New(memory.Options{Delay: 400 * time.Millisecond, Rate: 40 << 10})
	get := start(t, s.options(t, open(t, n), t.TempDir()))
	for range 3 {
		e := open(t, n)
		s.seeder(t, e)
		get.AddPeers([]anon.Addr{e.Addr()})
	}
	return get
}

// The first bytes, and those after a seek, come long before they would without
// a reader.
func TestReaderComesFirst(t *testing.T) {
	const length, opening, middle = 8 << 20, 300_000, 5 << 20
	s := newSample(t, 64<<10, length)
	film := s.files[s.order[0]]
	synctest.Test(t, func(t *testing.T) {
		plain, began := theatre(t, s), time.Now()
		for look(t, plain, func(o *owner) bool {
			if o.picker == nil {
				return true
			}
			for i := range opening>>16 + 1 {
				if !o.have.Get(i) {
					return true
				}
			}
			return false
		}) {
			time.Sleep(100 * time.Millisecond)
		}
		without := time.Since(began)
		require.NoError(t, plain.Close())

		get, began := theatre(t, s), time.Now()
		_, err := get.Info(t.Context())
		require.NoError(t, err)
		r, err := get.NewReader(t.Context(), 0)
		require.NoError(t, err)
		defer r.Close()
		got := make([]byte, opening)
		_, err = io.ReadFull(r, got)
		require.NoError(t, err)
		require.Equal(t, film[:opening], got)
		with := time.Since(began)
		require.Less(t, with, without/2, "without a reader it is %v", without)

		moved := time.Now()
		at, err := r.Seek(middle, io.SeekStart)
		require.NoError(t, err)
		require.EqualValues(t, middle, at)
		n, err := io.ReadFull(r, got)
		require.NoError(t, err)
		require.Equal(t, film[middle:middle+n], got)
		require.Less(t, time.Since(moved), without, "what lies at the new place is next")
		t.Logf("%v to the first bytes, %v without a reader; %v after a seek", with, without, time.Since(moved))

		require.NoError(t, r.Close())
		require.NoError(t, r.Close())
		require.Empty(t, look(t, get, func(o *owner) map[int]time.Time { return o.urgent }))
		_, err = r.Read(got)
		require.ErrorIs(t, err, fs.ErrClosed)
	})
}

// Several read at different places at once, to the end, and get every byte.
func TestManyReaders(t *testing.T) {
	s := newSample(t, 32<<10, 700_000, 0, 900_000)
	synctest.Test(t, func(t *testing.T) {
		get := theatre(t, s)
		_, err := get.Info(t.Context())
		require.NoError(t, err)
		readers := make([]*Reader, MaxReaders)
		for i := range readers {
			readers[i], err = get.NewReader(t.Context(), i%3)
			require.NoError(t, err)
		}
		_, err = get.NewReader(t.Context(), 0)
		require.ErrorIs(t, err, ErrReaders)
		ended := make(chan error, MaxReaders)
		for i, r := range readers {
			want := s.files[s.order[i%3]]
			go func() {
				defer r.Close()
				from := min(int64(i)*10_000, int64(len(want)))
				_, err := r.Seek(from-int64(len(want)), io.SeekEnd)
				got, readErr := io.ReadAll(r)
				if string(got) != string(want[from:]) {
					readErr = errors.New("other bytes")
				}
				ended <- errors.Join(err, readErr)
			}()
		}
		synctest.Wait()
		require.LessOrEqual(t, look(t, get, func(o *owner) int { return len(o.urgent) }), mostUrgent)
		for range MaxReaders {
			require.NoError(t, <-ended)
		}
		within(t, get.Done(), get)
	})
}

// A Read waits no longer than there is something to wait for.
func TestReaderEnds(t *testing.T) {
	s := newSample(t, 16<<10, 40_000, 50_000)
	synctest.Test(t, func(t *testing.T) {
		o := s.options(t, open(t, memory.New(memory.Options{})), t.TempDir())
		o.Choose = choose(1)
		get := start(t, o)
		_, err := get.Info(t.Context())
		require.NoError(t, err)
		_, err = get.NewReader(t.Context(), 0)
		require.ErrorIs(t, err, ErrSkipped)
		_, err = get.NewReader(t.Context(), 2)
		require.ErrorIs(t, err, ErrNoFile)
		requireReadEnds(t, get, func(cancel func(), _ *Reader) { cancel() }, context.Canceled)
		requireReadEnds(t, get, func(_ func(), r *Reader) { r.Close() }, fs.ErrClosed)
		requireReadEnds(t, get, func(func(), *Reader) { require.NoError(t, get.Prioritize(Skip, 1)) }, ErrSkipped)
		requireReadEnds(t, get, func(func(), *Reader) { get.Close() }, ErrClosed)
		_, err = get.NewReader(t.Context(), 1)
		require.ErrorIs(t, err, ErrClosed)
	})
}

func requireReadEnds(t *testing.T, get *Torrent, end func(func(), *Reader), want error) {
	t.Helper()
	require.NoError(t, get.Prioritize(Normal, 1))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	r, err := get.NewReader(ctx, 1)
	require.NoError(t, err)
	defer r.Close()
	ended := make(chan error)
	go func() {
		_, err := r.Read(make([]byte, 10))
		ended <- err
	}()
	synctest.Wait()
	end(cancel, r)
	require.ErrorIs(t, <-ended, want)
}

func TestReaderSeeks(t *testing.T) {
	s := newSample(t, 16<<10, 40_000)
	get := s.seeder(t, open(t, memory.New(memory.Options{})))
	r, err := get.NewReader(t.Context(), 0)
	require.NoError(t, err)
	defer r.Close()
	_, err = r.Seek(-1, io.SeekStart)
	require.ErrorIs(t, err, fs.ErrInvalid)
	_, err = r.Seek(0, 7)
	require.ErrorIs(t, err, fs.ErrInvalid)
	at, err := r.Seek(-10, io.SeekEnd)
	require.NoError(t, err)
	require.EqualValues(t, 39_990, at)
	got, err := io.ReadAll(r)
	require.NoError(t, err)
	require.Equal(t, s.files[s.order[0]][39_990:], got)
	at, err = r.Seek(100, io.SeekCurrent)
	require.NoError(t, err)
	require.EqualValues(t, 40_100, at)
	_, err = r.Read(got)
	require.Equal(t, io.EOF, err)
}

// What is gone from the disk is not returned but fetched again.
func TestReaderFetchesWhatWasLost(t *testing.T) {
	s := newSample(t, 16<<10, 100_000)
	synctest.Test(t, func(t *testing.T) {
		n := memory.New(memory.Options{})
		seedEnd := open(t, n)
		s.seeder(t, seedEnd)
		o := s.options(t, open(t, n), t.TempDir())
		get := start(t, o)
		get.AddPeers([]anon.Addr{seedEnd.Addr()})
		within(t, get.Done(), get)
		r, err := get.NewReader(t.Context(), 0)
		require.NoError(t, err)
		defer r.Close()
		require.NoError(t, os.Truncate(filepath.Join(o.Dir, s.order[0]), 50_000))
		got, err := io.ReadAll(r)
		require.NoError(t, err)
		require.Equal(t, s.files[s.order[0]], got)
	})
}
