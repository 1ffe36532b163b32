package pdns

import (
	"errors"
	"math"
	"net/netip"
	"strconv"
	"time"

	"github.com/endoflow/endoflow/internal/zeek"
)

// Zeek is the dns.log of Zeek, tab-separated with its header or JSON.
//
//	ts             TimeFirst and TimeLast: when the query was sent
//	query          Query
//	qtype          lines of other queries than A, AAAA and CNAME are skipped
//	answers, TTLs  a record each
//
// Zeek writes answers without their owners and types. In the answer to an
// address query a name is a CNAME's target and owns what comes after it; the
// query name owns what comes first. Answers that are neither an address nor a
// name (a signature) are passed over. Where the question is not in the log
// (multicast DNS) the answers' types are anyone's guess, and the line is
// skipped.
type Zeek struct {
	r *zeek.Reader
}

// The fields of dns.log that count; their numbers in the reader.
const (
	zeekTS = iota
	zeekTransID
	zeekQuery
	zeekQType
	zeekQTypeName
	zeekRCode
	zeekAnswers
	zeekTTLs
)

// Decode implements [Format].
func (z *Zeek) Decode(line []byte, recs []Record) ([]Record, error) {
	if z.r == nil {
		z.r = zeek.NewReader("dns", "ts", "trans_id", "query", "qtype", "qtype_name", "rcode", "answers", "TTLs")
	}
	r := z.r
	if err := r.Line(line); err != nil {
		return recs, err
	}
	if r.Text(zeekQuery) == "" {
		if r.Text(zeekTransID) == "" {
			return recs, Skip("not a line of a DNS log")
		}
		return recs, skipNoQuery
	}
	qtype := r.Text(zeekQType)
	if qtype == "" {
		qtype = r.Text(zeekQTypeName)
	}
	if qtype == "" {
		return recs, Skip("no question beside the answers")
	}
	if t, ok := ParseType(qtype); !ok || t != A && t != AAAA && t != CNAME {
		return recs, skipType
	}
	answers := r.List(zeekAnswers)
	if len(answers) == 0 {
		if rcode := r.Text(zeekRCode); rcode != "" && rcode != "0" {
			return recs, skipFailed
		}
		return recs, skipNoAnswers
	}
	if len(answers) > maxAnswers {
		return recs, r.Field(zeekAnswers, errManyAnswers)
	}
	query, err := canonical(r.Text(zeekQuery))
	if err != nil {
		return recs, r.Field(zeekQuery, err)
	}
	ts, err := r.Time(zeekTS)
	if err != nil {
		return recs, err
	}
	ttls := r.List(zeekTTLs)
	m := message{query: query, owner: query, time: ts, recs: recs}
	for i, answer := range answers {
		var ttl time.Duration
		if i < len(ttls) {
			if ttl, err = zeekTTL(ttls[i]); err != nil {
				return recs, r.Field(zeekTTLs, err)
			}
		}
		if addr, err := netip.ParseAddr(answer); err == nil {
			m.addr(addr, ttl)
		} else if name, err := canonical(answer); err == nil {
			m.cname(name, ttl)
		}
	}
	if len(m.recs) == len(recs) {
		return recs, skipNoNames
	}
	return m.recs, nil
}

// zeekTTL reads an interval, in seconds. A TTL has 32 bits on the wire
// (RFC 1035 4.1.3). An unset element is unknown.
func zeekTTL(text string) (time.Duration, error) {
	if text == "-" {
		return 0, nil
	}
	s, err := strconv.ParseFloat(text, 64)
	if err != nil || !(s >= 0 && s <= math.MaxUint32) {
		return 0, errors.New("not a time to live")
	}
	return time.Duration(math.Round(s*1e6)) * time.Microsecond, nil
}

// A message turns the answers of one DNS message into records.
type message struct {
	query string
	owner string // of the next answer
	time  time.Time
	recs  []Record
}

func (m *message) cname(target string, ttl time.Duration) {
	m.add(CNAME, target, ttl)
	m.owner = target
}

func (m *message) addr(addr netip.Addr, ttl time.Duration) {
	addr = addr.Unmap().WithZone("")
	m.add(addrType(addr), addr.String(), ttl)
}

func (m *message) add(t Type, data string, ttl time.Duration) {
	m.recs = append(m.recs, Record{
		RRName: m.owner, RRType: t, RData: data,
		TimeFirst: m.time, TimeLast: m.time, Count: 1, TTL: ttl, Query: m.query,
	})
}
