// Package wire frames the binary forms of accumulators, so that packages
// classify and enrich write and check theirs alike:
//
//	kind      4 bytes
//	version   1 byte
//	body      unsigned varints (package encoding/binary) and bytes
//	checksum  4 bytes, little endian: CRC-32C of all before it
package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"

	"github.com/RoaringBitmap/roaring/v2"
)

// ErrCorrupt is in the chain of the error for a binary form that is damaged.
var ErrCorrupt = errors.New("corrupt data")

const (
	headerSize   = 5
	checksumSize = 4
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// AppendHeader begins a form. kind has 4 bytes.
func AppendHeader(b []byte, kind string, version byte) []byte {
	return append(append(b, kind...), version)
}

// AppendChecksum ends the form that begins at b[start].
func AppendChecksum(b []byte, start int) []byte {
	return binary.LittleEndian.AppendUint32(b, crc32.Checksum(b[start:], castagnoli))
}

// AppendString appends a length and the bytes of s.
func AppendString(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// A Body is a form being read. The first thing wrong with it is kept, after
// which everything reads as zero; [Body.End] tells.
type Body struct {
	what string
	data []byte // what is left
	size int
	err  error
}

// Open checks the frame of data; what names the form in errors.
func Open(what, kind string, version byte, data []byte) *Body {
	r := &Body{what: what, size: len(data)}
	switch {
	case len(data) < headerSize+checksumSize:
		r.Corrupt()
	case string(data[:len(kind)]) != kind:
		r.err = fmt.Errorf("%s: data of another kind", what)
	case data[len(kind)] != version:
		r.err = fmt.Errorf("%s: unknown version %d", what, data[len(kind)])
	default:
		end := len(data) - checksumSize
		r.data = data[headerSize:end]
		if crc32.Checksum(data[:end], castagnoli) != binary.LittleEndian.Uint32(data[end:]) {
			r.err = fmt.Errorf("%s: wrong checksum: %w", what, ErrCorrupt)
		}
	}
	return r
}

// Corrupt says that what was read last cannot be.
func (r *Body) Corrupt() {
	if r.err == nil {
		r.err = fmt.Errorf("%s: byte %d: %w", r.what, max(0, r.size-checksumSize-len(r.data)), ErrCorrupt)
	}
}

// More reports whether anything is left to read.
func (r *Body) More() bool { return r.err == nil && len(r.data) > 0 }

// Err returns what was wrong so far.
func (r *Body) Err() error { return r.err }

// Uvarint reads a number.
func (r *Body) Uvarint() uint64 {
	if r.err != nil {
		return 0
	}
	v, n := binary.Uvarint(r.data)
	if n <= 0 {
		r.Corrupt()
		return 0
	}
	r.data = r.data[n:]
	return v
}

// Below reads a number that must be less than limit.
func (r *Body) Below(limit int) int {
	v := r.Uvarint()
	if r.err == nil && v >= uint64(limit) {
		r.Corrupt()
	}
	if r.err != nil {
		return 0
	}
	return int(v)
}

// Count reads a number of things, each of at least size bytes, that follow. What
// is allocated for them is so bounded by the input.
func (r *Body) Count(size int) int { return r.Below(len(r.data)/size + 1) }

// Positive reads a number of flows; that of nothing is not written.
func (r *Body) Positive() uint64 {
	v := r.Uvarint()
	if v == 0 {
		r.Corrupt()
	}
	return v
}

// Take reads n bytes, which alias the input.
func (r *Body) Take(n int) []byte {
	if r.err == nil && n > len(r.data) {
		r.Corrupt()
	}
	if r.err != nil {
		return nil
	}
	b := r.data[:n]
	r.data = r.data[n:]
	return b
}

// Bytes reads a length and as many bytes, which alias the input.
func (r *Body) Bytes() []byte { return r.Take(r.Count(1)) }

// Set reads a length and a set of numbers below limit, in RoaringFormatSpec as
// roaring writes it after RunOptimize: for each 65,536 numbers at most maxContainer
// bytes, so 2,055 runs. Other data is refused before roaring validates it, which
// takes time in the square of the number of runs. An empty set has length 0.
func (r *Body) Set(limit int) *roaring.Bitmap {
	data := r.Bytes()
	set := roaring.New()
	if r.err != nil || len(data) == 0 {
		return set
	}
	containers := 1 + (limit-1)>>16
	if limit == 0 || len(data) > 8+(maxContainer+9)*containers || !shortRuns(data, containers) ||
		set.UnmarshalBinary(data) != nil || set.Validate() != nil ||
		set.GetSerializedSizeInBytes() != uint64(len(data)) || set.IsEmpty() || int(set.Maximum()) >= limit {
		r.Corrupt()
		return roaring.New() // what was read is in pieces
	}
	return set
}

// maxContainer is what roaring takes a bitmap of 65,536 numbers to cost when it
// decides for runs: 8 KiB and the struct around them.
const maxContainer = 8192 + 32

// shortRuns reports whether a set in RoaringFormatSpec has no container with
// more runs than roaring writes. It follows the format's header:
// cookie and number of containers, for each whether it is of runs, its key and
// its cardinality; offsets; containers.
func shortRuns(data []byte, most int) bool {
	const (
		noRuns   = 12346
		withRuns = 12347
	)
	if len(data) < 4 {
		return false
	}
	cookie := binary.LittleEndian.Uint32(data)
	if cookie == noRuns {
		return true
	}
	n := int(cookie>>16) + 1
	flags := (n + 7) / 8
	pos := 4 + flags + 4*n
	if cookie&0xffff != withRuns || n > most || len(data) < pos {
		return false
	}
	if n >= 4 { // only then the format has offsets
		pos += 4 * n
	}
	for i := range n {
		size := 0
		switch card := int(binary.LittleEndian.Uint16(data[4+flags+4*i+2:])) + 1; {
		case data[4+i/8]>>(i%8)&1 != 0:
			if pos+2 > len(data) {
				return false
			}
			runs := int(binary.LittleEndian.Uint16(data[pos:]))
			if 2+4*runs > maxContainer {
				return false
			}
			size = 2 + 4*runs
		case card <= 4096:
			size = 2 * card
		default:
			size = 8192
		}
		pos += size
	}
	return pos == len(data)
}

// End returns the error of reading, or that of bytes left over.
func (r *Body) End() error {
	if r.err == nil && len(r.data) > 0 {
		r.Corrupt()
	}
	return r.err
}
