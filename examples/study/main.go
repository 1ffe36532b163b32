// Study is the paper's whole study as a program: flow records and passive DNS
// in, tables of directions, applications and endpoints out.
//
// Without -flows it makes up a fleet of 2,000 devices, writes its records into
// the output folder and studies them. Run it with -h for the options.
//
// # Costs
//
// Measured on made-up fleets (examples/compare -generate-only -scale M, and L), gzip
// and Parquet, 544 bytes of text a flow, on 2 vCPU of an AMD EPYC with nothing else
// to do, Go 1.26.8, one run each:
//
//	study -flow-format nvm -direction paper -names owner -endpoint name -expand -min-support 0.01
//
//	         devices  flows  DNS rows  -memory  wall s  CPU s: flows  names  join   all  peak GB  spilled GB
//	M          8,000   10 M      30 M     2GiB      21          22.9   10.3   3.3    37     0.75           0
//	M, zstd    8,000   10 M      30 M     2GiB      18          16.7   11.2   3.4    32     0.81           0
//	M          8,000   10 M      30 M     1GiB      23          25.2   10.9   4.0    41     0.58        0.05
//	M          8,000   10 M      30 M   384MiB      26          24.2   15.5   4.4    45     0.34        0.34
//	M          8,000   10 M      30 M   256MiB      26          23.8   15.8   4.4    45     0.29        0.40
//	L         20,000   50 M     150 M     1GiB     156         132.5  102.6  21.9   261     1.25        2.17
//
// From 256MiB on, the process stays within a fifth above -memory, with the pages of
// the index that are mapped. With less, reading alone takes more than there is: 1 M
// flows and 3 M rows peaked at 0.14 GB with 64MiB and at 0.20 with 16MiB.
//
// The paper has 3.21 G flows and 9.5 G rows. Estimated by the costs of L for a flow
// (2.65 µs, join 0.44 µs) and a row (0.68 µs), it would take 2.4, 0.4 and 1.8 CPU
// hours, 4.6 in all, where the paper's join alone took 1,000, and 23 GB and 115 GB of
// temporary files. None of that was measured: not the size, not the paper's devices
// and names, not its records. L is 5 times M and costs 6.4 times as much with the
// same -memory, so that it would be more; and what the join knows of addresses and
// classes of names is in memory whatever the limit is (0.46 GB at L).
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
	"runtime/debug"
	"syscall"

	"github.com/endoflow/endoflow/flow/flowtest"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second interrupt ends the program at once
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
	case errors.Is(err, context.Canceled):
		fmt.Fprintln(os.Stderr, "study: interrupted; no unfinished file was left in the output folder")
		os.Exit(130)
	default:
		fmt.Fprintln(os.Stderr, "study:", err)
		os.Exit(2)
	}
}

// forReading is what the garbage collector may leave beyond -memory, of which
// contacts and names have three quarters: pages and dictionaries of Parquet files
// alone can be 100 MB, and a collector that cannot get below its limit does little
// else than collect.
const forReading = 128 << 20

// run is the program: options, two passes over the input, the join, the files.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	o, err := parseOptions(args, stderr)
	if err != nil {
		return err
	}
	if err := prepare(o.out); err != nil {
		return err
	}
	debug.SetMemoryLimit(o.memory + forReading)
	debug.SetGCPercent(40) // what lives is a few large tables without pointers, which are cheap to look over
	if o.flows == "" {
		if err := builtIn(ctx, &o, stdout); err != nil {
			return err
		}
	}
	s, err := newStudy(o, newProgressLine(stderr))
	if err != nil {
		return err
	}
	defer s.close()
	if err := s.readFlows(ctx); err != nil {
		return err
	}
	if err := s.readDNS(ctx); err != nil {
		return err
	}
	if err := s.join(ctx); err != nil {
		return err
	}
	if err := s.writeFiles(); err != nil {
		return err
	}
	return s.print(stdout)
}

// prepare makes the output folder and tries whether it can be written to, before
// the work and not after it.
func prepare(dir string) error {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, ".unfinished-*")
	if err != nil {
		return err
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}

// builtIn makes up a fleet and points the options to it.
func builtIn(ctx context.Context, o *options, stdout io.Writer) error {
	dir := filepath.Join(o.out, "fleet")
	fmt.Fprintf(stdout, "No -flows given: a made-up fleet of 2,000 devices is written to %s and studied.\n\n", dir)
	if err := (flowtest.Fleet{Devices: 2000}).WriteDir(ctx, dir, 8); err != nil {
		return err
	}
	o.flows, o.pdns = filepath.Join(dir, "flows-*"), filepath.Join(dir, "dns*")
	return nil
}
