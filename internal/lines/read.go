package lines

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"sync"
	"sync/atomic"
)

// A Decoder makes values of type T from the lines of one file.
type Decoder[T any] interface {
	// Decode appends the values that a line gives to values. The line counts
	// as a record if the error is nil, as skipped if it is a [SkipError], and
	// as an error otherwise. The line's bytes may not be kept. It is called for
	// the lines in their order.
	Decode(line []byte, values []T) ([]T, error)

	// Close appends the values that were held back until the file's end.
	Close(values []T, counts *Counts) []T
}

// An Ahead is a Decoder part of whose work can be done for several lines at the
// same time, before it is their turn.
type Ahead[T any] interface {
	Decoder[T]

	// Ahead returns a function for a worker, by number, that decodes a line as
	// Decode does, but without values beside an error, or returns [ErrInTurn]
	// if Decode must be asked. Ahead returns nil as long as that is so for all
	// lines. It may be called at any time, but a worker's function by that
	// worker only.
	Ahead(worker int) func(line []byte, values []T) ([]T, error)

	// Settle is called for the value of each line that gave one ahead, in the
	// order of lines and between the calls of Decode. It may change v. keep says
	// whether v is a value of the sequence; the error is as Decode's.
	Settle(v *T) (keep bool, err error)
}

// ErrInTurn says that a line cannot be decoded before the lines before it are.
var ErrInTurn = errors.New("to be decoded in turn")

var errEmpty error = SkipError("empty line")

// errTaken says that the blocks of a source are all taken.
var errTaken = errors.New("all blocks are taken")

// errStop says that a sequence has ended: its consumer wants no more, or ctx's
// error was its last pair.
var errStop = errors.New("the sequence has ended")

// Read yields the values of one stream and keeps counts as it goes. It can be
// ranged over once.
//
// Each pair is a value and a nil error, or a zero value and an error. After a
// *ParseError the sequence goes on; after any other error, which can only be
// ctx's, it ends.
func Read[T any](ctx context.Context, r io.Reader, name string, maxLine int, d Decoder[T], counts *Counts) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		src := newSource(name, maxLine, d, func() (io.ReadCloser, error) { return decompress(r) })
		defer src.close()
		s := session[T]{ctx: ctx, counts: counts, yield: yield}
		for s.next(src) == nil {
		}
	}
}

// A source is a stream of lines that several sessions read together. Each takes
// a block, decodes of it what can be decoded ahead, settles it when the blocks
// before it are settled, and then yields its values. What a line gives thus
// never depends on who reads it, and no file is too large for many workers: in
// order are only reading, decompression, and what depends on the lines before.
type source[T any] struct {
	name    string
	maxLine int
	decoder Decoder[T]
	ahead   Ahead[T] // decoder, if it is one
	open    func() (io.ReadCloser, error)

	reading sync.Mutex
	stream  io.Closer
	blocks  blocks
	taken   int64       // blocks
	ended   atomic.Bool // there are no more

	turn    sync.Mutex
	settled int64                     // blocks
	waiting map[int64]chan<- struct{} // by the block whose turn is waited for
	lines   int64                     // settled
}

func newSource[T any](name string, maxLine int, d Decoder[T], open func() (io.ReadCloser, error)) *source[T] {
	if maxLine <= 0 {
		maxLine = MaxLine
	}
	src := &source[T]{name: name, maxLine: maxLine, decoder: d, open: open, waiting: make(map[int64]chan<- struct{})}
	src.ahead, _ = d.(Ahead[T])
	return src
}

// take returns the next block and its number. Its error is io.EOF or the stream's
// own with the last block, and errTaken behind that.
func (src *source[T]) take(buf []byte) (block, room []byte, number, read int64, err error) {
	src.reading.Lock()
	defer src.reading.Unlock()
	if src.ended.Load() {
		return nil, buf, 0, 0, errTaken
	}
	number = src.taken
	src.taken++
	if src.stream == nil {
		text, err := src.open()
		if err != nil {
			src.ended.Store(true)
			return nil, buf, number, 0, err
		}
		src.stream, src.blocks = text, blocks{text: text, max: src.maxLine}
	}
	before := src.blocks.read
	block, room, err = src.blocks.next(buf)
	src.ended.Store(err != nil)
	return block, room, number, src.blocks.read - before, err
}

// begin waits until it is a block's turn, which lasts until end. wake is the
// caller's own.
func (src *source[T]) begin(number int64, wake chan struct{}) {
	src.turn.Lock()
	if src.settled != number {
		src.waiting[number] = wake
		src.turn.Unlock()
		<-wake
		src.turn.Lock()
	}
}

func (src *source[T]) end() {
	src.settled++
	if wake, ok := src.waiting[src.settled]; ok {
		delete(src.waiting, src.settled)
		wake <- struct{}{}
	}
	src.turn.Unlock()
}

func (src *source[T]) close() {
	src.reading.Lock()
	defer src.reading.Unlock()
	src.ended.Store(true)
	if src.stream != nil {
		src.stream.Close()
		src.stream = nil
	}
}

// A session hands values to one consumer.
type session[T any] struct {
	ctx    context.Context
	counts *Counts
	worker int
	yield  func(T, error) bool
	tick   func() // called after each block; may be nil
	wake   chan struct{}

	buf    []byte
	values []T       // of the block
	early  []outcome // of the lines decoded ahead, those that did not simply give one value
	pairs  []pair    // what to yield
}

