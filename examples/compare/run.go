package main

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// What is asked of both sides.
const (
	minSupport    = "0.01"
	minPrevalence = "0.05"
)

// studyCommand is the command line of the study. Words in capital letters stand
// for what a run chooses.
const studyCommand = "study -flows FLOWS -flow-format nvm -pdns DNS -pdns-format parquet -os macos -direction paper -names owner -endpoint name -expand" +
	" -min-support SUPPORT -min-prevalence PREVALENCE -memory MEMORY -out OUT"

// An input is the files of a fleet, as patterns.
type input struct{ flows, dns string }

// A runner runs programs, one at a time.
type runner struct {
	options
	input
	work    string // folder for programs and results
	verbose io.Writer
	rows    int // of the last round, equal on both sides
}

// newRunner makes the fleet, unless it is there, and builds the programs.
func newRunner(ctx context.Context, o options, stderr io.Writer) (*runner, error) {
	work, err := os.MkdirTemp("", "endoflow-compare-*")
	if err != nil {
		return nil, err
	}
	r := &runner{options: o, work: work, verbose: io.Discard, input: input{
		flows: filepath.Join(o.dir, "flows-*"), dns: filepath.Join(o.dir, "dns-*"),
	}}
	if o.log {
		r.verbose = stderr
	}
	if err := errors.Join(r.makeFleet(ctx), r.build(ctx)); err != nil {
		return nil, errors.Join(err, os.RemoveAll(work))
	}
	return r, nil
}

// makeFleet generates in a process of its own: what this process has held, its
// children have in their peak memory.
func (r *runner) makeFleet(ctx context.Context) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	_, err = r.run(exec.CommandContext(ctx, self, "-generate-only", "-dir", r.dir, "-flows", strconv.Itoa(r.Flows), "-rows", strconv.Itoa(r.Rows),
		"-devices", strconv.Itoa(r.Devices), "-seed", strconv.FormatUint(r.Seed, 10), "-codec", r.Codec, "-style", r.Style))
	return err
}

// A cost is what one run of a program took. All of it is the program's own, as
// the operating system counts it when the process ends.
type cost struct {
	Wall  float64 `json:"wall_s"`
	CPU   float64 `json:"cpu_s"`
	Peak  float64 `json:"peak_mb"` // MB of memory
	Flows int64   `json:"flows,omitempty"`
	Bytes int64   `json:"bytes,omitempty"` // written
}

// run runs a program and returns what it cost.
func (r *runner) run(cmd *exec.Cmd) (cost, error) {
	var stderr bytes.Buffer
	if cmd.Stdout == nil {
		cmd.Stdout = r.verbose
	}
	cmd.Stderr = &stderr
	cmd.Env = append(os.Environ(), "GOMAXPROCS="+strconv.Itoa(r.threads))
	start := time.Now()
	if err := cmd.Run(); err != nil {
		return cost{}, fmt.Errorf("%s: %w: %s", filepath.Base(cmd.Path), err, strings.TrimSpace(stderr.String()))
	}
	p := cmd.ProcessState
	return cost{
		Wall: time.Since(start).Seconds(), CPU: (p.UserTime() + p.SystemTime()).Seconds(), Peak: float64(peak(p)) / 1e6,
	}, nil
}

// build builds the program of this project that the task is about.
func (r *runner) build(ctx context.Context) error {
	name := "study"
	if r.annotates() {
		name = "annotate"
	}
	cmd := exec.CommandContext(ctx, "go", "build", "-o", filepath.Join(r.work, name), "./examples/"+name)
	cmd.Dir = r.root
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go build ./examples/%s in %s: %w: %s", name, r.root, err, out)
	}
	return nil
}

// command returns a program of this project as its command line says.
func (r *runner) command(ctx context.Context, line, out string, memory string) *exec.Cmd {
	value := map[string]string{"FLOWS": r.flows, "DNS": r.dns, "OUT": out, "MEMORY": memory, "SUPPORT": minSupport, "PREVALENCE": minPrevalence}
	words := strings.Fields(line)
	for i, word := range words {
		if v, ok := value[word]; ok {
			words[i] = v
		}
	}
	return exec.CommandContext(ctx, filepath.Join(r.work, words[0]), words[1:]...)
}

// duckdb runs DuckDB in a process of its own, which is this program again.
func (r *runner) duckdb(ctx context.Context, phases []phase) (cost, error) {
	self, err := os.Executable()
	if err != nil {
		return cost{}, err
	}
	spill := filepath.Join(r.work, "spill")
	in, err := json.Marshal(job{r.memory, r.threads, spill, phases})
	if err != nil {
		return cost{}, err
	}
	cmd := exec.CommandContext(ctx, self, duckdbProcess)
	cmd.Stdin = bytes.NewReader(in)
	c, err := r.run(cmd)
	return c, errors.Join(err, os.RemoveAll(spill))
}

