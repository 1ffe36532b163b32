package pdns

import (
	"net/netip"
	"time"
)

// A NameID stands for a name, and an AddrID for an address, in the one
// [Builder] that gave it out. A source that repeats its values, as one with
// dictionaries does, asks for each once and then adds [Row]s of numbers. 0 is
// that of none.
type (
	NameID uint32
	AddrID uint32
)

// A Row is a record of type A or AAAA by numbers; see [Builder.AddRow].
type Row struct {
	Addr  AddrID
	Owner NameID
	Query NameID // the name asked for, 0 where the source has rows

	TimeFirst, TimeLast time.Time // zero where the source does not say
	Count               uint64    // 0 is taken as 1
}

// CanonicalName returns a name as it stands in a [Record]: in lower case and
// without the final dot. One that is not of printable ASCII, is empty or is
// longer than 255 bytes is an error.
func CanonicalName(name string) (string, error) { return canonical(name) }

// NameID returns the number of a name, in whatever form. The name may be used
// again by the caller. An unusable one is an error; 0 without an error says
// that the Builder is full.
func (b *Builder) NameID(name []byte) (NameID, error) {
	if n, ok := b.names.find(name); ok {
		return NameID(n + 1), nil
	}
	text, err := canonical(string(name))
	if err != nil || b.full() {
		return 0, err
	}
	return NameID(b.names.add(text) + 1), nil
}

// AddrID returns the number of an address, unmapped and without its zone; 0 for
// one that is not valid and where the Builder is full. It does not ask the
// Filter: that is for the caller to do, who tells of rows let go by
// [Builder.Thin].
func (b *Builder) AddrID(addr netip.Addr) AddrID {
	if !addr.IsValid() || b.full() {
		return 0
	}
	n, _ := b.addrs.add(addr.As16())
	return AddrID(n + 1)
}

// AddRow adds what [Builder.Add] adds for the record that the row stands for.
func (b *Builder) AddRow(row Row) {
	b.stats.Rows++
	if row.Addr == 0 || row.Owner == 0 || b.full() {
		b.stats.Dropped++
		return
	}
	b.stats.Addresses++
	a, o, s := uint32(row.Addr-1), uint32(row.Owner-1), spanOf(row.TimeFirst, row.TimeLast, row.Count)
	if row.Query == 0 {
		b.rows.add(a, o, 0, s)
	} else {
		b.addAsked(a, o, uint32(row.Query-1), s)
	}
}

// AddCNAME adds what [Builder.Add] adds for a CNAME record. query is 0 where the
// source has rows.
func (b *Builder) AddCNAME(owner, target, query NameID) {
	b.stats.Rows++
	if owner == 0 || target == 0 || b.full() {
		b.stats.Dropped++
		return
	}
	b.stats.CNAMEs++
	if query == 0 && owner != target {
		b.addEdge(uint32(target-1), uint32(owner-1))
	}
}

// Thin counts rows of addresses that the Filter has not, which the caller has
// let go.
func (b *Builder) Thin(rows int64) {
	b.stats.Rows += rows
	b.stats.Addresses += rows
	b.stats.Thinned += rows
}
