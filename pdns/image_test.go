package pdns_test

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/endoflow/endoflow/pdns"
	gocmp "github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files")

// file returns what WriteFile writes.
func file(t testing.TB, b *pdns.Builder) []byte {
	t.Helper()
	name := filepath.Join(t.TempDir(), "names")
	if err := b.WriteFile(t.Context(), name); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// openBytes opens a file of some content, until the test's end.
func openBytes(t testing.TB, text []byte) (*pdns.Index, error) {
	t.Helper()
	name := filepath.Join(t.TempDir(), "names")
	if err := os.WriteFile(name, text, 0o666); err != nil {
		t.Fatal(err)
	}
	x, err := pdns.Open(name)
	if err == nil {
		t.Cleanup(func() {
			if err := errors.Join(x.Close(), x.Close()); err != nil {
				t.Error(err)
			}
		})
	}
	return x, err
}

// TestFileModel compares indexes of files with the model.
func TestFileModel(t *testing.T) {
	for seed := range uint64(60) {
		rng := rand.New(rand.NewPCG(seed, 2))
		names, addrs, limit := 1+rng.IntN(40), 1+rng.IntN(8), 1+rng.IntN(20)
		recs := randomRecords(rng, rng.IntN(120), names, addrs)
		b := pdns.Builder{MaxNames: limit}
		for _, r := range recs {
			b.Add(r)
		}
		x, err := openBytes(t, file(t, &b))
		if err != nil {
			t.Fatal(err)
		}
		compareWithModel(t, x, newModel(recs, limit), addrs)
		for _, x := range []*pdns.Index{x, build(t, &b)} {
			if err := x.Verify(t.Context()); err != nil {
				t.Error(err)
			}
		}
	}
}

// manyRecords returns records whose names and addresses are many more than fit
// into the least memory that a Builder keeps to.
func manyRecords(rng *rand.Rand, n int) []pdns.Record {
	recs := make([]pdns.Record, n)
	name := func(n int) string { return fmt.Sprintf("h%d.s%d.example", n%5, rng.IntN(n)) }
	for i := range recs {
		addr := address(rng.Uint32N(uint32(n / 3)))
		r := pdns.Record{RRName: name(n), RRType: pdns.A, RData: addr.String(), Count: rng.Uint64N(9)}
		if addr.Is6() {
			r.RRType = pdns.AAAA
		}
		switch rng.IntN(8) {
		case 0:
			r.TimeFirst = time.UnixMicro(rng.Int64N(1e15)).UTC()
			r.TimeLast = r.TimeFirst.Add(time.Duration(rng.Int64N(1e6)) * time.Microsecond)
		case 1:
			r.Query = name(n)
		case 2, 3:
			r.RRType, r.RData = pdns.CNAME, name(n)
		case 4, 5:
			r.TimeFirst = time.Unix(rng.Int64N(1e9), 0).UTC()
			r.TimeLast = r.TimeFirst.Add(time.Minute)
		}
		recs[i] = r
	}
	return recs
}

// TestSpilled: whatever the memory limit, the order of the records and their
// division among Builders, the file is the same to the byte.
func TestSpilled(t *testing.T) {
	for seed := range uint64(6) {
		rng := rand.New(rand.NewPCG(seed, 3))
		recs := manyRecords(rng, 2000+12_000*int(seed%3)+rng.IntN(12_000))
		filter := pdns.NewFilter(uint(len(recs)), 0.001)
		for i := range uint32(len(recs) / 4) {
			filter.Add(address(i))
		}
		if seed%3 == 0 {
			filter = nil
		}
		limit := []int{0, 2, 30}[rng.IntN(3)]
		one := pdns.Builder{Filter: filter, MaxNames: limit}
		for _, r := range recs {
			one.Add(r)
		}
		want := file(t, &one)

		rng.Shuffle(len(recs), func(i, j int) { recs[i], recs[j] = recs[j], recs[i] })
		dir := t.TempDir()
		parts := make([]pdns.Builder, 1+rng.IntN(4))
		for i := range parts {
			parts[i] = pdns.Builder{Filter: filter, Memory: []int64{0, 1, 1 << 20}[rng.IntN(3)], Dir: dir}
		}
		for _, r := range recs {
			b := &parts[rng.IntN(len(parts))]
			b.Add(r)
			if rng.IntN(2000) == 0 {
				if err := b.Flush(); err != nil {
					t.Fatal(err)
				}
			}
		}
		sum := pdns.Builder{Filter: filter, MaxNames: limit, Memory: 1, Dir: dir}
		for _, i := range rng.Perm(len(parts)) {
			sum.Merge(&parts[i])
		}
		for i := range parts {
			if err := parts[i].Close(); err != nil {
				t.Error(err)
			}
		}
		if got := file(t, &sum); !bytes.Equal(want, got) {
			t.Fatalf("seed %d: spilled differs from not spilled: %d and %d bytes", seed, len(got), len(want))
		}
		stats := sum.Stats()
		if stats.Runs < 2 || stats.Spilled == 0 || stats.Spilled < 1000*(stats.Runs-40) {
			t.Errorf("seed %d: nothing was spilled, or many small runs: %+v", seed, stats)
		}
		stats.FilterTests, stats.Runs, stats.Spilled = one.Stats().FilterTests, 0, 0
		if diff := gocmp.Diff(one.Stats(), stats); diff != "" {
			t.Errorf("seed %d: stats (-in memory +spilled):\n%s", seed, diff)
		}
		x := build(t, &sum)
		if diff := gocmp.Diff(dumpIndex(build(t, &one)), dumpIndex(x)); diff != "" {
			t.Errorf("seed %d: Index (-in memory +spilled):\n%s", seed, diff)
		}
		if err := errors.Join(x.Verify(t.Context()), x.Close(), sum.Close()); err != nil {
			t.Error(err)
		}
		if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
			t.Errorf("left in the folder: %v, %v", left, err)
		}
	}
}

