package main

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/endoflow/endoflow/flow"
)

// A reporter tells of the work on standard error: the first lines that cannot be
// read and, on a terminal, how far it is.
type reporter struct {
	w        io.Writer
	terminal bool
	problems int
	last     time.Time
}

func newReporter(w io.Writer) *reporter {
	r := &reporter{w: w}
	if f, ok := w.(*os.File); ok {
		info, err := f.Stat()
		r.terminal = err == nil && info.Mode()&os.ModeCharDevice != 0
	}
	return r
}

// problem tells of a line that cannot be read. It is called by one goroutine at a
// time, and so is what progress returns, which the same goroutine calls.
func (r *reporter) problem(pe *flow.ParseError) {
	switch r.problems++; {
	case r.problems <= 10:
		r.clear()
		fmt.Fprintln(r.w, "annotate:", pe)
	case r.problems == 11:
		r.clear()
		fmt.Fprintln(r.w, "annotate: further problems are only counted")
	}
}

// progress returns the function that shows the progress of a phase; nil where
// nobody would see it.
func (r *reporter) progress(phase string) func(flow.Progress) {
	if !r.terminal {
		return nil
	}
	begin := time.Now()
	return func(now flow.Progress) {
		if time.Since(r.last) < time.Second/4 {
			return
		}
		r.last = time.Now()
		rate := float64(now.Lines) / max(time.Since(begin).Seconds(), 1e-3)
		fmt.Fprintf(r.w, "\r\x1b[K%s: %d of %d files, %d of %d MB, %d lines (%.0f/s), %d errors",
			phase, now.FilesDone, now.Files, now.Read>>20, now.Size>>20, now.Lines, rate, now.Errors)
	}
}

// clear clears the line of progress.
func (r *reporter) clear() {
	if r.terminal {
		fmt.Fprint(r.w, "\r\x1b[K")
	}
}
