package enrichparquet

import (
	"encoding/binary"
	"hash/crc32"
	"math"
	"net/netip"
	"slices"
	"sort"
	"strings"
	"unicode/utf8"

	"github.com/klauspost/compress/zstd"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"

	"github.com/endoflow/endoflow/internal/dense"
)

// A column is one leaf of a file's schema: the page under way, and the pages of
// the row group that are done and compressed. A value is written into the page
// as it will stand in the file or, where there is a dictionary, as a number.
type column struct {
	path       []string
	typ        format.Type
	optional   bool // a value may be absent
	inList     bool // a row has any number of values
	dictionary bool
	packed     bool // no runs are looked for among ids

	values []byte   // PLAIN, of a column without a dictionary
	ids    []uint32 // of a column with one
	same   runs     // of a column with one that is written in runs from the outset
	def    runs     // definition levels, 0 or 1
	rep    runs     // repetition levels, 0 or 1
	n      int      // levels, or values where there are no levels
	nulls  int64    // of the page: levels without a value

	dict     []byte // the dictionary, PLAIN
	dictSize int
	pages    []byte // whole pages with their headers
	pageN    int    // levels of those pages
	rawSize  int64  // of all pages, before compression
	allNulls int64  // of those pages
	held     *int   // bytes of dict and pages, of all columns of the file
}

// present adds the levels of a value to the page, absent those of a missing one.
func (c *column) present() {
	c.n++
	if c.optional {
		c.def.add(1, 1)
	}
}

func (c *column) absent() {
	c.n++
	c.nulls++
	c.def.add(0, 1)
}

// list adds the levels of a list of n values. That of an empty list stands for
// no value.
func (c *column) list(n int) {
	c.n += max(n, 1)
	c.rep.add(0, 1)
	if n == 0 {
		c.nulls++
		c.def.add(0, 1)
		return
	}
	c.rep.add(1, n-1)
	c.def.add(1, n)
}

func (c *column) int64(v uint64) {
	c.present()
	c.values = binary.LittleEndian.AppendUint64(c.values, v)
}

func (c *column) int32(v uint32) {
	c.present()
	c.values = binary.LittleEndian.AppendUint32(c.values, v)
}

// entry adds a text to the dictionary and returns its number.
func (c *column) entry(text string) uint32 {
	if !utf8.ValidString(text) {
		text = string([]rune(text)) // the format asks for UTF-8: each byte that is none is U+FFFD
	}
	c.dict = binary.LittleEndian.AppendUint32(c.dict, uint32(len(text)))
	c.dict = append(c.dict, text...)
	c.dictSize++
	*c.held += 4 + len(text)
	return uint32(c.dictSize - 1)
}

// reset empties the dictionary, for the next row group.
func (c *column) reset() {
	*c.held -= len(c.dict)
	c.dict, c.dictSize = c.dict[:0], 0
}

// encoding returns that of the values.
func (c *column) encoding() format.Encoding {
	if c.dictionary {
		return format.RLEDictionary
	}
	return format.Plain
}

// A packer compresses pages. It keeps its buffers from one to the next.
type packer struct {
	zstd   *zstd.Encoder
	raw    []byte
	out    []byte
	thrift thrift.CompactProtocol
}

// end ends the page under way: a data page of version 1, which every reader
// knows.
//
//	header (Thrift) | zstd( [n rep levels] [n def levels] values )
//	level run: 4-byte length, then runs
//	values:    PLAIN, or one byte of width and then runs and packed numbers
func (p *packer) end(c *column) {
	if c.n == 0 {
		return
	}
	p.raw = p.raw[:0]
	if c.inList {
		p.raw = c.rep.appendLevels(p.raw)
	}
	if c.inList || c.optional {
		p.raw = c.def.appendLevels(p.raw)
	}
	switch {
	case !c.dictionary:
		p.raw = append(p.raw, c.values...)
	case len(c.ids) == 0:
		p.raw = append(p.raw, 8)
		p.raw = c.same.append(p.raw)
	default:
		width := byteWidth(c.dictSize)
		p.raw = append(p.raw, byte(8*width))
		if c.packed {
			p.raw = appendPacked(p.raw, c.ids, width)
		} else {
			p.raw = appendHybrid(p.raw, c.ids, width)
		}
	}
	header := p.compress(c, p.raw, format.PageHeader{
		Type: format.DataPage,
		DataPageHeader: thrift.New(format.DataPageHeader{
			NumValues: int32(c.n), Encoding: c.encoding(), DefinitionLevelEncoding: format.RLE, RepetitionLevelEncoding: format.RLE,
			Statistics: format.Statistics{NullCount: c.nulls},
		}),
	})
	c.pages = append(append(c.pages, header...), p.out...)
	*c.held += len(header) + len(p.out)
	c.pageN += c.n
	c.allNulls += c.nulls
	c.values, c.ids, c.n, c.nulls = c.values[:0], c.ids[:0], 0, 0
	c.same.reset()
	c.def.reset()
	c.rep.reset()
}

