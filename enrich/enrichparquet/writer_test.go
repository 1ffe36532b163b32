package enrichparquet_test

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"

	"github.com/endoflow/endoflow/enrich"
	"github.com/endoflow/endoflow/enrich/enrichparquet"
	"github.com/endoflow/endoflow/flow"
)

// table is a Resolver: names by address, the most likely first.
type table struct {
	names []string // sorted
	addrs map[netip.Addr][]uint32
}

func newTable(names map[string][]string) *table {
	t := &table{addrs: make(map[netip.Addr][]uint32)}
	for _, of := range names {
		t.names = append(t.names, of...)
	}
	slices.Sort(t.names)
	t.names = slices.Compact(t.names)
	for addr, of := range names {
		for _, name := range of {
			id, _ := slices.BinarySearch(t.names, name)
			t.addrs[netip.MustParseAddr(addr)] = append(t.addrs[netip.MustParseAddr(addr)], uint32(id))
		}
	}
	return t
}

func (t *table) AppendNameIDs(ids []uint32, addr netip.Addr) []uint32 {
	return append(ids, t.addrs[addr]...)
}
func (t *table) NameOf(id uint32) string { return t.names[id] }
func (t *table) NumNames() int           { return len(t.names) }

func (t *table) LookupAddr(_ context.Context, addr netip.Addr) (names []string, err error) {
	for _, id := range t.addrs[addr] {
		names = append(names, t.names[id])
	}
	return names, nil
}

// model is what the file is to say of a row, made the simple way. Whole
// numbers have the types that the reader gives them.
func model(t *testing.T, row enrichparquet.Row, r *table) map[string]any {
	t.Helper()
	rec := row.Record
	m := map[string]any{
		"start": micros(rec.Start), "end": micros(rec.End), "device": text(rec.Device), "os": rec.OS.String(), "app": text(rec.App.Name),
		"parent": text(rec.App.Parent), "proto": rec.Proto.String(), "direction": row.Direction, "basis": row.Basis, "sensor_name": nil,
		"tx_bytes": int64(rec.TxBytes), "rx_bytes": int64(rec.RxBytes), "null": text(rec.Null.String()),
	}
	m["src"], m["src_port"] = end(rec.Src)
	m["dst"], m["dst_port"] = end(rec.Dst)
	m["remote"], _ = end(row.Remote)
	if row.Remote == rec.Dst {
		m["sensor_name"] = text(rec.DstName)
	}
	e := enrich.Enricher{Resolver: r}
	found, err := e.Names(t.Context(), rec, row.Remote)
	if err != nil {
		t.Fatal(err)
	}
	names := []any{}
	for _, n := range found {
		evidence := "query"
		if n.Evidence == enrich.Sensor {
			evidence = "sensor"
		}
		names = append(names, map[string]any{"name": text(n.Name), "evidence": evidence})
	}
	m["names"] = names
	return m
}

func micros(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UnixMicro()
}

func text(s string) any {
	if s == "" {
		return nil
	}
	return string([]rune(s))
}

func end(e netip.AddrPort) (addr, port any) {
	if !e.Addr().IsValid() {
		return nil, nil
	}
	return e.Addr().String(), uint32(e.Port())
}

