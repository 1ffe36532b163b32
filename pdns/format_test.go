package pdns_test

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/endoflow/endoflow/pdns"
	"github.com/google/go-cmp/cmp"
)

// show writes records in one line each: query> owner type data, and what else
// is not the usual.
func show(recs []pdns.Record) string {
	var lines []string
	for _, r := range recs {
		var b strings.Builder
		if r.Query != "" {
			fmt.Fprintf(&b, "%s> ", r.Query)
		}
		fmt.Fprintf(&b, "%s %v %s", r.RRName, r.RRType, r.RData)
		if !r.TimeFirst.IsZero() {
			fmt.Fprintf(&b, " %s", r.TimeFirst.Format(time.RFC3339Nano))
		}
		if !r.TimeLast.Equal(r.TimeFirst) {
			fmt.Fprintf(&b, " to %s", r.TimeLast.Format(time.RFC3339Nano))
		}
		if r.TTL != 0 {
			fmt.Fprintf(&b, " ttl %v", r.TTL)
		}
		if r.Count != 1 {
			fmt.Fprintf(&b, " x%d", r.Count)
		}
		lines = append(lines, b.String())
	}
	return strings.Join(lines, "\n")
}

type formatCase struct {
	name string
	in   string // the lines; the last one is tested
	want string // the records, or the error
}

