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

// Size returns the bytes that the list holds.
func (l *List[T]) Size() int64 { return l.room * int64(reflect.TypeFor[T]().Size()) }
