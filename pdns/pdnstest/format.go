// Package pdnstest holds formats of passive DNS to the contract of package pdns.
//
// A test of a format of one's own is one call:
//
//	func TestMyFormat(t *testing.T) {
//		pdnstest.TestFormat(t, func() pdns.Format { return new(MyFormat) }, `a line`, `another`)
//	}
//
// A source of names for addresses is held to the contract of a resolver by
// flowtest.TestResolver.
package pdnstest

import (
	"bytes"
	"io"
	"iter"
	"strings"
	"testing"
	"time"

	"github.com/endoflow/endoflow/internal/linestest"
	"github.com/endoflow/endoflow/pdns"
)

// TestFormat holds a format to the contract of [pdns.Format] and its records to
// that of [pdns.Record], each rule in a subtest that says what it is. newFormat
// returns a Format for a new stream. samples are, in this order, the lines of a
// stream without a fault, several to a sample if they are joined by newlines; at
// least one has a record. They should show every kind of line that the format
// knows, since the suite also damages each of them in many ways.
func TestFormat(t *testing.T, newFormat func() pdns.Format, samples ...string) {
	var good [][]byte
	for _, sample := range samples {
		for line := range strings.SplitSeq(strings.Trim(sample, "\n"), "\n") {
			good = append(good, []byte(line))
		}
	}
	read := func(src io.Reader, name string, maxLine int) (iter.Seq2[pdns.Record, error], func() pdns.Counts) {
		r := pdns.NewReader(src, name)
		r.Format, r.MaxLine = newFormat(), maxLine
		return r.All(), r.Counts
	}
	linestest.Test(t, read, good)

	t.Run("records", func(t *testing.T) {
		all, _ := read(bytes.NewReader(bytes.Join(good, []byte("\n"))), "samples", 0)
		n := 0
		for rec, err := range all {
			if err != nil {
				continue
			}
			n++
			for _, problem := range problemsOf(rec) {
				t.Errorf("record %d: %s", n, problem)
			}
		}
	})
	t.Run("appends", func(t *testing.T) {
		format := newFormat()
		before := pdns.Record{RRName: "before.example", RRType: pdns.A, RData: "192.0.2.1", Count: 1}
		for i, line := range good {
			recs, err := format.Decode(line, []pdns.Record{before})
			if len(recs) == 0 || recs[0] != before {
				t.Errorf("line %d: Decode changed what was in the slice that it appends to", i+1)
			}
			if err != nil && len(recs) > 1 {
				t.Errorf("line %d: records beside an error", i+1)
			}
		}
	})
	t.Run("damaged lines", func(t *testing.T) { testDamaged(t, newFormat, good) })
}

func testDamaged(t *testing.T, newFormat func() pdns.Format, good [][]byte) {
	format := newFormat()
	reported := 0
	for i, line := range good {
		format.Decode(line, nil)
		for damaged := range linestest.Damaged(line) {
			recs, err := format.Decode(damaged, nil)
			problems := linestest.ErrorProblems(err)
			if err != nil && len(recs) > 0 {
				problems = append(problems, "records beside an error")
			}
			for _, rec := range recs {
				problems = append(problems, problemsOf(rec)...)
			}
			for _, problem := range problems {
				if reported++; reported <= 5 {
					t.Errorf("line %d, damaged: %s", i+1, problem)
				}
			}
		}
	}
}

// problemsOf returns the rules of pdns.Record that a record breaks.
func problemsOf(rec pdns.Record) (problems []string) {
	check := func(ok bool, problem string) {
		if !ok {
			problems = append(problems, problem)
		}
	}
	for name, text := range map[string]string{"RRName": rec.RRName, "Query": rec.Query} {
		check(text == strings.ToLower(text) && !strings.HasSuffix(text, "."), name+" is not in lower case and without a final dot")
		check(len(text) <= 255, name+" is longer than a name can be")
	}
	check(rec.RRName != "", "no RRName: a record without an owner tells nothing")
	check(rec.Count > 0, "a Count of 0: a record was seen at least once")
	for name, at := range map[string]time.Time{"TimeFirst": rec.TimeFirst, "TimeLast": rec.TimeLast} {
		check(at.Location() == time.UTC, name+" is not in UTC")
	}
	if rec.RRType == pdns.A || rec.RRType == pdns.AAAA {
		addr, ok := rec.Addr()
		check(ok && addr.String() == rec.RData, "RData is not an address in its canonical text")
	}
	return problems
}
