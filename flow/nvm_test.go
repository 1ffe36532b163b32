package flow_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/endoflow/endoflow/flow"
	"github.com/endoflow/endoflow/flow/flowtest"
	"github.com/google/go-cmp/cmp"
)

func decodeNVM(line string) (flow.Record, error) {
	var rec flow.Record
	err := new(flow.NVM).Decode([]byte(line), &rec)
	return rec, err
}

// TestNVMSameRecord: all layouts of one record give the same.
func TestNVMSameRecord(t *testing.T) {
	want := flow.Record{
		Start: time.Unix(1600156800, 0).UTC(), End: time.Unix(1600156860, 0).UTC(),
		Device: "AB12", App: flow.App{Name: "Google Chrome", Parent: "launchd"},
		Proto: flow.TCP, Src: netip.MustParseAddrPort("10.0.0.5:5000"), Dst: netip.MustParseAddrPort("[2600:1::9]:443"),
		TxBytes: 100, RxBytes: 2000, DstName: "www.example.com",
	}
	for name, line := range map[string]string{
		"typed JSON":       `{"fv":"nvzFlow_v3","pr":6,"sa":"10.0.0.5","sp":5000,"da":"2600:1::9","dp":443,"fss":1600156800,"fes":1600156860,"udid":"AB12","pn":"Google Chrome","ppn":"launchd","ibc":2000,"obc":100,"dh":"WWW.Example.com."}`,
		"collector JSON":   `{ "fv": "nvzFlow_v11", "pr": "6", "sa": "10.0.0.5", "sp": "5000", "da": "2600:1::9", "dp": "443", "fss": "1600156800", "fes": "1600156860", "udid": "AB12", "pn": "Google Chrome", "ppn": "launchd", "ibc": "2000", "obc": "100", "dh": "www.example.com" }`,
		"escaped JSON":     `{"pr":6,"sa":"10.0.0.5","sp":5000,"da":"2600:0001:0::9","dp":443,"fss":1600156800,"fes":1600156860,"udid":"AB12","pn":"Google\u0020Chrome","ppn":"launchd","ibc":2000,"obc":100,"dh":"www.example.com","x":{"y":[1]}}`,
		"milliseconds win": `{"pr":6,"sa":"10.0.0.5","sp":5000,"da":"2600:1::9","dp":443,"fss":1,"fes":2,"fsms":1600156800000,"fems":1600156860000,"udid":"AB12","pn":"Google Chrome","ppn":"launchd","ibc":2000,"obc":100,"dh":"www.example.com"}`,
		"syslog, double":   `Jun 26 16:09:18 127.0.0.1 Jun 26 16:09:18 ip-1  fv="nvzFlow_v9" pr="6" sa="10.0.0.5" sp="5000" da="2600:1::9" dp="443" fss="1600156800" fes="1600156860" hh="''" udid="AB12" pn="Google Chrome" parg=" /i \"x=1\" \\" ppn="launchd" ibc="2000" obc="100" dh="www.example.com"`,
		"syslog, single":   `Aug 20 13:37:20 host  fv=nvzFlow_v3 pr=6 sa='10.0.0.5' sp=5000 da='2600:1::9' dp=443 fss=1600156800 fes=1600156860 udid='AB12' pa='o'neil x' pn='Google Chrome' ppn='launchd' ibc=2000 obc=100 ds='' dh='www.example.com'`,
		"zone and 4-in-6":  `{"pr":6,"sa":"::ffff:10.0.0.5","sp":5000,"da":"2600:1::9%en0","dp":443,"fss":1600156800,"fes":1600156860,"udid":"AB12","pn":"Google Chrome","ppn":"launchd","ibc":2000,"obc":100,"dh":"Unknown","hh":"www.example.com:443"}`,
	} {
		got, err := decodeNVM(line)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if diff := cmp.Diff(want, got, netipEqual); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestNVMFields(t *testing.T) {
	const base = `"pr":6,"sa":"10.0.0.5","sp":5000,"da":"21.0.0.1","dp":443,"udid":"AB","pn":"x"`
	for _, tt := range []struct {
		line  string
		check func(flow.Record) bool
	}{
		{`{` + base + `,"fd":"1"}`, func(r flow.Record) bool { return r.Native == flow.NativeOut }},
		{`{` + base + `,"fd":0}`, func(r flow.Record) bool { return r.Native == flow.NativeIn }},
		{`{` + base + `,"fd":7}`, func(r flow.Record) bool { return r.Native == flow.NativeUnknown }},
		{`{` + base + `,"fsg":0}`, func(r flow.Record) bool { return r.Report == flow.ReportEnd }},
		{`{` + base + `,"fsg":"1"}`, func(r flow.Record) bool { return r.Report == flow.ReportStart }},
		{`{` + base + `,"fsg":2}`, func(r flow.Record) bool { return r.Report == flow.ReportPeriodic }},
		{`{` + base + `}`, func(r flow.Record) bool { return r.Report == flow.ReportOnly && r.Start.IsZero() && r.Null == 0 }},
		{`{` + base + `,"fss":0,"fsms":0}`, func(r flow.Record) bool { return r.Start.IsZero() }},
		{`{` + base + `,"osn":"WinNT"}`, func(r flow.Record) bool { return r.OS == flow.Windows }},
		{`{` + base + `,"dh":"1.2.3.4","hh":"-"}`, func(r flow.Record) bool { return r.DstName == "" }},
		{`{"pr":6,"sa":"10.0.0.5","da":"21.0.0.1","udid":"AB","ppath":"C:\\Program Files\\a b.exe"}`, func(r flow.Record) bool { return r.App.Name == "a b.exe" && r.Null == 0 }},
		{`{"pr":17,"sa":"10.0.0.5","da":"21.0.0.1","udid":"AB","pn":"Unknown"}`, func(r flow.Record) bool { return r.Null == flow.NullApp && r.App.Name == "" }},
		{`{"pr":17,"sa":"10.0.0.5","da":null,"udid":"","pn":"-"}`, func(r flow.Record) bool { return r.Null == flow.NullApp|flow.NullDevice|flow.NullDst }},
		{`{"sa":"''","da":"NULL","udid":"AB","pn":"x"}`, func(r flow.Record) bool { return r.Null.String() == "src+dst+proto" }},
		{`{"udid":"AB","pn":"x"}`, func(r flow.Record) bool { return r.Null.String() == "src+dst+proto" }},
	} {
		rec, err := decodeNVM(tt.line)
		if err != nil {
			t.Errorf("%s: %v", tt.line, err)
		} else if !tt.check(rec) {
			t.Errorf("%s: %+v", tt.line, rec)
		}
	}
}

func TestNVMErrors(t *testing.T) {
	for _, tt := range []struct{ line, want string }{
		{`{"sa":"10.0.0.300","da":"1.1.1.1","pr":6}`, "field sa: not an IP address"},
		{`{"sa":"10.0.0.3","da":"1.1.1.1","dp":65536,"pr":6}`, "field dp: not a port number"},
		{`{"sa":"10.0.0.3","da":"1.1.1.1","pr":256}`, "field pr: not an IP protocol"},
		{`{"sa":"10.0.0.3","da":"1.1.1.1","pr":6,"fss":-1}`, "field fss: not a time"},
		{`{"sa":"10.0.0.3","da":"1.1.1.1","pr":6,"fss":999999999999}`, "field fss: not a time"},
		{`{"sa":"10.0.0.3","da":"1.1.1.1","pr":6,"obc":1.5}`, "field obc: not a number"},
		{`{"sa":"10.0.0.3","da":"1.1.1.1","pr":6,"ph":"xyz"}`, "field ph: not a SHA-256 in hexadecimal"},
		{`{"sa":["10.0.0.3"]}`, "field sa: an object or array where a text or number belongs"},
		{`{"fv":"nvzFlow_v9"}`, "not an NVM record: neither fields of a flow nor a udid"},
		{`{"fv":"nvzFlow_v9"`, "not a JSON object"},
		{`Jun 26 fv="nvzFlow_v9" sa="10.0.0.5`, "field sa: a quote is not closed"},
		{`Jun 26 fv="nvzFlow_v9" parg="10.0.0.5`, "a quote is not closed"},
		{`hello world`, "not an NVM record: neither fields of a flow nor a udid"},
	} {
		_, err := decodeNVM(tt.line)
		if err == nil || err.Error() != tt.want {
			t.Errorf("%s: error %v, want %s", tt.line, err, tt.want)
		}
		if errors.Is(err, flow.ErrSkip) {
			t.Errorf("%s: an error and not a skip", tt.line)
		}
	}
}

// TestNVMDevices: the OS of a flow comes from the device's endpoint record;
// the order of endpoint records does not matter.
func TestNVMDevices(t *testing.T) {
	lines := []string{
		`fv="nvzFlow_v3" vsn="Mac-7.corp.example" udid="AB" osn="Mac OS X" osv="10.15.6" ose="" sm="Apple Inc." st="x64"`,
		`fv="nvzFlow_v3" udid="AB" iid="7" ii="4" it="6" in="en0" ist="secret ssid" im="00:11:22:33:44:55"`,
		`{"fv":"nvzFlow_v9","udid":"AB","vsn":"mac-7.corp.example","osn":"Mac OS X","osv":"10.15.7"}`,
	}
	want := flow.Device{
		ID: "AB", Host: "mac-7.corp.example", OS: flow.MacOS, OSName: "Mac OS X", OSVersion: "10.15.7",
		Interfaces: []flow.Interface{{ID: 7, Index: 4, Type: 6, Name: "en0"}},
	}
	for _, order := range [][]int{{0, 1, 2}, {2, 1, 0}, {1, 0, 2, 0, 1}} {
		nvm := new(flow.NVM)
		var rec flow.Record
		for _, i := range order {
			if err := nvm.Decode([]byte(lines[i]), &rec); !errors.Is(err, flow.ErrSkip) {
				t.Fatalf("%s: error %v, want a skip", lines[i], err)
			}
		}
		got, _ := nvm.Devices.Lookup("AB")
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("order %v (-want +got):\n%s", order, diff)
		}
		rec = flow.Record{}
		if err := nvm.Decode([]byte(`{"pr":6,"sa":"10.0.0.5","da":"21.0.0.1","udid":"AB","pn":"x"}`), &rec); err != nil || rec.OS != flow.MacOS {
			t.Errorf("OS %v, error %v", rec.OS, err)
		}
	}
}

func TestNVMDoesNotAllocate(t *testing.T) {
	nvm := new(flow.NVM)
	line := []byte(`{"fv":"nvzFlow_v9","pr":6,"sa":"10.0.0.5","sp":5000,"da":"21.0.0.1","dp":443,"fsms":1600156800123,"fems":1600156860123,"udid":"AB12","pn":"Google Chrome","ph":"B0B36BFF7AE4057F687D839CD4B3D81159AB646F1EE1B22106A927E93DECBB61","ppn":"launchd","ibc":2000,"obc":100,"dh":"www.example.com","fd":1,"fsg":0}`)
	var rec flow.Record
	if n := testing.AllocsPerRun(100, func() {
		rec = flow.Record{}
		if err := nvm.Decode(line, &rec); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations a record, want 0", n)
	}
}

// FuzzNVM: no line panics, records are canonical, and the JSON and the syslog
// layout agree where both can say the same.
func FuzzNVM(f *testing.F) { fuzzFormat(f, func() flow.Format { return new(flow.NVM) }, nvmSeeds...) }

var nvmSeeds = []string{
	`{"fv":"nvzFlow_v9","pr":6,"sa":"10.0.0.5","sp":5000,"da":"21.0.0.1","dp":443,"fsms":1600156800123,"udid":"AB12","pn":"x","fsg":1}`,
	`{ "pr": "17", "sa": "::ffff:1.2.3.4", "da": "fe80::1%en0", "fss": "1", "udid": "Unknown", "pn": "''", "dh": "A.b." }`,
	`Jun 26 16:09:18 h fv="nvzFlow_v9" pr="6" sa="1.2.3.4" da="2.3.4.5" pn="a \"b\" \\" ppath="C:\x" udid="A" hh="''"`,
	`fv=nvzFlow_v3 pr=6 sa='1.2.3.4' da=2.3.4.5 pn='it's' udid=''`,
	`fv="nvzFlow_v3" vsn="H" udid="AB" osn="WinNT"`,
	`fv="nvzFlow_v3" udid="AB" iid="7" ii="4"`,
}

func fuzzFormat(f *testing.F, newFormat func() flow.Format, seeds ...string) {
	for _, s := range seeds {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		format := newFormat()
		for part := range strings.SplitSeq(string(line), "\n") {
			if part == "" {
				continue
			}
			var rec flow.Record
			if err := format.Decode([]byte(part), &rec); err != nil {
				continue
			}
			for _, end := range []netip.AddrPort{rec.Src, rec.Dst} {
				if a := end.Addr(); a.Is4In6() || a.Zone() != "" {
					t.Errorf("%q: address %v", part, a)
				}
			}
			if rec.DstName != flow.CanonicalName(rec.DstName) || strings.HasSuffix(rec.DstName, ".") && rec.DstName != "." {
				t.Errorf("%q: name %q", part, rec.DstName)
			}
			if (rec.Null&flow.NullSrc != 0) == rec.Src.IsValid() || (rec.Null&flow.NullDst != 0) == rec.Dst.IsValid() || (rec.Null&flow.NullDevice != 0) != (rec.Device == "") {
				t.Errorf("%q: null fields %v of %+v", part, rec.Null, rec)
			}
			for _, at := range []time.Time{rec.Start, rec.End} {
				if at.Location() != time.UTC {
					t.Errorf("%q: time %v", part, at)
				}
			}
		}
	})
}

// TestNVMLearned: whatever lines an NVM has read before, it reads the next as a
// new one does.
func TestNVMLearned(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, style := range []flowtest.Style{flowtest.Compact, flowtest.Collector, flowtest.Mixed} {
		var text bytes.Buffer
		if err := (flowtest.Fleet{Seed: 5, Devices: 6, Apps: 10, Activity: 2, Style: style, SensorNames: true}).WriteFlows(&text, 0, 1); err != nil {
			t.Fatal(err)
		}
		lines := bytes.Split(bytes.TrimSpace(text.Bytes()), []byte("\n"))
		learned := new(flow.NVM)
		for range 6000 {
			line := bytes.Clone(lines[rng.IntN(min(len(lines), 2000))])
			switch at := rng.IntN(len(line)); rng.IntN(8) {
			case 0:
				line = line[:at]
			case 1:
				line[at] = "\"\\,}{x1 \xff"[rng.IntN(9)]
			case 2:
				line = slices.Concat(line[:at], line[rng.IntN(len(line)):])
			case 3:
				if line[len(line)-1] == '}' {
					line = append(line[:len(line)-1], `, "ppn": "other", "ph": "-", "pn": "Another Application" }`...)
				}
			}
			var want, got flow.Record
			wantErr, err := new(flow.NVM).Decode(line, &want), learned.Decode(line, &got)
			got.OS = want.OS // which depends on the endpoint records before
			if fmt.Sprint(wantErr) != fmt.Sprint(err) {
				t.Fatalf("%s: error %v, a new one says %v", line, err, wantErr)
			}
			if err == nil && want != got {
				t.Fatalf("%s (-new +learned):\n%s", line, cmp.Diff(want, got, netipEqual))
			}
		}
	}
}

func BenchmarkNVM(b *testing.B) {
	for _, style := range []struct{ name, line string }{
		{"typed", `{"fv":"nvzFlow_v9","pr":6,"sa":"10.0.0.5","sp":5000,"da":"21.0.0.1","dp":443,"fss":1600156800,"fst":"Tue Sep 15 08:00:00 2020","fes":1600156860,"fet":"Tue Sep 15 08:01:00 2020","udid":"D5E5634FDBEE82655C9C0E7523CDCE62A8249A1C","liuid":"corp/jdoe","pa":"corp/jdoe","pn":"Google Chrome","ph":"B0B36BFF7AE4057F687D839CD4B3D81159AB646F1EE1B22106A927E93DECBB61","ppa":"root","ppn":"launchd","pph":"B0B36BFF7AE4057F687D839CD4B3D81159AB646F1EE1B22106A927E93DECBB61","ibc":2000,"obc":100,"ds":"corp.example","dh":"www.example.com","iid":7}`},
		{"collector", `{ "fv": "nvzFlow_v11", "pr": "6", "sa": "10.10.0.38", "sp": "37351", "da": "21.0.0.1", "dp": "80", "fd": "1", "fss": "1784017733", "fst": "Tue Jul 14 13:58:53 2026", "fes": "1784017793", "fet": "Tue Jul 14 13:59:53 2026", "udid": "D5E5634FDBEE82655C9C0E7523CDCE62A8249A1C", "liuid": "HOST\\user", "pa": "HOST\\user", "pn": "svchost.exe", "ph": "B0B36BFF7AE4057F687D839CD4B3D81159AB646F1EE1B22106A927E93DECBB61", "pid": "3040", "ppath": "C:\\Windows\\System32\\svchost.exe", "ppn": "services.exe", "ibc": "7660", "obc": "213", "fsms": "1784017733536", "fems": "1784017793545" }`},
		{"syslog", `Jun 26 16:09:18 127.0.0.1 Jun 26 16:09:18 ip-1  fv="nvzFlow_v9" pr="6" sa="10.10.0.38" sp="37351" da="21.0.0.1" dp="80" fss="1784017733" fes="1784017793" hh="''" udid="D5E5634FDBEE82655C9C0E7523CDCE62A8249A1C" pn="svchost.exe" ph="B0B36BFF7AE4057F687D839CD4B3D81159AB646F1EE1B22106A927E93DECBB61" parg=" /i \"x\"" ibc="7660" obc="213"`},
	} {
		b.Run("style="+style.name, func(b *testing.B) {
			nvm := new(flow.NVM)
			line := []byte(style.line)
			b.SetBytes(int64(len(line)))
			b.ReportAllocs()
			n := 0
			for b.Loop() {
				var rec flow.Record
				if err := nvm.Decode(line, &rec); err != nil {
					b.Fatal(err)
				}
				n++
			}
			b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "records/s")
		})
	}
}
