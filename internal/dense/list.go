package dense

import "reflect"

// A List holds values by number, in pieces, so that growing copies little and
// never needs the old and the new memory of everything at once. The zero value
// is empty.
type List[T any] struct {
	pieces [][]T // all but the last used one have perPiece
	n      int
	room   int64
}

const (
	pieceBits = 13
	perPiece  = 1 << pieceBits
)

// Len returns the number of values.
func (l *List[T]) Len() int { return l.n }

// At returns the value with a number, which must be below Len. The pointer is
// good until the next Append or Reset.
func (l *List[T]) At(n uint32) *T { return &l.pieces[n>>pieceBits][n&(perPiece-1)] }

// Slice returns n values from a number on, which must lie within one of the
// list's pieces: n is a power of two, at most 4,096, and at a multiple of it. It
// is good until the next Append or Reset.
func (l *List[T]) Slice(at uint32, n int) []T {
	in := int(at & (perPiece - 1))
	return l.pieces[at>>pieceBits][in : in+n : in+n]
}

// Append adds a value.
func (l *List[T]) Append(v T) {
	last := l.n >> pieceBits
	if last == len(l.pieces) {
		size := perPiece
		if last == 0 {
			size = 8 // most lists are short
		}
		l.pieces = append(l.pieces, make([]T, 0, size))
		l.room += int64(size)
	}
	p := l.pieces[last]
	if len(p) == cap(p) { // of the first piece
		l.room += int64(cap(p))
		p = append(make([]T, 0, 2*cap(p)), p...)
	}
	l.pieces[last] = append(p, v)
	l.n++
}

// Reset empties the list, whose memory stays. T must not have pointers to what
// should go.
func (l *List[T]) Reset() {
	for i, p := range l.pieces {
		l.pieces[i] = p[:0]
	}
	l.n = 0
}

// Growth returns a bound of the bytes that the list would hold more if n values
// came, at most 4,096.
func (l *List[T]) Growth(n int) int64 {
	var more int64
	switch {
	case int64(l.n+n) <= l.room:
	case l.room < perPiece:
		more = max(8, 2*int64(l.n+n))
	default:
		more = perPiece
	}
	return more * int64(reflect.TypeFor[T]().Size())
}

// Size returns the bytes that the list holds.
func (l *List[T]) Size() int64 { return l.room * int64(reflect.TypeFor[T]().Size()) }
