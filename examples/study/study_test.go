package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/endoflow/endoflow/classify"
	"github.com/endoflow/endoflow/flow"
	"github.com/endoflow/endoflow/flow/flowtest"
)

// runStudy runs the program and returns what it printed and its summary.
func runStudy(t *testing.T, out string, args ...string) (string, summary) {
	t.Helper()
	var stdout bytes.Buffer
	if err := run(context.Background(), append([]string{"-out", out}, args...), &stdout, io.Discard); err != nil {
		t.Fatalf("study %v: %v", args, err)
	}
	data, err := os.ReadFile(filepath.Join(out, "summary.json"))
	if err != nil {
		t.Fatal(err)
	}
	var sum summary
	if err := json.Unmarshal(data, &sum); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]flow.Counts{"flows": sum.Flows, "pdns": sum.PDNS} {
		rest := c.Lines - c.Records - c.Errors
		for _, n := range c.Skipped {
			rest -= n
		}
		if rest != 0 {
			t.Errorf("%s: the counts leave %d lines unexplained: %+v", name, rest, c)
		}
	}
	if !regexp.MustCompile(`(?m)^ +flows +\d+\.\d+ +\d+\.\d+ `).MatchString(stdout.String()) {
		t.Error("the costs of the phases are not shown")
	}
	var left, direct uint64
	for _, f := range sum.Filters {
		left += f.Removed
	}
	for _, of := range sum.Directions {
		for _, n := range of {
			direct += n
		}
	}
	var nulls uint64
	for _, n := range sum.Nulls {
		nulls += n
	}
	if total := left + sum.Filters[len(sum.Filters)-1].Left; total != uint64(sum.Flows.Records) || direct+nulls != total {
		t.Errorf("%d records, %d in the filters, %d in the directions and %d NULL", sum.Flows.Records, total, direct, nulls)
	}
	return stdout.String(), sum
}

func table(t *testing.T, name string) []map[string]string {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	var out []map[string]string
	for _, row := range rows[1:] {
		m := make(map[string]string)
		for i, column := range rows[0] {
			m[column] = row[i]
		}
		out = append(out, m)
	}
	return out
}

// TestFleetSupport: where an address has one name, the support of every
// endpoint of every studied application is the truth.
func TestFleetSupport(t *testing.T) {
	fleet := flowtest.Fleet{Seed: 7, Devices: 2000, Activity: 2, OneNamePerAddress: true}
	in, out := t.TempDir(), t.TempDir()
	if err := fleet.WriteDir(t.Context(), in, 4); err != nil {
		t.Fatal(err)
	}

	// The applications on more than 5 % of the Macs, counted by hand.
	macs, on := make(map[string]bool), make(map[string]map[string]bool)
	for c := range fleet.Connections(0, 1) {
		rec := c.Record
		if rec.Null != 0 || rec.OS != flow.MacOS {
			continue
		}
		macs[rec.Device] = true
		if on[rec.App.Name] == nil {
			on[rec.App.Name] = make(map[string]bool)
		}
		on[rec.App.Name][rec.Device] = true
	}
	truth := fleet.Truth(func(rec flow.Record) bool {
		return rec.OS == flow.MacOS && float64(len(on[rec.App.Name])) > 0.05*float64(len(macs)) && classify.Strict{}.Label(rec).Direction == classify.Outbound
	})

	_, sum := runStudy(t, out, "-flows", filepath.Join(in, "flows-*"), "-pdns", filepath.Join(in, "dns*"), "-expand")
	if got, want := sum.Result.Devices, len(macs); got != want {
		t.Errorf("%d devices, want %d", got, want)
	}
	type figures struct{ Devices, Active, Flows string }
	want, got := make(map[string]figures), make(map[string]figures)
	for _, e := range truth.Endpoints {
		want[fmt.Sprintf("%s\t%s\t%d\t%v", e.App, e.Name, e.Port, e.Proto)] = figures{strconv.Itoa(e.Devices), strconv.Itoa(e.ActiveDevices), strconv.FormatInt(e.Flows, 10)}
	}
	for _, row := range table(t, filepath.Join(out, "endpoints.csv")) {
		if row["names"] != "0" { // the truth knows names only
			got[strings.Join([]string{row["app"], row["endpoint"], row["port"], row["proto"]}, "\t")] = figures{row["devices"], row["active_devices"], row["flows"]}
		}
	}
	if len(want) < 10_000 {
		t.Errorf("the truth has %d endpoints: too few to test anything", len(want))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%d endpoints, want %d (-truth +study):\n%.3000s", len(got), len(want), diff)
	}
}

