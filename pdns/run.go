package pdns

import (
	"cmp"
	"encoding/binary"
	"slices"

	"github.com/endoflow/endoflow/internal/dense"
)

// A run is what tables had, sorted, and in a third of their room. It does not
// change any more.
//
// FORMAT: three segments, of which the records are
//
//	names  in the order of their bytes, numbered from 0
//	         shared  1 byte: how many bytes are those of the name before
//	         n       1 byte: how many follow
//	         rest    n bytes
//	pairs  in the order of the addresses
//	         addr    16 bytes
//	         n       uvarint
//	         n times, in the order of names
//	           evidence  1 byte; 0 is a row
//	           name      uvarint: the name's number
//	         spans   as appendSpans writes them
//	edges  in the order of targets, then owners
//	         step    uvarint: the number of the target, less that before
//	         owner   uvarint: the number of the owner
type run struct {
	names, pairs, edges          segment
	numNames, numEdges, numPairs int
}

func (r *run) segments() []*segment { return []*segment{&r.names, &r.pairs, &r.edges} }

func (r *run) size() int64 { return r.names.size + r.pairs.size + r.edges.size }

// An entry is one name of one address.
type entry struct {
	name     uint32
	evidence Evidence // 0: a row's
	span     span
}

// A nameWriter writes names in order.
type nameWriter struct {
	segmentWriter
	last []byte
}

func (w *nameWriter) add(name []byte) {
	shared := 0
	for shared < len(name) && shared < len(w.last) && name[shared] == w.last[shared] {
		shared++
	}
	w.buf = append(w.buf, byte(shared), byte(len(name)-shared))
	w.buf = append(w.buf, name[shared:]...)
	w.last = append(w.last[:shared], name[shared:]...)
	w.end()
}

// A nameReader reads names in order.
type nameReader struct {
	segmentReader
	name []byte
}

func (r *nameReader) next() bool {
	if !r.more() {
		return false
	}
	shared, n := int(r.rest[0]), int(r.rest[1])
	r.name = append(r.name[:shared], r.rest[2:2+n]...)
	r.rest = r.rest[2+n:]
	return true
}

// appendPairs writes the entries of an address.
func appendPairs(dst []byte, addr dense.Key, entries []entry) []byte {
	b := addr.Bytes()
	dst = append(dst, b[:]...)
	dst = binary.AppendUvarint(dst, uint64(len(entries)))
	for i := range entries {
		dst = append(dst, byte(entries[i].evidence))
		dst = binary.AppendUvarint(dst, uint64(entries[i].name))
	}
	return appendSpans(dst, entries)
}

// A pairReader reads the entries of addresses in order.
type pairReader struct {
	segmentReader
	ids     []uint32 // what stands for the numbers of names, nil for themselves
	addr    dense.Key
	entries []entry
}

func (r *pairReader) next() bool {
	if !r.more() {
		return false
	}
	r.addr = dense.KeyOf([16]byte(r.rest))
	r.rest = r.rest[16:]
	n := int(r.uvarint())
	r.entries = slices.Grow(r.entries[:0], n)[:n]
	for i := range r.entries {
		e := &r.entries[i]
		e.evidence = Evidence(r.rest[0])
		r.rest = r.rest[1:]
		if e.name = uint32(r.uvarint()); r.ids != nil {
			e.name = r.ids[e.name]
		}
	}
	r.rest, _ = readSpans(r.rest, r.entries)
	return true
}

// An edgeWriter writes CNAME rows in order.
type edgeWriter struct {
	segmentWriter
	last uint32
}

func (w *edgeWriter) add(e uint64) {
	target := uint32(e >> 32)
	w.buf = binary.AppendUvarint(w.buf, uint64(target-w.last))
	w.buf = binary.AppendUvarint(w.buf, uint64(uint32(e)))
	w.last = target
	w.end()
}

// An edgeReader reads CNAME rows in order.
type edgeReader struct {
	segmentReader
	ids    []uint32 // as in pairReader
	target uint32
	edge   uint64
}

func (r *edgeReader) next() bool {
	if !r.more() {
		return false
	}
	r.target += uint32(r.uvarint())
	target, owner := r.target, uint32(r.uvarint())
	if r.ids != nil {
		target, owner = r.ids[target], r.ids[owner]
	}
	r.edge = uint64(target)<<32 | uint64(owner)
	return true
}

// tables are what a Builder gathers in.
type tables struct {
	names names
	addrs dense.Table
	asked pairs       // from messages
	rows  pairs       // from rows: addresses with their owners
	edges dense.Table // CNAME rows: target, owner
}

// size returns the bytes in use.
func (t *tables) size() int64 {
	return t.names.size() + t.asked.size() + t.rows.size() + (16+slotSize)*int64(t.addrs.Len()+t.edges.Len())
}

func (t *tables) empty() bool {
	return t.asked.list.Len()+t.rows.list.Len()+t.edges.Len() == 0
}

// full reports whether a record might not find room.
func (t *tables) full() bool {
	return t.names.full() || t.addrs.Len() >= maxNumbers-4 || t.asked.full() || t.rows.full() || t.edges.Len() >= maxNumbers-4
}

