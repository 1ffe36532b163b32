// Package zeek reads the lines of Zeek's logs: tab-separated with the log's own
// header (#separator, #path, #fields), and JSON.
//
// Zeek's ASCII format is described in its documentation of the ASCII log
// writer: fields are named in the #fields line, an absent value is the
// #unset_field text ("-"), an empty one the #empty_field text ("(empty)"), sets
// and vectors are joined with the #set_separator (","), and bytes that would
// disturb are written \xHH.
package zeek

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/endoflow/endoflow/internal/flatjson"
	"github.com/endoflow/endoflow/internal/lines"
)

// A Reader reads the lines of one log file. It keeps the header, so that each
// file needs a Reader of its own.
type Reader struct {
	path   string   // the log wanted: "conn", "dns"
	fields []string // the fields wanted
	values []string // of the line read last, by the index in fields
	lists  [][]string

	separator string
	setSep    string
	unset     string
	empty     string
	other     string // the header's path where it is not the wanted one
	columns   []int  // per column, the index in fields or -1
	header    bool   // a #fields line was seen
	tabbed    bool   // the line read last was not JSON
}

// NewReader returns a Reader of the named fields of the logs of one path.
// Lines of another path are skipped.
func NewReader(path string, fields ...string) *Reader {
	return &Reader{
		path: path, fields: fields,
		values: make([]string, len(fields)), lists: make([][]string, len(fields)),
		separator: "\t", setSep: ",", unset: "-", empty: "(empty)",
	}
}

// Line reads one line, whose values [Reader.Text] and [Reader.List] then give.
// Header lines and lines of other logs give a lines.SkipError.
func (r *Reader) Line(line []byte) error {
	switch line[0] {
	case '#':
		return r.directive(string(line))
	case '{':
		return r.json(line)
	}
	if !r.header {
		return errors.New("no #fields line before this one")
	}
	if r.other != "" {
		return lines.SkipError("Zeek log of another kind: " + r.other)
	}
	r.tabbed = true
	clear(r.values)
	clear(r.lists)
	text := string(line)
	col := 0
	for more := true; more; col++ {
		var value string
		value, text, more = strings.Cut(text, r.separator)
		if col >= len(r.columns) {
			return fmt.Errorf("more than the %d columns of the header", len(r.columns))
		}
		if i := r.columns[col]; i >= 0 && value != r.unset {
			if value == r.empty {
				value = ""
			}
			r.values[i] = value
		}
	}
	if col < len(r.columns) {
		return fmt.Errorf("%d columns where the header has %d", col, len(r.columns))
	}
	return nil
}

// kinds are the log paths that appear in skip reasons by name; a name taken
// from the input could be anything.
var kinds = map[string]bool{"conn": true, "dns": true, "ssl": true, "http": true, "x509": true, "dhcp": true, "files": true, "weird": true, "ntp": true}

func (r *Reader) directive(line string) error {
	skip := lines.SkipError("header or comment")
	name, arg, ok := strings.Cut(line, r.separator)
	if !ok {
		name, arg, _ = strings.Cut(line, " ")
	}
	switch name {
	case "#separator":
		sep, err := unescape(strings.TrimSpace(arg))
		if err != nil || sep == "" {
			return &lines.FieldError{Field: "#separator", Err: errors.New("not a separator")}
		}
		r.separator = sep
	case "#set_separator":
		if arg == "" {
			return &lines.FieldError{Field: "#set_separator", Err: errors.New("not a separator")}
		}
		r.setSep = arg
	case "#empty_field":
		r.empty = arg
	case "#unset_field":
		r.unset = arg
	case "#path":
		switch {
		case arg == r.path:
			r.other = ""
		case kinds[arg]:
			r.other = arg
		default:
			r.other = "other"
		}
	case "#fields":
		r.columns = r.columns[:0]
		for name := range strings.SplitSeq(arg, r.separator) {
			r.columns = append(r.columns, r.index(name))
		}
		r.header = true
	}
	return skip
}

func (r *Reader) index(name string) int {
	for i, f := range r.fields {
		if f == name {
			return i
		}
	}
	return -1
}

