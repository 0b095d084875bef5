package store

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// pagesOf returns where the pages of a kind start that the tree of a good file
// uses.
func pagesOf(t *testing.T, main []byte, flags uint16) (at []int) {
	t.Helper()
	tr := &tree{r: bytes.NewReader(main), size: int64(len(main))}
	_, err := tr.readMetas()
	require.NoError(t, err)
	require.NoError(t, tr.walk())
	for id, use := range tr.pages {
		p := main[id*pageSize:]
		if id > 1 && use == pageUsed && order.Uint64(p) == uint64(id) && order.Uint16(p[8:]) == flags {
			at = append(at, id*pageSize)
		}
	}
	return at
}

// Damage that bbolt takes for granted, each kind made on purpose: what it would
// do is in the name.
func TestWalkFindsWhatBboltBelieves(t *testing.T) {
	w := newWorn(t)
	leaves, branches, frees := pagesOf(t, w.main, leafFlag), pagesOf(t, w.main, branchFlag), pagesOf(t, w.main, freelistFlag)
	// Which page has what differs from run to run: one of records is wanted, not of
	// buckets, and with more than one.
	leaves = slices.DeleteFunc(leaves, func(at int) bool {
		return order.Uint32(w.main[at+pageHeader:]) == bucketFlag || order.Uint16(w.main[at+10:]) < 2
	})
	require.NotEmpty(t, branches)
	require.Greater(t, len(leaves), 2)
	require.NotEmpty(t, frees)
	id := func(at int) uint64 { return uint64(at / pageSize) }
	branch, leaf, free := branches[0], leaves[len(leaves)-1], frees[len(frees)-1]
	child := branch + pageHeader + 8
	for name, tc := range map[string]struct {
		change func(b []byte)
		want   string
	}{
		"overwrite a page in use":   {func(b []byte) { order.PutUint64(b[free+pageHeader:], id(leaf)) }, "two places"},
		"use a page that is free":   {func(b []byte) { copy(b[child:], b[free+pageHeader:free+pageHeader+8]) }, "page "},
		"lose a page for ever":      {func(b []byte) { order.PutUint16(b[free+10:], order.Uint16(b[free+10:])-1) }, "is lost"},
		"descend for ever":          {func(b []byte) { order.PutUint64(b[child:], id(branch)) }, "two places"},
		"find records twice":        {func(b []byte) { copy(b[child:child+8], b[child+elemSize:]) }, "page "},
		"read behind the file":      {func(b []byte) { order.PutUint64(b[child:], 1<<40) }, "out of range"},
		"read behind the page":      {func(b []byte) { order.PutUint32(b[leaf+pageHeader+12:], 1<<30) }, "outside"},
		"read before the page":      {func(b []byte) { order.PutUint32(b[leaf+pageHeader+4:], 0) }, "outside"},
		"miss records by search":    {func(b []byte) { copy(b[leaf+pageHeader+int(order.Uint32(b[leaf+pageHeader+4:])):], "\xff\xff\xff\xff") }, "out of order"},
		"take a leaf for a branch":  {func(b []byte) { order.PutUint16(b[leaf+8:], branchFlag) }, "page "},
		"take a record for buckets": {func(b []byte) { order.PutUint32(b[leaf+pageHeader:], bucketFlag) }, "no kind"},
		"swallow the pages behind":  {func(b []byte) { order.PutUint32(b[leaf+12:], 3) }, "page "},
	} {
		bad := bytes.Clone(w.main)
		tc.change(bad)
		require.False(t, bytes.Equal(w.main, bad), name)
		_, err := inspect(bytes.NewReader(bad), int64(len(bad)))
		require.ErrorIs(t, err, ErrDamaged, name)
		require.ErrorContains(t, err, tc.want, name)
	}
}

// sick is a disk with a bad sector.
type sick struct {
	io.ReaderAt
	bad int64
}

var errSick = errors.New("input/output error")

func (s sick) ReadAt(p []byte, off int64) (int, error) {
	if off <= s.bad && s.bad < off+int64(len(p)) {
		return 0, errSick
	}
	return s.ReaderAt.ReadAt(p, off)
}

// A disk that cannot be read now is no damage: the library is not replaced by
// an older one for it.
func TestUnreadableIsNotDamaged(t *testing.T) {
	w := newWorn(t)
	for _, at := range append(pagesOf(t, w.main, leafFlag), 20) {
		_, err := inspect(sick{bytes.NewReader(w.main), int64(at)}, int64(len(w.main)))
		require.ErrorIs(t, err, errSick)
		require.NotErrorIs(t, err, ErrDamaged)
	}
}