// random makes rows that use everything, with repetition as flows have it.
func random(seed uint64, rows int) ([]enrichparquet.Row, *table) {
	rng := rand.New(rand.NewPCG(seed, 1))
	hosts := make(map[string][]string)
	var addrs []netip.Addr
	for i := range 60 {
		addr := netip.AddrFrom4([4]byte{21, 0, byte(i / 7), byte(i)})
		if i%5 == 0 {
			addr = netip.MustParseAddr(fmt.Sprintf("2001:db8::%x", i))
		}
		addrs = append(addrs, addr)
		for range rng.IntN(3) * rng.IntN(40) {
			name := fmt.Sprintf("n%d.example", rng.IntN(300))
			if !slices.Contains(hosts[addr.String()], name) {
				hosts[addr.String()] = append(hosts[addr.String()], name)
			}
		}
	}
	r := newTable(hosts)
	pick := func(texts ...string) string { return texts[rng.IntN(len(texts))] }
	at := time.Date(2020, 9, 15, 8, 0, 0, 0, time.UTC)
	var all []enrichparquet.Row
	for range rows {
		at = at.Add(time.Duration(rng.IntN(3000)) * time.Millisecond)
		rec := flow.Record{
			Start: at, End: at.Add(time.Duration(rng.IntN(1e6)) * time.Microsecond), Device: pick("d1", "d2", "d2", ""), OS: flow.OS(rng.IntN(4)),
			App:   flow.App{Name: pick("Word", "Word", "W\xff\xfeord", ""), Parent: pick("launchd", "")},
			Proto: flow.Proto(pick("\x06", "\x11", "\x84", "\xfa")[0]), TxBytes: rng.Uint64N(1 << 40), RxBytes: rng.Uint64(), Null: flow.Null(rng.IntN(4)),
			Src: netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(rng.IntN(9))}), uint16(rng.IntN(1<<16))),
			Dst: netip.AddrPortFrom(addrs[min(rng.IntN(60), rng.IntN(60))], uint16(rng.IntN(500))), DstName: pick("", "", "n1.example", "n2.example", "only.sensor.example", "\xc3\x28"),
		}
		row := enrichparquet.Row{Record: rec, Remote: rec.Dst, Direction: pick("Outbound", "Inbound"), Basis: "scope"}
		switch rng.IntN(12) {
		case 0:
			row.Record.Src, row.Remote = row.Record.Dst, row.Record.Src
		case 1:
			row.Record.Start, row.Record.End = time.Time{}, time.Time{}
		case 2:
			row.Record.Src = netip.AddrPort{}
		case 3:
			row.Record.Dst, row.Remote = netip.AddrPort{}, netip.AddrPort{}
		}
		all = append(all, row)
	}
	return all, r
}

// write writes rows, and requires that it does not matter how many of them come in
// one call.
func write(t testing.TB, w enrichparquet.Writer, rows []enrichparquet.Row, factored bool) (flows, names []byte) {
	t.Helper()
	for at, call := range []int{1, 100, len(rows)} {
		w := w
		var f, n bytes.Buffer
		w.Flows = &f
		if factored {
			w.Names = &n
		}
		for rows := range slices.Chunk(rows, max(call, 1)) {
			if err := w.Write(rows...); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		if at > 0 && (!bytes.Equal(flows, f.Bytes()) || !bytes.Equal(names, n.Bytes())) {
			t.Errorf("%d rows in calls of %d are other files than one by one", len(rows), call)
		}
		flows, names = f.Bytes(), n.Bytes()
	}
	return flows, names
}

// read reads a file with a reader that is not ours.
func read(t *testing.T, file []byte) (rows []map[string]any) {
	t.Helper()
	all, err := parquet.Read[any](bytes.NewReader(file), int64(len(file)))
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range all {
		rows = append(rows, row.(map[string]any))
	}
	return rows
}

// equal compares rows, and shows the first that differs.
func equal(t *testing.T, what string, want, got []map[string]any) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: %d rows, want %d", what, len(got), len(want))
	}
	for i := range want {
		if !reflect.DeepEqual(want[i], got[i]) {
			t.Fatalf("%s: row %d (-want +got):\n%s", what, i, cmp.Diff(want[i], got[i]))
		}
	}
}

// equalNulls checks the numbers of nulls that the file states: a reader that is
// asked for rows without a value passes over row groups that state none.
func equalNulls(t *testing.T, want []map[string]any, file []byte) {
	t.Helper()
	f, err := parquet.OpenFile(bytes.NewReader(file), int64(len(file)))
	if err != nil {
		t.Fatal(err)
	}
	stated := make(map[string]int64)
	for _, group := range f.Metadata().RowGroups {
		for _, c := range group.Columns {
			stated[c.MetaData.PathInSchema[0]] += c.MetaData.Statistics.NullCount
		}
	}
	counted := make(map[string]int64)
	for column := range stated {
		counted[column] = 0
		for _, row := range want {
			if list, ok := row[column].([]any); ok && len(list) == 0 {
				counted[column] += 2 // name and evidence
			} else if row[column] == nil {
				counted[column]++
			}
		}
	}
	if diff := cmp.Diff(counted, stated); diff != "" {
		t.Errorf("nulls by column (-counted +stated):\n%s", diff)
	}
}

