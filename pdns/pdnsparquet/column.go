package pdnsparquet

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"slices"

	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"
)

const (
	// maxPage is the largest page, in bytes when decompressed. Writers cut pages
	// at about 1 MB, DuckDB dictionaries at 1 GB where it is told so.
	maxPage = 256 << 20

	// maxValues is the most values of a page. Runs make a page of one value many
	// million times a few bytes long.
	maxValues = 64 << 20

	// maxHeader is the longest page header, in bytes. It may hold the least and
	// the greatest value of the page, whole.
	maxHeader = 16 << 20
)

// A pageHeader is what of a page's header is used.
type pageHeader struct {
	Type         format.PageType           `thrift:"1,required"`
	Uncompressed int32                     `thrift:"2,required"`
	Compressed   int32                     `thrift:"3,required"`
	CRC          thrift.Null[int32]        `thrift:"4,optional"`
	V1           thrift.Null[pageHeaderV1] `thrift:"5,optional"`
	Dictionary   thrift.Null[dictionary]   `thrift:"7,optional"`
	V2           thrift.Null[pageHeaderV2] `thrift:"8,optional"`
}

type pageHeaderV1 struct {
	NumValues int32           `thrift:"1,required"`
	Encoding  format.Encoding `thrift:"2,required"`
	Def       format.Encoding `thrift:"3,required"`
	Rep       format.Encoding `thrift:"4,required"`
}

type dictionary struct {
	NumValues int32           `thrift:"1,required"`
	Encoding  format.Encoding `thrift:"2,required"`
}

type pageHeaderV2 struct {
	NumValues  int32             `thrift:"1,required"`
	NumNulls   int32             `thrift:"2,required"`
	NumRows    int32             `thrift:"3,required"`
	Encoding   format.Encoding   `thrift:"4,required"`
	DefBytes   int32             `thrift:"5,required"`
	RepBytes   int32             `thrift:"6,required"`
	Compressed thrift.Null[bool] `thrift:"7,optional"`
}

// null stands for the place of a value that is not there.
const null = math.MaxUint32

// A column reads the pages of one column of one row group, in order.
type column struct {
	*field
	r     io.ReaderAt
	codec format.CompressionCodec
	d     *decompressor

	pos, end int64 // where the next page is, and where none can be any more
	left     int64 // values of pages to come

	// The page reached: which values it has, counted from the row group's
	// first, and after load where each of them is in values. For a list, rep
	// has their repetition levels.
	first, n int64
	values   *table
	at       []uint32
	rep      []uint8

	header pageHeader
	body   int64 // where the page's body is
	loaded bool
	// tables counts the tables that values has pointed to, so that what is
	// remembered by place in one is not taken for that of another.
	tables int

	dict, plain        table
	hasDict            bool
	dictText, pageText []byte // as decompressed
	raw                []byte // as on disk
	def                []uint8
	read               int64 // bytes decompressed
}

// open makes c read the chunk of f's column in a row group.
func (c *column) open(r io.ReaderAt, f *field, ch *chunk, end, rows int64) error {
	m := &ch.Meta
	switch {
	case ch.FilePath != "":
		return fmt.Errorf("column in another file: %w", errSize)
	case format.Type(m.Type) != f.kind:
		return fmt.Errorf("type of the column in the row group: %w", errSchema)
	case m.NumValues < 0, f.maxRep == 0 && m.NumValues != rows, m.NumValues < rows:
		return fmt.Errorf("values of the column: %w", errSize)
	}
	start := m.Data
	if m.Dictionary > 0 && m.Dictionary < start {
		start = m.Dictionary
	}
	if start < 4 || start > end {
		return fmt.Errorf("offset of the column: %w", errSize)
	}
	c.field, c.r, c.codec = f, r, format.CompressionCodec(m.Codec)
	c.pos, c.end, c.left = start, end, m.NumValues
	c.first, c.n, c.loaded, c.hasDict = 0, 0, false, false
	c.dict.kind, c.dict.width = f.kind, f.width
	c.plain.kind, c.plain.width = f.kind, f.width
	c.tables++
	return nil
}

// place returns where a value of the row group is in c.values, or null.
func (c *column) place(value int64) (uint32, error) {
	if value >= c.first+c.n || !c.loaded {
		if err := c.turn(value); err != nil {
			return 0, err
		}
	}
	return c.at[value-c.first], nil
}

// reach makes the page with a value the one reached, without loading it.
func (c *column) reach(value int64) (err error) {
	defer catch(&err)
	for value >= c.first+c.n {
		if err := c.next(); err != nil {
			return err
		}
	}
	return nil
}

