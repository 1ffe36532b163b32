package main

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/endoflow/endoflow/classify"
	"github.com/endoflow/endoflow/enrich"
	"github.com/endoflow/endoflow/flow"
)

// print shows the study's tables.
func (s *study) print(to io.Writer) error {
	w := bufio.NewWriter(to)
	sum := s.summary
	t := tables{tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)}
	t.counts("Flow records", sum.Flows)
	if s.pdns != "" {
		t.counts("Passive DNS", sum.PDNS)
	}
	t.problems(&s.problems)
	t.nulls(sum.Nulls)
	t.directions(s.direction, s.census.Directions())
	t.agreement(sum.Agreement)
	if s.pdns != "" {
		t.naming(sum)
	}
	t.filters(s, sum.Filters)
	t.apps(s)
	t.endpoints(&s.insecure)
	t.threshold(sum.Threshold)
	t.result(s, sum.Result)
	t.phases(s.phases)
	fmt.Fprintf(w, "\nWritten to %s: summary.json, direction.csv, apps.csv, endpoints.csv, costs.json\n", s.out)
	return w.Flush()
}

// tables writes aligned columns.
type tables struct{ *tabwriter.Writer }

// title begins a table; row adds a line to it, and flush ends it.
func (t tables) title(format string, args ...any) {
	t.Flush()
	fmt.Fprintf(t, "\n"+format+"\n", args...)
	t.Flush()
}

func (t tables) row(cells ...any) {
	for _, c := range cells {
		fmt.Fprintf(t, "%v\t", c)
	}
	fmt.Fprintln(t)
}

// textRow is a row whose last cell is text of any length.
func (t tables) textRow(text string, cells ...any) {
	for _, c := range cells {
		fmt.Fprintf(t, "%v\t", c)
	}
	fmt.Fprintf(t, "   %s\n", text)
}

// note adds a line that is no row.
func (t tables) note(format string, args ...any) {
	t.Flush()
	fmt.Fprintf(t, "  "+format+"\n", args...)
	t.Flush()
}

func (t tables) counts(what string, c flow.Counts) {
	var skipped int64
	for _, n := range c.Skipped {
		skipped += n
	}
	t.title("%s: %d files, %d lines = %d records + %d skipped + %d errors", what, c.Files, c.Lines, c.Records, skipped, c.Errors)
	for _, reason := range slices.Sorted(maps.Keys(c.Skipped)) {
		t.note("skipped %d: %s", c.Skipped[reason], reason)
	}
	if c.Damaged > 0 {
		t.note("damaged: %d files could not be read to their end", c.Damaged)
	}
}

func (t tables) problems(p *problems) {
	if p.count == 0 {
		return
	}
	t.title("%d problems, the first %d:", p.count, len(p.sample))
	for _, pe := range p.sample {
		t.note("%s", pe)
	}
}

func (t tables) nulls(nulls map[string]uint64) {
	if len(nulls) == 0 {
		return
	}
	t.title("NULL records, by what they lack")
	for _, fields := range slices.Sorted(maps.Keys(nulls)) {
		t.row("", fields, nulls[fields])
	}
}

func (t tables) directions(rule string, counts []classify.DirectionCount) {
	var total uint64
	of := make(map[classify.Direction]uint64)
	for _, c := range counts {
		total += c.Flows
		of[c.Direction] += c.Flows
	}
	t.title("Directions (%s rule), flows of all systems", rule)
	for _, d := range slices.Sorted(maps.Keys(of)) {
		t.row("", d, of[d], percent(of[d], total))
	}
	t.row("", "all", total, percent(total, total))
}

