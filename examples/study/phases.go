package main

import (
	"encoding/json"
	"fmt"
	"io"
	"time"
)

// A phase is what a part of the work cost.
type phase struct {
	name      string
	wall, cpu time.Duration
	peak      int64 // bytes of memory, the most since the program began
	records   int64 // of input; in the join, contacts
	bytes     int64 // of input, decompressed
	spilled   int64 // bytes written to temporary files
}

// begin starts a phase. The function that it returns ends it; what the phase is
// given there beside the costs is kept.
func (s *study) begin(name string) (end func(phase)) {
	wall, cpu := time.Now(), spent().cpu
	return func(p phase) {
		now := spent()
		p.name, p.wall, p.cpu, p.peak = name, time.Since(wall), now.cpu-cpu, now.peak
		s.phases = append(s.phases, p)
	}
}

// costs is what the operating system has counted for this process.
type costs struct {
	cpu  time.Duration
	peak int64 // bytes of memory; 0 where it is not known
}

// rates returns what a phase did in a second of wall time.
func (p phase) rates() (records, bytes float64) {
	s := max(p.wall.Seconds(), 1e-6)
	return float64(p.records) / s, float64(p.bytes) / s
}

func (t tables) phases(phases []phase) {
	t.title("Costs")
	t.row("", "phase", "wall s", "CPU s", "records/s", "MB/s", "spilled MB", "peak MB so far")
	for _, p := range phases {
		of := func(total int64, rate float64) string {
			if total == 0 {
				return ""
			}
			return fmt.Sprintf("%.0f", rate)
		}
		records, bytes := p.rates()
		t.row("", p.name, fmt.Sprintf("%.2f", p.wall.Seconds()), fmt.Sprintf("%.2f", p.cpu.Seconds()),
			of(p.records, records), of(p.bytes, bytes/1e6), of(p.spilled, float64(p.spilled)/1e6), of(p.peak, float64(p.peak)/1e6))
	}
	t.Flush()
}

// writeCosts writes costs.json: what differs from run to run of the same input,
// and is therefore not in summary.json.
func (s *study) writeCosts(w io.Writer) error {
	type row struct {
		Phase            string  `json:"phase"`
		WallSeconds      float64 `json:"wall_seconds"`
		CPUSeconds       float64 `json:"cpu_seconds"`
		Records          int64   `json:"records"`
		Bytes            int64   `json:"bytes"`
		RecordsPerSecond float64 `json:"records_per_second"`
		BytesPerSecond   float64 `json:"bytes_per_second"`
		SpilledBytes     int64   `json:"spilled_bytes"`
		PeakBytes        int64   `json:"peak_bytes"` // since the program began
	}
	var rows []row
	for _, p := range s.phases {
		records, bytes := p.rates()
		rows = append(rows, row{p.name, p.wall.Seconds(), p.cpu.Seconds(), p.records, p.bytes, records, bytes, p.spilled, p.peak})
	}
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(map[string]any{"version": 1, "phases": rows})
}
