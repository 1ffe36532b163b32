package flowtest_test

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/endoflow/endoflow/flow"
	"github.com/endoflow/endoflow/flow/flowtest"
	gocmp "github.com/google/go-cmp/cmp"
)

func ExampleFleet_WriteFlows() {
	var file bytes.Buffer
	fleet := flowtest.Fleet{Devices: 3, Style: flowtest.Compact}
	if err := fleet.WriteFlows(&file, 0, 1); err != nil {
		fmt.Println(err)
		return
	}
	lines := int64(bytes.Count(file.Bytes(), []byte("\n")))
	truth := fleet.Truth(nil)
	fmt.Println(lines == truth.Lines["flow"]+truth.Lines["endpoint"]+truth.Lines["interface"])
	// Output: true
}

func ExampleFleet_Connections() {
	causes := make(map[flowtest.Cause]bool)
	for c := range (flowtest.Fleet{Devices: 3}).Connections(0, 1) {
		causes[c.Cause] = true
	}
	fmt.Println(len(causes), "causes")
	// Output: 3 causes
}

func ExampleFleet_Truth() {
	fleet := flowtest.Fleet{Devices: 50}
	truth := fleet.Truth(func(rec flow.Record) bool { return rec.OS == flow.MacOS })
	for _, e := range truth.Endpoints {
		if e.App == "Microsoft Word" && e.Name == "config.office.example" {
			fmt.Printf("%s:%d by the %v, on all devices: %v\n", e.Name, e.Port, e.Cause, e.Support() > .9)
		}
	}
	// Output: config.office.example:443 by the program, on all devices: true
}

func ExampleFleet_WriteDNS() {
	var rows strings.Builder
	if err := (flowtest.Fleet{Devices: 1}).WriteDNS(&rows); err != nil {
		fmt.Println(err)
		return
	}
	first, _, _ := strings.Cut(rows.String(), "\n")
	fmt.Println(first[:40])
	// Output: {"rrname":"DNS.CORP.EXAMPLE.","rrtype":"
}

func ExampleFleet_Answers() {
	names := make(map[netip.Addr][]string)
	for addr, name := range (flowtest.Fleet{Devices: 1}).Answers() {
		names[addr] = append(names[addr], name)
	}
	fmt.Println(names[netip.MustParseAddr("10.0.0.10")])
	// Output: [dns.corp.example]
}

func ExampleFleet_WriteDir() {
	dir, err := os.MkdirTemp("", "fleet")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	if err := (flowtest.Fleet{Devices: 2}).WriteDir(context.Background(), dir, 2); err != nil {
		fmt.Println(err)
		return
	}
	names, _ := filepath.Glob(filepath.Join(dir, "*"))
	for _, name := range names {
		fmt.Println(filepath.Base(name))
	}
	// Output:
	// dns.json.gz
	// flows-000.json.gz
	// flows-001.json.gz
}

func flowLines(t testing.TB, f flowtest.Fleet, parts int) [][]byte {
	t.Helper()
	var all [][]byte
	for part := range parts {
		var b bytes.Buffer
		if err := f.WriteFlows(&b, part, parts); err != nil {
			t.Fatal(err)
		}
		all = append(all, bytes.Split(bytes.TrimSuffix(b.Bytes(), []byte("\n")), []byte("\n"))...)
	}
	return all
}