func (t tables) agreement(rows []agreement) {
	known, differs := uint64(0), uint64(0)
	for _, r := range rows {
		if r.Native != flow.NativeUnknown.String() {
			known += r.Flows
			if !r.Agrees {
				differs += r.Flows
			}
		}
	}
	if known == 0 {
		return
	}
	t.title("The sensor's own direction is known for %d flows; the address rule contradicts it for %d (%s)", known, differs, percent(differs, known))
	for _, r := range rows {
		if !r.Agrees {
			t.note("%d flows: sensor %s, rule %s, labelled %s: %s", r.Flows, r.Native, r.Rule, r.Direction, r.Explanation)
		}
	}
}

func (t tables) naming(sum summary) {
	d := sum.DNS
	t.title("Names: %d resource records, of which %d hold addresses; %d of these thinned out, since no flow went there", d.Rows, d.Addresses, d.Thinned)
	t.row("", "names", "addresses", "pairs")
	t.row("", "query", d.Query.Addresses, d.Query.Pairs)
	t.row("", "owner", d.Owner.Addresses, d.Owner.Pairs)
	t.title("Outbound destinations with a name")
	t.row("", "names", "", "named", "of", "flows", "of")
	for _, n := range sum.Naming {
		if n.Addresses > 0 {
			t.row("", n.Names, n.Family, n.Named, n.Addresses, n.FlowsNamed, n.Flows)
		}
	}
}

// filters shows what phase 5 leaves, and what to change if that is nothing.
func (t tables) filters(s *study, rows []filter) {
	t.title("Filters, each on what the one before it left")
	t.textRow("keeps", "", "filter", "removed", "left")
	keeps := map[string]string{
		"null": "records that lack no field of their format", "os": "-os " + s.os.String(),
		"prevalence": fmt.Sprintf("applications on more than %g of the %d devices", s.minPrevalence, s.census.Population(s.os)), "direction": "Outbound",
	}
	for _, f := range rows {
		t.textRow(keeps[f.Filter], "", f.Filter, f.Removed, f.Left)
	}
	for _, f := range rows {
		if f.Left == 0 {
			t.title("Nothing is left: the filter %q removed the last %d flows. %s", f.Filter, f.Removed, s.advice(f.Filter))
			return
		}
	}
}

// advice says what to change when a filter leaves nothing.
func (s *study) advice(filter string) string {
	switch filter {
	case "null":
		return "All records lack a device, a process or an address; see the table of NULL records above."
	case "os":
		seen := make(map[string]uint64)
		for _, d := range s.census.Directions() {
			seen[d.OS.String()] += d.Flows
		}
		var flows []string
		for _, os := range slices.Sorted(maps.Keys(seen)) {
			flows = append(flows, fmt.Sprintf("%d of %s", seen[os], os))
		}
		advice := fmt.Sprintf("There are flows %s: try -os any, or the system's name.", strings.Join(flows, ", "))
		if seen["unknown"] > 0 {
			advice += " NVM tells the system in endpoint records (osn), which belong to -flows too; Zeek does not tell it."
		}
		return advice
	case "prevalence":
		if len(s.apps) == 0 {
			return "The records name no application, as is the way of Zeek's: directions and names can be studied, endpoints of applications cannot."
		}
		most := slices.MaxFunc(s.apps, func(a, b app) int { return cmp.Compare(a.Prevalence, b.Prevalence) })
		return fmt.Sprintf("The most common application is on %g of the devices: lower -min-prevalence below that.", most.Prevalence)
	case "direction":
		return "No flow of a studied application is Outbound; see the table of directions above, and try the other -direction."
	}
	return ""
}

// maxRows is how many applications and endpoints the terminal shows; the files
// have all.
const maxRows = 15

