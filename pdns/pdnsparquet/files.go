package pdnsparquet

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"net/netip"
	"runtime"
	"slices"
	"sync"

	"github.com/endoflow/endoflow/internal/lines"
	"github.com/endoflow/endoflow/pdns"
	"golang.org/x/sync/errgroup"
)

// Files is a set of Parquet files to read in parallel, as pdns.Files is one of
// text files.
type Files struct {
	// Patterns name the files, in the syntax of path/filepath.Match. One that
	// names no file is an error.
	Patterns []string

	// FS has the files. Nil: the operating system's. A file of it that is no
	// io.ReaderAt is read into memory whole.
	FS fs.FS

	// Columns names the columns. The zero value stands for the usual names.
	Columns Columns

	// Workers is the number of row groups read at a time, of one file or of
	// several. 0: GOMAXPROCS.
	Workers int

	// Progress, if not nil, is told how far the reading has come, after each row
	// group: from any worker, one call at a time. What Progress.Read has of a
	// file is in proportion to the row groups done, whichever columns they have.
	Progress func(pdns.Progress)
}

// Fill adds the records of the files to b, whose Filter, Memory and Dir hold for
// all workers. problem is told of each row or file that cannot be read, one at a
// time and in no particular order; nil leaves it at the counts. When ctx ends
// first, its error is returned, and b has a part of the records.
//
// The Index is that of the same rows in any other format. The counts differ in
// this: the name of a row of an address that the Filter has not is not looked at,
// so that such a row is a record whatever its name. Nor is that of a CNAME row
// where b has NoCNAMEs, nor are times and counts where it has NoTimes.
func (f *Files) Fill(ctx context.Context, b *pdns.Builder, problem func(*pdns.ParseError)) (pdns.Counts, error) {
	if b.NoTimes {
		of := *f
		of.Columns.TimeFirst, of.Columns.TimeLast, of.Columns.Count = "-", "-", "-"
		f = &of
	}
	var mu sync.Mutex
	report := func(pe *pdns.ParseError) bool {
		if problem != nil {
			mu.Lock()
			defer mu.Unlock()
			problem(pe)
		}
		return true
	}
	return f.run(ctx, func(ctx context.Context, q *queue, counts *pdns.Counts) error {
		mu.Lock()
		mine := b.Fork()
		mu.Unlock()
		defer mine.Close()
		var ids []pdns.NameID
		var addrs []pdns.AddrID
		var rows []pdns.Row
		s := scan[uint32]{
			ctx: ctx, counts: counts,
			name: func(name []byte) (uint32, error) {
				id, err := mine.NameID(name)
				return uint32(id), err
			},
			names: func(refs []uint32, names [][]byte) {
				ids = slices.Grow(ids[:0], len(names))[:len(names)]
				mine.NameIDs(ids, names)
				for i, id := range ids {
					refs[i] = uint32(id)
				}
			},
			addrs: func(refs []uint32, of []netip.Addr) {
				addrs = slices.Grow(addrs[:0], len(of))[:len(of)]
				mine.AddrIDs(addrs, of)
				for i, id := range addrs {
					refs[i] = uint32(id)
				}
			},
			thin: mine.Thin,
			add: func(scanned []row[uint32]) bool {
				rows = rows[:0]
				for i := range scanned {
					r := &scanned[i]
					if r.typ == pdns.CNAME {
						mine.AddCNAME(pdns.NameID(r.owner), pdns.NameID(r.data), pdns.NameID(r.query))
						continue
					}
					rows = append(rows, pdns.Row{
						Addr: pdns.AddrID(r.data), Owner: pdns.NameID(r.owner), Query: pdns.NameID(r.query),
						TimeFirst: r.timeFirst, TimeLast: r.timeLast, Count: r.count,
					})
				}
				mine.AddRows(rows)
				return true
			},
			renew: func() (bool, error) {
				if !mine.Full() {
					return false, nil
				}
				return true, mine.Flush()
			},
		}
		if b.NoCNAMEs {
			s.letGo = func() { mine.AddCNAME(0, 0, 0) }
		}
		if err := cmp.Or(s.all(q, report), ctx.Err()); err != nil {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		b.Merge(mine)
		return nil
	})
}

// Read calls each once per worker, with a sequence of that worker's own. It
// returns when all workers have ended, with the counts of all of them and the
// first error that each returned, or ctx's.
//
// Each pair is a record and a nil error, or a zero record and an error. After a
// *ParseError the sequence goes on; after any other error it ends.
//
// The sequence can be ranged over once. Which worker gets which row group is a
// matter of chance; with one worker the records come in the order of the files.
func (f *Files) Read(ctx context.Context, each func(iter.Seq2[pdns.Record, error]) error) (pdns.Counts, error) {
	return f.run(ctx, func(ctx context.Context, q *queue, counts *pdns.Counts) error {
		return each(func(yield func(pdns.Record, error) bool) {
			s := scan[string]{
				ctx: ctx, counts: counts,
				name: func(name []byte) (string, error) { return pdns.CanonicalName(string(name)) },
				names: func(refs []string, names [][]byte) {
					for i, name := range names {
						refs[i], _ = pdns.CanonicalName(string(name))
					}
				},
				addrs: func(refs []string, addrs []netip.Addr) {
					for i, addr := range addrs {
						refs[i] = addr.String()
					}
				},
				thin: func(int64) {},
				add: func(rows []row[string]) bool {
					for i := range rows {
						r := &rows[i]
						if !yield(pdns.Record{
							RRName: r.owner, RRType: r.typ, RData: r.data, Query: r.query,
							TimeFirst: r.timeFirst, TimeLast: r.timeLast, Count: r.count, TTL: r.ttl,
						}, nil) {
							return false
						}
					}
					return true
				},
			}
			err := s.all(q, func(pe *pdns.ParseError) bool { return yield(pdns.Record{}, pe) })
			if err != nil && err != errStop {
				yield(pdns.Record{}, err)
			}
		})
	})
}

// run has workers work and returns when all have ended.
func (f *Files) run(ctx context.Context, work func(context.Context, *queue, *pdns.Counts) error) (pdns.Counts, error) {
	names, err := f.list().Names()
	if err != nil {
		return pdns.Counts{}, err
	}
	q := &queue{files: f, names: names}
	q.progress.Files = int64(len(names))
	for _, name := range names {
		if info, err := f.list().Stat(name); err == nil {
			q.progress.Size += info.Size()
		}
	}
	workers := f.workers()
	counts := make([]pdns.Counts, workers)
	g, workCtx := errgroup.WithContext(ctx)
	for w := range workers {
		g.Go(func() error { return work(workCtx, q, &counts[w]) })
	}
	err = cmp.Or(g.Wait(), ctx.Err())
	q.close()
	var sum pdns.Counts
	for _, c := range counts {
		sum.Merge(c)
	}
	return sum, err
}

func (f *Files) workers() int {
	if f.Workers > 0 {
		return f.Workers
	}
	return runtime.GOMAXPROCS(0)
}

// list is the files as package lines has them.
func (f *Files) list() *lines.Files { return &lines.Files{FS: f.FS, Patterns: f.Patterns} }

// A file is one that row groups are being read from.
type file struct {
	name   string
	size   int64
	r      io.ReaderAt
	closer io.Closer
	end    int64 // where the pages end
	meta   *footer
	fields [numColumns]*field

	groups, done int   // handed out, and read
	rows         int64 // of the row groups handed out
	told         int64 // bytes told to Progress
	damaged      bool
}

// openFile opens a file and reads its footer.
func (f *Files) openFile(name string) (opened *file, err error) {
	defer catch(&err)
	src, err := f.list().Open(name)
	if err != nil {
		return nil, cause(err)
	}
	defer func() {
		if err != nil {
			src.Close()
		}
	}()
	info, err := src.Stat()
	if err != nil {
		return nil, err
	}
	o := &file{name: name, size: info.Size(), closer: src}
	if r, ok := src.(io.ReaderAt); ok {
		o.r = r
	} else {
		text, err := io.ReadAll(src)
		if err != nil {
			return nil, err
		}
		o.r, o.size = bytes.NewReader(text), int64(len(text))
	}
	if o.meta, o.end, err = readFooter(o.r, o.size); err != nil {
		return nil, err
	}
	all, err := leaves(o.meta.Schema)
	if err != nil {
		return nil, err
	}
	o.fields, err = f.Columns.pick(all)
	return o, err
}

// A queue hands out row groups, in order.
type queue struct {
	files    *Files
	mu       sync.Mutex
	names    []string // of files not yet opened
	current  *file
	progress pdns.Progress
}

// next returns the next row group, and nil at the end. An error is of a file
// that cannot be read at all; the files after it can.
func (q *queue) next(counts *pdns.Counts) (o *file, group int, base int64, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for {
		if o = q.current; o != nil && o.groups < len(o.meta.RowGroups) {
			group, base = o.groups, o.rows
			o.groups++
			o.rows += o.meta.RowGroups[group].NumRows
			return o, group, base, nil
		}
		q.current = nil
		if len(q.names) == 0 {
			return nil, 0, 0, nil
		}
		name := q.names[0]
		q.names = q.names[1:]
		counts.Files++
		if o, err = q.files.openFile(name); err != nil {
			counts.Damaged++
			o = &file{name: name, meta: new(footer)}
			if info, err := q.files.list().Stat(name); err == nil {
				o.size = info.Size()
			}
			q.finished(o)
			return o, 0, 0, err
		}
		if len(o.meta.RowGroups) == 0 {
			o.closer.Close()
			q.finished(o)
			continue
		}
		q.current = o
	}
}

// done says that a row group has been read, with damage or without. counts is
// what has been counted in it.
func (q *queue) done(o *file, rows, errs int64, damaged bool, counts *pdns.Counts) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if damaged && !o.damaged {
		o.damaged = true
		counts.Damaged++
	}
	if o.done++; o.done == len(o.meta.RowGroups) {
		o.closer.Close()
	}
	q.progress.Lines += rows
	q.progress.Errors += errs
	q.finished(o)
}