// reset empties the tables, whose memory stays.
func (t *tables) reset() {
	t.names.reset()
	t.addrs.Reset()
	t.asked.reset()
	t.rows.reset()
	t.edges.Reset()
}

// sorted makes a run of what the tables have: in memory, or in a file.
func (t *tables) sorted(file *scratch) (run, error) {
	var r run
	var err error

	order := make([]uint32, t.names.len())
	for i := range order {
		order[i] = uint32(i)
	}
	sortNames(order, t.names.name)
	number := make([]uint32, len(order)) // in order, by that in the table
	names := nameWriter{segmentWriter: segmentWriter{segment: segment{file: file}}}
	// The names are read some at a time, so that the waits for memory overlap.
	var texts [64][]byte
	for i := 0; i < len(order); i += len(texts) {
		part := order[i:min(i+len(texts), len(order))]
		for j, n := range part {
			texts[j] = t.names.name(n)
			number[n] = uint32(i + j)
		}
		for _, text := range texts[:len(part)] {
			names.add(text)
		}
	}
	r.numNames = len(order)
	if r.names, err = names.finish(); err != nil {
		return r, err
	}
	order = nil

	edges := edgeWriter{segmentWriter: segmentWriter{segment: segment{file: file}}}
	keys := make([]uint64, t.edges.Len())
	for i := range keys {
		e := t.edges.Key(uint32(i))
		keys[i] = uint64(number[e.Hi])<<32 | uint64(number[e.Lo])
	}
	slices.Sort(keys)
	for _, e := range keys {
		edges.add(e)
	}
	r.numEdges = len(keys)
	if r.edges, err = edges.finish(); err != nil {
		return r, err
	}
	keys = nil

	pairs := segmentWriter{segment: segment{file: file}}
	asked, rows := t.asked.byAddr(number, t.addrs.Len()), t.rows.byAddr(number, t.addrs.Len())
	var entries []entry
	for _, a := range sortedAddrs(&t.addrs) {
		entries = t.asked.appendEntries(entries[:0], asked.of(a))
		n := len(entries)
		entries = t.rows.appendEntries(entries, rows.of(a))
		switch {
		case len(entries) == 0:
			continue // it has a number, and no row followed
		case n > 0 && n < len(entries):
			slices.SortFunc(entries, func(e, f entry) int {
				return cmp.Or(cmp.Compare(e.name, f.name), cmp.Compare(e.evidence, f.evidence))
			})
		}
		r.numPairs += len(entries)
		pairs.buf = appendPairs(pairs.buf, t.addrs.Key(a), entries)
		pairs.end()
	}
	r.pairs, err = pairs.finish()
	return r, err
}

// sortedAddrs returns the numbers of addresses in the order of compareAddrs.
func sortedAddrs(t *dense.Table) []uint32 {
	var v4 []prefixed
	var v6 []uint32
	for n := range uint32(t.Len()) {
		if k := t.Key(n); is4(k) {
			v4 = append(v4, prefixed{k.Lo, n})
		} else {
			v6 = append(v6, n)
		}
	}
	sortPrefixed(v4)
	slices.SortFunc(v6, func(a, b uint32) int { return t.Key(a).Compare(t.Key(b)) })
	order := make([]uint32, 0, t.Len())
	for _, a := range v4 {
		order = append(order, a.n)
	}
	return append(order, v6...)
}

// compareAddrs orders addresses as netip.Addr.Compare does: IPv4 first.
func compareAddrs(a, b dense.Key) int {
	if a4, b4 := is4(a), is4(b); a4 != b4 {
		if a4 {
			return -1
		}
		return 1
	}
	return a.Compare(b)
}

func is4(k dense.Key) bool { return k.Hi == 0 && k.Lo>>32 == 0xffff }

// A named is a pair of an address: the number of its name in order, and its own.
type named struct{ name, pair uint32 }

// groups are the pairs of each address, by name.
type groups struct {
	start []uint32 // of each address in pairs, and the end of the last
	pairs []named
}

func (g *groups) of(addr uint32) []named { return g.pairs[g.start[addr]:g.start[addr+1]] }

// byAddr groups pairs by their addresses, which have numbers below n.
func (p *pairs) byAddr(number []uint32, n int) groups {
	count := p.list.Len()
	if count == 0 {
		return groups{start: make([]uint32, n+1)}
	}
	g := groups{start: make([]uint32, n+2), pairs: make([]named, count)}
	for i := range uint32(count) {
		g.start[p.list.At(i).key>>32+2]++
	}
	for i := 2; i < len(g.start); i++ {
		g.start[i] += g.start[i-1]
	}
	for i := range uint32(count) {
		k := p.list.At(i).key
		at := &g.start[k>>32+1]
		g.pairs[*at] = named{number[uint32(k)], i}
		*at++
	}
	return g
}

// appendEntries appends the pairs of an address in the order of names.
func (p *pairs) appendEntries(entries []entry, of []named) []entry {
	slices.SortFunc(of, func(a, b named) int { return cmp.Compare(a.name, b.name) })
	for _, o := range of {
		e := entry{name: o.name, span: p.list.At(o.pair).span}
		if p.evidence.Len() > 0 {
			e.evidence = *p.evidence.At(o.pair)
		}
		entries = append(entries, e)
	}
	return entries
}