func (t tables) apps(s *study) {
	apps := slices.DeleteFunc(slices.Clone(s.apps), func(a app) bool { return a.endpoints == 0 })
	if len(apps) == 0 {
		return
	}
	slices.SortStableFunc(apps, func(a, b app) int { return cmp.Compare(b.Devices, a.Devices) })
	t.title("Applications, the %d on most devices of %d with outbound flows", min(maxRows, len(apps)), len(apps))
	t.row("", "application", "devices", "endpoints", "endogenous", "encrypted", "cleartext", "upgradable", "unknown port")
	for _, a := range apps[:min(maxRows, len(apps))] {
		t.row("", printable(a.App), a.Devices, a.endpoints, a.endogenous, a.bySecurity[classify.Encrypted], a.bySecurity[classify.Cleartext],
			a.bySecurity[classify.Upgradable], a.bySecurity[classify.SecurityUnknown])
	}
}

func (t tables) endpoints(i *insecure) {
	if i.count == 0 {
		return
	}
	t.title("Endogenous endpoints on ports without (certain) encryption, the %d on most devices of %d", len(i.most), i.count)
	t.row("", "application", "endpoint", "port", "service", "devices", "of", "support")
	for _, e := range i.most {
		name := printable(e.Name())
		if more := len(e.Names) - 1; more > 0 {
			name = fmt.Sprintf("%s (+%d)", name, more)
		}
		t.row("", printable(e.App), name, fmt.Sprintf("%d/%v", e.Port, e.Proto), e.service.Name, e.Devices, e.Active, fmt.Sprintf("%.2f", e.support.Share()))
	}
}

// threshold shows how the answer depends on the threshold.
func (t tables) threshold(about threshold) {
	if about.Curve[0].Endpoints == 0 {
		return
	}
	t.title("Endpoints by their support alone, at other thresholds; from %g to %g their number differs by a tenth at most from that at %g",
		about.Plateau[0], about.Plateau[1], about.Used)
	row, endpoints := []any{"", "threshold"}, []any{"", "endpoints"}
	for i, p := range about.Curve {
		if i%3 == 0 || p.Threshold == 0.5 {
			row, endpoints = append(row, p.Threshold), append(endpoints, p.Endpoints)
		}
	}
	t.row(row...)
	t.row(endpoints...)
	if s := about.Suggested; s != nil {
		t.note("the supports themselves suggest %.2f (two kinds of endpoints, on %.0f%% and %.0f%% of devices) or %.2f (Otsu)", s.Mixture, 100*s.Rare, 100*s.Common, s.Otsu)
	}
}

func (t tables) result(s *study, r result) {
	t.title("Result: %d devices (%s), %d applications, %d studied, %d with an endogenous endpoint", r.Devices, s.os, r.Apps, r.AppsStudied, r.AppsWithEndogenous)
	t.note("%d endpoints, of which %d are endogenous (with a probability of %g more than %g of the devices contact them) and %d uncertain",
		r.Endpoints+r.Withheld, r.Endogenous, s.certainty, s.threshold, r.Uncertain)
	if https := r.AppsUsingHTTPS; https != nil && r.AppsWithEndogenous > 0 {
		t.note("HTTPS by tcp port 443: %d applications, %s of those studied, %s of those with an endogenous endpoint", *https,
			percent(uint64(*https), uint64(r.AppsStudied)), percent(uint64(*https), uint64(r.AppsWithEndogenous)))
	}
	if s.level == enrich.NameOnly && r.Endpoints+r.Withheld == 0 {
		t.note("no contacted address has a name, and -endpoint name leaves the others out: give -pdns, or try -endpoint name-port")
	}
	if n := s.census.Ambiguous(); n > 0 {
		t.note("%d devices were said to have several operating systems", n)
	}
	if r.Withheld > 0 {
		t.note("%d endpoints are left out of the files (-min-support, -min-devices)", r.Withheld)
	}
}

func percent(n, of uint64) string {
	if of == 0 {
		return "-"
	}
	return fmt.Sprintf("%.1f%%", 100*float64(n)/float64(of))
}

// printable returns a text from the input as a terminal may be given it: no
// control characters, not too long.
func printable(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 {
			return '?'
		}
		return r
	}, s)
	if r := []rune(s); len(r) > 48 {
		s = string(r[:47]) + "…"
	}
	return s
}