// TestRoundTrip: a reader that is not ours finds every row as the simple way makes
// it, however small the row groups are, with lists and factored.
func TestRoundTrip(t *testing.T) {
	for _, tt := range []struct{ rows, group int }{{0, 0}, {1, 0}, {3000, 0}, {3000, 20 << 10}, {700, 1}} {
		t.Run(fmt.Sprintf("rows=%d/group=%d", tt.rows, tt.group), func(t *testing.T) {
			rows, r := random(uint64(tt.rows), tt.rows)
			w := enrichparquet.Writer{Resolver: r, Evidence: "query", RowGroup: tt.group}
			file, _ := write(t, w, rows, false)
			want := make([]map[string]any, 0, len(rows))
			for _, row := range rows {
				want = append(want, model(t, row, r))
			}
			equal(t, "lists", want, read(t, file))
			equalNulls(t, want, file)

			file, names := write(t, w, rows, true)
			byAddr := make(map[any][]any)
			last := any(nil)
			for _, n := range read(t, names) {
				addr := n["address"]
				if n["evidence"] != "query" || n["rank"] != int32(len(byAddr[addr])+1) || addr != last && n["rank"] != int32(1) {
					t.Errorf("name %v", n)
				}
				last = addr
				byAddr[addr] = append(byAddr[addr], n["name"])
			}
			flows := read(t, file)
			for _, f := range flows {
				names := []any{}
				if f["sensor_name"] != nil {
					names = append(names, map[string]any{"name": f["sensor_name"], "evidence": "sensor"})
				}
				for _, name := range byAddr[f["remote"]] {
					if name != f["sensor_name"] {
						names = append(names, map[string]any{"name": name, "evidence": "query"})
					}
				}
				f["names"] = names
			}
			equal(t, "flows joined with names", want, flows)
		})
	}
}

// TestManyValues: dictionaries of more than 256 and 65,536 entries, several pages
// of each column, and lists that fill pages.
func TestManyValues(t *testing.T) {
	names := make([]string, 3000)
	for i := range names {
		names[i] = fmt.Sprintf("n%04d.example", i)
	}
	r := newTable(map[string][]string{"21.0.0.1": names})
	const rows, hot = 70_000, 200
	var all []enrichparquet.Row
	for i := range rows {
		rec := flow.Record{Device: fmt.Sprint("d", i), TxBytes: uint64(i), Src: netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), uint16(i))}
		if i%(rows/hot) == 0 {
			rec.Dst = netip.MustParseAddrPort("21.0.0.1:443")
		}
		all = append(all, enrichparquet.Row{Record: rec, Remote: rec.Dst})
	}
	file, _ := write(t, enrichparquet.Writer{Resolver: r}, all, false)
	f, err := parquet.OpenFile(bytes.NewReader(file), int64(len(file)))
	if err != nil {
		t.Fatal(err)
	}
	if n := len(f.RowGroups()); n != 1 {
		t.Errorf("%d row groups", n)
	}
	for i, row := range read(t, file) {
		list := row["names"].([]any)
		if row["device"] != all[i].Record.Device || row["tx_bytes"] != int64(i) || row["src_port"] != uint32(uint16(i)) || row["src"] != all[i].Record.Src.Addr().String() {
			t.Fatalf("row %d: %v", i, row)
		}
		if want := 3000 * min(1, len(list)); len(list) != want || (want > 0) != (i%(rows/hot) == 0) {
			t.Fatalf("row %d: %d names", i, len(list))
		}
		for j, n := range list {
			if n.(map[string]any)["name"] != names[j] || n.(map[string]any)["evidence"] != "resolved" {
				t.Fatalf("row %d, name %d: %v", i, j, n)
			}
		}
	}
}

