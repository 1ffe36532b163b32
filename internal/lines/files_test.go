package lines_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/fstest"

	"github.com/endoflow/endoflow/internal/lines"
	"github.com/google/go-cmp/cmp"
)

// denied is a file system in which one file cannot be opened.
type denied struct {
	fs.FS
	name string
}

func (d denied) Open(name string) (fs.File, error) {
	if name == d.name {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrPermission}
	}
	return d.FS.Open(name)
}

func (d denied) Stat(name string) (fs.FileInfo, error) { return fs.Stat(d.FS, name) }

// manyFiles has good files of 100 values each, a damaged one and one that
// cannot be opened.
func manyFiles() fs.FS {
	files := fstest.MapFS{}
	for i := range 12 {
		var text strings.Builder
		for j := range 100 {
			fmt.Fprintf(&text, "%d-%d\n", i, j)
		}
		text.WriteString("skip\nbad\n")
		data := text.String()
		if i%3 == 0 {
			data = zipped(data)
		}
		files[fmt.Sprintf("good%02d", i)] = &fstest.MapFile{Data: []byte(data)}
	}
	cut := zipped("cut-0\n" + strings.Repeat("cut\n", 1000))
	files["damaged"] = &fstest.MapFile{Data: []byte(cut[:len(cut)/2])}
	files["denied"] = &fstest.MapFile{Data: []byte("never seen\n")}
	return denied{files, "denied"}
}

