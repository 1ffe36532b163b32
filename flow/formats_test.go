package flow_test

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/endoflow/endoflow/flow"
	"github.com/google/go-cmp/cmp"
)

func decode(format flow.Format, lines ...string) (rec flow.Record, err error) {
	for _, line := range lines {
		rec = flow.Record{}
		err = format.Decode([]byte(line), &rec)
	}
	return rec, err
}

// TestSysmonShapes: the shapes of collectors give the same record.
func TestSysmonShapes(t *testing.T) {
	const data = `"UtcTime":"2020-10-22 05:54:24.255","ProcessGuid":"{39e4}","Image":"C:\\Windows\\a.exe","Protocol":"tcp","Initiated":"true","SourceIp":"fe80:0:0:0:1:2:3:4","SourcePort":"5000","DestinationIp":"::ffff:21.0.0.1","DestinationPort":"443","DestinationHostname":"reverse.example"`
	want := flow.Record{
		Start: time.Date(2020, 10, 22, 5, 54, 24, 255e6, time.UTC), Device: "ws5.corp.example", OS: flow.Windows,
		App: flow.App{Name: "a.exe", Path: `C:\Windows\a.exe`}, Execution: "{39e4}", Proto: flow.TCP,
		Src: netip.MustParseAddrPort("[fe80::1:2:3:4]:5000"), Dst: netip.MustParseAddrPort("21.0.0.1:443"), Native: flow.NativeOut,
	}
	for name, line := range map[string]string{
		"flat":           `{"EventID":3,"Hostname":"WS5.corp.example",` + data + `}`,
		"text number":    `{"EventID":"3","Hostname":"ws5.corp.example.",` + data + `}`,
		"winlogbeat 6":   `{"event_id":3,"computer_name":"WS5.corp.example","event_data":{` + data + `}}`,
		"winlogbeat 7":   `{"winlog":{"event_id":"3","computer_name":"WS5.corp.example","event_data":{` + data + `}}}`,
		"Azure, text":    `{"EventID":3,"Computer":"WS5.corp.example","EventData":"{` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(data) + `}"}`,
		"Azure, ISO":     `{"EventID":3,"Computer":"WS5.corp.example","EventData":{` + strings.Replace(data, "2020-10-22 05:54:24.255", "2020-10-22T05:54:24.2550000Z", 1) + `}}`,
		"logged instead": `{"EventID":3,"@timestamp":"2020-10-22T07:54:24.255+02:00","Hostname":"WS5.corp.example",` + strings.Replace(data, `"UtcTime":"2020-10-22 05:54:24.255",`, "", 1) + `}`,
	} {
		got, err := decode(new(flow.Sysmon), line)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if diff := cmp.Diff(want, got, netipEqual); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestSysmonLines(t *testing.T) {
	const wfp = `{"EventID":5156,"Hostname":"dc","Application":"\\device\\harddiskvolume2\\windows\\system32\\svchost.exe","Direction":"%%14592","SourceAddress":"10.0.0.1","SourcePort":"53","DestAddress":"10.0.0.2","DestPort":"54","Protocol":"17"}`
	rec, err := decode(new(flow.Sysmon), wfp)
	if err != nil || rec.App.Name != "svchost.exe" || rec.Native != flow.NativeIn || rec.Proto != flow.UDP || rec.Dst != netip.MustParseAddrPort("10.0.0.2:54") {
		t.Errorf("WFP: %+v, %v", rec, err)
	}
	for _, tt := range []struct{ line, skip, err string }{
		{`{"EventID":22,"QueryName":"x"}`, "Windows event of another kind", ""},
		{`{"EventID":3,"Channel":"Other"}`, "Windows event of another kind", ""},
		{`{"EventID":3,"SourceIp":"x","DestinationIp":"1.2.3.4"}`, "", "field SourceIp: not an IP address"},
		{`{"EventID":3,"SourceIp":"1.2.3.4","DestinationIp":"1.2.3.4","Protocol":"tcp","Initiated":"maybe"}`, "", "field Initiated: neither true nor false"},
		{`{"EventID":3,"UtcTime":"yesterday","SourceIp":"1.2.3.4"}`, "", "field UtcTime: not a time"},
		{`{"EventID":3,"EventData":"<Data/>"}`, "", "field EventData: not a JSON object"},
		{`{"EventID":"three"}`, "", "field EventID: not a number"},
		{`{"Hostname":"x"}`, "", "field EventID: absent"},
		{`{"EventID":3`, "", "not a JSON object"},
	} {
		checkLine(t, new(flow.Sysmon), tt.line, tt.skip, tt.err)
	}
	if rec, err := decode(new(flow.Sysmon), `{"EventID":3,"SourceIp":"1.2.3.4","Image":"<unknown process>"}`); err != nil || rec.App.Name != "" || rec.Null != flow.NullDevice|flow.NullDst|flow.NullProto {
		t.Errorf("unknown process: %+v, %v", rec, err)
	}
}

func checkLine(t *testing.T, format flow.Format, line, skip, want string) {
	t.Helper()
	_, err := decode(format, line)
	if want == "" {
		want = skip
	}
	if err == nil || err.Error() != want || errors.Is(err, flow.ErrSkip) != (skip != "") {
		t.Errorf("%s: error %v, want %q (skip: %v)", line, err, want, skip != "")
	}
}

const zeekHeader = "#fields\tts\tid.orig_h\tid.orig_p\tid.resp_h\tid.resp_p\tproto\tduration\torig_bytes\tresp_bytes\tlocal_orig\tlocal_resp\textra"

func TestZeek(t *testing.T) {
	want := flow.Record{
		Start: time.UnixMicro(1714417137321305).UTC(), End: time.UnixMicro(1714417137321305 + 3012643).UTC(), Device: "10.0.0.11", Proto: flow.TCP,
		Src: netip.MustParseAddrPort("10.0.0.11:60570"), Dst: netip.MustParseAddrPort("21.0.0.1:443"), TxBytes: 700, RxBytes: 12, Native: flow.NativeOut,
	}
	got, err := decode(new(flow.Zeek), "#path\tconn", zeekHeader, "1714417137.321305\t10.0.0.11\t60570\t21.0.0.1\t443\ttcp\t3.012643\t700\t12\tT\tF\tx")
	if diff := cmp.Diff(want, got, netipEqual); err != nil || diff != "" {
		t.Errorf("TSV: %v (-want +got):\n%s", err, diff)
	}
	got, err = decode(new(flow.Zeek), `{"ts":1714417137.321305,"uid":"C","id.orig_h":"10.0.0.11","id.orig_p":60570,"id.resp_h":"21.0.0.1","id.resp_p":443,"proto":"tcp","duration":3.012643,"orig_bytes":700,"resp_bytes":12,"local_orig":true,"local_resp":false}`)
	if diff := cmp.Diff(want, got, netipEqual); err != nil || diff != "" {
		t.Errorf("JSON: %v (-want +got):\n%s", err, diff)
	}

	inbound, err := decode(new(flow.Zeek), zeekHeader, "1.0\t21.0.0.1\t60570\t10.0.0.11\t22\ttcp\t-\t700\t12\tF\tT\t-")
	if err != nil || inbound.Device != "10.0.0.11" || inbound.TxBytes != 12 || inbound.RxBytes != 700 || inbound.Native != flow.NativeIn {
		t.Errorf("inbound: %+v, %v", inbound, err)
	}
	icmp, err := decode(new(flow.Zeek), zeekHeader, "1.0\tfe80::1\t135\tff02::2\t134\ticmp\t-\t-\t-\t-\t-\t-")
	if err != nil || icmp.Proto != flow.ICMPv6 || icmp.Dst != netip.MustParseAddrPort("[ff02::2]:0") || icmp.Native != flow.NativeUnknown {
		t.Errorf("ICMP: %+v, %v", icmp, err)
	}

	for _, tt := range []struct{ line, skip, err string }{
		{"1.0\t10.0.0.1\t1\t21.0.0.1\t443\ttcp\t-\t-\t-\t-\t-", "", "11 columns where the header has 12"},
		{"1.0\t10.0.0.1\t1\t21.0.0.1\t443\ttcp\t-\t-\t-\t-\t-\t-\t-", "", "more than the 12 columns of the header"},
		{"x\t10.0.0.1\t1\t21.0.0.1\t443\ttcp\t-\t-\t-\t-\t-\t-", "", "field ts: not a number of seconds"},
		{"1.0\t10.0.0\t1\t21.0.0.1\t443\ttcp\t-\t-\t-\t-\t-\t-", "", "field id.orig_h: not an IP address"},
		{"1.0\t10.0.0.1\t1\t21.0.0.1\t443\txyz\t-\t-\t-\t-\t-\t-", "", "field proto: not an IP protocol"},
		{"1.0\t10.0.0.1\t1\t21.0.0.1\t443\ttcp\t-\tmany\t-\t-\t-\t-", "", "field orig_bytes: not a count"},
		{"#close\t2020", "header or comment", ""},
	} {
		z := new(flow.Zeek)
		decode(z, zeekHeader)
		checkLine(t, z, tt.line, tt.skip, tt.err)
	}
	checkLine(t, new(flow.Zeek), "1.0\t10.0.0.1", "", "no #fields line before this one")
	z := new(flow.Zeek)
	decode(z, "#path\tdns", zeekHeader)
	checkLine(t, z, "1.0\t10.0.0.1", "Zeek log of another kind: dns", "")
}

func TestDetect(t *testing.T) {
	for _, tt := range []struct {
		line string
		want flow.Format
	}{
		{"#separator \\x09", new(flow.Zeek)},
		{zeekHeader, new(flow.Zeek)},
		{`{"ts":1,"id.orig_h":"10.0.0.1"}`, new(flow.Zeek)},
		{`{"EventID":3}`, new(flow.Sysmon)},
		{`{"winlog":{"event_id":3}}`, new(flow.Sysmon)},
		{`{"fv":"nvzFlow_v9","sa":"10.0.0.1"}`, new(flow.NVM)},
		{` {"udid":"AB","sa":"10.0.0.1"}`, new(flow.NVM)},
		{`Aug 20 13:37:20 h fv="nvzFlow_v3" vsn="H"`, new(flow.NVM)},
		{`# a comment`, nil},
		{`{"a":1}`, nil},
		{`hello`, nil},
	} {
		if diff := cmp.Diff(tt.want, flow.Detect([]byte(tt.line)), cmp.Comparer(func(a, b flow.Format) bool {
			return strings.TrimPrefix(typeName(a), "*") == strings.TrimPrefix(typeName(b), "*")
		})); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.line, diff)
		}
	}
}