// TestNamesGoOn: the dictionary of names goes on into the next row group while it
// is small, and no longer.
func TestNamesGoOn(t *testing.T) {
	var a, b []string
	for i := range 100 {
		a, b = append(a, fmt.Sprintf("a%d.example", i)), append(b, fmt.Sprintf("b%d.example", i))
	}
	r := newTable(map[string][]string{"21.0.0.1": a, "21.0.0.2": b})
	var rows []enrichparquet.Row
	for i := range 4000 { // each with another device, which is what fills the row groups
		one := row("Word", fmt.Sprintf("21.0.0.%d:443", 1+i/2000))
		one.Record.Device = fmt.Sprintf("device %d", i)
		rows = append(rows, one)
	}
	for limit, want := range map[int]int32{16 << 10: 200, 3 << 10: 100} { // names have 15 bytes in a dictionary
		file, _ := write(t, enrichparquet.Writer{Resolver: r, RowGroup: limit}, rows, false)
		f, err := parquet.OpenFile(bytes.NewReader(file), int64(len(file)))
		if err != nil {
			t.Fatal(err)
		}
		groups := f.RowGroups()
		pages := groups[len(groups)-1].ColumnChunks()[18].Pages()
		page, err := pages.ReadPage()
		if err != nil {
			t.Fatal(err)
		}
		if n := page.Dictionary().Len(); len(groups) < 4 || n != int(want) {
			t.Errorf("row groups of %d bytes: %d groups, the last with a dictionary of %d names, want %d", limit, len(groups), n, want)
		}
		pages.Close()
		for i, row := range read(t, file) {
			if got := row["names"].([]any)[99].(map[string]any)["name"]; got != fmt.Sprintf("%c99.example", 'a'+i/2000) {
				t.Fatalf("row %d: name %v", i, got)
			}
		}
	}
}

// TestPageNulls: the numbers of nulls that pages state add up to those of their
// column, which equalNulls counts.
func TestPageNulls(t *testing.T) {
	rows, r := random(9, 3000)
	file, _ := write(t, enrichparquet.Writer{Resolver: r, RowGroup: 20 << 10}, rows, false)
	f, err := parquet.OpenFile(bytes.NewReader(file), int64(len(file)))
	if err != nil {
		t.Fatal(err)
	}
	for i, g := range f.Metadata().RowGroups {
		for _, c := range g.Columns { // each of one page
			var p thrift.CompactProtocol
			var h format.PageHeader
			if err := thrift.NewDecoder(p.NewReader(bytes.NewReader(file[c.MetaData.DataPageOffset:]))).Decode(&h); err != nil {
				t.Fatal(err)
			}
			if got, want := h.DataPageHeader.V.Statistics.NullCount, c.MetaData.Statistics.NullCount; got != want {
				t.Errorf("row group %d, %v: the page states %d nulls of %d", i, c.MetaData.PathInSchema, got, want)
			}
		}
	}
}

// limited fails when it has taken a number of bytes.
type limited struct{ room int }

var errFull = errors.New("disk full")

func (l *limited) Write(p []byte) (int, error) {
	if len(p) > l.room {
		return 0, errFull
	}
	l.room -= len(p)
	return len(p), nil
}

// TestErrors: the first error of writing is returned then and ever after.
func TestErrors(t *testing.T) {
	rows, r := random(3, 2000)
	for _, room := range []int{0, 4, 5000, 20_000} {
		for _, names := range []bool{false, true} {
			w := enrichparquet.Writer{Flows: &limited{room}, Resolver: r, RowGroup: 1000}
			if names {
				w.Flows, w.Names = io.Discard, &limited{min(room, 500)}
			}
			var first error
			for _, row := range rows {
				err := w.Write(row)
				if first != nil && err != first {
					t.Fatalf("room %d: error %v after %v", room, err, first)
				}
				first = err
			}
			if err := w.Close(); !errors.Is(err, errFull) || first != nil && first != errFull {
				t.Errorf("room %d: errors %v and %v", room, first, err)
			}
		}
	}
	var w enrichparquet.Writer
	for _, err := range []error{w.Write(rows[0]), w.Close()} {
		if err == nil || err.Error() != "enrichparquet: Writer.Flows is not set" {
			t.Errorf("no Flows: %v", err)
		}
	}
}