// readFiles gives all that came, values and errors as texts, sorted.
func readFiles(t *testing.T, f *lines.Files, rest func(*lines.Counts) []string) ([]string, lines.Counts) {
	t.Helper()
	var mu sync.Mutex
	var got []string
	counts, err := lines.ReadFiles(context.Background(), f, newAheadWords, rest, func(seq iter.Seq2[string, error]) error {
		for v, err := range seq {
			if err != nil {
				v = "error " + err.Error()
			}
			mu.Lock()
			got = append(got, v)
			mu.Unlock()
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(got)
	return got, counts
}

func TestReadFiles(t *testing.T) {
	var first []string
	var firstCounts lines.Counts
	for _, workers := range []int{1, 2, 7, 100} {
		rests := 0
		f := &lines.Files{FS: manyFiles(), Patterns: []string{"*"}, Workers: workers}
		got, counts := readFiles(t, f, func(*lines.Counts) []string { rests++; return []string{"rest"} })
		if rests != 1 {
			t.Errorf("%d workers: rest was called %d times", workers, rests)
		}
		if total(counts) != counts.Lines || counts.Files != 14 || counts.Damaged != 2 || counts.Errors != 12 {
			t.Errorf("%d workers: counts %+v", workers, counts)
		}
		if workers == 1 {
			first, firstCounts = got, counts
			for _, want := range []string{"0-0", "11-99", "rest", "error good07:102: bad line", "error denied:1: the rest of the file cannot be read: permission denied"} {
				if !slices.Contains(got, want) {
					t.Errorf("%q is missing", want)
				}
			}
			continue
		}
		if diff := cmp.Diff(first, got); diff != "" {
			t.Errorf("%d workers (-one worker +got):\n%s", workers, diff)
		}
		if diff := cmp.Diff(firstCounts, counts); diff != "" {
			t.Errorf("%d workers: counts (-one worker +got):\n%s", workers, diff)
		}
	}
}

func TestNames(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"b.log", "a.log", "c[1.log", "d[1].log"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "folder"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		patterns string // relative to dir
		want     string
		err      string
	}{
		{"a.log", "a.log", ""},
		{"?.log", "a.log b.log", ""},
		{"b.log a.log ?.log", "a.log b.log", ""},
		{"c[1.log", "c[1.log", ""},
		{"d[1].log", "d[1].log", ""},
		{"*.gz", "", "file does not exist"},
		{"a.log x.log", "", "file does not exist"},
		{"[", "", "syntax error in pattern"},
		{"folder", "", "is a folder; name its files, as in"},
		{"", "", "no file named"},
	} {
		for _, fsys := range []fs.FS{nil, os.DirFS(dir)} {
			f := lines.Files{FS: fsys, Patterns: strings.Fields(tt.patterns)}
			if fsys == nil {
				for i, p := range f.Patterns {
					f.Patterns[i] = filepath.Join(dir, p)
				}
			}
			names, err := f.Names()
			for i := range names {
				names[i] = filepath.Base(names[i])
			}
			if diff := cmp.Diff(strings.Fields(tt.want), names); len(names)+len(tt.want) > 0 && diff != "" {
				t.Errorf("%q (-want +got):\n%s", tt.patterns, diff)
			}
			if got := fmt.Sprint(err); tt.err == "" && err != nil || !strings.Contains(got, tt.err) {
				t.Errorf("%q: error %v, want %q", tt.patterns, err, tt.err)
			}
		}
	}
}

func TestReadFilesWithoutFiles(t *testing.T) {
	f := &lines.Files{FS: fstest.MapFS{}, Patterns: []string{"*"}}
	_, err := lines.ReadFiles(context.Background(), f, newWords, nil, func(iter.Seq2[string, error]) error {
		t.Error("each was called")
		return nil
	})
	if !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error %v, want fs.ErrNotExist", err)
	}
}

func TestProgress(t *testing.T) {
	files := fstest.MapFS{}
	size := int64(0)
	for i := range 5 {
		data := []byte(strings.Repeat("a\n", 3000) + "bad\n")
		files[fmt.Sprint(i)] = &fstest.MapFile{Data: data}
		size += int64(len(data))
	}
	for _, workers := range []int{1, 3} {
		var last lines.Progress
		calls := 0
		f := &lines.Files{FS: files, Patterns: []string{"*"}, Workers: workers, Progress: func(p lines.Progress) {
			if calls++; p.Lines < last.Lines || p.Read < last.Read || p.FilesDone < last.FilesDone || p.Errors < last.Errors {
				t.Errorf("%d workers: progress goes back from %+v to %+v", workers, last, p)
			}
			last = p
		}}
		readFiles(t, f, nil)
		want := lines.Progress{Files: 5, FilesDone: 5, Size: size, Read: size, Lines: 5 * 3001, Errors: 5}
		if diff := cmp.Diff(want, last); diff != "" {
			t.Errorf("%d workers: last (-want +got):\n%s", workers, diff)
		}
		if calls < 10 {
			t.Errorf("%d workers: %d calls", workers, calls)
		}
	}
}

// TestStopEarly: a consumer that stops gets nothing more, the others read on,
// and what only the end of all files decides is not decided.
func TestStopEarly(t *testing.T) {
	errEnough := errors.New("enough")
	for _, tt := range []struct {
		name string
		err  error
	}{{"without an error", nil}, {"with an error", errEnough}} {
		t.Run(tt.name, func(t *testing.T) {
			f := &lines.Files{FS: manyFiles(), Patterns: []string{"good*"}, Workers: 2}
			var stopped atomic.Bool
			rest := func(*lines.Counts) []string { t.Error("rest was called"); return nil }
			_, err := lines.ReadFiles(context.Background(), f, newWords, rest, func(seq iter.Seq2[string, error]) error {
				n := 0
				for range seq {
					if n++; n == 5 && stopped.CompareAndSwap(false, true) {
						return tt.err
					}
				}
				return nil
			})
			if err != tt.err {
				t.Errorf("error %v, want %v", err, tt.err)
			}
		})
	}
}

// TestReadFilesCancelled: every sequence ends with ctx's error, which is also
// ReadFiles' own when the consumers keep it to themselves.
func TestReadFilesCancelled(t *testing.T) {
	for _, workers := range []int{1, 2, 7} {
		ctx, cancel := context.WithCancel(context.Background())
		f := &lines.Files{FS: manyFiles(), Patterns: []string{"good*"}, Workers: workers}
		var cancelled, others atomic.Int64
		counts, err := lines.ReadFiles(ctx, f, newWords, nil, func(seq iter.Seq2[string, error]) error {
			var last error
			for _, err := range seq {
				cancel()
				last = err
			}
			if last == context.Canceled {
				cancelled.Add(1)
			} else {
				others.Add(1)
			}
			return nil
		})
		if err != context.Canceled {
			t.Errorf("%d workers: error %v, want %v", workers, err, context.Canceled)
		}
		if cancelled.Load() != int64(workers) {
			t.Errorf("%d workers: %d sequences ended with ctx's error, %d otherwise", workers, cancelled.Load(), others.Load())
		}
		if total(counts) != counts.Lines {
			t.Errorf("counts do not add up: %+v", counts)
		}
		cancel()
	}
}