// goldenRecords have every group and evidence, both families, times of every unit,
// and an address of more names than a line has room for.
func goldenRecords() []pdns.Record {
	at := func(us int64) time.Time { return time.UnixMicro(us).UTC() }
	var recs []pdns.Record
	for i := range 12 {
		recs = append(recs, pdns.Record{RRName: fmt.Sprintf("n%d.example", i), RRType: pdns.A, RData: "203.0.113.9"})
	}
	return append(recs, []pdns.Record{
		{RRName: "edge.cdn.example", RRType: pdns.A, RData: "192.0.2.1", TimeFirst: at(1_600_000_000_000_000), TimeLast: at(1_600_000_100_000_000), Count: 3},
		{RRName: "www.shop.example", RRType: pdns.CNAME, RData: "edge.cdn.example"},
		{RRName: "unused.example", RRType: pdns.CNAME, RData: "nowhere.example"},
		{RRName: "edge.cdn.example", RRType: pdns.A, RData: "192.0.2.1", Query: "img.shop.example", TimeFirst: at(1_600_000_000_001_000)},
		{RRName: "direct.example", RRType: pdns.A, RData: "192.0.2.1", Query: "direct.example"},
		{RRName: "direct.example", RRType: pdns.AAAA, RData: "2001:db8::1", Query: "alias.example", TimeLast: at(1)},
		{RRName: "a.example", RRType: pdns.AAAA, RData: "::1", Count: 1 << 40},
		{RRName: "b.example", RRType: pdns.A, RData: "198.51.100.7"},
	}...)
}

// goldenFiles are made of goldenRecords with and without times.
var goldenFiles = map[string]bool{"testdata/names.v3": false, "testdata/names-only.v3": true}

