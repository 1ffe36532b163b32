package pdnsparquet

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/parquet-go/parquet-go/encoding/bytestreamsplit"
	"github.com/parquet-go/parquet-go/encoding/delta"
	"github.com/parquet-go/parquet-go/format"
)

// A table holds the values of a dictionary, or those of a page without one.
type table struct {
	kind  format.Type
	width int // bytes of a value; 0 for byte arrays
	n     int
	data  []byte

	// starts has where each byte array starts in data, and where one more would.
	// Each is followed by gap bytes: the next one's length, in PLAIN.
	starts []uint32
	gap    uint32
}

// widthOf returns the bytes of a value of a physical type, 0 for byte arrays,
// and -1 for a type that no column here has.
func widthOf(kind format.Type, length int32) int {
	switch kind {
	case format.Int32, format.Float:
		return 4
	case format.Int64, format.Double:
		return 8
	case format.Int96:
		return 12
	case format.ByteArray:
		return 0
	case format.FixedLenByteArray:
		if length > 0 && length <= math.MaxUint16 {
			return int(length)
		}
	}
	return -1
}

var errValues = errors.New("values do not fit their page")

// set makes the table one of n values in an encoding. It keeps data.
func (t *table) set(encoding format.Encoding, data []byte, n int) error {
	t.n, t.gap = n, 0
	switch {
	case encoding == format.Plain && t.width > 0:
		if len(data) < n*t.width {
			return errValues
		}
		t.data = data
		return nil
	case encoding == format.Plain:
		return t.plain(data)
	case encoding == format.DeltaBinaryPacked && (t.kind == format.Int32 || t.kind == format.Int64):
		return t.deltas(data)
	case encoding == format.DeltaLengthByteArray && t.width == 0:
		return t.lengths(data)
	case encoding == format.DeltaByteArray && t.kind != format.Int96 && (t.width == 0 || t.kind == format.FixedLenByteArray):
		return t.prefixes(data)
	case encoding == format.ByteStreamSplit && t.width > 0:
		if len(data) < n*t.width {
			return errValues
		}
		var split bytestreamsplit.Encoding
		var err error
		t.data, err = split.DecodeFixedLenByteArray(nil, data[:n*t.width], t.width)
		return err
	}
	return fmt.Errorf("encoding %v is not supported for this type", encoding)
}

// plain finds the byte arrays of the PLAIN encoding: each after its length.
func (t *table) plain(data []byte) error {
	t.data, t.gap = data, 4
	t.starts = slices.Grow(t.starts[:0], t.n+1)[:t.n+1]
	at := 0
	for i := range t.n {
		if len(data)-at < 4 {
			return errValues
		}
		length := int(binary.LittleEndian.Uint32(data[at:]))
		at += 4
		if length > len(data)-at {
			return errValues
		}
		t.starts[i] = uint32(at)
		at += length
	}
	t.starts[t.n] = uint32(at) + 4
	return nil
}

// deltas decodes DELTA_BINARY_PACKED.
func (t *table) deltas(data []byte) error {
	if err := checkDeltas(data, t.n); err != nil {
		return err
	}
	var packed delta.BinaryPackedEncoding
	if t.kind == format.Int32 {
		values, err := packed.DecodeInt32(nil, data)
		if err != nil || len(values) < t.n {
			return errValues
		}
		t.data = slices.Grow(t.data[:0:0], 4*t.n)
		for _, v := range values[:t.n] {
			t.data = binary.LittleEndian.AppendUint32(t.data, uint32(v))
		}
		return nil
	}
	values, err := packed.DecodeInt64(nil, data)
	if err != nil || len(values) < t.n {
		return errValues
	}
	t.data = slices.Grow(t.data[:0:0], 8*t.n)
	for _, v := range values[:t.n] {
		t.data = binary.LittleEndian.AppendUint64(t.data, uint64(v))
	}
	return nil
}

// lengths decodes DELTA_LENGTH_BYTE_ARRAY: the lengths, then the byte arrays.
func (t *table) lengths(data []byte) error {
	lengths, rest, err := deltaInts(data, t.n)
	if err != nil {
		return err
	}
	t.data = rest
	t.starts = slices.Grow(t.starts[:0], t.n+1)[:t.n+1]
	at := 0
	for i, length := range lengths {
		if length < 0 || int(length) > len(rest)-at {
			return errValues
		}
		t.starts[i] = uint32(at)
		at += int(length)
	}
	t.starts[t.n] = uint32(at)
	return nil
}

// prefixes decodes DELTA_BYTE_ARRAY: how much of the byte array before begins
// each, and the rest of each.
func (t *table) prefixes(data []byte) error {
	shared, rest, err := deltaInts(data, t.n)
	if err != nil {
		return err
	}
	suffixes := table{n: t.n}
	if err := suffixes.lengths(rest); err != nil {
		return err
	}
	total := len(suffixes.data)
	for _, n := range shared {
		if total += int(n); n < 0 || total > maxPage {
			return errValues
		}
	}
	t.data = make([]byte, 0, total)
	t.starts = slices.Grow(t.starts[:0], t.n+1)[:t.n+1]
	before := 0
	for i, n := range shared {
		at := len(t.data)
		if int(n) > at-before {
			return errValues
		}
		t.data = append(t.data, t.data[before:before+int(n)]...)
		t.data = append(t.data, suffixes.bytes(uint32(i))...)
		if t.width > 0 && len(t.data)-at != t.width {
			return errValues
		}
		t.starts[i], before = uint32(at), at
	}
	t.starts[t.n] = uint32(len(t.data))
	return nil
}

