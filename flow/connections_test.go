package flow_test

import (
	"fmt"
	"iter"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"github.com/endoflow/endoflow/flow"
	"github.com/google/go-cmp/cmp"
)

// report writes one NVM report: stage as in fsg, conn tells connections apart.
func report(device string, conn, stage, end, tx int) string {
	return fmt.Sprintf(`{"pr":6,"sa":"10.0.0.5","sp":%d,"da":"21.0.0.1","dp":443,"fss":1600000000,"fes":%d,"udid":%q,"pn":"x","obc":%d,"fsg":%d}`,
		5000+conn, 1600000000+end, device, tx, stage)
}

const (
	stageEnd = iota
	stageStart
	stagePeriodic
)

type outcome struct {
	Device  string
	Port    uint16
	Report  string
	Seconds int
	Tx      uint64
}

func outcomes(recs []flow.Record) map[outcome]int {
	m := make(map[outcome]int)
	for _, r := range recs {
		m[outcome{r.Device, r.Src.Port(), r.Report.String(), int(r.End.Sub(r.Start) / time.Second), r.TxBytes}]++
	}
	return m
}

// TestReports: each connection is one record, whatever reports there are of it
// and whichever files they are in.
func TestReports(t *testing.T) {
	for _, tt := range []struct {
		rule  string
		files []string // lines
		want  map[outcome]int
		skips int64
	}{
		{
			"start, periodic and end are one connection with the end's counters",
			[]string{report("A", 1, stageStart, 0, 0) + "\n" + report("A", 1, stagePeriodic, 60, 10) + "\n" + report("A", 1, stageEnd, 90, 30)},
			map[outcome]int{{"A", 5001, "end", 90, 30}: 1}, 2,
		},
		{
			"a connection that has not ended is one record at the end of input",
			[]string{report("A", 1, stageStart, 0, 0) + "\n" + report("A", 1, stagePeriodic, 60, 10) + "\n" + report("A", 1, stagePeriodic, 120, 20)},
			map[outcome]int{{"A", 5001, "periodic", 120, 20}: 1}, 2,
		},
		{
			"periodic reports out of order keep the largest counters",
			[]string{report("A", 1, stagePeriodic, 120, 20) + "\n" + report("A", 1, stagePeriodic, 60, 10) + "\n" + report("A", 1, stageStart, 0, 0)},
			map[outcome]int{{"A", 5001, "periodic", 120, 20}: 1}, 2,
		},
		{
			"a periodic report that comes after the end report",
			[]string{report("A", 1, stageStart, 0, 0) + "\n" + report("A", 1, stageEnd, 90, 30) + "\n" + report("A", 1, stagePeriodic, 60, 10)},
			map[outcome]int{{"A", 5001, "end", 90, 30}: 1}, 2,
		},
		{
			"everything in reverse",
			[]string{report("A", 1, stageEnd, 90, 30) + "\n" + report("A", 1, stagePeriodic, 60, 10) + "\n" + report("A", 1, stageStart, 0, 0)},
			map[outcome]int{{"A", 5001, "end", 90, 30}: 1}, 2,
		},
		{
			"an end report that the collector wrote twice",
			[]string{report("A", 1, stageEnd, 90, 30) + "\n" + report("A", 2, stageEnd, 90, 30) + "\n" + report("A", 1, stageEnd, 90, 30)},
			map[outcome]int{{"A", 5001, "end", 90, 30}: 1, {"A", 5002, "end", 90, 30}: 1}, 1,
		},
		{
			"an agent that sends end reports only",
			[]string{report("A", 1, stageEnd, 90, 30) + "\n" + report("A", 2, stageEnd, 90, 30) + "\n" + report("A", 3, stageEnd, 90, 30)},
			map[outcome]int{{"A", 5001, "end", 90, 30}: 1, {"A", 5002, "end", 90, 30}: 1, {"A", 5003, "end", 90, 30}: 1}, 0,
		},
		{
			"two devices with the same addresses and ports are two connections",
			[]string{report("A", 1, stageStart, 0, 0) + "\n" + report("B", 1, stageEnd, 90, 30)},
			map[outcome]int{{"A", 5001, "start", 0, 0}: 1, {"B", 5001, "end", 90, 30}: 1}, 0,
		},
		{
			"start in one file, end at the head of the next, where the device starts another",
			[]string{report("A", 1, stageStart, 0, 0), report("A", 1, stageEnd, 90, 30) + "\n" + report("A", 2, stageStart, 0, 0)},
			map[outcome]int{{"A", 5001, "end", 90, 30}: 1, {"A", 5002, "start", 0, 0}: 1}, 1,
		},
		{
			"start in one file, end alone in another, where the device starts nothing",
			[]string{report("A", 1, stageStart, 0, 0), report("A", 1, stageEnd, 90, 30)},
			map[outcome]int{{"A", 5001, "end", 90, 30}: 1}, 1,
		},
		{
			"start in one file, periodic and end in another",
			[]string{report("A", 1, stageStart, 0, 0), report("A", 1, stagePeriodic, 60, 10) + "\n" + report("A", 1, stageEnd, 90, 30)},
			map[outcome]int{{"A", 5001, "end", 90, 30}: 1}, 2,
		},
		{
			"start, periodic and end in three files",
			[]string{
				report("A", 1, stageStart, 0, 0) + "\n" + report("A", 7, stageStart, 0, 0),
				report("A", 1, stagePeriodic, 60, 10) + "\n" + report("A", 8, stageStart, 0, 0),
				report("A", 9, stageStart, 0, 0) + "\n" + report("A", 1, stageEnd, 90, 30),
			},
			map[outcome]int{{"A", 5001, "end", 90, 30}: 1, {"A", 5007, "start", 0, 0}: 1, {"A", 5008, "start", 0, 0}: 1, {"A", 5009, "start", 0, 0}: 1}, 2,
		},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			fsys := make(fstest.MapFS)
			for i, text := range tt.files {
				fsys[fmt.Sprintf("%d.json", i)] = &fstest.MapFile{Data: []byte(text + "\n")}
			}
			for workers := 1; workers <= 3; workers++ {
				recs, errs, counts := readAll(t, flow.Files{FS: fsys, Patterns: []string{"*.json"}, Workers: workers})
				if len(errs) > 0 {
					t.Error(errs)
				}
				if diff := cmp.Diff(tt.want, outcomes(recs)); diff != "" {
					t.Errorf("%d workers (-want +got):\n%s", workers, diff)
				}
				if got := counts.Skipped["further report of a connection"]; got != tt.skips {
					t.Errorf("%d workers: %d further reports, want %d", workers, got, tt.skips)
				}
			}
		})
	}
}

