package classify_test

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash/crc32"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/endoflow/endoflow/classify"
	"github.com/endoflow/endoflow/flow"
)

// An entry is one call on a Census: Add, or SetOS where device is not "".
type entry struct {
	rec    flow.Record
	label  classify.Label
	device string
	os     flow.OS
}

func (e entry) apply(c *classify.Census) {
	if e.device != "" {
		c.SetOS(e.device, e.os)
		return
	}
	c.Add(e.rec, e.label)
}

// randomEntries returns a small fleet in all its forms: devices whose system is
// told by no, some or all records, before or after, one or two of them; records
// without device, without application, with NULL fields; values unknown here.
func randomEntries(n int, seed uint64) []entry {
	rng := rand.New(rand.NewPCG(seed, 1))
	entries := make([]entry, n)
	for i := range entries {
		d := rng.IntN(40)
		if rng.IntN(20) == 0 {
			entries[i] = entry{device: fmt.Sprint("d", d+rng.IntN(4)), os: flow.OS(rng.IntN(5))}
			continue
		}
		rec := flow.Record{Device: fmt.Sprint("d", d), App: flow.App{Name: fmt.Sprint("app", min(d, rng.IntN(12)))}}
		switch rng.IntN(3) {
		case 0:
			rec.OS = flow.OS(1 + d%3)
		case 1:
			if rng.IntN(20) == 0 {
				rec.OS = flow.OS(rng.IntN(6))
			}
		}
		switch rng.IntN(30) {
		case 0:
			rec.Device = ""
		case 1:
			rec.App.Name = ""
		case 2:
			rec.App.Name, rec.Null = "", flow.NullApp
		case 3:
			rec.Null = flow.Null(1 + rng.IntN(255))
		}
		entries[i] = entry{rec: rec, label: classify.Label{Direction: classify.Direction(rng.IntN(9))}}
	}
	return entries
}

// A slowCensus is the slow model of Census: it keeps everything, and walks it
// for every question.
type slowCensus []entry

func (s slowCensus) os(device string) (os flow.OS, several bool) {
	told := make(map[flow.OS]bool)
	for _, e := range s {
		switch {
		case e.device == device && e.device != "":
			told[e.os] = true
		case e.device == "" && e.rec.Null == 0 && e.rec.Device == device:
			told[e.rec.OS] = true
		}
	}
	maps.DeleteFunc(told, func(os flow.OS, _ bool) bool { return os == flow.OSUnknown || os > flow.Linux })
	for o := range told {
		os = max(os, o)
	}
	return os, len(told) > 1
}

// flows returns the records that are not NULL, with the systems and directions
// that they count under.
func (s slowCensus) flows() []entry {
	var out []entry
	systems := make(map[string]flow.OS)
	for _, e := range s {
		if e.device != "" || e.rec.Null != 0 {
			continue
		}
		if e.rec.OS > flow.Linux {
			e.rec.OS = flow.OSUnknown
		}
		if e.label.Direction > classify.Loopback {
			e.label.Direction = classify.Unknown
		}
		if e.rec.OS == flow.OSUnknown && e.rec.Device != "" {
			os, ok := systems[e.rec.Device]
			if !ok {
				os, _ = s.os(e.rec.Device)
				systems[e.rec.Device] = os
			}
			e.rec.OS = os
		}
		out = append(out, e)
	}
	return out
}

func (s slowCensus) directions() []classify.DirectionCount {
	counts := make(map[classify.DirectionCount]uint64)
	for _, e := range s.flows() {
		counts[classify.DirectionCount{OS: e.rec.OS, Direction: e.label.Direction}]++
	}
	var rows []classify.DirectionCount
	for row, n := range counts {
		row.Flows = n
		rows = append(rows, row)
	}
	slices.SortFunc(rows, func(a, b classify.DirectionCount) int {
		return cmp.Or(cmp.Compare(a.OS, b.OS), cmp.Compare(a.Direction, b.Direction))
	})
	return rows
}

