package flowtest

import (
	"cmp"
	"io"
	"slices"
	"time"
)

// A line is one line of a device's, at its place in the order of lines.
type line struct {
	at     time.Time
	d      *device
	conn   *connection
	report report
	kind   kind
}

type kind uint8

const (
	flowLine kind = iota
	endpointLine
	interfaceLine
)

// lines returns the device's lines that belong to its own part, or those of
// the part that follows it.
func (d *device) lines(conns []*connection, following bool) []line {
	end := d.w.Start.Add(48 * time.Hour) // after all reports
	noon := d.began.Add(d.on / 2)
	var lines []line
	add := func(l line, away bool) {
		if away == following {
			l.d = d
			lines = append(lines, l)
		}
	}
	switch d.place {
	case before:
		add(line{at: d.began.Add(-time.Second), kind: endpointLine}, false)
	case after, elsewhere:
		add(line{at: end, kind: endpointLine}, d.place == elsewhere)
	}
	if d.version > 3 {
		add(line{at: d.began, kind: interfaceLine}, false)
	}
	for _, c := range conns {
		for _, r := range d.reports(c) {
			add(line{at: r.end, conn: c, report: r}, d.place == elsewhere && r.end.After(noon))
		}
	}
	return lines
}

// together is how many devices' lines are mixed in the order of time.
const together = 16

// writeFlows writes the lines of one part.
func (w *world) writeFlows(out io.Writer, part, parts int) error {
	var lines []line
	var buf []byte
	flush := func() error {
		slices.SortStableFunc(lines, func(a, b line) int {
			return cmp.Or(a.at.Compare(b.at), cmp.Compare(a.d.index, b.d.index))
		})
		buf = buf[:0]
		for _, l := range lines {
			buf = append(l.append(buf), '\n')
		}
		lines = lines[:0]
		_, err := out.Write(buf)
		return err
	}
	n := 0
	take := func(i int, following bool) error {
		d := w.device(i)
		if following && d.place != elsewhere {
			return nil
		}
		conns := d.connections()
		lines = append(lines, d.lines(conns, following)...)
		if parts == 1 && d.place == elsewhere {
			lines = append(lines, d.lines(conns, true)...)
		}
		if n++; n%together == 0 {
			return flush()
		}
		return nil
	}
	for i := part; i < w.Devices; i += parts {
		if err := take(i, false); err != nil {
			return err
		}
	}
	if parts > 1 {
		for i := (part + parts - 1) % parts; i < w.Devices; i += parts {
			if err := take(i, true); err != nil {
				return err
			}
		}
	}
	return flush()
}