// TestReportsAnyOrder compares with the definition: the reports of a connection
// give one record with the greatest counters, in whatever order they come.
func TestReportsAnyOrder(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 50 {
		want := make(map[uint16]int)
		var lines []string
		for conn := range 30 {
			n := 1 + rng.IntN(4)
			for i := range n {
				stage := stagePeriodic
				if i == 0 && n > 1 {
					stage = stageStart
				}
				lines = append(lines, report("A", conn, stage, 60*i, 10*i))
			}
			if rng.IntN(2) == 0 {
				lines = append(lines, report("A", conn, stageEnd, 600, 100))
			}
			want[uint16(5000+conn)]++
		}
		rng.Shuffle(len(lines), func(i, j int) { lines[i], lines[j] = lines[j], lines[i] })
		recs, _, _ := readAll(t, flow.Files{FS: fstest.MapFS{"a": {Data: []byte(strings.Join(lines, "\n"))}}, Patterns: []string{"a"}})
		got := make(map[uint16]int)
		for _, rec := range recs {
			got[rec.Src.Port()]++
			if ended := rec.Report == flow.ReportEnd; ended != (rec.TxBytes == 100) {
				t.Errorf("record %+v", rec)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("(-want +got):\n%s", diff)
		}
	}
}

// TestReaderFolds: a single stream is folded like a set of files.
func TestReaderFolds(t *testing.T) {
	text := report("A", 1, stageStart, 0, 0) + "\n" + report("A", 2, stageStart, 0, 0) + "\n" + report("A", 1, stageEnd, 90, 30) + "\n"
	r := flow.NewReader(strings.NewReader(text), "x")
	var recs []flow.Record
	for rec, err := range r.All() {
		if err != nil {
			t.Fatal(err)
		}
		recs = append(recs, rec)
	}
	want := map[outcome]int{{"A", 5001, "end", 90, 30}: 1, {"A", 5002, "start", 0, 0}: 1}
	if diff := cmp.Diff(want, outcomes(recs)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if c := r.Counts(); c.Lines != 3 || c.Records != 2 || c.Skipped["further report of a connection"] != 1 {
		t.Errorf("counts %+v", c)
	}
}

// TestReportsApart: many start reports in one file, their end reports in
// another, and a worker that does not range over its sequence.
func TestReportsApart(t *testing.T) {
	var starts, ends strings.Builder
	for conn := range 1000 {
		fmt.Fprintln(&starts, report("A", conn, stageStart, 0, 0))
		fmt.Fprintln(&ends, report("A", conn, stageEnd, 90, 30))
	}
	fsys := fstest.MapFS{"a": {Data: []byte(starts.String())}, "b": {Data: []byte(ends.String())}}
	recs, _, counts := readAll(t, flow.Files{FS: fsys, Patterns: []string{"*"}, Workers: 2})
	if len(recs) != 1000 {
		t.Errorf("%d records of 1000 connections; %+v", len(recs), counts)
	}

	open := fstest.MapFS{"a": {Data: []byte(starts.String())}, "b": {Data: []byte(report("B", 1, stageEnd, 90, 30))}}
	var n, calls atomic.Int64
	files := flow.Files{FS: open, Patterns: []string{"*"}, Workers: 2}
	_, err := files.Read(t.Context(), func(seq iter.Seq2[flow.Record, error]) error {
		if calls.Add(1) == 1 {
			return nil
		}
		for range seq {
			n.Add(1)
		}
		return nil
	})
	if err != nil || n.Load() != 1001 {
		t.Errorf("%d records, want 1001; %v", n.Load(), err)
	}
}

// TestRepeated: a file that says everything twice says it once.
func TestRepeated(t *testing.T) {
	var text strings.Builder
	for range 2 {
		for conn := range 50_000 {
			fmt.Fprintln(&text, report("A", conn, stageEnd, 90, 30))
		}
	}
	recs, _, _ := readAll(t, flow.Files{FS: fstest.MapFS{"a": {Data: []byte(text.String())}}, Patterns: []string{"a"}})
	if len(recs) != 50_000 {
		t.Errorf("%d records of 50,000 connections", len(recs))
	}
}

// TestSharedPort: two programs on one local port are two connections.
func TestSharedPort(t *testing.T) {
	line := func(app string, stage int) string {
		return fmt.Sprintf(`{"pr":17,"sa":"10.0.0.5","sp":5353,"da":"224.0.0.251","dp":5353,"fss":1600000000,"udid":"A","pn":%q,"fsg":%d}`+"\n", app, stage)
	}
	text := line("x", stageStart) + line("y", stageStart) + line("y", stageEnd) + line("x", stageEnd)
	one, _, _ := readAll(t, flow.Files{FS: fstest.MapFS{"a": {Data: []byte(text)}}, Patterns: []string{"a"}})
	two, _, _ := readAll(t, flow.Files{FS: fstest.MapFS{"a": {Data: []byte(line("x", stageStart) + line("y", stageEnd))}, "b": {Data: []byte(line("y", stageStart) + line("x", stageEnd))}}, Patterns: []string{"*"}})
	if len(one) != 2 || len(two) != 2 {
		t.Errorf("%d and %d records of two connections", len(one), len(two))
	}
}

// TestProcessLater: of UDP that arrives before the first answer the start report
// has no process yet.
func TestProcessLater(t *testing.T) {
	start := `{"pr":17,"sa":"10.0.0.5","sp":5000,"da":"21.0.0.1","dp":443,"fss":1600000000,"udid":"A","fsg":1}`
	end := `{"pr":17,"sa":"10.0.0.5","sp":5000,"da":"21.0.0.1","dp":443,"fss":1600000000,"udid":"A","pn":"x","puid":"E","fsg":0}`
	for _, text := range []string{start + "\n" + end, end + "\n" + start} {
		recs, _, _ := readAll(t, flow.Files{FS: fstest.MapFS{"a": {Data: []byte(text)}}, Patterns: []string{"a"}})
		if len(recs) != 1 || recs[0].App.Name != "x" || recs[0].Execution != "E" || recs[0].Null != 0 {
			t.Errorf("%+v", recs)
		}
	}
}