// spilled returns how many bytes a run wrote to temporary files.
func spilled(t *testing.T, out string) (bytes int64) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(out, "costs.json"))
	if err != nil {
		t.Fatal(err)
	}
	var costs struct {
		Phases []struct {
			Spilled int64 `json:"spilled_bytes"`
		}
	}
	if err := json.Unmarshal(data, &costs); err != nil {
		t.Fatal(err)
	}
	for _, p := range costs.Phases {
		bytes += p.Spilled
	}
	return bytes
}

// TestSameBytes: the workers, the memory, and the way in which the input is cut
// into files, be it in the middle of a connection's reports, make no difference
// to any byte.
func TestSameBytes(t *testing.T) {
	fleet := flowtest.Fleet{Seed: 3, Devices: 150}
	whole, parts, dealt := t.TempDir(), t.TempDir(), t.TempDir()
	for dir, n := range map[string]int{whole: 1, parts: 7} {
		if err := fleet.WriteDir(t.Context(), dir, n); err != nil {
			t.Fatal(err)
		}
	}
	var text bytes.Buffer
	if err := fleet.WriteFlows(&text, 0, 1); err != nil {
		t.Fatal(err)
	}
	files := make([]bytes.Buffer, 7)
	rng := rand.New(rand.NewPCG(3, 3))
	for line := range bytes.Lines(text.Bytes()) {
		files[rng.IntN(len(files))].Write(line)
	}
	for i := range files {
		if err := os.WriteFile(filepath.Join(dealt, fmt.Sprintf("flows-%d.json", i)), files[i].Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}

	var want map[string]string
	for _, run := range []struct {
		dir            string
		files, workers int
		memory         string
	}{
		{whole, 1, 1, "2GiB"}, {parts, 7, 1, "2GiB"}, {parts, 7, 2, "2GiB"}, {parts, 7, 7, "2GiB"},
		{dealt, 7, 1, "2GiB"}, {dealt, 7, 2, "2GiB"}, {dealt, 7, 7, "2GiB"},
		{parts, 7, 1, "1MiB"}, {dealt, 7, 2, "1MiB"},
	} {
		out := t.TempDir()
		_, sum := runStudy(t, out, "-flows", filepath.Join(run.dir, "flows-*"), "-pdns", filepath.Join(whole, "dns*"),
			"-workers", strconv.Itoa(run.workers), "-memory", run.memory)
		if spilled := spilled(t, out); (spilled > 0) != (run.memory == "1MiB") {
			t.Errorf("%+v: %d bytes spilled", run, spilled)
		}
		if sum.Result.Endpoints == 0 {
			t.Fatal("no endpoints")
		}
		got := make(map[string]string)
		entries, err := os.ReadDir(out)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			if e.Name() == "costs.json" { // times
				continue
			}
			data, err := os.ReadFile(filepath.Join(out, e.Name()))
			if err != nil {
				t.Fatal(err)
			}
			got[e.Name()] = strings.Replace(string(data), fmt.Sprintf("\"files\": %d,", run.files), "\"files\": 1,", 1)
		}
		if want == nil {
			want = got
			if len(got) != 4 {
				t.Errorf("%d files", len(got))
			}
		}
		for name := range want {
			if got[name] != want[name] {
				t.Errorf("%+v gives another %s:\n%s", run, name, cmp.Diff(want[name], got[name]))
			}
		}
	}
}

