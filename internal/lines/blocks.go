package lines

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"io/fs"
	"slices"

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

// blockSize is how much of a stream is read at a time, in bytes. The text and the
// values of a block, of one worker, fit into the cache of a core together.
const blockSize = 256 << 10

// blocks cuts a stream into blocks of whole lines.
type blocks struct {
	text     io.Reader
	max      int    // the longest line
	rest     []byte // begin of a line whose end is not read yet
	dropping bool   // rest is longer than max, and what follows it is dropped
	read     int64  // bytes taken from text
}

// next returns the next block, in buf if it has room, and the room for the next
// one. It does not wait for more than one line. With the last block, which may be
// empty and end without a newline, comes io.EOF or the error that broke the
// stream; of the latter, the unfinished line before it is not returned, since
// nobody can tell what it would have said.
//
// Of a line that is much longer than max the first max+5 bytes are returned: still
// too many, without a byte order mark and an end of line too.
func (b *blocks) next(buf []byte) (block, room []byte, err error) {
	buf = append(buf[:0], b.rest...)
	b.rest = b.rest[:0]
	for idle := 0; ; {
		if len(buf) == cap(buf) {
			buf = slices.Grow(buf, max(blockSize, len(buf)))
		}
		from := len(buf)
		n, err := b.text.Read(buf[from:min(cap(buf), from+blockSize)])
		buf = buf[:from+n]
		b.read += int64(n)
		if b.dropping {
			i := bytes.IndexByte(buf[from:], '\n')
			if i < 0 {
				i = n
			} else {
				b.dropping = false
			}
			buf = append(buf[:from], buf[from+i:]...)
		}
		end := from + bytes.LastIndexByte(buf[from:], '\n') + 1
		switch {
		case err == io.EOF:
			b.dropping = false
			return buf, buf, err
		case err != nil:
			if end == from {
				end = 0 // there was no newline before either
			}
			return buf[:end], buf, err
		case end > from:
			if tail := buf[end:]; len(tail) > b.max+5 {
				b.rest, b.dropping = append(b.rest, tail[:b.max+5]...), true
			} else {
				b.rest = append(b.rest, tail...)
			}
			return buf[:end], buf, nil
		case len(buf) > b.max+5:
			buf, b.dropping = buf[:b.max+5], true
		}
		if n > 0 {
			idle = 0
		} else if idle++; idle == 100 {
			return nil, buf, io.ErrNoProgress
		}
	}
}

// cut returns the first line of a block without its end ("\n" or "\r\n"), and
// what follows it.
func cut(block []byte) (line, rest []byte) {
	if i := bytes.IndexByte(block, '\n'); i >= 0 {
		line, rest = block[:i], block[i+1:]
	} else {
		line = block
	}
	return bytes.TrimSuffix(line, []byte("\r")), rest
}
