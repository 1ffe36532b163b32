package flow

import (
	"context"
	"io"
	"io/fs"
	"iter"
	"sync"
	"sync/atomic"

	"github.com/endoflow/endoflow/internal/lines"
)

// A Reader reads the records of one stream of lines. Streams that begin like
// gzip or zstd data are decompressed.
//
// One record is one connection. Where a sensor reports a connection several
// times (NVM's start, periodic and end reports, with growing counters), the
// reports are folded into one record: it comes with the end report, or at the
// end of the stream if there was none, and has the latest End and the largest
// counters. The further reports of a connection, also late and repeated ones,
// count as skipped lines. Reports belong together if they agree in Device,
// App.Name (as far as they have one), Proto, Src, Dst and Start.
type Reader struct {
	// Format decodes the lines; nil means the one that [Detect] finds by the
	// first line that it knows.
	Format Format

	// MaxLine is the longest line decoded, in bytes; longer ones are errors.
	// 0 means 1 MiB.
	MaxLine int

	src    io.Reader
	name   string
	counts Counts
}

// NewReader returns a Reader of src. The name stands in errors. The Reader's
// fields may be set until [Reader.All] is called.
func NewReader(src io.Reader, name string) *Reader { return &Reader{src: src, name: name} }

// All returns the records in the order in which their lines end, those of
// connections without an end report last. It is single-use.
//
// Each pair is a record and a nil error, or a zero record and an error. After a
// *ParseError the sequence goes on; after any other error it ends. A stream
// that breaks gives a ParseError with [ErrDamaged] in its chain, and the
// sequence ends when what was read of it has been yielded.
func (r *Reader) All() iter.Seq2[Record, error] {
	d := &decoder{workers: new(lineDecoders)}
	if r.Format != nil {
		d.use(r.Format)
	}
	return lines.Read(context.Background(), r.src, r.name, r.MaxLine, d, &r.counts)
}

// Counts says what became of the lines read so far, which may be up to 256 KiB
// more than those of the records that All has given; it is complete when All has
// ended.
func (r *Reader) Counts() Counts { return r.counts.Clone() }

// Files reads many files in parallel. The zero value with Patterns set works.
type Files struct {
	// Patterns name the files (filepath.Match; in FS, path.Match). A pattern
	// without a match is an error.
	Patterns []string

	// FS holds the files; nil means the operating system's.
	FS fs.FS

	// Format returns a new Format for a file; nil means that each file's is
	// detected.
	Format func() Format

	// Devices collects what the files tell of devices (NVM's endpoint records);
	// nil means that it is used within each file only. A record has the OS that
	// its own file has told so far; what other files tell is in Devices when
	// Read returns, so that no record depends on the order of reading. A Format
	// whose NVM has Devices of its own is left to fill those.
	Devices *Devices

	Workers int // that read and decode at the same time; 0 means GOMAXPROCS
	MaxLine int // as in [Reader]

	// Progress is called now and then, by one worker at a time.
	Progress func(Progress)
}

// Read calls each once per worker, at the same time, with the records which
// that worker decodes; each such sequence is single-use and follows the
// contract of [Reader.All]. Workers begin with a file each, and when no other
// is left they share in those that are being read, by blocks of 256 KiB of
// text: one large file is read by all, as far as decompression keeps up. Lines
// of the formats NVM and Sysmon are then decoded at the same time, lines of
// others one after the other. Which worker gets which record is left open, so
// that what each keeps must be mergeable in any order; what the records say,
// the errors and the counts are the same for any number of workers.
//
// Reports of one connection are folded across files. For what only the end of
// all files decides, each is called once more, when all workers have ended. The
// number of records is exact while each file has at most 16 million divided by
// the number of files connections that are reported in stages, a million divided
// by it of which no end is reported, and no end report stands in two files.
// Beyond that it is exact for files that follow each other in time and have no
// more than a million connections that reach from one into another. The other
// fields are those that the file with the end report tells. A report without an
// application is folded with others of its own file only.
//
// Read returns when all workers have ended, with the counts of all files and
// the first error that each returned, if any. A cancelled ctx ends every
// sequence with its error. An unreadable file is a ParseError in a sequence
// and does not stop the others.
func (f *Files) Read(ctx context.Context, each func(iter.Seq2[Record, error]) error) (Counts, error) {
	files := &lines.Files{FS: f.FS, Patterns: f.Patterns, Workers: f.Workers, MaxLine: f.MaxLine, Progress: f.Progress}
	names, err := files.Names()
	if err != nil {
		return Counts{}, err
	}
	var across pending
	var workers lineDecoders
	newDecoder := func() lines.Decoder[Record] {
		d := &decoder{devices: f.Devices, across: &across, workers: &workers}
		d.conns.share = maxOpen / len(names)
		if len(names) > 1 {
			d.conns.room = maxEnded / len(names)
		}
		if f.Format != nil {
			d.use(f.Format())
		}
		return d
	}
	return lines.ReadFiles(ctx, files, newDecoder, across.rest, each)
}

