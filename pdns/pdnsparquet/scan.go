package pdnsparquet

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/endoflow/endoflow/pdns"
)

// A scan reads the rows of row groups. What it hands on of names and addresses
// is of type R: their texts, or the numbers that a Builder has for them. Either
// is asked for once per value of a dictionary and then remembered by the value's
// place there.
type scan[R comparable] struct {
	ctx     context.Context
	counts  *pdns.Counts
	problem func(line int64, field string, err error) bool // false ends the scan

	name  func([]byte) (R, error)
	names func(refs []R, names [][]byte)     // leaves the zero R for a name that cannot be used
	addrs func(refs []R, addrs []netip.Addr) // leaves the zero R for an address of which no row is wanted
	add   func([]row[R]) bool                // false ends the scan
	thin  func(rows int64)
	letGo func() // counts a CNAME row of which nothing is wanted; nil: all are wanted

	// renew is called between rows. true says that nothing holds any more of what
	// names and addrs have given out.
	renew func() (bool, error)

	columns      [numColumns]column
	fields       [numColumns]*field
	types        memory[pdns.Type]
	owners       memory[R]
	queries      memory[R]
	data         memory[datum[R]]
	block        block[R]
	decompressor decompressor
	base         int64 // rows of the file before the row group
	reached      int64 // the row of the group where reading failed
}

// A row is one record.
type row[R comparable] struct {
	typ                 pdns.Type
	owner, data, query  R
	timeFirst, timeLast time.Time
	count               uint64
	ttl                 time.Duration
}

// A datum is the data of a record of type typ. One that is not kept is an
// address of which no row is wanted.
type datum[R comparable] struct {
	ref  R
	typ  pdns.Type
	keep bool
}

// A memory remembers what has been made of the values of a table, by their
// places. The zero V stands for a value that is not known yet.
type memory[V any] struct {
	tables int // the column's, to know another table by
	values []V
}

// at returns what is remembered of a place.
func (m *memory[V]) at(place uint32) (v V) {
	if int(place) < len(m.values) {
		v = m.values[place]
	}
	return v
}

// set remembers something of a place.
func (m *memory[V]) set(place uint32, v V) {
	if int(place) < len(m.values) {
		m.values[place] = v
	}
}

// forget forgets everything.
func (m *memory[V]) forget() { clear(m.values) }

// reset forgets everything if the column's table is another. What is no
// dictionary is not worth remembering.
func (m *memory[V]) reset(c *column) {
	if m.tables == c.tables {
		return
	}
	m.tables = c.tables
	if c.values != &c.dict {
		m.values = m.values[:0]
		return
	}
	m.values = slices.Grow(m.values[:0], c.values.n)[:c.values.n]
	clear(m.values)
}

var (
	errStop = errors.New("the sequence has ended")

	skipType      = pdns.Skip("not of type A, AAAA or CNAME").Error()
	skipNoAnswers = pdns.Skip("no answers").Error()
)

// group reads one row group. base is how many rows of the file come before it.
// It returns errStop where no more is wanted, and ctx's error.
func (s *scan[R]) group(f *file, g *rowGroup, base int64) error {
	s.base, s.fields, s.reached = base, f.fields, 0
	for i, field := range s.fields {
		if field == nil {
			continue
		}
		if field.index >= len(g.Columns) {
			return fmt.Errorf("columns of the row group: %w", errSize)
		}
		c := &s.columns[i]
		c.d, c.read = &s.decompressor, 0
		if err := c.open(f.r, field, &g.Columns[field.index], f.end, g.NumRows); err != nil {
			return &columnError{field.name, err}
		}
	}
	var err error
	if s.fields[colRData].maxRep > 0 {
		err = s.lists(g.NumRows)
	} else {
		err = s.flat(g.NumRows)
	}
	for i := range s.columns {
		s.counts.Bytes += s.columns[i].read
		s.columns[i].read = 0
	}
	return err
}

// blockRows is how many rows are read at a time: a number of which a Builder's
// look-ups overlap well.
const blockRows = 256

// A block is a few rows of which all are on the same page of types, on the same
// of data and on the same of names.
type block[R comparable] struct {
	picked []picked[R] // rows with an address or name that is wanted
	rows   []row[R]

	// What is asked for at a time, and where in picked or rows it belongs.
	targets [][]byte // of CNAMEs
	names   [][]byte
	addrs   []netip.Addr
	refs    []R

	toTargets, toNames, toAddrs []int
}

// picked is a row whose type and data have been read.
type picked[R comparable] struct {
	at    int64
	data  datum[R]
	place uint32 // of the data
}

