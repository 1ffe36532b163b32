package pdns

import (
	"cmp"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"

	"github.com/endoflow/endoflow/internal/dense"
)

// DefaultMaxNames is the most names of an address where [Builder.MaxNames] is 0.
const DefaultMaxNames = 100_000

// A Builder gathers records and makes an [Index] of them. The zero value is
// ready. It is for one goroutine; several, each with a part of the input, are
// joined with [Builder.Merge]. Neither the order of the input nor its division
// among Builders makes a difference to the Index, nor does the memory limit.
//
// Its memory is in proportion to what it keeps of distinct names (about 50 bytes
// each), of distinct pairs of address and name (about 50) and of distinct
// addresses and CNAME rows (about 30). A repeated record costs none.
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

	// Memory is how many bytes the Builder keeps to, the Filter not counted; 0
	// is no limit. Half of it is for what is gathered, which goes to a file when
	// there is more, sorted; the other half is for sorting and merging, and for
	// what the garbage collector has not found yet. Less than 256 KiB is taken
	// for that. An Index that would not fit is one of a file.
	Memory int64

	// Dir is the folder for such files. "" is os.TempDir(). They go with
	// [Builder.Close], and where a file may lose its name while it is open, as
	// soon as the process ends, however it does. What may be left of them
	// otherwise is called endoflow-pdns-*.tmp.
	Dir string

	tables tables
	runs   []run
	aside  int64      // bytes of runs in memory
	file   *scratch   // for runs
	files  []*scratch // of runs that came by Merge
	added  int        // records by Add, to look at the memory now and then
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
	if rec.RRType == CNAME {
		if b.addCNAME(&rec) {
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

// addName returns the number of a name.
func (b *Builder) addName(name string) uint32 {
	text := append(b.text[:0], name...)
	b.text = text
	return b.tables.names.add(text, b.tables.names.hash(text))
}

func (b *Builder) addEdge(target, owner uint32) {
	b.tables.edges.Add(dense.Key{Hi: uint64(target), Lo: uint64(owner)})
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
	s := spanOf(rec.TimeFirst, rec.TimeLast, rec.Count)
	o := b.addName(owner)
	if query == "" {
		b.tables.rows.add(pairKey(addr, o), 0, s)
	} else {
		b.addAsked(addr, o, b.addName(query), s)
	}
	return true
}

// addAsked adds the pairs of an address whose owner is known with the name
// asked for.
func (b *Builder) addAsked(addr, owner, query uint32, s span) {
	if owner == query {
		b.tables.asked.add(pairKey(addr, owner), Asked, s)
		return
	}
	b.tables.asked.add(pairKey(addr, owner), Owned, s)
	b.tables.asked.add(pairKey(addr, query), ViaCNAME, s)
}

// Merge adds what other has gathered, which it leaves as it is but for a
// [Builder.Flush]. What one Builder's Filter has let go is gone, so that all
// should have the same.
func (b *Builder) Merge(other *Builder) {
	err := cmp.Or(b.Flush(), other.Flush())
	if b.err == nil {
		b.err = err
	}
	b.stats.add(&other.stats)
	b.runs = append(b.runs, other.runs...)
	b.aside += other.aside
	for _, f := range append(slices.Clone(other.files), other.file) {
		if f != nil && f != b.file && !slices.Contains(b.files, f) {
			f.owners.Add(1)
			b.files = append(b.files, f)
		}
	}
	if b.Full() {
		b.spill()
	}
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

// Full reports whether the Builder has come to its limit of memory. Add then
// calls [Builder.Flush] by itself; a source that adds rows of numbers is to ask
// now and then, and to call it.
func (b *Builder) Full() bool {
	return b.tables.full() || b.Memory > 0 && b.tables.size()+b.aside > b.limit()/2
}

// Flush sorts what has been gathered since the last time and puts it aside: into
// memory, in a third of the room, or into a file where the Builder is over its
// limit. Every number that it has given out until then is void. Merge and Build
// do it too; it is for several goroutines with a Builder each to do at a time
// what the merge needs.
//
// An error is one of the file system, and stays: nothing can be added any more,
// and there will be no Index.
func (b *Builder) Flush() error {
	if b.err != nil {
		return b.err
	}
	full := b.Full()
	if b.tables.empty() {
		b.tables.reset()
	} else {
		toFile := full && b.Memory > 0
		if toFile {
			if b.err = b.needFile(); b.err != nil {
				return b.err
			}
		}
		var file *scratch
		if toFile {
			file = b.file
		}
		r, err := b.tables.sorted(file)
		if b.err = err; err != nil {
			return err
		}
		b.runs = append(b.runs, r)
		if toFile {
			b.stats.Runs++
			b.stats.Spilled += r.size()
			b.tables.reset() // for as much again
		} else {
			b.aside += r.size()
			b.tables = tables{}
		}
	}
	if full {
		b.spill()
	}
	return b.err
}

func (b *Builder) needFile() (err error) {
	if b.file == nil {
		b.file, err = newScratch(b.Dir)
	}
	return err
}

// spill moves the runs in memory to the file, if there is a limit.
func (b *Builder) spill() {
	if b.Memory <= 0 || b.err != nil {
		return
	}
	for i := range b.runs {
		r := &b.runs[i]
		if r.names.file != nil || r.size() == 0 {
			continue
		}
		if b.err = b.needFile(); b.err != nil {
			return
		}
		for _, s := range r.segments() {
			if b.err = s.moveTo(b.file); b.err != nil {
				return
			}
		}
		b.stats.Runs++
		b.stats.Spilled += r.size()
	}
	b.aside = 0
}

// Close removes what the Builder has put into files, which it needs no more once
// there is nothing more to build. A Builder without a limit of memory need not be
// closed.
func (b *Builder) Close() error {
	err := b.file.release()
	for _, f := range b.files {
		err = cmp.Or(err, f.release())
	}
	*b = Builder{Filter: b.Filter, MaxNames: b.MaxNames, Memory: b.Memory, Dir: b.Dir, stats: b.stats}
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
	if err := b.Flush(); err != nil {
		return nil, err
	}
	b.tables = tables{}
	m := &merger{ctx: ctx, limit: b.MaxNames, memory: b.limit(), dir: b.Dir}
	if m.limit <= 0 {
		m.limit = DefaultMaxNames
	}
	// An image and what is kept on the way to it take up to three times as much
	// as the runs.
	spilled := slices.ContainsFunc(b.runs, func(r run) bool { return r.names.file != nil })
	if b.Memory > 0 && (spilled || 4*b.aside > m.memory) {
		if b.spill(); b.err != nil {
			return nil, b.err
		}
		var err error
		if m.file, err = newScratch(b.Dir); err != nil {
			return nil, err
		}
	}
	m.runs = b.runs
	return m, nil
}
