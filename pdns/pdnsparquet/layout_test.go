package pdnsparquet_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/fstest"

	"github.com/endoflow/endoflow/pdns"
	"github.com/endoflow/endoflow/pdns/pdnsparquet"
	"github.com/google/go-cmp/cmp"
	"github.com/parquet-go/parquet-go"
)

// optionalRow has columns that may be null, and a name asked for.
type optionalRow struct {
	RRName    *string `parquet:"rrname,optional,dict"`
	RRType    *string `parquet:"rrtype,optional"`
	RData     *string `parquet:"rdata,optional"`
	TimeFirst *int64  `parquet:"time_first,optional,timestamp(millisecond)"`
	TimeLast  *int64  `parquet:"time_last,optional,timestamp(nanosecond)"`
	Count     *int32  `parquet:"count,optional"`
	Query     *string `parquet:"query,optional,dict"`
	TTL       *int32  `parquet:"ttl,optional"`
}

func ptr[T any](v T) *T { return &v }

// sampleRows are n rows whose columns are sometimes null where they may be.
func sampleRows(n int) []optionalRow {
	rng := rand.New(rand.NewPCG(3, uint64(n)))
	rows := make([]optionalRow, n)
	for i := range rows {
		r := &rows[i]
		r.RRName = ptr(fmt.Sprintf("Host%d.Site.example.", rng.IntN(20)))
		switch rng.IntN(6) {
		case 0:
			r.RRType, r.RData = ptr("AAAA"), ptr(fmt.Sprintf("2001:DB8::%x", rng.IntN(30)))
		case 1:
			r.RRType, r.RData = ptr("CNAME"), ptr(fmt.Sprintf("host%d.site.example", rng.IntN(20)))
		case 2:
			r.RRType, r.RData = ptr("TYPE65"), ptr("data")
		default:
			r.RRType, r.RData = ptr("a"), ptr(fmt.Sprintf("192.0.2.%d", rng.IntN(30)))
		}
		first := 1_600_000_000_000 + rng.Int64N(1e9)
		if rng.IntN(3) > 0 {
			r.TimeFirst = ptr(first)
		}
		if rng.IntN(3) > 0 {
			r.TimeLast = ptr((first + rng.Int64N(1e6)) * 1_000_000)
		}
		if rng.IntN(3) > 0 {
			r.Count = ptr(rng.Int32N(9))
		}
		if rng.IntN(4) == 0 {
			r.TTL = ptr(rng.Int32N(3600))
		}
		if rng.IntN(4) == 0 {
			r.Query = ptr([]string{"asked.example", ""}[rng.IntN(2)])
		}
		if rng.IntN(12) == 0 {
			r.RData = nil
		}
	}
	return rows
}

// write returns the rows in a Parquet file.
func write[T any](t testing.TB, rows []T, options ...parquet.WriterOption) []byte {
	t.Helper()
	var text bytes.Buffer
	w := parquet.NewGenericWriter[T](&text, options...)
	if _, err := w.Write(rows); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return text.Bytes()
}

