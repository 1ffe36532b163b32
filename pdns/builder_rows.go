package pdns

import (
	"net/netip"
	"time"
)

// A NameID stands for a name, and an AddrID for an address, in the one
// [Builder] that gave it out. A source that repeats its values, as one with
// dictionaries does, asks for each once and then adds [Row]s of numbers. It is
// to ask for many at a time: what a look-up costs is the wait for memory, and
// the waits of several overlap. 0 stands for none.
type (
	NameID uint32
	AddrID uint32
)

// A Row is a record of type A or AAAA by numbers; see [Builder.AddRows].
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

// NameIDs sets ids to the numbers of as many names, which may be used again by
// the caller. It sets 0 for one that [Builder.NameID] refuses.
func (b *Builder) NameIDs(ids []NameID, names [][]byte) {
	for len(names) > 0 {
		n := min(len(names), batch)
		var found [batch]uint32
		b.names.findAll(&found, names[:n])
		for i, name := range names[:n] {
			if ids[i] = NameID(found[i]); found[i] == 0 {
				ids[i], _ = b.NameID(name)
			}
		}
		ids, names = ids[n:], names[n:]
	}
}

// AddrIDs sets ids to the numbers of as many addresses, unmapped and without
// their zones; to 0 for one that is not valid and where the Builder is full. It
// does not ask the Filter: that is for the caller to do, who tells of rows let
// go by [Builder.Thin].
func (b *Builder) AddrIDs(ids []AddrID, addrs []netip.Addr) {
	for len(addrs) > 0 {
		n := min(len(addrs), batch)
		var keys [batch][16]byte
		for i, addr := range addrs[:n] {
			keys[i] = addr.As16()
		}
		var found [batch]uint32
		b.addrs.findAll(&found, keys[:n])
		for i, addr := range addrs[:n] {
			if ids[i] = AddrID(found[i]); !addr.IsValid() || b.full() {
				ids[i] = 0
			} else if found[i] == 0 {
				a, _ := b.addrs.add(keys[i])
				ids[i] = AddrID(a + 1)
			}
		}
		ids, addrs = ids[n:], addrs[n:]
	}
}

// AddRows adds what [Builder.Add] adds for the records that the rows stand for.
func (b *Builder) AddRows(rows []Row) {
	for len(rows) > 0 {
		n := min(len(rows), batch)
		var keys [batch]uint64
		for i := range rows[:n] {
			keys[i] = uint64(rows[i].Addr-1)<<32 | uint64(rows[i].Owner-1)
		}
		var found [batch]uint32
		b.rows.keys.findAll(&found, keys[:n])
		for i := range rows[:n] {
			b.addRow(&rows[i], found[i])
		}
		rows = rows[n:]
	}
}

// addRow adds a row. pair is the number of its pair in b.rows plus one; 0 is not
// known.
func (b *Builder) addRow(row *Row, pair uint32) {
	b.stats.Rows++
	if row.Addr == 0 || row.Owner == 0 || b.full() {
		b.stats.Dropped++
		return
	}
	b.stats.Addresses++
	a, o, s := uint32(row.Addr-1), uint32(row.Owner-1), spanOf(row.TimeFirst, row.TimeLast, row.Count)
	switch {
	case row.Query != 0:
		b.addAsked(a, o, uint32(row.Query-1), s)
	case pair != 0:
		b.rows.spans[pair-1].merge(s)
	default:
		b.rows.add(a, o, 0, s)
	}
}

// AddCNAME adds what [Builder.Add] adds for a CNAME record. query is the name
// asked for, 0 where the source has rows.
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
