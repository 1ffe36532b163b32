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

// ReadFiles reads the files with several workers. Each worker calls each with a
// sequence of its own, which is single-use and follows the contract of [Read].
// When no file is left to begin, workers help others with theirs: which worker
// gets which value is left open, but each gets values of one file in their
// order. decoder makes the decoder of one file. rest, if not nil, gives the
// values that only the end of all files decides; where there are any, and all
// files were read to their end, each is called once more with a sequence of
// them.
//
// It returns with the counts of all, and the first error that each returned, or
// ctx's.
func ReadFiles[T any](ctx context.Context, f *Files, decoder func() Decoder[T], rest func(*Counts) []T, each func(iter.Seq2[T, error]) error) (Counts, error) {
	names, err := f.Names()
	if err != nil {
		return Counts{}, err
	}
	p := progress{report: f.Progress}
	p.Files = int64(len(names))
	helpers := 0
	for _, name := range names {
		if info, err := f.Stat(name); err == nil {
			p.Size += info.Size()
			helpers += int(info.Size() / minShare)
		}
	}
	workers := f.Workers
	if workers <= 0 {
		workers = runtime.GOMAXPROCS(0)
	}
	workers = min(workers, len(names)+helpers)

	q := queue[T]{files: f, names: names, decoder: decoder, read: &p.read}
	defer q.close()
	counts := make([]Counts, workers)
	g, workCtx := errgroup.WithContext(ctx)
	for w := range workers {
		g.Go(func() error {
			return each(func(yield func(T, error) bool) {
				var told Counts
				s := session[T]{ctx: workCtx, counts: &counts[w], worker: w, yield: yield}
				s.tick = func() { p.tell(&told, s.counts) }
				for src := q.take(); src != nil; src = q.take() {
					err := s.next(src)
					for err == nil {
						err = s.next(src)
					}
					switch err {
					case errStop:
						q.stopped.Store(true)
						return
					case io.EOF:
						q.finish(src)
						p.done()
					}
				}
				if err := workCtx.Err(); err != nil {
					s.end(err)
				}
			})
		})
	}
	err = cmp.Or(g.Wait(), ctx.Err())
	if err == nil && rest != nil && !q.stopped.Load() && q.finished == len(names) {
		if values := rest(&counts[0]); len(values) > 0 {
			err = each(func(yield func(T, error) bool) {
				s := session[T]{ctx: ctx, counts: &counts[0], yield: yield}
				s.append(values)
				s.flush()
			})
		}
	}
	var sum Counts
	for _, c := range counts {
		sum.Merge(c)
	}
	return sum, err
}

// minShare is how much of the files there is for each worker beyond one a file.
const minShare = 1 << 20

// A queue has the files that are to be read.
type queue[T any] struct {
	files   *Files
	names   []string
	decoder func() Decoder[T]
	read    *atomic.Int64
	stopped atomic.Bool // a consumer wanted no more

	mu       sync.Mutex
	begun    int          // of names
	open     []*source[T] // of those begun
	finished int
}

// take returns the next file, or if all are begun, one that others are reading,
// or nil.
func (q *queue[T]) take() *source[T] {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.begun < len(q.names) {
		name := q.names[q.begun]
		q.begun++
		src := newSource(name, q.files.MaxLine, q.decoder(), func() (io.ReadCloser, error) { return q.text(name) })
		q.open = append(q.open, src)
		return src
	}
	for i, src := range q.open {
		if !src.ended.Load() {
			q.open = append(slices.Delete(q.open, i, i+1), src) // the next worker helps with another
			return src
		}
	}
	return nil
}

// text opens a file for the text in it. Its error has no path.
func (q *queue[T]) text(name string) (io.ReadCloser, error) {
	file, err := q.files.Open(name)
	if pe, ok := errors.AsType[*fs.PathError](err); ok {
		return nil, pe.Err
	}
	if err != nil {
		return nil, err
	}
	text, err := decompress(&meter{file, q.read})
	if err != nil {
		file.Close()
		return nil, err
	}
	return closers{text, file}, nil
}

// finish takes note that a source has been read to its end.
func (q *queue[T]) finish(src *source[T]) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.finished++
	q.open = slices.DeleteFunc(q.open, func(s *source[T]) bool { return s == src })
}

// close closes the files of which the consumers did not want all.
func (q *queue[T]) close() {
	for _, src := range q.open {
		src.close()
	}
}

// closers closes a text and the file that it is in.
type closers struct {
	io.ReadCloser
	file io.Closer
}

func (c closers) Close() error {
	c.ReadCloser.Close()
	return c.file.Close()
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
