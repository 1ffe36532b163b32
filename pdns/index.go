package pdns

import (
	"context"
	"encoding/binary"
	"iter"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/endoflow/endoflow/internal/dense"
)

// Evidence is a set of grounds for which a name stands beside an address.
type Evidence uint8

// The grounds. In a source of rows, "asked for" is inferred: the name at the
// head of the CNAME chain.
const (
	Asked    Evidence = 1 << iota // the name was asked for and owned the address itself
	ViaCNAME                      // the name was asked for, and a CNAME chain led from it to the address
	Owned                         // the name owned the address, and another was asked for
)

var evidenceNames = [...]string{"asked", "via-cname", "owned"}

// String lists the grounds, joined by "+"; none is "".
func (e Evidence) String() string {
	var names []string
	for i, name := range evidenceNames {
		if e&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	return strings.Join(names, "+")
}

// group is the part of an address's names to which a name belongs: those of
// mode Query only, of both modes, of mode Owner only.
func (e Evidence) group() int {
	switch {
	case e&(Asked|Owned) == 0:
		return 0
	case e&(Asked|ViaCNAME) != 0:
		return 1
	}
	return 2
}

// A Mode says which names of an address count.
type Mode uint8

const (
	// Query counts the names that were asked for: evidence Asked or ViaCNAME.
	Query Mode = iota
	// Owner counts the names that own the address record: evidence Asked or
	// Owned.
	//
	// Paper: section 2.2 maps rdata to rrname, which is this.
	Owner
)

// String returns "query" or "owner".
func (m Mode) String() string {
	if m == Owner {
		return "owner"
	}
	return "query"
}

// ParseMode returns the mode that String writes.
func ParseMode(s string) (m Mode, ok bool) {
	switch s {
	case Query.String():
		return Query, true
	case Owner.String():
		return Owner, true
	}
	return Query, false
}

// A Name is one name of an address.
type Name struct {
	Name     string
	Evidence Evidence

	// First and Last are when the name was first and last seen to lead to the
	// address, in UTC; zero where no record said. Count is how many answers
	// showed it. All are over all of the evidence. Where CNAME rows lead from
	// several names to the record, each has the record's times and count.
	First, Last time.Time
	Count       uint64
}

// An Index tells the names of addresses. It is immutable and safe for
// concurrent use. Make one with a [Builder], or open the file of one with
// [Open]; the zero value has no names.
//
// Addresses are looked up unmapped and without their zones. The names of one
// address are in three groups, and by name within each, so that either mode's
// names stand together:
//
//	| Query only | both | Owner only |
//	|---- Query mode ---|
//	             |---- Owner mode ---|
//
// In memory and in a file it is the same bytes. A lookup asks a Bloom filter
// first, which reads 64 bytes and knows 99 % of the addresses that are not there;
// then it reads the 64 bytes to which the address's hash leads, or a few more, where
// a few names stand beside the address, and many are pointed to. LookupAddr reads 16
// bytes more for each name.
type Index struct {
	mode   Mode
	header *header // nil: no names

	ends, lines, more, bloom []byte

	// The text of the names is a string in memory, of which names are parts, and
	// bytes in a file, of which they are copies.
	text     string
	fileText []byte

	name    string // of the file
	file    []byte // all of it
	mapping *mapping
}

// IndexStats says how much an Index has, in its mode.
type IndexStats struct {
	Addresses int // with a name
	Pairs     int // of address and name
	Dropped   int // names of an address over Builder.MaxNames, at least, in both modes
}

// Stats returns how much the Index has in its mode.
func (x *Index) Stats() IndexStats {
	if x.header == nil {
		return IndexStats{}
	}
	return x.header.stats[x.mode]
}

// Mode returns a view of the same index in another mode, which shares its
// memory. A mode that is neither is Query.
func (x *Index) Mode(m Mode) *Index {
	view := *x
	view.mode = Query
	if m == Owner {
		view.mode = Owner
	}
	return &view
}

// LookupAddr returns the names of an address, nil for one without names. The
// error is always nil and ctx is not used: both are for resolvers that ask
// elsewhere.
//
// The slice is the caller's, and the only thing that is allocated; for an Index
// of a file the text of the names is too. In mode Query, names known by ViaCNAME
// only come first, in mode Owner, those known by Owned only come after those
// asked for too; within these parts they are in the order of their bytes.
func (x *Index) LookupAddr(_ context.Context, addr netip.Addr) ([]string, error) {
	var r record
	if !x.lookup(addr, &r) {
		return nil, nil
	}
	start, end := r.bounds(x.mode)
	if start == end {
		return nil, nil
	}
	return x.appendNames(make([]string, 0, end-start), r.ids[4*start:4*end]), nil
}

// appendNames appends the names of numbers, four bytes each.
func (x *Index) appendNames(names []string, ids []byte) []string {
	if x.file == nil {
		for ; len(ids) >= 4; ids = ids[4:] {
			start, end := x.boundsOf(binary.LittleEndian.Uint32(ids))
			names = append(names, x.text[start:end])
		}
		return names
	}
	var text strings.Builder
	size := uint64(0)
	for at := 0; at < len(ids); at += 4 {
		start, end := x.boundsOf(binary.LittleEndian.Uint32(ids[at:]))
		size += end - start
	}
	if size > uint64(len(ids)/4*maxName) {
		return names // corrupt
	}
	text.Grow(int(size))
	for at := 0; at < len(ids); at += 4 {
		start, end := x.boundsOf(binary.LittleEndian.Uint32(ids[at:]))
		before := text.Len()
		text.Write(x.fileText[start:end])
		names = append(names, text.String()[before:])
	}
	return names
}

// boundsOf returns where the text of a name is, and nothing for one that there is
// not.
func (x *Index) boundsOf(id uint32) (start, end uint64) {
	if uint64(id) >= x.header.names {
		return 0, 0
	}
	group := x.ends[uint64(id)/endNames*endBytes:][:endBytes]
	lengths := group[5:]
	in := id % endNames
	start = get40(group)
	for _, n := range lengths[:in] {
		start += uint64(n)
	}
	if end = start + uint64(lengths[in]); end > x.header.sections[secText].size {
		return 0, 0
	}
	return start, end
}

// get40 returns a number of five bytes.
func get40(b []byte) uint64 {
	return uint64(binary.LittleEndian.Uint32(b)) | uint64(b[4])<<32
}

// AppendNameIDs appends the numbers of the names of an address that count in the
// mode, which are those that [Index.LookupAddr] gives, in its order and without
// duplicates. It allocates only where ids has no room.
//
// The numbers are those of the Index, of either mode, from 0 to below
// [Index.NumNames]: a lower number is that of a name whose bytes come first.
func (x *Index) AppendNameIDs(ids []uint32, addr netip.Addr) []uint32 {
	var r record
	if !x.lookup(addr, &r) {
		return ids
	}
	start, end := r.bounds(x.mode)
	for of := r.ids[4*start : 4*end]; len(of) >= 4; of = of[4:] {
		if id := binary.LittleEndian.Uint32(of); uint64(id) < x.header.names { // else corrupt
			ids = append(ids, id)
		}
	}
	return ids
}

// NameOf returns the name of a number, "" where there is none. For an Index of a
// file it allocates.
func (x *Index) NameOf(id uint32) string {
	if x.header == nil {
		return ""
	}
	start, end := x.boundsOf(id)
	if x.file != nil {
		if x.mapping != nil {
			x.mapping.read()
		}
		return string(x.fileText[start:end])
	}
	return x.text[start:end]
}

// NumNames returns how many names have numbers: those of all addresses, in both
// modes.
func (x *Index) NumNames() int {
	if x.header == nil {
		return 0
	}
	return int(x.header.names)
}

// Lookup returns what is known of the names of an address, in the order of
// [Index.LookupAddr]; nil for an address without names. The slice is the
// caller's.
func (x *Index) Lookup(addr netip.Addr) []Name {
	var r record
	if !x.lookup(addr, &r) {
		return nil
	}
	start, end := r.bounds(x.mode)
	entries, ok := r.entries(nil, start, end)
	if !ok || start == end {
		return nil
	}
	texts := x.appendNames(make([]string, 0, end-start), r.ids[4*start:4*end])
	names := make([]Name, len(texts))
	for i, text := range texts {
		s := entries[i].span
		names[i] = Name{text, entries[i].evidence, time.UnixMicro(s.first).UTC(), time.UnixMicro(s.last).UTC(), s.count}
	}
	return names
}

// Addrs returns the addresses that have a name, in an order of the Index's own,
// which is the same for the same addresses.
func (x *Index) Addrs() iter.Seq[netip.Addr] {
	return func(yield func(netip.Addr) bool) {
		var r record
		for off := range x.small() {
			if !x.recordAt(off, &r) {
				return // corrupt
			}
			if start, end := r.bounds(x.mode); start < end && !yield(r.key.Addr()) {
				return
			}
		}
	}
}

// small returns where records are in the lines.
func (x *Index) small() iter.Seq[uint64] {
	return func(yield func(uint64) bool) {
		for line := uint64(0); line+lineBytes <= uint64(len(x.lines)); line += lineBytes {
			for at := uint64(1); at < lineBytes && x.lines[line+at] != 0; at += 1 + uint64(x.lines[line+at]) {
				if !yield(line + at) {
					return
				}
			}
		}
	}
}

// A record is that of an address, in its parts.
type record struct {
	key           dense.Key
	n             [3]int // names in each group
	ids           []byte
	evidence      []byte // of the second group; nil: all are Asked
	spans         []byte // nil: none is known
	off           uint64 // in lines
	long          bool
	more, moreEnd uint64 // where its rest is, if it is long
}

// The bits of a record's head.
const (
	headIPv6  = 1 << iota // the address has 16 bytes
	headMixed             // names in other groups, or other evidence
	headSpans             // spans
	headLong              // the rest is elsewhere
)

func (r *record) num() int { return r.n[0] + r.n[1] + r.n[2] }

// bounds returns which of the names count in a mode.
func (r *record) bounds(m Mode) (start, end int) {
	if m == Owner {
		return r.n[0], r.num()
	}
	return 0, r.n[0] + r.n[1]
}

// recordAt makes r the record at an offset of lines, and returns false if none can
// be there.
func (x *Index) recordAt(off uint64, r *record) bool {
	size := uint64(x.lines[off])
	if off%lineBytes+1+size > lineBytes {
		return false
	}
	r.off = off
	return x.read(x.lines[off+1:][:size], r)
}

// read makes r the record with a body: head, address and rest.
func (x *Index) read(b []byte, r *record) bool {
	at := restOf(b)
	if len(b) < at || b[0] >= headLong<<1 {
		return false
	}
	head := b[0]
	r.key = keyOf(b[1:at])
	if b, r.long = b[at:], head&headLong != 0; r.long {
		if len(b) != 5 {
			return false
		}
		if r.more = get40(b); r.more >= uint64(len(x.more)) {
			return false
		}
		var n int
		if b, n = sized(x.more[r.more:]); n <= 0 {
			return false
		}
		r.moreEnd = r.more + uint64(n+len(b))
	}
	return r.readRest(head, b)
}

// restOf returns where in the body of a record the rest begins. There must be a
// head.
func restOf(b []byte) int {
	if len(b) > 0 && b[0]&headIPv6 != 0 {
		return 1 + 16
	}
	return 1 + 4
}

// sized returns what follows its size, which takes n bytes; n is 0 if it cannot be
// there.
func sized(b []byte) (body []byte, n int) {
	size, n := uvarint(b)
	if n <= 0 || size > uint64(len(b)-n) {
		return nil, 0
	}
	return b[n:][:size:size], n
}

// readRest reads what is said of an address.
func (r *record) readRest(head byte, b []byte) bool {
	var counts [3]uint64
	of := counts[1:2]
	if head&headMixed != 0 {
		of = counts[:]
	}
	at := 0
	for i := range of {
		v, n := uvarint(b[at:])
		if n <= 0 || v > uint64(len(b)) {
			return false
		}
		of[i] = v
		at += n
	}
	r.n = [3]int{int(counts[0]), int(counts[1]), int(counts[2])}
	r.evidence, r.spans = nil, nil
	end := at + 4*r.num()
	evidenceEnd := end
	if head&headMixed != 0 {
		evidenceEnd += r.n[1]
	}
	if evidenceEnd > len(b) {
		return false
	}
	r.ids = b[at:end]
	if head&headMixed != 0 {
		r.evidence = b[end:evidenceEnd]
	}
	if head&headSpans != 0 {
		r.spans = b[evidenceEnd:]
		return true
	}
	return evidenceEnd == len(b)
}

// entries appends the names of a part of the record; ok is false if that cannot
// be.
func (r *record) entries(entries []entry, start, end int) (_ []entry, ok bool) {
	entries = slices.Grow(entries, end)[:end]
	for i := range entries {
		e := &entries[i]
		e.name = binary.LittleEndian.Uint32(r.ids[4*i:])
		e.span = unknown
		switch {
		case i < r.n[0]:
			e.evidence = ViaCNAME
		case i >= r.n[0]+r.n[1]:
			e.evidence = Owned
		case r.evidence == nil:
			e.evidence = Asked
		default:
			e.evidence = Evidence(r.evidence[i-r.n[0]])
		}
	}
	if r.spans == nil {
		return entries[start:], true
	}
	rest, ok := readSpans(r.spans, entries)
	return entries[start:], ok && (len(rest) == 0 || end < r.num())
}

// appendRecord appends the record of an address with its entries in the order of
// the Index: its size, and its body, which is never long. room may be used again.
func appendRecord(dst []byte, addr dense.Key, entries []entry, room []byte) (_, roomAgain []byte) {
	head := byte(0)
	if !is4(addr) {
		head = headIPv6
	}
	var n [3]uint64
	for i := range entries {
		n[entries[i].evidence.group()]++
		if entries[i].evidence != Asked {
			head |= headMixed
		}
		if entries[i].span != unknown {
			head |= headSpans
		}
	}
	b := appendAddr(append(room[:0], head), addr)
	if head&headMixed == 0 {
		b = binary.AppendUvarint(b, n[1])
	} else {
		for _, n := range n {
			b = binary.AppendUvarint(b, n)
		}
	}
	for i := range entries {
		b = binary.LittleEndian.AppendUint32(b, entries[i].name)
	}
	if head&headMixed != 0 {
		for _, e := range entries[n[0] : n[0]+n[1]] {
			b = append(b, byte(e.evidence))
		}
	}
	if head&headSpans != 0 {
		b = appendSpans(b, entries)
	}
	dst = binary.AppendUvarint(dst, uint64(len(b)))
	return append(dst, b...), b
}

// lookup makes r the record of an address, if it has one.
func (x *Index) lookup(addr netip.Addr, r *record) bool {
	return addr.IsValid() && x.header != nil && x.find(dense.AddrKey(addr), r)
}

// find makes r the record of the address of a key, if it has one.
func (x *Index) find(key dense.Key, r *record) bool {
	if x.mapping != nil {
		x.mapping.read()
	}
	hash := hashAddr(key)
	if len(x.bloom) == 0 || !x.mayContain(hash) {
		return false
	}
	var room [17]byte
	head := byte(headIPv6)
	if is4(key) {
		head = 0
	}
	addr := appendAddr(append(room[:0], head), key)[1:]
	off := placeOf(hash, x.header.homes) * lineBytes
	for range uint64(x.header.longest) + 1 {
		if off+lineBytes > uint64(len(x.lines)) {
			return false
		}
		line := x.lines[off:][:lineBytes]
		for at := 1; at < lineBytes && line[at] != 0; {
			size := int(line[at])
			if at+1+size > lineBytes {
				return false
			}
			body := line[at+1:][:size]
			if len(body) > len(addr) && body[0]&headIPv6 == head && string(body[1:][:len(addr)]) == string(addr) {
				r.off = off + uint64(at)
				return x.read(body, r)
			}
			at += 1 + size
		}
		if line[0] == 0 {
			return false
		}
		off += lineBytes
	}
	return false
}

// mayContain asks the Bloom filter.
func (x *Index) mayContain(hash uint64) bool {
	line := x.bloom[placeOf(hash, uint64(len(x.bloom)/bloomLine))*bloomLine:][:bloomLine]
	for i, at := 0, bloomOf(hash); i < bloomBits; i, at = i+1, at>>9 {
		if line[at>>3&63]>>(at&7)&1 == 0 {
			return false
		}
	}
	return true
}
