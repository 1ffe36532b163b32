package lines_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/endoflow/endoflow/internal/lines"
	"github.com/endoflow/endoflow/internal/linestest"
	"github.com/google/go-cmp/cmp"
)

// aheadWords is words with lines decoded before their turn once a line "ahead"
// was seen. "again" has a record only the first time, "nth" says how many
// lines before it had a record, which only its turn tells.
type aheadWords struct {
	words
	mu    sync.Mutex
	ready bool
	seen  map[string]bool
	n     int
}

func (w *aheadWords) Ahead(int) func(line []byte, values []string) ([]string, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.ready {
		return nil
	}
	return func(line []byte, values []string) ([]string, error) {
		if text := string(line); text == "nth" || text == "ahead" || strings.HasPrefix(text, ">") {
			return values, lines.ErrInTurn
		}
		return new(words).Decode(line, values)
	}
}

func (w *aheadWords) Settle(v *string) (bool, error) {
	w.n++
	if *v == "again" {
		if w.seen[*v] {
			return false, lines.SkipError("seen")
		}
		w.seen = map[string]bool{*v: true}
	}
	if *v == "double" {
		*v = "doubled"
		return true, lines.SkipError("nothing here")
	}
	return true, nil
}

func (w *aheadWords) Decode(line []byte, values []string) ([]string, error) {
	switch string(line) {
	case "ahead":
		w.mu.Lock()
		defer w.mu.Unlock()
		w.ready = true
		return values, lines.SkipError("header")
	case "nth":
		return append(values, fmt.Sprint("nth ", w.n)), nil
	}
	n := len(values)
	values, err := w.words.Decode(line, values)
	if err != nil || len(values) != n+1 {
		return values, err
	}
	keep, err := w.Settle(&values[n])
	if !keep {
		values = values[:n]
	}
	return values, err
}

// TestCutAnywhere: wherever a file is cut into blocks, and however many workers
// read them, its lines give the same, with the same numbers in errors and the
// same counts.
func TestCutAnywhere(t *testing.T) {
	x := func(n int) string { return strings.Repeat("x", n) }
	rng := rand.New(rand.NewPCG(1, 2))
	kinds := []string{"a", "b+c", "skip", "bad", "field", "?", ">z", "", "again", "nth", "double", x(20), x(30), x(31), x(90), "ahead", "d\r"}
	texts := []string{"", "\n", "\xef\xbb\xbf", "\xef\xbb\xbf" + x(30) + "\r\na", x(200), x(200) + "\n", "a\n" + x(31) + "\nnth", "ahead\n" + strings.Repeat("a\nnth\nagain\nbad\n", 20)}
	for range 25 {
		var text strings.Builder
		if rng.IntN(2) == 0 {
			text.WriteString("ahead\n")
		}
		for range rng.IntN(60) {
			text.WriteString(kinds[rng.IntN(len(kinds))] + "\n")
		}
		texts = append(texts, strings.TrimSuffix(text.String(), "\n"))
	}
	for _, data := range texts {
		for _, packed := range []string{data, zipped(data), zstded(t, data), zstded(t, data[:len(data)/2]) + zstded(t, data[len(data)/2:]), zipped(data)[:18]} {
			for _, broken := range []error{nil, errors.New("the disk is gone")} {
				read := func(size, workers int) ([]string, lines.Counts) {
					fsys := linestest.CutFS{MapFS: fstest.MapFS{"f": {Data: []byte(packed)}}, Size: size, Err: broken}
					f := &lines.Files{FS: fsys, Patterns: []string{"f"}, Workers: workers, MaxLine: 30}
					return readFiles(t, f, nil)
				}
				want, wantCounts := read(1<<20, 1)
				for _, size := range []int{1, 3, 20} {
					for _, workers := range []int{1, 2, 4} {
						got, counts := read(size, workers)
						if diff := cmp.Diff(want, got); diff != "" {
							t.Fatalf("%q, %v, %d bytes at a time, %d workers (-at once +got):\n%s", packed, broken, size, workers, diff)
						}
						if diff := cmp.Diff(wantCounts, counts); diff != "" {
							t.Fatalf("%q, %v, %d bytes at a time, %d workers: counts (-at once +got):\n%s", packed, broken, size, workers, diff)
						}
					}
				}
			}
		}
	}
}
