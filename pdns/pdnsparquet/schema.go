package pdnsparquet

import (
	"errors"
	"fmt"
	"strings"

	"github.com/parquet-go/parquet-go/deprecated"
	"github.com/parquet-go/parquet-go/format"
)

// A leaf is one column of values in a file's schema.
type leaf struct {
	name    string // its path, without the levels that a list is made of
	element *format.SchemaElement
	index   int // among the leaves, which is the place of its chunk in a row group

	// Levels (Dremel): a value stands where the definition level is maxDef, and
	// a row begins where the repetition level is 0.
	maxDef, maxRep int
}

const (
	maxDepth  = 32
	maxLeaves = 1 << 16
)

var errSchema = errors.New("malformed schema")

// leaves returns the leaves of a schema, which is a tree written depth first.
func leaves(schema []format.SchemaElement) ([]leaf, error) {
	if len(schema) == 0 || len(schema) > 2*maxLeaves {
		return nil, errSchema
	}
	var found []leaf
	at := 1
	var walk func(children int32, path string, inList bool, depth, def, rep int) error
	walk = func(children int32, path string, inList bool, depth, def, rep int) error {
		if depth > maxDepth {
			return errSchema
		}
		for range children {
			if at >= len(schema) {
				return errSchema
			}
			e := &schema[at]
			at++
			def, rep := def, rep
			switch e.RepetitionType.V {
			case format.Required:
			case format.Optional:
				def++
			case format.Repeated:
				def++
				rep++
			default:
				return errSchema
			}
			name := path
			if !inList {
				name = strings.TrimPrefix(path+"."+e.Name, ".")
			}
			if e.NumChildren.Valid && e.NumChildren.V > 0 {
				if err := walk(e.NumChildren.V, name, inList || isList(e), depth+1, def, rep); err != nil {
					return err
				}
				continue
			}
			if !e.Type.Valid {
				continue // a group without columns
			}
			found = append(found, leaf{name: name, element: e, index: len(found), maxDef: def, maxRep: rep})
		}
		return nil
	}
	err := walk(schema[0].NumChildren.V, "", false, 0, 0, 0)
	if err == nil && at != len(schema) {
		err = errSchema
	}
	return found, err
}

// isList reports whether a group is that of a list, of three levels or, as
// older writers have it, of two. What is below it has the list's name.
func isList(e *format.SchemaElement) bool {
	_, logical := e.LogicalType.Value.(*format.ListType)
	return logical || e.ConvertedType.Valid && e.ConvertedType.V == deprecated.List || e.RepetitionType.V == format.Repeated
}

// Columns names the columns. A name is compared without regard to case, and is
// a path with dots for a column within a group. "" stands for the usual names,
// of which the first that the file has is taken, and "-" for no column.
//
//	RRName     rrname, name, qname, owner, domain
//	RRType     rrtype, type, qtype, rr_type
//	RData      rdata, answer, answers, data, value, ip
//	TimeFirst  time_first, first_seen, time_first_ms, firstseen, first, zone_time_first
//	TimeLast   time_last, last_seen, time_last_ms, lastseen, last, zone_time_last
//	Count      count, num, hits
//	Query      query
//	TTL        ttl, rrttl
//
// The first three must be there. qname is an owner, since that is what exports
// of rows mean by it; where it is the name asked for beside an owner, set Query
// to it and RRName to the owner.
type Columns struct {
	RRName, RRType, RData string
	TimeFirst, TimeLast   string
	Count                 string
	Query                 string
	TTL                   string
}

// The columns by number.
const (
	colRRName = iota
	colRRType
	colRData
	colTimeFirst
	colTimeLast
	colCount
	colQuery
	colTTL
	numColumns
)

var usualNames = [numColumns][]string{
	colRRName:    {"rrname", "name", "qname", "owner", "domain"},
	colRRType:    {"rrtype", "type", "qtype", "rr_type"},
	colRData:     {"rdata", "answer", "answers", "data", "value", "ip"},
	colTimeFirst: {"time_first", "first_seen", "time_first_ms", "firstseen", "first", "zone_time_first"},
	colTimeLast:  {"time_last", "last_seen", "time_last_ms", "lastseen", "last", "zone_time_last"},
	colCount:     {"count", "num", "hits"},
	colQuery:     {"query"},
	colTTL:       {"ttl", "rrttl"},
}

