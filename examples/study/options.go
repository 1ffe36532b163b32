package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/endoflow/endoflow/classify"
	"github.com/endoflow/endoflow/enrich"
	"github.com/endoflow/endoflow/flow"
	"github.com/endoflow/endoflow/pdns"
)

// options are the command line.
type options struct {
	flows, pdns   string
	flowFormat    func() flow.Format
	pdnsFormat    string
	os            classify.OSSet
	direction     string
	labeler       classify.Labeler
	names         pdns.Mode
	level         enrich.Level
	minPrevalence float64
	threshold     float64
	certainty     float64
	minSupport    float64
	minDevices    int
	expand        bool
	key           string
	workers       int
	memory        int64
	out           string
}

const usage = `Study tells which of an application's connections are its own (common to most
executions) and which come from its user's input, and how secure the former are.

  study                                       a made-up fleet
  study -flows 'nvm/*.json.gz' -pdns 'pdns/*.parquet' -out results
  study -flows conn.log -pdns dns.log -os any -direction paper

Options:
`

func parseOptions(args []string, stderr io.Writer) (o options, err error) {
	f := flag.NewFlagSet("study", flag.ContinueOnError)
	f.SetOutput(io.Discard) // the error is printed once, by main
	f.Usage = func() {}
	f.StringVar(&o.flows, "flows", "", "flow records: `PATTERNS`, comma-separated; plain, gzip or zstd")
	flowFormat := f.String("flow-format", "auto", "auto, nvm, sysmon or zeek")
	f.StringVar(&o.pdns, "pdns", "", "passive DNS: `PATTERNS`, likewise")
	f.StringVar(&o.pdnsFormat, "pdns-format", "auto", "auto, parquet, cof, zeek or sysmon")
	later := make(map[string]*string)
	for _, name := range []string{"listening", "ip-blocklist", "domain-blocklist", "toplist", "risk"} {
		later[name] = f.String(name, "", "not available yet")
	}
	system := f.String("os", "macos", "macos, windows, linux or any: whose applications to study")
	f.StringVar(&o.direction, "direction", "strict", "strict, or paper: the literal RFC 1918 rule")
	names := f.String("names", "query", "query: CNAME chains followed; owner: the paper's literal pairs")
	level := f.String("endpoint", "name-port", "what is scored: name-port, name, address-port, address or site (registrable domain, port and protocol)")
	f.Float64Var(&o.minPrevalence, "min-prevalence", 0.05, "study applications on more than this share of the devices")
	f.Float64Var(&o.threshold, "threshold", classify.DefaultThreshold, "share of devices above which an endpoint is endogenous (ours; the paper's is not known)")
	f.Float64Var(&o.certainty, "certainty", classify.DefaultCertainty, "how probable a label must be; other endpoints are uncertain")
	f.BoolVar(&o.expand, "expand", false, "one row a name instead of one a class of names that no DNS evidence tells apart")
	f.Float64Var(&o.minSupport, "min-support", 0, "leave endpoints with less support out of the files")
	f.IntVar(&o.minDevices, "min-devices", 1, "leave applications and endpoints with fewer devices out of the files (10 or more before publishing)")
	f.StringVar(&o.key, "key", "", "`FILE` with the key of pseudonyms; none: a new random key for this run")
	f.IntVar(&o.workers, "workers", 0, "files read at a time; 0: as many as processors")
	memory := f.String("memory", "2GiB", "`SIZE` of memory to keep to (64MiB, 2GiB, …); what would need more goes to temporary files in the folder of -out")
	f.StringVar(&o.out, "out", "study-out", "`FOLDER` for the results")
	if err := f.Parse(args); errors.Is(err, flag.ErrHelp) {
		fmt.Fprint(stderr, usage)
		f.SetOutput(stderr)
		f.PrintDefaults()
		return o, err
	} else if err != nil {
		return o, fmt.Errorf("%w; -h lists the options", err)
	}
	if f.NArg() > 0 {
		return o, fmt.Errorf("unexpected argument %q: options begin with -; quote patterns, so that the shell leaves them alone", f.Arg(0))
	}
	for name, value := range later {
		if *value != "" {
			return o, fmt.Errorf("-%s is not available yet; run without it", name)
		}
	}
	for _, word := range []struct {
		flag, value, want string
		parse             func(string) bool
	}{
		{"flow-format", *flowFormat, "auto, nvm, sysmon or zeek", func(s string) (ok bool) { o.flowFormat, ok = flow.NamedFormat(s); return }},
		{"pdns-format", o.pdnsFormat, "auto, parquet, cof, zeek or sysmon", func(s string) bool { _, ok := pdns.NamedFormat(s); return ok || s == "parquet" }},
		{"os", *system, "macos, windows, linux or any", func(s string) (ok bool) { o.os, ok = classify.ParseOSSet(s); return }},
		{"direction", o.direction, "strict or paper", func(s string) (ok bool) { o.labeler, ok = classify.NamedLabeler(s); return }},
		{"names", *names, "query or owner", func(s string) (ok bool) { o.names, ok = pdns.ParseMode(s); return }},
		{"endpoint", *level, "name-port, name, address-port, address or site", func(s string) (ok bool) { o.level, ok = enrich.ParseLevel(s); return }},
		{"memory", *memory, "a number with KiB, MiB or GiB", func(s string) (ok bool) { o.memory, ok = parseSize(s); return }},
	} {
		if !word.parse(word.value) {
			return o, fmt.Errorf("-%s %s: want %s", word.flag, word.value, word.want)
		}
	}
	for name, v := range map[string]float64{"min-prevalence": o.minPrevalence, "min-support": o.minSupport} {
		if !(v >= 0 && v <= 1) {
			return o, fmt.Errorf("-%s: want a share between 0 and 1", name)
		}
	}
	if !(o.threshold > 0 && o.threshold < 1) {
		return o, errors.New("-threshold: want a share above 0 and below 1")
	}
	if !(o.certainty > 0.5 && o.certainty < 1) {
		return o, errors.New("-certainty: want a probability above 0.5 and below 1")
	}
	if o.workers < 0 || o.minDevices < 1 {
		return o, errors.New("want no negative -workers, and a -min-devices of 1 or more")
	}
	if o.flows == "" && o.pdns != "" {
		return o, errors.New("-pdns without -flows: name the flow records too")
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
