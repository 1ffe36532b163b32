package pdns

import (
	"bytes"

	"github.com/endoflow/endoflow/internal/lines"
	"github.com/endoflow/endoflow/internal/winevent"
	"github.com/endoflow/endoflow/internal/zeek"
)

// A Format decodes the lines of one stream. A Format may keep state from line
// to line (a header), so that each stream needs one of its own, used by one
// goroutine.
//
// [COF], [Zeek] and [Sysmon] are Formats. To write another, implement Decode and
// hold it to pdnstest.TestFormat.
type Format interface {
	// Decode appends to recs the records of one line without its line end: one
	// DNS message may give several. The line is never empty, and may not be
	// kept. Names are to be in lower case and without the final dot.
	//
	// An error for which errors.Is(err, ErrSkip) says that there is no record
	// on this line, and why; make one with [Skip]. Any other error says that
	// the line cannot be read; make one with [BadField] where one field is to
	// blame. Beside an error, no record is appended.
	Decode(line []byte, recs []Record) ([]Record, error)
}

// ErrSkip is the kind of error for a well-formed line without a record.
var ErrSkip = lines.ErrSkip

// Skip returns an error that is [ErrSkip]. Lines are counted by reason, so a
// reason is one of a few fixed texts and has nothing of the line in it.
func Skip(reason string) error { return lines.SkipError(reason) }

// BadField returns the error for a field that cannot be read. field is its name
// in the input; err must not quote its value.
func BadField(field string, err error) error { return &lines.FieldError{Field: field, Err: err} }

// A ParseError locates a line that could not be read: file, line (from 1),
// field where one is to blame, and cause. Its text has nothing of the line in
// it. The flow package's ParseError is the same type.
//
//	Name  string // the file's or stream's name, as given
//	Line  int64  // from 1
//	Field string // the field's name in the input, "" where the whole line is meant
//	Err   error  // the cause; Unwrap returns it
type ParseError = lines.ParseError

// Causes of a [ParseError] that a caller may want to tell apart with errors.Is.
var (
	ErrTooLong       = lines.ErrTooLong // the line is longer than the limit
	ErrDamaged       = lines.ErrDamaged // the rest of the file cannot be read
	ErrUnknownFormat = lines.ErrFormat  // the line is of no format that Detect knows
)

// Counts says what became of every line; see [Reader.Counts]. Lines is the sum
// of Records, Errors and all Skipped; a line of Records has one record or more.
// Its fields are those of the flow package's Counts, which is the same type.
type Counts = lines.Counts

// Progress says how far a reading of [Files] has come. Its fields are those of
// the flow package's Progress, which is the same type.
type Progress = lines.Progress

// The reasons for which the formats of this package skip lines, beside those
// for lines of other kinds.
const (
	skipNoAnswers = lines.SkipError("no answers")
	skipFailed    = lines.SkipError("failed query")
	skipNoQuery   = lines.SkipError("no name asked for")
	skipType      = lines.SkipError("not of type A, AAAA or CNAME")
	skipNoNames   = lines.SkipError("no address or CNAME among the answers")
)

// Detect returns a new Format for a stream in which the line occurs, or nil if
// the line is of none that it knows.
func Detect(line []byte) Format {
	switch {
	case zeek.IsHeader(line), isObject(line) && bytes.Contains(line, []byte(`"id.orig_h"`)):
		return new(Zeek)
	case isObject(line) && winevent.Looks(line):
		return new(Sysmon)
	case isObject(line) && bytes.Contains(line, []byte(`"rrname"`)):
		return new(COF)
	}
	return nil
}

func isObject(line []byte) bool { return bytes.HasPrefix(bytes.TrimLeft(line, " \t"), []byte("{")) }

// NamedFormat returns the maker of Formats of a name, for programs that take it
// from their user: "cof", "zeek" or "sysmon". The maker of "auto" is nil, which
// leaves [Files] and [Reader] to detect.
func NamedFormat(name string) (newFormat func() Format, ok bool) {
	switch name {
	case "auto":
		return nil, true
	case "cof":
		return func() Format { return new(COF) }, true
	case "zeek":
		return func() Format { return new(Zeek) }, true
	case "sysmon":
		return func() Format { return new(Sysmon) }, true
	}
	return nil, false
}
