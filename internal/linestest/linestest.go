// Package linestest holds whatever is read through package lines to the
// contract of its sequences. flowtest and pdnstest use it for the formats of
// flow records and of DNS records.
package linestest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/netip"
	"reflect"
	"testing"
	"testing/iotest"

	"github.com/endoflow/endoflow/internal/lines"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// A Read begins to read a stream and returns its values, and the counts as
// they stand. name is the one that errors give; maxLine is as in lines.Read.
type Read[T any] func(src io.Reader, name string, maxLine int) (iter.Seq2[T, error], func() lines.Counts)

// Test checks a Read, each rule in a subtest of its own. good are the lines of
// a stream without a fault: each gives values or is skipped, in this order and
// when the whole stream is repeated.
func Test[T any](t *testing.T, read Read[T], good [][]byte) {
	s := newSuite(read, good)
	if problem := s.problemWithGood(); problem != "" {
		t.Fatal(problem)
	}
	for _, c := range s.cases() {
		t.Run(c.name, func(t *testing.T) {
			if problem := c.check(); problem != "" {
				t.Errorf("%s\nThe rule: %s.", problem, c.rule)
			}
		})
	}
}

type testCase struct {
	name  string
	rule  string
	check func() string // returns the problem, "" if there is none
}

// testName is the stream's name in all checks.
const testName = "linestest.jsonl"

// outcome is what a sequence gave.
type outcome[T any] struct {
	values []T
	shown  []string // the values as they looked when they came
	errs   []error
	counts lines.Counts

	notZero int // errors with a value beside them
}

type suite[T any] struct {
	read   Read[T]
	good   [][]byte
	text   []byte // good, joined
	values []T    // of good
	max    int    // the limit that good lines keep
}

func newSuite[T any](read Read[T], good [][]byte) *suite[T] {
	s := &suite[T]{read: read, good: good}
	for _, line := range good {
		s.text = append(append(s.text, line...), '\n')
		s.max = max(s.max, len(line))
	}
	s.values = s.run(bytes.NewReader(s.text)).values
	return s
}

func (s *suite[T]) run(src io.Reader) outcome[T] {
	var o outcome[T]
	seq, counts := s.read(src, testName, s.max)
	for v, err := range seq {
		if err != nil {
			o.errs = append(o.errs, err)
			if !reflect.ValueOf(&v).Elem().IsZero() {
				o.notZero++
			}
			continue
		}
		o.values = append(o.values, v)
		o.shown = append(o.shown, show(v))
	}
	o.counts = counts()
	return o
}

func show(v any) string { return fmt.Sprintf("%+v", v) }

func (s *suite[T]) problemWithGood() string {
	if len(s.values) == 0 {
		return "the good lines give no value"
	}
	o := s.run(bytes.NewReader(s.text))
	if len(o.errs) > 0 {
		return fmt.Sprintf("the good lines give an error: %v", o.errs[0])
	}
	return ""
}

func (s *suite[T]) cases() []testCase {
	return []testCase{
		{"same again", "the same input gives the same values, in the same order", func() string {
			return s.sameValues(bytes.NewReader(s.text))
		}},
		{"byte by byte", "how a stream arrives changes nothing", func() string {
			return s.sameValues(iotest.OneByteReader(bytes.NewReader(s.text)))
		}},
		{"end with data", "a reader may return io.EOF together with the last bytes", func() string {
			return s.sameValues(iotest.DataErrReader(bytes.NewReader(s.text)))
		}},
		{"gzip", "gzip is known by its first bytes, whatever the name", func() string {
			return s.sameValues(bytes.NewReader(gzipped(s.text)))
		}},
		{"gzip members", "concatenated gzip members are one text, also where a line goes across", func() string {
			half := len(s.text) / 2
			return s.sameValues(io.MultiReader(bytes.NewReader(gzipped(s.text[:half])), bytes.NewReader(gzipped(s.text[half:]))))
		}},
		{"zstd", "zstd is known by its first bytes, whatever the name", func() string {
			return s.sameValues(bytes.NewReader(zstded(s.text)))
		}},
		{"crlf", "lines may end with CR LF", func() string {
			return s.sameValues(bytes.NewReader(bytes.ReplaceAll(s.text, []byte("\n"), []byte("\r\n"))))
		}},
		{"no final newline", "the last line need not have an end", func() string {
			return s.sameValues(bytes.NewReader(bytes.TrimSuffix(s.text, []byte("\n"))))
		}},
		{"byte order mark", "a UTF-8 byte order mark before the first line is no part of it", func() string {
			return s.sameValues(bytes.NewReader(append([]byte("\xef\xbb\xbf"), s.text...)))
		}},
		{"empty input", "an empty stream has no values, no lines and no error", s.emptyInput},
		{"empty lines", "empty lines are skipped and counted", s.emptyLines},
		{"bad lines", "a line that cannot be read gives one ParseError with file and line beside a zero value, or is skipped with a reason; all other lines give what they gave without it", s.badLines},
		{"long line", "a line over the limit gives one ParseError that is ErrTooLong, with its line; the lines after it are read", s.longLine},
		{"cut gzip", "of a cut stream everything before the cut is read, then one ParseError that is ErrDamaged ends it", s.cutGzip},
		{"broken reader", "a read error is a ParseError that is ErrDamaged and wraps the reader's error", s.brokenReader},
		{"stop", "the sequence yields nothing more once yield has returned false", s.stop},
		{"safe to keep", "values share nothing with the line they came from", s.safeToKeep},
	}
}