func typeName(f flow.Format) string {
	switch f.(type) {
	case *flow.NVM:
		return "NVM"
	case *flow.Sysmon:
		return "Sysmon"
	case *flow.Zeek:
		return "Zeek"
	}
	return ""
}

func FuzzSysmon(f *testing.F) {
	fuzzFormat(f, func() flow.Format { return new(flow.Sysmon) },
		`{"EventID":3,"Hostname":"A","SourceIp":"1.2.3.4","DestinationIp":"::1","Protocol":"tcp","Initiated":"true","Image":"C:\\a\\b.exe"}`,
		`{"event_id":5156,"computer_name":"A.","event_data":{"SourceAddress":"1.2.3.4","Direction":"%%14592","Protocol":"17"}}`,
		`{"EventID":3,"Computer":"W","EventData":"{\"SourceIp\":\"::ffff:1.2.3.4\"}"}`)
}

func FuzzZeek(f *testing.F) {
	fuzzFormat(f, func() flow.Format { return new(flow.Zeek) },
		zeekHeader+"\n1.0\t10.0.0.1\t1\t21.0.0.1\t443\ttcp\t1.5\t1\t2\tT\tF\t-",
		"#separator \\x7c\n#path|conn\n#fields|ts|id.orig_h\n1|::1",
		`{"ts":"2020-01-01T00:00:00Z","id.orig_h":"10.0.0.1","id.resp_h":"1.1.1.1","proto":"icmp","local_orig":true}`)
}