// TestFleetDirections: the directions of the paper's rule are those of the
// truth, and nothing is lost on the way.
func TestFleetDirections(t *testing.T) {
	fleet := flowtest.Fleet{Seed: 5, Devices: 200}
	in, out := t.TempDir(), t.TempDir()
	if err := fleet.WriteDir(t.Context(), in, 3); err != nil {
		t.Fatal(err)
	}
	truth := fleet.Truth(nil)
	_, sum := runStudy(t, out, "-flows", filepath.Join(in, "flows-*"), "-pdns", filepath.Join(in, "dns*"), "-direction", "paper")
	want := make(map[string]map[string]uint64)
	for d, n := range truth.Directions {
		if want[d.OS.String()] == nil {
			want[d.OS.String()] = make(map[string]uint64)
		}
		want[d.OS.String()][d.Label] = uint64(n)
	}
	if diff := cmp.Diff(want, sum.Directions); diff != "" {
		t.Errorf("directions (-truth +study):\n%s", diff)
	}
	nulls := make(map[string]uint64)
	for n, flows := range truth.Nulls {
		nulls[n.String()] = uint64(flows)
	}
	if diff := cmp.Diff(nulls, sum.Nulls); diff != "" {
		t.Errorf("NULL records (-truth +study):\n%s", diff)
	}
	if got := truth.Lines["flow"] + truth.Lines["endpoint"] + truth.Lines["interface"]; got != sum.Flows.Lines {
		t.Errorf("%d lines, want %d", sum.Flows.Lines, got)
	}
	if sum.Result.Devices != truth.Devices[flow.MacOS] {
		t.Errorf("%d devices, want %d", sum.Result.Devices, truth.Devices[flow.MacOS])
	}
}

const goodLine = `{"pr":6,"sa":"10.0.0.5","sp":5000,"da":"21.0.0.1","dp":443,"udid":"SECRET-UDID","osn":"Mac OS X","vsn":"secret-host","pa":"secret-user","pn":"Word","obc":1,"ibc":2}` + "\n"