func (s slowCensus) nulls() []classify.NullCount {
	counts := make(map[flow.Null]uint64)
	for _, e := range s {
		if e.rec.Null != 0 {
			counts[e.rec.Null]++
		}
	}
	var rows []classify.NullCount
	for _, null := range slices.Sorted(maps.Keys(counts)) {
		rows = append(rows, classify.NullCount{Null: null, Flows: counts[null]})
	}
	return rows
}

// population returns the devices of the systems that have flows.
func (s slowCensus) population(oses classify.OSSet) map[string]bool {
	out := make(map[string]bool)
	for _, e := range s.flows() {
		if out[e.rec.Device] || e.rec.Device == "" {
			continue
		}
		if os, _ := s.os(e.rec.Device); oses.Has(os) {
			out[e.rec.Device] = true
		}
	}
	return out
}

func (s slowCensus) apps(oses classify.OSSet) []classify.AppCount {
	population := s.population(oses)
	devices := make(map[string]map[string]bool)
	counts := make(map[string]classify.AppCount)
	for _, e := range s.flows() {
		app := e.rec.App.Name
		if app == "" {
			continue
		}
		count := counts[app]
		if oses.Has(e.rec.OS) {
			count.Flows++
			if e.label.Direction == classify.Outbound {
				count.Outbound++
			}
		}
		if population[e.rec.Device] {
			if devices[app] == nil {
				devices[app] = make(map[string]bool)
			}
			devices[app][e.rec.Device] = true
		}
		counts[app] = count
	}
	var rows []classify.AppCount
	for _, app := range slices.Sorted(maps.Keys(counts)) {
		row := counts[app]
		row.App, row.Devices = app, len(devices[app])
		if row.Devices > 0 {
			row.Prevalence = float64(row.Devices) / float64(len(population))
		}
		if row.Devices > 0 || row.Flows > 0 {
			rows = append(rows, row)
		}
	}
	return rows
}

// funnel asks every record itself what a program that filters records asks.
func (s slowCensus) funnel(oses classify.OSSet, min float64) []classify.FilterCount {
	prevalent := make(map[string]bool)
	for _, row := range s.apps(oses) {
		prevalent[row.App] = row.Prevalence > min
	}
	var removed [5]uint64
	var kept uint64
	for _, e := range s {
		if e.rec.Null != 0 {
			removed[classify.FilterNull]++
		}
	}
	for _, e := range s.flows() {
		switch {
		case !oses.Has(e.rec.OS):
			removed[classify.FilterOS]++
		case !prevalent[e.rec.App.Name]:
			removed[classify.FilterPrevalence]++
		case e.label.Direction != classify.Outbound:
			removed[classify.FilterDirection]++
		default:
			kept++
		}
	}
	direction := classify.FilterCount{Filter: classify.FilterDirection, Removed: removed[classify.FilterDirection], Left: kept}
	prevalence := classify.FilterCount{Filter: classify.FilterPrevalence, Removed: removed[classify.FilterPrevalence], Left: direction.Left + direction.Removed}
	os := classify.FilterCount{Filter: classify.FilterOS, Removed: removed[classify.FilterOS], Left: prevalence.Left + prevalence.Removed}
	null := classify.FilterCount{Filter: classify.FilterNull, Removed: removed[classify.FilterNull], Left: os.Left + os.Removed}
	return []classify.FilterCount{null, os, prevalence, direction}
}

var selections = []classify.OSSet{
	classify.AnyOS, classify.Only(flow.MacOS), classify.Only(flow.Windows),
	classify.Only(flow.OSUnknown), classify.Only(flow.MacOS, flow.Linux), classify.Only(),
}

