package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"math"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"

	"github.com/endoflow/endoflow/classify"
	"github.com/endoflow/endoflow/enrich"
	"github.com/endoflow/endoflow/flow"
	"github.com/endoflow/endoflow/pdns"
	"github.com/endoflow/endoflow/pdns/pdnsparquet"
)

// A study is what one run gathers, phase by phase.
type study struct {
	options
	progress *progressLine
	pseudo   *flow.Pseudonymizer

	tally      // of all workers
	flowCounts flow.Counts
	dnsCounts  pdns.Counts
	problems   problems
	builder    pdns.Builder
	index      *pdns.Index

	apps     []app
	insecure insecure
	supports []*classify.Supports // of each studied application
	curve    classify.Sensitivity
	written  int // endpoints in the files
	withheld int // endpoints below -min-support or -min-devices
	summary  summary
	output   output
	phases   []phase
}

// A tally is what one worker makes of its flows. Tallies merge in any order to
// the same sum.
type tally struct {
	census    classify.Census
	agreement classify.Agreement
	contacts  enrich.Contacts // of all systems and applications
}

// deviceIDs are the numbers of a device in a tally, by its pseudonym.
type deviceIDs struct {
	census   classify.DeviceID
	contacts enrich.DeviceID
}

func (t *tally) merge(other *tally) {
	t.census.Merge(&other.census)
	t.agreement.Merge(&other.agreement)
	t.contacts.Merge(&other.contacts)
}

// An app is an application on the chosen systems.
type app struct {
	classify.AppCount
	studied    bool // on more than -min-prevalence of the devices
	active     int  // devices with a kept flow
	endpoints  int
	endogenous int
	uncertain  int    // of those that the join made
	bySecurity [4]int // endogenous endpoints
	usesHTTPS  bool   // has an endogenous endpoint on tcp/443
}

// An endpoint is a row of endpoints.csv.
type endpoint struct {
	enrich.Endpoint
	support classify.Support
	score   float64
	label   classify.Endogeneity
	service classify.Service
}

func newStudy(o options, progress *progressLine) (*study, error) {
	key := flow.RandomKey()
	if o.key != "" {
		var err error
		if key, err = os.ReadFile(o.key); err != nil {
			return nil, fmt.Errorf("-key: %w", err)
		}
	}
	pseudo, err := flow.NewPseudonymizer(key)
	if err != nil {
		return nil, fmt.Errorf("-key %s: %w", o.key, err)
	}
	s := &study{options: o, progress: progress, pseudo: pseudo, output: output{dir: o.out}, index: new(pdns.Index)}
	s.contacts.Memory, s.builder.Memory = o.memory/4, o.memory/2
	s.contacts.Dir, s.builder.Dir = o.out, o.out // where there has to be room, as in the system's own folder there may not be
	return s, nil
}

// close removes what is left of the work in files.
func (s *study) close() {
	s.output.discard()
	s.contacts.Close()
	s.builder.Close()
	s.index.Close()
}

// readFlows is pass 1: every record is labelled, counted and, if it is
// outbound, kept as a contact.
func (s *study) readFlows(ctx context.Context) error {
	end := s.begin("flows")
	devices := new(flow.Devices)
	files := flow.Files{
		Patterns: strings.Split(s.flows, ","), Format: s.flowFormat, Devices: devices,
		Workers: s.workers, Progress: s.progress.of("flows"),
	}
	workers := cmp.Or(s.workers, runtime.GOMAXPROCS(0))
	var mu sync.Mutex
	counts, err := files.Read(ctx, func(recs iter.Seq2[flow.Record, error]) error {
		mine := tally{contacts: enrich.Contacts{Memory: s.memory / 4 / int64(workers), Dir: s.out}}
		defer mine.contacts.Close() // empty but after an error
		idsOf := flow.Memo(func(device string) deviceIDs {
			p := s.pseudo.Device(device)
			return deviceIDs{mine.census.DeviceID(p), mine.contacts.DeviceID(p)}
		})
		for rec, err := range recs {
			if pe, ok := errors.AsType[*flow.ParseError](err); ok {
				s.problems.add(pe)
				continue
			} else if err != nil {
				return err
			}
			s.count(&mine, rec, idsOf(rec.Device))
		}
		mu.Lock()
		defer mu.Unlock()
		s.merge(&mine)
		return nil
	})
	s.progress.end()
	s.flowCounts = counts
	if err != nil {
		return err
	}
	for d := range devices.All() {
		s.census.SetOS(s.pseudo.Device(d.ID), d.OS)
	}
	s.contacts.Resolve(s.census.OS)
	if err := s.contacts.Err(); err != nil {
		return err
	}
	spilled, _ := s.contacts.Spilled()
	end(phase{records: counts.Records, bytes: counts.Bytes, spilled: spilled})
	return s.none("-flows", counts)
}

