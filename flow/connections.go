package flow

import (
	"cmp"
	"hash/maphash"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// furtherReport is the reason for which a line is skipped whose connection has
// a record already.
const furtherReport = "further report of a connection"

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
// is. It forgets the oldest first, whatever the hashes are: they differ from run
// to run, and the answer must not.
type recent struct {
	known map[uint64]struct{}
	ring  []uint64
	next  int // the place of the oldest in ring, when it is full
}

// maxRecent is how many hashes are remembered, two of each connection: with its
// application and without.
const maxRecent = 1 << 17

func (r *recent) has(hash uint64) bool {
	_, ok := r.known[hash]
	return ok
}

func (r *recent) add(hash uint64) {
	if r.has(hash) {
		return
	}
	if r.known == nil {
		r.known = make(map[uint64]struct{})
	}
	r.known[hash] = struct{}{}
	if len(r.ring) < maxRecent {
		r.ring = append(r.ring, hash)
		return
	}
	delete(r.known, r.ring[r.next])
	r.ring[r.next] = hash
	r.next = (r.next + 1) % maxRecent
}

// A connection is what the reports of one connection have in common. The
// application is "" in the start report of UDP that arrives before the first
// answer, when there is no process yet.
type connection struct {
	device, app string
	proto       Proto
	src, dst    netip.AddrPort
	start       int64
}

func connectionOf(rec Record) connection {
	return connection{rec.Device, rec.App.Name, rec.Proto, rec.Src, rec.Dst, rec.Start.UnixNano()}
}

// nameless returns the connection as a report without a process names it.
func (c connection) nameless() connection {
	c.app = ""
	return c
}

// hash stands for a connection that has ended, in 8 bytes instead of 112. Two
// of a billion connections share one with a probability of 3 %.
func (c connection) hash() uint64 { return maphash.Comparable(hashSeed, c) }

var hashSeed = maphash.MakeSeed()

// connections folds the reports that one file holds. The first report of a
// connection counts as its record, the others as skipped lines.
type connections struct {
	waiting map[connection]open
	devices map[string]*deviceReports
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

// deviceReports is what is known of a device's way of reporting. By default an
// agent sends end reports only, and to remember all of those would take memory in
// proportion to the flows. Until the device has shown that it sends start reports,
// only connections must be remembered that began before its first report in the
// file: the start reports of the others would be in this file, if files follow
// each other in time.
type deviceReports struct {
	starts bool      // it sends start or periodic reports
	first  time.Time // of its first report here
}

// add takes a report and appends the record that it completes.
func (c *connections) add(rec Record, recs []Record) ([]Record, error) {
	key := connectionOf(rec)
	first, known := c.waiting[key]
	if !known && key.app != "" {
		if first, known = c.waiting[key.nameless()]; known {
			delete(c.waiting, key.nameless())
		}
	}
	hash := key.hash()
	if !known && !rec.Start.IsZero() && c.recent.has(hash) {
		return recs, Skip(furtherReport)
	}
	if rec.Report == ReportEnd {
		c.recent.add(hash)
		c.recent.add(key.nameless().hash())
		c.noteEnd(rec, first.began, hash)
		if !known {
			return append(recs, rec), nil
		}
		delete(c.waiting, key)
		return append(recs, fold(first.Record, rec)), Skip(furtherReport)
	}
	c.device(rec).starts = true
	began := rec.Report == ReportStart
	if known {
		c.waiting[key] = open{fold(first.Record, rec), first.began || began}
		return recs, Skip(furtherReport)
	}
	if len(c.waiting) >= maxOpen {
		return append(recs, rec), nil
	}
	if c.waiting == nil {
		c.waiting = make(map[connection]open)
	}
	c.waiting[key] = open{rec, began}
	return recs, nil
}

// device returns what is known of the device of a report.
func (c *connections) device(rec Record) *deviceReports {
	d := c.devices[rec.Device]
	if d == nil {
		d = &deviceReports{first: rec.Start}
		if rec.End.After(rec.Start) {
			d.first = rec.End
		}
		if c.devices == nil {
			c.devices = make(map[string]*deviceReports)
		}
		c.devices[rec.Device] = d
	}
	return d
}

// noteEnd remembers a connection that has ended, for the sake of other files.
func (c *connections) noteEnd(rec Record, began bool, hash uint64) {
	d := c.device(rec)
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
		key := connectionOf(rec)
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
	for key, rec := range p.waiting {
		if _, ended := slices.BinarySearch(p.ended, key.hash()); ended {
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
