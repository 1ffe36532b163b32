package main

import (
	"fmt"
	"time"
)

// A phase is what a part of the work cost.
type phase struct {
	name         string
	wall, cpu    time.Duration
	lines, bytes int64 // of input, decompressed
}

// begin starts a phase; the function that it returns ends it and tells how many
// lines and bytes it read.
func (s *study) begin(name string) (end func(lines, bytes int64)) {
	wall, cpu := time.Now(), spent().cpu
	return func(lines, bytes int64) {
		s.phases = append(s.phases, phase{name, time.Since(wall), spent().cpu - cpu, lines, bytes})
	}
}

// costs is what the operating system has counted for this process.
type costs struct {
	cpu  time.Duration
	peak int64 // bytes of memory; 0 where it is not known
}

func (t tables) phases(phases []phase) {
	t.title("Time")
	t.row("", "phase", "wall s", "CPU s", "lines/s", "MB/s")
	for _, p := range phases {
		lines, megabytes := "", ""
		if p.lines > 0 {
			lines = fmt.Sprintf("%.0f", float64(p.lines)/p.wall.Seconds())
			megabytes = fmt.Sprintf("%.0f", float64(p.bytes)/1e6/p.wall.Seconds())
		}
		t.row("", p.name, fmt.Sprintf("%.2f", p.wall.Seconds()), fmt.Sprintf("%.2f", p.cpu.Seconds()), lines, megabytes)
	}
	if peak := spent().peak; peak > 0 {
		t.note("peak memory %d MB", peak/1e6)
	}
}
