package flowtest

import (
	"bytes"
	"fmt"
	"io"
	"iter"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/endoflow/endoflow/flow"
	"github.com/endoflow/endoflow/internal/linestest"
)

// TestFormat holds a format to the contract of [flow.Format] and its records
// to that of [flow.Record], each rule in a subtest that says what it is.
// newFormat returns a Format for a new stream. samples are, in this order, the
// lines of a stream without a fault, several to a sample if they are joined by
// newlines; at least one has a flow. They should show every kind of line that
// the format knows, since the suite also damages each of them in many ways.
func TestFormat(t *testing.T, newFormat func() flow.Format, samples ...string) {
	var good [][]byte
	for _, sample := range samples {
		for line := range strings.SplitSeq(strings.Trim(sample, "\n"), "\n") {
			good = append(good, []byte(line))
		}
	}
	read := func(src io.Reader, name string, maxLine int) (iter.Seq2[flow.Record, error], func() flow.Counts) {
		r := flow.NewReader(src, name)
		r.Format, r.MaxLine = newFormat(), maxLine
		return r.All(), r.Counts
	}
	linestest.Test(t, read, good)

	var recs []flow.Record
	all, _ := read(bytes.NewReader(bytes.Join(good, []byte("\n"))), "samples", 0)
	for rec, err := range all {
		if err == nil {
			recs = append(recs, rec)
		}
	}
	t.Run("records", func(t *testing.T) {
		carried := carriedBy(recs)
		for i, rec := range recs {
			for _, problem := range problemsOf(rec, carried) {
				t.Errorf("record %d: %s", i+1, problem)
			}
		}
	})
	t.Run("line untouched", func(t *testing.T) {
		format := newFormat()
		for i, line := range good {
			before := bytes.Clone(line)
			var rec flow.Record
			format.Decode(line, &rec)
			if !bytes.Equal(before, line) {
				t.Errorf("Decode changed the bytes of line %d, which belong to the reader", i+1)
			}
		}
	})
	t.Run("damaged lines", func(t *testing.T) { testDamaged(t, newFormat, good) })
	t.Run("detected", func(t *testing.T) { testDetected(t, newFormat(), good, recs) })
}

// carriedBy returns the fields that at least one record has: a format that
// carries a field says so in Null where it is missing.
func carriedBy(recs []flow.Record) flow.Null {
	var carried flow.Null
	for _, rec := range recs {
		carried |= ^emptyFields(rec)
	}
	return carried
}

func emptyFields(rec flow.Record) (empty flow.Null) {
	for _, f := range []struct {
		null  flow.Null
		empty bool
	}{
		{flow.NullDevice, rec.Device == ""},
		{flow.NullApp, rec.App.Name == ""},
		{flow.NullSrc, !rec.Src.Addr().IsValid()},
		{flow.NullDst, !rec.Dst.Addr().IsValid()},
		{flow.NullProto, rec.Proto == 0},
	} {
		if f.empty {
			empty |= f.null
		}
	}
	return empty
}

// problemsOf returns the rules of flow.Record that a record breaks.
func problemsOf(rec flow.Record, carried flow.Null) (problems []string) {
	problem := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }
	for name, end := range map[string]struct{ mapped, zone, valid bool }{
		"Src": {rec.Src.Addr().Is4In6(), rec.Src.Addr().Zone() != "", rec.Src.Addr().IsValid() || rec.Src.Port() == 0},
		"Dst": {rec.Dst.Addr().Is4In6(), rec.Dst.Addr().Zone() != "", rec.Dst.Addr().IsValid() || rec.Dst.Port() == 0},
	} {
		if end.mapped {
			problem("%s is an IPv4 address mapped into IPv6; addresses are unmapped once, in the reader", name)
		}
		if end.zone {
			problem("%s has a zone; addresses lose theirs in the reader", name)
		}
		if !end.valid {
			problem("%s has a port without an address", name)
		}
	}
	for name, at := range map[string]time.Time{"Start": rec.Start, "End": rec.End} {
		if at.Location() != time.UTC {
			problem("%s is not in UTC", name)
		}
	}
	if want := flow.CanonicalName(rec.DstName); rec.DstName != want {
		problem("DstName is not in the form of CanonicalName")
	}
	empty := emptyFields(rec)
	if wrong := rec.Null &^ empty; wrong != 0 {
		problem("Null names %v, which the record has", wrong)
	}
	if wrong := empty & carried &^ rec.Null; wrong != 0 {
		problem("Null does not name %v, which the record lacks and others of the format have", wrong)
	}
	slices.Sort(problems)
	return problems
}

// testDamaged decodes every line in many damaged forms. Nothing is asked of the
// result but that it keeps the rules: no panic, records as records should be,
// errors and reasons that do not quote the line.
func testDamaged(t *testing.T, newFormat func() flow.Format, good [][]byte) {
	format := newFormat()
	reported := 0
	for i, line := range good {
		var rec flow.Record
		format.Decode(line, &rec)
		for damaged := range linestest.Damaged(line) {
			rec = flow.Record{}
			err := format.Decode(damaged, &rec)
			problems := linestest.ErrorProblems(err)
			if err == nil {
				problems = problemsOf(rec, 0)
			}
			for _, problem := range problems {
				if reported++; reported <= 5 {
					t.Errorf("line %d, damaged: %s", i+1, problem)
				}
			}
		}
	}
}

// testDetected checks that where Detect names this very format, reading
// without naming one gives the same records.
func testDetected(t *testing.T, format flow.Format, good [][]byte, want []flow.Record) {
	var detected flow.Format
	for _, line := range good {
		if detected = flow.Detect(line); detected != nil {
			break
		}
	}
	if reflect.TypeOf(detected) != reflect.TypeOf(format) {
		t.Skip("flow.Detect does not know this format, and need not")
	}
	var got []flow.Record
	for rec, err := range flow.NewReader(bytes.NewReader(bytes.Join(good, []byte("\n"))), "samples").All() {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, rec)
	}
	if !slices.Equal(want, got) {
		t.Errorf("with the format detected the samples give other records: %d, want %d", len(got), len(want))
	}
}
