package pdnsparquet_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"testing/fstest"

	"github.com/endoflow/endoflow/pdns"
	"github.com/endoflow/endoflow/pdns/pdnsparquet"
	"github.com/google/go-cmp/cmp"
	"github.com/parquet-go/parquet-go"
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
				stats.FilterTests, wantStats.FilterTests = 0, 0
				if stats != wantStats {
					t.Errorf("stats: want %+v, got %+v", wantStats, stats)
				}
			}
		})
	}
}

// TestWithout: what a Builder does not keep is not read, and makes no difference to
// what it does.
func TestWithout(t *testing.T) {
	names, err := filepath.Glob("testdata/*.parquet")
	if err != nil || len(names) == 0 {
		t.Fatal(names, err)
	}
	for _, name := range names {
		for _, noCNAMEs := range []bool{false, true} {
			var want []byte
			for _, noTimes := range []bool{false, true} {
				b := pdns.Builder{NoTimes: noTimes, NoCNAMEs: noCNAMEs}
				files := pdnsparquet.Files{Patterns: []string{name}}
				counts, err := files.Fill(t.Context(), &b, nil)
				if err != nil {
					t.Fatal(err)
				}
				x, err := b.Build(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				var got []byte
				for _, mode := range []pdns.Mode{pdns.Query, pdns.Owner} {
					view := x.Mode(mode)
					for addr := range view.Addrs() {
						for _, n := range view.Lookup(addr) {
							got = fmt.Appendln(got, mode, addr, n.Name, n.Evidence)
							if noTimes != (n.Count == 0) || noTimes && !n.First.IsZero() {
								t.Fatalf("%s: %+v", name, n)
							}
						}
					}
				}
				stats := b.Stats()
				got = fmt.Appendln(got, stats, counts.Lines, counts.Records, counts.Skipped)
				if want == nil {
					want = got
				}
				if diff := cmp.Diff(string(want), string(got)); diff != "" {
					t.Errorf("%s: (-all +without):\n%s", name, diff)
				}
				if stats.CNAMEs == 0 || noCNAMEs != bytes.Equal(part(got, "query"), part(got, "owner")) {
					t.Errorf("%s, noCNAMEs %v: %+v\n%s", name, noCNAMEs, stats, got)
				}
			}
		}
	}
}

// part returns the lines of a mode, without it.
func part(lines []byte, mode string) (of []byte) {
	for line := range bytes.Lines(lines) {
		if rest, ok := bytes.CutPrefix(line, []byte(mode)); ok {
			of = append(of, rest...)
		}
	}
	return of
}

// TestSpilled: a Builder that spills while a file is read makes the same Index,
// to the byte. The numbers of names and addresses that the scan remembers are
// void then.
func TestSpilled(t *testing.T) {
	text := benchFile(t, 100_000, 12, &parquet.Zstd)
	filter := benchSeen(100_000, 0.8)
	files := pdnsparquet.Files{FS: fstest.MapFS{"rows.parquet": {Data: text}}, Patterns: []string{"rows.parquet"}}
	var want []byte
	for _, c := range []struct {
		memory  int64
		workers int
	}{{0, 1}, {1, 1}, {1, 3}, {2 << 20, 2}} {
		files.Workers = c.workers
		b := pdns.Builder{Filter: filter, Memory: c.memory, Dir: t.TempDir()}
		if _, err := files.Fill(t.Context(), &b, nil); err != nil {
			t.Fatal(err)
		}
		name := filepath.Join(t.TempDir(), "names")
		if err := errors.Join(b.WriteFile(t.Context(), name), b.Close()); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if stats := b.Stats(); (stats.Runs > 1) != (c.memory > 0) {
			t.Errorf("memory %d, %d workers: %+v", c.memory, c.workers, stats)
		}
		if want == nil {
			want = got
		}
		if !bytes.Equal(want, got) {
			t.Errorf("memory %d, %d workers: another file: %d bytes, want %d", c.memory, c.workers, len(got), len(want))
		}
	}
}