// TestAllocs: a flow of which every text has been seen allocates nothing.
func TestAllocs(t *testing.T) {
	rows, r := random(5, 1000)
	rows = slices.DeleteFunc(rows, func(r enrichparquet.Row) bool { return r.Record.Proto == 250 || r.Record.Null == 3 })
	w := enrichparquet.Writer{Flows: io.Discard, Resolver: r}
	i := 0
	write := func() {
		if err := w.Write(rows[i%len(rows)]); err != nil {
			t.Fatal(err)
		}
		i++
	}
	for range 2 * len(rows) {
		write()
	}
	if n := testing.AllocsPerRun(20_000, write); n > 0 {
		t.Errorf("%v allocations a flow", n)
	}
}

var update = flag.Bool("update", false, "rewrite the golden files")

// TestGolden: the files of a release can be told by their bytes. A change of them,
// also by a new version of the compressor, is to be seen.
func TestGolden(t *testing.T) {
	rows, r := random(1, 40)
	lists, _ := write(t, enrichparquet.Writer{Resolver: r, Evidence: "query"}, rows, false)
	flows, names := write(t, enrichparquet.Writer{Resolver: r, Evidence: "query"}, rows, true)
	for name, got := range map[string][]byte{"lists": lists, "flows": flows, "names": names} {
		name = filepath.Join("testdata", name+".parquet")
		if *update {
			if err := os.WriteFile(name, got, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s: %d bytes differ from the %d of the golden file; if that is meant, run go test -update", name, len(got), len(want))
		}
	}
}

// FuzzTexts: whatever bytes texts have, they can be read as UTF-8.
func FuzzTexts(f *testing.F) {
	for _, s := range []string{"", "a", "\xff", "a\x00b", "é\xc3", "\xed\xa0\x80", strings.Repeat("x", 300)} {
		f.Add(s, s+"b", "c", s)
	}
	f.Fuzz(func(t *testing.T, app, device, sensor, name string) {
		if name == "" {
			name = "n" // a Resolver has no name without text
		}
		r := newTable(map[string][]string{"21.0.0.1": {name, name + "2", "other"}})
		one := row(app, "21.0.0.1:443")
		one.Record.Device, one.Record.DstName = device, sensor
		rows := []enrichparquet.Row{one, one, row(device, "21.0.0.2:443"), one}
		file, _ := write(t, enrichparquet.Writer{Resolver: r, Evidence: "query"}, rows, false)
		var want []map[string]any
		for _, row := range rows {
			want = append(want, model(t, row, r))
		}
		equal(t, "lists", want, read(t, file))
	})
}

// benchmarkRows makes flows of which most go to few addresses, each with a number
// of names.
func benchmarkRows(names int) (rows []enrichparquet.Row, r *table) {
	hosts := make(map[string][]string)
	rng := rand.New(rand.NewPCG(1, 2))
	var addrs []netip.Addr
	for i := range 20_000 {
		addr := netip.AddrFrom4([4]byte{21, 0, byte(i >> 8), byte(i)})
		addrs = append(addrs, addr)
		for n := range names {
			hosts[addr.String()] = append(hosts[addr.String()], fmt.Sprintf("host%d-%d.example.com", i%2000, n))
		}
	}
	r = newTable(hosts)
	rows = make([]enrichparquet.Row, 0, 100_000)
	for i := range cap(rows) {
		one := row(fmt.Sprint("app", rng.IntN(200)), netip.AddrPortFrom(addrs[min(rng.IntN(len(addrs)), rng.IntN(len(addrs)))], 443).String())
		one.Record.Start, one.Record.End = time.Unix(1600000000+int64(i), 0).UTC(), time.Unix(1600000060+int64(i), 0).UTC()
		one.Record.Device, one.Record.TxBytes, one.Record.RxBytes = fmt.Sprint("device", rng.IntN(5000)), rng.Uint64N(1e6), rng.Uint64N(1e6)
		rows = append(rows, one)
	}
	return rows, r
}

const rowsPerLoop = 256

// BenchmarkWrite writes the rows in both forms, 256 an operation.
func BenchmarkWrite(b *testing.B) {
	for _, names := range []int{0, 8, 40} {
		rows, r := benchmarkRows(names)
		for _, form := range []string{"lists", "factored"} {
			b.Run(fmt.Sprintf("form=%s/names=%d", form, names), func(b *testing.B) {
				b.ReportAllocs()
				var flows, namesFile counter
				w := enrichparquet.Writer{Flows: &flows, Resolver: r}
				if form == "factored" {
					w.Names = &namesFile
				}
				n := 0
				for b.Loop() {
					from := n % (len(rows) - rowsPerLoop)
					if err := w.Write(rows[from : from+rowsPerLoop]...); err != nil {
						b.Fatal(err)
					}
					n += rowsPerLoop
				}
				if err := w.Close(); err != nil {
					b.Fatal(err)
				}
				b.SetBytes(rowsPerLoop * int64(flows+namesFile) / int64(n))
				b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "records/s")
			})
		}
	}
}