func compareWithModel(t *testing.T, c *classify.Census, s slowCensus) {
	t.Helper()
	check := func(what string, want, got any) {
		t.Helper()
		if diff := gocmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", what, diff)
		}
	}
	check("Nulls", s.nulls(), c.Nulls())
	check("Directions", s.directions(), c.Directions())
	ambiguous := 0
	population := s.population(classify.AnyOS)
	for d := range 45 {
		device := fmt.Sprint("d", d)
		os, several := s.os(device)
		check("OS of "+device, os, c.OS(device))
		if several && population[device] {
			ambiguous++
		}
	}
	check("Ambiguous", ambiguous, c.Ambiguous())
	for _, oses := range selections {
		check("Population "+oses.String(), len(s.population(oses)), c.Population(oses))
		check("Apps "+oses.String(), s.apps(oses), c.Apps(oses))
		for _, min := range []float64{0, 0.05, 0.5, 1} {
			var want []string
			for _, row := range s.apps(oses) {
				if row.Prevalence > min {
					want = append(want, row.App)
				}
			}
			what := fmt.Sprint(oses, " over ", min)
			check("Prevalent "+what, want, c.Prevalent(oses, min))
			check("Funnel "+what, s.funnel(oses, min), c.Funnel(oses, min))
		}
	}
}

func TestCensusMatchesModel(t *testing.T) {
	for seed := range uint64(6) {
		entries := randomEntries(120*int(seed), seed)
		var c classify.Census
		for _, e := range entries {
			e.apply(&c)
		}
		compareWithModel(t, &c, entries)
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

func TestCensusMerge(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 8))
	for seed := range uint64(30) {
		entries := randomEntries(600, seed)
		var whole classify.Census
		for _, e := range entries {
			e.apply(&whole)
		}
		shards := make([]classify.Census, 1+rng.IntN(5))
		for _, i := range rng.Perm(len(entries)) {
			entries[i].apply(&shards[rng.IntN(len(shards))])
		}
		before := make([][]byte, len(shards))
		for i := range shards {
			before[i] = encode(t, &shards[i])
		}
		var merged classify.Census
		for _, i := range rng.Perm(len(shards)) {
			if rng.IntN(2) == 0 { // as from another machine
				var read classify.Census
				if err := read.UnmarshalBinary(before[i]); err != nil {
					t.Fatal(err)
				}
				merged.Merge(&read)
			} else {
				merged.Merge(&shards[i])
			}
		}
		want := encode(t, &whole)
		if diff := gocmp.Diff(want, encode(t, &merged)); diff != "" {
			t.Fatalf("seed %d, %d shards: bytes differ (-whole +merged):\n%s", seed, len(shards), diff)
		}
		if diff := gocmp.Diff(want, encode(t, &whole)); diff != "" {
			t.Fatalf("seed %d: writing changes what is written:\n%s", seed, diff)
		}
		for _, e := range randomEntries(100, seed+1000) {
			e.apply(&merged)
		}
		for i := range shards {
			if diff := gocmp.Diff(before[i], encode(t, &shards[i])); diff != "" {
				t.Fatalf("seed %d: merging, or adding to the result, changed shard %d:\n%s", seed, i, diff)
			}
		}
	}
}

