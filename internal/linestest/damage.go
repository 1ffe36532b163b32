package linestest

import (
	"bytes"
	"errors"
	"iter"
	"slices"
	"strings"

	"github.com/endoflow/endoflow/internal/lines"
)

// marker is a text that must not come back out of an error.
const marker = "Zq7Secret"

// Damaged yields a line cut short, with a byte changed, and with a marker put
// in, at up to 512 places.
func Damaged(line []byte) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		step := max(1, len(line)/512)
		for at := 0; at < len(line); at += step {
			if at > 0 && !yield(line[:at]) {
				return
			}
			if !yield(slices.Concat(line[:at], []byte(marker), line[at:])) {
				return
			}
			damaged := bytes.Clone(line)
			for _, c := range []byte("\x00\"\\{9 \xff") {
				damaged[at] = c
				if !yield(damaged) {
					return
				}
			}
		}
	}
}

// ErrorProblems returns the rules that the error for a [Damaged] line breaks;
// nil breaks none.
func ErrorProblems(err error) []string {
	switch {
	case err == nil:
	case strings.Contains(err.Error(), marker):
		return []string{"the error quotes the line: an error may say where, never what stood there"}
	case !errors.Is(err, lines.ErrSkip) && err.Error() == "":
		return []string{"the error says nothing"}
	}
	return nil
}
