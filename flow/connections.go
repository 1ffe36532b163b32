package flow

import (
	"cmp"
	"encoding/binary"
	"hash/maphash"
	"math/bits"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// furtherReport is the reason for which a line is skipped whose connection has
// a record already.
const furtherReport = "further report of a connection"

var errFurtherReport = Skip(furtherReport)

// maxOpen is how many connections are kept waiting for their end: of one file
// while it is read, and of all files, of which each has an equal part, until the
// last is read. Beyond it each report is a record of its own. At about 400
// bytes each this bounds the memory that input without end reports takes.
const maxOpen = 1 << 20

// Of each connection that ended, 8 bytes may have to be remembered to the end of
// all files, where another has reports of it too.
const (
	// maxEnded is how many are remembered in any case, of all files together.
	// Each file has an equal part, so that the answer does not depend on which
	// is read first.
	maxEnded = 1 << 24

	// maxMust is how many more are remembered in one file because, if files
	// follow each other in time, their start reports are in another.
	maxMust = 1 << 20
)

// recent remembers the connections of one file that ended last, so that a report
// that a collector wrote after the end report, or twice, is known for what it
// is. It forgets the older half of what it knows at once, whatever the hashes
// are: they differ from run to run, and the answer must not.
type recent struct {
	young, old hashSet
	fresh      [][2]uint64 // not yet in young
	touched    uint64
}

// maxRecent is how many hashes are remembered at least, two of each connection:
// with its application and without. Up to twice as many are.
const maxRecent = 1 << 17

// maxFresh is how many connections are taken into the table at once, so that the
// memory is waited for together.
const maxFresh = 256

func (r *recent) has(hash, nameless uint64) bool {
	r.settle()
	return r.young.has(hash, nameless) || r.old.has(hash, nameless)
}

func (r *recent) add(hash, nameless uint64) {
	if r.fresh = append(r.fresh, [2]uint64{hash, nameless}); len(r.fresh) == maxFresh {
		r.settle()
	}
}

func (r *recent) settle() {
	if len(r.fresh) > 1 {
		for _, f := range r.fresh {
			r.touched += r.young.touch(f[1])
		}
	}
	for _, f := range r.fresh {
		if r.young.n >= maxRecent {
			r.young, r.old = r.old, r.young
			clear(r.young.lines)
			r.young.n = 0
		}
		r.young.add(f[0], f[1])
		r.young.add(f[1], f[1])
	}
	r.fresh = r.fresh[:0]
}

// A hashSet is a set of up to maxRecent+1 hashes that are not 0. Each stands in
// the cache line that its nameless hash names, and where that is full, in the
// first with room behind the place that it names itself: the two hashes of a
// connection are mostly found with one access to memory, and many hashes of one
// nameless do not make a long search.
type hashSet struct {
	lines [][8]uint64
	n     int
}

// slot returns the place of a hash, or where it belongs.
func (s *hashSet) slot(hash, nameless uint64) *uint64 {
	mask := uint64(len(s.lines) - 1)
	line := &s.lines[nameless&mask]
	for next := hash; ; next++ {
		for i, h := range line {
			if h == hash || h == 0 {
				return &line[i]
			}
		}
		line = &s.lines[next&mask]
	}
}

// touch reads from where a connection's hashes are.
func (s *hashSet) touch(nameless uint64) uint64 {
	if s.lines == nil {
		return 0
	}
	return s.lines[nameless&uint64(len(s.lines)-1)][0]
}

func (s *hashSet) has(hash, nameless uint64) bool {
	return s.n > 0 && *s.slot(hash, nameless) == hash
}

func (s *hashSet) add(hash, nameless uint64) {
	if s.lines == nil {
		s.lines = make([][8]uint64, maxRecent/4)
	}
	if slot := s.slot(hash, nameless); *slot == 0 {
		*slot = hash
		s.n++
	}
}

// hashSeed is one for all, since hashes of one file are looked for in another.
var hashSeed = maphash.MakeSeed()

// hashesOf returns hashes of what the reports of one connection have in common:
// device (its name's hash), protocol, both ends, start and application; and, as
// nameless, of the same without the application. That is what a report without
// a process says, such as the start report of UDP that arrives before the first
// answer. Two of a billion connections share a hash with a probability of 3 %.
func hashesOf(rec *Record, device uint64) (full, nameless uint64) {
	src, dst := rec.Src.Addr().As16(), rec.Dst.Addr().As16()
	var key [56]byte
	copy(key[:16], src[:])
	copy(key[16:32], dst[:])
	binary.LittleEndian.PutUint64(key[32:], uint64(rec.Start.UnixNano()))
	binary.LittleEndian.PutUint64(key[40:], device)
	binary.LittleEndian.PutUint16(key[48:], rec.Src.Port())
	binary.LittleEndian.PutUint16(key[50:], rec.Dst.Port())
	key[52] = byte(rec.Proto)
	key[53] = byte(rec.Src.Addr().BitLen())
	key[54] = byte(rec.Dst.Addr().BitLen())
	nameless = max(maphash.Bytes(hashSeed, key[:]), 1)
	if rec.App.Name == "" {
		return nameless, nameless
	}
	app := maphash.String(hashSeed, rec.App.Name)
	hi, lo := bits.Mul64(nameless^0x9e3779b97f4a7c15, app^0xd1b54a32d192ed03)
	return max(hi^lo^nameless, 1), nameless
}

// same reports whether two reports are of one connection. The application of
// the first may be unknown yet.
func same(a, b *Record) bool {
	return a.Device == b.Device && (a.App.Name == b.App.Name || a.App.Name == "") && a.Proto == b.Proto &&
		a.Src == b.Src && a.Dst == b.Dst && a.Start.Equal(b.Start)
}

// connections folds the reports that one file holds. The first report of a
// connection counts as its record, the others as skipped lines.
type connections struct {
	waiting map[uint64]*open // by hash
	free    []*open
	devices map[uint64]*deviceState // by hash
	recent  recent
	ended   []uint64 // hashes of what ended here; there may be reports in another file
	must    int      // how many of them had to be remembered
	room    int      // for those that had not
	share   int      // how many connections may wait beyond the end of the file
}

// open is a connection that has not ended yet, as far as is known.
type open struct {
	Record
	began bool // its start report is here, so that no other file has reports before it
}

// deviceState is what is known of a device while its file is read.
//
// By default an agent sends end reports only, and to remember all of those
// would take memory in proportion to the flows. Until the device has shown that
// it sends start reports, only connections must be remembered that began before
// its first report in the file: the start reports of the others would be in
// this file, if files follow each other in time.
type deviceState struct {
	reports bool      // it has sent one
	starts  bool      // it sends start or periodic reports
	first   time.Time // of its first report here
	last    time.Time // the latest start of a connection of it that ended here

	os   OS     // that the table of devices knew
	osAt uint64 // at this state of the table
}

// add takes a report of a device. keep says whether rec is a record now,
// perhaps with what earlier reports told folded in; err what the line counts
// as.
func (c *connections) add(rec *Record, d *deviceState, device uint64) (keep bool, err error) {
	if !d.reports {
		d.reports = true
		d.first = rec.Start
		if rec.End.After(rec.Start) {
			d.first = rec.End
		}
	}
	hash, nameless := hashesOf(rec, device)
	first := c.find(hash, rec)
	if first == nil && hash != nameless && c.waiting[hash] == nil {
		if first = c.find(nameless, rec); first != nil {
			delete(c.waiting, nameless)
			c.waiting[hash] = first
		}
	}
	// Most connections begin after all that have ended, and need not be looked for
	// among them, where the memory would have to be waited for.
	if first == nil && !rec.Start.After(d.last) && !rec.Start.IsZero() && c.recent.has(hash, nameless) {
		return false, errFurtherReport
	}
	if rec.Report == ReportEnd {
		if rec.Start.After(d.last) {
			d.last = rec.Start
		}
		c.recent.add(hash, nameless)
		c.noteEnd(rec, d, first != nil && first.began, hash)
		if first == nil {
			return true, nil
		}
		*rec = fold(first.Record, *rec)
		delete(c.waiting, hash)
		*first = open{}
		c.free = append(c.free, first)
		return true, errFurtherReport
	}
	d.starts = true
	began := rec.Report == ReportStart
	if first != nil {
		first.Record = fold(first.Record, *rec)
		first.began = first.began || began
		return false, errFurtherReport
	}
	if len(c.waiting) >= maxOpen || c.waiting[hash] != nil {
		return true, nil
	}
	if c.waiting == nil {
		c.waiting = make(map[uint64]*open)
	}
	if n := len(c.free); n > 0 {
		first, c.free = c.free[n-1], c.free[:n-1]
	} else {
		first = new(open)
	}
	*first = open{*rec, began}
	c.waiting[hash] = first
	return false, nil
}

// find returns the connection with a hash that waits for its end, if it is
// that of rec.
func (c *connections) find(hash uint64, rec *Record) *open {
	if len(c.waiting) == 0 {
		return nil
	}
	if o := c.waiting[hash]; o != nil && same(&o.Record, rec) {
		return o
	}
	return nil
}

// device returns what is known of a device, and the hash of its name.
func (c *connections) device(name string) (*deviceState, uint64) {
	hash := maphash.String(hashSeed, name)
	d := c.devices[hash]
	if d == nil {
		d = new(deviceState)
		if c.devices == nil {
			c.devices = make(map[uint64]*deviceState)
		}
		c.devices[hash] = d
	}
	return d, hash
}

// noteEnd remembers a connection that has ended, for the sake of other files.
func (c *connections) noteEnd(rec *Record, d *deviceState, began bool, hash uint64) {
	switch must := !began && (d.starts || !rec.Start.After(d.first)); {
	case must && c.must < maxMust:
		c.must++
	case c.room > 0:
		c.room--
	default:
		return
	}
	c.ended = append(c.ended, hash)
}

func sortByStart(recs []Record) {
	slices.SortFunc(recs, func(a, b Record) int {
		return cmp.Or(a.Start.Compare(b.Start), cmp.Compare(a.Device, b.Device),
			a.Src.Compare(b.Src), a.Dst.Compare(b.Dst), cmp.Compare(a.Proto, b.Proto), cmp.Compare(a.App.Name, b.App.Name))
	})
}

// fold returns the record of a connection of which two reports are known, the
// same whichever comes first: the longest time, the largest counters, and
// fields that only one of them has.
func fold(a, b Record) Record {
	if rank(b) > rank(a) || rank(b) == rank(a) && b.End.After(a.End) {
		a, b = b, a
	}
	if b.End.After(a.End) {
		a.End = b.End
	}
	a.TxBytes = max(a.TxBytes, b.TxBytes)
	a.RxBytes = max(a.RxBytes, b.RxBytes)
	if a.OS == OSUnknown {
		a.OS = b.OS
	}
	if a.Execution == "" {
		a.Execution = b.Execution
	}
	if a.App.Name == "" {
		a.App = b.App
		a.Null = a.Null&^NullApp | b.Null&NullApp
	}
	if a.DstName == "" {
		a.DstName = b.DstName
	}
	if a.Native == NativeUnknown {
		a.Native = b.Native
	}
	return a
}

// rank orders reports by how much they know.
func rank(r Record) int {
	switch r.Report {
	case ReportEnd:
		return 2
	case ReportPeriodic:
		return 1
	}
	return 0
}

// pending gathers from all files the connections that no end report closed.
type pending struct {
	mu      sync.Mutex
	waiting map[connection]Record
	ended   []uint64
	further int64 // records counted in one file that turned out to be reports
}

// A connection is what the reports of one connection have in common.
type connection struct {
	device, app string
	proto       Proto
	src, dst    netip.AddrPort
	start       int64
}

func connectionOf(rec *Record) connection {
	return connection{rec.Device, rec.App.Name, rec.Proto, rec.Src, rec.Dst, rec.Start.UnixNano()}
}

// take moves what a finished file left behind, and returns the connections that
// are more than its share: those are records now.
func (p *pending) take(c *connections) []Record {
	waiting := make([]Record, 0, len(c.waiting))
	for _, o := range c.waiting {
		waiting = append(waiting, o.Record)
	}
	sortByStart(waiting)
	share := min(len(waiting), c.share)

	p.mu.Lock()
	defer p.mu.Unlock()
	if p.waiting == nil {
		p.waiting = make(map[connection]Record)
	}
	for _, rec := range waiting[:share] {
		key := connectionOf(&rec)
		if other, known := p.waiting[key]; known {
			rec = fold(other, rec)
			p.further++
		}
		p.waiting[key] = rec
	}
	p.ended = append(p.ended, c.ended...)
	return waiting[share:]
}

// rest returns the connections of which no file holds an end report, by start
// time.
func (p *pending) rest(counts *Counts) []Record {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.waiting) > 0 {
		slices.Sort(p.ended)
	}
	var recs []Record
	for _, rec := range p.waiting {
		hash, _ := hashesOf(&rec, maphash.String(hashSeed, rec.Device))
		if _, ended := slices.BinarySearch(p.ended, hash); ended {
			p.further++
		} else {
			recs = append(recs, rec)
		}
	}
	sortByStart(recs)
	counts.Records -= p.further
	counts.SkipN(furtherReport, p.further)
	return recs
}
