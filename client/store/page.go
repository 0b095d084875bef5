package store

import "bytes"

// page is a run of pages that belong together.
type page struct {
	t     *tree
	id    uint64
	flags uint16
	count int
	base  int64  // where it starts in the file
	total int64  // its size in bytes
	head  []byte // its first bytes, read at once
}

// open reads the header of a page and takes its run.
func (t *tree) open(id uint64) (page, error) {
	if id < 2 || id >= t.meta.high {
		return page{}, damaged("page %d is out of range", id)
	}
	p := page{t: t, id: id, base: int64(id) * pageSize, head: t.read(int64(id)*pageSize, pageSize)}
	if p.head == nil {
		return page{}, damaged("page %d is cut short", id)
	}
	more := uint64(order.Uint32(p.head[12:]))
	if order.Uint64(p.head) != id || more >= t.meta.high-id {
		return page{}, damaged("page %d is another", id)
	}
	for i := id; i <= id+more; i++ {
		if t.pages[i] != pageUnknown {
			return page{}, damaged("page %d is in two places", i)
		}
		t.pages[i] = pageUsed
	}
	p.flags, p.count = order.Uint16(p.head[8:]), int(order.Uint16(p.head[10:]))
	p.total = int64(more+1) * pageSize
	return p, nil
}

// at returns n bytes of the page; nil if they are not in it.
func (p page) at(off int64, n int) []byte {
	if off < 0 || off > p.total-int64(n) {
		return nil
	}
	if off+int64(n) <= int64(len(p.head)) {
		return p.head[off : off+int64(n)]
	}
	return p.t.read(p.base+off, n)
}

// span bounds the keys of a subtree: from low on, below high. Nil is no bound.
type span struct{ low, high []byte }

func (s span) holds(key []byte) bool {
	return bytes.Compare(key, s.low) >= 0 && (s.high == nil || bytes.Compare(key, s.high) < 0)
}

// element is one of a page's. Of a branch's element value is its page.
type element struct {
	flags   uint32
	key     []byte
	value   int64 // where the value starts in the page
	valueSz int64
	child   uint64
}

// elements returns those of a page of which each is inside it, the keys in
// order and within bounds.
func (p page) elements(keys span) ([]element, error) {
	array := p.at(pageHeader, p.count*elemSize)
	if array == nil {
		return nil, damaged("page %d is overfull", p.id)
	}
	all := make([]element, p.count)
	end := int64(pageHeader + p.count*elemSize)
	for i := range all {
		b, e := array[i*elemSize:], &all[i]
		var pos, keySz int64
		if p.flags == branchFlag { // pos, key size, child
			pos, keySz, e.child = int64(order.Uint32(b)), int64(order.Uint32(b[4:])), order.Uint64(b[8:])
		} else { // flags, pos, key size, value size
			e.flags, pos, keySz, e.valueSz = order.Uint32(b), int64(order.Uint32(b[4:])), int64(order.Uint32(b[8:])), int64(order.Uint32(b[12:]))
		}
		pos += int64(pageHeader + i*elemSize) // it counts from the element on
		if pos < end || keySz < 1 || keySz > maxKey {
			return nil, damaged("page %d: an element lies outside it", p.id)
		}
		e.key, e.value = p.at(pos, int(keySz)), pos+keySz
		if e.key == nil || e.value+e.valueSz > p.total {
			return nil, damaged("page %d: an element lies outside it", p.id)
		}
		if !keys.holds(e.key) || i > 0 && bytes.Compare(all[i-1].key, e.key) >= 0 {
			return nil, damaged("page %d: keys are out of order", p.id)
		}
		end = max(end, e.value+e.valueSz) // elements do not overlap
	}
	return all, nil
}