// flat reads rows with one value of data each.
func (s *scan[R]) flat(rows int64) error {
	types, data, names := &s.columns[colRRType], &s.columns[colRData], &s.columns[colRRName]
	for at := int64(0); at < rows; {
		if err := s.ctx.Err(); err != nil {
			return err
		}
		s.reached = at
		for _, c := range []*column{types, data} {
			if _, err := c.place(at); err != nil {
				return &columnError{c.name, err}
			}
		}
		if err := names.reach(at); err != nil {
			return &columnError{names.name, err}
		}
		s.types.reset(types)
		s.data.reset(data)
		end := min(types.first+types.n, data.first+data.n, names.first+names.n)
		for at < end {
			n := min(end-at, blockRows)
			if err := s.pick(at, types.at[at-types.first:][:n], data.at[at-data.first:][:n]); err != nil {
				return err
			}
			if err := s.emit(); err != nil {
				return err
			}
			at += n
		}
	}
	return nil
}

// pick reads the types and data of rows and leaves in s.block those that are
// wanted. The others are counted.
func (s *scan[R]) pick(at int64, types, data []uint32) error {
	b := &s.block
	b.picked, b.addrs, b.toAddrs = b.picked[:0], b.addrs[:0], b.toAddrs[:0]
	thinned, others, unread := int64(0), int64(0), int64(0)
	for i, t := range types {
		typ := s.types.at(t) // that of null is not known
		if typ == 0 {
			var err error
			if typ, err = s.learnType(t); err != nil {
				if err := s.fail(at+int64(i), colRRType, err); err != nil {
					return err
				}
				continue
			}
		}
		if typ == otherType {
			others++
			continue
		}
		if typ == pdns.CNAME && s.letGo != nil {
			s.letGo()
			unread++
			continue
		}
		d := data[i]
		if d == null {
			s.counts.Lines++
			s.counts.Skip(skipNoAnswers)
			continue
		}
		p := picked[R]{at: at + int64(i), place: d, data: s.data.at(d)}
		switch {
		case p.data.typ == typ:
			if !p.data.keep {
				thinned++
				continue
			}
		case typ == pdns.CNAME:
			p.data = datum[R]{typ: typ, keep: true}
		default:
			addr, err := addrOf(s.fields[colRData], typ, s.columns[colRData].values.bytes(d))
			if err != nil {
				if err := s.fail(p.at, colRData, err); err != nil {
					return err
				}
				continue
			}
			p.data = datum[R]{typ: typ}
			b.addrs = append(b.addrs, addr)
			b.toAddrs = append(b.toAddrs, len(b.picked))
		}
		b.picked = append(b.picked, p)
	}
	thinned += s.askAddrs()
	s.counts.Lines += thinned + others + unread
	s.counts.Records += thinned + unread
	s.counts.SkipN(skipType, others)
	s.thin(thinned)
	return nil
}

// askAddrs makes the addresses of picked rows known, and returns how many rows
// are not wanted for theirs, which it drops.
func (s *scan[R]) askAddrs() (thinned int64) {
	b := &s.block
	if len(b.addrs) == 0 {
		return 0
	}
	refs := b.space(len(b.addrs))
	s.addrs(refs, b.addrs)
	var unknown R
	for i, to := range b.toAddrs {
		p := &b.picked[to]
		p.data.ref, p.data.keep = refs[i], refs[i] != unknown
		s.data.set(p.place, p.data)
		if !p.data.keep {
			thinned++
		}
	}
	if thinned > 0 {
		b.picked = slices.DeleteFunc(b.picked, func(p picked[R]) bool { return !p.data.keep })
	}
	return thinned
}

// emit adds the rows of s.block with the rest of their columns, and reports
// those of which it cannot.
func (s *scan[R]) emit() error {
	b := &s.block
	if len(b.picked) == 0 {
		return nil
	}
	b.rows = b.rows[:0]
	names := &s.columns[colRRName]
	b.names, b.toNames = b.names[:0], b.toNames[:0]
	b.targets, b.toTargets = b.targets[:0], b.toTargets[:0]
	var unknown R
	for i := range b.picked {
		p := &b.picked[i]
		b.rows = append(b.rows, row[R]{typ: p.data.typ})
		if p.data.ref == unknown {
			b.targets = append(b.targets, s.columns[colRData].values.bytes(p.place))
			b.toTargets = append(b.toTargets, i)
		}
	}
	for i := range b.picked {
		place, err := names.place(b.picked[i].at)
		if err != nil {
			s.reached = b.picked[i].at
			return &columnError{names.name, err}
		}
		s.owners.reset(names)
		if place == null {
			continue
		}
		if b.rows[i].owner = s.owners.at(place); b.rows[i].owner == unknown {
			b.names = append(b.names, names.values.bytes(place))
			b.toNames = append(b.toNames, i)
		}
	}
	refs := b.space(len(b.names))
	s.names(refs, b.names)
	for i, to := range b.toNames {
		b.rows[to].owner = refs[i]
		s.owners.set(names.at[b.picked[to].at-names.first], refs[i])
	}
	refs = b.space(len(b.targets))
	s.names(refs, b.targets)
	for i, to := range b.toTargets {
		p := &b.picked[to]
		if p.data.ref = refs[i]; refs[i] != unknown {
			s.data.set(p.place, p.data)
		}
	}
	done := b.rows[:0]
	for i := range b.picked {
		p, r := &b.picked[i], &b.rows[i]
		if r.data = p.data.ref; r.data == unknown && r.typ == pdns.CNAME {
			var err error
			if r.data, err = s.name(s.columns[colRData].values.bytes(p.place)); err != nil {
				if err := s.fail(p.at, colRData, err); err != nil {
					s.flush(done)
					return err
				}
				continue
			}
		}
		if column, err := s.rest(p.at, r); err != nil {
			if err := s.fail(p.at, column, err); err != nil {
				s.flush(done)
				return err
			}
			continue
		}
		done = append(done, *r)
	}
	return s.flush(done)
}

