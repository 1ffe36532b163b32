package pdns

import (
	"errors"
	"math"
	"strconv"
	"time"

	"github.com/endoflow/endoflow/internal/flatjson"
)

// COF is the Passive DNS Common Output Format: one JSON object a line
// (draft-dulaunoy-dnsop-passive-dns-cof).
//
//	rrname                       the owner, with or without the final dot
//	rrtype                       text ("A", "TYPE65") or number
//	rdata                        text, or an array of texts: a record each
//	time_first, time_last        seconds since 1970, UTC
//	zone_time_first, …_last      the same, taken where time_* is absent
//	time_first_ms, …_last_ms     milliseconds, preferred to both
//	count                        absent or 0: 1
//
// Other members are ignored. Records of types other than A, AAAA and CNAME are
// skipped. Its lines are rows: they do not tell what was asked.
type COF struct{}

// Decode implements [Format].
func (*COF) Decode(line []byte, recs []Record) ([]Record, error) {
	var c cofLine
	if err := flatjson.Object(line, c.member); err != nil {
		return recs, err
	}
	rec, err := c.record()
	if err != nil {
		return recs, err
	}
	if c.rdata.Kind == flatjson.String {
		if rec.RData, err = cofData(rec.RRType, string(c.rdata.Text())); err != nil {
			return recs, err
		}
		return append(recs, rec), nil
	}
	data, err := c.rdata.Strings()
	switch {
	case err != nil:
		return recs, BadField("rdata", err)
	case len(data) == 0:
		return recs, skipNoAnswers
	case len(data) > maxAnswers:
		return recs, BadField("rdata", errManyAnswers)
	}
	n := len(recs)
	for _, d := range data {
		if rec.RData, err = cofData(rec.RRType, d); err != nil {
			return recs[:n], err
		}
		recs = append(recs, rec)
	}
	return recs, nil
}

// A cofLine holds the members of one line that count.
type cofLine struct {
	rrname, rrtype, rdata, count flatjson.Value
	first, last                  cofTime
}

// A cofTime holds the three forms of a time.
type cofTime struct{ observed, zone, ms flatjson.Value }

func (c *cofLine) member(key []byte, v flatjson.Value) error {
	switch string(key) {
	case "rrname":
		c.rrname = v
	case "rrtype":
		c.rrtype = v
	case "rdata":
		c.rdata = v
	case "count":
		c.count = v
	case "time_first":
		c.first.observed = v
	case "time_last":
		c.last.observed = v
	case "zone_time_first":
		c.first.zone = v
	case "zone_time_last":
		c.last.zone = v
	case "time_first_ms":
		c.first.ms = v
	case "time_last_ms":
		c.last.ms = v
	}
	return nil
}

// record returns the line's record without its data.
func (c *cofLine) record() (rec Record, err error) {
	if rec.RRType, err = cofType(c.rrtype); err != nil {
		return rec, err
	}
	if c.rrname.Kind != flatjson.String {
		return rec, BadField("rrname", errNoName)
	}
	if rec.RRName, err = canonical(string(c.rrname.Text())); err != nil {
		return rec, BadField("rrname", err)
	}
	if rec.TimeFirst, err = c.first.time("time_first"); err != nil {
		return rec, err
	}
	if rec.TimeLast, err = c.last.time("time_last"); err != nil {
		return rec, err
	}
	if !rec.TimeFirst.IsZero() && !rec.TimeLast.IsZero() && rec.TimeLast.Before(rec.TimeFirst) {
		return rec, BadField("time_last", errors.New("before time_first"))
	}
	if c.count.Kind != flatjson.Null {
		if rec.Count, err = strconv.ParseUint(string(c.count.Text()), 10, 64); err != nil {
			return rec, BadField("count", errors.New("not a count"))
		}
	}
	rec.Count = max(rec.Count, 1)
	return rec, nil
}

// cofType returns the type if it is one of those wanted. A name that is not
// known is that of another type, and no error.
func cofType(v flatjson.Value) (Type, error) {
	t, ok := ParseType(string(v.Text()))
	switch {
	case v.Kind != flatjson.String && v.Kind != flatjson.Bare, len(v.Text()) == 0, v.Kind == flatjson.Bare && !ok:
		return 0, BadField("rrtype", errors.New("not a record type"))
	case t != A && t != AAAA && t != CNAME, !ok:
		return 0, skipType
	}
	return t, nil
}

// cofData returns the canonical text of a record's data.
func cofData(t Type, data string) (string, error) {
	if t == CNAME {
		name, err := canonical(data)
		if err != nil {
			return "", BadField("rdata", err)
		}
		return name, nil
	}
	addr, err := parseAddr(t, data)
	if err != nil {
		return "", BadField("rdata", err)
	}
	if text := addr.String(); text != data {
		return text, nil
	}
	return data, nil
}

func (c cofTime) time(field string) (time.Time, error) {
	v, unit := c.ms, int64(1e3) // in microseconds
	if v.Kind == flatjson.Null {
		v, unit = c.observed, 1e6
	} else {
		field += "_ms"
	}
	if v.Kind == flatjson.Null {
		v = c.zone
	}
	if v.Kind == flatjson.Null {
		return time.Time{}, nil
	}
	// The draft has whole numbers; Zeek and others write fractions.
	n, err := strconv.ParseInt(string(v.Text()), 10, 64)
	if err != nil {
		f, ferr := strconv.ParseFloat(string(v.Text()), 64)
		f = math.Round(f * float64(unit))
		if ferr != nil || !(f >= 0 && f <= maxMicro) {
			return time.Time{}, BadField(field, errTime)
		}
		return time.UnixMicro(int64(f)).UTC(), nil
	}
	if n < 0 || n > maxMicro/unit {
		return time.Time{}, BadField(field, errTime)
	}
	return time.UnixMicro(n * unit).UTC(), nil
}

// maxMicro is the end of the year 9999, in microseconds since 1970.
const maxMicro = 253_402_300_799_999_999

var errTime = errors.New("not a time since 1970")
