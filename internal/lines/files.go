package lines

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/errgroup"
)

// Progress says how far a reading of files has come.
type Progress struct {
	Files, FilesDone int64
	Size, Read       int64 // bytes on disk, and of them read
	Lines            int64
	Errors           int64
}

// Files is a set of files to read, and how.
type Files struct {
	FS       fs.FS // nil: the operating system's files
	Patterns []string
	Workers  int // 0: GOMAXPROCS
	MaxLine  int
	Progress func(Progress) // called from any worker, one call at a time; may be nil
}

// Names returns the files that the patterns name, sorted, each once. A pattern
// that names no file is an error, and so is a folder.
func (f *Files) Names() ([]string, error) {
	var names []string
	for _, pattern := range f.Patterns {
		if pattern = strings.TrimSpace(pattern); pattern == "" {
			continue
		}
		var matches []string
		var err error
		if f.FS == nil {
			pattern = filepath.Clean(pattern) // a file under two names is one
			matches, err = filepath.Glob(pattern)
		} else {
			matches, err = fs.Glob(f.FS, pattern)
		}
		if len(matches) == 0 {
			if _, statErr := f.Stat(pattern); statErr == nil {
				matches, err = []string{pattern}, nil // a name with characters that Glob gives a meaning
			}
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", pattern, err)
		}
		if len(matches) == 0 {
			return nil, fmt.Errorf("%s: %w", pattern, fs.ErrNotExist)
		}
		names = append(names, matches...)
	}
	if len(names) == 0 {
		return nil, errors.New("no file named")
	}
	slices.Sort(names)
	names = slices.Compact(names)
	for _, name := range names {
		info, err := f.Stat(name)
		if err != nil {
			return nil, err
		}
		if info.IsDir() {
			return nil, fmt.Errorf("%s: is a folder; name its files, as in %s", name, filepath.Join(name, "*"))
		}
	}
	return names, nil
}

// Stat describes one of the files.
func (f *Files) Stat(name string) (fs.FileInfo, error) {
	if f.FS == nil {
		return os.Stat(name)
	}
	return fs.Stat(f.FS, name)
}

// Open opens one of the files.
func (f *Files) Open(name string) (fs.File, error) {
	if f.FS == nil {
		return os.Open(name)
	}
	return f.FS.Open(name)
}

// ReadFiles reads the files with several workers. Each worker calls each with
// a sequence of its own, which is single-use and follows the contract of
// [Read]; a file is read whole by one worker. decoder makes the decoder of one
// file. rest, if not nil, gives the values that only the end of all files
// decides; where there are any, and all files were read to their end, each is
// called once more with a sequence of them.
//
// It returns with the counts of all, and the first error that each returned, or
// ctx's.
func ReadFiles[T any](ctx context.Context, f *Files, decoder func() Decoder[T], rest func(*Counts) []T, each func(iter.Seq2[T, error]) error) (Counts, error) {
	names, err := f.Names()
	if err != nil {
		return Counts{}, err
	}
	workers := f.Workers
	if workers <= 0 {
		workers = runtime.GOMAXPROCS(0)
	}
	workers = min(workers, len(names))

	p := progress{report: f.Progress}
	p.Files = int64(len(names))
	for _, name := range names {
		if info, err := f.Stat(name); err == nil {
			p.Size += info.Size()
		}
	}

	var next atomic.Int64  // the next file's place in names
	var whole atomic.Int64 // files read to their end
	counts := make([]Counts, workers)
	g, workCtx := errgroup.WithContext(ctx)
	for w := range workers {
		g.Go(func() error {
			var told Counts
			seq := func(yield func(T, error) bool) {
				s := session[T]{ctx: workCtx, counts: &counts[w], maxLine: f.MaxLine, yield: yield}
				for {
					i := next.Add(1) - 1
					if i >= int64(len(names)) {
						break
					}
					if err := workCtx.Err(); err != nil {
						s.end(err)
						return
					}
					s.tick = func() { p.tell(&told, s.counts) }
					if err := readFile(&s, f, names[i], decoder(), &p); err != nil {
						return
					}
					whole.Add(1)
					p.done()
				}
			}
			return each(seq)
		})
	}
	err = cmp.Or(g.Wait(), ctx.Err())
	if err == nil && rest != nil && whole.Load() == int64(len(names)) {
		if values := rest(&counts[0]); len(values) > 0 {
			err = each(func(yield func(T, error) bool) {
				s := session[T]{ctx: ctx, counts: &counts[0], yield: yield}
				s.all(values)
			})
		}
	}
	var sum Counts
	for _, c := range counts {
		sum.Merge(c)
	}
	return sum, err
}

func readFile[T any](s *session[T], f *Files, name string, d Decoder[T], p *progress) error {
	file, err := f.Open(name)
	if err != nil {
		return s.read(brokenReader{err}, name, d)
	}
	defer file.Close()
	return s.read(&meter{file, &p.read}, name, d)
}

// A brokenReader fails with the reason a file could not be opened for.
type brokenReader struct{ err error }

func (b brokenReader) Read([]byte) (int, error) {
	if pe, ok := errors.AsType[*fs.PathError](b.err); ok {
		return 0, pe.Err
	}
	return 0, b.err
}

// A meter counts the bytes read through it.
type meter struct {
	r io.Reader
	n *atomic.Int64
}

func (m *meter) Read(p []byte) (int, error) {
	n, err := m.r.Read(p)
	m.n.Add(int64(n))
	return n, err
}

// progress gathers what the workers tell.
type progress struct {
	report func(Progress)
	read   atomic.Int64
	mu     sync.Mutex
	Progress
}

func (p *progress) tell(told, now *Counts) {
	if p.report == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.Lines += now.Lines - told.Lines
	p.Errors += now.Errors - told.Errors
	told.Lines, told.Errors = now.Lines, now.Errors
	p.Read = p.read.Load()
	p.report(p.Progress)
}

func (p *progress) done() {
	if p.report == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.FilesDone++
	p.report(p.Progress)
}
