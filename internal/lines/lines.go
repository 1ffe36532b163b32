// Package lines reads text inputs line by line, for packages flow and pdns:
// decompression by content, a limit on the length of a line, located errors,
// counts that add up, and many files read in parallel.
//
// Its exported types reach users under the names flow.ParseError, flow.Counts
// and so on; they are documented for those readers.
package lines

import (
	"errors"
	"fmt"
	"maps"
)

// MaxLine is the longest line read when no limit is given, in bytes. The
// longest real record in hand (a Sysmon event with its rendered message) has
// 1,951 bytes.
const MaxLine = 1 << 20

// ErrSkip is what errors.Is finds in a [SkipError].
var ErrSkip = errors.New("no record on this line")

// A SkipError says that a line is well formed and holds no record, and why.
// Its text is a reason to count by, the same for all lines of one kind.
type SkipError string

func (e SkipError) Error() string { return string(e) }

// Is reports that every SkipError is [ErrSkip].
func (e SkipError) Is(target error) bool { return target == ErrSkip }

// A FieldError is the cause of a [ParseError] that concerns one field.
type FieldError struct {
	Field string
	Err   error
}

func (e *FieldError) Error() string { return "field " + e.Field + ": " + e.Err.Error() }

// Unwrap returns the cause.
func (e *FieldError) Unwrap() error { return e.Err }

// A ParseError locates input that could not be read. Its text never contains
// the input itself, which may name people and hosts.
type ParseError struct {
	Name  string // the file's name, as given
	Line  int64  // 1-based
	Field string // the field's name in the input, "" where the whole line is meant
	Err   error
}

func (e *ParseError) Error() string {
	if e.Field != "" {
		return fmt.Sprintf("%s:%d: field %s: %v", e.Name, e.Line, e.Field, e.Err)
	}
	return fmt.Sprintf("%s:%d: %v", e.Name, e.Line, e.Err)
}

// Unwrap returns the cause.
func (e *ParseError) Unwrap() error { return e.Err }

// locate makes the ParseError for a line.
func locate(name string, line int64, err error) *ParseError {
	var fe *FieldError
	if errors.As(err, &fe) {
		return &ParseError{Name: name, Line: line, Field: fe.Field, Err: fe.Err}
	}
	return &ParseError{Name: name, Line: line, Err: err}
}

var (
	// ErrTooLong is the cause of the ParseError for a line over the limit.
	ErrTooLong = errors.New("line is longer than the limit")
	// ErrDamaged is in the chain of the ParseError for a file of which the
	// rest could not be read: a cut or corrupt compressed stream, a read error.
	ErrDamaged = errors.New("the rest of the file cannot be read")
	// ErrFormat is in the chain of the ParseError for a line of no known
	// format, where the format is detected.
	ErrFormat = errors.New("not a line of a known format")
)

// Counts says what became of every line.
//
//	Lines = Records + Errors + the sum of Skipped
//
// Damaged files are not lines: Damaged counts apart.
type Counts struct {
	Files   int64 `json:"files"`   // files begun
	Damaged int64 `json:"damaged"` // of them, files whose rest could not be read
	Bytes   int64 `json:"bytes"`   // bytes of text, decompressed
	Lines   int64 `json:"lines"`
	Records int64 `json:"records"` // lines that hold a record
	Errors  int64 `json:"errors"`  // lines that gave a ParseError

	Skipped map[string]int64 `json:"skipped"` // lines without a record, by reason
}

// Skip counts one line without a record.
func (c *Counts) Skip(reason string) { c.SkipN(reason, 1) }

// SkipN counts n lines without a record.
func (c *Counts) SkipN(reason string, n int64) {
	if n == 0 {
		return
	}
	if c.Skipped == nil {
		c.Skipped = make(map[string]int64)
	}
	c.Skipped[reason] += n
}

// Merge adds the counts of other, which it leaves as they are.
func (c *Counts) Merge(other Counts) {
	c.Files += other.Files
	c.Damaged += other.Damaged
	c.Bytes += other.Bytes
	c.Lines += other.Lines
	c.Records += other.Records
	c.Errors += other.Errors
	for reason, n := range other.Skipped {
		c.SkipN(reason, n)
	}
}

// Clone returns a copy that shares nothing with c.
func (c Counts) Clone() Counts {
	c.Skipped = maps.Clone(c.Skipped)
	return c
}