// dictionary makes the page of the column's dictionary, as compress does.
func (p *packer) dictionary(c *column) (header []byte) {
	return p.compress(c, c.dict, format.PageHeader{
		Type:                 format.DictionaryPage,
		DictionaryPageHeader: thrift.New(format.DictionaryPageHeader{NumValues: int32(c.dictSize), Encoding: format.Plain}),
	})
}

// compress sets p.out to the content of a page and returns its header.
func (p *packer) compress(c *column, content []byte, h format.PageHeader) (header []byte) {
	p.out = p.zstd.EncodeAll(content, p.out[:0])
	h.UncompressedPageSize = int32(len(content))
	h.CompressedPageSize = int32(len(p.out))
	h.CRC = int32(crc32.ChecksumIEEE(p.out))
	header, err := thrift.Marshal(&p.thrift, h)
	if err != nil {
		panic(err) // a struct of numbers
	}
	c.rawSize += int64(len(header) + len(content))
	return header
}

// runs is a sequence of small numbers as runs of equal ones (Parquet's RLE), with
// the last one open.
type runs struct {
	done  []byte
	value byte
	n     int
}

func (r *runs) add(value byte, n int) {
	if value != r.value {
		r.close()
		r.value = value
	}
	r.n += n
}

func (r *runs) close() {
	if r.n > 0 {
		r.done = append(binary.AppendUvarint(r.done, uint64(r.n)<<1), r.value)
		r.n = 0
	}
}

func (r *runs) append(dst []byte) []byte {
	r.close()
	return append(dst, r.done...)
}

// appendLevels appends the runs with their length before them.
func (r *runs) appendLevels(dst []byte) []byte {
	r.close()
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(r.done)))
	return append(dst, r.done...)
}

func (r *runs) reset() { *r = runs{done: r.done[:0]} }

// byteWidth returns how many bytes a number of a dictionary takes. Numbers are
// packed in whole bytes, not in as few bits as would do: that is a store and no
// shifting, and a list that comes again is made of the same bytes, so that
// Zstandard finds it.
func byteWidth(dictSize int) int {
	switch {
	case dictSize <= 1<<8:
		return 1
	case dictSize <= 1<<16:
		return 2
	case dictSize <= 1<<24:
		return 3
	}
	return 4
}

// appendPacked appends ids as one run of packed numbers, in groups of eight, the
// last of which is filled up.
func appendPacked(dst []byte, ids []uint32, width int) []byte {
	groups := (len(ids) + 7) / 8
	dst = binary.AppendUvarint(dst, uint64(groups)<<1|1)
	start := len(dst)
	dst = slices.Grow(dst, groups*8*width)[:start+groups*8*width]
	out := dst[start:]
	switch width {
	case 1:
		for i, id := range ids {
			out[i] = byte(id)
		}
	case 2:
		for i, id := range ids {
			binary.LittleEndian.PutUint16(out[2*i:], uint16(id))
		}
	case 3:
		for i, id := range ids {
			o := out[3*i : 3*i+3 : 3*i+3]
			o[0], o[1], o[2] = byte(id), byte(id>>8), byte(id>>16)
		}
	default:
		for i, id := range ids {
			binary.LittleEndian.PutUint32(out[4*i:], id)
		}
	}
	clear(out[len(ids)*width:])
	return dst
}

// minRun is the shortest run of equal numbers that is written as one, over the
// seven that may be needed to fill up a group before it.
const minRun = 25

// appendHybrid appends ids as runs of equal numbers and packed ones.
func appendHybrid(dst []byte, ids []uint32, width int) []byte {
	for len(ids) > 0 {
		packed := 0 // ids before the next long run
		run := 0
		for packed < len(ids) {
			run = runLength(ids[packed:])
			if run >= minRun+7 {
				break
			}
			packed += run
			run = 0
		}
		if run > 0 { // fill up the group from the run
			fill := (8 - packed%8) % 8
			packed, run = packed+fill, run-fill
		}
		if packed > 0 {
			dst = appendPacked(dst, ids[:packed], width)
			ids = ids[packed:]
		}
		if run > 0 {
			dst = binary.AppendUvarint(dst, uint64(run)<<1)
			for b := range width {
				dst = append(dst, byte(ids[0]>>(8*b)))
			}
			ids = ids[run:]
		}
	}
	return dst
}

