package flow

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
// [NVM], [Sysmon] and [Zeek] are Formats. To write another, implement Decode
// and hold it to flowtest.TestFormat.
type Format interface {
	// Decode fills rec, which is zero when it is called, from one line without
	// its line end. The line is never empty, and may not be kept.
	//
	// An error for which errors.Is(err, ErrSkip) says that there is no flow on
	// this line, and why; make one with [Skip]. Any other error says that the
	// line cannot be read; make one with [BadField] where one field is to
	// blame. Beside an error, rec counts for nothing.
	Decode(line []byte, rec *Record) error
}

// ErrSkip is the kind of error for a well-formed line without a flow.
var ErrSkip = lines.ErrSkip

// Skip returns an error that is [ErrSkip]. Lines are counted by reason, so a
// reason is one of a few fixed texts and has nothing of the line in it.
func Skip(reason string) error { return lines.SkipError(reason) }

// BadField returns the error for a field that cannot be read. field is its name
// in the input; err must not quote its value.
func BadField(field string, err error) error { return &lines.FieldError{Field: field, Err: err} }

// A ParseError locates input that could not be read. Its text has nothing of the
// input in it. The pdns package's ParseError is the same type.
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
// of Records, Errors and all Skipped. Merge adds other Counts.
//
//	Files   int64            // begun
//	Damaged int64            // of Files, those whose rest could not be read
//	Bytes   int64            // of text, decompressed
//	Lines   int64
//	Records int64            // lines that hold a record
//	Errors  int64            // lines that gave a ParseError
//	Skipped map[string]int64 // lines without a record, by reason
type Counts = lines.Counts

// Progress says how far a reading of [Files] has come.
//
//	Files, FilesDone int64
//	Size, Read       int64 // bytes on disk, and of them read
//	Lines            int64
//	Errors           int64 // lines that gave a ParseError
type Progress = lines.Progress

// Detect returns a new Format for a stream in which the line occurs, or nil if
// the line is of none that it knows.
func Detect(line []byte) Format {
	switch {
	case zeek.IsHeader(line), isObject(line) && bytes.Contains(line, []byte(`"id.orig_h"`)):
		return new(Zeek)
	case isObject(line) && winevent.Looks(line):
		return new(Sysmon)
	case looksNVM(line):
		return new(NVM)
	}
	return nil
}

func isObject(line []byte) bool {
	for _, c := range line {
		if c != ' ' && c != '\t' {
			return c == '{'
		}
	}
	return false
}

// NamedFormat returns the maker of Formats of a name, for programs that take it
// from their user: "nvm", "sysmon" or "zeek". The maker of "auto" is nil, which
// leaves [Files] and [Reader] to detect.
func NamedFormat(name string) (newFormat func() Format, ok bool) {
	switch name {
	case "auto":
		return nil, true
	case "nvm":
		return func() Format { return new(NVM) }, true
	case "sysmon":
		return func() Format { return new(Sysmon) }, true
	case "zeek":
		return func() Format { return new(Zeek) }, true
	}
	return nil, false
}
