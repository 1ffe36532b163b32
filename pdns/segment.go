package pdns

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"sync/atomic"
)

// ErrCorrupt is the kind of error for a file of an [Index], or one that a
// [Builder] has spilled, whose content is not what was written.
var ErrCorrupt = errors.New("corrupt file")

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// blockBytes is how many bytes are written, and checked, at a time.
const blockBytes = 64 << 10

// A scratch is a temporary file, which is written at its end only, by any number
// of goroutines at a time. Where the system allows, it has no name, so that nothing
// stays when the process is killed.
type scratch struct {
	f      *os.File
	size   atomic.Int64
	named  bool
	owners atomic.Int32
}

func newScratch(dir string) (*scratch, error) {
	f, err := os.CreateTemp(dir, "endoflow-pdns-*.tmp")
	if err != nil {
		return nil, err
	}
	s := &scratch{f: f, named: os.Remove(f.Name()) != nil}
	s.owners.Store(1)
	return s, nil
}

// release gives up the file, which goes with its last owner.
func (s *scratch) release() error {
	if s == nil || s.owners.Add(-1) > 0 {
		return nil
	}
	err := s.f.Close()
	if s.named {
		err = errors.Join(err, os.Remove(s.f.Name()))
	}
	return err
}

func (s *scratch) append(data []byte) (off int64, err error) {
	off = s.size.Add(int64(len(data))) - int64(len(data))
	_, err = s.f.WriteAt(data, off)
	return off, err
}

// A segment is a sequence of records, to be written once and read in order: in
// memory, or in a file among others, with a checksum for each block. A block has
// whole records.
type segment struct {
	file   *scratch // nil: in memory
	blocks []block
	size   int64
}

type block struct {
	data []byte // in memory
	off  int64  // in the file
	n    int
	crc  uint32
}

// A segmentWriter makes a segment. Records are appended to buf, and end is called
// after each.
type segmentWriter struct {
	segment
	buf []byte
	err error
}

func (w *segmentWriter) end() {
	if len(w.buf) >= blockBytes {
		w.flush()
	}
}

func (w *segmentWriter) flush() {
	w.size += int64(len(w.buf))
	if w.file == nil {
		w.blocks = append(w.blocks, block{data: w.buf, n: len(w.buf)})
		w.buf = make([]byte, 0, blockBytes+1024)
		return
	}
	off, err := w.file.append(w.buf)
	if w.err == nil {
		w.err = err
	}
	w.blocks = append(w.blocks, block{off: off, n: len(w.buf), crc: crc32.Checksum(w.buf, castagnoli)})
	w.buf = w.buf[:0]
}

func (w *segmentWriter) finish() (segment, error) {
	if len(w.buf) > 0 {
		w.flush()
	}
	w.buf = nil
	return w.segment, w.err
}

// moveTo writes a segment that is in memory to a file.
func (s *segment) moveTo(file *scratch) error {
	if s.file != nil {
		return nil
	}
	w := segmentWriter{segment: segment{file: file}}
	for _, b := range s.blocks {
		w.buf = b.data
		w.flush()
	}
	moved, err := w.finish()
	*s = moved
	return err
}

// A segmentReader reads a segment: rest has the records from the present one to
// the end of the block.
type segmentReader struct {
	segment
	next int // block
	rest []byte
	buf  []byte
	err  error
}

// more reports whether there is another record; there is none after an error.
func (r *segmentReader) more() bool {
	if len(r.rest) > 0 {
		return true
	}
	if r.next == len(r.blocks) || r.err != nil {
		return false
	}
	b := &r.blocks[r.next]
	r.next++
	if r.file == nil {
		r.rest = b.data
		return true
	}
	if cap(r.buf) < b.n {
		r.buf = make([]byte, b.n, max(b.n, blockBytes+1024))
	}
	r.buf = r.buf[:b.n]
	if _, r.err = r.file.f.ReadAt(r.buf, b.off); r.err == nil && crc32.Checksum(r.buf, castagnoli) != b.crc {
		r.err = fmt.Errorf("%w: spilled records at offset %d", ErrCorrupt, b.off)
	}
	if r.err == nil {
		r.rest = r.buf
	}
	return r.err == nil
}

// uvarint reads a number of a record.
func (r *segmentReader) uvarint() uint64 {
	if len(r.rest) > 0 && r.rest[0] < 0x80 {
		v := r.rest[0]
		r.rest = r.rest[1:]
		return uint64(v)
	}
	v, n := binary.Uvarint(r.rest)
	if n <= 0 {
		panic("pdns: a record of a segment ends early") // blocks have whole records, and checksums
	}
	r.rest = r.rest[n:]
	return v
}
