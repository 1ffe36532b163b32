package pdnsparquet_test

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"testing/fstest"

	"github.com/endoflow/endoflow/pdns"
	"github.com/endoflow/endoflow/pdns/pdnsparquet"
	"github.com/google/go-cmp/cmp"
)

// dump returns what an Index has, in both modes.
func dump(x *pdns.Index) map[string][]pdns.Name {
	names := make(map[string][]pdns.Name)
	for _, mode := range []pdns.Mode{pdns.Query, pdns.Owner} {
		view := x.Mode(mode)
		for addr := range view.Addrs() {
			names[mode.String()+" "+addr.String()] = view.Lookup(addr)
		}
	}
	return names
}

// build returns the Index of a Builder.
func build(t testing.TB, b *pdns.Builder) *pdns.Index {
	t.Helper()
	idx, err := b.Build(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return idx
}

// wantIndex returns the Index of rows by way of their COF text.
func wantIndex(t testing.TB, text []byte, filter *pdns.Filter) (map[string][]pdns.Name, pdns.BuilderStats) {
	t.Helper()
	b := pdns.Builder{Filter: filter}
	files := pdns.Files{FS: fstest.MapFS{"rows.json": {Data: text}}, Patterns: []string{"rows.json"}}
	if _, err := files.Fill(context.Background(), &b, func(pe *pdns.ParseError) { t.Error(pe) }); err != nil {
		t.Fatal(err)
	}
	return dump(build(t, &b)), b.Stats()
}

// fill returns the Index of a Parquet file, and the counts.
func fill(t testing.TB, f pdnsparquet.Files, filter *pdns.Filter) (map[string][]pdns.Name, pdns.BuilderStats, pdns.Counts) {
	t.Helper()
	b := pdns.Builder{Filter: filter}
	counts, err := f.Fill(context.Background(), &b, func(pe *pdns.ParseError) { t.Error(pe) })
	if err != nil {
		t.Fatal(err)
	}
	addUp(t, counts)
	return dump(build(t, &b)), b.Stats(), counts
}

func addUp(t testing.TB, c pdns.Counts) {
	t.Helper()
	sum := c.Records + c.Errors
	for _, n := range c.Skipped {
		sum += n
	}
	if sum != c.Lines {
		t.Errorf("counts do not add up: %+v", c)
	}
}

// TestWriters reads what pyarrow and DuckDB have written; see testdata/make.py.
func TestWriters(t *testing.T) {
	text, err := os.ReadFile("testdata/rows.json")
	if err != nil {
		t.Fatal(err)
	}
	want, _ := wantIndex(t, text, nil)
	thinner := pdns.NewFilter(16, 1e-6)
	for line := range bytes.Lines(text) {
		var r struct{ RRType, RData string }
		if err := json.Unmarshal(line, &r); err != nil {
			t.Fatal(err)
		}
		rec := pdns.Record{RRType: pdns.A, RData: r.RData}
		if addr, ok := rec.Addr(); ok && addr.As4()[3]%5 == 0 {
			thinner.Add(addr)
		}
	}
	wantThin, wantStats := wantIndex(t, text, thinner)
	names, err := filepath.Glob("testdata/*.parquet")
	if err != nil || len(names) < 20 {
		t.Fatalf("files: %v, %v", names, err)
	}
	for _, name := range names {
		t.Run(filepath.Base(name), func(t *testing.T) {
			for _, workers := range []int{1, 3} {
				files := pdnsparquet.Files{Patterns: []string{name}, Workers: workers}
				got, _, _ := fill(t, files, nil)
				if diff := cmp.Diff(want, got); diff != "" {
					t.Fatalf("Index (-want +got):\n%s", diff)
				}
				got, stats, _ := fill(t, files, thinner)
				if diff := cmp.Diff(wantThin, got); diff != "" {
					t.Errorf("thinned Index (-want +got):\n%s", diff)
				}
				if stats != wantStats {
					t.Errorf("stats: want %+v, got %+v", wantStats, stats)
				}
			}
		})
	}
}
