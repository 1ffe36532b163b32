package pdns

import (
	"net/netip"
	"strings"

	"github.com/endoflow/endoflow/internal/winevent"
)

// Sysmon is the DNSQuery event (22) of Sysmon as JSON, in the shapes that
// collectors write: flat, winlogbeat and Azure Sentinel.
//
//	UtcTime       TimeFirst and TimeLast: when the event happened
//	QueryName     Query
//	QueryStatus   not 0 and no results: skipped as a failed query
//	QueryResults  type:  5 cname.example;::ffff:192.0.2.1;2001:db8::1;
//
// Results have no owners and no TTLs. A name of type 5 is a CNAME's target and
// owns what comes after it. Results of other types are passed over, and so is
// what is neither an address nor of the form above. An IPv4 address may be
// mapped into IPv6 and comes from an A record all the same. The addresses
// beside SRV results belong to the servers named there, in no stated order;
// their owner is given as the query name.
type Sysmon struct{}

// Decode implements [Format].
func (*Sysmon) Decode(line []byte, recs []Record) ([]Record, error) {
	e, err := winevent.Parse(line, "UtcTime", "QueryName", "QueryStatus", "QueryResults")
	if err != nil {
		return recs, err
	}
	results := e.Data["QueryResults"]
	switch {
	case e.ID != 22:
		return recs, Skip("event of another kind")
	case e.Data["QueryName"] == "":
		return recs, skipNoQuery
	case results == "" && e.Data["QueryStatus"] != "0" && e.Data["QueryStatus"] != "":
		return recs, skipFailed
	case results == "":
		return recs, skipNoAnswers
	case strings.Count(results, ";") > maxAnswers:
		return recs, BadField("QueryResults", errManyAnswers)
	}
	query, err := canonical(e.Data["QueryName"])
	if err != nil {
		return recs, BadField("QueryName", err)
	}
	when, err := e.Time()
	if err != nil {
		return recs, err
	}
	m := message{query: query, owner: query, time: when, recs: recs}
	for result := range strings.SplitSeq(results, ";") {
		if typed, ok := strings.CutPrefix(result, "type:"); ok {
			number, data, _ := strings.Cut(strings.TrimLeft(typed, " "), " ")
			if t, ok := ParseType(number); !ok || t != CNAME {
				continue
			}
			if name, err := canonical(data); err == nil {
				m.cname(name, 0)
			}
		} else if addr, err := netip.ParseAddr(strings.TrimSpace(result)); err == nil {
			m.addr(addr, 0)
		}
	}
	if len(m.recs) == len(recs) {
		return recs, skipNoNames
	}
	return m.recs, nil
}