// TestGolden holds the format: the files must be the same to the byte, and read
// the same.
func TestGolden(t *testing.T) {
	for name, noTimes := range goldenFiles {
		b := pdns.Builder{NoTimes: noTimes}
		for _, r := range goldenRecords() {
			b.Add(r)
		}
		got := file(t, &b)
		if *update {
			if err := os.WriteFile(name, got, 0o666); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(want, got) {
			t.Errorf("%s: the format has changed: %d bytes, want %d", name, len(got), len(want))
		}
		x, err := pdns.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		defer x.Close()
		if err := x.Verify(t.Context()); err != nil {
			t.Error(err)
		}
		if noTimes {
			if diff := gocmp.Diff(dumpIndex(build(t, &b)), dumpIndex(x)); diff != "" {
				t.Errorf("%s (-want +got):\n%s", name, diff)
			}
			continue
		}
		compareWithModelAt(t, x, newModel(goldenRecords(), pdns.DefaultMaxNames), []netip.Addr{
			netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2"), netip.MustParseAddr("198.51.100.7"),
			netip.MustParseAddr("203.0.113.9"), netip.MustParseAddr("::1"), netip.MustParseAddr("2001:db8::1"),
		})
	}
}

// use asks an Index everything, and fails the test only by a panic.
func use(t testing.TB, x *pdns.Index) {
	for _, mode := range []pdns.Mode{pdns.Query, pdns.Owner} {
		view := x.Mode(mode)
		for addr := range view.Addrs() {
			view.Lookup(addr)
			view.LookupAddr(t.Context(), addr)
			view.AppendNameIDs(nil, addr)
		}
		for _, r := range goldenRecords() {
			if addr, ok := r.Addr(); ok {
				view.Lookup(addr)
				view.LookupAddr(t.Context(), addr)
				view.AppendNameIDs(nil, addr)
			}
		}
		view.Stats()
	}
	for id := range uint32(min(x.NumNames(), 1000)) {
		x.NameOf(id)
	}
	x.NameOf(1<<32 - 1)
}

// checkCorrupt checks that a file that is not what was written is found out, with
// its name and a place.
func checkCorrupt(t *testing.T, what string, size int, err error) {
	t.Helper()
	fe, ok := errors.AsType[*pdns.FormatError](err)
	if !ok || fe.Name == "" || fe.Offset < 0 || fe.Offset > int64(size) || !strings.HasPrefix(err.Error(), fe.Name+": offset ") {
		t.Errorf("%s: %v", what, err)
	}
}

func TestCorrupt(t *testing.T) {
	for golden := range goldenFiles {
		text, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		testCorrupt(t, text)
	}
}

func testCorrupt(t *testing.T, text []byte) {
	name := filepath.Join(t.TempDir(), "names")
	try := func(damaged []byte) error {
		if err := os.WriteFile(name, damaged, 0o666); err != nil {
			t.Fatal(err)
		}
		x, err := pdns.Open(name)
		if err != nil {
			return err
		}
		defer x.Close()
		use(t, x)
		return x.Verify(t.Context())
	}
	for n := range text {
		checkCorrupt(t, fmt.Sprintf("cut to %d bytes", n), n, try(text[:n]))
	}
	checkCorrupt(t, "a byte more", len(text)+1, try(append(slices.Clone(text), 0)))
	for at := range text {
		for _, bit := range []byte{1, 0x80} {
			damaged := slices.Clone(text)
			damaged[at] ^= bit
			err := try(damaged)
			checkCorrupt(t, fmt.Sprintf("bit %#x of byte %d", bit, at), len(text), err)
			if at >= 12 && !errors.Is(err, pdns.ErrCorrupt) {
				t.Errorf("bit %#x of byte %d: %v", bit, at, err)
			}
		}
	}
	if err := try(text); err != nil {
		t.Error(err)
	}
}

func TestOpenErrors(t *testing.T) {
	if _, err := pdns.Open(filepath.Join(t.TempDir(), "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
	if _, err := pdns.Open(t.TempDir()); err == nil {
		t.Error("a folder was opened")
	}
	if _, err := openBytes(t, nil); err == nil || !strings.HasSuffix(err.Error(), "offset 0: not a file of an index of names") {
		t.Errorf("an empty file: %v", err)
	}
	future := slices.Concat([]byte("endopdns"), []byte{9, 0, 0, 0}, make([]byte, 500))
	if _, err := openBytes(t, future); err == nil || !strings.HasSuffix(err.Error(), "offset 8: version 9 is not known") {
		t.Errorf("another version: %v", err)
	}
}

// TestNoDisk: an error of the file system comes out of Flush, Build and
// WriteFile, and stays.
func TestNoDisk(t *testing.T) {
	gone := filepath.Join(t.TempDir(), "gone")
	b := pdns.Builder{Memory: 1, Dir: gone}
	for _, r := range manyRecords(rand.New(rand.NewPCG(1, 1)), 10_000) {
		b.Add(r)
	}
	_, err := b.Build(t.Context())
	for what, err := range map[string]error{"Flush": b.Flush(), "Build": err, "WriteFile": b.WriteFile(t.Context(), filepath.Join(t.TempDir(), "x"))} {
		if !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if s := b.Stats(); s.Rows != s.Addresses+s.CNAMEs+s.Dropped || s.Rows != 10_000 {
		t.Errorf("stats do not add up: %+v", s)
	}
	sum := pdns.Builder{}
	sum.Merge(&b)
	if _, err := sum.Build(t.Context()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("merged: %v", err)
	}
	if err := example().WriteFile(t.Context(), filepath.Join(gone, "x")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("WriteFile: %v", err)
	}
}

func TestBuildContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	dir := t.TempDir()
	b := example()
	if _, err := b.Build(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Build: %v", err)
	}
	if err := b.WriteFile(ctx, filepath.Join(dir, "x")); !errors.Is(err, context.Canceled) {
		t.Errorf("WriteFile: %v", err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left in the folder: %v, %v", left, err)
	}
	if err := build(t, b).Verify(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Verify: %v", err)
	}
}

// killedWriter is set in the environment of a process that TestKilled starts: the
// file to write again and again.
const killedWriter = "ENDOFLOW_TEST_KILLED_WRITER"

func TestMain(m *testing.M) {
	if name := os.Getenv(killedWriter); name != "" {
		writeForever(name)
	}
	os.Exit(m.Run())
}

func killedBuilder(generation int) *pdns.Builder {
	b := &pdns.Builder{Memory: 1, Dir: os.Getenv("TMPDIR")}
	for i := range uint32(3000) {
		b.Add(row(fmt.Sprintf("host%d.g%d.example", i, generation%2), pdns.A, netip.AddrFrom4([4]byte{21, byte(generation % 2), byte(i >> 8), byte(i)}).String()))
	}
	return b
}

func writeForever(name string) {
	for generation := 0; ; generation++ {
		b := killedBuilder(generation)
		if err := errors.Join(b.WriteFile(context.Background(), name), b.Close()); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		fmt.Println("written")
	}
}

// TestKilled kills processes that replace a file, at any moment: there must
// always be a whole file, and nothing else but files of known names.
func TestKilled(t *testing.T) {
	if testing.Short() {
		t.Skip("starts and kills processes for a second")
	}
	dir := t.TempDir()
	name := filepath.Join(dir, "names")
	if err := killedBuilder(0).WriteFile(t.Context(), name); err != nil {
		t.Fatal(err)
	}
	var want [2][]byte
	for i := range want {
		want[i] = file(t, killedBuilder(i))
	}
	rng := rand.New(rand.NewPCG(1, 1))
	var seen [2]int
	for range 25 {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), killedWriter+"="+name, "TMPDIR="+dir)
		out, err := cmd.StdoutPipe()
		if err == nil {
			err = cmd.Start()
		}
		if err != nil {
			t.Fatal(err)
		}
		// From its first file on, so that it is killed while it writes.
		if n, err := out.Read(make([]byte, 8)); err != nil || n == 0 {
			t.Fatalf("the process says nothing: %v", err)
		}
		time.Sleep(time.Duration(rng.IntN(30_000)) * time.Microsecond)
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		cmd.Wait()
		got, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		i := slices.IndexFunc(want[:], func(w []byte) bool { return bytes.Equal(w, got) })
		if i < 0 {
			t.Fatalf("neither the old file nor the new one: %d bytes", len(got))
		}
		seen[i]++
	}
	left, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range left {
		ours, _ := filepath.Match(name+".*.tmp", l)
		scratch, _ := filepath.Match(filepath.Join(dir, "endoflow-pdns-*.tmp"), l) // killed before its name was gone
		if l != name && !ours && !scratch {
			t.Errorf("left in the folder: %s", filepath.Base(l))
		}
	}
	t.Logf("old and new files seen: %v, temporary ones left: %d", seen, len(left)-1)
}

// FuzzOpen opens what is like a file, with a header whose checksum is right, and
// asks it everything.
func FuzzOpen(f *testing.F) {
	for golden := range goldenFiles {
		text, err := os.ReadFile(golden)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
		f.Add(text[:len(text)/2])
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		pdns.FixHeader(text)
		x, err := pdns.OpenBytes(text)
		if err != nil {
			return
		}
		use(t, x)
		if err := x.Verify(t.Context()); err != nil && !errors.Is(err, pdns.ErrCorrupt) {
			t.Error(err)
		}
	})
}