// An outcome is that of a line that did not give one value ahead.
type outcome struct {
	index  int    // of the line in its block
	values int    // that it gave
	line   []byte // if it is to be decoded in turn
	err    error
}

// A pair is one of a sequence: a value by its place in session.values, or an error.
type pair struct {
	value int
	err   error
}

// next reads a block of a source and yields its values. It returns io.EOF when
// that was the last, errTaken when there was none left, and errStop when nothing
// more may be yielded.
func (s *session[T]) next(src *source[T]) error {
	if err := s.ctx.Err(); err != nil {
		return s.end(err)
	}
	block, room, number, read, streamErr := src.take(s.buf)
	if streamErr == errTaken {
		return errTaken
	}
	s.buf = room
	s.counts.Bytes += read
	if number == 0 {
		s.counts.Files++
		block = bytes.TrimPrefix(block, utf8BOM)
	}
	s.values, s.early, s.pairs = s.values[:0], s.early[:0], s.pairs[:0]

	var ahead func([]byte, []T) ([]T, error)
	if src.ahead != nil {
		ahead = src.ahead.Ahead(s.worker)
	}
	n := 0
	if ahead != nil {
		n = s.decode(block, src.maxLine, ahead)
	}
	if s.wake == nil {
		s.wake = make(chan struct{}, 1)
	}
	src.begin(number, s.wake)
	if ahead != nil {
		s.settle(src, n)
	} else {
		s.decodeInTurn(src, block)
	}
	ctxErr := s.ctx.Err()
	if streamErr != nil && ctxErr == nil {
		if streamErr != io.EOF {
			s.counts.Damaged++
			s.fail(locate(src.name, src.lines+1, fmt.Errorf("%w: %w", ErrDamaged, damage(streamErr))))
		}
		s.append(src.decoder.Close(s.values, s.counts))
	}
	src.end()

	if err := s.flush(); err != nil {
		return err
	}
	if s.tick != nil {
		s.tick()
	}
	switch {
	case streamErr == nil:
		return nil
	case ctxErr != nil:
		return s.end(ctxErr)
	}
	s.values, s.pairs = nil, nil // what was held back may have made them large
	src.close()
	return io.EOF
}

// decode decodes the lines of a block ahead of their turn, and returns their
// number.
func (s *session[T]) decode(block []byte, maxLine int, ahead func([]byte, []T) ([]T, error)) (n int) {
	for ; len(block) > 0; n++ {
		var line []byte
		line, block = cut(block)
		o := outcome{index: n}
		switch {
		case len(line) > maxLine:
			o.err = ErrTooLong
		case len(line) == 0:
			o.err = errEmpty
		default:
			var values []T
			if values, o.err = ahead(line, s.values); o.err == nil {
				o.values = len(values) - len(s.values)
				s.values = values
				if o.values == 1 {
					continue
				}
			}
			if o.err == ErrInTurn {
				o.line = line
			}
		}
		s.early = append(s.early, o)
	}
	return n
}

// settle decides what the n lines of a block give that were decoded ahead.
func (s *session[T]) settle(src *source[T], n int) {
	early, value := s.early, 0
	for i := range n {
		if len(early) == 0 || early[0].index != i {
			keep, err := src.ahead.Settle(&s.values[value])
			if keep {
				s.pairs = append(s.pairs, pair{value: value})
			}
			value++
			s.result(src, s.values, err)
			continue
		}
		o := early[0]
		early = early[1:]
		if o.err == ErrInTurn {
			s.decodeInTurn(src, o.line)
			continue
		}
		for range o.values {
			s.pairs = append(s.pairs, pair{value: value})
			value++
		}
		s.result(src, s.values, o.err)
	}
}

// decodeInTurn decodes the lines of a block, or a line.
func (s *session[T]) decodeInTurn(src *source[T], block []byte) {
	for len(block) > 0 {
		var line []byte
		line, block = cut(block)
		switch {
		case len(line) > src.maxLine:
			s.result(src, nil, ErrTooLong)
		case len(line) == 0:
			s.result(src, s.values, errEmpty)
		default:
			values, err := src.decoder.Decode(line, s.values)
			s.result(src, values, err)
		}
	}
}

// result counts a line. values are s.values and those that the line gave, which
// count for nothing beside an error.
func (s *session[T]) result(src *source[T], values []T, err error) {
	src.lines++
	s.counts.Lines++
	switch {
	case err == nil:
		s.counts.Records++
	case errors.Is(err, ErrSkip):
		s.counts.Skip(err.Error())
	default:
		s.counts.Errors++
		s.fail(locate(src.name, src.lines, err))
		return
	}
	s.append(values)
}

// append takes values, which are s.values and more.
func (s *session[T]) append(values []T) {
	for i := len(s.values); i < len(values); i++ {
		s.pairs = append(s.pairs, pair{value: i})
	}
	s.values = values
}

func (s *session[T]) fail(err error) { s.pairs = append(s.pairs, pair{err: err}) }

// flush yields what is to be yielded.
func (s *session[T]) flush() error {
	for i, p := range s.pairs {
		if i&1023 == 1023 { // what is held back to the end may be a million
			if err := s.ctx.Err(); err != nil {
				return s.end(err)
			}
		}
		var more bool
		if p.err == nil {
			more = s.yield(s.values[p.value], nil)
		} else {
			var zero T
			more = s.yield(zero, p.err)
		}
		if !more {
			return errStop
		}
	}
	return nil
}

// end yields the error that ends the sequence, ctx's, and returns errStop.
func (s *session[T]) end(err error) error {
	var zero T
	s.yield(zero, err)
	return errStop
}