// sameValues reads good in another guise.
func (s *suite[T]) sameValues(src io.Reader) string {
	o := s.run(src)
	if len(o.errs) > 0 {
		return fmt.Sprintf("error: %v", o.errs[0])
	}
	if problem := s.differ(s.values, o.values); problem != "" {
		return problem
	}
	if o.counts.Lines != int64(len(s.good)) {
		return fmt.Sprintf("%d lines counted, want %d", o.counts.Lines, len(s.good))
	}
	return balanced(o)
}

func (s *suite[T]) differ(want, got []T) string {
	equal := cmpopts.EquateComparable(netip.Addr{}, netip.AddrPort{}, netip.Prefix{})
	if diff := cmp.Diff(want, got, equal, cmpopts.EquateEmpty()); diff != "" {
		return fmt.Sprintf("values differ (-want +got):\n%s", diff)
	}
	return ""
}

// balanced checks that the counts add up and agree with what came.
func balanced[T any](o outcome[T]) string {
	c := o.counts
	var skipped int64
	for _, n := range c.Skipped {
		skipped += n
	}
	if c.Lines != c.Records+c.Errors+skipped {
		return fmt.Sprintf("%d lines counted, which are not %d records + %d errors + %d skipped", c.Lines, c.Records, c.Errors, skipped)
	}
	if int64(len(o.errs)) != c.Errors+c.Damaged {
		return fmt.Sprintf("%d errors came, counted were %d lines and %d damaged streams", len(o.errs), c.Errors, c.Damaged)
	}
	if c.Files != 1 {
		return fmt.Sprintf("%d files counted, want 1", c.Files)
	}
	if o.notZero > 0 {
		return fmt.Sprintf("%d of %d errors have a value beside them that is not zero", o.notZero, len(o.errs))
	}
	return ""
}

// located checks that an error is a ParseError in the right place.
func located(err error, line int64) string {
	pe, ok := err.(*lines.ParseError)
	switch {
	case !ok:
		return fmt.Sprintf("error of type %T, want *ParseError: %v", err, err)
	case pe.Name != testName:
		return fmt.Sprintf("error names the file %q, want %q", pe.Name, testName)
	case line > 0 && pe.Line != line:
		return fmt.Sprintf("error names line %d, want %d: %v", pe.Line, line, err)
	}
	return ""
}

func (s *suite[T]) emptyInput() string {
	o := s.run(bytes.NewReader(nil))
	if len(o.values) > 0 || len(o.errs) > 0 || o.counts.Lines > 0 {
		return fmt.Sprintf("%d values, %d errors, %d lines", len(o.values), len(o.errs), o.counts.Lines)
	}
	return balanced(o)
}

func (s *suite[T]) emptyLines() string {
	o := s.run(bytes.NewReader(bytes.ReplaceAll(s.text, []byte("\n"), []byte("\n\r\n\n"))))
	if problem := s.differ(s.values, o.values); problem != "" {
		return problem
	}
	if want := int64(3 * len(s.good)); o.counts.Lines != want {
		return fmt.Sprintf("%d lines counted, want %d", o.counts.Lines, want)
	}
	return balanced(o)
}

// badLines are no lines of any format, each in its own way.
var badLines = [][]byte{
	[]byte(`{"cut":`),
	[]byte("\x00\x01\xff\xfe"),
	[]byte(`{"a":1}}`),
	[]byte("\t"),
	[]byte(`[]`),
	[]byte(`"`),
}