// none returns an error if no line of the files that an option names holds a
// record, with the reason.
func (s *study) none(option string, c flow.Counts) error {
	if c.Records > 0 {
		return nil
	}
	why := "they are empty"
	if len(s.problems.sample) > 0 {
		why = "the first problem: " + s.problems.sample[0].Error()
	} else if len(c.Skipped) > 0 {
		why = fmt.Sprintf("%d lines were skipped, for %q", c.Lines, strings.Join(slices.Sorted(maps.Keys(c.Skipped)), `", "`))
	}
	return fmt.Errorf("no record in the files named by %s; %s", option, why)
}

// count is the study's work on one record.
func (s *study) count(t *tally, rec flow.Record, device deviceIDs) {
	label := s.labeler.Label(rec)
	t.census.AddOf(device.census, rec, label)
	if rec.Null != 0 {
		return
	}
	rule := label.Direction
	if rec.Native != flow.NativeUnknown {
		bare := rec
		bare.Native = flow.NativeUnknown
		rule = s.labeler.Label(bare).Direction
	}
	t.agreement.Add(rec.Native, rule, label.Direction)
	if label.Direction == classify.Outbound {
		t.contacts.AddOf(device.contacts, rec, label.Remote(rec))
	}
}

// filterRate is the share of addresses without a flow that the filter of pass 2
// takes for others.
const filterRate = 0.01

// readDNS is pass 2: the rows of contacted addresses become an index.
func (s *study) readDNS(ctx context.Context) error {
	if s.pdns == "" {
		return nil
	}
	end := s.begin("names")
	filter := pdns.NewFilter(uint(s.contacts.NumAddrs()), filterRate)
	for addr := range s.contacts.Addrs() {
		filter.Add(addr)
	}
	s.builder.Filter = filter
	s.builder.NoTimes, s.builder.NoCNAMEs = true, s.names == pdns.Owner // what no table tells
	files := pdnsparquet.Mixed{Patterns: strings.Split(s.pdns, ","), Format: s.pdnsFormat, Workers: s.workers, Progress: s.progress.of("pdns")}
	counts, err := files.Fill(ctx, &s.builder, s.problems.add)
	s.progress.end()
	s.dnsCounts = counts
	if err != nil {
		return err
	}
	if counts.Lines == 0 || counts.Errors+counts.Damaged > 0 {
		if err := s.none("-pdns", counts); err != nil {
			return err
		}
	}
	s.progress.say("making the index of names")
	index, err := s.builder.Build(ctx)
	s.progress.end()
	if err != nil {
		return err
	}
	s.index = index
	if err := s.builder.Close(); err != nil { // what was gathered is memory that the join can use
		return err
	}
	end(phase{records: counts.Records, bytes: counts.Bytes, spilled: s.builder.Stats().Spilled})
	return s.contacts.Err()
}