// TestGolden: the same fleet has the same bytes. When the fleet is changed on
// purpose, these hashes change with it, and nothing else should.
func TestGolden(t *testing.T) {
	for _, tt := range []struct {
		name string
		f    flowtest.Fleet
		want string
	}{
		{"zero", flowtest.Fleet{}, "5c4793bcc5da312fea5dc8196ee5d8adec232c0d56355c49c3659da633c96ad0"},
		{"other", flowtest.Fleet{Seed: 7, Devices: 40, Apps: 130, Activity: 3, Names: 300, SensorNames: true, OneNamePerAddress: true}, "1a8c973d7c20ca42f95109200b8a8a3a17e79c81b6dfcc4f3a3236c4c0eb1708"},
	} {
		sum := sha256.New()
		if err := tt.f.WriteFlows(sum, 0, 1); err != nil {
			t.Fatal(err)
		}
		if err := tt.f.WriteDNS(sum); err != nil {
			t.Fatal(err)
		}
		if got := hex.EncodeToString(sum.Sum(nil)); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
}

// TestParts: the parts have together the same lines and connections, whatever
// their number.
func TestParts(t *testing.T) {
	f := flowtest.Fleet{Devices: 50}
	want := flowLines(t, f, 1)
	slices.SortFunc(want, bytes.Compare)
	for _, parts := range []int{2, 3, 50, 70} {
		got := flowLines(t, f, parts)
		got = slices.DeleteFunc(got, func(line []byte) bool { return len(line) == 0 }) // of parts without a device
		slices.SortFunc(got, bytes.Compare)
		if !slices.EqualFunc(want, got, bytes.Equal) {
			t.Errorf("%d parts have other lines than one: %d, want %d", parts, len(got), len(want))
		}
		n := 0
		for part := range parts {
			for range f.Connections(part, parts) {
				n++
			}
		}
		whole := 0
		for range f.Connections(0, 1) {
			whole++
		}
		if n != whole {
			t.Errorf("%d parts have %d connections, one has %d", parts, n, whole)
		}
	}
	if err := f.WriteFlows(io.Discard, 3, 3); err == nil {
		t.Error("part 3 of 3 was written")
	}
}

// naive is a count of a fleet's lines that shares no code with the fleet: one
// map for everything, encoding/json for every line.
type naive struct {
	lines       map[string]int64
	connections int64
	nulls       map[flow.Null]int64
	directions  map[flowtest.Cell]int64
	devices     map[flow.OS]int
	active      map[string]int
	endpoints   []flowtest.Endpoint
}

// count counts lines of style Compact. names are those of each address.
func count(t *testing.T, lines [][]byte, names map[string]string, keep func(os flow.OS, label string) bool) naive {
	t.Helper()
	n := naive{make(map[string]int64), 0, make(map[flow.Null]int64), make(map[flowtest.Cell]int64), make(map[flow.OS]int), make(map[string]int), nil}
	systems := map[string]flow.OS{"Mac OS X": flow.MacOS, "WinNT": flow.Windows, "Linux": flow.Linux}
	told := make(map[string]flow.OS)
	conns := make(map[string]map[string]any)
	text := func(v any) string {
		switch s := fmt.Sprint(v); s {
		case "<nil>", "", "-", "Unknown", "NULL":
			return ""
		default:
			return s
		}
	}
	for _, line := range lines {
		var m map[string]any
		d := json.NewDecoder(bytes.NewReader(line))
		d.UseNumber()
		if err := d.Decode(&m); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		switch {
		case m["osn"] != nil:
			n.lines["endpoint"]++
			told[text(m["udid"])] = systems[text(m["osn"])]
		case m["it"] != nil:
			n.lines["interface"]++
		default:
			n.lines["flow"]++
			key := fmt.Sprint(m["udid"], m["pr"], m["sa"], m["sp"], m["da"], m["dp"], m["fss"], m["fsms"], m["puid"])
			conns[key] = m
		}
	}
	private := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("172.16.0.0/12"), netip.MustParsePrefix("192.168.0.0/16")}
	isPrivate := func(v any) bool {
		addr := netip.MustParseAddr(fmt.Sprint(v))
		return slices.ContainsFunc(private, func(p netip.Prefix) bool { return p.Contains(addr) })
	}
	labels := map[[2]bool]string{{true, true}: "Internal", {true, false}: "Outbound", {false, true}: "Inbound", {false, false}: "NAT"}
	seen := make(map[string]bool)
	active := make(map[[2]string]bool)
	reached := make(map[flowtest.Endpoint]map[string]int64)
	for _, m := range conns {
		var null flow.Null
		for field, bit := range map[string]flow.Null{"udid": flow.NullDevice, "pn": flow.NullApp, "da": flow.NullDst} {
			if text(m[field]) == "" {
				null |= bit
			}
		}
		if null != 0 {
			n.nulls[null]++
			continue
		}
		n.connections++
		device, app := text(m["udid"]), text(m["pn"])
		os, label := told[device], labels[[2]bool{isPrivate(m["sa"]), isPrivate(m["da"])}]
		n.directions[flowtest.Cell{OS: os, Label: label}]++
		if !seen[device] {
			seen[device] = true
			n.devices[os]++
		}
		if !keep(os, label) {
			continue
		}
		if !active[[2]string{app, device}] {
			active[[2]string{app, device}] = true
			n.active[app]++
		}
		if name, ok := names[text(m["da"])]; ok {
			e := flowtest.Endpoint{App: app, Name: name}
			port, _ := m["dp"].(json.Number).Int64()
			proto, _ := m["pr"].(json.Number).Int64()
			e.Port, e.Proto = uint16(port), flow.Proto(proto)
			if reached[e] == nil {
				reached[e] = make(map[string]int64)
			}
			reached[e][device]++
		}
	}
	for e, devices := range reached {
		e.Devices, e.ActiveDevices = len(devices), n.active[e.App]
		for _, flows := range devices {
			e.Flows += flows
		}
		n.endpoints = append(n.endpoints, e)
	}
	slices.SortFunc(n.endpoints, func(a, b flowtest.Endpoint) int {
		return cmp.Or(cmp.Compare(a.App, b.App), cmp.Compare(a.Name, b.Name), cmp.Compare(a.Port, b.Port), cmp.Compare(a.Proto, b.Proto))
	})
	return n
}

