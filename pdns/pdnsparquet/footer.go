package pdnsparquet

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"
)

// IsParquet reports whether a file that begins so is a Parquet file: by its
// magic, "PAR1", or "PARE" for one with an encrypted footer, which is then
// refused with a clear error.
func IsParquet(head []byte) bool {
	return len(head) >= 4 && (string(head[:4]) == "PAR1" || string(head[:4]) == "PARE")
}

const (
	// maxFooter is the longest footer, in bytes. One of 10,000 row groups of 50
	// columns has about 50 MB.
	maxFooter = 64 << 20

	// maxItems is the most structs in the lists of one footer, so that a short
	// footer cannot ask for much memory: 32,767 row groups of 100 columns, each
	// with one list item of its own, are 6.5 million.
	maxItems = 8 << 20
)

// A footer is what of a file's metadata is used. It is decoded by the library
// into these types rather than into its own, which have five times the size.
type footer struct {
	Schema    thrift.Slice[format.SchemaElement] `thrift:"2,required"`
	NumRows   int64                              `thrift:"3,required"`
	RowGroups thrift.Slice[rowGroup]             `thrift:"4,required"`
}

type rowGroup struct {
	Columns thrift.Slice[chunk] `thrift:"1,required"`
	NumRows int64               `thrift:"3,required"`
}

type chunk struct {
	FilePath string    `thrift:"1,optional"`
	Meta     chunkMeta `thrift:"3,optional"`
}

type chunkMeta struct {
	Type       int32 `thrift:"1,required"`
	Codec      int32 `thrift:"4,required"`
	NumValues  int64 `thrift:"5,required"`
	Data       int64 `thrift:"9,required"` // offset of the first data page
	Dictionary int64 `thrift:"11,optional"`
}

var (
	errMagic     = errors.New("not a Parquet file")
	errEncrypted = errors.New("encrypted Parquet is not supported")
	errSize      = errors.New("a size that the file cannot have")
)

// readFooter reads the metadata of a file. end is where its pages end.
func readFooter(r io.ReaderAt, size int64) (f *footer, end int64, err error) {
	var head [4]byte
	var tail [8]byte
	if size < int64(len(head)+len(tail)) {
		return nil, 0, errMagic
	}
	if err := readFull(r, head[:], 0); err != nil {
		return nil, 0, err
	}
	if err := readFull(r, tail[:], size-8); err != nil {
		return nil, 0, err
	}
	switch {
	case string(head[:]) == "PARE" || string(tail[4:]) == "PARE":
		return nil, 0, errEncrypted
	case string(head[:]) != "PAR1" || string(tail[4:]) != "PAR1":
		return nil, 0, errMagic
	}
	n := int64(binary.LittleEndian.Uint32(tail[:4]))
	if end = size - 8 - n; end < int64(len(head)) || n > maxFooter {
		return nil, 0, fmt.Errorf("footer: %w", errSize)
	}
	text := make([]byte, n)
	if err := readFull(r, text, end); err != nil {
		return nil, 0, err
	}
	f = new(footer)
	if _, err := decodeThrift(text, f); err != nil {
		return nil, 0, fmt.Errorf("footer: %w", err)
	}
	var rows int64
	for i := range f.RowGroups {
		g := &f.RowGroups[i]
		if g.NumRows < 0 || g.NumRows > f.NumRows-rows {
			return nil, 0, fmt.Errorf("rows of row group %d: %w", i, errSize)
		}
		rows += g.NumRows
	}
	if rows != f.NumRows {
		return nil, 0, fmt.Errorf("rows of the row groups are not those of the file: %w", errSize)
	}
	return f, end, nil
}

func readFull(r io.ReaderAt, p []byte, at int64) error {
	n, err := r.ReadAt(p, at)
	switch {
	case n == len(p):
		return nil
	case err == nil || err == io.EOF:
		return io.ErrUnexpectedEOF
	}
	return cause(err)
}

// cause returns the reason of an error without the path, which whoever locates
// the error adds in the form in which the user gave it.
func cause(err error) error {
	if pe, ok := errors.AsType[*fs.PathError](err); ok {
		return pe.Err
	}
	return err
}

// decodeThrift decodes the struct that text begins with and returns its length.
// It checks lengths first, since the library allocates what a list or a text
// says that it has.
func decodeThrift(text []byte, v any) (int, error) {
	w := walker{text: text}
	if err := w.fields(0); err != nil {
		return 0, err
	}
	var p thrift.CompactProtocol
	return w.at, thrift.NewDecoder(p.NewReaderFromBytes(text[:w.at])).Decode(v)
}

// A walker walks over a struct in Thrift's compact protocol (thrift,
// doc/specs/thrift-compact-protocol.md).
type walker struct {
	text  []byte
	at    int
	items int // structs in lists so far
}

var (
	errShort  = errors.New("metadata is cut short")
	errThrift = errors.New("metadata is malformed")
)

// maxNesting is the deepest nesting of metadata; a footer's own is 8.
const maxNesting = 32

func (w *walker) fields(depth int) error {
	if depth > maxNesting {
		return errThrift
	}
	for {
		b, err := w.byte()
		if err != nil || b == 0 {
			return err
		}
		if b>>4 == 0 {
			if _, err := w.uvarint(); err != nil {
				return err
			}
		}
		if err := w.value(b&15, false, depth); err != nil {
			return err
		}
	}
}

// value walks over a value of a type. A truth value stands in the type of a
// field, and in a byte of its own in a list.
func (w *walker) value(typ byte, inList bool, depth int) error {
	switch typ {
	case 1, 2:
		if inList {
			return w.skip(1)
		}
		return nil
	case 3:
		return w.skip(1)
	case 4, 5, 6:
		_, err := w.uvarint()
		return err
	case 7:
		return w.skip(8)
	case 8:
		n, err := w.uvarint()
		if err != nil {
			return err
		}
		return w.skip(n)
	case 9, 10:
		return w.list(depth)
	case 12:
		return w.fields(depth + 1)
	case 13:
		return w.skip(16)
	}
	return errThrift // 11, a map, is nowhere in Parquet's metadata
}

func (w *walker) list(depth int) error {
	b, err := w.byte()
	if err != nil {
		return err
	}
	n := uint64(b >> 4)
	if n == 15 {
		if n, err = w.uvarint(); err != nil {
			return err
		}
	}
	if n > uint64(len(w.text)-w.at) {
		return errShort
	}
	if b&15 == 12 {
		if w.items += int(n); w.items > maxItems {
			return errSize
		}
	}
	for range n {
		if err := w.value(b&15, true, depth+1); err != nil {
			return err
		}
	}
	return nil
}

func (w *walker) byte() (byte, error) {
	if w.at == len(w.text) {
		return 0, errShort
	}
	w.at++
	return w.text[w.at-1], nil
}

func (w *walker) uvarint() (uint64, error) {
	v, n := binary.Uvarint(w.text[w.at:])
	if n == 0 {
		return 0, errShort
	}
	if n < 0 {
		return 0, errThrift
	}
	w.at += n
	return v, nil
}

func (w *walker) skip(n uint64) error {
	if n > uint64(len(w.text)-w.at) {
		return errShort
	}
	w.at += int(n)
	return nil
}