func testFormat(t *testing.T, newFormat func() pdns.Format, cases []formatCase) {
	t.Helper()
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			f := newFormat()
			before := []pdns.Record{{RRName: "before"}}
			lines := strings.Split(c.in, "\n")
			for _, line := range lines[:len(lines)-1] {
				if _, err := f.Decode([]byte(line), nil); err != nil && !errors.Is(err, pdns.ErrSkip) {
					t.Fatal(err)
				}
			}
			recs, err := f.Decode([]byte(lines[len(lines)-1]), before)
			if len(recs) == 0 || recs[0] != before[0] {
				t.Fatal("the records that were there are gone")
			}
			got := show(recs[1:])
			if err != nil {
				if got != "" {
					t.Errorf("records beside the error:\n%s", got)
				}
				got = "error: " + err.Error()
				if errors.Is(err, pdns.ErrSkip) {
					got = "skip: " + err.Error()
				}
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestCOF(t *testing.T) {
	long := strings.Repeat("a.", 127) // 254 bytes
	many := `"192.0.2.1"` + strings.Repeat(`,"192.0.2.1"`, 4096)
	testFormat(t, func() pdns.Format { return new(pdns.COF) }, []formatCase{
		{"address", `{"rrname":"www.example","rrtype":"A","rdata":"192.0.2.1","time_first":1600000000,"time_last":1600000060,"count":3}`,
			"www.example A 192.0.2.1 2020-09-13T12:26:40Z to 2020-09-13T12:27:40Z x3"},
		{"final dot and upper case", `{"rrname":"WWW.Example.","rrtype":"aaaa","rdata":"2001:DB8:0::1"}`, "www.example AAAA 2001:db8::1"},
		{"cname", `{"rrname":"www.example","rrtype":"CNAME","rdata":"Edge.CDN.example."}`, "www.example CNAME edge.cdn.example"},
		{"array", `{"rrname":"a.example","rrtype":"A","rdata":["192.0.2.1","192.0.2.2"]}`, "a.example A 192.0.2.1\na.example A 192.0.2.2"},
		{"array of none", `{"rrname":"a.example","rrtype":"A","rdata":[]}`, "skip: no answers"},
		{"too large an array", `{"rrname":"a.example","rrtype":"A","rdata":[` + many + `]}`, "error: field rdata: more than 4096 answers"},
		{"array with one bad", `{"rrname":"a.example","rrtype":"A","rdata":["192.0.2.1","x"]}`, "error: field rdata: not an IPv4 address"},
		{"array of objects", `{"rrname":"a.example","rrtype":"A","rdata":[{}]}`, "error: field rdata: neither text nor an array of texts"},
		{"type by number", `{"rrname":"a.example","rrtype":28,"rdata":"2001:db8::1"}`, "a.example AAAA 2001:db8::1"},
		{"type by number as text", `{"rrname":"a.example","rrtype":"TYPE5","rdata":"b.example"}`, "a.example CNAME b.example"},
		{"other type", `{"rrname":"a.example","rrtype":"TYPE65","rdata":"1 ."}`, "skip: not of type A, AAAA or CNAME"},
		{"other type by name", `{"rrname":"a.example","rrtype":"NSEC3PARAM","rdata":"1 0 10"}`, "skip: not of type A, AAAA or CNAME"},
		{"other type, odd owner", `{"rrname":"a b","rrtype":"TXT","rdata":"x"}`, "skip: not of type A, AAAA or CNAME"},
		{"type out of range", `{"rrname":"a.example","rrtype":65537,"rdata":"192.0.2.1"}`, "error: field rrtype: not a record type"},
		{"no type", `{"rrname":"a.example","rdata":"192.0.2.1"}`, "error: field rrtype: not a record type"},
		{"zone times", `{"rrname":"a.example","rrtype":"A","rdata":"192.0.2.1","zone_time_first":1600000000,"zone_time_last":1600000000}`,
			"a.example A 192.0.2.1 2020-09-13T12:26:40Z"},
		{"observed before zone times", `{"rrname":"a.example","rrtype":"A","rdata":"192.0.2.1","zone_time_first":1,"zone_time_last":2,"time_first":1600000000,"time_last":1600000000}`,
			"a.example A 192.0.2.1 2020-09-13T12:26:40Z"},
		{"milliseconds", `{"rrname":"a.example","rrtype":"A","rdata":"192.0.2.1","time_first":1600000000,"time_first_ms":1600000000250,"time_last":1600000001}`,
			"a.example A 192.0.2.1 2020-09-13T12:26:40.25Z to 2020-09-13T12:26:41Z"},
		{"fractions", `{"rrname":"a.example","rrtype":"A","rdata":"192.0.2.1","time_first":1.6e9,"time_last":1600000000.000001}`,
			"a.example A 192.0.2.1 2020-09-13T12:26:40Z to 2020-09-13T12:26:40.000001Z"},
		{"time of another era", `{"rrname":"a.example","rrtype":"A","rdata":"192.0.2.1","time_first":1600000000000000}`, "error: field time_first: not a time since 1970"},
		{"negative time", `{"rrname":"a.example","rrtype":"A","rdata":"192.0.2.1","time_last_ms":-1}`, "error: field time_last_ms: not a time since 1970"},
		{"time as a word", `{"rrname":"a.example","rrtype":"A","rdata":"192.0.2.1","time_first":"NaN"}`, "error: field time_first: not a time since 1970"},
		{"times the wrong way round", `{"rrname":"a.example","rrtype":"A","rdata":"192.0.2.1","time_first":2,"time_last":1}`, "error: field time_last: before time_first"},
		{"count of none", `{"rrname":"a.example","rrtype":"A","rdata":"192.0.2.1","count":0}`, "a.example A 192.0.2.1"},
		{"bad count", `{"rrname":"a.example","rrtype":"A","rdata":"192.0.2.1","count":-1}`, "error: field count: not a count"},
		{"unknown members", `{"origin":"https://x.example/","bailiwick":"example.","a":{"rrname":"no"},"rrname":"a.example","rrtype":"A","rdata":"192.0.2.1"}`, "a.example A 192.0.2.1"},
		{"escapes", `{"rrname":"\u0061.example","rrtype":"A","rdata":"192.0.2.1"}`, "a.example A 192.0.2.1"},
		{"mapped", `{"rrname":"a.example","rrtype":"AAAA","rdata":"::ffff:192.0.2.1"}`, "a.example AAAA ::ffff:192.0.2.1"},
		{"mapped as A", `{"rrname":"a.example","rrtype":"A","rdata":"::ffff:192.0.2.1"}`, "error: field rdata: not an IPv4 address"},
		{"IPv4 as AAAA", `{"rrname":"a.example","rrtype":"AAAA","rdata":"192.0.2.1"}`, "error: field rdata: not an IPv6 address"},
		{"zone", `{"rrname":"a.example","rrtype":"AAAA","rdata":"fe80::1%eth0"}`, "a.example AAAA fe80::1"},
		{"no data", `{"rrname":"a.example","rrtype":"A"}`, "skip: no answers"},
		{"no owner", `{"rrtype":"A","rdata":"192.0.2.1"}`, "error: field rrname: no name"},
		{"root owner", `{"rrname":".","rrtype":"A","rdata":"192.0.2.1"}`, "error: field rrname: no name"},
		{"two final dots", `{"rrname":"a..","rrtype":"A","rdata":"192.0.2.1"}`, "error: field rrname: not a host name in printable ASCII"},
		{"too long an owner", `{"rrname":"` + long + `bb","rrtype":"A","rdata":"192.0.2.1"}`, "error: field rrname: name is longer than 255 bytes"},
		{"longest owner", `{"rrname":"` + long + `b.","rrtype":"A","rdata":"192.0.2.1"}`, long + "b A 192.0.2.1"},
		{"not ASCII", `{"rrname":"bücher.example","rrtype":"A","rdata":"192.0.2.1"}`, "error: field rrname: not a host name in printable ASCII"},
		{"bad target", `{"rrname":"a.example","rrtype":"CNAME","rdata":"b c"}`, "error: field rdata: not a host name in printable ASCII"},
		{"not JSON", `{"rrname":"a.example"`, "error: not a JSON object"},
		{"not an object", `["rrname"]`, "error: not a JSON object"},
	})
}

func TestZeek(t *testing.T) {
	const header = "#separator \\x09\n#set_separator\t,\n#empty_field\t(empty)\n#unset_field\t-\n#path\tdns\n" +
		"#fields\tts\ttrans_id\tquery\tqtype\tqtype_name\trcode\tanswers\tTTLs\n"
	const ts = "1600000000.250000"
	testFormat(t, func() pdns.Format { return new(pdns.Zeek) }, []formatCase{
		{"address", header + ts + "\t1\tWWW.Example\t1\tA\t0\t192.0.2.1\t60.000000",
			"www.example> www.example A 192.0.2.1 2020-09-13T12:26:40.25Z ttl 1m0s"},
		{"chain", header + ts + "\t1\twww.example\t1\tA\t0\tw.cdn.example,edge.cdn.example,192.0.2.1,192.0.2.2\t300.000000,20.000000,5.000000,5.000000",
			"www.example> www.example CNAME w.cdn.example 2020-09-13T12:26:40.25Z ttl 5m0s\n" +
				"www.example> w.cdn.example CNAME edge.cdn.example 2020-09-13T12:26:40.25Z ttl 20s\n" +
				"www.example> edge.cdn.example A 192.0.2.1 2020-09-13T12:26:40.25Z ttl 5s\n" +
				"www.example> edge.cdn.example A 192.0.2.2 2020-09-13T12:26:40.25Z ttl 5s"},
		{"chain to nothing", header + ts + "\t1\twww.example\t28\tAAAA\t3\tw.cdn.example\t300.000000",
			"www.example> www.example CNAME w.cdn.example 2020-09-13T12:26:40.25Z ttl 5m0s"},
		{"signature among the answers", header + "-\t1\twww.example\t1\tA\t0\tRRSIG 8 example,192.0.2.1\t1.0,2.0",
			"www.example> www.example A 192.0.2.1 ttl 2s"},
		{"only signatures", header + "-\t1\twww.example\t1\tA\t0\tRRSIG 8 example\t1.0", "skip: no address or CNAME among the answers"},
		{"fewer TTLs than answers", header + "-\t1\twww.example\t1\tA\t0\t192.0.2.1,192.0.2.2\t1.0",
			"www.example> www.example A 192.0.2.1 ttl 1s\nwww.example> www.example A 192.0.2.2"},
		{"no TTLs", header + "-\t1\twww.example\t1\tA\t0\t192.0.2.1\t-", "www.example> www.example A 192.0.2.1"},
		{"bad TTL", header + "-\t1\twww.example\t1\tA\t0\t192.0.2.1\tsoon", "error: field TTLs: not a time to live"},
		{"escaped answer", header + "-\t1\twww.example\t1\tA\t0\ta\\x2db.example,192.0.2.1\t-",
			"www.example> www.example CNAME a-b.example\nwww.example> a-b.example A 192.0.2.1"},
		{"mapped", header + "-\t1\twww.example\t28\tAAAA\t0\t::ffff:192.0.2.1,2001:db8::1\t-",
			"www.example> www.example A 192.0.2.1\nwww.example> www.example AAAA 2001:db8::1"},
		{"pointer", header + ts + "\t1\t1.2.0.192.in-addr.arpa\t12\tPTR\t0\twww.example\t60.0", "skip: not of type A, AAAA or CNAME"},
		{"no question", header + ts + "\t0\thost.local\t-\t-\t0\t192.0.2.1\t120.0", "skip: no question beside the answers"},
		{"name of the type only", header + "-\t1\twww.example\t-\tA\t0\t192.0.2.1\t-", "www.example> www.example A 192.0.2.1"},
		{"failed", header + ts + "\t1\twww.example\t1\tA\t3\t-\t-", "skip: failed query"},
		{"no answers", header + ts + "\t1\twww.example\t1\tA\t0\t(empty)\t-", "skip: no answers"},
		{"no query", header + ts + "\t1\t-\t1\tA\t0\t192.0.2.1\t-", "skip: no name asked for"},
		{"odd query", header + ts + "\t1\ta b\t1\tA\t0\t192.0.2.1\t-", "error: field query: not a host name in printable ASCII"},
		{"bad time", header + "x\t1\twww.example\t1\tA\t0\t192.0.2.1\t-", "error: field ts: not a number of seconds"},
		{"too many answers", header + "-\t1\twww.example\t1\tA\t0\t192.0.2.1" + strings.Repeat(",192.0.2.1", 4096) + "\t-", "error: field answers: more than 4096 answers"},
		{"another log", "#separator \\x09\n#path\tconn\n#fields\tts\tuid\n1.0\tC1", "skip: Zeek log of another kind: conn"},
		{"no header", "1.0\twww.example", "error: no #fields line before this one"},
		{"JSON", `{"ts":1600000000.25,"trans_id":1,"query":"www.example","qtype":1,"rcode":0,"answers":["w.cdn.example","192.0.2.1"],"TTLs":[300.0,5]}`,
			"www.example> www.example CNAME w.cdn.example 2020-09-13T12:26:40.25Z ttl 5m0s\n" +
				"www.example> w.cdn.example A 192.0.2.1 2020-09-13T12:26:40.25Z ttl 5s"},
		{"JSON, ISO time", `{"ts":"2020-09-13T12:26:40.250000Z","query":"www.example","qtype_name":"A","answers":["192.0.2.1"]}`,
			"www.example> www.example A 192.0.2.1 2020-09-13T12:26:40.25Z"},
		{"JSON, no answers", `{"ts":1.0,"trans_id":1,"query":"www.example","qtype":1,"rcode":3}`, "skip: failed query"},
		{"JSON of another log", `{"_path":"conn","ts":1.0,"uid":"C1"}`, "skip: Zeek log of another kind: conn"},
		{"JSON of an unnamed log", `{"ts":1.0,"uid":"C1","id.orig_h":"192.0.2.1"}`, "skip: not a line of a DNS log"},
	})
}

func TestSysmon(t *testing.T) {
	flat := func(status, results string) string {
		return `{"EventID":22,"Hostname":"PC1.example","UtcTime":"2020-09-13 12:26:40.250","QueryName":"WWW.Example","QueryStatus":"` + status + `","QueryResults":"` + results + `"}`
	}
	const at = " 2020-09-13T12:26:40.25Z"
	testFormat(t, func() pdns.Format { return new(pdns.Sysmon) }, []formatCase{
		{"mapped", flat("0", "::ffff:192.0.2.1;"), "www.example> www.example A 192.0.2.1" + at},
		{"both families", flat("0", "2001:db8::1;192.0.2.1;"), "www.example> www.example AAAA 2001:db8::1" + at + "\nwww.example> www.example A 192.0.2.1" + at},
		{"chain", flat("0", "type:  5 W.CDN.example;type:  5 edge.cdn.example;::ffff:192.0.2.1;"),
			"www.example> www.example CNAME w.cdn.example" + at + "\n" +
				"www.example> w.cdn.example CNAME edge.cdn.example" + at + "\n" +
				"www.example> edge.cdn.example A 192.0.2.1" + at},
		{"zone", flat("0", "fe80::1%12;"), "www.example> www.example AAAA fe80::1" + at},
		{"other types and leftovers", flat("0", "-;type:  28 2001:db8::1;type:  33 ;type:  65541 x.example;type:;what; ::ffff:192.0.2.1 ;"),
			"www.example> www.example A 192.0.2.1" + at},
		{"pointer", flat("0", "type:  12 host.example;"), "skip: no address or CNAME among the answers"},
		{"failed", flat("9003", "-"), "skip: failed query"},
		{"failed with results", flat("9701", "::ffff:192.0.2.1;"), "www.example> www.example A 192.0.2.1" + at},
		{"no results", flat("0", ""), "skip: no answers"},
		{"too many", flat("0", strings.Repeat("192.0.2.1;", 4097)), "error: field QueryResults: more than 4096 answers"},
		{"another event", `{"EventID":3,"Hostname":"pc1","DestinationIp":"192.0.2.1"}`, "skip: event of another kind"},
		{"no name", `{"EventID":22,"QueryName":"-","QueryStatus":"0","QueryResults":"192.0.2.1;"}`, "skip: no name asked for"},
		{"odd name", `{"EventID":22,"QueryName":"a b","QueryStatus":"0","QueryResults":"192.0.2.1;"}`, "error: field QueryName: not a host name in printable ASCII"},
		{"bad time", `{"EventID":22,"UtcTime":"today","QueryName":"a","QueryStatus":"0","QueryResults":"192.0.2.1;"}`, "error: field UtcTime: not a time"},
		{"winlogbeat", `{"winlog":{"event_id":22,"computer_name":"pc1","event_data":{"UtcTime":"2020-09-13 12:26:40.250","QueryName":"www.example","QueryStatus":"0","QueryResults":"192.0.2.1;"}}}`,
			"www.example> www.example A 192.0.2.1" + at},
		{"Azure", `{"EventID":22,"Computer":"pc1","EventData":"{\"UtcTime\":\"2020-09-13T12:26:40.2500000Z\",\"QueryName\":\"www.example\",\"QueryStatus\":\"0\",\"QueryResults\":\"192.0.2.1;\"}"}`,
			"www.example> www.example A 192.0.2.1" + at},
		{"not JSON", `{"EventID":22`, "error: not a JSON object"},
	})
}

func TestDetect(t *testing.T) {
	for _, test := range []struct{ line, want string }{
		{"#separator \\x09", "*pdns.Zeek"},
		{"#fields\tts", "*pdns.Zeek"},
		{`{"ts":1,"id.orig_h":"192.0.2.1","query":"a"}`, "*pdns.Zeek"},
		{`{"EventID":22}`, "*pdns.Sysmon"},
		{`{"winlog":{"event_id":22}}`, "*pdns.Sysmon"},
		{` {"count":1,"rrname":"a."}`, "*pdns.COF"},
		{`{}`, "<nil>"},
		{`# rrname`, "<nil>"},
		{`rrname`, "<nil>"},
	} {
		if got := fmt.Sprintf("%T", pdns.Detect([]byte(test.line))); got != test.want {
			t.Errorf("Detect(%s) = %s, want %s", test.line, got, test.want)
		}
	}
}

func TestType(t *testing.T) {
	for n := range 1 << 16 {
		typ := pdns.Type(n)
		got, ok := pdns.ParseType(typ.String())
		if !ok || got != typ {
			t.Fatalf("ParseType(%q) = %d, %v", typ, got, ok)
		}
	}
	for _, test := range []struct {
		in   string
		want pdns.Type
		ok   bool
	}{
		{"a", pdns.A, true}, {"Aaaa", pdns.AAAA, true}, {"28", pdns.AAAA, true}, {"TYPE65", 65, true}, {"type5", pdns.CNAME, true},
		{"", 0, false}, {"TYPE", 0, false}, {"TYPE65536", 0, false}, {"-1", 0, false}, {"X", 0, false},
	} {
		if got, ok := pdns.ParseType(test.in); ok != test.ok || ok && got != test.want {
			t.Errorf("ParseType(%q) = %v, %v; want %v, %v", test.in, got, ok, test.want, test.ok)
		}
	}
	if got := pdns.Type(65).String(); got != "TYPE65" {
		t.Errorf("got %s, want TYPE65", got)
	}
}

func TestAddr(t *testing.T) {
	for _, test := range []struct {
		typ  pdns.Type
		data string
		want string
	}{
		{pdns.A, "192.0.2.1", "192.0.2.1"},
		{pdns.A, "2001:db8::1", ""},
		{pdns.AAAA, "::ffff:192.0.2.1", "192.0.2.1"},
		{pdns.AAAA, "fe80::1%eth0", "fe80::1"},
		{pdns.AAAA, "192.0.2.1", ""},
		{pdns.CNAME, "192.0.2.1", ""},
		{pdns.A, "", ""},
	} {
		var want netip.Addr
		if test.want != "" {
			want = netip.MustParseAddr(test.want)
		}
		got, ok := pdns.Record{RRType: test.typ, RData: test.data}.Addr()
		if got != want || ok != want.IsValid() {
			t.Errorf("%v %s: got %v, %v, want %v", test.typ, test.data, got, ok, want)
		}
	}
}

// fuzz holds a Format to its contract.
func fuzz(f *testing.F, newFormat func() pdns.Format, seeds ...string) {
	for _, s := range seeds {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		format := newFormat()
		for line := range strings.SplitSeq(string(text), "\n") {
			if line == "" {
				continue
			}
			in := []byte(line)
			recs, err := format.Decode(in, nil)
			if string(in) != line {
				t.Fatal("the line was changed")
			}
			if (err == nil) != (len(recs) > 0) {
				t.Fatalf("%d records beside error %v", len(recs), err)
			}
			for _, r := range recs {
				checkRecord(t, r)
			}
		}
	})
}

func checkRecord(t *testing.T, r pdns.Record) {
	names := []string{r.RRName}
	if r.Query != "" {
		names = append(names, r.Query)
	}
	switch addr, ok := r.Addr(); r.RRType {
	case pdns.CNAME:
		names = append(names, r.RData)
	default:
		if !ok || addr.Is4In6() || addr.Zone() != "" {
			t.Fatalf("no canonical address in %+v", r)
		}
	}
	for _, name := range names {
		if name == "" || len(name) > 255 || name != strings.ToLower(name) || strings.HasSuffix(name, ".") {
			t.Fatalf("name %q is not canonical", name)
		}
	}
	if r.Count == 0 || r.TTL < 0 || r.TimeFirst.Location() != time.UTC || r.TimeLast.Location() != time.UTC {
		t.Fatalf("%+v", r)
	}
	if !r.TimeFirst.IsZero() && !r.TimeLast.IsZero() && r.TimeLast.Before(r.TimeFirst) {
		t.Fatalf("the wrong way round: %+v", r)
	}
}

func FuzzCOF(f *testing.F) {
	fuzz(f, func() pdns.Format { return new(pdns.COF) },
		`{"rrname":"A.example.","rrtype":"A","rdata":["192.0.2.1"],"time_first":1600000000,"time_last":1.6e9,"count":3}`,
		`{"rrname":"a.example","rrtype":28,"rdata":"2001:db8::1%1","time_first_ms":1,"zone_time_last":2}`,
		`{"rrname":"\u0061.example","rrtype":"cname","rdata":"B.example.","time_last":"5"}`)
}

func FuzzZeek(f *testing.F) {
	fuzz(f, func() pdns.Format { return new(pdns.Zeek) },
		"#separator \\x09\n#fields\tts\tquery\tqtype\tanswers\tTTLs\n1.5\tA.example\t1\tb.example,192.0.2.1\t1.0,2.0\n-\tb\t28\t2001:db8::1\t-",
		`{"ts":"2020-09-13T12:26:40Z","query":"a.example","qtype":1,"answers":["b.example.","192.0.2.1"],"TTLs":[300.0,5]}`)
}

func FuzzSysmon(f *testing.F) {
	fuzz(f, func() pdns.Format { return new(pdns.Sysmon) },
		`{"EventID":22,"UtcTime":"2020-09-13 12:26:40.250","QueryName":"WWW.Example","QueryStatus":"0","QueryResults":"type:  5 a.example;::ffff:192.0.2.1;"}`,
		`{"EventID":22,"EventData":"{\"QueryName\":\"a\",\"QueryResults\":\"fe80::1%2;\"}"}`)
}