func (s *suite[T]) badLines() string {
	for _, bad := range badLines {
		if len(bad) > s.max {
			continue
		}
		var text []byte
		isBad := make(map[int64]bool)
		for i, line := range s.good {
			text = append(append(text, line...), '\n')
			text = append(append(text, bad...), '\n')
			isBad[int64(2*i+2)] = true
		}
		o := s.run(bytes.NewReader(text))
		if problem := s.differ(s.values, o.values); problem != "" {
			return fmt.Sprintf("after each line a bad one, %q: %s", bad, problem)
		}
		last := int64(0)
		for _, err := range o.errs {
			if problem := located(err, 0); problem != "" {
				return problem
			}
			line := err.(*lines.ParseError).Line
			if !isBad[line] || line <= last {
				return fmt.Sprintf("error names line %d, which is not the next bad one: %v", line, err)
			}
			last = line
		}
		if problem := balanced(o); problem != "" {
			return fmt.Sprintf("after each line a bad one, %q: %s", bad, problem)
		}
	}
	return ""
}

func (s *suite[T]) longLine() string {
	text := append(bytes.Clone(s.text), bytes.Repeat([]byte("x"), s.max+1)...)
	text = append(append(text, '\n'), s.text...)
	o := s.run(bytes.NewReader(text))
	if len(o.errs) != 1 {
		return fmt.Sprintf("%d errors, want 1", len(o.errs))
	}
	if problem := located(o.errs[0], int64(len(s.good))+1); problem != "" {
		return problem
	}
	if !errors.Is(o.errs[0], lines.ErrTooLong) {
		return fmt.Sprintf("error is not ErrTooLong: %v", o.errs[0])
	}
	if problem := s.sameAsTwice(o); problem != "" {
		return problem
	}
	return balanced(o)
}

// sameAsTwice compares with the values of good twice over.
func (s *suite[T]) sameAsTwice(o outcome[T]) string {
	twice := s.run(io.MultiReader(bytes.NewReader(s.text), bytes.NewReader(s.text)))
	return s.differ(twice.values, o.values)
}

// cutGzip cuts a stream behind the good lines, in what would follow them.
func (s *suite[T]) cutGzip() string {
	var buf bytes.Buffer
	zw := gzip.NewWriter(&buf)
	zw.Write(s.text)
	zw.Flush()
	o := s.run(bytes.NewReader(buf.Bytes()))
	if problem := s.differ(s.values, o.values); problem != "" {
		return problem
	}
	return s.damaged(o)
}

func (s *suite[T]) damaged(o outcome[T]) string {
	if len(o.errs) != 1 || o.counts.Damaged != 1 {
		return fmt.Sprintf("%d errors and %d damaged streams counted, want 1 and 1", len(o.errs), o.counts.Damaged)
	}
	if problem := located(o.errs[0], int64(len(s.good))+1); problem != "" {
		return problem
	}
	if !errors.Is(o.errs[0], lines.ErrDamaged) {
		return fmt.Sprintf("error is not ErrDamaged: %v", o.errs[0])
	}
	return balanced(o)
}

func (s *suite[T]) brokenReader() string {
	broken := errors.New("the disk is gone")
	o := s.run(io.MultiReader(bytes.NewReader(s.text), iotest.ErrReader(broken)))
	if problem := s.differ(s.values, o.values); problem != "" {
		return problem
	}
	if len(o.errs) == 1 && !errors.Is(o.errs[0], broken) {
		return fmt.Sprintf("error does not wrap the reader's: %v", o.errs[0])
	}
	return s.damaged(o)
}

// stop counts by hand what comes, since a range loop would panic.
func (s *suite[T]) stop() string {
	text := append(bytes.Clone(s.text), badLines[0]...)
	text = append(append(text, '\n'), s.text...)
	total := 0
	seq, _ := s.read(bytes.NewReader(text), testName, 0)
	for range seq {
		total++
	}
	for limit := 1; limit <= total; limit++ {
		came := 0
		seq, _ := s.read(bytes.NewReader(text), testName, 0)
		seq(func(T, error) bool {
			came++
			return came < limit
		})
		if came != limit {
			return fmt.Sprintf("%d pairs came, the consumer stopped at %d", came, limit)
		}
	}
	return ""
}

func (s *suite[T]) safeToKeep() string {
	const enough = 1 << 18 // several times the reader's buffer
	o := s.run(bytes.NewReader(bytes.Repeat(s.text, enough/len(s.text)+2)))
	for i, v := range o.values {
		if now := show(v); now != o.shown[i] {
			return fmt.Sprintf("value %d was %s when it came and is %s at the end", i, o.shown[i], now)
		}
	}
	return balanced(o)
}

func gzipped(text []byte) []byte {
	var buf bytes.Buffer
	zw := gzip.NewWriter(&buf)
	zw.Write(text)
	zw.Close()
	return buf.Bytes()
}

func zstded(text []byte) []byte {
	zw, err := zstd.NewWriter(nil)
	if err != nil {
		panic(err) // no option is given, so that none can be wrong
	}
	return zw.EncodeAll(text, nil)
}
