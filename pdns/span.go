package pdns

import (
	"encoding/binary"
	"math"
	"time"
)

// A span is when and how often something was seen.
type span struct {
	first, last int64 // microseconds since 1970, or never
	count       uint64
}

// never is the zero time.Time's place, and stands for an unknown time.
var never = time.Time{}.UnixMicro()

// unknown is the span of something of which neither times nor counts are kept.
var unknown = span{first: never, last: never}

// spanOf returns the span of a record. One with one time only was seen then.
func spanOf(first, last time.Time, count uint64) span {
	s := span{first.UnixMicro(), last.UnixMicro(), max(count, 1)}
	if s.first == never {
		s.first = s.last
	}
	if s.last == never {
		s.last = s.first
	}
	return s
}

func (s *span) merge(o span) {
	if s.first == never || o.first != never && o.first < s.first {
		s.first = o.first
	}
	s.last = max(s.last, o.last)
	if s.count += o.count; s.count < o.count {
		s.count = math.MaxUint64
	}
}

// The spans of the entries of an address are written as
//
//	unit     1 byte: 0, 1, 2 for microseconds, milliseconds, seconds, the
//	         greatest in which all times are whole; 3 where nothing is known
//	         of any, and nothing follows
//	then for each
//	  first  zigzag varint: units since the one before, since 1970 for the first
//	  last   zigzag varint: units since first
//	  count  uvarint
//
// Differences wrap at 64 bits, so that every time comes back as it was.

func appendSpans(dst []byte, entries []entry) []byte {
	unit := unitOf(entries)
	if dst = append(dst, unit); unit == unitNone {
		return dst
	}
	before := int64(0)
	for i := range entries {
		s := &entries[i].span
		first := inUnits(s.first, unit)
		dst = binary.AppendVarint(dst, first-before)
		dst = binary.AppendVarint(dst, inUnits(s.last, unit)-first)
		dst = binary.AppendUvarint(dst, s.count)
		before = first
	}
	return dst
}

func unitOf(entries []entry) byte {
	unit := byte(2)
	known := false
	for i := range entries {
		s := &entries[i].span
		known = known || *s != unknown
		if s.first%1e6 != 0 || s.last%1e6 != 0 {
			if s.first%1e3 != 0 || s.last%1e3 != 0 {
				return 0
			}
			unit = 1
		}
	}
	if !known {
		return unitNone
	}
	return unit
}

func inUnits(micro int64, unit byte) int64 {
	switch unit {
	case 2:
		return micro / 1e6
	case 1:
		return micro / 1e3
	}
	return micro
}

const unitNone = 3

var microsOf = [...]int64{1, 1e3, 1e6}

// readSpans reads the spans of entries, and returns what follows them. ok is
// false where src has not as many.
func readSpans(src []byte, entries []entry) (rest []byte, ok bool) {
	if len(src) > 0 && src[0] == unitNone {
		for i := range entries {
			entries[i].span = unknown
		}
		return src[1:], true
	}
	if len(src) == 0 || int(src[0]) >= len(microsOf) {
		return nil, false
	}
	unit := microsOf[src[0]]
	src = src[1:]
	first := int64(0)
	for i := range entries {
		step, n1 := varint(src)
		if n1 <= 0 {
			return nil, false
		}
		length, n2 := varint(src[n1:])
		if n2 <= 0 {
			return nil, false
		}
		count, n3 := uvarint(src[n1+n2:])
		if n3 <= 0 {
			return nil, false
		}
		src = src[n1+n2+n3:]
		first += step
		entries[i].span = span{first * unit, (first + length) * unit, count}
	}
	return src, true
}

// uvarint is binary.Uvarint, in line for one byte.
func uvarint(b []byte) (v uint64, n int) {
	if len(b) > 0 && b[0] < 0x80 {
		return uint64(b[0]), 1
	}
	return binary.Uvarint(b)
}

func varint(b []byte) (v int64, n int) {
	u, n := uvarint(b)
	return int64(u>>1) ^ -int64(u&1), n
}
