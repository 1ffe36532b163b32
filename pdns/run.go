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
//	pairs  in the order of the addresses' hashes, then of addresses
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
	names, pairs, edges segment
	numNames, numEdges  int
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
	ids []uint32 // what stands for the numbers of names, nil for themselves
	hashedAddr
	entries []entry
}

func (r *pairReader) next() bool {
	if !r.more() {
		return false
	}
	r.hashedAddr = hashed(dense.KeyOf([16]byte(r.rest)))
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

// A hashedAddr is an address with its hash, by which records are ordered.
type hashedAddr struct {
	hash uint64
	addr dense.Key
}

func hashed(addr dense.Key) hashedAddr { return hashedAddr{hashAddr(addr), addr} }

// compareHashed orders addresses by hash, and those with the same as
// netip.Addr.Compare does.
func compareHashed(a, b hashedAddr) int {
	if a.hash != b.hash {
		return cmp.Compare(a.hash, b.hash)
	}
	if a4, b4 := is4(a.addr), is4(b.addr); a4 != b4 {
		if a4 {
			return -1
		}
		return 1
	}
	return a.addr.Compare(b.addr)
}

func is4(k dense.Key) bool { return k.Hi == 0 && k.Lo>>32 == 0xffff }
