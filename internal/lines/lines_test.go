package lines_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/endoflow/endoflow/internal/lines"
	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// words gives each line as it is, with exceptions: "skip" has no record, "bad"
// is an error, "field" an error in a field, "a+b" two values, "?" no known
// format, and ">x" is held back to the end of the file.
type words struct{ held []string }

func (w *words) Decode(line []byte, values []string) ([]string, error) {
	switch text := string(line); {
	case text == "skip":
		return values, lines.SkipError("nothing here")
	case text == "bad":
		return append(values, "must not be seen"), errors.New("bad line")
	case text == "field":
		return nil, fmt.Errorf("wrapped: %w", &lines.FieldError{Field: "f", Err: errors.New("bad field")})
	case text == "?":
		return values, lines.ErrFormat
	case strings.HasPrefix(text, ">"):
		w.held = append(w.held, text[1:])
		return values, nil
	default:
		return append(values, strings.Split(text, "+")...), nil
	}
}

func (w *words) Close(values []string, _ *lines.Counts) []string { return append(values, w.held...) }

func newWords() lines.Decoder[string] { return new(words) }

func newAheadWords() lines.Decoder[string] { return new(aheadWords) }

// read gives the values and errors of a stream as texts, in order.
func read(src io.Reader, maxLine int) ([]string, lines.Counts) {
	var counts lines.Counts
	var got []string
	for v, err := range lines.Read(context.Background(), src, "in", maxLine, newWords(), &counts) {
		if err != nil {
			v = "error " + err.Error()
		}
		got = append(got, v)
	}
	return got, counts
}

func total(c lines.Counts) int64 {
	n := c.Records + c.Errors
	for _, skipped := range c.Skipped {
		n += skipped
	}
	return n
}

func zipped(text string) string {
	var buf bytes.Buffer
	zw := gzip.NewWriter(&buf)
	zw.Write([]byte(text))
	zw.Close()
	return buf.String()
}

func zstded(t testing.TB, text string) string {
	t.Helper()
	zw, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	return string(zw.EncodeAll([]byte(text), nil))
}

