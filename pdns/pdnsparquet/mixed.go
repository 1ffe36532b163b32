package pdnsparquet

import (
	"context"
	"fmt"
	"io"
	"io/fs"

	"github.com/endoflow/endoflow/internal/lines"
	"github.com/endoflow/endoflow/pdns"
)

// Mixed is a set of files of passive DNS in any format that this module reads,
// for programs whose users name files of either kind.
type Mixed struct {
	// Patterns, FS, Workers and Progress are as in [Files].
	Patterns []string
	FS       fs.FS
	Workers  int
	Progress func(pdns.Progress)

	// Format is "parquet", or a name that pdns.NamedFormat knows for text.
	// "" and "auto" stand for what each file's content says.
	Format string

	// Columns names the columns of Parquet files.
	Columns Columns
}

// Fill adds the records of the files to b, as pdns.Files.Fill and [Files.Fill]
// do. A Format that is not known is an error.
func (m *Mixed) Fill(ctx context.Context, b *pdns.Builder, problem func(*pdns.ParseError)) (pdns.Counts, error) {
	var parquet, texts []string
	var format func() pdns.Format
	switch m.Format {
	case "", "auto":
		var err error
		if parquet, texts, err = m.split(); err != nil {
			return pdns.Counts{}, err
		}
	case "parquet":
		parquet = m.Patterns
	default:
		var ok bool
		if format, ok = pdns.NamedFormat(m.Format); !ok {
			return pdns.Counts{}, fmt.Errorf("%q is no format of passive DNS", m.Format)
		}
		texts = m.Patterns
	}
	var counts pdns.Counts
	if len(texts) > 0 {
		files := pdns.Files{Patterns: texts, FS: m.FS, Format: format, Workers: m.Workers, Progress: m.Progress}
		c, err := files.Fill(ctx, b, problem)
		counts.Merge(c)
		if err != nil {
			return counts, err
		}
	}
	if len(parquet) > 0 {
		files := Files{Patterns: parquet, FS: m.FS, Columns: m.Columns, Workers: m.Workers, Progress: m.Progress}
		c, err := files.Fill(ctx, b, problem)
		counts.Merge(c)
		return counts, err
	}
	return counts, nil
}

// split tells Parquet files from others. A file that cannot be opened, or that
// is no regular one, counts as another.
func (m *Mixed) split() (parquet, others []string, err error) {
	files := &lines.Files{FS: m.FS, Patterns: m.Patterns}
	names, err := files.Names()
	if err != nil {
		return nil, nil, err
	}
	for _, name := range names {
		if beginsAsParquet(files, name) {
			parquet = append(parquet, name)
		} else {
			others = append(others, name)
		}
	}
	return parquet, others, nil
}

func beginsAsParquet(files *lines.Files, name string) bool {
	file, err := files.Open(name)
	if err != nil {
		return false // who reads it will say so
	}
	defer file.Close()
	if info, err := file.Stat(); err != nil || !info.Mode().IsRegular() {
		return false // what is read of a pipe is gone
	}
	head := make([]byte, 4)
	n, _ := io.ReadFull(file, head)
	return IsParquet(head[:n])
}
