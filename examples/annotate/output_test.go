package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/parquet-go/parquet-go"

	"github.com/endoflow/endoflow/flow/flowtest"
)

// TestMain is the program itself where a test runs it as a process.
func TestMain(m *testing.M) {
	if os.Getenv("ANNOTATE_MAIN") != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// writeFleet writes a small fleet, and returns the arguments that read it with a
// key.
func writeFleet(t *testing.T, devices int) []string {
	t.Helper()
	dir := t.TempDir()
	if err := (flowtest.Fleet{Devices: devices}).WriteDir(t.Context(), dir, 3); err != nil {
		t.Fatal(err)
	}
	return []string{"-flows", filepath.Join(dir, "flows-*"), "-pdns", filepath.Join(dir, "dns*"), "-key", write(t, "key", "a secret of thirty-two bytes ...")}
}

// files returns what stands in a folder.
func files(t *testing.T, dir string) map[string]string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	content := make(map[string]string)
	for _, e := range entries {
		text, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		content[e.Name()] = string(text)
	}
	return content
}

// TestSameBytes: nothing that is written depends on the number of workers or on
// memory, and a file has what standard output has.
func TestSameBytes(t *testing.T) {
	args := writeFleet(t, 12)
	var want map[string]string
	for _, more := range [][]string{nil, {"-workers", "1"}, {"-workers", "5", "-memory", "64MiB"}, {"-workers", "2", "-memory", "64KiB"}} {
		dir := t.TempDir()
		var stdout bytes.Buffer
		for _, out := range [][]string{nil, {"-o", filepath.Join(dir, "a.jsonl")}, {"-o", filepath.Join(dir, "f.parquet")}, {"-o", filepath.Join(dir, "x"), "-format", "parquet", "-expand"}} {
			w := io.Discard
			if out == nil {
				w = &stdout
			}
			if err := run(t.Context(), append(append(append([]string(nil), args...), more...), out...), w, io.Discard); err != nil {
				t.Fatal(err)
			}
		}
		got := files(t, dir)
		if len(got) != 4 || got["f.names.parquet"] == "" {
			t.Fatalf("%d files, want 4", len(got))
		}
		if got["a.jsonl"] != stdout.String() {
			t.Error("the file and standard output differ")
		}
		if len(more) > 0 && more[len(more)-1] == "64KiB" { // row groups are smaller, and the file has more of them
			delete(got, "f.parquet")
			delete(got, "f.names.parquet")
			delete(got, "x")
			delete(want, "f.parquet")
			delete(want, "f.names.parquet")
			delete(want, "x")
		}
		if want == nil {
			want = got
		}
		for name := range want {
			if got[name] != want[name] {
				t.Errorf("%v: %s differs", more, name)
			}
		}
	}
}

// TestParquet: the rows of both forms of Parquet say what the lines of JSON say,
// in their order.
func TestParquet(t *testing.T) {
	args := writeFleet(t, 5)
	lines, _ := annotate(t, args...)
	dir := t.TempDir()
	annotate(t, append(args, "-o", filepath.Join(dir, "x.parquet"), "-expand", "-memory", "1MiB")...)
	annotate(t, append(args, "-o", filepath.Join(dir, "f.parquet"))...)
	rows, factored := readParquet(t, filepath.Join(dir, "x.parquet")), readParquet(t, filepath.Join(dir, "f.parquet"))
	if len(rows) != len(lines) || len(factored) != len(lines) {
		t.Fatalf("%d and %d rows, want %d", len(rows), len(factored), len(lines))
	}
	names := make(map[any][]any)
	for _, n := range readParquet(t, filepath.Join(dir, "f.names.parquet")) {
		names[n["address"]] = append(names[n["address"]], map[string]any{"name": n["name"], "evidence": n["evidence"]})
	}
	named := 0
	for i, l := range lines {
		for _, key := range []string{"os", "proto", "direction", "basis", "device", "app", "null"} {
			for form, row := range map[string]map[string]any{"expanded": rows[i], "factored": factored[i]} {
				got, want := row[key], l[key]
				if got == nil {
					got = ""
				}
				if want == nil {
					want = ""
				}
				if got != want {
					t.Fatalf("row %d, %s: %s is %v, want %v", i, form, key, got, want)
				}
			}
		}
		if diff := cmp.Diff(l["names"], rows[i]["names"]); diff != "" {
			t.Fatalf("row %d, names (-want +got):\n%s", i, diff)
		}
		list := []any{}
		if s := factored[i]["sensor_name"]; s != nil {
			list = append(list, map[string]any{"name": s, "evidence": "sensor"})
		}
		for _, n := range names[factored[i]["remote"]] {
			if n.(map[string]any)["name"] != factored[i]["sensor_name"] {
				list = append(list, n)
			}
		}
		if diff := cmp.Diff(l["names"], any(list)); diff != "" {
			t.Fatalf("row %d, names joined (-want +got):\n%s", i, diff)
		}
		if len(list) > 1 {
			named++
		}
	}
	if named == 0 {
		t.Error("no flow has several names")
	}
}

func readParquet(t *testing.T, name string) (rows []map[string]any) {
	t.Helper()
	all, err := parquet.ReadFile[any](name)
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range all {
		rows = append(rows, row.(map[string]any))
	}
	return rows
}

