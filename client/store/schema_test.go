package store

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
	bolt "go.etcd.io/bbolt"
)

func TestLaterVersionIsLeftAlone(t *testing.T) {
	dir, box := t.TempDir(), newBox(t)
	later, err := open(dir, box, schema{version: 2, steps: []func(*txn) error{nil}})
	require.NoError(t, err)
	require.NoError(t, later.Close())
	before := contents(t, dir)
	_, err = Open(dir, box)
	require.ErrorIs(t, err, ErrVersion)
	require.Equal(t, before, contents(t, dir))
}

func TestMigration(t *testing.T) {
	dir, box := t.TempDir(), newBox(t)
	s := opened(t, dir, box)
	require.NoError(t, s.Put(sample(1)))
	require.NoError(t, s.Close())

	broken := errors.New("broken step")
	rename := func(t *txn) error {
		one := sample(1)
		one.Name = "migrated"
		return t.putJSON(torrents, one.ID().String(), one.encode())
	}
	_, err := open(dir, box, schema{version: 3, steps: []func(*txn) error{rename, func(*txn) error { return broken }}})
	require.ErrorIs(t, err, broken)
	s = opened(t, dir, box) // still version 1
	all, err := s.Torrents()
	require.NoError(t, err)
	require.Equal(t, sample(1), all[0])
	require.NoError(t, s.Close())

	// A new kind of record, as a step would add it.
	grow := func(t *txn) error {
		_, err := t.tx.CreateBucket([]byte("added"))
		return errors.Join(err, t.count("added", 0))
	}
	three := schema{version: 3, steps: []func(*txn) error{rename, grow}}
	for range 2 {
		s, err = open(dir, box, three)
		require.NoError(t, err)
		all, err = s.Torrents()
		require.NoError(t, err)
		require.Equal(t, "migrated", all[0].Name)
		require.NoError(t, s.db.View(func(tx *bolt.Tx) error {
			require.NotNil(t, tx.Bucket([]byte("added")))
			return nil
		}))
		require.NoError(t, s.Close())
	}
	_, err = Open(dir, box)
	require.ErrorIs(t, err, ErrVersion)
}
