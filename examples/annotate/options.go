package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/endoflow/endoflow/classify"
	"github.com/endoflow/endoflow/flow"
	"github.com/endoflow/endoflow/pdns"
)

const usage = `Annotate writes flows with their direction and the names of their remote end.

  annotate -flows 'nvm/*.json.gz' -pdns 'dns/*.json.gz' > flows.jsonl
  annotate -flows conn.log -pdns dns.log | grep '"direction":"Outbound"'
  annotate -flows 'nvm/*.json.gz' -pdns 'dns/*.parquet' -o flows.parquet

Files are read in the order of their names. Where the operating system stands in
records of its own (NVM's endpoint records), a flow has what was read of its
device before it. Devices are written as pseudonyms; addresses are written as
they are.

As Parquet, names stand in a file of their own, once for each remote address:
flows.names.parquet beside flows.parquet. With -expand they stand in a list with
each flow instead.

Options:
`

type options struct {
	flows, pdns, pdnsFormat, output string
	flowFormat                      func() flow.Format
	labeler                         classify.Labeler
	names                           pdns.Mode
	parquet, expand                 bool
	workers                         int
	memory                          int64
	pseudonyms                      *flow.Pseudonymizer
}

func parseOptions(args []string, stderr io.Writer) (o options, err error) {
	f := flag.NewFlagSet("annotate", flag.ContinueOnError)
	f.SetOutput(io.Discard) // the error is printed once, by main
	f.Usage = func() {}
	f.StringVar(&o.flows, "flows", "", "flow records: `PATTERNS`, comma-separated; plain, gzip or zstd")
	flowFormat := f.String("flow-format", "auto", "auto, nvm, sysmon or zeek")
	f.StringVar(&o.pdns, "pdns", "", "passive DNS: `PATTERNS`, likewise")
	f.StringVar(&o.pdnsFormat, "pdns-format", "auto", "auto, parquet, cof, zeek or sysmon")
	direction := f.String("direction", "strict", "strict, or paper: the literal RFC 1918 rule")
	names := f.String("names", "query", "query: CNAME chains followed; owner: the paper's literal pairs, in the order of their bytes")
	at := f.Bool("at", false, "not available yet: names that were valid when the flow began")
	keyFile := f.String("key", "", "`FILE` with the key of pseudonyms; none: a new random key for this run")
	f.StringVar(&o.output, "o", "", "write to `FILE`, which is there when it is whole; none: to standard output")
	format := f.String("format", "", "json or parquet; none: what the name of -o ends in, or json")
	f.BoolVar(&o.expand, "expand", false, "Parquet: write the list of names with each flow")
	f.IntVar(&o.workers, "workers", 0, "passive DNS files that are read at the same time; 0: one a processor")
	memory := f.String("memory", "2GiB", "memory to stay within where possible: `SIZE` in MiB or GiB")
	if err := f.Parse(args); errors.Is(err, flag.ErrHelp) {
		fmt.Fprint(stderr, usage)
		f.SetOutput(stderr)
		f.PrintDefaults()
		return o, err
	} else if err != nil {
		return o, fmt.Errorf("%w; -h lists the options", err)
	}
	var ok1, ok2, ok3, ok4, ok5 bool
	o.flowFormat, ok1 = flow.NamedFormat(*flowFormat)
	_, ok2 = pdns.NamedFormat(o.pdnsFormat)
	o.labeler, ok3 = classify.NamedLabeler(*direction)
	o.names, ok4 = pdns.ParseMode(*names)
	o.memory, ok5 = parseSize(*memory)
	o.parquet = *format == "parquet" || *format == "" && strings.HasSuffix(o.output, ".parquet")
	switch {
	case f.NArg() > 0:
		return o, fmt.Errorf("unexpected argument %q: options begin with -; quote patterns, so that the shell leaves them alone", f.Arg(0))
	case o.flows == "":
		return o, errors.New("no -flows: name the files with flow records, as in -flows 'nvm/*.json.gz'")
	case *at:
		return o, errors.New("-at is not available yet; run without it")
	case !ok1 || !ok2 && o.pdnsFormat != "parquet" || !ok3 || !ok4 || *format != "" && *format != "json" && *format != "parquet":
		return o, errors.New("a word after -flow-format, -pdns-format, -direction, -names or -format is not one that -h lists")
	case !ok5:
		return o, errors.New("want a number with KiB, MiB or GiB after -memory")
	case o.workers < 0:
		return o, errors.New("want no negative -workers")
	case o.parquet && o.output == "":
		return o, errors.New("-format parquet without -o: name the file, as in -o flows.parquet")
	case o.expand && !o.parquet:
		return o, errors.New("-expand is for Parquet: in JSON each flow has its list")
	}
	key := flow.RandomKey()
	if *keyFile != "" {
		if key, err = os.ReadFile(*keyFile); err != nil {
			return o, err
		}
	}
	if o.pseudonyms, err = flow.NewPseudonymizer(key); err != nil {
		return o, fmt.Errorf("-key %s: %w", *keyFile, err)
	}
	return o, nil
}

// parseSize reads a number of bytes.
func parseSize(s string) (int64, bool) {
	unit := int64(1)
	for suffix, u := range map[string]int64{"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30} {
		if n, ok := strings.CutSuffix(s, suffix); ok {
			s, unit = n, u
		}
	}
	n, err := strconv.ParseInt(s, 10, 64)
	return n * unit, err == nil && n > 0 && n <= 1<<60/unit
}