// hook calls a function at every write.
type hook struct {
	io.Writer
	call func()
}

func (h hook) Write(p []byte) (int, error) {
	h.call()
	return h.Writer.Write(p)
}

// TestInterrupt: what an interrupt leaves on standard output ends with a whole
// line, and it leaves no file.
func TestInterrupt(t *testing.T) {
	args := writeFleet(t, 40)
	ctx, cancel := context.WithCancel(t.Context())
	var stdout bytes.Buffer
	err := run(ctx, args, hook{&stdout, cancel}, io.Discard)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	for line := range bytes.Lines(stdout.Bytes()) {
		if !json.Valid(line) || !bytes.HasSuffix(line, []byte("\n")) {
			t.Fatalf("line %q", line)
		}
	}
	if stdout.Len() == 0 {
		t.Error("nothing was written before the interrupt")
	}

	bad := write(t, "bad.json", "{\"pr\":6,\"sa\":\"nowhere\"}\n"+strings.Repeat(flows, 100))
	for _, name := range []string{"a.jsonl", "a.parquet"} {
		ctx, cancel := context.WithCancel(t.Context())
		dir := t.TempDir()
		err := run(ctx, []string{"-flows", bad, "-flow-format", "nvm", "-o", filepath.Join(dir, name)}, io.Discard, hook{io.Discard, cancel})
		if !errors.Is(err, context.Canceled) {
			t.Errorf("error %v", err)
		}
		if left := files(t, dir); len(left) > 0 {
			t.Errorf("%s: %d files are left", name, len(left))
		}
	}
}

type fullDisk struct{ room int }

func (d *fullDisk) Write(p []byte) (int, error) {
	if len(p) > d.room {
		return d.room, syscall.ENOSPC
	}
	d.room -= len(p)
	return len(p), nil
}

// TestWriteError: an error of writing is the program's, told once, and a file that
// was there before stays as it was.
func TestWriteError(t *testing.T) {
	args := writeFleet(t, 40)
	for _, room := range []int{0, 300 << 10} {
		if err := run(t.Context(), args, &fullDisk{room}, io.Discard); err != syscall.ENOSPC {
			t.Errorf("error %v", err)
		}
	}
	old := write(t, "old.jsonl", "old")
	if err := run(t.Context(), []string{"-flows", "none-such", "-o", old}, io.Discard, io.Discard); err == nil {
		t.Error("no error")
	}
	if got := files(t, filepath.Dir(old)); len(got) != 1 || got["old.jsonl"] != "old" {
		t.Errorf("files %v", got)
	}
	if err := run(t.Context(), append(args, "-o", t.TempDir()), io.Discard, io.Discard); err == nil || !strings.HasSuffix(err.Error(), "is a folder") {
		t.Errorf("error %v", err)
	}
	if _, err := os.Stat("/dev/full"); err == nil {
		err := run(t.Context(), append(args, "-o", "/dev/full"), io.Discard, io.Discard)
		if !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("error %v", err)
		}
	}
}

// TestDamaged: a file that breaks off is told of and counted, and what stands
// before and after it is written.
func TestDamaged(t *testing.T) {
	args := writeFleet(t, 12)
	whole, _ := annotate(t, args...)
	names, err := filepath.Glob(args[1])
	if err != nil || len(names) != 3 {
		t.Fatal(names, err)
	}
	info, err := os.Stat(names[1])
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(names[1], info.Size()/2); err != nil {
		t.Fatal(err)
	}
	lines, stderr := annotate(t, args...)
	if !strings.Contains(stderr, "1 damaged files") || !strings.Contains(stderr, filepath.Base(names[1])) {
		t.Errorf("standard error: %s", stderr)
	}
	if len(lines) <= len(whole)/2 || len(lines) >= len(whole) {
		t.Errorf("%d lines of %d", len(lines), len(whole))
	}
	if diff := cmp.Diff(whole[len(whole)-1], lines[len(lines)-1]); diff != "" {
		t.Errorf("last line (-want +got):\n%s", diff)
	}
}

// TestProcess: as a process, a closed pipe ends it quietly, and an interrupt with
// code 130 and a whole line.
func TestProcess(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no such signals")
	}
	start := func() (*exec.Cmd, *bufio.Reader, io.Closer, *bytes.Buffer) {
		cmd := exec.Command(os.Args[0], writeFleet(t, 40)...)
		cmd.Env = append(os.Environ(), "ANNOTATE_MAIN=1")
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		r := bufio.NewReader(out)
		if _, err := r.ReadString('\n'); err != nil {
			t.Fatal(err, stderr.String())
		}
		return cmd, r, out, &stderr
	}

	cmd, _, out, stderr := start()
	out.Close()
	if err := cmd.Wait(); err == nil || stderr.Len() > 0 {
		t.Errorf("closed pipe: %v, standard error %q", err, stderr)
	}

	cmd, r, _, stderr := start()
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	for { // the pipe is full until it is read
		line, err := r.ReadString('\n')
		if err == io.EOF && line == "" {
			break
		} else if err != nil || !json.Valid([]byte(line)) {
			t.Fatalf("line %q, error %v", line, err)
		}
	}
	cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != 130 || !strings.Contains(stderr.String(), "interrupted") {
		t.Errorf("interrupt: exit %d, standard error %q", code, stderr)
	}
}