func TestRead(t *testing.T) {
	x := func(n int) string { return strings.Repeat("x", n) }
	const buffer = 256 << 10 // that files are read into: lines around its size take another way
	const cut = "error in:%d: the rest of the file cannot be read: %s"
	for _, tt := range []struct {
		name string
		in   string
		max  int
		want []string
	}{
		{"empty", "", 0, nil},
		{"lines", "a\nb\n", 0, []string{"a", "b"}},
		{"no final newline", "a\nb", 0, []string{"a", "b"}},
		{"CR LF", "a\r\nb\r\n", 0, []string{"a", "b"}},
		{"CR within a line stays", "a\rb\r\r\n", 0, []string{"a\rb\r"}},
		{"byte order mark", "\xef\xbb\xbfa\n\xef\xbb\xbfb\n", 0, []string{"a", "\xef\xbb\xbfb"}},
		{"only a byte order mark", "\xef\xbb\xbf", 0, nil},
		{"empty line after a value gives none", "a\n\n\r\nb\n", 0, []string{"a", "b"}},
		{"errors are located", "a\nbad\nskip\nfield\nb\n", 0, []string{"a", "error in:2: bad line", "error in:4: field f: bad field", "b"}},
		{"values beside an error are dropped", "bad\na+b\nbad\n", 0, []string{"error in:1: bad line", "a", "b", "error in:3: bad line"}},
		{"held back", ">z\na\n", 0, []string{"a", "z"}},
		{"at the limit", x(5) + "\n" + x(5), 5, []string{x(5), x(5)}},
		{"at the limit with all trimmings", "\xef\xbb\xbf" + x(5) + "\r\n", 5, []string{x(5)}},
		{"over the limit", "a\n" + x(6) + "\nb\n", 5, []string{"a", "error in:2: line is longer than the limit", "b"}},
		{"over the limit at the end", "a\n" + x(6), 5, []string{"a", "error in:2: line is longer than the limit"}},
		{"a line as long as the buffer", x(buffer) + "\na\n", buffer, []string{x(buffer), "a"}},
		{"CR is the buffer's last byte", x(buffer-1) + "\r\na\n", buffer - 1, []string{x(buffer - 1), "a"}},
		{"LF is the buffer's last byte", x(buffer-1) + "\na\n", buffer - 1, []string{x(buffer - 1), "a"}},
		{"byte order mark and CR over the buffer", "\xef\xbb\xbf" + x(buffer-4) + "\r\n", buffer - 4, []string{x(buffer - 4)}},
		{"one over the limit, over the buffer", x(buffer+1) + "\na\n", buffer, []string{"error in:1: line is longer than the limit", "a"}},
		{"several buffers long", x(3*buffer+7) + "\na", 4 * buffer, []string{x(3*buffer + 7), "a"}},
		{"far over the limit", x(3*buffer) + "\na\n", 10, []string{"error in:1: line is longer than the limit", "a"}},
		{"gzip", zipped("a\nb\n"), 0, []string{"a", "b"}},
		{"gzip members", zipped("a\nb") + zipped("c\nd\n"), 0, []string{"a", "bc", "d"}},
		{"zstd", zstded(t, "a\nb\n"), 0, []string{"a", "b"}},
		{"zstd frames", zstded(t, "a\nb") + zstded(t, "c\nd\n"), 0, []string{"a", "bc", "d"}},
		{"gzip magic alone", "\x1f\x8b", 0, []string{fmt.Sprintf(cut, 1, "compressed data is cut short or corrupt (an incomplete copy?)")}},
		{"gzip with a text behind it", zipped("a\n") + "b\n", 0, []string{"a", fmt.Sprintf(cut, 2, "compressed data is cut short or corrupt (an incomplete copy?)")}},
		{"gzip with other data behind it", zipped("a\n") + strings.Repeat("b\n", 20), 0, []string{"a", fmt.Sprintf(cut, 2, "corrupt gzip data")}},
		{"first half of the gzip magic", "\x1f", 0, []string{"\x1f"}},
		{"unknown first, known later", "?\na\n?\n", 0, []string{"error in:1: not a line of a known format", "a", "error in:3: not a line of a known format"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, counts := read(strings.NewReader(tt.in), tt.max)
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if total(counts) != counts.Lines {
				t.Errorf("counts do not add up: %+v", counts)
			}
		})
	}
}

func TestCounts(t *testing.T) {
	_, got := read(strings.NewReader("a+b\n\nskip\nbad\nskip\n>z\n"), 0)
	want := lines.Counts{
		Files: 1, Bytes: 22, Lines: 6, Records: 2, Errors: 1,
		Skipped: map[string]int64{"empty line": 1, "nothing here": 2},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	sum := got.Clone()
	sum.Merge(got)
	want = lines.Counts{
		Files: 2, Bytes: 44, Lines: 12, Records: 4, Errors: 2,
		Skipped: map[string]int64{"empty line": 2, "nothing here": 4},
	}
	if diff := cmp.Diff(want, sum); diff != "" {
		t.Errorf("merged (-want +got):\n%s", diff)
	}
	if got.Skipped["nothing here"] != 2 {
		t.Error("Merge changed what Clone was made of")
	}
}

// TestAfterGarbage: however many lines are of no known format, the one after
// them is read.
func TestAfterGarbage(t *testing.T) {
	got, counts := read(strings.NewReader(strings.Repeat("?\n", 5000)+"a\n"), 0)
	if len(got) != 5001 || counts.Errors != 5000 || counts.Records != 1 || counts.Damaged != 0 {
		t.Errorf("%d pairs, counts %+v", len(got), counts)
	}
}

// TestReadError: a read error is told with its cause, after the lines before.
func TestReadError(t *testing.T) {
	broken := errors.New("the disk is gone")
	var counts lines.Counts
	var last error
	n := 0
	src := io.MultiReader(strings.NewReader("a\nb\nunfinish"), iotest.ErrReader(broken))
	for _, err := range lines.Read(context.Background(), src, "in", 0, newWords(), &counts) {
		n++
		last = err
	}
	pe, ok := errors.AsType[*lines.ParseError](last)
	if n != 3 || !ok || pe.Line != 3 || !errors.Is(last, broken) || !errors.Is(last, lines.ErrDamaged) {
		t.Errorf("%d pairs, the last with %v", n, last)
	}
	if counts.Lines != 2 || counts.Damaged != 1 {
		t.Errorf("counts %+v", counts)
	}
}

// endless gives the same line for ever, and cancels after some bytes.
type endless struct {
	left   int
	cancel func()
	err    error // to return when cancelled, instead of going on
}

func (e *endless) Read(p []byte) (int, error) {
	if e.left -= len(p); e.left < 0 {
		e.cancel()
		if e.err != nil {
			return 0, e.err
		}
	}
	for i := range p {
		p[i] = "a\n"[i%2]
	}
	return len(p) &^ 1, nil
}

func TestReadCancelled(t *testing.T) {
	for _, tt := range []struct {
		name string
		err  error
	}{
		{"reader goes on", nil},
		{"reader fails with ctx's own error", context.Canceled},
		{"reader fails otherwise", io.ErrClosedPipe},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			var counts lines.Counts
			var last error
			for _, err := range lines.Read(ctx, &endless{1 << 20, cancel, tt.err}, "in", 0, newWords(), &counts) {
				last = err
			}
			if last != context.Canceled {
				t.Errorf("last error %v, want %v as it is", last, context.Canceled)
			}
			if total(counts) != counts.Lines || counts.Errors != 0 {
				t.Errorf("counts do not add up: %+v", counts)
			}
		})
	}
}

