package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestMain makes the test binary the processes that the program starts itself
// as.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && (os.Args[1] == duckdbProcess || os.Args[1] == "-generate-only") {
		main()
		return
	}
	os.Exit(m.Run())
}

// compare runs the program and returns what it measured.
func compare(t *testing.T, args ...string) result {
	t.Helper()
	var stdout bytes.Buffer
	if err := run(t.Context(), append([]string{"-scale", "tiny", "-json", "-rounds", "1"}, args...), &stdout, io.Discard); err != nil {
		t.Fatalf("compare %v: %v", args, err)
	}
	var res result
	if err := json.Unmarshal(stdout.Bytes(), &res); err != nil {
		t.Fatal(err)
	}
	return res
}

// TestStudy: whatever the files are like, and however DuckDB is asked, both
// sides have the same rows.
func TestStudy(t *testing.T) {
	for _, tt := range []struct{ codec, style, variant string }{
		{"gzip", "compact", "pruned"},
		{"zstd", "compact", "distinct"},
		{"plain", "collector", "lists"},
		{"gzip", "collector", "pruned"},
	} {
		t.Run(tt.codec+"-"+tt.style+"-"+tt.variant, func(t *testing.T) {
			res := compare(t, "-dir", t.TempDir(), "-codec", tt.codec, "-style", tt.style, "-variant", tt.variant)
			if res.Rows < 100_000 {
				t.Errorf("%d rows, want many", res.Rows)
			}
			for _, c := range append(res.Ours, res.Theirs...) {
				if c.Wall <= 0 || c.CPU <= 0 || c.Peak < 0 {
					t.Errorf("cost %+v", c)
				}
			}
		})
	}
}

// TestSpill: little memory changes nothing in the study's rows.
func TestSpill(t *testing.T) {
	var stdout bytes.Buffer
	if err := run(t.Context(), []string{"-scale", "tiny", "-task", "spill", "-dir", t.TempDir()}, &stdout, io.Discard); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(stdout.String(), "-memory "); n != 4 {
		t.Errorf("%d runs:\n%s", n, &stdout)
	}
}

// TestAnnotate: both write flows as Parquet with as many names; DuckDB those that
// are outbound on macOS, which are the same in both forms.
func TestAnnotate(t *testing.T) {
	dir := t.TempDir()
	full, factored := compare(t, "-dir", dir, "-task", "annotate"), compare(t, "-dir", dir, "-task", "factored")
	if full.Ours[0].Flows != 30_000 || full.Theirs[0].Flows < 15_000 || full.Theirs[0].Flows != factored.Theirs[0].Flows {
		t.Errorf("annotate wrote %d flows, DuckDB %d and %d", full.Ours[0].Flows, full.Theirs[0].Flows, factored.Theirs[0].Flows)
	}
}

// TestGenerate: the same fleet is the same bytes, however many make it, and is
// not made over another.
func TestGenerate(t *testing.T) {
	f := fleet{Seed: 7, Flows: 5000, Rows: 9000, Devices: 50, Codec: "zstd", Style: "collector"}
	one, two := t.TempDir(), t.TempDir()
	for dir, workers := range map[string]int{one: 1, two: 3} {
		if err := generate(t.Context(), dir, f, workers); err != nil {
			t.Fatal(err)
		}
	}
	names, err := os.ReadDir(one)
	if err != nil || len(names) != flowParts+dnsParts+1 {
		t.Fatalf("%d files, error %v", len(names), err)
	}
	for _, entry := range names {
		a, err1 := os.ReadFile(filepath.Join(one, entry.Name()))
		b, err2 := os.ReadFile(filepath.Join(two, entry.Name()))
		if err := errors.Join(err1, err2); err != nil || !bytes.Equal(a, b) {
			t.Errorf("%s differs, error %v", entry.Name(), err)
		}
	}
	f.Seed++
	if err := generate(t.Context(), one, f, 1); err == nil || !strings.Contains(err.Error(), "another fleet") {
		t.Errorf("error %v", err)
	}
}

func TestCompareFiles(t *testing.T) {
	const ours = "app,endpoint,port,devices,active_devices,flows\n" + "A,a,,1,2,3\n" + "A,b,,1,2,3\n" + "B,a,,1,2,3\n" + "C,z,,1,2,3\n"
	for _, tt := range []struct {
		theirs string
		want   difference
	}{
		{"A,a,1,2,3\nA,b,1,2,3\nB,a,1,2,3\nC,z,1,2,3\n", difference{equal: 4}},
		{"A,a,1,2,3\nA,aa,1,2,3\nA,b,1,2,4\nC,z,1,2,3\nD,a,1,2,3\n", difference{2, 1, 2, 1, []string{
			"DuckDB [A aa 1 2 3]", "study  [A b 1 2 3]\nDuckDB [A b 1 2 4]", "study  [B a 1 2 3]", "DuckDB [D a 1 2 3]"}}},
		{"", difference{onlyOurs: 4, sample: []string{"study  [A a 1 2 3]", "study  [A b 1 2 3]", "study  [B a 1 2 3]", "study  [C z 1 2 3]"}}},
	} {
		dir := t.TempDir()
		a, b := filepath.Join(dir, "a"), filepath.Join(dir, "b")
		if err := errors.Join(os.WriteFile(a, []byte(ours), 0o600),
			os.WriteFile(b, []byte("app,name,devices,active_devices,flows\n"+tt.theirs), 0o600)); err != nil {
			t.Fatal(err)
		}
		got, err := compareFiles(a, b)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(tt.want, *got, cmp.AllowUnexported(difference{})); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
	}
}

func TestArguments(t *testing.T) {
	for _, args := range [][]string{
		{"-scale", "XL"}, {"-variant", "best"}, {"-task", "all"}, {"-rounds", "0"}, {"-task", "annotate", "-style", "collector"}, {"more"},
		{"-generate-only", "-codec", "lzma", "-dir", t.TempDir()}, {"-generate-only", "-style", "long", "-dir", t.TempDir()},
	} {
		if err := run(context.Background(), args, io.Discard, io.Discard); err == nil {
			t.Errorf("%v: no error", args)
		}
	}
}