func TestOSFamily(t *testing.T) {
	for name, want := range map[string]flow.OS{
		"WinNT": flow.Windows, "Windows 10 Enterprise": flow.Windows, "Mac OS X": flow.MacOS, "macOS 14": flow.MacOS, "Darwin": flow.MacOS, "darwin": flow.MacOS,
		"Linux": flow.Linux, "Ubuntu 22.04": flow.Linux, "": flow.OSUnknown, "Plan 9": flow.OSUnknown,
	} {
		if got := flow.OSFamily(name); got != want {
			t.Errorf("%q: %v, want %v", name, got, want)
		}
	}
}

// TestNames: what String writes, Parse reads.
func TestNames(t *testing.T) {
	for os := flow.OSUnknown; os <= flow.Linux; os++ {
		if got, ok := flow.ParseOS(os.String()); !ok || got != os {
			t.Errorf("%v: %v, %v", os, got, ok)
		}
	}
	for p := range 256 {
		if got, ok := flow.ParseProto(flow.Proto(p).String()); !ok || got != flow.Proto(p) {
			t.Errorf("%v: %v, %v", flow.Proto(p), got, ok)
		}
	}
	if _, ok := flow.ParseProto("256"); ok {
		t.Error("256 is a protocol")
	}
	if got := flow.CanonicalName("WWW.Example.COM."); got != "www.example.com" {
		t.Error(got)
	}
}

