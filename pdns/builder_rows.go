package pdns

import (
	"errors"
	"net/netip"
	"time"

	"github.com/endoflow/endoflow/internal/dense"
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
// again by the caller. An unusable one is an error, and so is one that finds the
// Builder without room, which [Builder.Flush] makes.
func (b *Builder) NameID(name []byte) (NameID, error) {
	b.ready()
	hash := b.shared.names.hash(name)
	if n, ok := b.shared.names.find(name, hash); ok {
		return NameID(n + 1), nil
	}
	return b.newNameID(name, hash)
}

// newNameID returns the number of a name that has none as it stands.
func (b *Builder) newNameID(name []byte, hash uint32) (NameID, error) {
	names := b.shared.names
	if !isCanonical(name) {
		text, err := canonical(string(name))
		if err != nil {
			return 0, err
		}
		name = []byte(text)
		hash = names.hash(name)
	}
	if b.noRoom() {
		return 0, b.err
	}
	return NameID(names.add(name, hash) + 1), nil
}

// NameIDs sets ids to the numbers of as many names, which may be used again by
// the caller. It sets 0 for one that [Builder.NameID] refuses.
func (b *Builder) NameIDs(ids []NameID, names [][]byte) {
	b.ready()
	for len(names) > 0 {
		n := min(len(names), batch)
		var found, hashes [batch]uint32
		b.shared.names.findAll(&found, &hashes, names[:n])
		for i, name := range names[:n] {
			if ids[i] = NameID(found[i]); found[i] == 0 {
				ids[i], _ = b.newNameID(name, hashes[i])
			}
		}
		ids, names = ids[n:], names[n:]
	}
}

// errNoRoom is for who adds by numbers and does not look at Full.
var errNoRoom = errors.New("more names, addresses or pairs than a Builder can number")

// noRoom reports whether nothing can be added. The caller has given numbers to
// its source, so that the Builder cannot flush.
func (b *Builder) noRoom() bool {
	if b.err == nil && b.shared.full() {
		b.err = errNoRoom
	}
	return b.err != nil
}

// AddrIDs sets ids to the numbers of as many addresses, unmapped and without
// their zones; to 0 for one that is not valid or that the Filter has not. The
// caller lets go of the rows of these, and tells of them by [Builder.Thin].
//
// Where a quarter or more of the addresses pass the Filter, only those are asked
// about that have no number yet, which changes no answer.
func (b *Builder) AddrIDs(ids []AddrID, addrs []netip.Addr) {
	b.ready()
	for len(addrs) > 0 {
		n := min(len(addrs), batch)
		b.addrIDs(ids[:n], addrs[:n])
		ids, addrs = ids[n:], addrs[n:]
	}
}

// addrID is AddrIDs for one address, which is valid.
func (b *Builder) addrID(addr netip.Addr) AddrID {
	text := appendAddr(b.text[:0], dense.AddrKey(addr))
	b.text = text
	d := b.shared.addrs
	hash := d.hash(text)
	if n, ok := d.find(text, hash); ok {
		return AddrID(n + 1)
	}
	if b.Filter != nil && !b.mayContain(addr) || b.noRoom() {
		return 0
	}
	return AddrID(d.add(text, hash) + 1)
}

// addrIDs is AddrIDs for a batch.
func (b *Builder) addrIDs(ids []AddrID, addrs []netip.Addr) {
	var keys [batch]dense.Key
	var which [batch]uint8 // of addrs the keys are
	n := 0
	for i, addr := range addrs {
		if ids[i] = 0; addr.IsValid() {
			keys[n], which[n] = dense.AddrKey(addr), uint8(i)
			n++
		}
	}
	askFirst := b.Filter != nil && b.passed.few()
	if askFirst {
		n = b.thin(keys[:n], &which)
	}
	var room [16 * batch]byte
	var texts [batch][]byte
	for i, key := range keys[:n] {
		texts[i] = appendAddr(room[16*i:][:0:16], key)
	}
	var found, hashes [batch]uint32
	d := b.shared.addrs
	d.findAll(&found, &hashes, texts[:n])
	known := 0
	missing := 0
	for i := range n {
		if found[i] != 0 {
			ids[which[i]] = AddrID(found[i])
			known++
			continue
		}
		keys[missing], which[missing] = keys[i], which[i]
		missing++
	}
	if b.Filter != nil && !askFirst {
		missing = b.thin(keys[:missing], &which)
	}
	for i, key := range keys[:missing] {
		if b.noRoom() {
			break
		}
		text := appendAddr(room[:0], key)
		ids[which[i]] = AddrID(d.add(text, d.hash(text)) + 1)
	}
	if b.Filter != nil {
		b.passed.count(known+missing, len(addrs))
	}
}

// thin leaves the keys that the Filter has, and returns how many these are.
func (b *Builder) thin(keys []dense.Key, which *[batch]uint8) int {
	var may [batch]bool
	b.stats.FilterTests += int64(len(keys))
	b.Filter.mayContainAll(&may, keys)
	n := 0
	for i := range keys {
		if may[i] {
			keys[n], which[n] = keys[i], which[i]
			n++
		}
	}
	return n
}

func (b *Builder) mayContain(addr netip.Addr) bool {
	b.stats.FilterTests++
	return b.Filter.MayContain(addr)
}

// A passRate is how many of the latest addresses passed the Filter.
type passRate struct{ passed, of int }

// few reports whether so few pass that it is better to ask the Filter before the
// table. A test of an address that passes takes as long as several look-ups in a
// batch, and one that does not pass is tested either way, so that asking about
// all pays only where few pass. Of 23 million rows of which 75 % pass, 7 million
// are asked about.
func (r *passRate) few() bool { return 4*r.passed < r.of }

func (r *passRate) count(passed, of int) {
	r.passed += passed
	if r.of += of; r.of >= 8192 {
		r.passed, r.of = r.passed/2, r.of/2
	}
}

// AddRows adds what [Builder.Add] adds for the records that the rows stand for.
func (b *Builder) AddRows(rows []Row) {
	b.ready()
	for len(rows) > 0 {
		n := min(len(rows), batch)
		b.addRows(rows[:n])
		rows = rows[n:]
	}
}

// addRows is AddRows for a batch.
func (b *Builder) addRows(rows []Row) {
	b.stats.Rows += int64(len(rows))
	if b.noRoom() {
		b.stats.Dropped += int64(len(rows))
		return
	}
	var adds [batch]pair
	var keys [batch]uint64
	n := 0
	for i := range rows {
		row := &rows[i]
		if row.Addr == 0 || row.Owner == 0 {
			b.stats.Dropped++
			continue
		}
		b.stats.Addresses++
		a, o, s := uint32(row.Addr-1), uint32(row.Owner-1), unknown
		if !b.NoTimes {
			s = spanOf(row.TimeFirst, row.TimeLast, row.Count)
		}
		switch {
		case row.Query != 0:
			b.addAsked(a, o, uint32(row.Query-1), s)
			continue
		case b.NoTimes:
			keys[n] = pairKey(a, o)
		default:
			adds[n] = pair{pairKey(a, o), s}
		}
		n++
	}
	if b.NoTimes {
		b.shared.bare.addAll(keys[:n])
	} else {
		b.mine.rows.addAll(adds[:n])
	}
}

// AddCNAME adds what [Builder.Add] adds for a CNAME record. query is the name
// asked for, 0 where the source has rows. By NoCNAMEs the row is counted, and its
// names may be 0 too.
func (b *Builder) AddCNAME(owner, target, query NameID) {
	b.ready()
	b.stats.Rows++
	if b.NoCNAMEs {
		b.stats.CNAMEs++
		return
	}
	if owner == 0 || target == 0 || b.noRoom() {
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