// TestTruth counts a fleet's own lines and DNS rows.
func TestTruth(t *testing.T) {
	for _, tt := range []struct {
		name string
		keep func(os flow.OS, label string) bool
	}{
		{"everything", func(flow.OS, string) bool { return true }},
		{"macos outbound", func(os flow.OS, label string) bool { return os == flow.MacOS && label == "Outbound" }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := flowtest.Fleet{Devices: 80, Style: flowtest.Compact, OneNamePerAddress: true}
			names := make(map[string]string)
			rows := make(map[string]int64)
			var dns bytes.Buffer
			if err := f.WriteDNS(&dns); err != nil {
				t.Fatal(err)
			}
			for line := range bytes.Lines(dns.Bytes()) {
				kind, name, data := dnsRow(t, line)
				rows[kind]++
				if kind == "A" || kind == "AAAA" {
					if names[data] != "" {
						t.Errorf("%s has more than one name", data)
					}
					names[data] = name
				}
			}
			want := count(t, flowLines(t, f, 2), names, tt.keep)
			got := f.Truth(func(rec flow.Record) bool {
				label := "NAT"
				switch src, dst := flow.IsRFC1918(rec.Src.Addr()), flow.IsRFC1918(rec.Dst.Addr()); {
				case src && dst:
					label = "Internal"
				case src:
					label = "Outbound"
				case dst:
					label = "Inbound"
				}
				return tt.keep(rec.OS, label)
			})
			for i := range got.Endpoints {
				got.Endpoints[i].Cause = 0 // which the lines do not tell
			}
			check := func(what string, want, got any) {
				if diff := gocmp.Diff(want, got); diff != "" {
					t.Errorf("%s (-counted +truth):\n%s", what, diff)
				}
			}
			check("lines", want.lines, got.Lines)
			check("connections", want.connections, got.Connections)
			check("nulls", want.nulls, got.Nulls)
			check("directions", want.directions, got.Directions)
			check("devices", want.devices, got.Devices)
			check("active", want.active, got.Active)
			check("endpoints", want.endpoints, got.Endpoints)
			check("DNS rows", rows, got.DNSRows)
		})
	}
}

// dnsRow reads a row with encoding/json.
func dnsRow(t *testing.T, line []byte) (kind, name, data string) {
	t.Helper()
	var row struct {
		RRName              string `json:"rrname"`
		RRType, RData       any
		TimeFirst, TimeLast int64
	}
	if err := json.Unmarshal(bytes.ReplaceAll(line, []byte("time_"), []byte("time")), &row); err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	if row.TimeFirst <= 0 || row.TimeLast < row.TimeFirst {
		t.Fatalf("%s: times out of order", line)
	}
	if array, ok := row.RData.([]any); ok {
		row.RData = array[0]
	}
	return fmt.Sprint(row.RRType), strings.TrimSuffix(strings.ToLower(row.RRName), "."), fmt.Sprint(row.RData)
}

