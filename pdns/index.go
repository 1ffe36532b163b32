package pdns

import (
	"context"
	"hash/maphash"
	"iter"
	"net/netip"
	"strings"
	"time"
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
// concurrent use. Make one with a [Builder]; the zero value has no names.
//
// Addresses are looked up unmapped and without their zones.
type Index struct {
	mode  Mode
	addrs []addrNames // as netip.Addr sorts
	slots []uint64    // of addrs, as in numbers
	seed  maphash.Seed

	// The names of all addresses, one after the other. Those of one address are
	// in three groups, and by name within each, so that either mode's names
	// stand together:
	//
	//	| Query only | both | Owner only |
	//	|---- Query mode ---|
	//	             |---- Owner mode ---|
	ids      []uint32 // numbers of names
	names    []string
	evidence []Evidence
	spans    []span

	distinct []string // the names by number

	stats   [2]IndexStats // by mode
	dropped int
}

// addrNames says where the names of one address stand. A hit touches one slot
// and one of these; a miss, as a rule, a slot only, of which there are eight to
// a cache line. With a map[netip.Addr]uint32 in place of the slots, a hit among
// a million addresses took 1.3 times as long and a miss 2 times (2 vCPU of an
// AMD EPYC, Go 1.26.8). With these in the slots themselves, a hit took 0.6
// times as long, and a miss 2 to 3 times.
type addrNames struct {
	addr  [16]byte
	start uint64
	n     [3]uint32 // names in each group
}

// bounds returns where the names that count in a mode stand.
func (a *addrNames) bounds(m Mode) (start, end uint64) {
	if m == Owner {
		start = a.start + uint64(a.n[0])
		return start, start + uint64(a.n[1]) + uint64(a.n[2])
	}
	return a.start, a.start + uint64(a.n[0]) + uint64(a.n[1])
}

// IndexStats says how much an Index has, in its mode.
type IndexStats struct {
	Addresses int // with a name
	Pairs     int // of address and name
	Dropped   int // names of an address over Builder.MaxNames, at least, in both modes
}

// Stats returns how much the Index has in its mode.
func (x *Index) Stats() IndexStats {
	s := x.stats[x.mode]
	s.Dropped = x.dropped
	return s
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
// elsewhere. It does not allocate.
//
// The names are shared with the Index and must not be modified. In mode Query,
// those known by ViaCNAME only come first, in mode Owner, those known by Owned
// only come after those asked for too; within these parts they are in the order
// of their bytes.
func (x *Index) LookupAddr(_ context.Context, addr netip.Addr) ([]string, error) {
	start, end := x.find(addr)
	if start == end {
		return nil, nil
	}
	return x.names[start:end:end], nil
}

// AppendNameIDs appends the numbers of the names of an address that count in the
// mode, which are those that [Index.LookupAddr] gives, in its order and without
// duplicates. It allocates only where ids has no room.
//
// The numbers are those of the Index, of either mode, from 0 to below
// [Index.NumNames]: a lower number is that of a name whose bytes come first.
func (x *Index) AppendNameIDs(ids []uint32, addr netip.Addr) []uint32 {
	start, end := x.find(addr)
	return append(ids, x.ids[start:end]...)
}

// NameOf returns the name of a number, "" where there is none.
func (x *Index) NameOf(id uint32) string {
	if int(id) >= len(x.distinct) {
		return ""
	}
	return x.distinct[id]
}

// NumNames returns how many names have numbers: those of all addresses, in both
// modes.
func (x *Index) NumNames() int { return len(x.distinct) }

// Lookup returns what is known of the names of an address, in the order of
// [Index.LookupAddr]; nil for an address without names. The slice is the
// caller's.
func (x *Index) Lookup(addr netip.Addr) []Name {
	start, end := x.find(addr)
	if start == end {
		return nil
	}
	names := make([]Name, 0, end-start)
	for i := start; i < end; i++ {
		s := x.spans[i]
		names = append(names, Name{x.names[i], x.evidence[i], time.UnixMicro(s.first).UTC(), time.UnixMicro(s.last).UTC(), s.count})
	}
	return names
}

// Addrs returns the addresses that have a name, in the order of
// netip.Addr.Compare.
func (x *Index) Addrs() iter.Seq[netip.Addr] {
	return func(yield func(netip.Addr) bool) {
		for i := range x.addrs {
			a := &x.addrs[i]
			if start, end := a.bounds(x.mode); start < end && !yield(addrOf(a.addr)) {
				return
			}
		}
	}
}

// find returns where the names of an address stand.
func (x *Index) find(addr netip.Addr) (start, end uint64) {
	if !addr.IsValid() || len(x.slots) == 0 {
		return 0, 0
	}
	key := addr.As16()
	hash := uint32(maphash.Comparable(x.seed, key))
	mask := len(x.slots) - 1
	for i := int(hash) & mask; x.slots[i] != 0; i = (i + 1) & mask {
		if uint32(x.slots[i]>>32) != hash {
			continue
		}
		if a := &x.addrs[uint32(x.slots[i])-1]; a.addr == key {
			return a.bounds(x.mode)
		}
	}
	return 0, 0
}

// newIndex returns an Index with room for a number of addresses, and with some
// for pairs.
func newIndex(addrs, pairs int) *Index {
	slots := 2
	for 2*slots < 3*addrs {
		slots *= 2
	}
	return &Index{
		addrs: make([]addrNames, 0, addrs),
		slots: make([]uint64, slots),
		seed:  maphash.MakeSeed(),

		ids:      make([]uint32, 0, pairs),
		names:    make([]string, 0, pairs),
		evidence: make([]Evidence, 0, pairs),
		spans:    make([]span, 0, pairs),
	}
}

// add adds the next address, in order, with its names in order.
func (x *Index) add(addr [16]byte, entries []entry, names []string) {
	a := addrNames{addr: addr, start: uint64(len(x.names))}
	for _, e := range entries {
		x.ids = append(x.ids, e.name)
		x.names = append(x.names, names[e.name])
		x.evidence = append(x.evidence, e.evidence)
		x.spans = append(x.spans, e.span)
		a.n[e.evidence.group()]++
	}
	x.addrs = append(x.addrs, a)

	hash := uint32(maphash.Comparable(x.seed, addr))
	mask := len(x.slots) - 1
	i := int(hash) & mask
	for x.slots[i] != 0 {
		i = (i + 1) & mask
	}
	x.slots[i] = uint64(hash)<<32 | uint64(len(x.addrs))

	for _, m := range []Mode{Query, Owner} {
		if start, end := a.bounds(m); start < end {
			x.stats[m].Addresses++
			x.stats[m].Pairs += int(end - start)
		}
	}
}

// number gives the names that some address has their numbers in order. Until then
// ids are places in names.
func (x *Index) number(names []string) {
	number := make([]uint32, len(names))
	for _, id := range x.ids {
		number[id] = 1
	}
	var order []uint32
	for i, used := range number {
		if used > 0 {
			order = append(order, uint32(i))
		}
	}
	sortNames(order, names)
	x.distinct = make([]string, len(order))
	for i, n := range order {
		number[n], x.distinct[i] = uint32(i), names[n]
	}
	for i, id := range x.ids {
		x.ids[i] = number[id]
	}
}

func addrOf(key [16]byte) netip.Addr { return netip.AddrFrom16(key).Unmap() }