// join names the contacts of the studied applications, scores their endpoints
// and writes them.
func (s *study) join(ctx context.Context) error {
	end := s.begin("join")
	prevalent := make(map[string]bool)
	for _, name := range s.census.Prevalent(s.os, s.minPrevalence) {
		prevalent[name] = true
	}
	apps := make(map[string]*app)
	s.apps = make([]app, 0, len(prevalent))
	for _, count := range s.census.Apps(s.os) {
		s.apps = append(s.apps, app{AppCount: count, studied: prevalent[count.App]})
	}
	for i := range s.apps {
		apps[s.apps[i].App] = &s.apps[i]
	}
	keep := func(os flow.OS, app string) bool { return s.os.Has(os) && prevalent[app] }
	debug.SetMemoryLimit(max(s.memory/10*7, forReading)) // what is read of the index counts as memory as well, but not for the garbage collector
	s.progress.say("joining flows with names")
	defer s.progress.end()
	join := enrich.Join{
		Resolver: s.index.Mode(s.names), Level: s.level, Expand: s.expand, Keep: keep, Workers: s.workers,
		MinSupport: min(s.minSupport, s.told()), // below both an endpoint is counted and no more
	}
	err := s.output.write("endpoints.csv", func(to io.Writer) error {
		w := newEndpointsWriter(to)
		for of, err := range s.contacts.EndpointsByApp(ctx, join) {
			if err != nil {
				return err
			}
			a := apps[of.App]
			a.active, a.endpoints = of.Active, of.Count
			s.withheld += of.Count
			scorer := s.scorer(of)
			for found := range of.All() {
				e := endpoint{Endpoint: found, support: classify.Support{Devices: found.Devices, Active: found.Active}}
				e.score, e.label = scorer.Score(e.support)
				e.service = classify.ServiceOf(e.Proto, e.Port)
				a.count(e)
				s.curve.Add(e.App, e.support, e.usesHTTPS())
				if e.support.Share() < s.minSupport || e.Devices < s.minDevices {
					continue
				}
				s.withheld--
				s.written++
				s.insecure.add(e)
				if err := w.write(e); err != nil {
					return err
				}
			}
		}
		return w.flush()
	})
	if err != nil {
		return err
	}
	end(phase{})
	return s.contacts.Err()
}

// told is the support from which on the scorer is told of endpoints one by one. It
// does not depend on -min-support, and so scores do not; and the curve of thresholds
// begins there.
func (s *study) told() float64 { return min(s.threshold, 0.05) }

// scorer returns the Scorer of an application, by all of its endpoints.
func (s *study) scorer(of enrich.AppEndpoints) *classify.Scorer {
	supports := &classify.Supports{Active: of.Active, Least: int(math.Ceil(s.told() * float64(of.Active))), Below: int64(of.Count)}
	for devices := range of.Devices() {
		if devices >= supports.Least {
			supports.Add(devices, 1)
			supports.Below--
		}
	}
	s.supports = append(s.supports, supports)
	return &classify.Scorer{Prior: classify.FitPrior(supports), Threshold: s.threshold, Certainty: s.certainty}
}

func (e *endpoint) usesHTTPS() bool { return e.Proto == flow.TCP && e.Port == 443 }

// insecure keeps the endogenous endpoints on ports without (certain) encryption
// that are on most devices, for the terminal.
type insecure struct {
	count int
	most  []endpoint // in order, no more than maxRows after each add
}

func (i *insecure) add(e endpoint) {
	if e.label != classify.Endogenous || e.service.Security != classify.Cleartext && e.service.Security != classify.Upgradable {
		return
	}
	i.count++
	at, _ := slices.BinarySearchFunc(i.most, e, func(a, b endpoint) int {
		if a.Devices >= b.Devices {
			return -1 // of equal ones the first comes first
		}
		return 1
	})
	if at < maxRows {
		i.most = slices.Insert(i.most, at, e)
		i.most = i.most[:min(len(i.most), maxRows)]
	}
}

func (a *app) count(e endpoint) {
	if e.label == classify.Uncertain {
		a.uncertain++
	}
	if e.label != classify.Endogenous {
		return
	}
	a.endogenous++
	a.bySecurity[e.service.Security]++
	a.usesHTTPS = a.usesHTTPS || e.usesHTTPS()
}

// problems are the lines and files that could not be read.
type problems struct {
	mu     sync.Mutex
	sample []*flow.ParseError // damaged files, then lines, the first by name and line
	count  int
}

const maxSample = 10

func (p *problems) add(pe *flow.ParseError) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.count++
	p.sample = append(p.sample, pe)
	slices.SortFunc(p.sample, func(a, b *flow.ParseError) int {
		return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(a.Name, b.Name), cmp.Compare(a.Line, b.Line))
	})
	p.sample = p.sample[:min(len(p.sample), maxSample)]
}

// rank puts damaged files before single lines.
func rank(pe *flow.ParseError) int {
	if errors.Is(pe, flow.ErrDamaged) {
		return 0
	}
	return 1
}