// TestReadByFlow: package flow reads the lines of all styles as the records
// that the fleet says they are, across files.
func TestReadByFlow(t *testing.T) {
	for _, style := range []flowtest.Style{flowtest.Mixed, flowtest.Compact, flowtest.Collector, flowtest.Syslog} {
		for _, parts := range []int{1, 3} {
			if style != flowtest.Mixed && parts == 1 {
				continue
			}
			t.Run(fmt.Sprintf("style %d in %d parts", style, parts), func(t *testing.T) {
				f := flowtest.Fleet{Devices: 50, Style: style, SensorNames: true}
				dir := t.TempDir()
				if err := f.WriteDir(t.Context(), dir, parts); err != nil {
					t.Fatal(err)
				}
				var want []flow.Record
				for c := range f.Connections(0, 1) {
					want = append(want, c.Record)
				}
				var mu sync.Mutex
				var got []flow.Record
				devices := new(flow.Devices)
				files := flow.Files{Patterns: []string{filepath.Join(dir, "flows-*")}, Devices: devices, Workers: 2}
				counts, err := files.Read(context.Background(), func(recs iter.Seq2[flow.Record, error]) error {
					for rec, err := range recs {
						if err != nil {
							return err
						}
						mu.Lock()
						got = append(got, rec)
						mu.Unlock()
					}
					return nil
				})
				if err != nil {
					t.Fatal(err)
				}
				for i := range got {
					e, _ := devices.Lookup(got[i].Device)
					got[i].OS = e.OS
				}
				byAll := func(a, b flow.Record) int {
					return cmp.Or(cmp.Compare(a.Device, b.Device), a.Start.Compare(b.Start), a.Src.Compare(b.Src), a.Dst.Compare(b.Dst), cmp.Compare(a.TxBytes, b.TxBytes))
				}
				slices.SortFunc(want, byAll)
				slices.SortFunc(got, byAll)
				if len(got) != len(want) {
					t.Errorf("%d records, want %d", len(got), len(want))
				}
				for i := range min(len(got), len(want)) {
					if got[i] != want[i] {
						t.Errorf("record %d, the first that differs (-want +got):\n%s", i, gocmp.Diff(want[i], got[i], netipEqual))
						break
					}
				}
				truth := f.Truth(nil)
				if want := truth.Lines["flow"] + truth.Lines["endpoint"] + truth.Lines["interface"]; counts.Lines != want || counts.Errors != 0 {
					t.Errorf("%d lines with %d errors, want %d without", counts.Lines, counts.Errors, want)
				}
				hosts := 0
				for e := range devices.All() {
					if e.Host != "" {
						hosts++
					}
				}
				if int64(hosts) != truth.Lines["endpoint"] {
					t.Errorf("%d devices with a host name, want %d", hosts, truth.Lines["endpoint"])
				}
			})
		}
	}
}

