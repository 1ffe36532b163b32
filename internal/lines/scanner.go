package lines

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"io/fs"

	kgzip "github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

var (
	gzipMagic = []byte{0x1f, 0x8b}
	zstdMagic = []byte{0x28, 0xb5, 0x2f, 0xfd}
	utf8BOM   = []byte{0xef, 0xbb, 0xbf}
)

// maxWindow bounds what a zstd frame can make the decoder allocate: the
// largest window of zstd's --long=27, the most its command line decodes
// without being asked.
const maxWindow = 1 << 27

// decompress returns a reader of r's text: gunzipped or unzstd-ed where r's
// first bytes say so, as it is otherwise. Concatenated members and frames are
// read as one text.
func decompress(r io.Reader) (io.ReadCloser, error) {
	br := bufio.NewReaderSize(r, 1<<16)
	head, err := br.Peek(4)
	if err != nil && err != io.EOF {
		return nil, err
	}
	switch {
	case bytes.HasPrefix(head, gzipMagic):
		return kgzip.NewReader(br)
	case bytes.HasPrefix(head, zstdMagic), isSkippable(head):
		d, err := zstd.NewReader(br, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxWindow))
		if err != nil {
			return nil, err
		}
		return d.IOReadCloser(), nil
	}
	return io.NopCloser(br), nil
}

// isSkippable reports whether a stream begins with one of zstd's skippable
// frames (RFC 8878 3.1.2), as those of parallel compressors do.
func isSkippable(head []byte) bool {
	return len(head) == 4 && head[0]&0xf0 == 0x50 && head[1] == 0x2a && head[2] == 0x4d && head[3] == 0x18
}

// damage names the cause of an unreadable stream in words that say what to do.
func damage(err error) error {
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		return errors.New("compressed data is cut short or corrupt (an incomplete copy?)")
	case errors.Is(err, gzip.ErrChecksum), errors.Is(err, gzip.ErrHeader):
		return errors.New("corrupt gzip data")
	}
	if pe, ok := errors.AsType[*fs.PathError](err); ok {
		return pe.Err // the file is named already, and its folder may name a person
	}
	return err
}

// A scanner cuts a stream into lines. A line's bytes are good until the next
// call.
type scanner struct {
	r    *bufio.Reader
	max  int
	long []byte // a line that did not fit r's buffer
	line int64  // the number of the line returned last
	read int64  // bytes taken from r
}

func newScanner(r io.Reader, max int) *scanner {
	if max <= 0 {
		max = MaxLine
	}
	return &scanner{r: bufio.NewReaderSize(r, 1<<16), max: max}
}

// next returns the next line without its end ("\n" or "\r\n"), [ErrTooLong]
// for a line over the limit, of which nothing is kept, and io.EOF after the
// last. Any other error is the stream's own; the unfinished line before it is
// not returned, since nobody can tell what it would have said.
func (s *scanner) next() ([]byte, error) {
	s.long = s.long[:0]
	tooLong := false
	for {
		part, err := s.r.ReadSlice('\n')
		s.read += int64(len(part))
		if err == bufio.ErrBufferFull {
			// Not all that was read need belong to the line: its first bytes may
			// be a byte order mark and its last one half of its end.
			if tooLong = tooLong || len(s.long)+len(part) > s.max+len(utf8BOM)+1; !tooLong {
				s.long = append(s.long, part...)
			}
			continue
		}
		if err != nil && err != io.EOF {
			return nil, err
		}
		if err == io.EOF && len(part) == 0 && len(s.long) == 0 && !tooLong {
			return nil, io.EOF
		}
		s.line++
		line := part
		if len(s.long) > 0 {
			s.long = append(s.long, part...)
			line = s.long
		}
		line = bytes.TrimSuffix(line, []byte("\n"))
		line = bytes.TrimSuffix(line, []byte("\r"))
		if s.line == 1 {
			line = bytes.TrimPrefix(line, utf8BOM)
		}
		if tooLong || len(line) > s.max {
			s.long = nil
			return nil, ErrTooLong
		}
		return line, nil
	}
}
