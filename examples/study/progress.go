package main

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/endoflow/endoflow/flow"
)

// A progressLine is one line of a terminal that is written over as work goes
// on. Where the output is no terminal it stays silent.
type progressLine struct {
	w    io.Writer
	last time.Time
}

func newProgressLine(w io.Writer) *progressLine {
	f, ok := w.(*os.File)
	if !ok {
		return &progressLine{}
	}
	if info, err := f.Stat(); err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return &progressLine{}
	}
	return &progressLine{w: w}
}

// of returns the function that shows the progress of a phase.
func (p *progressLine) of(phase string) func(flow.Progress) {
	if p.w == nil {
		return nil
	}
	begin := time.Now()
	return func(now flow.Progress) {
		if time.Since(p.last) < time.Second/4 {
			return
		}
		p.last = time.Now()
		rate := float64(now.Lines) / max(time.Since(begin).Seconds(), 1e-3)
		fmt.Fprintf(p.w, "\r\x1b[K%s: %d of %d files, %d of %d MB, %d lines (%.0f/s), %d errors",
			phase, now.FilesDone, now.Files, now.Read>>20, now.Size>>20, now.Lines, rate, now.Errors)
	}
}

// say shows what is being done.
func (p *progressLine) say(what string) {
	if p.w != nil {
		fmt.Fprintf(p.w, "\r\x1b[K%s", what)
	}
}

// end clears the line.
func (p *progressLine) end() {
	if p.w != nil {
		fmt.Fprint(p.w, "\r\x1b[K")
	}
}