// turn loads the page with a value. Pages before it are passed over unread.
func (c *column) turn(value int64) (err error) {
	defer catch(&err)
	if err := c.reach(value); err != nil {
		return err
	}
	return c.load()
}

// catch makes an error of a panic. The library and the codecs index and slice by
// what they read, and where that is damaged some of them panic; they hold no
// lock while they do, and nothing of what they were making is used. It is
// deferred only around them, never around a caller's code.
func catch(err *error) {
	if r := recover(); r != nil {
		*err = errPanic
	}
}

var errPanic = errors.New("its damage is beyond the decoder")

// next goes on to the next page of values, past the one reached.
func (c *column) next() error {
	c.first += c.n
	c.n, c.loaded = 0, false
	for {
		if c.left == 0 {
			return io.ErrUnexpectedEOF
		}
		if err := c.readHeader(); err != nil {
			return err
		}
		h := &c.header
		switch {
		case h.Type == format.DictionaryPage:
			if err := c.loadDictionary(); err != nil {
				return err
			}
			continue
		case h.Type == format.DataPage && h.V1.Valid:
			c.n = int64(h.V1.V.NumValues)
		case h.Type == format.DataPageV2 && h.V2.Valid:
			c.n = int64(h.V2.V.NumValues)
		case h.Type == format.IndexPage:
			continue
		default:
			return fmt.Errorf("page header: %w", errThrift)
		}
		if c.n < 0 || c.n > maxValues || c.n > c.left {
			return fmt.Errorf("values of the page: %w", errSize)
		}
		if c.n > 0 {
			c.left -= c.n
			return nil
		}
	}
}

// readHeader reads the header of the page at pos, and moves pos past the page.
func (c *column) readHeader() error {
	c.header = pageHeader{}
	for window := int64(512); ; window *= 8 {
		window = min(window, c.end-c.pos, maxHeader)
		c.raw = slices.Grow(c.raw[:0], int(window))[:window]
		if err := readFull(c.r, c.raw, c.pos); err != nil {
			return err
		}
		size, err := decodeThrift(c.raw, &c.header)
		if err == errShort && window < min(c.end-c.pos, maxHeader) {
			continue
		}
		if err != nil {
			return fmt.Errorf("page header: %w", err)
		}
		h := &c.header
		c.body = c.pos + int64(size)
		c.pos = c.body + int64(h.Compressed)
		if h.Compressed < 0 || c.pos > c.end || h.Uncompressed < 0 || h.Uncompressed > maxPage {
			return fmt.Errorf("page: %w", errSize)
		}
		return nil
	}
}

// readBody reads the body of the page reached as it is on disk.
func (c *column) readBody() ([]byte, error) {
	n := int(c.header.Compressed)
	c.raw = slices.Grow(c.raw[:0], n)[:n]
	if err := readFull(c.r, c.raw, c.body); err != nil {
		return nil, err
	}
	if crc := c.header.CRC; crc.Valid && crc.V != 0 && uint32(crc.V) != crc32.ChecksumIEEE(c.raw) {
		return nil, errors.New("page: wrong checksum")
	}
	return c.raw, nil
}

// expand decompresses a body into text, which it returns resized to n bytes.
func (c *column) expand(text, body []byte, n int) ([]byte, error) {
	if ratio := maxRatio[c.codec]; ratio > 0 && n > ratio*len(body) {
		return text, fmt.Errorf("page: %w", errSize)
	}
	text = slices.Grow(text[:0], n)[:n]
	c.read += int64(n)
	if n == 0 {
		return text, nil
	}
	if err := c.d.decompress(c.codec, text, body); err != nil {
		return text, fmt.Errorf("page: %w", err)
	}
	return text, nil
}

// plainDictionary is the encoding PLAIN_DICTIONARY, which the format has
// deprecated and which is in many files all the same.
const plainDictionary format.Encoding = 2

func (c *column) loadDictionary() error {
	h := &c.header.Dictionary
	if !h.Valid || h.V.NumValues < 0 || h.V.NumValues > maxValues || c.hasDict {
		return fmt.Errorf("dictionary: %w", errThrift)
	}
	if e := h.V.Encoding; e != format.Plain && e != plainDictionary {
		return fmt.Errorf("dictionary: encoding %v is not supported", e)
	}
	body, err := c.readBody()
	if err != nil {
		return err
	}
	if c.dictText, err = c.expand(c.dictText, body, int(c.header.Uncompressed)); err != nil {
		return err
	}
	if int(h.V.NumValues) > len(c.dictText) {
		return fmt.Errorf("dictionary: %w", errValues)
	}
	c.hasDict = true
	c.values = nil
	return c.dict.set(format.Plain, c.dictText, int(h.V.NumValues))
}