func (c *Columns) names() [numColumns]string {
	return [numColumns]string{c.RRName, c.RRType, c.RData, c.TimeFirst, c.TimeLast, c.Count, c.Query, c.TTL}
}

// A columnError says which column of a file is to blame.
type columnError struct {
	column string
	err    error
}

func (e *columnError) Error() string { return "column " + e.column + ": " + e.err.Error() }
func (e *columnError) Unwrap() error { return e.err }

// A field is a column as it is wanted: a leaf with the meaning of its values.
type field struct {
	leaf
	kind   format.Type
	width  int
	binary bool  // a byte array that says nothing of being a text, or of fixed width
	unit   int64 // of a time: units in a second; negative: seconds in a unit

	unsigned bool // an integer that has no negative values
}

// pick returns the leaves for the columns, nil for those that are not there.
func (c *Columns) pick(all []leaf) (fields [numColumns]*field, err error) {
	for i, name := range c.names() {
		if name == "-" {
			continue
		}
		names := usualNames[i]
		if name != "" {
			names = []string{name}
		}
		l := lookup(all, names)
		if l == nil {
			if i <= colRData || name != "" {
				return fields, &columnError{names[0], errors.New("not in the file")}
			}
			continue
		}
		if fields[i], err = newField(i, *l); err != nil {
			return fields, &columnError{l.name, err}
		}
	}
	for i := range colRData + 1 {
		if fields[i] == nil {
			return fields, &columnError{usualNames[i][0], errors.New("not in the file")}
		}
	}
	return fields, nil
}

func lookup(all []leaf, names []string) *leaf {
	for _, name := range names {
		for i := range all {
			if strings.EqualFold(all[i].name, name) {
				return &all[i]
			}
		}
	}
	return nil
}

var errColumnType = errors.New("of a type that cannot be read as this")

// newField checks that a leaf can be the column of a number.
func newField(column int, l leaf) (*field, error) {
	e := l.element
	f := &field{leaf: l, kind: e.Type.V}
	f.width = widthOf(f.kind, e.TypeLength.V)
	if l.maxRep > 1 || l.maxRep > 0 && column != colRData {
		return nil, fmt.Errorf("a list: %w", errColumnType)
	}
	isText := f.kind == format.ByteArray
	isInt := f.kind == format.Int32 || f.kind == format.Int64
	isFloat := f.kind == format.Float || f.kind == format.Double
	ok := false
	switch column {
	case colRRName, colQuery:
		ok = isText
	case colRRType:
		ok = isText || isInt
	case colRData:
		ok = isText || f.kind == format.FixedLenByteArray && (f.width == 4 || f.width == 16)
	case colCount, colTTL:
		ok = isInt || isFloat
	case colTimeFirst, colTimeLast:
		ok = isInt || isFloat || f.kind == format.Int96
	}
	if !ok || f.width < 0 {
		return nil, errColumnType
	}
	f.binary = f.kind == format.FixedLenByteArray || e.LogicalType.Value == nil && !e.ConvertedType.Valid
	f.unit = unitOf(e, l.name)
	if i, isInt := e.LogicalType.Value.(*format.IntType); isInt {
		f.unsigned = !i.IsSigned
	} else if e.ConvertedType.Valid {
		f.unsigned = deprecated.Uint8 <= e.ConvertedType.V && e.ConvertedType.V <= deprecated.Uint64
	}
	return f, nil
}

// unitOf returns the unit of a time: that of the logical type, else that of the
// name's ending, else seconds.
func unitOf(e *format.SchemaElement, name string) int64 {
	switch l := e.LogicalType.Value.(type) {
	case *format.TimestampType:
		switch l.Unit.Value.(type) {
		case *format.MilliSeconds:
			return 1e3
		case *format.MicroSeconds:
			return 1e6
		case *format.NanoSeconds:
			return 1e9
		}
	case *format.DateType:
		return -86400
	}
	if e.ConvertedType.Valid {
		switch e.ConvertedType.V {
		case deprecated.TimestampMillis:
			return 1e3
		case deprecated.TimestampMicros:
			return 1e6
		case deprecated.Date:
			return -86400
		}
	}
	name = strings.ToLower(name)
	switch {
	case strings.HasSuffix(name, "_ms"):
		return 1e3
	case strings.HasSuffix(name, "_us"):
		return 1e6
	case strings.HasSuffix(name, "_ns"):
		return 1e9
	}
	return 1
}