// A set of many devices takes other containers than one of few, and what they
// look like depends on the order of arrival.
func TestCensusMergeManyDevices(t *testing.T) {
	const devices = 70_000
	rng := rand.New(rand.NewPCG(9, 10))
	var names []string
	for i := range devices {
		names = append(names, fmt.Sprintf("%05x", i))
	}
	add := func(c *classify.Census, i int) {
		rec := flow.Record{Device: names[i], OS: flow.MacOS, App: flow.App{Name: "all"}}
		c.Add(rec, classify.Label{Direction: classify.Outbound})
		if i%3 == 0 {
			rec.App.Name = "third"
			c.Add(rec, classify.Label{})
		}
		if i%1000 == 7 {
			rec.App.Name = "few"
			c.Add(rec, classify.Label{})
		}
	}
	var whole, a, b classify.Census
	for i := range devices {
		add(&whole, i)
	}
	for _, i := range rng.Perm(devices) {
		if rng.IntN(3) == 0 {
			add(&a, i)
		} else {
			add(&b, i)
		}
	}
	b.Merge(&a)
	if !slices.Equal(encode(t, &whole), encode(t, &b)) {
		t.Error("bytes depend on the order of arrival")
	}
	want := []string{"all", "third"}
	if diff := gocmp.Diff(want, b.Prevalent(classify.Only(flow.MacOS), 0.05)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// The paper's filter is more than 5 % of 39,758 devices, which is 1,988 of them
// (method.md A.3).
func TestPrevalentIsMoreThan(t *testing.T) {
	tests := []struct {
		population, devices int
		min                 float64
		want                bool
	}{
		{39758, 1987, 0.05, false},
		{39758, 1988, 0.05, true},
		{20, 1, 0.05, false}, // exactly 5 %
		{19, 1, 0.05, true},
		{100, 29, 0.29, false}, // 29 > .29*100 in floating point
		{7, 7, 1, false},
		{7, 1, 0, true},
	}
	for _, tt := range tests {
		var c classify.Census
		for i := range tt.population {
			name := "common"
			if i < tt.devices {
				name = "asked"
			}
			c.Add(flow.Record{Device: fmt.Sprint(i), OS: flow.MacOS, App: flow.App{Name: name}}, classify.Label{})
		}
		if got := slices.Contains(c.Prevalent(classify.Only(flow.MacOS), tt.min), "asked"); got != tt.want {
			t.Errorf("%d of %d devices are more than %v: %v, want %v", tt.devices, tt.population, tt.min, got, tt.want)
		}
	}
}

// Endpoint records come when they come; so do the systems they tell.
func TestSetOSBeforeAndAfter(t *testing.T) {
	rec := flow.Record{Device: "d1", App: flow.App{Name: "Word"}}
	out := classify.Label{Direction: classify.Outbound}
	var before, after classify.Census
	before.SetOS("d1", flow.MacOS)
	before.Add(rec, out)
	after.Add(rec, out)
	if diff := gocmp.Diff([]classify.DirectionCount{{OS: flow.OSUnknown, Direction: classify.Outbound, Flows: 1}}, after.Directions()); diff != "" {
		t.Errorf("not told yet (-want +got):\n%s", diff)
	}
	after.SetOS("d1", flow.MacOS)
	if !slices.Equal(encode(t, &before), encode(t, &after)) {
		t.Error("bytes depend on when the system was told")
	}
	if diff := gocmp.Diff([]classify.DirectionCount{{OS: flow.MacOS, Direction: classify.Outbound, Flows: 1}}, after.Directions()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	after.SetOS("", flow.MacOS)
	after.SetOS("d2", flow.OSUnknown)
	after.SetOS("d3", flow.MacOS)
	if got := after.Population(classify.AnyOS); got != 1 {
		t.Errorf("population %d, want 1: the others have no flows", got)
	}
}

func TestOSSet(t *testing.T) {
	mac := classify.Only(flow.MacOS)
	if !mac.Has(flow.MacOS) || mac.Has(flow.Windows) || mac.Has(flow.OSUnknown) || mac.Has(flow.OS(200)) {
		t.Errorf("%v has the wrong systems", mac)
	}
	got := []string{classify.OSSet(0).String(), mac.String(), classify.Only(flow.Windows, flow.MacOS).String(), classify.AnyOS.String(), classify.Only(flow.OS(200)).String()}
	if diff := gocmp.Diff([]string{"", "macos", "macos+windows", "any", ""}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for os := flow.OSUnknown; os <= flow.Linux; os++ {
		if !classify.AnyOS.Has(os) {
			t.Errorf("any has not %v", os)
		}
	}
}

// smallCensus is what goldenCensus is of.
func smallCensus() *classify.Census {
	var c classify.Census
	out := classify.Label{Direction: classify.Outbound}
	c.Add(flow.Record{Null: flow.NullApp}, classify.Label{})
	c.Add(flow.Record{Device: "d2", OS: flow.MacOS, App: flow.App{Name: "Word"}}, out)
	c.Add(flow.Record{Device: "d1", App: flow.App{Name: "Word"}}, out)
	c.Add(flow.Record{Device: "d1", App: flow.App{Name: "Mail"}}, out)
	c.Add(flow.Record{OS: flow.Linux}, classify.Label{Direction: classify.NAT})
	c.SetOS("d1", flow.Windows)
	return &c
}

// goldenCensus is version 1 of the binary form, which stays readable.
const goldenCensus = "6566436501" + // kind, version
	"01" + "0201" + // 1 NULL: app 1
	"02" + "02643105" + "02643203" + // 2 devices: d1 windows with flows, d2 macos with flows
	"03" + // 3 applications
	"00" + "01030401" + "00" + // none: linux NAT 1; no devices
	"044d61696c" + "00" + "12" + "3a3000000100000000000000100000000000" + // Mail: no flows, d1
	"04576f7264" + "01010201" + "14" + "3a3000000100000000000100100000000000" + "0100" + // Word: macos Outbound 1, d1 and d2
	"02" + "00010201" + "00020201" + // 2 unplaced: d1 Mail Outbound 1, d1 Word Outbound 1
	"2601a9b6" // checksum

func TestCensusGolden(t *testing.T) {
	c := smallCensus()
	if got := hex.EncodeToString(encode(t, c)); got != goldenCensus {
		t.Errorf("got\n%s, want\n%s", got, goldenCensus)
	}
	data, err := hex.DecodeString(goldenCensus)
	if err != nil {
		t.Fatal(err)
	}
	var read classify.Census
	if err := read.UnmarshalBinary(data); err != nil {
		t.Fatal(err)
	}
	if diff := gocmp.Diff(c.Apps(classify.AnyOS), read.Apps(classify.AnyOS)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestCensusBinaryForm(t *testing.T) {
	blank := func() binaryForm { return new(classify.Census) }
	var c classify.Census
	for _, e := range randomEntries(300, 3) {
		e.apply(&c)
	}
	testBinaryForm(t, &c, blank)
	testBinaryForm(t, new(classify.Census), blank)
}

func TestBinaryFormsAreTold(t *testing.T) {
	var c classify.Census
	var a classify.Agreement
	tests := []struct {
		v    binaryForm
		data []byte
		want string
	}{
		{&c, encode(t, &a), "census: data of another kind"},
		{&a, encode(t, &c), "agreement: data of another kind"},
		{&c, sealed([]byte("efCe\x02")), "census: unknown version 2"},
		{&a, []byte("efAg\x01\x00\x00\x00\x00"), "agreement: wrong checksum: corrupt data"},
		{&a, nil, "agreement: byte 0: corrupt data"},
		{&a, sealed([]byte("efAg\x01\x01\x02")), "agreement: byte 7: corrupt data"},
		{&c, sealed([]byte("efCe\x01\xff\xff\xff\xff\x0f")), "census: byte 10: corrupt data"},
	}
	for _, tt := range tests {
		err := tt.v.UnmarshalBinary(tt.data)
		if err == nil || err.Error() != tt.want {
			t.Errorf("%q: error %v, want %s", tt.data, err, tt.want)
		}
	}
}

// sealed returns data with the checksum of a binary form behind it.
func sealed(data []byte) []byte {
	return binary.LittleEndian.AppendUint32(slices.Clone(data), crc32.Checksum(data, crc32.MakeTable(crc32.Castagnoli)))
}

// fuzzBinaryForm reads data, and data with a checksum that is right, so that
// more than the checksum is tried. What can be read is written and read again,
// to the byte.
func fuzzBinaryForm(t *testing.T, data []byte, v, again binaryForm) {
	if v.UnmarshalBinary(data) != nil {
		if len(data) < 4 || v.UnmarshalBinary(sealed(data[:len(data)-4])) != nil {
			return
		}
	}
	first := encode(t, v)
	if err := again.UnmarshalBinary(first); err != nil {
		t.Fatalf("reading what was written: %v", err)
	}
	if diff := gocmp.Diff(first, encode(t, again)); diff != "" {
		t.Fatalf("written twice (-first +second):\n%s", diff)
	}
}

func FuzzCensusUnmarshalBinary(f *testing.F) {
	f.Add(encode(f, new(classify.Census)))
	f.Add(encode(f, smallCensus()))
	var c classify.Census
	for _, e := range randomEntries(100, 4) {
		e.apply(&c)
	}
	f.Add(encode(f, &c))
	f.Fuzz(func(t *testing.T, data []byte) {
		var c classify.Census
		fuzzBinaryForm(t, data, &c, new(classify.Census))
		c.Funnel(classify.AnyOS, 0.05)
		var merged classify.Census
		merged.Merge(&c)
		if !slices.Equal(encode(t, &c), encode(t, &merged)) {
			t.Fatal("merged into nothing, another")
		}
	})
}

// fleet returns n records of devices with sessions of their own, as files have
// them.
func fleet(n, devices int, os flow.OS) []flow.Record {
	rng := rand.New(rand.NewPCG(11, 12))
	recs := make([]flow.Record, n)
	device := ""
	for i := range recs {
		if i%20 == 0 {
			device = fmt.Sprintf("%040X", rng.IntN(devices))
		}
		app := fmt.Sprint("app", int(rng.ExpFloat64()*20))
		recs[i] = flow.Record{Device: device, OS: os, App: flow.App{Name: app}}
	}
	return recs
}

func BenchmarkCensusAdd(b *testing.B) {
	for _, bm := range []struct {
		name string
		os   flow.OS
	}{{"known", flow.MacOS}, {"unknown", flow.OSUnknown}} {
		b.Run("os="+bm.name, func(b *testing.B) {
			recs := fleet(1<<18, 40_000, bm.os)
			label := classify.Label{Direction: classify.Outbound}
			var c classify.Census
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				c.Add(recs[i&(len(recs)-1)], label)
				i++
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "records/s")
		})
	}
}

func BenchmarkCensusMerge(b *testing.B) {
	var c classify.Census
	for _, rec := range fleet(1<<20, 40_000, flow.MacOS) {
		c.Add(rec, classify.Label{Direction: classify.Outbound})
	}
	b.ReportAllocs()
	for b.Loop() {
		var merged classify.Census
		merged.Merge(&c)
	}
}

func BenchmarkCensusAppendBinary(b *testing.B) {
	var c classify.Census
	for _, rec := range fleet(1<<20, 40_000, flow.MacOS) {
		c.Add(rec, classify.Label{Direction: classify.Outbound})
	}
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		var err error
		if buf, err = c.AppendBinary(buf[:0]); err != nil {
			b.Fatal(err)
		}
	}
	b.SetBytes(int64(len(buf)))
}

// TestCensusAddOf: records added by the numbers of their devices count as any
// other, and a device that was only asked about leaves nothing behind.
func TestCensusAddOf(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 5))
	var plain, numbered classify.Census
	number := flow.Memo(numbered.DeviceID)
	for range 5000 {
		rec := flow.Record{Device: fmt.Sprint("d", rng.IntN(40)), OS: flow.OS(rng.IntN(3)), App: flow.App{Name: fmt.Sprint("a", rng.IntN(200))}}
		switch rng.IntN(20) {
		case 0:
			rec.Device = ""
		case 1:
			rec.App.Name = ""
		case 2:
			rec.Device, rec.Null = fmt.Sprint("null", rng.IntN(9)), flow.NullApp
		}
		l := classify.Label{Direction: classify.Direction(rng.IntN(4))}
		plain.Add(rec, l)
		numbered.AddOf(number(rec.Device), rec, l)
	}
	want, err := plain.AppendBinary(nil)
	if err != nil {
		t.Fatal(err)
	}
	got, err := numbered.AppendBinary(nil)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(want, got) {
		t.Error("the binary forms differ")
	}
}
