package flow_test

import (
	"context"
	"errors"
	"iter"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/endoflow/endoflow/flow"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

var netipEqual = cmpopts.EquateComparable(netip.AddrPort{}, netip.Addr{})

// realData returns the folder of real records, which is not part of the
// project.
func realData(t testing.TB, elem ...string) string {
	t.Helper()
	dir := filepath.Join("..", "..", "shared", "data")
	if _, err := os.Stat(dir); err != nil {
		t.Skip("no folder of real records beside the project: ", err)
	}
	return filepath.Join(append([]string{dir}, elem...)...)
}

// readAll reads files with any number of workers.
func readAll(t testing.TB, files flow.Files) ([]flow.Record, []error, flow.Counts) {
	t.Helper()
	var mu sync.Mutex
	var recs []flow.Record
	var errs []error
	counts, err := files.Read(context.Background(), func(seq iter.Seq2[flow.Record, error]) error {
		for rec, err := range seq {
			mu.Lock()
			if err != nil {
				errs = append(errs, err)
			} else {
				recs = append(recs, rec)
			}
			mu.Unlock()
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	var skipped int64
	for _, n := range counts.Skipped {
		skipped += n
	}
	if counts.Lines != counts.Records+counts.Errors+skipped {
		t.Errorf("%d lines are not %d records + %d errors + %d skipped", counts.Lines, counts.Records, counts.Errors, skipped)
	}
	if int64(len(recs)) != counts.Records {
		t.Errorf("%d records, counted %d", len(recs), counts.Records)
	}
	if int64(len(errs)) != counts.Errors+counts.Damaged {
		t.Errorf("%d errors, counted %d on lines and %d damaged files", len(errs), counts.Errors, counts.Damaged)
	}
	return recs, errs, counts
}

// TestRealCounts: every line of the real logs that holds a connection gives a
// record, and no line an error. The numbers of lines are those of the data's
// README.
func TestRealCounts(t *testing.T) {
	for _, tt := range []struct {
		name    string
		pattern []string
		records int64
		native  map[flow.Native]int
	}{
		{"sysmon3", []string{"sysmon-otrf", "sysmon3.jsonl.gz"}, 5247, map[flow.Native]int{flow.NativeOut: 4529, flow.NativeIn: 718}},
		{"wfp", []string{"sysmon-otrf", "wfp.jsonl.gz"}, 6153, map[flow.Native]int{flow.NativeOut: 4735, flow.NativeIn: 1418}},
		{"proxy_rolling", []string{"zeek-rita", "proxy_rolling", "conn.*"}, 7550, map[flow.Native]int{flow.NativeOut: 4111, flow.NativeIn: 7, flow.NativeLocal: 1708, flow.NativeTransit: 1724}},
		{"m57-short", []string{"zeek-m57-short", "conn.*"}, 2164, map[flow.Native]int{flow.NativeOut: 529, flow.NativeLocal: 1635}},
		{"test9", []string{"zeek-slips", "test9-mixed-zeek-dir", "conn.log.gz"}, 576, map[flow.Native]int{flow.NativeUnknown: 575, flow.NativeOut: 1}},
		{"test18", []string{"zeek-slips", "test18-malicious-ctu-sme-11-win", "zeek-labeled", "conn.log.labeled"}, 766, map[flow.Native]int{flow.NativeOut: 733, flow.NativeLocal: 33}},
		{"json_with_all_fields", []string{"zeek-rita", "json_with_all_fields", "conn.log"}, 29, map[flow.Native]int{flow.NativeOut: 29}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			recs, errs, counts := readAll(t, flow.Files{Patterns: []string{realData(t, tt.pattern...)}})
			if len(errs) > 0 {
				t.Errorf("%d errors, the first: %v", len(errs), errs[0])
			}
			if counts.Records != tt.records {
				t.Errorf("%d records, want %d (%+v)", counts.Records, tt.records, counts)
			}
			native := make(map[flow.Native]int)
			for _, rec := range recs {
				native[rec.Native]++
				if rec.Null != 0 {
					t.Errorf("a record lacks %v", rec.Null)
				}
			}
			if diff := cmp.Diff(tt.native, native); diff != "" {
				t.Errorf("native directions (-want +got):\n%s", diff)
			}
		})
	}
}

func TestRealNVM(t *testing.T) {
	devices := new(flow.Devices)
	recs, errs, counts := readAll(t, flow.Files{Patterns: []string{realData(t, "nvm", "*")}, Devices: devices})
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	want := []flow.Record{{
		Start:  time.UnixMilli(1784017733536).UTC(),
		End:    time.UnixMilli(1784017793545).UTC(),
		Device: "D5E5634FDBEE82655C9C0E7523CDCE62A8249A1C",
		App: flow.App{
			Name:   "svchost.exe",
			Path:   `C:\Windows\System32\svchost.exe`,
			Parent: "services.exe",
		},
		Execution: "E89CC0DBD1F48055BB4FA09268E9B51D",
		Proto:     flow.TCP,
		Src:       netip.MustParseAddrPort("10.10.0.38:37351"),
		Dst:       netip.MustParseAddrPort("104.114.110.196:80"),
		TxBytes:   213,
		RxBytes:   7660,
		DstName:   "tile-service.weather.microsoft.com",
		Native:    flow.NativeOut,
		Report:    flow.ReportEnd,
	}}
	if len(recs) == 1 {
		if got, want := recs[0].App.HashString(), "b0b36bff7ae4057f687d839cd4b3d81159ab646f1ee1b22106a927e93decbb61"; got != want {
			t.Errorf("hash %s, want %s", got, want)
		}
		recs[0].App.SHA256 = [32]byte{}
	}
	if diff := cmp.Diff(want, recs, netipEqual); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string]int64{"NVM endpoint record": 1}, counts.Skipped); diff != "" {
		t.Errorf("skipped (-want +got):\n%s", diff)
	}
	e, ok := devices.Lookup("1DD75FEDA01F1AE457AF4307EA6DCA0946CFED56")
	wantEndpoint := flow.Device{ID: "1DD75FEDA01F1AE457AF4307EA6DCA0946CFED56", Host: "bstoll-l.froth.ly", OS: flow.Windows, OSName: "WinNT", OSVersion: "10.0.17134", OSEdition: "Windows 10 Enterprise"}
	if diff := cmp.Diff(wantEndpoint, e); !ok || diff != "" {
		t.Errorf("endpoint (-want +got):\n%s", diff)
	}
}

// TestRealDamaged: a damaged copy of a real file loses what is damaged and
// nothing else.
func TestRealDamaged(t *testing.T) {
	raw, err := os.ReadFile(realData(t, "sysmon-otrf", "sysmon3.jsonl.gz"))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "cut.jsonl.gz"), raw[:len(raw)/2], 0o600); err != nil {
		t.Fatal(err)
	}
	recs, errs, counts := readAll(t, flow.Files{Patterns: []string{
		filepath.Join(dir, "cut.jsonl.gz"), realData(t, "zeek-m57-short", "conn.log.gz"),
	}})
	if counts.Damaged != 1 || len(errs) != 1 || !errors.Is(errs[0], flow.ErrDamaged) {
		t.Errorf("damaged %d, errors %v", counts.Damaged, errs)
	}
	if len(recs) < 2164+2000 {
		t.Errorf("%d records: those before the cut or those of the other file are missing", len(recs))
	}
}