// finished tells how far the reading of a file has come.
func (q *queue) finished(o *file) {
	read := o.size
	if n := len(o.meta.RowGroups); o.done < n {
		read = int64(float64(o.size) * float64(o.done) / float64(n))
	} else {
		q.progress.FilesDone++
	}
	q.progress.Read += read - o.told
	o.told = read
	if q.files.Progress != nil {
		q.files.Progress(q.progress)
	}
}

// close closes the file of which row groups are left, if any.
func (q *queue) close() {
	if o := q.current; o != nil && o.done < len(o.meta.RowGroups) {
		o.closer.Close()
	}
}

// all reads row groups until there are no more.
func (s *scan[R]) all(q *queue, report func(*pdns.ParseError) bool) error {
	for {
		if err := s.ctx.Err(); err != nil {
			return err
		}
		o, group, base, err := q.next(s.counts)
		if o == nil {
			return nil
		}
		if err != nil {
			if !report(damage(o.name, 1, err)) {
				return errStop
			}
			continue
		}
		s.problem = func(line int64, field string, err error) bool {
			return report(&pdns.ParseError{Name: o.name, Line: line, Field: field, Err: err})
		}
		lines, errs := s.counts.Lines, s.counts.Errors
		err = s.group(o, &o.meta.RowGroups[group], base)
		rows := s.counts.Lines - lines
		stop := err == errStop || err != nil && err == s.ctx.Err()
		q.done(o, rows, s.counts.Errors-errs, err != nil && !stop, s.counts)
		if stop {
			return err
		}
		if err != nil && !report(damage(o.name, base+s.reached+1, err)) {
			return errStop
		}
	}
}

// damage returns the error for a file, or a row group of it, that cannot be
// read from a row on.
func damage(name string, line int64, err error) *pdns.ParseError {
	pe := &pdns.ParseError{Name: name, Line: line}
	if ce, ok := errors.AsType[*columnError](err); ok {
		pe.Field, err = ce.column, ce.err
	}
	pe.Err = fmt.Errorf("%w: %w", pdns.ErrDamaged, err)
	return pe
}