// TestAnswers follows the DNS rows by hand.
func TestAnswers(t *testing.T) {
	for _, one := range []bool{false, true} {
		f := flowtest.Fleet{Devices: 30, OneNamePerAddress: one}
		var dns bytes.Buffer
		if err := f.WriteDNS(&dns); err != nil {
			t.Fatal(err)
		}
		to := make(map[string][]string) // by "kind name"
		for line := range bytes.Lines(dns.Bytes()) {
			kind, name, data := dnsRow(t, line)
			if slices.Contains(to[kind+" "+name], data) {
				t.Errorf("the row %s %s comes twice", kind, name)
			}
			to[kind+" "+name] = append(to[kind+" "+name], data)
		}
		var follow func(name string, depth int) []string
		follow = func(name string, depth int) []string {
			all := slices.Concat(to["A "+name], to["AAAA "+name])
			for _, next := range to["CNAME "+name] {
				if depth < 4 {
					all = append(all, follow(next, depth+1)...)
				}
			}
			return all
		}
		answers := make(map[string][]string) // addresses by name
		names := make(map[string]int)        // by address
		for addr, name := range f.Answers() {
			answers[name] = append(answers[name], addr.String())
			names[addr.String()]++
			if scope := flow.ScopeOf(addr); scope != flow.Global && !strings.HasSuffix(name, "corp.example") {
				t.Errorf("%s is at an address of scope %v", name, scope)
			}
		}
		most, alone := 0, 0
		for _, n := range names {
			most = max(most, n)
			if n == 1 {
				alone++
			}
		}
		if one && most != 1 || !one && most < 10 || alone < 100 {
			t.Errorf("one name per address %v: up to %d names on one, %d addresses of one", one, most, alone)
		}
		for name, addrs := range answers {
			got, want := slices.Sorted(slices.Values(addrs)), slices.Sorted(slices.Values(follow(name, 0)))
			if !slices.Equal(got, want) {
				t.Errorf("%s: %v, the rows lead to %v", name, got, want)
			}
		}
		if chains := len(to["CNAME loop-a.example"]); chains != 1 {
			t.Error("no loop of CNAMEs")
		}
		for c := range f.Connections(0, 1) {
			if c.Name != "" && c.Record.Dst.IsValid() && !slices.Contains(answers[c.Name], c.Record.Dst.Addr().String()) {
				t.Fatalf("a connection to %s goes to none of its addresses", c.Name)
			}
		}
	}
}

// TestShape: the fleet has what makes a study hard.
func TestShape(t *testing.T) {
	f := flowtest.Fleet{Devices: 500}
	all := f.Truth(nil)
	mac := f.Truth(func(rec flow.Record) bool { return rec.OS == flow.MacOS })
	share := func(what string, part, whole, low, high float64) {
		t.Helper()
		if got := part / whole; got < low || got > high {
			t.Errorf("%s: %.3f, want %.3f to %.3f", what, got, low, high)
		}
	}
	nulls := int64(0)
	for _, n := range all.Nulls {
		nulls += n
	}
	share("NULL records", float64(nulls), float64(nulls+all.Connections), .01, .02)
	share("devices with Windows", float64(all.Devices[flow.Windows]), 500, .13, .23)
	share("devices with macOS", float64(all.Devices[flow.MacOS]), 500, .70, .82)
	share("devices without an endpoint record", float64(all.Devices[flow.OSUnknown]), 500, .002, .05)
	if all.Lines["flow"] < all.Connections*5/4 {
		t.Errorf("%d lines about %d connections: hardly any is reported twice", all.Lines["flow"], all.Connections)
	}
	for _, label := range []string{"Internal", "Outbound", "Inbound", "NAT"} {
		if all.Directions[flowtest.Cell{OS: flow.MacOS, Label: label}] == 0 {
			t.Errorf("no connection is %s", label)
		}
	}
	rare, common := 0, 0
	for _, n := range mac.Active {
		if float64(n) > .05*float64(mac.Devices[flow.MacOS]) {
			common++
		} else {
			rare++
		}
	}
	if rare < 20 || common < 30 {
		t.Errorf("%d applications on over 5 %% of the devices, %d on fewer", common, rare)
	}
	if mac.Active["<script>alert(1)</script>"] == 0 || mac.Active["Übersicht"] == 0 {
		t.Error("an application with an unusual name runs nowhere")
	}
	support := make(map[string]flowtest.Endpoint)
	for _, e := range mac.Endpoints {
		support[fmt.Sprintf("%s %s %d/%v", e.App, e.Name, e.Port, e.Proto)] = e
	}
	for _, tt := range []struct {
		endpoint  string
		cause     flowtest.Cause
		low, high float64
	}{
		{"Microsoft Word config.office.example 443/tcp", flowtest.ByProgram, .97, 1},  // at each start
		{"Microsoft Word fonts.word.example 80/tcp", flowtest.ByProgram, .2, .5},      // daily: method.md B.6, Exposure
		{"Microsoft Outlook mail.office.example 443/tcp", flowtest.ByProgram, .97, 1}, // often
		{"Google Chrome Helper sso.corp.example 443/tcp", flowtest.ByEnvironment, .97, 1},
		{"firefox sso.corp.example 443/tcp", flowtest.ByEnvironment, .97, 1},
		{"Google Chrome Helper www.site0.example 443/tcp", flowtest.ByUser, .1, .6},
	} {
		e := support[tt.endpoint]
		if e.Cause != tt.cause {
			t.Errorf("%s is caused by the %v, want the %v", tt.endpoint, e.Cause, tt.cause)
		}
		share(tt.endpoint, float64(e.Devices), float64(e.ActiveDevices), tt.low, tt.high)
	}
}

