package flow

import (
	"cmp"
	"hash/maphash"
	"net/netip"
	"slices"
	"sync"
)

// furtherReport is the reason for which a line is skipped whose connection has
// a record already.
const furtherReport = "further report of a connection"

// maxOpen is how many connections of one file are kept waiting for their end;
// beyond it each report is a record of its own. At about 400 bytes each this
// bounds the memory that a file without end reports takes.
const maxOpen = 1 << 20

// maxEarly is how many end reports of one device in one file are remembered
// before its first start report there shows that it sends start reports at all.
// By default an agent sends end reports only, and remembering all of those would
// take memory in proportion to the flows.
const maxEarly = 64

// A connection is what the reports of one connection have in common.
type connection struct {
	device, execution string
	proto             Proto
	src, dst          netip.AddrPort
	start             int64
}

func connectionOf(rec Record) connection {
	return connection{rec.Device, rec.Execution, rec.Proto, rec.Src, rec.Dst, rec.Start.UnixNano()}
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
	ended   []uint64 // hashes of what ended here; the start reports may be in another file
}

// open is a connection that has not ended yet, as far as is known.
type open struct {
	Record
	began bool // its start report is here, so that no other file has reports before it
}

// deviceReports is what is known of a device's way of reporting.
type deviceReports struct {
	starts bool     // it sends start or periodic reports
	early  []uint64 // hashes of what ended before that was known
}

// add takes a report and appends the record that it completes.
func (c *connections) add(rec Record, recs []Record) ([]Record, error) {
	key := connectionOf(rec)
	first, known := c.waiting[key]
	if rec.Report == ReportEnd {
		if !first.began {
			c.noteEnd(key.device, key.hash())
		}
		if !known {
			return append(recs, rec), nil
		}
		delete(c.waiting, key)
		return append(recs, fold(first.Record, rec)), Skip(furtherReport)
	}
	c.noteStart(key.device)
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

func (c *connections) device(name string) *deviceReports {
	d := c.devices[name]
	if d == nil {
		d = new(deviceReports)
		if c.devices == nil {
			c.devices = make(map[string]*deviceReports)
		}
		c.devices[name] = d
	}
	return d
}

func (c *connections) noteStart(device string) {
	if d := c.device(device); !d.starts {
		d.starts = true
		c.ended = append(c.ended, d.early...)
		d.early = nil
	}
}

func (c *connections) noteEnd(device string, hash uint64) {
	switch d := c.device(device); {
	case d.starts:
		c.ended = append(c.ended, hash)
	case len(d.early) < maxEarly:
		d.early = append(d.early, hash)
	}
}

// rest returns the connections that have not ended, by start time.
func (c *connections) rest() []Record {
	recs := make([]Record, 0, len(c.waiting))
	for _, o := range c.waiting {
		recs = append(recs, o.Record)
	}
	sortByStart(recs)
	return recs
}

func sortByStart(recs []Record) {
	slices.SortFunc(recs, func(a, b Record) int {
		return cmp.Or(a.Start.Compare(b.Start), cmp.Compare(a.Device, b.Device),
			a.Src.Compare(b.Src), a.Dst.Compare(b.Dst), cmp.Compare(a.Proto, b.Proto), cmp.Compare(a.Execution, b.Execution))
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
	ended   map[uint64]struct{}
	further int64 // records counted in one file that turned out to be reports
}

// take moves what a finished file left behind.
func (p *pending) take(c *connections) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.waiting == nil {
		p.waiting = make(map[connection]Record)
		p.ended = make(map[uint64]struct{})
	}
	for key, o := range c.waiting {
		rec := o.Record
		if other, ok := p.waiting[key]; ok {
			rec = fold(other, rec)
			p.further++
		}
		p.waiting[key] = rec
	}
	for _, hash := range c.ended {
		p.ended[hash] = struct{}{}
	}
	for _, d := range c.devices {
		for _, hash := range d.early {
			p.ended[hash] = struct{}{}
		}
	}
}

// rest returns the connections of which no file holds an end report.
func (p *pending) rest(counts *Counts) []Record {
	p.mu.Lock()
	defer p.mu.Unlock()
	var recs []Record
	for key, rec := range p.waiting {
		if _, ok := p.ended[key.hash()]; ok {
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
