// Annotate writes the flows of its input with their direction and the names of
// their remote end, one JSON object a line, in the order of the files.
//
// Devices are replaced by pseudonyms; with the same -key they are the same in
// every run.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"iter"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/endoflow/endoflow/classify"
	"github.com/endoflow/endoflow/enrich"
	"github.com/endoflow/endoflow/flow"
	"github.com/endoflow/endoflow/pdns"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
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

Options:
`

// line is what is written of a flow.
type line struct {
	Start     *time.Time `json:"start"` // null if not recorded
	End       *time.Time `json:"end"`
	Device    string     `json:"device"` // pseudonym
	OS        string     `json:"os"`
	App       string     `json:"app"`
	Proto     string     `json:"proto"`
	Src       string     `json:"src"` // address:port, "" if not recorded
	Dst       string     `json:"dst"`
	Direction string     `json:"direction"`
	Basis     string     `json:"basis"`
	Names     []name     `json:"names"` // of the remote end, the most likely first
	TxBytes   uint64     `json:"tx_bytes"`
	RxBytes   uint64     `json:"rx_bytes"`
	Null      string     `json:"null,omitempty"` // fields that the record lacks
}

// name is a name and the evidence for it: "sensor" (seen on the device),
// "query" (asked for and led to the address) or "owner" (owns the address record).
type name struct {
	Name     string `json:"name"`
	Evidence string `json:"evidence"`
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	f := flag.NewFlagSet("annotate", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.Usage = func() {
		fmt.Fprint(stderr, usage)
		f.PrintDefaults()
	}
	flows := f.String("flows", "", "flow records: `PATTERNS`, comma-separated; plain, gzip or zstd")
	flowFormat := f.String("flow-format", "auto", "auto, nvm, sysmon or zeek")
	dns := f.String("pdns", "", "passive DNS: `PATTERNS`, likewise")
	dnsFormat := f.String("pdns-format", "auto", "auto, cof, zeek or sysmon (parquet is not available yet)")
	direction := f.String("direction", "strict", "strict, or paper: the literal RFC 1918 rule")
	names := f.String("names", "query", "query: CNAME chains followed; owner: the paper's literal pairs")
	at := f.Bool("at", false, "not available yet: names that were valid when the flow began")
	keyFile := f.String("key", "", "`FILE` with the key of pseudonyms; none: a new random key for this run")
	if err := f.Parse(args); err != nil {
		return err
	}
	newFlowFormat, ok1 := flowFormats[*flowFormat]
	newDNSFormat, ok2 := pdnsFormats[*dnsFormat]
	labeler, ok3 := labelers[*direction]
	mode, ok4 := modes[*names]
	switch {
	case f.NArg() > 0:
		return fmt.Errorf("unexpected argument %q: options begin with -; quote patterns", f.Arg(0))
	case *flows == "":
		return errors.New("no -flows: name the files with flow records, as in -flows 'nvm/*.json.gz'")
	case *at:
		return errors.New("-at is not available yet; run without it")
	case !ok1 || !ok2 || !ok3 || !ok4:
		return errors.New("-flow-format, -pdns-format, -direction or -names has a word that is not in the list that -h shows")
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
		return err
	}
	index, err := readDNS(ctx, *dns, newDNSFormat, stderr)
	if err != nil {
		return err
	}
	out := bufio.NewWriterSize(stdout, 1<<16)
	a := annotator{labeler: labeler, pseudonyms: pseudonyms, enricher: enrich.Enricher{Resolver: index.Mode(mode)}, evidence: *names, json: json.NewEncoder(out)}
	a.json.SetEscapeHTML(false)
	files := flow.Files{Patterns: strings.Split(*flows, ","), Format: newFlowFormat, Workers: 1}
	counts, err := files.Read(ctx, func(recs iter.Seq2[flow.Record, error]) error {
		for rec, err := range recs {
			if err != nil {
				if !skippable(err, stderr) {
					return err
				}
				continue
			}
			if err := a.write(ctx, rec); err != nil {
				return err
			}
		}
		return nil
	})
	if err2 := out.Flush(); err == nil {
		err = err2
	}
	if err == nil {
		fmt.Fprintf(stderr, "annotate: %d lines: %d flows, %d errors, %d damaged files, skipped %v\n", counts.Lines, counts.Records, counts.Errors, counts.Damaged, counts.Skipped)
	}
	return err
}

// readDNS makes the index of all names.
func readDNS(ctx context.Context, patterns string, format func() pdns.Format, stderr io.Writer) (*pdns.Index, error) {
	var all pdns.Builder
	if patterns == "" {
		return all.Build(), nil
	}
	var mu sync.Mutex
	files := pdns.Files{Patterns: strings.Split(patterns, ","), Format: format}
	_, err := files.Read(ctx, func(recs iter.Seq2[pdns.Record, error]) error {
		var mine pdns.Builder
		for rec, err := range recs {
			if err == nil {
				mine.Add(rec)
			} else if !skippable(err, stderr) {
				return err
			}
		}
		mu.Lock()
		defer mu.Unlock()
		all.Merge(&mine)
		return nil
	})
	return all.Build(), err
}

// skippable tells of a line that cannot be read; it is false for an error that
// ends the reading.
func skippable(err error, stderr io.Writer) bool {
	_, ok := errors.AsType[*flow.ParseError](err)
	if ok {
		fmt.Fprintln(stderr, "annotate:", err)
	}
	return ok
}

// An annotator writes one flow after the other.
type annotator struct {
	labeler    classify.Labeler
	pseudonyms *flow.Pseudonymizer
	enricher   enrich.Enricher
	evidence   string // of a name that the index knows
	json       *json.Encoder
}

func (a *annotator) write(ctx context.Context, rec flow.Record) error {
	label := a.labeler.Label(rec)
	found, err := a.enricher.Names(ctx, rec, label.Remote(rec))
	if err != nil {
		return err
	}
	l := line{
		Device: a.pseudonyms.Device(rec.Device), OS: rec.OS.String(), App: rec.App.Name, Proto: rec.Proto.String(),
		Direction: label.Direction.String(), Basis: label.Basis.String(), Names: make([]name, len(found)),
		TxBytes: rec.TxBytes, RxBytes: rec.RxBytes, Null: rec.Null.String(),
	}
	if !rec.Start.IsZero() {
		l.Start = &rec.Start
	}
	if !rec.End.IsZero() {
		l.End = &rec.End
	}
	if rec.Src.IsValid() {
		l.Src = rec.Src.String()
	}
	if rec.Dst.IsValid() {
		l.Dst = rec.Dst.String()
	}
	for i, n := range found {
		l.Names[i] = name{n.Name, a.evidence}
		if n.Evidence == enrich.Sensor {
			l.Names[i].Evidence = n.Evidence.String()
		}
	}
	return a.json.Encode(l)
}

var (
	flowFormats = map[string]func() flow.Format{
		"auto":   nil,
		"nvm":    func() flow.Format { return new(flow.NVM) },
		"sysmon": func() flow.Format { return new(flow.Sysmon) },
		"zeek":   func() flow.Format { return new(flow.Zeek) },
	}
	pdnsFormats = map[string]func() pdns.Format{
		"auto":   nil,
		"cof":    func() pdns.Format { return new(pdns.COF) },
		"zeek":   func() pdns.Format { return new(pdns.Zeek) },
		"sysmon": func() pdns.Format { return new(pdns.Sysmon) },
	}
	labelers = map[string]classify.Labeler{"strict": classify.Strict{}, "paper": classify.Paper{}}
	modes    = map[string]pdns.Mode{"query": pdns.Query, "owner": pdns.Owner}
)