// TestBrokenInput: what is wrong is counted and located, and everything else
// is still studied.
func TestBrokenInput(t *testing.T) {
	var cut bytes.Buffer
	z := gzip.NewWriter(&cut)
	z.Write([]byte(strings.Repeat(goodLine, 100)))
	z.Flush()
	whole := bytes.Clone(cut.Bytes())
	z.Write([]byte(strings.Repeat(goodLine, 100)))
	z.Close()

	in := t.TempDir()
	for name, data := range map[string][]byte{
		"1-malformed.json": []byte(goodLine + "{\"pr\":6,\"sa\":\"10.0.0.5\n" + goodLine + `{"pr":6,"sa":"nowhere","da":"21.0.0.1"}` + "\n" + goodLine),
		"2-cut.json.gz":    whole,
		"3-long.json":      []byte(goodLine + `{"pr":6,"x":"` + strings.Repeat("x", 100_000_000) + "\"}\n" + goodLine),
		"4-mixed.json":     []byte("hello\n" + goodLine + "# a comment\n" + `{"EventID":3}` + "\n\n" + goodLine),
		"5-empty.json":     nil,
	} {
		if err := os.WriteFile(filepath.Join(in, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	out := t.TempDir()
	printed, sum := runStudy(t, out, "-flows", filepath.Join(in, "*"))
	want := []string{
		"2-cut.json.gz:101: the rest of the file cannot be read: compressed data is cut short or corrupt (an incomplete copy?)",
		"1-malformed.json:2: not a JSON object",
		"1-malformed.json:4: field sa: not an IP address",
		"3-long.json:2: line is longer than the limit",
		"4-mixed.json:1: not a line of a known format",
		"4-mixed.json:3: not an NVM record: neither fields of a flow nor a udid",
		"4-mixed.json:4: not an NVM record: neither fields of a flow nor a udid",
	}
	if diff := cmp.Diff(want, sum.Problems); diff != "" {
		t.Errorf("problems (-want +got):\n%s", diff)
	}
	if want := int64(3 + 100 + 2 + 2); sum.Flows.Records != want || sum.Flows.Damaged != 1 || sum.Flows.Errors != 6 {
		t.Errorf("%d records, want %d; counts %+v", sum.Flows.Records, want, sum.Flows)
	}
	if !strings.Contains(printed, "7 problems, the first 7:") {
		t.Errorf("the problems are not shown:\n%s", printed)
	}

	// Nothing that identifies a device or a person is in any byte.
	all := printed
	for _, name := range []string{"summary.json", "endpoints.csv", "apps.csv", "direction.csv"} {
		data, err := os.ReadFile(filepath.Join(out, name))
		if err != nil {
			t.Fatal(err)
		}
		all += string(data)
	}
	if strings.Contains(strings.ToLower(all), "secret") {
		t.Error("the output names a device, a host or a user")
	}
}

// TestNothingLeft: a run that filters everything away says why.
func TestNothingLeft(t *testing.T) {
	in := t.TempDir()
	write := func(name, text string) string {
		name = filepath.Join(in, name)
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	windows := write("windows.json", `{"EventID":3,"Hostname":"a","Image":"C:\\x.exe","Protocol":"tcp","Initiated":"true","SourceIp":"10.0.0.5","DestinationIp":"21.0.0.1","DestinationPort":"443"}`)
	unknown := write("unknown.json", strings.Replace(goodLine, `"osn":"Mac OS X",`, "", 1))
	zeek := write("conn.log", `{"ts":1,"id.orig_h":"10.0.0.5","id.orig_p":5000,"id.resp_h":"21.0.0.1","id.resp_p":443,"proto":"tcp","conn_state":"SF"}`)
	internal := write("internal.json", strings.Replace(goodLine, "21.0.0.1", "10.9.9.9", 1))
	null := write("null.json", strings.Replace(goodLine, `"pn":"Word"`, `"pn":"-"`, 1))
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{"-flows", windows}, `the filter "os" removed the last 1 flows. There are flows 1 of windows: try -os any, or the system's name.`},
		{[]string{"-flows", unknown}, "NVM tells the system in endpoint records (osn)"},
		{[]string{"-flows", zeek, "-os", "any"}, "The records name no application, as is the way of Zeek's"},
		{[]string{"-flows", windows, "-os", "windows", "-min-prevalence", "1"}, "The most common application is on 1 of the devices: lower -min-prevalence below that."},
		{[]string{"-flows", internal}, "No flow of a studied application is Outbound"},
		{[]string{"-flows", null}, "All records lack a device, a process or an address"},
	} {
		printed, sum := runStudy(t, t.TempDir(), tt.args...)
		if !strings.Contains(printed, tt.want) {
			t.Errorf("%v does not say %q:\n%s", tt.args, tt.want, printed)
		}
		if sum.Result.Endpoints != 0 {
			t.Errorf("%v: %d endpoints", tt.args, sum.Result.Endpoints)
		}
	}
}

// TestUnusable: arguments and input that cannot be used give one clear line.
func TestUnusable(t *testing.T) {
	in := t.TempDir()
	empty := filepath.Join(in, "empty")
	good, other := filepath.Join(in, "good"), filepath.Join(in, "other")
	for name, text := range map[string]string{empty: "", good: goodLine, other: `{"EventID":7}`} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{"-flows", filepath.Join(in, "none*")}, filepath.Join(in, "none*") + ": file does not exist"},
		{[]string{"-flows", in}, in + ": is a folder; name its files, as in " + filepath.Join(in, "*")},
		{[]string{"-flows", empty}, "no record in the files named by -flows; they are empty"},
		{[]string{"-flows", empty, "-os", "beos"}, "-os beos: want macos, windows, linux or any"},
		{[]string{"-flows", empty, "-names", "all"}, "-names all: want query or owner"},
		{[]string{"-flows", empty, "-threshold", "50"}, "-threshold: want a share above 0 and below 1"},
		{[]string{"-flows", empty, "-memory", "lots"}, "-memory lots: want a number with KiB, MiB or GiB"},
		{[]string{"-flows", empty, "-endpoint", "domain"}, "-endpoint domain: want name-port, name, address-port, address or site"},
		{[]string{"-flows", empty, "-listening", "x"}, "-listening is not available yet; run without it"},
		{[]string{"-flows", empty, "-pdns-format", "json"}, "-pdns-format json: want auto, parquet, cof, zeek or sysmon"},
		{[]string{"-flows", good, "-pdns", good, "-pdns-format", "parquet"}, "no record in the files named by -pdns; the first problem: " + good + ":1: the rest of the file cannot be read: not a Parquet file"},
		{[]string{"-flows", empty, "-key", empty}, "-key " + empty + ": pseudonym key is shorter than 16 bytes"},
		{[]string{"-flows", empty, "-workers", "-1"}, "want no negative -workers, and a -min-devices of 1 or more"},
		{[]string{"-flows", empty, "-min-support", "x"}, `invalid value "x" for flag -min-support: parse error; -h lists the options`},
		{[]string{"-flows", good, "-pdns", empty}, "no record in the files named by -pdns; they are empty"},
		{[]string{"-flows", good, "-pdns", good}, "no record in the files named by -pdns; the first problem: " + good + ":1: not a line of a known format"},
		{[]string{"-flows", other}, `no record in the files named by -flows; 1 lines were skipped, for "Windows event of another kind"`},
		{[]string{"-pdns", empty}, "-pdns without -flows: name the flow records too"},
		{[]string{"-flows", empty, "more"}, `unexpected argument "more": options begin with -; quote patterns, so that the shell leaves them alone`},
	} {
		var stdout bytes.Buffer
		err := run(context.Background(), append([]string{"-out", t.TempDir()}, tt.args...), &stdout, io.Discard)
		if err == nil || err.Error() != tt.want {
			t.Errorf("%v: error %v, want %q", tt.args, err, tt.want)
		}
	}
}