// model reads rows the plain way, with the library's own reader of rows, and
// has each of them in the Builder by way of COF text and a Record.
func model(t testing.TB, text []byte) map[string][]pdns.Name {
	t.Helper()
	r := parquet.NewGenericReader[optionalRow](bytes.NewReader(text))
	defer r.Close()
	var b pdns.Builder
	row := make([]optionalRow, 1)
	for {
		row[0] = optionalRow{}
		n, err := r.Read(row)
		if n == 1 {
			o := row[0]
			cof := map[string]any{"rrname": o.RRName, "rrtype": o.RRType, "rdata": o.RData, "count": o.Count, "time_first_ms": o.TimeFirst}
			if o.TimeLast != nil {
				cof["time_last_ms"] = *o.TimeLast / 1_000_000
			}
			maps.DeleteFunc(cof, func(k string, v any) bool { p, ok := v.(*int32); return ok && p == nil })
			maps.DeleteFunc(cof, func(k string, v any) bool { p, ok := v.(*int64); return ok && p == nil })
			line, err := json.Marshal(cof)
			if err != nil {
				t.Fatal(err)
			}
			recs, err := new(pdns.COF).Decode(line, nil)
			if err != nil && !errors.Is(err, pdns.ErrSkip) && o.RData != nil {
				t.Fatalf("%v: %s", err, line)
			}
			for _, rec := range recs {
				if o.Query != nil {
					rec.Query = *o.Query
				}
				b.Add(rec)
			}
		}
		if err == io.EOF {
			return dump(build(t, &b))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

func oneFile(text []byte) pdnsparquet.Files {
	return pdnsparquet.Files{FS: fstest.MapFS{"f.parquet": {Data: text}}, Patterns: []string{"f.parquet"}}
}

func TestLayouts(t *testing.T) {
	rows := sampleRows(700)
	for name, options := range map[string][]parquet.WriterOption{
		"default":    nil,
		"v1":         {parquet.DataPageVersion(1)},
		"one row":    {parquet.MaxRowsPerRowGroup(1)},
		"small":      {parquet.MaxRowsPerRowGroup(90), parquet.PageBufferSize(64)},
		"overflow":   {parquet.DictionaryMaxBytes(64), parquet.PageBufferSize(128), parquet.DataPageVersion(1)},
		"snappy":     {parquet.Compression(&parquet.Snappy)},
		"gzip":       {parquet.Compression(&parquet.Gzip), parquet.DataPageVersion(1)},
		"zstd":       {parquet.Compression(&parquet.Zstd)},
		"lz4":        {parquet.Compression(&parquet.Lz4Raw), parquet.DataPageVersion(1)},
		"brotli":     {parquet.Compression(&parquet.Brotli)},
		"delta":      {parquet.DefaultEncodingFor(parquet.ByteArray, &parquet.DeltaByteArray), parquet.DefaultEncodingFor(parquet.Int64, &parquet.DeltaBinaryPacked)},
		"statistics": {parquet.DataPageStatistics(true)},
	} {
		t.Run(name, func(t *testing.T) {
			n := len(rows)
			if name == "one row" {
				n = 100
			}
			text := write(t, rows[:n], options...)
			// The library's reader does not read every layout that its writer
			// writes (0.32.0 fails on LZ4 in pages of version 1).
			want := model(t, write(t, rows[:n]))
			for _, workers := range []int{1, 2, 5} {
				files := oneFile(text)
				files.Workers = workers
				got, _, counts := fill(t, files, nil)
				if diff := cmp.Diff(want, got); diff != "" {
					t.Fatalf("%d workers: Index (-want +got):\n%s", workers, diff)
				}
				if counts.Lines != int64(n) || counts.Files != 1 || counts.Bytes == 0 {
					t.Errorf("counts: %+v", counts)
				}
				fromRecords(t, files, want)
			}
		})
	}
}

// fromRecords checks that the records of Read lead to the same Index.
func fromRecords(t *testing.T, files pdnsparquet.Files, want map[string][]pdns.Name) {
	t.Helper()
	var b pdns.Builder
	var all []pdns.Record
	files.Workers = 1
	counts, err := files.Read(t.Context(), func(recs iter.Seq2[pdns.Record, error]) error {
		for rec, err := range recs {
			if err != nil {
				return err
			}
			all = append(all, rec)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	addUp(t, counts)
	for _, rec := range slices.Backward(all) {
		b.Add(rec)
	}
	if diff := cmp.Diff(want, dump(build(t, &b))); diff != "" {
		t.Errorf("Index of the records (-want +got):\n%s", diff)
	}
}

// addressRow has addresses as bytes, and numbers for types.
type addressRow struct {
	Owner string   `parquet:"OWNER"`
	Type  int64    `parquet:"QType"`
	Data  [16]byte `parquet:"data"`
	TTL   float64  `parquet:"ttl"`
	First int32    `parquet:"first,date"`
}

func TestRecords(t *testing.T) {
	rows := []addressRow{
		{"a.example", 28, [16]byte{0x20, 0x01, 0x0d, 0xb8, 15: 1}, 1.5, 365},
		{"b.example", 16, [16]byte{}, 0, 1},
		{"c.example", 1, [16]byte{}, 0, 1},
		{"..", 28, [16]byte{1}, 0, 1},
		{"e.example", 70000, [16]byte{1}, 0, 1},
	}
	var got []string
	files := oneFile(write(t, rows))
	files.Workers = 1
	counts, err := files.Read(t.Context(), func(recs iter.Seq2[pdns.Record, error]) error {
		for rec, err := range recs {
			if err != nil {
				got = append(got, err.Error())
			} else {
				got = append(got, fmt.Sprintf("%s %s %s %s %s %v %d", rec.RRName, rec.RRType, rec.RData, rec.TTL, rec.TimeFirst, rec.TimeLast.IsZero(), rec.Count))
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"f.parquet:3: field data: not an IPv4 address",
		"f.parquet:5: field QType: not a record type",
		"f.parquet:4: field OWNER: not a host name in printable ASCII",
		"a.example AAAA 2001:db8::1 1.5s 1971-01-01 00:00:00 +0000 UTC true 1",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	addUp(t, counts)
	if want := int64(1); counts.Skipped["not of type A, AAAA or CNAME"] != want {
		t.Errorf("counts: %+v", counts)
	}
}

// TestColumns checks how columns are found, and what is said of those that are
// not there or of a type that has no such meaning.
func TestColumns(t *testing.T) {
	type listed struct {
		QName   string   `parquet:"qname"`
		Type    string   `parquet:"type"`
		Answers []string `parquet:"answers,list"`
		Asked   string   `parquet:"asked"`
	}
	text := write(t, []listed{{"a.example", "A", []string{"192.0.2.1", "192.0.2.2"}, "q.example"}, {"b.example", "A", nil, ""}})
	for _, c := range []struct {
		columns pdnsparquet.Columns
		want    string
	}{
		{pdnsparquet.Columns{}, "ok 2"},
		{pdnsparquet.Columns{Query: "ASKED"}, "ok 2"},
		{pdnsparquet.Columns{RData: "rdata"}, "f.parquet:1: field rdata: the rest of the file cannot be read: not in the file"},
		{pdnsparquet.Columns{RRName: "-"}, "f.parquet:1: field rrname: the rest of the file cannot be read: not in the file"},
		{pdnsparquet.Columns{Count: "qname"}, "f.parquet:1: field qname: the rest of the file cannot be read: of a type that cannot be read as this"},
		{pdnsparquet.Columns{RRName: "answers"}, "f.parquet:1: field answers: the rest of the file cannot be read: a list: of a type that cannot be read as this"},
	} {
		files := oneFile(text)
		files.Columns = c.columns
		var b pdns.Builder
		got := ""
		_, err := files.Fill(t.Context(), &b, func(pe *pdns.ParseError) { got = pe.Error() })
		if err != nil {
			t.Fatal(err)
		}
		if got == "" {
			got = fmt.Sprint("ok ", b.Stats().Addresses)
		}
		if got != c.want {
			t.Errorf("%+v:\nwant %s\ngot  %s", c.columns, c.want, got)
		}
	}
}

// TestRepeated reads lists that are nothing but a repeated column.
func TestRepeated(t *testing.T) {
	type repeated struct {
		Name  string   `parquet:"rrname"`
		Type  string   `parquet:"rrtype"`
		RData []string `parquet:"rdata"`
	}
	text := write(t, []repeated{
		{"a.example", "A", []string{"192.0.2.1", "192.0.2.2"}},
		{"b.example", "A", nil},
		{"c.example", "MX", []string{"x"}},
		{"d.example", "A", []string{"192.0.2.3", "not one"}},
		{"e.example", "CNAME", []string{"a.example"}},
	}, parquet.PageBufferSize(16))
	var b pdns.Builder
	var problems []string
	files := oneFile(text)
	counts, err := files.Fill(t.Context(), &b, func(pe *pdns.ParseError) { problems = append(problems, pe.Error()) })
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"f.parquet:4: field rdata: not an IPv4 address"}, problems); diff != "" {
		t.Errorf("problems (-want +got):\n%s", diff)
	}
	want := pdns.Counts{Files: 1, Bytes: counts.Bytes, Lines: 5, Records: 2, Errors: 1, Skipped: map[string]int64{"no answers": 1, "not of type A, AAAA or CNAME": 1}}
	if diff := cmp.Diff(want, counts); diff != "" {
		t.Errorf("counts (-want +got):\n%s", diff)
	}
	if got, want := b.Stats(), (pdns.BuilderStats{Rows: 3, Addresses: 2, CNAMEs: 1}); got != want {
		t.Errorf("stats: want %+v, got %+v", want, got)
	}
}

func TestStops(t *testing.T) {
	text := write(t, sampleRows(300), parquet.MaxRowsPerRowGroup(50))
	files := oneFile(text)
	files.Workers = 2
	n := 0
	if _, err := files.Read(t.Context(), func(recs iter.Seq2[pdns.Record, error]) error {
		for range recs {
			return errors.New("enough")
		}
		return nil
	}); err == nil || err.Error() != "enough" {
		t.Errorf("want the loop's error, got %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	files.Workers = 1
	if _, err := files.Read(ctx, func(recs iter.Seq2[pdns.Record, error]) error {
		var last error
		for _, err := range recs {
			if n++; n == 60 {
				cancel()
			}
			last = err
		}
		return last
	}); err != context.Canceled {
		t.Errorf("want %v, got %v", context.Canceled, err)
	}
	if _, err := files.Fill(ctx, new(pdns.Builder), nil); err != context.Canceled {
		t.Errorf("want %v, got %v", context.Canceled, err)
	}
	files.Patterns = []string{"none*"}
	if _, err := files.Fill(t.Context(), new(pdns.Builder), nil); err == nil {
		t.Error("a pattern that names no file is no error")
	}
}

func TestProgress(t *testing.T) {
	text := write(t, sampleRows(300), parquet.MaxRowsPerRowGroup(50))
	var last pdns.Progress
	files := pdnsparquet.Files{
		FS:       fstest.MapFS{"a.parquet": {Data: text}, "b.parquet": {Data: []byte("PAR1 cut")}},
		Patterns: []string{"*.parquet"}, Workers: 2,
		Progress: func(p pdns.Progress) { last = p },
	}
	var problems []string
	counts, err := files.Fill(t.Context(), new(pdns.Builder), func(pe *pdns.ParseError) { problems = append(problems, pe.Error()) })
	if err != nil {
		t.Fatal(err)
	}
	size := int64(len(text) + 8)
	want := pdns.Progress{Files: 2, FilesDone: 2, Size: size, Read: size, Lines: 300}
	if diff := cmp.Diff(want, last); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if counts.Files != 2 || counts.Damaged != 1 || len(problems) != 1 {
		t.Errorf("counts %+v, problems %q", counts, problems)
	}
}

func TestIsParquet(t *testing.T) {
	for head, want := range map[string]bool{"PAR1\x15": true, "PARE": true, "PAR": false, "": false, `{"rrname"`: false} {
		if got := pdnsparquet.IsParquet([]byte(head)); got != want {
			t.Errorf("%q: want %v, got %v", head, want, got)
		}
	}
}
