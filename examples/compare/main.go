// Compare measures this project's programs against DuckDB: both answer the same
// question from the same files, in alternation, each in processes of its own, of
// which the operating system counts time and memory. It is a module of its own,
// so that DuckDB, a static library of 70 MB behind cgo, weighs on nothing else.
// It needs gcc and g++; peak memory is known on Unix only.
//
//	go run .                                     1 M flows and 3 M rows of DNS, three rounds
//	go run . -scale M -codec zstd                10 M and 30 M
//	go run . -variant distinct                   DuckDB asked as most would
//	go run . -task factored                      annotate against DuckDB's enriched Parquet
//	go run . -task spill -scale tiny             the study with little memory against itself
//	go run . -generate-only -dir /data/fleet     only the files
//
// The question is the study's: which names did each application on more than 5 %
// of the macOS devices contact, on how many devices and in how many flows, where
// these are at least 1 % of the devices on which it contacted anything (the
// literal RFC 1918 rule, owner names). The rows (app, name, devices,
// active_devices, flows) have to be the same; if one is not, the program prints
// the first that differ and exits with 1.
//
// # The fleet
//
// It is made up from a seed; see generate and newWorld. 81 % of the flows are
// outbound (IPv4), 8.5 % outbound by IPv6, which the RFC 1918 rule does not know
// from others of public addresses, 6 % internal, 1.7 % inbound, 1.3 % public to
// public, and 1.5 % lack a field; 18 % of the devices have Windows; about 140 of
// 400 applications are on more than 5 % of the others. -task stats measures what
// the join meets.
//
// # DuckDB's SQL
//
// Three variants give the same rows (duckdb.go). All use integers for
// applications, devices, addresses and names. distinct counts distinct devices
// over the join of contacts and names; lists joins a list of devices for each
// application and address; pruned, the best we found, joins lists only for the
// names whose sum of lengths reaches the support that is asked for.
//
// -task annotate and factored have both sides write every flow as Parquet, in the same
// columns, with the names of its remote end in a list or once for each address in a
// file of its own, and require as many flows of each direction with as many names.
// Each side does something that the other does not. annotate makes pseudonyms of
// devices, parses times and addresses, keeps flows in order, puts first the name that
// the sensor saw, and tells what speaks for a name; since it reads flows once, it has
// the names of all addresses in an index before, though the factored form needs but
// those of addresses that have flows, and no lists. DuckDB takes text as it is, gives
// flows and names in any order, and has to hold the flows, or to read back what it
// wrote, to know their addresses before it reads names.
//
// # Measured
//
// 2 vCPU AMD EPYC (Zen 3), Go 1.26.8, DuckDB 1.5.6 with 2 threads. DuckDB alone,
// -scale M -codec gzip, 527,133 rows:
//
//	variant    memory    wall s   CPU s   peak GB
//	distinct   12 GiB       115     156      12.5
//	lists      12 GiB        69     112      11.2
//	lists      2 GiB     out of memory: lists do not spill
//	pruned     12 GiB        32      63       5.2
//	pruned     2 GiB                 63       2.2
//
// Of the 63 CPU s reading flows takes 23, names 13 and the join 23. Both sides at
// M, one round each where no more are named, on an otherwise idle machine:
//
//	                                                             wall s        CPU s         peak MB
//	go run . -scale M -memory 12GiB -variant lists (2 rounds)    22.3 of 55.4  40.2 of 107.3  781 of 11,498
//	go run . -scale M -memory 12GiB                              21.1 of 31.6  37.8 of  62.0  768 of  4,573
//	go run . -scale M -memory 12GiB -variant lists -codec zstd   18.1 of 51.8  32.0 of 100.6  758 of 11,568
//
// Flows with names, 2 GiB, on a machine that others used too, so that only CPU time
// and memory say something; at S medians of three rounds, at M one round:
//
//	                                    CPU s          peak MB         MB written    flows per CPU s
//	go run . -task annotate             4.6 of  10.9     265 of 1,431   64 of   164  2.5 times
//	go run . -task annotate -scale M    51  of 126     1,093 of 2,612  982 of 2,478  2.5 times
//	go run . -task factored             3.8 of   4.5     195 of   325   34 of    31  1.2 times
//	go run . -task factored -scale M    48  of  50     1,002 of 1,049  352 of   355  1.05 times
//
// A fleet of S takes 4 s to make, one of M 28 s. The first build downloads 32 MB
// of DuckDB for the system at hand and takes about a minute.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
)

// duckdbProcess is the argument that makes this program the DuckDB process.
const duckdbProcess = "duckdb-process"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second interrupt ends the program at once
	var err error
	if len(os.Args) == 2 && os.Args[1] == duckdbProcess {
		err = runJob(ctx, os.Stdin, os.Stdout)
	} else {
		err = run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	}
	if errors.Is(err, flag.ErrHelp) || err == nil {
		return
	}
	fmt.Fprintln(os.Stderr, "compare:", err)
	if _, ok := errors.AsType[*difference](err); ok {
		os.Exit(1)
	}
	os.Exit(2)
}

