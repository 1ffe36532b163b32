package pdnsparquet

import (
	"fmt"
	"slices"

	"github.com/endoflow/endoflow/pdns"
)

// A list is a row with a list of data, as far as it has been read.
type list[R comparable] struct {
	row     int64
	typ     pdns.Type
	column  int   // that failed is of
	failed  error // why the row cannot be read
	answers []datum[R]
}

// lists reads rows with a list of data each. A list may go on in the next page.
func (s *scan[R]) lists(rows int64) error {
	data := &s.columns[colRData]
	l := list[R]{row: -1}
	for at := int64(0); at < data.first+data.n || data.left > 0; at++ {
		if at == data.first+data.n {
			if err := s.ctx.Err(); err != nil {
				return err
			}
		}
		d, err := data.place(at)
		if err != nil {
			return &columnError{data.name, err}
		}
		s.data.reset(data)
		if s.reached = max(l.row, 0); data.rep[at-data.first] == 0 {
			if err := s.endList(&l); err != nil {
				return err
			}
			if l.row++; l.row == rows {
				return &columnError{data.name, fmt.Errorf("lists of the row group: %w", errSize)}
			}
			if err := s.beginList(&l); err != nil {
				return err
			}
		}
		switch {
		case l.row < 0:
			return &columnError{data.name, fmt.Errorf("levels: %w", errValues)}
		case d == null, l.failed != nil, l.typ == otherType:
			continue
		case len(l.answers) == maxAnswers:
			l.column, l.failed = colRData, errMany
			continue
		}
		v := s.data.at(d)
		if v.typ != l.typ {
			if v, l.failed = s.learnData(d, l.typ); l.failed != nil {
				l.column = colRData
				continue
			}
		}
		l.answers = append(l.answers, v)
	}
	if err := s.endList(&l); err != nil {
		return err
	}
	if l.row+1 != rows {
		return &columnError{data.name, fmt.Errorf("lists of the row group: %w", errSize)}
	}
	return nil
}

func (s *scan[R]) beginList(l *list[R]) error {
	types := &s.columns[colRRType]
	t, err := types.place(l.row)
	if err != nil {
		return &columnError{types.name, err}
	}
	s.types.reset(types)
	l.answers, l.column = l.answers[:0], colRRType
	l.failed = nil
	if l.typ = s.types.at(t); l.typ == 0 {
		l.typ, l.failed = s.learnType(t)
	}
	return nil
}

// endList adds the records of a row.
func (s *scan[R]) endList(l *list[R]) error {
	switch {
	case l.row < 0:
		return nil
	case l.failed != nil:
		return s.fail(l.row, l.column, l.failed)
	case l.typ != otherType && len(l.answers) > 0:
		return s.emitAll(l.row, l.typ, l.answers)
	}
	s.counts.Lines++
	if l.typ == otherType {
		s.counts.Skip(skipType)
	} else {
		s.counts.Skip(skipNoAnswers)
	}
	return nil
}

// emitAll adds a record for each answer of a row.
func (s *scan[R]) emitAll(at int64, typ pdns.Type, answers []datum[R]) error {
	keep := slices.DeleteFunc(answers, func(a datum[R]) bool { return !a.keep })
	s.thin(int64(len(answers) - len(keep)))
	if len(keep) > 0 {
		r := row[R]{typ: typ}
		if column, err := s.rest(at, &r); err != nil {
			return s.fail(at, column, err)
		}
		rows := s.block.rows[:0]
		for _, a := range keep {
			r.data = a.ref
			rows = append(rows, r)
		}
		s.block.rows = rows
		s.counts.Lines++
		s.counts.Records++
		return s.addAll(rows)
	}
	s.counts.Lines++
	s.counts.Records++
	return nil
}
