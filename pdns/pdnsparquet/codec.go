package pdnsparquet

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"
	"github.com/parquet-go/parquet-go/format"
	"github.com/pierrec/lz4/v4"
)

var errContent = errors.New("damaged content")

// maxRatio is how many bytes one byte of a codec can stand for, where there is a
// limit: in Snappy 3 for a copy of 64, in LZ4 one more for 255 more of a copy,
// in gzip 2 bits for a copy of 258.
var maxRatio = map[format.CompressionCodec]int{format.Uncompressed: 1, format.Snappy: 22, format.Lz4Raw: 255, format.Gzip: 1032}

// A decompressor decompresses pages into a buffer of the size that the page's
// header says, and never beyond. The Parquet library's own codecs grow their
// buffer as long as the content asks for it; that for LZ4 doubles it without
// end where the content is damaged.
type decompressor struct {
	zstd   *zstd.Decoder
	gzip   *gzip.Reader
	brotli *brotli.Reader
}

// decompress fills dst with the content of src.
func (d *decompressor) decompress(codec format.CompressionCodec, dst, src []byte) error {
	switch codec {
	case format.Uncompressed:
		if len(src) != len(dst) {
			return errContent
		}
		copy(dst, src)
		return nil
	case format.Snappy:
		if n, err := snappy.DecodedLen(src); err != nil || n != len(dst) {
			return errContent
		}
		_, err := snappy.Decode(dst, src)
		return err
	case format.Lz4Raw:
		n, err := lz4.UncompressBlock(src, dst)
		if err != nil || n != len(dst) {
			return errContent
		}
		return nil
	case format.Zstd:
		return d.zstdFrames(dst, src)
	case format.Gzip:
		if d.gzip == nil {
			d.gzip = new(gzip.Reader)
		}
		if err := d.gzip.Reset(bytes.NewReader(src)); err != nil {
			return err
		}
		return fill(dst, d.gzip)
	case format.Brotli:
		if d.brotli == nil {
			d.brotli = new(brotli.Reader)
		}
		if err := d.brotli.Reset(bytes.NewReader(src)); err != nil {
			return err
		}
		return fill(dst, d.brotli)
	}
	return fmt.Errorf("codec %d is not supported", codec)
}

func (d *decompressor) zstdFrames(dst, src []byte) error {
	if d.zstd == nil {
		var err error
		d.zstd, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecodeAllCapLimit(true), zstd.WithDecoderMaxWindow(maxPage))
		if err != nil {
			return err
		}
	}
	out, err := d.zstd.DecodeAll(src, dst[:0:len(dst)])
	if err != nil {
		return err
	}
	if len(out) != len(dst) {
		return errContent
	}
	return nil
}

// fill reads dst from r, which must end there.
func fill(dst []byte, r io.Reader) error {
	if _, err := io.ReadFull(r, dst); err != nil {
		return err
	}
	var more [1]byte
	if n, err := r.Read(more[:]); n > 0 || err != io.EOF {
		return errContent
	}
	return nil
}
