// Study is the paper's whole study as a program: flow records and passive DNS
// in, tables of directions, applications and endpoints out.
//
// Without -flows it makes up a fleet of 2,000 devices, writes its records into
// the output folder and studies them. Run it with -h for the options.
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
