package pdns

import (
	"context"
	"io/fs"
	"iter"
	"sync"

	"github.com/endoflow/endoflow/internal/lines"
)

// Files is a set of files to read in parallel, each as by a [Reader].
type Files struct {
	// Patterns name the files, in the syntax of path/filepath.Match. One that
	// names no file is an error.
	Patterns []string

	// FS has the files. Nil: the operating system's.
	FS fs.FS

	// Format makes the Format of one file. Nil: it is detected, file by file.
	Format func() Format

	// Workers is how many read at the same time. 0: GOMAXPROCS.
	Workers int

	// MaxLine is the longest line, in bytes; one over it is an error. 0: 1 MiB.
	MaxLine int

	// Progress, if not nil, is told how far the reading has come: now and then,
	// from any worker, one call at a time.
	Progress func(Progress)
}

// Read calls each once per worker, with a sequence of that worker's own.
// Workers without a file of their own share in those of others. It returns when
// all workers have ended, with the counts of all of them and the first error
// that each returned, or ctx's.
//
// Each pair is a record and a nil error, or a zero record and an error. After a
// *ParseError the sequence goes on; after any other error it ends.
//
// The sequence can be ranged over once. Which worker gets which record is a
// matter of chance, so that only what does not depend on order should be made
// of them: a [Builder] each, merged at the end, does not.
func (f *Files) Read(ctx context.Context, each func(iter.Seq2[Record, error]) error) (Counts, error) {
	files := lines.Files{FS: f.FS, Patterns: f.Patterns, Workers: f.Workers, MaxLine: f.MaxLine, Progress: f.Progress}
	return lines.ReadFiles(ctx, &files, func() lines.Decoder[Record] {
		if f.Format == nil {
			return newDecoder(nil)
		}
		return newDecoder(f.Format())
	}, nil, each)
}

// Fill adds the records of the files to b, whose Filter, Memory and Dir hold for
// all workers. problem is told of each line or file that cannot be read, one at
// a time and in no particular order; nil leaves it at the counts. When ctx ends
// first, its error is returned, and b has a part of the records.
func (f *Files) Fill(ctx context.Context, b *Builder, problem func(*ParseError)) (Counts, error) {
	var mu sync.Mutex
	return f.Read(ctx, func(recs iter.Seq2[Record, error]) error {
		mu.Lock()
		mine := b.Fork()
		mu.Unlock()
		defer mine.Close()
		for rec, err := range recs {
			pe, skippable := err.(*ParseError)
			switch {
			case err == nil:
				if mine.Add(rec); mine.err != nil {
					return mine.err
				}
			case !skippable:
				return err
			case problem != nil:
				mu.Lock()
				problem(pe)
				mu.Unlock()
			}
		}
		mu.Lock()
		defer mu.Unlock()
		b.Merge(mine)
		return nil
	})
}
