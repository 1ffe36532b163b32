// Annotate writes the flows of its input with their direction and the names of
// their remote end, in the order of the files: one JSON object a line, or Parquet.
//
// Devices are replaced by pseudonyms; with the same -key they are the same in
// every run. What is written does not depend on -workers.
//
// Flows are read in order by one goroutine and written by another. CPU seconds of
// the whole program, from flows in gzip and passive DNS in Parquet, and of DuckDB
// 1.5.6, which writes the same columns of every flow with as many names from the same
// files on two threads (examples/compare -task annotate, factored), on a machine with
// other work (2 vCPU of an AMD EPYC, Go 1.26.8; 1 M flows, 3 M rows: medians of 3
// runs in alternation; 10 M and 30 M: one run each):
//
//	                            1 M flows          10 M flows
//	                            annotate  DuckDB   annotate  DuckDB
//	JSON lines to /dev/null     3.9                54
//	Parquet, factored           3.8       4.5      48        50
//	Parquet, -expand            4.6       10.9     51        126
//	flows a CPU second          219,000   92,000   194,000   79,000
//	  of the latter
//	peak of memory, MB          265       1,431    1,093     2,612
//	  of the latter
//	size of the latter, MB      64        164      982       2,478
//
// Of 54 seconds in a profile of 10 M flows with -expand, reading is 20 (11 of them
// gzip), the index of names 14 and writing 20 (8 of them Zstandard).
//
// Memory: the index of names and what is written share -memory. Half of it is for
// gathering names, an eighth for a row group of Parquet or for lists of names in
// JSON, and what goes beyond is in temporary files (package pdns). Beside that stand
// a pseudonym for each device, 4 bytes for each name and, in the factored form, up to
// 40 bytes for each remote address.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"

	"github.com/endoflow/endoflow/enrich/enrichparquet"
	"github.com/endoflow/endoflow/flow"
	"github.com/endoflow/endoflow/pdns"
	"github.com/endoflow/endoflow/pdns/pdnsparquet"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second interrupt ends the program at once
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
	case errors.Is(err, context.Canceled):
		fmt.Fprintln(os.Stderr, "annotate: interrupted; standard output ends with a whole line, and no unfinished file was left")
		os.Exit(130)
	default:
		fmt.Fprintln(os.Stderr, "annotate:", err)
		os.Exit(2)
	}
}

// run is the program: options, names, then the flows in one pass.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	o, err := parseOptions(args, stderr)
	if err != nil {
		return err
	}
	debug.SetMemoryLimit(o.memory)
	var out output
	defer out.discard()
	report := newReporter(stderr)
	names, err := readNames(ctx, &o, report)
	if err != nil {
		return err
	}
	defer names.Close()
	write, end, err := o.writer(&out, stdout, names.Mode(o.names))
	if err != nil {
		return err
	}
	files := &flow.Files{Patterns: strings.Split(o.flows, ","), Format: o.flowFormat, Devices: new(flow.Devices), Progress: report.progress("flows")}
	counts, err := pipe(ctx, files, report.problem, write)
	report.clear()
	if err == nil {
		err = end()
	}
	if err != nil {
		return err
	}
	if err := out.finish(); err != nil {
		return err
	}
	fmt.Fprintf(stderr, "annotate: %d lines = %d flows + %d skipped + %d errors; %d damaged files\n",
		counts.Lines, counts.Records, counts.Lines-counts.Records-counts.Errors, counts.Errors, counts.Damaged)
	return nil
}

// readNames makes the index of names.
func readNames(ctx context.Context, o *options, report *reporter) (*pdns.Index, error) {
	builder := pdns.Builder{Memory: o.memory / 2, NoTimes: true, NoCNAMEs: o.names == pdns.Owner} // what is not written
	defer builder.Close()
	if o.pdns != "" {
		files := pdnsparquet.Mixed{Patterns: strings.Split(o.pdns, ","), Format: o.pdnsFormat, Workers: o.workers, Progress: report.progress("passive DNS")}
		if _, err := files.Fill(ctx, &builder, report.problem); err != nil {
			return nil, err
		}
	}
	report.clear()
	return builder.Build(ctx)
}

// writer returns the function that writes flows, and the one that writes what is
// held back, once.
func (o *options) writer(out *output, stdout io.Writer, index *pdns.Index) (write func([]flow.Record) error, end func() error, err error) {
	to := stdout
	if o.output != "" {
		if to, err = out.create(o.output); err != nil {
			return nil, nil, err
		}
	}
	if !o.parquet {
		w := newJSONWriter(to, index, o)
		return func(recs []flow.Record) error {
			for i := range recs {
				rec := &recs[i]
				if err := w.write(rec, o.labeler.Label(*rec)); err != nil {
					return err
				}
			}
			return nil
		}, w.flush, nil
	}
	w := &enrichparquet.Writer{Flows: to, Resolver: index, Evidence: o.names.String(), Device: o.pseudonyms.Device, RowGroup: int(min(o.memory/8, 256<<20))}
	if !o.expand {
		if w.Names, err = out.create(strings.TrimSuffix(o.output, ".parquet") + ".names.parquet"); err != nil {
			return nil, nil, err
		}
	}
	rows := make([]enrichparquet.Row, batchSize)
	return func(recs []flow.Record) error {
		for i := range recs {
			label := o.labeler.Label(recs[i])
			rows[i] = enrichparquet.Row{Record: recs[i], Remote: label.Remote(recs[i]), Direction: label.Direction.String(), Basis: label.Basis.String()}
		}
		return w.Write(rows[:len(recs)]...)
	}, w.Close, nil
}
