package pdns

import (
	"cmp"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
)

// DefaultMaxNames is the most names of an address where [Builder.MaxNames] is 0.
const DefaultMaxNames = 100_000

// A Builder gathers records and makes an [Index] of them. The zero value is
// ready. It is for one goroutine; several add by [Builder.Fork], or each have a
// Builder for a part of the input, joined by [Builder.Merge]. Neither the order of
// the input nor its division makes a difference to the Index, nor does the memory
// limit.
//
// Its memory is in proportion to what it keeps of distinct names (about 50 bytes
// each), of distinct pairs of address and name (about 50, or 16 by NoTimes), of
// distinct addresses (about 30) and of distinct CNAME rows (about 16). A repeated
// record costs none.
type Builder struct {
	// Filter, if not nil, thins the rows: those of an address that it has not
	// are left out. CNAME rows are kept, since any of them may turn out to lead
	// to an address that counts. Set it before the first Add, and what is below
	// too.
	Filter *Filter

	// NoTimes keeps no times and no counts, which no Lookup then tells: the
	// times of a [Name] are zero, and so is its Count.
	NoTimes bool

	// NoCNAMEs lets CNAME rows go unread. Where the source has rows, the names of
	// an address are then those that own it, in either mode.
	NoCNAMEs bool

	// MaxNames is the most names of an address in the Index. The further ones
	// are dropped, the least often seen first, and of those seen as often, or
	// without counts, the last in the order of their bytes; they are counted in
	// [IndexStats.Dropped]. It is also the most names met on a walk back from
	// one owner. 0: [DefaultMaxNames].
	MaxNames int

	// Memory is how many bytes the Builder and its forks together keep to, the
	// Filter not counted; 0 is no limit. Half of it is for what is gathered,
	// which goes to a file when there is more, sorted; the other half is for
	// sorting and merging, and for what the garbage collector has not found yet.
	// Less than 256 KiB is taken for that. An Index that would not fit is one of
	// a file.
	Memory int64

	// Dir is the folder for such files. "" is os.TempDir(). They go with
	// [Builder.Close], and where a file may lose its name while it is open, as
	// soon as the process ends, however it does. What may be left of them
	// otherwise is called endoflow-pdns-*.tmp.
	Dir string

	shared *gathering // nil: nothing has been added
	mine   *part      // of it; nil: another is to be had
	forked bool
	added  int // records by Add, to look at the memory now and then
	passed passRate
	text   []byte // of a name
	stats  BuilderStats
	err    error // the first; nothing is added after it
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
	// over 255 bytes).
	Dropped int64

	// FilterTests is how often the Filter was asked. It is not asked about an
	// address known already where most rows pass it. Runs is how many sorted
	// runs went to files, and Spilled their bytes. These three depend on the
	// division of the input, and the others do not.
	FilterTests int64
	Runs        int64
	Spilled     int64
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
	if b.added++; b.added%64 == 0 && b.Full() {
		b.Flush()
	}
	if b.err != nil {
		b.stats.Dropped++
		return
	}
	b.ready()
	if rec.RRType == CNAME {
		if b.NoCNAMEs || b.addCNAME(&rec) {
			b.stats.CNAMEs++
		} else {
			b.stats.Dropped++
		}
		return
	}
	addr, ok := rec.Addr()
	if !ok {
		b.stats.Dropped++
		return
	}
	if id := b.addrID(addr); id == 0 {
		b.stats.Addresses++
		b.stats.Thinned++
	} else if b.addAddr(uint32(id-1), &rec) {
		b.stats.Addresses++
	} else {
		b.stats.Dropped++
	}
}

func (b *Builder) addCNAME(rec *Record) bool {
	owner, err := canonical(rec.RRName)
	if err != nil {
		return false
	}
	target, err := canonical(rec.RData)
	if err != nil {
		return false
	}
	if rec.Query == "" && owner != target {
		b.addEdge(b.addName(target), b.addName(owner))
	}
	return true
}

// ready makes the Builder ready to add.
func (b *Builder) ready() {
	if b.mine == nil {
		if b.shared == nil {
			b.shared = newGathering()
		}
		b.mine = b.shared.join()
	}
}