// load decodes the page reached.
func (c *column) load() error {
	if c.loaded {
		return nil
	}
	body, err := c.readBody()
	if err != nil {
		return err
	}
	n := int(c.n)
	var rep, def, values []byte
	var encoding format.Encoding
	if v2 := &c.header.V2.V; c.header.Type == format.DataPageV2 {
		encoding = v2.Encoding
		levels := int64(v2.RepBytes) + int64(v2.DefBytes)
		if v2.RepBytes < 0 || v2.DefBytes < 0 || levels > int64(len(body)) || levels > int64(c.header.Uncompressed) {
			return fmt.Errorf("levels: %w", errSize)
		}
		rep, def, body = body[:v2.RepBytes], body[v2.RepBytes:levels], body[levels:]
		if values = body; !c.header.V2.V.Compressed.Valid || v2.Compressed.V {
			size := int(c.header.Uncompressed) - int(levels)
			if len(body) == 0 {
				size = 0 // nothing but nulls, of which nothing is compressed
			}
			if c.pageText, err = c.expand(c.pageText, body, size); err != nil {
				return err
			}
			values = c.pageText
		} else {
			// The buffer that raw is in serves the next header too.
			c.pageText = append(c.pageText[:0], body...)
			values = c.pageText
		}
	} else {
		v1 := &c.header.V1.V
		encoding = v1.Encoding
		if c.pageText, err = c.expand(c.pageText, body, int(c.header.Uncompressed)); err != nil {
			return err
		}
		values = c.pageText
		if rep, values, err = levelsV1(values, c.maxRep, v1.Rep); err != nil {
			return err
		}
		if def, values, err = levelsV1(values, c.maxDef, v1.Def); err != nil {
			return err
		}
	}
	if c.maxRep > 0 {
		c.rep = slices.Grow(c.rep[:0], n)[:n]
		if err := unpack(c.rep, rep, bitsFor(c.maxRep)); err != nil {
			return fmt.Errorf("levels: %w", err)
		}
	}
	present := n
	if c.maxDef > 0 {
		c.def = slices.Grow(c.def[:0], n)[:n]
		if err := unpack(c.def, def, bitsFor(c.maxDef)); err != nil {
			return fmt.Errorf("levels: %w", err)
		}
		present = 0
		for _, d := range c.def {
			if int(d) == c.maxDef {
				present++
			}
		}
	}
	c.at = slices.Grow(c.at[:0], n)[:n]
	if err := c.loadValues(encoding, values, present); err != nil {
		return fmt.Errorf("page: %w", err)
	}
	c.spread(present)
	c.loaded = true
	return nil
}

// loadValues finds the first values of the page, as many as there are.
func (c *column) loadValues(encoding format.Encoding, text []byte, n int) error {
	at := c.at[:n]
	if encoding != format.RLEDictionary && encoding != plainDictionary {
		c.values = &c.plain
		c.tables++
		for i := range at {
			at[i] = uint32(i)
		}
		return c.plain.set(encoding, text, n)
	}
	if c.values != &c.dict {
		c.values = &c.dict
		c.tables++
	}
	if n == 0 {
		return nil
	}
	if !c.hasDict || len(text) == 0 || text[0] > 32 {
		return errValues
	}
	if err := unpack(at, text[1:], int(text[0])); err != nil {
		return err
	}
	if int(slices.Max(at)) >= c.dict.n {
		return errValues
	}
	return nil
}

// spread moves the places of the values to where the definition levels say.
func (c *column) spread(present int) {
	if present == len(c.at) {
		return
	}
	for i := len(c.at) - 1; i >= 0; i-- {
		if int(c.def[i]) == c.maxDef {
			present--
			c.at[i] = c.at[present]
		} else {
			c.at[i] = null
		}
	}
}

// levelsV1 cuts the levels off the text of a page of version 1.
func levelsV1(text []byte, maxLevel int, encoding format.Encoding) (levels, rest []byte, err error) {
	if maxLevel == 0 {
		return nil, text, nil
	}
	if encoding != format.RLE {
		return nil, nil, fmt.Errorf("levels: encoding %v is not supported", encoding)
	}
	if len(text) < 4 {
		return nil, nil, fmt.Errorf("levels: %w", errSize)
	}
	n := binary.LittleEndian.Uint32(text)
	if text = text[4:]; uint64(n) > uint64(len(text)) {
		return nil, nil, fmt.Errorf("levels: %w", errSize)
	}
	return text[:n], text[n:], nil
}

// bitsFor returns the bits that levels up to a greatest take.
func bitsFor(maxLevel int) int {
	n := 0
	for maxLevel>>n > 0 {
		n++
	}
	return n
}