func runLength(ids []uint32) int {
	n := 1
	for n < len(ids) && ids[n] == ids[0] {
		n++
	}
	return n
}

// texts is a column of texts with a dictionary.
type texts struct {
	*column
	numbers map[string]uint32
	last    string
	lastID  uint32
	written func(string) string // what is written of a text; nil: the text
}

// add adds a text. In a column where a value may be absent, "" is absent.
func (t *texts) add(text string) {
	if text == "" && t.optional {
		t.absent()
		return
	}
	t.present()
	t.ids = append(t.ids, t.number(text))
}

// number returns the number of a text in the dictionary. Most columns hold what
// the row before held, in the same memory, more often than not.
func (t *texts) number(text string) uint32 {
	if text == t.last && t.dictSize > 0 {
		return t.lastID
	}
	id, ok := t.numbers[text]
	if !ok {
		if t.written == nil {
			id = t.entry(text)
		} else {
			id = t.entry(t.written(text))
		}
		t.numbers[text] = id
	}
	t.last, t.lastID = text, id
	return id
}

func (t *texts) reset() {
	t.column.reset()
	clear(t.numbers)
	t.last, t.lastID = "", 0
}

// addrs is a column of addresses, as texts with a dictionary.
type addrs struct {
	*column
	numbers dense.Table
}

// absentAddr stands for no address where a number in the dictionary is wanted.
const absentAddr = math.MaxUint32

// add adds addresses and sets their numbers in the dictionary.
func (a *addrs) add(numbers *[batch]uint32, addrs []netip.Addr) {
	var keys [batch]dense.Key
	for i, addr := range addrs {
		if addr.IsValid() {
			keys[i] = dense.AddrKey(addr)
		}
	}
	a.numbers.FindAll(numbers, keys[:len(addrs)])
	for i, addr := range addrs {
		if numbers[i] > 0 && addr.IsValid() {
			numbers[i]--
		} else {
			numbers[i] = a.number(addr)
		}
		a.addNumber(numbers[i])
	}
}

func (a *addrs) addNumber(id uint32) {
	if id == absentAddr {
		a.absent()
		return
	}
	a.present()
	a.ids = append(a.ids, id)
}

// number returns the number of an address in the dictionary.
func (a *addrs) number(addr netip.Addr) uint32 {
	if !addr.IsValid() {
		return absentAddr
	}
	key := dense.AddrKey(addr)
	id, isNew := a.numbers.Add(key)
	if isNew {
		a.entry(key.Addr().String())
	}
	return id
}

func (a *addrs) reset() {
	a.column.reset()
	a.numbers.Reset()
}

// names is a column of names with a dictionary that is found by the Resolver's
// numbers. The dictionary goes on into the next row group as long as it is small:
// most names come again, and to find their texts takes longer than to write them.
type names struct {
	*column
	resolver Resolver
	keep     int      // the largest dictionary that goes on, in bytes
	local    []uint32 // by the Resolver's number: the number in the dictionary plus one, or 0
	others   map[string]uint32
	resolved []uint32
}

func newNames(c *column, r Resolver, keep int) *names {
	t := &names{column: c, resolver: r, keep: keep, others: make(map[string]uint32)}
	if r != nil {
		t.local = make([]uint32, r.NumNames())
	}
	return t
}

// appendNumbers appends the numbers in the dictionary of the names of an address.
func (t *names) appendNumbers(numbers []uint32, addr netip.Addr) []uint32 {
	if t.resolver == nil {
		return numbers
	}
	t.resolved = t.resolver.AppendNameIDs(t.resolved[:0], addr)
	for _, id := range t.resolved {
		n := t.local[id]
		if n == 0 {
			n = t.entry(t.resolver.NameOf(id)) + 1
			t.local[id] = n
		}
		numbers = append(numbers, n-1)
	}
	return numbers
}

// number returns the number in the dictionary of a text that may be a name of the
// Resolver. It is slow: what it answers is to be kept for the row group.
func (t *names) number(text string) uint32 {
	id, ok := sort.Find(len(t.local), func(i int) int { return strings.Compare(text, t.resolver.NameOf(uint32(i))) })
	if ok {
		if t.local[id] == 0 {
			t.local[id] = t.entry(text) + 1
		}
		return t.local[id] - 1
	}
	n, ok := t.others[text]
	if !ok {
		n = t.entry(text)
		t.others[text] = n
	}
	return n
}

func (t *names) reset() {
	if len(t.dict) > t.keep {
		t.column.reset()
		clear(t.local)
		clear(t.others)
	}
}
