package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
)

// bbolt maps its file and believes what it finds there: a damaged page makes
// it panic, read outside its memory, descend for ever, or, worst, take pages in
// use for free ones and overwrite them with the next commit. So the file is
// walked here, with plain reads, before bbolt may see it.
//
// The layout is that of bbolt v1.5.0, internal/common: pages of 4096 bytes,
// numbers in the machine's byte order. A page starts with its number (8 bytes),
// flags (2), count (2) and the number of pages that it goes on for (4).
const (
	pageSize   = 4096
	pageHeader = 16
	elemSize   = 16 // of leaves and branches alike
	inBucket   = 16 // root page, sequence

	branchFlag   = 0x01
	leafFlag     = 0x02
	freelistFlag = 0x10
	bucketFlag   = 0x01 // of an element of a leaf

	metaMagic   = 0xED0CDAED
	metaVersion = 2
	metaSum     = 56 // offset of the checksum in a meta

	maxKey   = 64 // ours are tags and short names
	maxDepth = 32 // a tree of 4096-byte pages is never so deep
)

var order = binary.NativeEndian

type meta struct {
	root, freelist, high, txid uint64
}

// tree is a walk through one file.
type tree struct {
	r     io.ReaderAt
	size  int64
	meta  meta
	pages []pageUse // of all pages below meta.high
	err   error     // the first fault of reading, as opposed to damage
}

type pageUse uint8

const (
	pageUnknown pageUse = iota
	pageUsed
	pageFree
)

// inspect walks a bbolt file of size bytes. It returns nil only if every page
// is either in exactly one place of the tree or free, all elements lie inside
// their pages and all keys are in order. oneRoot says that of the two roots
// which bbolt writes in turn one is damaged: the other may be one commit old.
// Errors: ErrDamaged, and those of reading.
func inspect(r io.ReaderAt, size int64) (oneRoot bool, err error) {
	t := &tree{r: r, size: size}
	oneRoot, err = t.readMetas()
	if err == nil {
		err = t.walk()
	}
	if t.err != nil {
		err = t.err
	}
	return oneRoot, err
}

func damaged(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrDamaged, fmt.Sprintf(format, args...))
}

// read returns n bytes at off; nil if they are not there.
func (t *tree) read(off int64, n int) []byte {
	if off < 0 || n < 0 || off > t.size-int64(n) {
		return nil
	}
	b := make([]byte, n)
	if _, err := t.r.ReadAt(b, off); err != nil {
		if !errors.Is(err, io.EOF) && t.err == nil {
			t.err = fmt.Errorf("read library: %w", err)
		}
		return nil
	}
	return b
}

func (t *tree) readMetas() (oneRoot bool, err error) {
	valid := 0
	for i := range int64(2) {
		b := t.read(i*pageSize+pageHeader, metaSum+8)
		if b == nil {
			return false, damaged("it ends before its roots")
		}
		sum := fnv.New64a()
		sum.Write(b[:metaSum])
		if order.Uint32(b) != metaMagic || order.Uint32(b[4:]) != metaVersion ||
			order.Uint32(b[8:]) != pageSize || order.Uint64(b[metaSum:]) != sum.Sum64() {
			continue
		}
		m := meta{order.Uint64(b[16:]), order.Uint64(b[32:]), order.Uint64(b[40:]), order.Uint64(b[48:])}
		if valid == 0 || m.txid > t.meta.txid {
			t.meta = m
		}
		valid++
	}
	if valid == 0 {
		return false, damaged("both roots are damaged")
	}
	return valid == 1, nil
}

func (t *tree) walk() error {
	if t.meta.high < 2 || t.meta.high > uint64(t.size/pageSize) {
		return damaged("it is cut short")
	}
	t.pages = make([]pageUse, t.meta.high)
	t.pages[0], t.pages[1] = pageUsed, pageUsed
	if err := t.walkFreelist(); err != nil {
		return err
	}
	if err := t.walkPage(t.meta.root, span{}, 0, true); err != nil {
		return err
	}
	for id, use := range t.pages {
		if use == pageUnknown {
			return damaged("page %d is lost", id)
		}
	}
	return nil
}

func (t *tree) walkFreelist() error {
	p, err := t.open(t.meta.freelist)
	if err != nil {
		return err
	}
	if p.flags != freelistFlag {
		return damaged("page %d is no free list", p.id)
	}
	first, n := int64(pageHeader), uint64(p.count)
	if n == 0xFFFF { // then the number stands in the first place
		b := p.at(first, 8)
		n, first = order.Uint64(b), first+8
	}
	if n > uint64(p.total-first)/8 {
		return damaged("the free list is too long")
	}
	ids := p.at(first, int(n)*8)
	if ids == nil {
		return damaged("the free list is cut short")
	}
	for ; len(ids) > 0; ids = ids[8:] {
		id := order.Uint64(ids)
		if id >= t.meta.high || t.pages[id] != pageUnknown {
			return damaged("page %d is free and is not", id)
		}
		t.pages[id] = pageFree
	}
	return nil
}

// walkPage descends into a page of a tree: of the one whose elements are the
// buckets if top is set, of a bucket's else.
func (t *tree) walkPage(id uint64, keys span, depth int, top bool) error {
	if depth > maxDepth {
		return damaged("the tree is too deep")
	}
	p, err := t.open(id)
	if err != nil {
		return err
	}
	switch p.flags {
	case branchFlag:
		return t.walkBranch(p, keys, depth, top)
	case leafFlag:
		return t.walkLeaf(p, keys, depth, top)
	}
	return damaged("page %d is of no kind", id)
}

func (t *tree) walkBranch(p page, keys span, depth int, top bool) error {
	all, err := p.elements(keys)
	if err != nil {
		return err
	}
	if len(all) == 0 {
		return damaged("page %d is an empty branch", p.id)
	}
	for i, e := range all {
		below := span{e.key, keys.high}
		if i+1 < len(all) {
			below.high = all[i+1].key
		}
		if err := t.walkPage(e.child, below, depth+1, top); err != nil {
			return err
		}
	}
	return nil
}

func (t *tree) walkLeaf(p page, keys span, depth int, top bool) error {
	all, err := p.elements(keys)
	if err != nil {
		return err
	}
	for _, e := range all {
		if top != (e.flags == bucketFlag) || !top && e.flags != 0 {
			return damaged("page %d: an element of no kind", p.id)
		}
		if !top {
			continue
		}
		if err := t.walkBucket(p, e, depth); err != nil {
			return err
		}
	}
	return nil
}

// walkBucket descends into a bucket, which has a page of its own or is small
// enough to lie, as a page, in its element.
func (t *tree) walkBucket(p page, e element, depth int) error {
	b := p.at(e.value, inBucket)
	if b == nil || e.valueSz < inBucket {
		return damaged("page %d: a bucket is cut short", p.id)
	}
	if root := order.Uint64(b); root != 0 {
		return t.walkPage(root, span{}, depth+1, false)
	}
	inner := p.at(e.value+inBucket, int(e.valueSz-inBucket))
	if len(inner) < pageHeader {
		return damaged("page %d: a bucket is cut short", p.id)
	}
	in := page{t: t, id: p.id, flags: order.Uint16(inner[8:]), count: int(order.Uint16(inner[10:])),
		total: int64(len(inner)), head: inner}
	if in.flags != leafFlag {
		return damaged("page %d: a bucket of no kind", p.id)
	}
	return t.walkLeaf(in, span{}, depth, false)
}