// addName returns the number of a name.
func (b *Builder) addName(name string) uint32 {
	text := append(b.text[:0], name...)
	b.text = text
	d := b.shared.names
	hash := d.hash(text)
	if n, ok := d.find(text, hash); ok {
		return n
	}
	return d.add(text, hash)
}

// addEdge adds a CNAME row: with others, when there is a batch.
func (b *Builder) addEdge(target, owner uint32) {
	p := b.mine
	if p.edges = append(p.edges, pairKey(target, owner)); len(p.edges) == batch {
		b.shared.edges.addAll(p.edges)
		p.edges = p.edges[:0]
	}
}

func (b *Builder) addAddr(addr uint32, rec *Record) bool {
	owner, err := canonical(rec.RRName)
	if err != nil {
		return false
	}
	query := ""
	if rec.Query != "" {
		if query, err = canonical(rec.Query); err != nil {
			return false
		}
	}
	s := unknown
	if !b.NoTimes {
		s = spanOf(rec.TimeFirst, rec.TimeLast, rec.Count)
	}
	o := b.addName(owner)
	switch {
	case query != "":
		b.addAsked(addr, o, b.addName(query), s)
	case b.NoTimes:
		b.shared.bare.addAll([]uint64{pairKey(addr, o)})
	default:
		b.mine.rows.add(pairKey(addr, o), 0, s)
	}
	return true
}

// addAsked adds the pairs of an address whose owner is known with the name
// asked for.
func (b *Builder) addAsked(addr, owner, query uint32, s span) {
	if owner == query {
		b.mine.asked.add(pairKey(addr, owner), Asked, s)
		return
	}
	b.mine.asked.add(pairKey(addr, owner), Owned, s)
	b.mine.asked.add(pairKey(addr, query), ViaCNAME, s)
}

// Fork returns a Builder for another goroutine, with the same fields, that gathers
// into the same memory: a name or an address that several meet is kept once.
// [Builder.Merge] with it, when its goroutine has no more to add, makes what it has
// added that of b, and the fork empty. Until all forks are merged, or closed for
// nothing, only Fork and Merge of b are to be used, by one goroutine at a time.
//
// A fork's Add and Flush wait where the limit of memory has been reached, until
// each of the others has come so far too, or is merged or closed: one whose
// goroutine has ended must be.
func (b *Builder) Fork() *Builder {
	if b.shared == nil {
		b.shared = newGathering()
	}
	if b.mine != nil && !b.forked {
		b.shared.leave(b.mine, true)
		b.mine = nil
	}
	return &Builder{
		Filter: b.Filter, NoTimes: b.NoTimes, NoCNAMEs: b.NoCNAMEs, MaxNames: b.MaxNames, Memory: b.Memory, Dir: b.Dir,
		shared: b.shared, mine: b.shared.join(), forked: true, err: b.err,
	}
}

// Merge adds what other has gathered. A fork of b is empty afterwards; another
// Builder is left as it is but for a [Builder.Flush]. What one Builder's Filter has
// let go is gone, so that all should have the same.
func (b *Builder) Merge(other *Builder) {
	if other.forked && other.shared == b.shared {
		if b.err == nil {
			b.err = other.err
		}
		b.stats.add(&other.stats)
		other.stats = BuilderStats{}
		other.leave(true)
		return
	}
	err := cmp.Or(b.Flush(), other.Flush())
	if b.err == nil {
		b.err = err
	}
	b.stats.add(&other.stats)
	if other.shared == nil {
		return
	}
	b.ready()
	b.shared.take(other.shared)
	if b.Full() && b.err == nil {
		b.err = b.shared.spill(b)
	}
}

// leave makes a fork one of nothing.
func (b *Builder) leave(stays bool) {
	if b.mine != nil {
		b.shared.leave(b.mine, stays)
	}
	b.shared, b.mine = nil, nil
}

func (s *BuilderStats) add(other *BuilderStats) {
	s.Rows += other.Rows
	s.Addresses += other.Addresses
	s.Thinned += other.Thinned
	s.CNAMEs += other.CNAMEs
	s.Dropped += other.Dropped
	s.FilterTests += other.FilterTests
	s.Runs += other.Runs
	s.Spilled += other.Spilled
}

// minMemory is the least that Builder.Memory is taken for.
const minMemory = 256 << 10

// limit returns Memory as it is used.
func (b *Builder) limit() int64 { return max(b.Memory, minMemory) }