// space returns room for n answers.
func (b *block[R]) space(n int) []R {
	b.refs = slices.Grow(b.refs[:0], n)[:n]
	return b.refs
}

// flush adds rows, each of its own.
func (s *scan[R]) flush(rows []row[R]) error {
	s.counts.Lines += int64(len(rows))
	s.counts.Records += int64(len(rows))
	return s.addAll(rows)
}

// addAll adds rows, and forgets names and addresses where these hold no more.
func (s *scan[R]) addAll(rows []row[R]) error {
	if len(rows) > 0 && !s.add(rows) {
		return errStop
	}
	if s.renew == nil {
		return nil
	}
	again, err := s.renew()
	if again {
		s.owners.forget()
		s.queries.forget()
		s.data.forget()
	}
	return err
}

// learnType returns the type at a place of its column, and remembers it.
func (s *scan[R]) learnType(t uint32) (pdns.Type, error) {
	if t == null {
		return 0, errType
	}
	typ, err := typeOf(s.fields[colRRType], s.columns[colRRType].values, t)
	if err == nil {
		s.types.set(t, typ)
	}
	return typ, err
}

// learnData returns the data at a place of its column, as of a type, and
// remembers it.
func (s *scan[R]) learnData(d uint32, typ pdns.Type) (v datum[R], err error) {
	text := s.columns[colRData].values.bytes(d)
	if typ == pdns.CNAME {
		v = datum[R]{typ: typ, keep: true}
		v.ref, err = s.name(text)
	} else {
		var addr netip.Addr
		if addr, err = addrOf(s.fields[colRData], typ, text); err == nil {
			var ref [1]R
			var unknown R
			s.addrs(ref[:], []netip.Addr{addr})
			v = datum[R]{typ: typ, ref: ref[0], keep: ref[0] != unknown}
		}
	}
	if err == nil {
		s.data.set(d, v)
	}
	return v, err
}

// rest reads the columns other than those of type and data, and says which of
// them an error is of. The owner may be known already.
func (s *scan[R]) rest(at int64, r *row[R]) (column int, err error) {
	var unknown R
	if r.owner == unknown {
		if r.owner, err = s.nameAt(colRRName, &s.owners, at); err != nil {
			return colRRName, err
		}
	}
	if s.fields[colQuery] != nil {
		if r.query, err = s.nameAt(colQuery, &s.queries, at); err != nil && err != errNoName {
			return colQuery, err
		}
	}
	for n := colTimeFirst; n <= colTTL; n++ {
		if s.fields[n] == nil || n == colQuery {
			continue
		}
		c := &s.columns[n]
		i, err := c.place(at)
		if err != nil {
			return n, &columnError{c.name, err}
		}
		if i == null {
			continue
		}
		switch n {
		case colTimeFirst:
			r.timeFirst, err = timeOf(c.field, c.values, i)
		case colTimeLast:
			r.timeLast, err = timeOf(c.field, c.values, i)
		case colCount:
			r.count, err = countOf(c.field, c.values, i)
		case colTTL:
			r.ttl, err = ttlOf(c.field, c.values, i)
		}
		if err != nil {
			return n, err
		}
	}
	if !r.timeFirst.IsZero() && !r.timeLast.IsZero() && r.timeLast.Before(r.timeFirst) {
		return colTimeLast, errOrder
	}
	r.count = max(r.count, 1)
	return 0, nil
}

// nameAt returns the name of a row in a column.
func (s *scan[R]) nameAt(column int, m *memory[R], row int64) (name R, err error) {
	c := &s.columns[column]
	i, err := c.place(row)
	if err != nil {
		return name, &columnError{c.name, err}
	}
	if i == null {
		return name, errNoName
	}
	m.reset(c)
	var unknown R
	if name = m.at(i); name != unknown {
		return name, nil
	}
	text := c.values.bytes(i)
	if len(text) == 0 {
		return name, errNoName
	}
	if name, err = s.name(text); err == nil {
		m.set(i, name)
	}
	return name, err
}

// fail reports a row that cannot be read. An error of the column itself, and not
// of the row's value, is returned.
func (s *scan[R]) fail(at int64, column int, err error) error {
	if _, whole := err.(*columnError); whole {
		s.reached = at
		return err
	}
	s.counts.Lines++
	s.counts.Errors++
	if !s.problem(s.base+at+1, s.fields[column].name, err) {
		return errStop
	}
	return nil
}
