package lines

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
)

// A Decoder makes values of type T from the lines of one file.
type Decoder[T any] interface {
	// Decode appends the values that a line gives to values. The line counts
	// as a record if the error is nil, as skipped if it is a [SkipError], and
	// as an error otherwise. The line's bytes may not be kept.
	Decode(line []byte, values []T) ([]T, error)

	// Close appends the values that were held back until the file's end.
	Close(values []T, counts *Counts) []T
}

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
		s := session[T]{ctx: ctx, counts: counts, maxLine: maxLine, yield: yield}
		s.read(r, name, d)
	}
}

// A session hands values to one consumer.
type session[T any] struct {
	ctx     context.Context
	counts  *Counts
	maxLine int
	yield   func(T, error) bool
	tick    func() // called now and then, and after each file; may be nil
}

// read yields the values of one stream. It returns errStop when nothing more
// may be yielded.
func (s *session[T]) read(r io.Reader, name string, d Decoder[T]) error {
	s.counts.Files++
	var values []T
	line, err := s.lines(r, name, d, &values)
	if err == errStop {
		return err
	}
	if err := s.ctx.Err(); err != nil {
		return s.end(err)
	}
	if err != nil {
		s.counts.Damaged++
		if err := s.fail(name, line, fmt.Errorf("%w: %w", ErrDamaged, damage(err))); err != nil {
			return err
		}
	}
	if err := s.all(d.Close(values[:0], s.counts)); err != nil {
		return err
	}
	if s.tick != nil {
		s.tick()
	}
	return nil
}

// lines yields the values of the lines of r. It returns the number of the line
// reached and nil at the stream's end, the error that broke the stream, or the
// reason to stop.
func (s *session[T]) lines(r io.Reader, name string, d Decoder[T], values *[]T) (int64, error) {
	text, err := decompress(r)
	if err != nil {
		return 1, err
	}
	defer text.Close()
	sc := newScanner(text, s.maxLine)
	defer func() { s.counts.Bytes += sc.read }()
	for {
		line, err := sc.next()
		if err == io.EOF {
			return sc.line, nil
		}
		if err != nil && err != ErrTooLong {
			return sc.line + 1, err
		}
		if s.counts.Lines&1023 == 0 {
			if err := s.ctx.Err(); err != nil {
				return sc.line, s.end(err)
			}
			if s.tick != nil {
				s.tick()
			}
		}
		s.counts.Lines++
		*values = (*values)[:0]
		if err == nil {
			if len(line) == 0 {
				err = SkipError("empty line")
			} else {
				*values, err = d.Decode(line, *values)
			}
		}
		switch {
		case err == nil:
			s.counts.Records++
		case errors.Is(err, ErrSkip):
			s.counts.Skip(err.Error())
		default:
			s.counts.Errors++
			if err := s.fail(name, sc.line, err); err != nil {
				return sc.line, err
			}
			continue
		}
		if err := s.all(*values); err != nil {
			return sc.line, err
		}
	}
}

func (s *session[T]) all(values []T) error {
	for i, v := range values {
		if i&1023 == 1023 { // what is held back to the end may be a million
			if err := s.ctx.Err(); err != nil {
				return s.end(err)
			}
		}
		if !s.yield(v, nil) {
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

func (s *session[T]) fail(name string, line int64, err error) error {
	var zero T
	if !s.yield(zero, locate(name, line, err)) {
		return errStop
	}
	return nil
}