// deltaInts decodes n numbers in DELTA_BINARY_PACKED and returns what follows.
func deltaInts(data []byte, n int) (ints []int32, rest []byte, err error) {
	size, err := deltaSize(data, n)
	if err != nil {
		return nil, nil, err
	}
	var packed delta.BinaryPackedEncoding
	ints, err = packed.DecodeInt32(nil, data[:size])
	if err != nil || len(ints) != n {
		return nil, nil, errValues
	}
	return ints, data[size:], nil
}

// checkDeltas reports whether the numbers are those of the page. The library
// allocates as many as the data says.
func checkDeltas(data []byte, n int) error {
	_, err := deltaSize(data, n)
	return err
}

// deltaSize returns the bytes that n numbers take in DELTA_BINARY_PACKED
// (Apache Parquet, Encodings.md): a header of block size, miniblocks a block,
// number of values and first value; then blocks of a least delta, a bit width a
// miniblock, and the miniblocks that are needed.
func deltaSize(data []byte, n int) (int, error) {
	at := 0
	next := func() (uint64, bool) {
		v, size := binary.Uvarint(data[at:])
		if size <= 0 {
			return 0, false
		}
		at += size
		return v, true
	}
	block, ok1 := next()
	minis, ok2 := next()
	total, ok3 := next()
	_, ok4 := next()
	if !ok1 || !ok2 || !ok3 || !ok4 || total != uint64(n) ||
		block == 0 || block > 1<<16 || minis == 0 || minis > block || block%minis != 0 || block/minis%32 != 0 {
		return 0, errValues
	}
	mini := int(block / minis)
	for left := n - 1; left > 0; {
		if _, ok := next(); !ok || len(data)-at < int(minis) {
			return 0, errValues
		}
		widths := data[at : at+int(minis)]
		at += int(minis)
		for _, width := range widths {
			if left <= 0 {
				break
			}
			if width > 64 || len(data)-at < mini*int(width)/8 {
				return 0, errValues
			}
			at += mini * int(width) / 8
			left -= mini
		}
	}
	return at, nil
}

// bytes returns a value of a byte array or of fixed width. It is part of the
// page and not to be kept.
func (t *table) bytes(i uint32) []byte {
	if t.width > 0 {
		return t.data[int(i)*t.width : int(i+1)*t.width]
	}
	return t.data[t.starts[i] : t.starts[i+1]-t.gap]
}

// int returns a value of an integer type.
func (t *table) int(i uint32) int64 {
	if t.kind == format.Int64 {
		return int64(binary.LittleEndian.Uint64(t.data[8*int(i):]))
	}
	return int64(int32(binary.LittleEndian.Uint32(t.data[4*int(i):])))
}

// float returns a value of a floating type.
func (t *table) float(i uint32) float64 {
	if t.kind == format.Double {
		return math.Float64frombits(binary.LittleEndian.Uint64(t.data[8*int(i):]))
	}
	return float64(math.Float32frombits(binary.LittleEndian.Uint32(t.data[4*int(i):])))
}

// unpack fills dst from the hybrid of runs and packed bits that levels and
// dictionary indexes are in (Apache Parquet, Encodings.md, "RLE").
func unpack[T uint8 | uint32](dst []T, src []byte, width int) error {
	if width == 0 {
		clear(dst)
		return nil
	}
	mask := uint64(1)<<width - 1
	for len(dst) > 0 {
		header, size := binary.Uvarint(src)
		if size <= 0 {
			return errValues
		}
		src = src[size:]
		if header&1 == 0 {
			var value uint64
			size := (width + 7) / 8
			if len(src) < size {
				return errValues
			}
			for i := range size {
				value |= uint64(src[i]) << (8 * i)
			}
			src = src[size:]
			n := min(header>>1, uint64(len(dst)))
			run := dst[:n]
			for i := range run {
				run[i] = T(value)
			}
			dst = dst[n:]
			continue
		}
		groups := min(header>>1, uint64(len(dst)+7)/8) // of eight values
		n := min(int(groups)*8, len(dst))
		size = int(groups) * width
		if len(src) < size {
			// The last group may be cut to the bytes that its values need.
			if size = (n*width + 7) / 8; len(src) < size {
				return errValues
			}
		}
		packed := src[:size]
		i, bit := 0, 0
		for ; i < n && bit>>3+8 <= len(packed); i++ {
			dst[i] = T(binary.LittleEndian.Uint64(packed[bit>>3:]) >> (bit & 7) & mask)
			bit += width
		}
		if i < n {
			var last [16]byte
			base := bit >> 3
			copy(last[:], packed[base:])
			for ; i < n; i++ {
				at := bit - base<<3
				dst[i] = T(binary.LittleEndian.Uint64(last[at>>3:]) >> (at & 7) & mask)
				bit += width
			}
		}
		if header>>1 > groups {
			return nil // dst is full
		}
		src = src[size:]
		dst = dst[n:]
	}
	return nil
}
