package flowtest_test

import (
	"bytes"
	"context"
	"errors"
	"net/netip"
	"slices"
	"testing"

	"github.com/endoflow/endoflow/flow"
	"github.com/endoflow/endoflow/flow/flowtest"
)

// notation makes the notation itself a format.
type notation struct{}

func (notation) Decode(line []byte, rec *flow.Record) error {
	if bytes.HasPrefix(line, []byte("#")) {
		return flow.Skip("comment")
	}
	var err error
	if *rec, err = flowtest.Parse(string(line)); err != nil {
		return errors.New("not in the notation")
	}
	rec.DstName = flow.CanonicalName(rec.DstName)
	if rec.Report != flow.ReportOnly {
		return flow.Skip("one of several reports")
	}
	return nil
}

func ExampleTestFormat() {
	t := new(testing.T) // in a test, the test's own
	flowtest.TestFormat(t, func() flow.Format { return notation{} },
		"# a comment",
		"d1 Word 10.0.0.5:5000 > 17.0.0.1:443 tcp 100/2000",
		"d1 - 10.0.0.5:5000 > 17.0.0.1:443 udp name=example.com",
	)
}

func TestFormatOfNotation(t *testing.T) {
	flowtest.TestFormat(t, func() flow.Format { return notation{} },
		"# a comment\n# and another",
		"d1 Word 10.0.0.5:5000 > 17.0.0.1:443 tcp 100/2000 start=2020-09-15T08:00:00+02:00",
		`- "Google Chrome" [2001:db8::1]:5000 > - udp name=example.com os=macos`,
	)
}

func TestFormatOfNVM(t *testing.T) {
	flowtest.TestFormat(t, func() flow.Format { return new(flow.NVM) },
		`{"fv":"nvzFlow_v3","udid":"D1","vsn":"mac-1","osn":"macOS 10.15"}`,
		`{"fv":"nvzFlow_v3","pr":6,"sa":"10.0.0.5","sp":5000,"da":"17.0.0.1","dp":443,"fss":1600156800,"fes":1600156801,"udid":"D1","pn":"Word","ibc":2000,"obc":100,"dh":"Unknown"}`,
		`{ "fv": "nvzFlow_v11", "pr": "17", "sa": "::ffff:10.0.0.5", "sp": "5000", "da": "fe80::1%en0", "dp": "443", "fd": "1", "fsms": "1600156800123", "udid": "D2", "dh": "A.Example.", "ppath": "C:\\Programme\\Zoë.exe" }`,
		`Jun 26 16:09:18 127.0.0.1 fv="nvzFlow_v9" pr="6" sa="10.0.0.5" sp="5001" da="17.0.0.1" dp="80" hh="''" udid="D1" pn="-" parg=" \"x\"" fss="1600156800"`,
	)
}

func TestFormatOfSysmon(t *testing.T) {
	flowtest.TestFormat(t, func() flow.Format { return new(flow.Sysmon) },
		`{"EventID":3,"Hostname":"WS5.corp.example","UtcTime":"2020-10-22 05:54:24.255","Image":"C:\\Windows\\a.exe","Protocol":"tcp","Initiated":"true","SourceIp":"fe80:0:0:0:1:2:3:4","SourcePort":"5000","DestinationIp":"::ffff:21.0.0.1","DestinationPort":"443"}`,
		`{"event_id":5156,"computer_name":"dc.","event_data":{"Application":"\\device\\harddiskvolume2\\x.exe","Direction":"%%14592","SourceAddress":"10.0.0.1","SourcePort":"53","DestAddress":"10.0.0.2","DestPort":"54","Protocol":"17"}}`,
		`{"EventID":3,"Computer":"WS5","EventData":"{\"Image\":\"-\",\"SourceIp\":\"10.0.0.1\",\"DestinationIp\":\"-\",\"Protocol\":\"udp\"}"}`,
		`{"EventID":22,"QueryName":"x"}`,
	)
}

func TestFormatOfZeek(t *testing.T) {
	flowtest.TestFormat(t, func() flow.Format { return new(flow.Zeek) },
		"#separator \\x09\n#path\tconn\n#fields\tts\tid.orig_h\tid.orig_p\tid.resp_h\tid.resp_p\tproto\tduration\torig_bytes\tresp_bytes\tlocal_orig\tlocal_resp",
		"1714417137.321305\t10.0.0.11\t60570\t21.0.0.1\t443\ttcp\t3.012643\t700\t12\tT\tF",
		"1714417138.0\tfe80::1%en0\t135\tff02::2\t134\ticmp\t-\t-\t-\t-\t-",
		`{"ts":1714417137.321305,"id.orig_h":"21.0.0.1","id.orig_p":60570,"id.resp_h":"10.0.0.11","id.resp_p":22,"proto":"tcp","duration":3.5,"orig_bytes":1,"resp_bytes":2,"local_orig":false,"local_resp":true}`,
		"#close\t2024-04-29-16-00-00",
	)
}

// names is the plainest resolver.
type names map[netip.Addr][]string

func (n names) LookupAddr(_ context.Context, addr netip.Addr) ([]string, error) {
	return slices.Clip(n[addr.Unmap()]), nil
}

func ExampleTestResolver() {
	t := new(testing.T) // in a test, the test's own
	known := map[netip.Addr][]string{netip.MustParseAddr("17.0.0.1"): {"updates.word.example"}}
	flowtest.TestResolver(t, names(known), known)
}

func TestResolverOfMap(t *testing.T) {
	known := map[netip.Addr][]string{
		netip.MustParseAddr("17.0.0.1"):    {"a.example", "b.example"},
		netip.MustParseAddr("17.0.0.2"):    {"a.example"},
		netip.MustParseAddr("2001:db8::1"): {"c.example"},
	}
	flowtest.TestResolver(t, names(known), known)
}
