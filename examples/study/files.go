package main

import (
	"bufio"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"

	"github.com/endoflow/endoflow/classify"
	"github.com/endoflow/endoflow/flow"
	"github.com/endoflow/endoflow/pdns"
)

// An output is the files of the results. They stand under temporary names until
// all are whole.
type output struct {
	dir   string
	files []outputFile
}

type outputFile struct{ name, temporary string }

// write writes a file, for now under a temporary name.
func (o *output) write(name string, write func(io.Writer) error) error {
	f, err := os.CreateTemp(o.dir, ".unfinished-*")
	if err != nil {
		return err
	}
	o.files = append(o.files, outputFile{name, f.Name()})
	w := bufio.NewWriterSize(f, 1<<20)
	if err := errors.Join(write(w), w.Flush(), f.Chmod(0o644), f.Close()); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// finish gives the files their names.
func (o *output) finish() error {
	for len(o.files) > 0 {
		f := o.files[0]
		if err := os.Rename(f.temporary, filepath.Join(o.dir, f.name)); err != nil {
			return err
		}
		o.files = o.files[1:]
	}
	return nil
}

// discard removes the files that have not got their names.
func (o *output) discard() {
	for _, f := range o.files {
		os.Remove(f.temporary)
	}
}

// writeFiles writes the results that are not yet written, and gives all files
// their names. The same input gives the same bytes, but for costs.json.
func (s *study) writeFiles() error {
	end := s.begin("files")
	s.summary = s.summarize()
	for name, write := range map[string]func(io.Writer) error{
		"direction.csv": s.writeDirections, "apps.csv": s.writeApps, "summary.json": s.writeSummary,
	} {
		if err := s.output.write(name, write); err != nil {
			return err
		}
	}
	end(phase{})
	if err := s.output.write("costs.json", s.writeCosts); err != nil {
		return err
	}
	return s.output.finish()
}

func (s *study) writeDirections(w io.Writer) error {
	rows := [][]string{{"os", "direction", "flows"}}
	for _, d := range s.census.Directions() {
		rows = append(rows, []string{d.OS.String(), d.Direction.String(), strconv.FormatUint(d.Flows, 10)})
	}
	return csv.NewWriter(w).WriteAll(rows)
}

func (s *study) writeApps(w io.Writer) error {
	rows := [][]string{{"app", "devices", "prevalence", "studied", "active_devices", "flows", "outbound_flows",
		"endpoints", "endogenous", "uncertain", "encrypted", "cleartext", "upgradable", "unknown_port", "https"}}
	for _, a := range s.apps {
		if a.Devices < s.minDevices {
			continue
		}
		if !s.level.HasPort() {
			rows = append(rows, []string{
				a.App, strconv.Itoa(a.Devices), share(a.Prevalence), strconv.FormatBool(a.studied), strconv.Itoa(a.active),
				strconv.FormatUint(a.Flows, 10), strconv.FormatUint(a.Outbound, 10), strconv.Itoa(a.endpoints), strconv.Itoa(a.endogenous), strconv.Itoa(a.uncertain),
				"", "", "", "", "", // nothing is known of ports at this level
			})
			continue
		}
		rows = append(rows, []string{
			a.App, strconv.Itoa(a.Devices), share(a.Prevalence), strconv.FormatBool(a.studied), strconv.Itoa(a.active),
			strconv.FormatUint(a.Flows, 10), strconv.FormatUint(a.Outbound, 10), strconv.Itoa(a.endpoints), strconv.Itoa(a.endogenous), strconv.Itoa(a.uncertain),
			strconv.Itoa(a.bySecurity[classify.Encrypted]), strconv.Itoa(a.bySecurity[classify.Cleartext]),
			strconv.Itoa(a.bySecurity[classify.Upgradable]), strconv.Itoa(a.bySecurity[classify.SecurityUnknown]), strconv.FormatBool(a.usesHTTPS),
		})
	}
	return csv.NewWriter(w).WriteAll(rows)
}

// z is the normal quantile of the 95 % intervals.
const z = 1.96

// endpointsWriter writes endpoints.csv row by row.
type endpointsWriter struct {
	csv *csv.Writer
	row []string
}

func newEndpointsWriter(w io.Writer) *endpointsWriter {
	c := csv.NewWriter(w)
	c.Write([]string{"app", "endpoint", "port", "proto", "devices", "active_devices", "support", "lower", "upper", "score", "label",
		"flows", "tx_bytes", "rx_bytes", "addresses", "names_on_addresses", "security", "service", "names"})
	return &endpointsWriter{csv: c}
}

func (w *endpointsWriter) write(e endpoint) error {
	port, proto := "", ""
	if e.Proto != 0 || e.Port != 0 {
		port, proto = strconv.Itoa(int(e.Port)), e.Proto.String()
	}
	lower, upper := e.support.Wilson(z)
	w.row = append(w.row[:0],
		e.App, e.Name(), port, proto, strconv.Itoa(e.Devices), strconv.Itoa(e.Active), share(e.support.Share()), share(lower), share(upper), share(e.score), e.label.String(),
		strconv.FormatUint(e.Flows, 10), strconv.FormatUint(e.TxBytes, 10), strconv.FormatUint(e.RxBytes, 10),
		strconv.Itoa(e.Addresses), strconv.Itoa(e.NamesOnAddress), e.service.Security.String(), e.service.Name, strconv.Itoa(len(e.Names)),
	)
	return w.csv.Write(w.row)
}

func (w *endpointsWriter) flush() error {
	w.csv.Flush()
	return w.csv.Error()
}

func share(v float64) string { return strconv.FormatFloat(v, 'f', 6, 64) }

// summary is summary.json. It has nothing that differs from run to run of the
// same input: no times, no key, no numbers of workers.
type summary struct {
	Version    int                          `json:"version"`
	Options    map[string]any               `json:"options"`
	Flows      flow.Counts                  `json:"flows"`
	PDNS       pdns.Counts                  `json:"pdns"`
	Problems   []string                     `json:"problems"`
	Nulls      map[string]uint64            `json:"nulls"`
	Directions map[string]map[string]uint64 `json:"directions"`
	Agreement  []agreement                  `json:"agreement"`
	Filters    []filter                     `json:"filters"`
	DNS        dnsSummary                   `json:"dns"`
	Naming     []naming                     `json:"naming"`
	Result     result                       `json:"result"`
	Threshold  threshold                    `json:"threshold"`
}

// threshold is what there is to say of -threshold: how much the answer depends on it,
// and what the counts suggest.
type threshold struct {
	Used      float64          `json:"used"`
	Certainty float64          `json:"certainty"`
	Plateau   [2]float64       `json:"plateau"`
	Suggested *suggestion      `json:"suggested"` // null where the counts suggest nothing
	Curve     []thresholdPoint `json:"curve"`
}

type suggestion struct {
	Mixture    float64 `json:"mixture"`
	Otsu       float64 `json:"otsu"`
	Common     float64 `json:"common"`
	Rare       float64 `json:"rare"`
	CommonPart float64 `json:"common_part"`
}

// thresholdPoint counts endpoints by their support alone.
type thresholdPoint struct {
	Threshold float64 `json:"threshold"`
	Endpoints int64   `json:"endpoints"`
	Apps      int     `json:"apps"`
	HTTPS     *int    `json:"apps_using_https"` // null at a level without ports
}

type agreement struct {
	Native      string `json:"native"`
	Rule        string `json:"rule"`
	Direction   string `json:"direction"`
	Flows       uint64 `json:"flows"`
	Agrees      bool   `json:"agrees"`
	Explanation string `json:"explanation,omitempty"`
}

type filter struct {
	Filter  string `json:"filter"`
	Removed uint64 `json:"removed"`
	Left    uint64 `json:"left"`
}

type dnsSummary struct {
	Rows      int64 `json:"rows"`
	Addresses int64 `json:"address_rows"`
	Thinned   int64 `json:"thinned"`
	CNAMEs    int64 `json:"cname_rows"`
	Dropped   int64 `json:"dropped"`

	Filter filterSummary `json:"filter"`
	Query  indexedSize   `json:"query"`
	Owner  indexedSize   `json:"owner"`
}

// filterSummary is the Bloom filter that thinned the rows.
type filterSummary struct {
	Addresses int     `json:"addresses"` // distinct, of flows
	Rate      float64 `json:"rate"`      // of other addresses let through
}

type indexedSize struct {
	Addresses int `json:"addresses"`
	Pairs     int `json:"pairs"`
}

// naming is how many outbound destinations have a name.
type naming struct {
	Names      string `json:"names"`  // mode
	Family     string `json:"family"` // of addresses
	Addresses  int    `json:"addresses"`
	Named      int    `json:"named"`
	Flows      uint64 `json:"flows"`
	FlowsNamed uint64 `json:"flows_named"`
}

// result is the study in numbers. The paper's share of applications that use
// HTTPS has one of two denominators; both are given.
type result struct {
	Devices            int  `json:"devices"`
	Apps               int  `json:"apps"`
	AppsStudied        int  `json:"apps_studied"`
	AppsWithEndogenous int  `json:"apps_with_endogenous"`
	AppsUsingHTTPS     *int `json:"apps_using_https"` // tcp/443; null at a level without ports
	Endpoints          int  `json:"endpoints"`
	Withheld           int  `json:"withheld"`
	Endogenous         int  `json:"endogenous"`
	Uncertain          int  `json:"uncertain"`
}

func (s *study) summarize() summary {
	sum := summary{
		Version: 1,
		Options: map[string]any{
			"os": s.os.String(), "direction": s.direction, "names": s.names.String(), "endpoint": s.level.String(), "min-prevalence": s.minPrevalence,
			"threshold": s.threshold, "certainty": s.certainty, "expand": s.expand, "min-support": s.minSupport, "min-devices": s.minDevices,
		},
		Flows: s.flowCounts, PDNS: s.dnsCounts,
		Problems: []string{}, Nulls: make(map[string]uint64), Directions: make(map[string]map[string]uint64),
		Agreement: []agreement{}, Filters: []filter{}, Naming: []naming{},
		Result: s.result(), Threshold: s.aboutThreshold(),
	}
	for _, c := range []*flow.Counts{&sum.Flows, &sum.PDNS} {
		if c.Skipped == nil {
			c.Skipped = map[string]int64{} // an object in JSON, not null
		}
	}
	for _, p := range s.problems.sample {
		inFile := *p
		inFile.Name = filepath.Base(p.Name) // folders may name people, and the summary may be published
		sum.Problems = append(sum.Problems, inFile.Error())
	}
	for _, n := range s.census.Nulls() {
		sum.Nulls[n.Null.String()] = n.Flows
	}
	for _, d := range s.census.Directions() {
		of := sum.Directions[d.OS.String()]
		if of == nil {
			of = make(map[string]uint64)
			sum.Directions[d.OS.String()] = of
		}
		of[d.Direction.String()] = d.Flows
	}
	for _, r := range s.agreement.Rows() {
		sum.Agreement = append(sum.Agreement, agreement{r.Native.String(), r.Rule.String(), r.Final.String(), r.Flows, r.Agrees, r.Explanation})
	}
	for _, f := range s.census.Funnel(s.os, s.minPrevalence) {
		sum.Filters = append(sum.Filters, filter{f.Filter.String(), f.Removed, f.Left})
	}
	b, query, owner := s.builder.Stats(), s.index.Mode(pdns.Query).Stats(), s.index.Mode(pdns.Owner).Stats()
	sum.DNS = dnsSummary{
		b.Rows, b.Addresses, b.Thinned, b.CNAMEs, b.Dropped,
		filterSummary{s.contacts.NumAddrs(), filterRate}, indexedSize{query.Addresses, query.Pairs}, indexedSize{owner.Addresses, owner.Pairs},
	}
	sum.Naming = s.naming()
	return sum
}

// naming counts the outbound destinations that have a name, by mode and address
// family.
func (s *study) naming() []naming {
	rows := []naming{{Names: "query", Family: "IPv4"}, {Names: "query", Family: "IPv6"}, {Names: "owner", Family: "IPv4"}, {Names: "owner", Family: "IPv6"}}
	modes := []*pdns.Index{s.index.Mode(pdns.Query), s.index.Mode(pdns.Owner)}
	var ids []uint32
	for addr, flows := range s.contacts.Addrs() {
		for m, index := range modes {
			n := &rows[2*m]
			if addr.Is6() {
				n = &rows[2*m+1]
			}
			n.Addresses++
			n.Flows += flows
			if ids = index.AppendNameIDs(ids[:0], addr); len(ids) > 0 {
				n.Named++
				n.FlowsNamed += flows
			}
		}
	}
	return rows
}

func (s *study) result() result {
	https := 0
	r := result{
		Devices: s.census.Population(s.os), Apps: len(s.apps), Endpoints: s.written, Withheld: s.withheld,
	}
	for _, a := range s.apps {
		if !a.studied {
			continue
		}
		r.AppsStudied++
		r.Endogenous += a.endogenous
		r.Uncertain += a.uncertain
		if a.endogenous > 0 {
			r.AppsWithEndogenous++
		}
		if a.usesHTTPS {
			https++
		}
	}
	if s.level.HasPort() {
		r.AppsUsingHTTPS = &https
	}
	return r
}

func (s *study) aboutThreshold() threshold {
	t := threshold{Used: s.threshold, Certainty: s.certainty}
	curve := s.curve.Curve()
	t.Plateau[0], t.Plateau[1] = classify.Plateau(curve, s.threshold)
	for _, p := range curve {
		point := thresholdPoint{p.Threshold, p.Endpoints, p.Apps, nil}
		if s.level.HasPort() {
			point.HTTPS = &p.HTTPS
		}
		t.Curve = append(t.Curve, point)
	}
	if found, ok := classify.SuggestThreshold(s.supports...); ok {
		t.Suggested = &suggestion{found.Mixture, found.Otsu, found.Common, found.Rare, found.CommonPart}
	}
	return t
}

func (s *study) writeSummary(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(s.summary)
}
