package pdns

import (
	"context"
	"io"
	"iter"
	"sync/atomic"

	"github.com/endoflow/endoflow/internal/lines"
)

// A Reader reads the records of one stream, plain or compressed with gzip or
// zstd, which it knows by its content. Set its fields before the first use. It
// is for one goroutine.
type Reader struct {
	// Format decodes the lines. Nil: the first line that [Detect] knows
	// decides. Until then, a line that begins with '#' is skipped, and any
	// other is an error.
	Format Format

	// MaxLine is the longest line, in bytes; one over it is an error. 0: 1 MiB.
	MaxLine int

	src    io.Reader
	name   string
	counts Counts
}

// NewReader returns a Reader of src. name stands in errors, and is usually the
// file's.
func NewReader(src io.Reader, name string) *Reader {
	return &Reader{src: src, name: name}
}

// All returns the records in the order of the stream. It can be ranged over
// once.
//
// Each pair is a record and a nil error, or a zero record and an error. After a
// *ParseError the sequence goes on; after any other error it ends.
//
// A stream of which the rest cannot be read ends with a *ParseError that is
// [ErrDamaged].
func (r *Reader) All() iter.Seq2[Record, error] {
	return lines.Read(context.Background(), r.src, r.name, r.MaxLine, newDecoder(r.Format), &r.counts)
}

// Counts returns what became of the lines read so far, which may be up to 256 KiB
// more than those of the records that All has given.
func (r *Reader) Counts() Counts { return r.counts.Clone() }

// A decoder is the lines.Decoder of one stream, and a lines.Ahead for formats
// that keep nothing from line to line.
type decoder struct {
	format    Format // nil until detected
	stateless atomic.Pointer[Format]
}

func newDecoder(format Format) *decoder {
	d := new(decoder)
	if format != nil {
		d.use(format)
	}
	return d
}

func (d *decoder) use(format Format) {
	d.format = format
	switch format.(type) {
	case *COF, *Sysmon:
		d.stateless.Store(&format)
	}
}

func (d *decoder) Ahead(int) func(line []byte, recs []Record) ([]Record, error) {
	if format := d.stateless.Load(); format != nil {
		return (*format).Decode
	}
	return nil
}

func (d *decoder) Settle(*Record) (keep bool, err error) { return true, nil }

func (d *decoder) Decode(line []byte, recs []Record) ([]Record, error) {
	if d.format == nil {
		format := Detect(line)
		if format == nil {
			if line[0] == '#' {
				return recs, Skip("header or comment")
			}
			return recs, ErrUnknownFormat
		}
		d.use(format)
	}
	return d.format.Decode(line, recs)
}

func (d *decoder) Close(recs []Record, _ *Counts) []Record { return recs }