// Full reports whether the Builder has come to its limit of memory, or a fork beside
// it has. Add then calls [Builder.Flush] by itself; a source that adds rows of
// numbers is to ask now and then, and to call it.
func (b *Builder) Full() bool {
	if b.mine == nil {
		return false
	}
	g := b.shared
	bytes := g.bytes(b.mine)
	return g.wanted.Load() || g.full() || b.Memory > 0 && bytes > b.limit()/2
}

// Flush sorts what has been gathered since the last time and puts it aside: into
// memory, in a third of the room, or into a file where the Builder is over its
// limit. Every number that it has given out until then is void. Merge and Build
// do it too. Of a fork, it waits for the others to do it.
//
// An error is one of the file system, and stays: nothing can be added any more,
// and there will be no Index.
func (b *Builder) Flush() error {
	if b.err == nil && b.mine != nil {
		b.err = b.shared.flush(b)
	}
	return b.err
}

// Close removes what the Builder has put into files, which it needs no more once
// there is nothing more to build. A Builder without a limit of memory need not be
// closed. Close of a fork lets go what it has added, unless that is in a file
// already.
func (b *Builder) Close() (err error) {
	if b.forked {
		b.leave(false)
	} else if b.shared != nil {
		err = b.shared.close()
	}
	*b = Builder{
		Filter: b.Filter, NoTimes: b.NoTimes, NoCNAMEs: b.NoCNAMEs, MaxNames: b.MaxNames, Memory: b.Memory, Dir: b.Dir, stats: b.stats,
	}
	return err
}

// Build returns the Index of what has been added. The Builder may be added to
// and built from again. When ctx ends first, its error is returned; another error
// is one of the file system.
//
// An Index that would not fit into Memory is one of a file in Dir, which goes
// with its Close.
func (b *Builder) Build(ctx context.Context) (*Index, error) {
	m, err := b.merger(ctx)
	if err != nil {
		return nil, err
	}
	defer m.close()
	if m.file == nil {
		var w memoryImage
		if err := m.merge(&w); err != nil {
			return nil, err
		}
		return w.index(), nil
	}
	file, err := newScratch(b.Dir)
	if err != nil {
		return nil, err
	}
	if err := m.merge(newFileImage(file.f)); err != nil {
		file.release()
		return nil, err
	}
	x, err := open(file.f, file.f.Name())
	if err != nil {
		file.release()
		return nil, err
	}
	undo := x.mapping.undo
	x.mapping.undo = func(data []byte) error {
		if undo != nil {
			err = undo(data)
		}
		return errors.Join(err, file.release())
	}
	return x, nil
}

// WriteFile writes the Index of what has been added to a file, for [Open]. The
// file is written under another name beside it, name.*.tmp, and has its name once
// it is whole and on the disk: whenever the process or the system ends, there is
// the old file or the new one. What such an end leaves of the other name may be
// removed.
func (b *Builder) WriteFile(ctx context.Context, name string) error {
	m, err := b.merger(ctx)
	if err != nil {
		return err
	}
	defer m.close()
	f, err := createBeside(name)
	if err != nil {
		return err
	}
	err = m.merge(newFileImage(f))
	if err == nil {
		err = f.Sync()
	}
	if err = cmp.Or(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return syncDir(filepath.Dir(name))
}

// merger returns the merger of the runs, after a Flush.
func (b *Builder) merger(ctx context.Context) (*merger, error) {
	b.ready()
	if err := b.Flush(); err != nil {
		return nil, err
	}
	g := b.shared
	g.drop()
	m := &merger{ctx: ctx, limit: b.MaxNames, memory: b.limit(), dir: b.Dir}
	if m.limit <= 0 {
		m.limit = DefaultMaxNames
	}
	// An image and what is kept on the way to it take up to three times as much
	// as the runs.
	spilled := slices.ContainsFunc(g.runs, func(r run) bool { return r.names.file != nil })
	if b.Memory > 0 && (spilled || 4*g.aside.Load() > m.memory) {
		if b.err = g.spill(b); b.err != nil {
			return nil, b.err
		}
		var err error
		if m.file, err = newScratch(b.Dir); err != nil {
			return nil, err
		}
	}
	m.runs = g.runs
	return m, nil
}
