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

	"github.com/endoflow/endoflow/flow/flowtest"
)

func annotate(t *testing.T, args ...string) (lines []map[string]any, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	if err := run(context.Background(), args, &out, &errs); err != nil {
		t.Fatal(err)
	}
	for d := json.NewDecoder(&out); ; {
		var m map[string]any
		if err := d.Decode(&m); err == io.EOF {
			return lines, errs.String()
		} else if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, m)
	}
}

func write(t *testing.T, name, text string) string {
	t.Helper()
	name = filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

const flows = `{"pr":6,"sa":"10.0.0.5","sp":50001,"da":"21.0.0.1","dp":443,"fss":1600156800,"fes":1600156860,"udid":"SECRET","osn":"Mac OS X","pn":"Word","obc":100,"ibc":900,"dh":"www.word.example"}
{"pr":6,"sa":"10.0.0.5","sa":"nowhere"}
{"pr":17,"sa":"10.0.0.5","sp":53000,"da":"10.0.0.1","dp":53,"udid":"SECRET","pn":"-"}
`

const dns = `{"rrname":"www.word.example","rrtype":"CNAME","rdata":"edge.cdn.example","time_first":1600128000,"time_last":1600214399}
{"rrname":"edge.cdn.example","rrtype":"A","rdata":"21.0.0.1","time_first":1600128000,"time_last":1600214399}
{"rrname":"blog.example","rrtype":"CNAME","rdata":"edge.cdn.example","time_first":1600128000,"time_last":1600214399}
`

func TestAnnotate(t *testing.T) {
	key := write(t, "key", "a secret of thirty-two bytes ...")
	args := []string{"-flows", write(t, "flows.json", flows), "-pdns", write(t, "dns.json", dns), "-key", key}
	lines, stderr := annotate(t, args...)
	if len(lines) != 2 {
		t.Fatalf("%d lines", len(lines))
	}
	device := lines[0]["device"].(string)
	want := map[string]any{
		"start": "2020-09-15T08:00:00Z", "end": "2020-09-15T08:01:00Z", "device": device, "os": "macos", "app": "Word", "proto": "tcp",
		"src": "10.0.0.5:50001", "dst": "21.0.0.1:443", "direction": "Outbound", "basis": "scope", "tx_bytes": 100., "rx_bytes": 900.,
		"names": []any{map[string]any{"name": "www.word.example", "evidence": "sensor"}, map[string]any{"name": "blog.example", "evidence": "query"}},
	}
	if diff := cmp.Diff(want, lines[0]); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	want = map[string]any{
		"start": nil, "end": nil, "device": device, "os": "unknown", "app": "", "proto": "udp", "src": "10.0.0.5:53000", "dst": "10.0.0.1:53",
		"direction": "Internal", "basis": "scope", "tx_bytes": 0., "rx_bytes": 0., "names": []any{}, "null": "app",
	}
	if diff := cmp.Diff(want, lines[1]); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if !strings.HasPrefix(device, "v1:") || strings.Contains(stderr, "SECRET") {
		t.Errorf("device %s, standard error %s", device, stderr)
	}
	if !strings.Contains(stderr, ":2: field sa: not an IP address") || !strings.Contains(stderr, "3 lines = 2 flows + 0 skipped + 1 errors; 0 damaged files") {
		t.Errorf("standard error: %s", stderr)
	}

	owner, _ := annotate(t, append(args, "-names", "owner", "-direction", "paper")...)
	names := []any{map[string]any{"name": "www.word.example", "evidence": "sensor"}, map[string]any{"name": "edge.cdn.example", "evidence": "owner"}}
	if diff := cmp.Diff(names, owner[0]["names"]); diff != "" {
		t.Errorf("names by owner (-want +got):\n%s", diff)
	}
	if again, _ := annotate(t, args...); again[0]["device"] != device {
		t.Error("the same key gives another pseudonym")
	}
	if random, _ := annotate(t, args[:4]...); random[0]["device"] == device {
		t.Error("no key gives the key's pseudonym")
	}
}

// TestFleet: every record of the fleet is a line.
func TestFleet(t *testing.T) {
	fleet := flowtest.Fleet{Devices: 20}
	dir := t.TempDir()
	if err := fleet.WriteDir(t.Context(), dir, 2); err != nil {
		t.Fatal(err)
	}
	truth := fleet.Truth(nil)
	want := truth.Connections
	for _, n := range truth.Nulls {
		want += n
	}
	lines, _ := annotate(t, "-flows", filepath.Join(dir, "flows-*"), "-pdns", filepath.Join(dir, "dns*"))
	if int64(len(lines)) != want {
		t.Errorf("%d lines, want %d", len(lines), want)
	}
}

// TestReal: the lines of the real events, with a name for what has one.
func TestReal(t *testing.T) {
	dir := filepath.Join("..", "..", "..", "shared", "data")
	if _, err := os.Stat(dir); err != nil {
		t.Skip("no folder of real records beside the project: ", err)
	}
	lines, stderr := annotate(t, "-flows", filepath.Join(dir, "sysmon-otrf", "sysmon3.jsonl.gz"), "-pdns", filepath.Join(dir, "sysmon-otrf", "sysmon22.jsonl.gz"), "-direction", "paper")
	if len(lines) != 5247 {
		t.Errorf("%d lines, want 5247; %s", len(lines), stderr)
	}
	named := 0
	for _, l := range lines {
		if l["direction"] == "Outbound" && len(l["names"].([]any)) > 0 {
			named++
		}
	}
	if named != 102 { // of the data's README
		t.Errorf("%d outbound flows named, want 102", named)
	}
}

func TestUnusable(t *testing.T) {
	for _, tt := range []struct {
		args []string
		want string
	}{
		{nil, "no -flows: name the files with flow records, as in -flows 'nvm/*.json.gz'"},
		{[]string{"-flows", "x", "-at"}, "-at is not available yet; run without it"},
		{[]string{"-flows", "x", "-names", "all"}, "a word after -flow-format, -pdns-format, -direction, -names or -format is not one that -h lists"},
		{[]string{"-flows", "x", "-format", "csv"}, "a word after -flow-format, -pdns-format, -direction, -names or -format is not one that -h lists"},
		{[]string{"-flows", "x", "-format", "parquet"}, "-format parquet without -o: name the file, as in -o flows.parquet"},
		{[]string{"-flows", "x", "-expand"}, "-expand is for Parquet: in JSON each flow has its list"},
		{[]string{"-flows", "x", "-memory", "much"}, "want a number with KiB, MiB or GiB after -memory"},
		{[]string{"-flows", "x", "-workers", "-1"}, "want no negative -workers"},
		{[]string{"-flows", "x", "y"}, `unexpected argument "y": options begin with -; quote patterns, so that the shell leaves them alone`},
		{[]string{"-flows", "none-such"}, "none-such: file does not exist"},
	} {
		if err := run(context.Background(), tt.args, io.Discard, io.Discard); err == nil || err.Error() != tt.want {
			t.Errorf("%v: error %v, want %q", tt.args, err, tt.want)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := run(ctx, []string{"-flows", write(t, "f", flows)}, io.Discard, io.Discard); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}