func TestSkipError(t *testing.T) {
	err := fmt.Errorf("wrapped: %w", lines.SkipError("header"))
	if !errors.Is(err, lines.ErrSkip) {
		t.Error("a SkipError is not ErrSkip")
	}
	if errors.Is(err, lines.ErrTooLong) {
		t.Error("a SkipError is ErrTooLong")
	}
}

// FuzzRead: any bytes, also such as begin like gzip or zstd, are read without
// panic, twice alike, and every line is accounted for.
func FuzzRead(f *testing.F) {
	for _, s := range []string{
		"", "a\nb\n", "\xef\xbb\xbfa\r\n\r\nb", "bad\nskip\n>z\na+b", strings.Repeat("x", 100) + "\na",
		zipped("a\nb\n"), zipped("a\nb\n")[:15], zipped("a") + zipped("b"), zipped("a") + "x", zstded(f, "a\nb\n"), zstded(f, "a\nb\n")[:9], "\x28\xb5\x2f\xfd", "\x1f\x8b\x08",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		const limit = 64
		got, counts := read(bytes.NewReader(in), limit)
		if total(counts) != counts.Lines {
			t.Fatalf("counts do not add up: %+v", counts)
		}
		for _, v := range got {
			if len(v) > limit && !strings.HasPrefix(v, "error in:") {
				t.Fatalf("a value of %d bytes, the limit is %d", len(v), limit)
			}
		}
		again, _ := read(iotest.OneByteReader(bytes.NewReader(in)), limit)
		if diff := cmp.Diff(got, again); diff != "" {
			t.Fatalf("byte by byte (-at once +byte by byte):\n%s", diff)
		}
	})
}

func BenchmarkRead(b *testing.B) {
	text := strings.Repeat(strings.Repeat("x", 554)+"\n", 2000)
	for _, bb := range []struct{ name, in string }{
		{"plain", text}, {"gzip", zipped(text)}, {"zstd", zstded(b, text)},
	} {
		b.Run("of="+bb.name, func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				var counts lines.Counts
				for _, err := range lines.Read(context.Background(), strings.NewReader(bb.in), "in", 0, lengths{}, &counts) {
					if err != nil {
						b.Fatal(err)
					}
				}
			}
		})
	}
}

// lengths gives the length of each line.
type lengths struct{}

func (lengths) Decode(line []byte, values []int) ([]int, error) {
	return append(values, len(line)), nil
}

func (lengths) Close(values []int, _ *lines.Counts) []int { return values }