// TestCollectorStyle: as in the collector's real record, each line is an object
// of texts, with spaces inside the braces.
func TestCollectorStyle(t *testing.T) {
	for _, line := range flowLines(t, flowtest.Fleet{Devices: 5, Style: flowtest.Collector}, 1) {
		var texts map[string]*string
		if err := json.Unmarshal(line, &texts); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		if !bytes.HasPrefix(line, []byte(`{ "fv": "nvzFlow_v11", "`)) || !bytes.HasSuffix(line, []byte(`" }`)) {
			t.Fatalf("%s is not spaced as a collector's", line)
		}
	}
}

// TestWriteDir: the files hold what the writers write.
func TestWriteDir(t *testing.T) {
	f := flowtest.Fleet{Devices: 10}
	dir := filepath.Join(t.TempDir(), "new")
	if err := f.WriteDir(t.Context(), dir, 2); err != nil {
		t.Fatal(err)
	}
	for name, write := range map[string]func(io.Writer) error{
		"flows-000.json.gz": func(w io.Writer) error { return f.WriteFlows(w, 0, 2) },
		"flows-001.json.gz": func(w io.Writer) error { return f.WriteFlows(w, 1, 2) },
		"dns.json.gz":       f.WriteDNS,
	} {
		var want bytes.Buffer
		if err := write(&want); err != nil {
			t.Fatal(err)
		}
		file, err := os.Open(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		zr, err := gzip.NewReader(file)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(zr); err != nil || !bytes.Equal(got, want.Bytes()) {
			t.Errorf("%s: %d bytes, error %v, want %d", name, len(got), err, want.Len())
		}
	}
}

// brokenWriter takes some bytes and then no more.
type brokenWriter struct{ left int }

func (w *brokenWriter) Write(p []byte) (int, error) {
	if w.left -= len(p); w.left < 0 {
		return 0, os.ErrClosed
	}
	return len(p), nil
}

func TestWriteError(t *testing.T) {
	f := flowtest.Fleet{Devices: 40}
	for _, left := range []int{0, 100_000, 1_000_000} {
		if err := f.WriteFlows(&brokenWriter{left}, 0, 1); err != os.ErrClosed {
			t.Errorf("WriteFlows: error %v", err)
		}
	}
	if err := f.WriteDNS(&brokenWriter{1000}); err != os.ErrClosed {
		t.Errorf("WriteDNS: error %v", err)
	}
}

func BenchmarkWriteFlows(b *testing.B) {
	for style, name := range []string{"mixed", "compact", "collector", "syslog"} {
		b.Run("style="+name, func(b *testing.B) {
			f := flowtest.Fleet{Devices: 100, Style: flowtest.Style(style)}
			lines := f.Truth(nil).Lines["flow"]
			n := new(counter)
			if err := f.WriteFlows(n, 0, 1); err != nil {
				b.Fatal(err)
			}
			b.SetBytes(int64(*n))
			b.ReportAllocs()
			for b.Loop() {
				if err := f.WriteFlows(io.Discard, 0, 1); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(lines)*float64(b.N)/b.Elapsed().Seconds(), "records/s")
		})
	}
}

type counter int64

func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
}

func ExampleEndpoint_Support() {
	e := flowtest.Endpoint{App: "Word", Name: "updates.word.example", Devices: 3, ActiveDevices: 4}
	fmt.Println(e.Support())
	// Output: 0.75
}
