package flowtest_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/endoflow/endoflow/flow"
	"github.com/endoflow/endoflow/flow/flowtest"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

var netipEqual = cmpopts.EquateComparable(netip.Addr{}, netip.AddrPort{})

func ExampleParse() {
	rec, err := flowtest.Parse(`d1 Word 10.0.0.5:5000 > 17.0.0.1:443 tcp 100/2000 os=macos name=example.com`)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(rec.Device, rec.App.Name, rec.Dst, rec.TxBytes, rec.RxBytes, rec.OS, rec.DstName)
	// Output: d1 Word 17.0.0.1:443 100 2000 macos example.com
}

func ExampleRecords() {
	t := new(testing.T) // in a test, the test's own
	recs := flowtest.Records(t, `
		# one device, two applications
		d1 Word            10.0.0.5:5000     > 17.0.0.1:443         tcp 100/2000
		d1 "Google Chrome" [2001:db8::5]:5001 > [2001:db8::1]:443   udp
	`)
	fmt.Println(len(recs), recs[1].App.Name, recs[1].Dst)
	// Output: 2 Google Chrome [2001:db8::1]:443
}

func ExampleFormat() {
	rec := flow.Record{
		Start:  time.Date(2020, 9, 15, 8, 0, 0, 0, time.UTC),
		Device: "d1",
		App:    flow.App{Name: "Google Chrome"},
		Proto:  flow.TCP,
		Src:    netip.MustParseAddrPort("10.0.0.5:5000"),
		Dst:    netip.MustParseAddrPort("17.0.0.1:443"),
		Native: flow.NativeOut,
	}
	fmt.Println(flowtest.Format(rec))
	// Output: d1 "Google Chrome" 10.0.0.5:5000 > 17.0.0.1:443 tcp 0/0 start=2020-09-15T08:00:00Z native=out
}

func TestParse(t *testing.T) {
	src, dst := netip.MustParseAddrPort("10.0.0.5:5000"), netip.MustParseAddrPort("17.0.0.1:443")
	for _, tt := range []struct {
		line string
		want flow.Record
	}{
		{"d1 Word 10.0.0.5:5000 > 17.0.0.1:443 tcp 100/2000", flow.Record{Device: "d1", App: flow.App{Name: "Word"}, Src: src, Dst: dst, Proto: flow.TCP, TxBytes: 100, RxBytes: 2000}},
		{"\td1  Word\t10.0.0.5:5000 > 17.0.0.1:443 47 ", flow.Record{Device: "d1", App: flow.App{Name: "Word"}, Src: src, Dst: dst, Proto: 47}},
		{`- - - > - -`, flow.Record{Null: flow.NullDevice | flow.NullApp | flow.NullSrc | flow.NullDst | flow.NullProto}},
		{`"" "" "" > "" ""`, flow.Record{}},
		{`"-" ">" 10.0.0.5:5000 > 17.0.0.1:443 udp`, flow.Record{Device: "-", App: flow.App{Name: ">"}, Src: src, Dst: dst, Proto: flow.UDP}},
		{`d1 "a=b \"c\" é" [::1]:1 > [2001:db8::1]:65535 icmp6`, flow.Record{Device: "d1", App: flow.App{Name: `a=b "c" é`}, Src: netip.MustParseAddrPort("[::1]:1"), Dst: netip.MustParseAddrPort("[2001:db8::1]:65535"), Proto: flow.ICMPv6}},
		{`d1 Word 10.0.0.5:5000 > 17.0.0.1:443 tcp end=2020-09-15T10:00:00.5+02:00 report=end native=transit exec=E path="/A b" parent=p os=linux sha256=` + strings.Repeat("0f", 32),
			flow.Record{Device: "d1", App: flow.App{Name: "Word", Path: "/A b", Parent: "p", SHA256: [32]byte([]byte(strings.Repeat("\x0f", 32)))}, Src: src, Dst: dst, Proto: flow.TCP,
				End: time.Date(2020, 9, 15, 8, 0, 0, 5e8, time.UTC), Report: flow.ReportEnd, Native: flow.NativeTransit, Execution: "E", OS: flow.Linux}},
	} {
		got, err := flowtest.Parse(tt.line)
		if err != nil {
			t.Errorf("%s: %v", tt.line, err)
			continue
		}
		if diff := cmp.Diff(tt.want, got, netipEqual); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.line, diff)
		}
	}
}

func TestParseErrors(t *testing.T) {
	const good = "d1 Word 10.0.0.5:5000 > 17.0.0.1:443 tcp 1/2"
	for _, tt := range []struct{ line, want string }{
		{"", "not of the form"},
		{"d1 Word 10.0.0.5:5000 17.0.0.1:443 tcp 1/2", "not of the form"},
		{`d1 Word 10.0.0.5:5000 ">" 17.0.0.1:443 tcp`, "not of the form"},
		{"d1 Word 10.0.0.5 > 17.0.0.1:443 tcp", "src: not address:port"},
		{"d1 Word 10.0.0.5:5000 > [::ffff:17.0.0.1]:443 tcp", "dst: records have no mapped"},
		{"d1 Word [fe80::1%en0]:1 > 17.0.0.1:443 tcp", "src: records have no mapped"},
		{"d1 Word 10.0.0.5:5000 > 17.0.0.1:443 tpc", "proto: not a protocol"},
		{"d1 Word 10.0.0.5:5000 > 17.0.0.1:443 tcp 1", "bytes: not tx/rx"},
		{"d1 Word 10.0.0.5:5000 > 17.0.0.1:443 tcp 1/-2", "bytes: not tx/rx"},
		{good + " os=vms", "os: no such value"},
		{good + " os=macos os=macos", "twice"},
		{good + " macos", "not key=word"},
		{good + " color=red", "color: no such key"},
		{good + " start=yesterday", "start: not a time"},
		{good + " sha256=00", "sha256: not 64"},
		{good + ` name="x`, "not closed"},
		{good + ` name="x"y`, "does not end"},
	} {
		rec, err := flowtest.Parse(tt.line)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: error %v, want %q", tt.line, err, tt.want)
		}
		if rec != (flow.Record{}) {
			t.Errorf("%s: a record beside the error", tt.line)
		}
	}
}

// FuzzParse: what Parse accepts, Format writes in a form that Parse reads as
// the same record.
func FuzzParse(f *testing.F) {
	for _, s := range []string{
		"d1 Word 10.0.0.5:5000 > 17.0.0.1:443 tcp 100/2000",
		`"a b" - - > "" "" end=2020-09-15T10:00:00.5+02:00 report=end native=in exec="=" path=C:\x sha256=` + strings.Repeat("a0", 32),
		`é "\xff" [::1]:1 > [fe80::1]:2 58 1/2 name="" parent=- os=windows start=0001-01-01T00:00:00Z`,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, line string) {
		rec, err := flowtest.Parse(line)
		if err != nil {
			return
		}
		text := flowtest.Format(rec)
		again, err := flowtest.Parse(text)
		if err != nil {
			t.Fatalf("%q, from %q: %v", text, line, err)
		}
		if diff := cmp.Diff(rec, again, netipEqual); diff != "" {
			t.Errorf("%q, from %q (-first +again):\n%s", text, line, diff)
		}
	})
}