// BenchmarkStructs writes the lists of BenchmarkWrite with the Parquet library's
// writer of structs, texts in dictionaries too.
func BenchmarkStructs(b *testing.B) {
	type name struct {
		Name     string `parquet:"name,dict"`
		Evidence string `parquet:"evidence,dict"`
	}
	type flow struct {
		Start     time.Time `parquet:"start,timestamp(microsecond)"`
		End       time.Time `parquet:"end,timestamp(microsecond)"`
		Device    string    `parquet:"device,optional,dict"`
		OS        string    `parquet:"os,dict"`
		App       string    `parquet:"app,optional,dict"`
		Parent    string    `parquet:"parent,optional,dict"`
		Proto     string    `parquet:"proto,dict"`
		Src       string    `parquet:"src,optional,dict"`
		SrcPort   uint16    `parquet:"src_port,optional"`
		Dst       string    `parquet:"dst,optional,dict"`
		DstPort   uint16    `parquet:"dst_port,optional"`
		Direction string    `parquet:"direction,dict"`
		Basis     string    `parquet:"basis,dict"`
		Remote    string    `parquet:"remote,optional,dict"`
		Sensor    string    `parquet:"sensor_name,optional,dict"`
		Tx        uint64    `parquet:"tx_bytes"`
		Rx        uint64    `parquet:"rx_bytes"`
		Null      string    `parquet:"null,optional,dict"`
		Names     []name    `parquet:"names,list"`
	}
	for _, names := range []int{0, 8, 40} {
		rows, r := benchmarkRows(names)
		b.Run(fmt.Sprintf("names=%d", names), func(b *testing.B) {
			b.ReportAllocs()
			var out counter
			w := parquet.NewGenericWriter[flow](&out, parquet.Compression(&parquet.Zstd), parquet.MaxRowsPerRowGroup(1<<20))
			one := make([]flow, 1)
			n := 0
			for b.Loop() {
				row := &rows[n%len(rows)]
				rec := &row.Record
				src, dst := rec.Src.Addr().String(), rec.Dst.Addr().String()
				one[0] = flow{
					Start: rec.Start, End: rec.End, Device: rec.Device, OS: rec.OS.String(), App: rec.App.Name, Parent: rec.App.Parent, Proto: rec.Proto.String(),
					Src: src, SrcPort: rec.Src.Port(), Dst: dst, DstPort: rec.Dst.Port(), Direction: row.Direction, Basis: row.Basis, Remote: dst, Sensor: rec.DstName,
					Tx: rec.TxBytes, Rx: rec.RxBytes, Null: rec.Null.String(), Names: one[0].Names[:0],
				}
				for _, id := range r.addrs[row.Remote.Addr()] {
					one[0].Names = append(one[0].Names, name{r.names[id], "resolved"})
				}
				if _, err := w.Write(one); err != nil {
					b.Fatal(err)
				}
				n++
			}
			if err := w.Close(); err != nil {
				b.Fatal(err)
			}
			b.SetBytes(int64(out) / int64(n))
			b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "records/s")
		})
	}
}

type counter int

func (c *counter) Write(p []byte) (int, error) { *c += counter(len(p)); return len(p), nil }