// TestInterrupted: a cancelled run ends with the context's error and leaves no
// file that looks finished.
func TestInterrupted(t *testing.T) {
	in, out := t.TempDir(), t.TempDir()
	if err := (flowtest.Fleet{Devices: 20}).WriteDir(t.Context(), in, 1); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	err := run(ctx, []string{"-flows", filepath.Join(in, "flows-*"), "-out", out}, io.Discard, io.Discard)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	if entries, _ := os.ReadDir(out); len(entries) > 0 {
		t.Errorf("files %v", entries)
	}
}

// TestWithheld: what is left out of the files is counted.
func TestWithheld(t *testing.T) {
	in := t.TempDir()
	if err := (flowtest.Fleet{Devices: 50}).WriteDir(t.Context(), in, 1); err != nil {
		t.Fatal(err)
	}
	flows := filepath.Join(in, "flows-*")
	out, whole := t.TempDir(), t.TempDir()
	_, all := runStudy(t, whole, "-flows", flows)
	_, few := runStudy(t, out, "-flows", flows, "-min-devices", "5", "-min-support", "0.5")
	if few.Result.Withheld == 0 || few.Result.Endpoints+few.Result.Withheld != all.Result.Endpoints || few.Result.Endogenous != all.Result.Endogenous {
		t.Errorf("%+v, without limits %+v", few.Result, all.Result)
	}
	rows := make(map[string]map[string]string)
	for _, row := range table(t, filepath.Join(whole, "endpoints.csv")) {
		rows[row["app"]+" "+row["endpoint"]+" "+row["port"]+" "+row["proto"]] = row
	}
	for _, row := range table(t, filepath.Join(out, "endpoints.csv")) {
		devices, _ := strconv.Atoi(row["devices"])
		support, _ := strconv.ParseFloat(row["support"], 64)
		if devices < 5 || support < 0.5 {
			t.Errorf("row %v", row)
		}
		if diff := cmp.Diff(rows[row["app"]+" "+row["endpoint"]+" "+row["port"]+" "+row["proto"]], row); diff != "" {
			t.Errorf("(-without limits +with)\n%s", diff)
		}
	}
}

func TestPrintable(t *testing.T) {
	if got, want := printable("a\x1b[31m\u0085b\n"), "a?[31m?b?"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if got := printable(strings.Repeat("ä", 100)); len([]rune(got)) != 48 {
		t.Errorf("%d characters", len([]rune(got)))
	}
}