func (r *Reader) json(line []byte) error {
	r.tabbed = false
	clear(r.values)
	clear(r.lists)
	other := ""
	err := flatjson.Object(line, func(key []byte, v flatjson.Value) error {
		if string(key) == "_path" && string(v.Text()) != r.path {
			other = "other"
			if kinds[string(v.Text())] {
				other = string(v.Text())
			}
		}
		for i, f := range r.fields {
			if f != string(key) {
				continue
			}
			r.values[i], r.lists[i] = "", nil
			switch v.Kind {
			case flatjson.String, flatjson.Bare:
				r.values[i] = string(v.Text())
			case flatjson.Nested:
				texts, err := v.Strings()
				if err != nil {
					return &lines.FieldError{Field: f, Err: err}
				}
				r.lists[i] = texts
			}
		}
		return nil
	})
	if err == nil && other != "" {
		return lines.SkipError("Zeek log of another kind: " + other)
	}
	return err
}

// Text returns a field's value; an absent one is "".
func (r *Reader) Text(i int) string {
	if !r.tabbed {
		return r.values[i]
	}
	if u, err := unescape(r.values[i]); err == nil {
		return u
	}
	return r.values[i]
}

// List returns the elements of a set or vector.
func (r *Reader) List(i int) []string {
	if r.values[i] == "" {
		return r.lists[i]
	}
	elems := strings.Split(r.values[i], r.setSep)
	for j, e := range elems {
		if u, err := unescape(e); err == nil {
			elems[j] = u
		}
	}
	return elems
}

// Time returns a field of type time, in UTC: seconds since 1970 with a fraction,
// or the ISO 8601 form that Zeek's JSON writer can be told to use. An absent
// value is the zero time.
func (r *Reader) Time(i int) (time.Time, error) {
	text := r.values[i]
	if text == "" {
		return time.Time{}, nil
	}
	if strings.IndexByte(text, 'T') > 0 {
		t, err := time.Parse(time.RFC3339Nano, text)
		if err != nil {
			return time.Time{}, r.Field(i, errors.New("not a time"))
		}
		return t.UTC(), nil
	}
	s, err := r.seconds(i)
	if err != nil {
		return time.Time{}, err
	}
	return time.Unix(0, 0).UTC().Add(s), nil
}

// Interval returns a field of type interval, in Zeek's unit, the second.
func (r *Reader) Interval(i int) (time.Duration, error) {
	if r.values[i] == "" {
		return 0, nil
	}
	return r.seconds(i)
}

// seconds rounds to the microsecond, Zeek's resolution.
func (r *Reader) seconds(i int) (time.Duration, error) {
	s, err := strconv.ParseFloat(r.values[i], 64)
	if err != nil || math.IsNaN(s) || math.Abs(s) >= math.MaxInt64/1e9 {
		return 0, &lines.FieldError{Field: r.fields[i], Err: errors.New("not a number of seconds")}
	}
	return time.Duration(math.Round(s*1e6)) * time.Microsecond, nil
}

// Count returns a field of type count; an absent one is 0.
func (r *Reader) Count(i int) (uint64, error) {
	if r.values[i] == "" {
		return 0, nil
	}
	n, err := strconv.ParseUint(r.values[i], 10, 64)
	if err != nil {
		return 0, &lines.FieldError{Field: r.fields[i], Err: errors.New("not a count")}
	}
	return n, nil
}

// Field returns the error err located in a field.
func (r *Reader) Field(i int, err error) error {
	return &lines.FieldError{Field: r.fields[i], Err: err}
}

// IsHeader reports whether a line is one that begins a Zeek log.
func IsHeader(line []byte) bool {
	return bytes.HasPrefix(line, []byte("#separator ")) || bytes.HasPrefix(line, []byte("#fields\t"))
}

// unescape resolves \xHH.
func unescape(s string) (string, error) {
	if !strings.Contains(s, `\x`) {
		return s, nil
	}
	var b strings.Builder
	for {
		before, after, ok := strings.Cut(s, `\x`)
		b.WriteString(before)
		if !ok {
			return b.String(), nil
		}
		if len(after) < 2 {
			return "", errors.New("cut escape")
		}
		c, err := strconv.ParseUint(after[:2], 16, 8)
		if err != nil {
			return "", errors.New("bad escape")
		}
		b.WriteByte(byte(c))
		s = after[2:]
	}
}