// options are the command line.
type options struct {
	fleet
	scale, dir, root        string
	task, variant, memory   string
	threads, rounds         int
	generateOnly, json, log bool
}

// scales are fleets by name.
var scales = map[string]fleet{
	"tiny": {Flows: 30_000, Rows: 60_000, Devices: 300},
	"S":    {Flows: 1_000_000, Rows: 3_000_000, Devices: 2000},
	"M":    {Flows: 10_000_000, Rows: 30_000_000, Devices: 8000},
	"L":    {Flows: 50_000_000, Rows: 150_000_000, Devices: 20_000},
}

func parseOptions(args []string, stderr io.Writer) (o options, err error) {
	f := flag.NewFlagSet("compare", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.StringVar(&o.scale, "scale", "S", "how large a fleet: tiny, S, M or L; the next three change parts of it")
	f.IntVar(&o.Flows, "flows", 0, "`number` of flow records")
	f.IntVar(&o.Rows, "rows", 0, "`number` of rows of passive DNS")
	f.IntVar(&o.Devices, "devices", 0, "`number` of devices")
	f.Uint64Var(&o.Seed, "seed", 1, "the same seed gives the same bytes")
	f.StringVar(&o.Codec, "codec", "gzip", "of the flow files: gzip, zstd or plain")
	f.StringVar(&o.Style, "style", "compact", "of the flow records: compact, or collector (spaced, all values text, 43 fields)")
	f.StringVar(&o.dir, "dir", "", "`FOLDER` of the fleet, which is made unless it is there; without it one in the system's temporary folder")
	f.BoolVar(&o.generateOnly, "generate-only", false, "make the fleet, and no more")
	f.StringVar(&o.task, "task", "study", "study; annotate: flows with lists of names as Parquet; factored: the names in a file of their own; spill: the study with little -memory against itself; stats: what the fleet is like")
	f.StringVar(&o.variant, "variant", "pruned", "DuckDB's way to count: "+strings.Join(variantNames, ", "))
	f.StringVar(&o.memory, "memory", "2GiB", "`SIZE` that both sides may use")
	f.IntVar(&o.threads, "threads", 2, "of both sides")
	f.IntVar(&o.rounds, "rounds", 3, "how often each side runs")
	f.StringVar(&o.root, "root", filepath.Join("..", ".."), "`FOLDER` of the module with the study")
	f.BoolVar(&o.json, "json", false, "print JSON instead of a table")
	f.BoolVar(&o.log, "v", false, "show on standard error what the programs print")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	scale, ok := scales[o.scale]
	switch {
	case f.NArg() > 0:
		return o, fmt.Errorf("unexpected argument %q", f.Arg(0))
	case !ok:
		return o, fmt.Errorf("-scale %s: want tiny, S, M or L", o.scale)
	case variants[o.variant] == "":
		return o, fmt.Errorf("-variant %s: want %s", o.variant, strings.Join(variantNames, ", "))
	case !slices.Contains([]string{"study", "annotate", "factored", "spill", "stats"}, o.task):
		return o, fmt.Errorf("-task %s: want study, annotate, factored, spill or stats", o.task)
	case o.annotates() && o.Style == "collector":
		return o, errors.New("-task annotate and factored: the SQL reads -style compact only")
	case o.Flows < 0 || o.Rows < 0 || o.Devices < 0 || o.threads < 1 || o.rounds < 1:
		return o, errors.New("want no negative numbers, and -threads and -rounds of 1 or more")
	}
	for _, n := range []struct{ given, usual *int }{{&o.Flows, &scale.Flows}, {&o.Rows, &scale.Rows}, {&o.Devices, &scale.Devices}} {
		if *n.given == 0 {
			*n.given = *n.usual
		}
	}
	if o.dir == "" {
		o.dir = filepath.Join(os.TempDir(), "endoflow-compare",
			fmt.Sprintf("%d-%d-%d-%s-%s-%d", o.Flows, o.Rows, o.Devices, o.Codec, o.Style, o.Seed))
	}
	return o, nil
}

// run is the program.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	o, err := parseOptions(args, stderr)
	if err != nil {
		return err
	}
	if o.generateOnly {
		return generate(ctx, o.dir, o.fleet, runtime.GOMAXPROCS(0))
	}
	r, err := newRunner(ctx, o, stderr)
	if err != nil {
		return err
	}
	defer os.RemoveAll(r.work)
	switch o.task {
	case "spill":
		return r.spill(ctx, stdout)
	case "stats":
		r.verbose = stdout
		_, err := r.duckdb(ctx, statsSQL(r.input, o))
		return err
	}
	round := r.studyRound
	if o.annotates() {
		round = r.annotateRound
	}
	res := result{Fleet: o.fleet, Task: o.task, Variant: o.variant, Memory: o.memory, Threads: o.threads}
	for i := range o.rounds {
		ours, theirs, err := round(ctx, i%2 == 1)
		if err != nil {
			return err
		}
		res.Ours, res.Theirs = append(res.Ours, ours), append(res.Theirs, theirs)
	}
	res.Rows = r.rows
	if o.json {
		return res.writeJSON(stdout)
	}
	return res.writeTable(stdout)
}
