package main

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
)

// A result is what all rounds measured.
type result struct {
	Fleet   fleet  `json:"fleet"`
	Task    string `json:"task"`
	Variant string `json:"variant"`
	Memory  string `json:"memory"`
	Threads int    `json:"threads"`
	Rows    int    `json:"rows,omitempty"` // that both sides have
	Ours    []cost `json:"ours"`           // by round
	Theirs  []cost `json:"duckdb"`
}

// A measure is a column of the table.
type measure struct {
	title, format string
	value         func(cost) float64
}

var measures = []measure{
	{"wall s", "%.2f", func(c cost) float64 { return c.Wall }},
	{"CPU s", "%.2f", func(c cost) float64 { return c.CPU }},
	{"peak MB", "%.0f", func(c cost) float64 { return c.Peak }},
}

// written are the measures of tasks that write flows.
var written = append(slices.Clip(measures),
	measure{"flows", "%.0f", func(c cost) float64 { return float64(c.Flows) }},
	measure{"MB written", "%.0f", func(c cost) float64 { return float64(c.Bytes) / 1e6 }},
	measure{"flows per CPU s", "%.0f", func(c cost) float64 { return float64(c.Flows) / c.CPU }},
)

func (r result) writeTable(to io.Writer) error {
	columns, ours, theirs := measures, "study", "DuckDB "+r.Variant
	if r.Task == "annotate" || r.Task == "factored" {
		columns, ours, theirs = written, "annotate", "DuckDB"
	}
	fmt.Fprintf(to, "%s: %d flows (%s, %s), %d rows of DNS, %d devices; %d threads, %s of memory; %d rounds\n\n", r.Task,
		r.Fleet.Flows, r.Fleet.Codec, r.Fleet.Style, r.Fleet.Rows, r.Fleet.Devices, r.Threads, r.Memory, len(r.Ours))
	w := tabwriter.NewWriter(to, 0, 0, 2, ' ', tabwriter.AlignRight)
	row := func(title string, cell func(i int) string) {
		fmt.Fprintf(w, "%s\t", title)
		for i := range columns {
			fmt.Fprintf(w, "%s\t", cell(i))
		}
		fmt.Fprintln(w)
	}
	row("", func(i int) string { return columns[i].title })
	side := func(costs []cost) func(int) string {
		return func(i int) string { return spread(columns[i].format, costs, columns[i].value) }
	}
	row(ours, side(r.Ours))
	row(theirs, side(r.Theirs))
	row("ratio", func(i int) string {
		round := 0
		return spread("%.3f", r.Ours, func(c cost) float64 {
			round++
			return columns[i].value(c) / columns[i].value(r.Theirs[round-1])
		})
	})
	if err := w.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(to, "\nEach cell: median over rounds (least-greatest); ratios are of the two runs of a round.\n")
	if r.Task == "study" {
		fmt.Fprintf(to, "Both have the same %d rows.\n", r.Rows)
	}
	return nil
}

// spread writes median, least and greatest of a measure, or what is all three.
func spread(format string, costs []cost, value func(cost) float64) string {
	var values []float64
	for _, c := range costs {
		values = append(values, value(c))
	}
	slices.Sort(values)
	n := len(values)
	median := (values[(n-1)/2] + values[n/2]) / 2
	if values[0] == values[n-1] {
		return fmt.Sprintf(format, median)
	}
	return fmt.Sprintf(format+" ("+format+"-"+format+")", median, values[0], values[n-1])
}

func (r result) writeJSON(to io.Writer) error {
	e := json.NewEncoder(to)
	e.SetIndent("", "  ")
	return e.Encode(r)
}