// A decoder is a Format for one file, with detection before it and the folding
// of reports behind it. It is a [lines.Ahead] for the formats whose lines can
// be decoded apart.
type decoder struct {
	format  Format
	devices *Devices      // of all files; may be nil
	own     Devices       // of this file
	table   *Devices      // that format fills, if it is NVM
	across  *pending      // of all files; nil when there is one stream only
	workers *lineDecoders // of all files
	apart   atomic.Int32  // the kind of lineDecoder.apart for this file
	conns   connections
	rec     Record // of the line; here, since what an interface is given escapes
}

// The kinds of files by what decodes their lines before it is their turn.
const (
	apartNot = iota // nothing, or the format is not known yet
	apartNVM
	apartSysmon
	apartKinds
)

// lineDecoders are the decoders of single lines that each worker has, and keeps
// from file to file with all that they have learned.
type lineDecoders struct {
	mu       sync.Mutex
	byWorker []*lineDecoder
}

type lineDecoder struct {
	nvm    NVM
	sysmon Sysmon
	apart  [apartKinds]func(line []byte, recs []Record) ([]Record, error)
}

func (l *lineDecoders) of(worker int) *lineDecoder {
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(l.byWorker) <= worker {
		d := new(lineDecoder)
		d.apart[apartNVM] = appending(d.nvm.decodeFlow)
		d.apart[apartSysmon] = appending(d.sysmon.Decode)
		l.byWorker = append(l.byWorker, d)
	}
	return l.byWorker[worker]
}

// appending returns a function that appends the record which decode makes.
func appending(decode func(line []byte, rec *Record) error) func(line []byte, recs []Record) ([]Record, error) {
	return func(line []byte, recs []Record) ([]Record, error) {
		recs = append(recs, Record{})
		err := decode(line, &recs[len(recs)-1])
		return recs, err
	}
}

func (d *decoder) use(format Format) {
	d.format = format
	switch format := format.(type) {
	case *NVM:
		if format.Devices == nil {
			format.Devices = &d.own
		}
		d.table = format.Devices
		d.apart.Store(apartNVM)
	case *Sysmon:
		d.apart.Store(apartSysmon)
	}
}

func (d *decoder) Ahead(worker int) func(line []byte, recs []Record) ([]Record, error) {
	kind := d.apart.Load()
	if kind == apartNot {
		return nil
	}
	return d.workers.of(worker).apart[kind]
}

func (d *decoder) Settle(rec *Record) (keep bool, err error) {
	var known uint64 // by the table; 0 is nothing
	if rec.OS == OSUnknown && d.table != nil {
		known = d.table.systems.Load()
	}
	if known == 0 && rec.Report == ReportOnly {
		return true, nil
	}
	device, hash := d.conns.device(rec.Device)
	if known != 0 {
		if device.osAt != known {
			device.os, device.osAt = d.table.system(rec.Device), known
		}
		rec.OS = device.os
	}
	if rec.Report == ReportOnly {
		return true, nil
	}
	return d.conns.add(rec, device, hash)
}

func (d *decoder) Decode(line []byte, recs []Record) ([]Record, error) {
	if d.format == nil {
		format := Detect(line)
		if format == nil {
			if line[0] == '#' {
				return recs, Skip("header or comment")
			}
			return recs, ErrUnknownFormat
		}
		d.use(format)
	}
	d.rec = Record{}
	if err := d.format.Decode(line, &d.rec); err != nil {
		return recs, err
	}
	keep, err := d.Settle(&d.rec)
	if keep {
		recs = append(recs, d.rec)
	}
	return recs, err
}

func (d *decoder) Close(recs []Record, counts *Counts) []Record {
	if d.devices != nil {
		for device := range d.own.All() {
			d.devices.Add(device)
		}
	}
	if d.across != nil {
		return append(recs, d.across.take(&d.conns)...)
	}
	var alone pending
	d.conns.share = maxOpen
	recs = append(recs, alone.take(&d.conns)...)
	return append(recs, alone.rest(counts)...)
}
