package linestest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"iter"
	"strconv"
	"testing"

	"github.com/endoflow/endoflow/internal/lines"
)

// numbers reads a number a line; "#" begins a comment.
type numbers struct{}

type number struct {
	N    int
	Text []byte
}

func (numbers) Decode(line []byte, values []number) ([]number, error) {
	if line[0] == '#' {
		return values, lines.SkipError("comment")
	}
	n, err := strconv.Atoi(string(line))
	if err != nil {
		return values, errors.New("not a number")
	}
	return append(values, number{N: n, Text: bytes.Clone(line)}), nil
}

func (numbers) Close(values []number, _ *lines.Counts) []number { return values }

func readNumbers(src io.Reader, name string, maxLine int) (iter.Seq2[number, error], func() lines.Counts) {
	var counts lines.Counts
	return lines.Read(context.Background(), src, name, maxLine, numbers{}, &counts),
		func() lines.Counts { return counts.Clone() }
}

var goodNumbers = [][]byte{[]byte("# numbers"), []byte("17"), []byte("4"), []byte("2026")}

func TestNumbers(t *testing.T) { Test(t, readNumbers, goodNumbers) }

// TestFindsFaults breaks a reader in one way at a time and expects the suite to
// notice.
func TestFindsFaults(t *testing.T) {
	type seq = iter.Seq2[number, error]
	// altered changes each pair of the numbers.
	altered := func(alter func(number, error) (number, error)) Read[number] {
		return func(src io.Reader, name string, maxLine int) (seq, func() lines.Counts) {
			all, counts := readNumbers(src, name, maxLine)
			return func(yield func(number, error) bool) {
				for v, err := range all {
					if !yield(alter(v, err)) {
						return
					}
				}
			}, counts
		}
	}
	for _, tt := range []struct {
		name  string
		read  Read[number]
		finds string
	}{
		{"value beside the error", altered(func(v number, err error) (number, error) {
			if err != nil {
				v.N = 1
			}
			return v, err
		}), "bad lines"},
		{"error without a place", altered(func(v number, err error) (number, error) {
			if err != nil {
				err = errors.New("somewhere")
			}
			return v, err
		}), "long line"},
		{"line number from zero", altered(func(v number, err error) (number, error) {
			if pe, ok := err.(*lines.ParseError); ok {
				moved := *pe
				moved.Line--
				err = &moved
			}
			return v, err
		}), "cut gzip"},
		{"one buffer for all values", func() Read[number] {
			var buf []byte
			return altered(func(v number, err error) (number, error) {
				if err == nil {
					buf = append(buf[:0], v.Text...)
					v.Text = buf[:len(v.Text):cap(buf)]
				}
				return v, err
			})
		}(), "safe to keep"},
		{"goes on after the consumer stopped", func(src io.Reader, name string, maxLine int) (seq, func() lines.Counts) {
			all, counts := readNumbers(src, name, maxLine)
			return func(yield func(number, error) bool) {
				for v, err := range all {
					yield(v, err)
				}
			}, counts
		}, "stop"},
		{"drops the error of a cut stream", func(src io.Reader, name string, maxLine int) (seq, func() lines.Counts) {
			all, counts := readNumbers(src, name, maxLine)
			return func(yield func(number, error) bool) {
				for v, err := range all {
					if !errors.Is(err, lines.ErrDamaged) && !yield(v, err) {
						return
					}
				}
			}, counts
		}, "broken reader"},
		{"counts nothing skipped", func(src io.Reader, name string, maxLine int) (seq, func() lines.Counts) {
			all, counts := readNumbers(src, name, maxLine)
			return all, func() lines.Counts {
				c := counts()
				c.Skipped = nil
				return c
			}
		}, "empty lines"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, c := range newSuite(tt.read, goodNumbers).cases() {
				if c.name == tt.finds && c.check() == "" {
					t.Errorf("the check %q finds no fault", c.name)
				}
			}
		})
	}
}
