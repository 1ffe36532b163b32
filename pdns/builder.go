package pdns

import (
	"cmp"
	"context"
	"math"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// DefaultMaxNames is the most names of an address where [Builder.MaxNames] is 0.
const DefaultMaxNames = 100_000

// A Builder gathers records and makes an [Index] of them. The zero value is
// ready. It is for one goroutine; several, each with a part of the input, are
// joined with [Builder.Merge]. Neither the order of the input nor its division
// among Builders makes a difference to the Index.
//
// Its memory is in proportion to what it keeps of distinct names, of distinct
// pairs of address and name (about 60 bytes each) and of distinct CNAME rows. A
// repeated record costs none. Distinct names, addresses and pairs are limited
// to 2^31 each; records beyond are dropped.
type Builder struct {
	// Filter, if not nil, thins the rows: those of an address that it has not
	// are left out. CNAME rows are kept, since any of them may turn out to lead
	// to an address that counts. Set it before the first Add.
	Filter *Filter

	// MaxNames is the most names of an address in the Index. The further ones
	// are dropped, the least often seen first, and counted in
	// [IndexStats.Dropped]. It is also the most names met on a walk back from
	// one owner. 0: [DefaultMaxNames].
	MaxNames int

	names names
	addrs numbers[[16]byte]
	asked pairs           // from messages
	rows  pairs           // from rows: addresses with their owners
	edges numbers[uint64] // CNAME rows: target<<32 | owner
	stats BuilderStats
}

// BuilderStats says what became of the records added.
//
//	Rows = Addresses + CNAMEs + Dropped
type BuilderStats struct {
	Rows      int64 // records added
	Addresses int64 // of type A and AAAA
	Thinned   int64 // of Addresses, left out since the Filter has not the address
	CNAMEs    int64 // of type CNAME

	// Dropped are of other types, or have an unusable address or name (empty,
	// over 255 bytes), or found the Builder full.
	Dropped int64
}

// Stats returns what became of the records added so far.
func (b *Builder) Stats() BuilderStats { return b.stats }

// Add adds a record. A Count of 0 is taken as 1.
//
// A record with a Query gives two pairs: address and query name, address and
// owner. One without gives the owner only, and [Builder.Build] finds the names
// asked for by the CNAME rows.
func (b *Builder) Add(rec Record) {
	b.stats.Rows++
	if rec.RRType == CNAME {
		if b.addCNAME(&rec) {
			b.stats.CNAMEs++
		} else {
			b.stats.Dropped++
		}
		return
	}
	addr, ok := rec.Addr()
	switch {
	case !ok:
		b.stats.Dropped++
	case b.Filter != nil && !b.Filter.MayContain(addr):
		b.stats.Addresses++
		b.stats.Thinned++
	case b.addAddr(addr, &rec):
		b.stats.Addresses++
	default:
		b.stats.Dropped++
	}
}

func (b *Builder) addCNAME(rec *Record) bool {
	owner, err := canonical(rec.RRName)
	if err != nil {
		return false
	}
	target, err := canonical(rec.RData)
	if err != nil || b.full() {
		return false
	}
	if rec.Query == "" && owner != target {
		b.addEdge(b.names.add(target), b.names.add(owner))
	}
	return true
}

func (b *Builder) addEdge(target, owner uint32) {
	b.edges.add(uint64(target)<<32 | uint64(owner))
}

func (b *Builder) addAddr(addr netip.Addr, rec *Record) bool {
	owner, err := canonical(rec.RRName)
	if err != nil || b.full() {
		return false
	}
	query := ""
	if rec.Query != "" {
		if query, err = canonical(rec.Query); err != nil {
			return false
		}
	}
	a, _ := b.addrs.add(addr.As16())
	s := spanOf(rec.TimeFirst, rec.TimeLast, rec.Count)
	o := b.names.add(owner)
	if query == "" {
		b.rows.add(a, o, 0, s)
	} else {
		b.addAsked(a, o, b.names.add(query), s)
	}
	return true
}

// addAsked adds the pairs of an address whose owner is known with the name
// asked for.
func (b *Builder) addAsked(addr, owner, query uint32, s span) {
	if owner == query {
		b.asked.add(addr, owner, Asked, s)
		return
	}
	b.asked.add(addr, owner, Owned, s)
	b.asked.add(addr, query, ViaCNAME, s)
}

// full reports whether a record might not find room.
func (b *Builder) full() bool {
	return b.names.full() || b.addrs.full() || b.asked.keys.full() || b.rows.keys.full() || b.edges.full()
}

// Merge adds what other has gathered, which it leaves as it is. What one
// Builder's Filter has let go is gone, so that all should have the same.
func (b *Builder) Merge(other *Builder) {
	b.stats.Rows += other.stats.Rows
	b.stats.Addresses += other.stats.Addresses
	b.stats.Thinned += other.stats.Thinned
	b.stats.CNAMEs += other.stats.CNAMEs
	b.stats.Dropped += other.stats.Dropped

	names := make([]uint32, len(other.names.keys))
	for i, name := range other.names.keys {
		names[i] = b.names.add(name)
	}
	addrs := make([]uint32, len(other.addrs.keys))
	for i, addr := range other.addrs.keys {
		addrs[i], _ = b.addrs.add(addr)
	}
	b.asked.merge(&other.asked, addrs, names)
	b.rows.merge(&other.rows, addrs, names)
	for _, e := range other.edges.keys {
		b.edges.add(uint64(names[e>>32])<<32 | uint64(names[uint32(e)]))
	}
}

// pairs are sums over records by address and name.
type pairs struct {
	keys     numbers[uint64] // address<<32 | name
	evidence []Evidence      // by the key's number, as spans
	spans    []span
}

func (p *pairs) add(addr, name uint32, e Evidence, s span) {
	n, isNew := p.keys.add(uint64(addr)<<32 | uint64(name))
	if isNew {
		p.evidence = append(p.evidence, e)
		p.spans = append(p.spans, s)
		return
	}
	if e != 0 { // rows have none, and a cache miss less
		p.evidence[n] |= e
	}
	p.spans[n].merge(s)
}

func (p *pairs) merge(other *pairs, addrs, names []uint32) {
	for i, k := range other.keys.keys {
		p.add(addrs[k>>32], names[uint32(k)], other.evidence[i], other.spans[i])
	}
}

// A span is when and how often something was seen.
type span struct {
	first, last int64 // microseconds since 1970, or never
	count       uint64
}

// never is the zero time.Time's place, and stands for an unknown time.
var never = time.Time{}.UnixMicro()

// spanOf returns the span of a record. One with one time only was seen then.
func spanOf(first, last time.Time, count uint64) span {
	s := span{first.UnixMicro(), last.UnixMicro(), max(count, 1)}
	if s.first == never {
		s.first = s.last
	}
	if s.last == never {
		s.last = s.first
	}
	return s
}

func (s *span) merge(o span) {
	if s.first == never || o.first != never && o.first < s.first {
		s.first = o.first
	}
	s.last = max(s.last, o.last)
	if s.count += o.count; s.count < o.count {
		s.count = math.MaxUint64
	}
}

// An entry is one name of one address on its way into the Index.
type entry struct {
	name     uint32
	evidence Evidence
	span     span
}

// Build returns the Index of what has been added. The Builder may be added to
// and built from again. When ctx ends first, its error is returned.
func (b *Builder) Build(ctx context.Context) (*Index, error) {
	limit := b.MaxNames
	if limit <= 0 {
		limit = DefaultMaxNames
	}
	chains := newChains(b.edges.keys, b.names.keys, limit)
	asked := groupByUpper(b.asked.keys.keys, len(b.addrs.keys))
	rows := groupByUpper(b.rows.keys.keys, len(b.addrs.keys))

	order := make([]uint32, len(b.addrs.keys))
	for i := range order {
		order[i] = uint32(i)
	}
	slices.SortFunc(order, func(i, j uint32) int {
		return addrOf(b.addrs.keys[i]).Compare(addrOf(b.addrs.keys[j]))
	})

	x := newIndex(len(b.addrs.keys), len(b.asked.spans)+len(b.rows.spans))
	var entries []entry
	for i, a := range order {
		if i%4096 == 0 && ctx.Err() != nil {
			return nil, ctx.Err()
		}
		entries = entries[:0]
		for _, p := range asked.of(a) {
			entries = append(entries, entry{uint32(b.asked.keys.keys[p]), b.asked.evidence[p], b.asked.spans[p]})
		}
		over := 0
		for _, p := range rows.of(a) {
			owner, s := uint32(b.rows.keys.keys[p]), b.rows.spans[p]
			f := chains.roots(owner)
			over += f.over
			if f.roots[0] == owner {
				entries = append(entries, entry{owner, Asked, s})
				continue
			}
			entries = append(entries, entry{owner, Owned, s})
			for _, root := range f.roots {
				entries = append(entries, entry{root, ViaCNAME, s})
			}
		}
		if len(entries) == 0 {
			continue // AddrID gave it a number, and no row followed
		}
		entries = mergeEntries(entries)
		if len(entries) > limit {
			over += len(entries) - limit
			slices.SortFunc(entries, func(e, f entry) int { return byCount(b.names.keys, e, f) })
			entries = entries[:limit]
		}
		slices.SortFunc(entries, func(e, f entry) int { return byGroup(b.names.keys, e, f) })
		x.add(b.addrs.keys[a], entries, b.names.keys)
		x.dropped += over
	}
	x.number(b.names.keys)
	return x, nil
}

// mergeEntries makes one entry of those with the same name.
func mergeEntries(entries []entry) []entry {
	slices.SortFunc(entries, func(e, f entry) int { return cmp.Compare(e.name, f.name) })
	merged := entries[:0]
	for _, e := range entries {
		if n := len(merged); n > 0 && merged[n-1].name == e.name {
			merged[n-1].evidence |= e.evidence
			merged[n-1].span.merge(e.span)
			continue
		}
		merged = append(merged, e)
	}
	return merged
}

// byCount orders the names seen most often first.
func byCount(names []string, e, f entry) int {
	return cmp.Or(cmp.Compare(f.span.count, e.span.count), strings.Compare(names[e.name], names[f.name]))
}

// byGroup orders as the Index does.
func byGroup(names []string, e, f entry) int {
	return cmp.Or(e.evidence.group()-f.evidence.group(), strings.Compare(names[e.name], names[f.name]))
}
