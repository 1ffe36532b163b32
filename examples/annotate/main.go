// Annotate writes the flows of its input with their direction and the names of
// their remote end, one JSON object a line, in the order of the files.
//
// Devices are replaced by pseudonyms; with the same -key they are the same in
// every run.
package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"iter"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/endoflow/endoflow/classify"
	"github.com/endoflow/endoflow/enrich"
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
		fmt.Fprintln(os.Stderr, "annotate: interrupted; the output ends with a whole line")
		os.Exit(130)
	default:
		fmt.Fprintln(os.Stderr, "annotate:", err)
		os.Exit(2)
	}
}

const usage = `Annotate writes flows with their direction and names as JSON lines.

  annotate -flows 'nvm/*.json.gz' -pdns 'dns/*.json.gz' > flows.jsonl
  annotate -flows conn.log -pdns dns.log | grep '"direction":"Outbound"'

Files are read in the order of their names. Where the operating system stands in
records of its own (NVM's endpoint records), a flow has what was read of its
device before it. Devices are written as pseudonyms; addresses are written as
they are.

Options:
`

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	f := flag.NewFlagSet("annotate", flag.ContinueOnError)
	f.SetOutput(io.Discard) // the error is printed once, by main
	f.Usage = func() {}
	flows := f.String("flows", "", "flow records: `PATTERNS`, comma-separated; plain, gzip or zstd")
	flowFormat := f.String("flow-format", "auto", "auto, nvm, sysmon or zeek")
	dns := f.String("pdns", "", "passive DNS: `PATTERNS`, likewise")
	dnsFormat := f.String("pdns-format", "auto", "auto, parquet, cof, zeek or sysmon")
	direction := f.String("direction", "strict", "strict, or paper: the literal RFC 1918 rule")
	names := f.String("names", "query", "query: CNAME chains followed; owner: the paper's literal pairs")
	at := f.Bool("at", false, "not available yet: names that were valid when the flow began")
	keyFile := f.String("key", "", "`FILE` with the key of pseudonyms; none: a new random key for this run")
	if err := f.Parse(args); errors.Is(err, flag.ErrHelp) {
		fmt.Fprint(stderr, usage)
		f.SetOutput(stderr)
		f.PrintDefaults()
		return err
	} else if err != nil {
		return fmt.Errorf("%w; -h lists the options", err)
	}
	newFlowFormat, ok1 := flow.NamedFormat(*flowFormat)
	_, ok2 := pdns.NamedFormat(*dnsFormat)
	ok2 = ok2 || *dnsFormat == "parquet"
	labeler, ok3 := classify.NamedLabeler(*direction)
	mode, ok4 := pdns.ParseMode(*names)
	switch {
	case f.NArg() > 0:
		return fmt.Errorf("unexpected argument %q: options begin with -; quote patterns, so that the shell leaves them alone", f.Arg(0))
	case *flows == "":
		return errors.New("no -flows: name the files with flow records, as in -flows 'nvm/*.json.gz'")
	case *at:
		return errors.New("-at is not available yet; run without it")
	case !ok1 || !ok2 || !ok3 || !ok4:
		return errors.New("a word after -flow-format, -pdns-format, -direction or -names is not one that -h lists")
	}
	key := flow.RandomKey()
	if *keyFile != "" {
		var err error
		if key, err = os.ReadFile(*keyFile); err != nil {
			return err
		}
	}
	pseudonyms, err := flow.NewPseudonymizer(key)
	if err != nil {
		return fmt.Errorf("-key %s: %w", *keyFile, err)
	}

	problems := problems{w: stderr}
	var builder pdns.Builder
	if *dns != "" {
		files := pdnsparquet.Mixed{Patterns: strings.Split(*dns, ","), Format: *dnsFormat}
		if _, err := files.Fill(ctx, &builder, problems.add); err != nil {
			return err
		}
	}
	index, err := builder.Build(ctx)
	if err != nil {
		return err
	}
	enricher := enrich.Enricher{Resolver: index.Mode(mode)}

	out := bufio.NewWriterSize(stdout, 1<<16)
	w := newWriter(out, pseudonyms, mode)
	devices := new(flow.Devices)
	files := flow.Files{Patterns: strings.Split(*flows, ","), Format: newFlowFormat, Devices: devices, Workers: 1} // one, to keep the order
	counts, err := files.Read(ctx, func(recs iter.Seq2[flow.Record, error]) error {
		for rec, err := range recs {
			if pe, ok := errors.AsType[*flow.ParseError](err); ok {
				problems.add(pe)
				continue
			} else if err != nil {
				return err
			}
			if d, ok := devices.Lookup(rec.Device); ok && rec.OS == flow.OSUnknown {
				rec.OS = d.OS // told by an earlier file
			}
			label := labeler.Label(rec)
			names, err := enricher.Names(ctx, rec, label.Remote(rec))
			if err != nil {
				return err
			}
			if err := w.write(rec, label, names); err != nil {
				return err
			}
		}
		return nil
	})
	if err2 := out.Flush(); err == nil {
		err = err2
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(stderr, "annotate: %d lines = %d flows + %d skipped + %d errors; %d damaged files\n",
		counts.Lines, counts.Records, counts.Lines-counts.Records-counts.Errors, counts.Errors, counts.Damaged)
	return nil
}

// problems tells of the first lines that cannot be read.
type problems struct {
	w io.Writer
	n int
}

func (p *problems) add(pe *flow.ParseError) {
	switch p.n++; {
	case p.n <= 10:
		fmt.Fprintln(p.w, "annotate:", pe)
	case p.n == 11:
		fmt.Fprintln(p.w, "annotate: further problems are only counted")
	}
}