// study runs the study and returns its table of endpoints.
func (r *runner) study(ctx context.Context, memory string) (endpoints string, c cost, err error) {
	out := filepath.Join(r.work, "study-"+memory)
	c, err = r.run(r.command(ctx, studyCommand, out, memory))
	return filepath.Join(out, "endpoints.csv"), c, err
}

// studyRound runs the study and DuckDB, and requires equal rows.
func (r *runner) studyRound(ctx context.Context, swap bool) (ours, theirs cost, err error) {
	var endpoints string
	rows := filepath.Join(r.work, "duckdb.csv")
	sides := []func() error{
		func() (err error) { endpoints, ours, err = r.study(ctx, r.memory); return },
		func() (err error) { theirs, err = r.duckdb(ctx, studySQL(r.input, r.options, rows)); return },
	}
	if swap {
		slices.Reverse(sides)
	}
	for _, side := range sides {
		if err := side(); err != nil {
			return ours, theirs, err
		}
	}
	d, err := compareFiles(endpoints, rows)
	if err != nil {
		return ours, theirs, err
	}
	if d.differs() {
		return ours, theirs, d
	}
	fmt.Fprintf(r.verbose, "%d rows, equal\n", d.equal)
	r.rows = d.equal
	return ours, theirs, nil
}

// spill runs the study with ever less memory and requires that it writes the
// same bytes.
func (r *runner) spill(ctx context.Context, stdout io.Writer) error {
	var want []byte
	for _, memory := range []string{r.memory, "256MiB", "64MiB", "16MiB"} {
		endpoints, c, err := r.study(ctx, memory)
		if err != nil {
			return err
		}
		got, err := os.ReadFile(endpoints)
		if err != nil {
			return err
		}
		fmt.Fprintf(stdout, "-memory %s: %.1f s, %.1f CPU s, peak %.0f MB\n", memory, c.Wall, c.CPU, c.Peak)
		if want == nil {
			want = got
		} else if !bytes.Equal(got, want) {
			return fmt.Errorf("-memory %s gives another endpoints.csv than %s", memory, r.memory)
		}
	}
	return nil
}

// A difference is what two tables of rows do not share. It is an error where
// there is any.
type difference struct {
	equal, onlyOurs, onlyTheirs, values int
	sample                              []string
}

func (d *difference) differs() bool { return d.onlyOurs+d.onlyTheirs+d.values > 0 }

func (d *difference) Error() string {
	return fmt.Sprintf("the rows differ: %d equal, %d only of the study, %d only of DuckDB, %d with other values; the first:\n%s",
		d.equal, d.onlyOurs, d.onlyTheirs, d.values, strings.Join(d.sample, "\n"))
}

func (d *difference) note(n *int, format string, args ...any) {
	*n++
	if len(d.sample) < 10 {
		d.sample = append(d.sample, fmt.Sprintf(format, args...))
	}
}

// compareFiles compares the study's endpoints with DuckDB's rows. Both are
// sorted by application and name, so that neither is held in memory: what this
// process holds, its children inherit in their peak.
func compareFiles(endpoints, rows string) (*difference, error) {
	ours, err := openTable(endpoints, "app", "endpoint", "devices", "active_devices", "flows")
	if err != nil {
		return nil, err
	}
	defer ours.Close()
	theirs, err := openTable(rows, "app", "name", "devices", "active_devices", "flows")
	if err != nil {
		return nil, err
	}
	defer theirs.Close()
	d := new(difference)
	a, errA := ours.next()
	b, errB := theirs.next()
	for {
		switch {
		case errA != nil && errA != io.EOF || errB != nil && errB != io.EOF:
			return nil, errors.Join(errA, errB)
		case errA == io.EOF && errB == io.EOF:
			return d, nil
		}
		order := slices.Compare(a[:2], b[:2])
		switch {
		case errB == io.EOF || errA == nil && order < 0:
			d.note(&d.onlyOurs, "study  %v", a)
			a, errA = ours.next()
			continue
		case errA == io.EOF || order > 0:
			d.note(&d.onlyTheirs, "DuckDB %v", b)
			b, errB = theirs.next()
			continue
		case a != b:
			d.note(&d.values, "study  %v\nDuckDB %v", a, b)
		default:
			d.equal++
		}
		a, errA = ours.next()
		b, errB = theirs.next()
	}
}

// A table reads some columns of a CSV file.
type table struct {
	io.Closer
	*csv.Reader
	columns [5]int
}

func openTable(name string, columns ...string) (*table, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	t := &table{Closer: f, Reader: csv.NewReader(f)}
	t.ReuseRecord = true
	header, err := t.Read()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", name, err), f.Close())
	}
	for i, column := range columns {
		if t.columns[i] = slices.Index(header, column); t.columns[i] < 0 {
			return nil, errors.Join(fmt.Errorf("%s: no column %s", name, column), f.Close())
		}
	}
	return t, nil
}

func (t *table) next() (row [5]string, err error) {
	cells, err := t.Read()
	if err != nil {
		return row, err
	}
	for i, c := range t.columns {
		row[i] = strings.Clone(cells[c])
	}
	return row, nil
}