// TestZeekJSONLogs: JSON objects of other logs are no connections.
func TestZeekJSONLogs(t *testing.T) {
	checkLine(t, new(flow.Zeek), `{"ts":1.5,"id.orig_h":"10.0.0.1","id.orig_p":5,"id.resp_h":"10.0.0.2","id.resp_p":53,"proto":"udp","trans_id":7,"query":"x"}`, "not a line of a connection log", "")
	checkLine(t, new(flow.Zeek), `{"EventID":3,"SourceIp":"10.0.0.1"}`, "", "not a Zeek record: no id.orig_h")
}

// TestLongTexts: a text that fills the memory is an error.
func TestLongTexts(t *testing.T) {
	long := strings.Repeat("x", 5000)
	for line, want := range map[string]string{
		`{"pr":6,"sa":"10.0.0.1","da":"1.1.1.1","udid":"A","pn":"` + long + `"}`:                           "field pn: text is longer than its limit",
		`{"pr":6,"sa":"10.0.0.1","da":"1.1.1.1","udid":"` + long + `"}`:                                    "field udid: text is longer than its limit",
		`{"pr":6,"sa":"10.0.0.1","da":"1.1.1.1","udid":"A","ppath":"` + strings.Repeat("/x", 20000) + `"}`: "field ppath: text is longer than its limit",
		`{"EventID":3,"SourceIp":"10.0.0.1","Image":"C:\\` + long + `"}`:                                   "field Image: text is longer than its limit",
		`{"EventID":3,"SourceIp":"10.0.0.1","Hostname":"` + long + `","Image":"C:\\x"}`:                    "field Computer: text is longer than its limit",
		`{"EventID":3,"SourceIp":"10.0.0.1","ProcessGuid":"` + long + `","Image":"C:\\x"}`:                 "field ProcessGuid: text is longer than its limit",
	} {
		checkLine(t, flow.Detect([]byte(line)), line, "", want)
	}
}

// TestApplicationPaths: a path where a name belongs may name a person.
func TestApplicationPaths(t *testing.T) {
	for pn, want := range map[string]string{
		"/Users/jane/bin/tool": "tool", `C:\\Users\\jane\\tool.exe`: "tool.exe", "<script>alert(1)</script>": "<script>alert(1)</script>", "a/b": "a/b", "/": "/",
	} {
		rec, err := decodeNVM(`{"pr":6,"sa":"10.0.0.1","da":"1.1.1.1","udid":"A","pn":"` + pn + `"}`)
		if err != nil || rec.App.Name != want {
			t.Errorf("%s: %q, %v", pn, rec.App.Name, err)
		}
	}
}

// TestDevicesOrder: the table does not depend on the order of what is told, and
// does not grow without bound.
func TestDevicesOrder(t *testing.T) {
	var a, b flow.Devices
	for i := range 1000 {
		a.Add(flow.Device{ID: "A", OS: flow.OS(i % 4), Interfaces: []flow.Interface{{ID: uint32(i)}}})
		b.Add(flow.Device{ID: "A", OS: flow.OS((999 - i) % 4), Interfaces: []flow.Interface{{ID: uint32(999 - i)}}})
	}
	da, _ := a.Lookup("A")
	db, _ := b.Lookup("A")
	if diff := cmp.Diff(da, db); diff != "" || len(da.Interfaces) != 256 || da.OS != flow.Linux {
		t.Errorf("%d interfaces, %v; %s", len(da.Interfaces), da.OS, diff)
	}
}
