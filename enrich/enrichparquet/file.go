package enrichparquet

import (
	"encoding/binary"
	"errors"
	"io"
	"math"

	"github.com/klauspost/compress/zstd"
	"github.com/parquet-go/parquet-go/deprecated"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"
)

var errGroups = errors.New("enrichparquet: a file cannot have more than 32767 row groups; make them larger")

const (
	magic     = "PAR1"
	createdBy = "endoflow"

	pageRows  = 1 << 16
	pageItems = 1 << 19 // of a list, and the rest of its row

	// The largest row group. Arrow cannot read one whose lists of texts have 2 GiB
	// as one piece; names have some 20 bytes.
	groupRows  = 1 << 21
	groupItems = 1 << 26
)

// A file is one Parquet file, written from its beginning to its end.
//
//	"PAR1"
//	row group:  for each column: dictionary page (if any), data pages
//	...
//	footer (Thrift): schema, places of the columns
//	4-byte length of the footer
//	"PAR1"
//
// A dictionary stands before the pages that use it and is whole only when the
// row group is, so that a row group is held in memory, compressed.
type file struct {
	w       io.Writer
	schema  []format.SchemaElement
	columns []*column
	lists   []*column              // of columns
	tables  []interface{ reset() } // those with a dictionary
	limit   int                    // of held
	held    int                    // bytes of the row group
	packer  packer
	at      int64
	rows    int64 // of the row group
	total   int64
	groups  []format.RowGroup
	err     error // the first
}

func newFile(w io.Writer, limit int) (*file, error) {
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1), zstd.WithEncoderCRC(false), zstd.WithZeroFrames(true))
	if err != nil {
		return nil, err
	}
	f := &file{w: w, limit: limit, packer: packer{zstd: enc}, schema: []format.SchemaElement{{Name: "schema"}}}
	f.write([]byte(magic))
	return f, nil
}

// element adds an element to the schema. A top-level one is a child of the root.
func (f *file) element(e format.SchemaElement, repetition format.FieldRepetitionType, top bool) {
	e.RepetitionType = thrift.New(repetition)
	f.schema = append(f.schema, e)
	if top {
		f.schema[0].NumChildren = thrift.New(f.schema[0].NumChildren.V + 1)
	}
}

func (f *file) add(c *column, e format.SchemaElement) *column {
	repetition := format.Required
	if c.optional {
		repetition = format.Optional
	}
	c.held = &f.held
	e.Type, e.Name = thrift.New(c.typ), c.path[len(c.path)-1]
	f.element(e, repetition, len(c.path) == 1)
	f.columns = append(f.columns, c)
	if c.inList {
		f.lists = append(f.lists, c)
	}
	return c
}

var (
	text      = format.SchemaElement{ConvertedType: thrift.New(deprecated.UTF8), LogicalType: format.LogicalType{Value: new(format.StringType)}}
	timestamp = format.SchemaElement{
		ConvertedType: thrift.New(deprecated.TimestampMicros),
		LogicalType:   format.LogicalType{Value: &format.TimestampType{IsAdjustedToUTC: true, Unit: format.TimeUnit{Value: new(format.MicroSeconds)}}},
	}
	uint64s = format.SchemaElement{ConvertedType: thrift.New(deprecated.Uint64), LogicalType: format.LogicalType{Value: &format.IntType{BitWidth: 64}}}
	uint16s = format.SchemaElement{ConvertedType: thrift.New(deprecated.Uint16), LogicalType: format.LogicalType{Value: &format.IntType{BitWidth: 16}}}
	list    = format.SchemaElement{ConvertedType: thrift.New(deprecated.List), LogicalType: format.LogicalType{Value: new(format.ListType)}, NumChildren: thrift.New[int32](1)}
)

func (f *file) texts(name string, optional bool) *texts {
	t := &texts{column: f.textColumn(name, optional), numbers: make(map[string]uint32)}
	f.tables = append(f.tables, t)
	return t
}

func (f *file) addrs(name string, optional bool) *addrs {
	a := &addrs{column: f.textColumn(name, optional)}
	f.tables = append(f.tables, a)
	return a
}

func (f *file) names(c *column, r Resolver) *names {
	n := newNames(c, r, f.limit/2)
	f.tables = append(f.tables, n)
	return n
}

func (f *file) textColumn(name string, optional bool) *column {
	return f.add(&column{path: []string{name}, typ: format.ByteArray, optional: optional, dictionary: true}, text)
}

func (f *file) numbers(name string, typ format.Type, optional bool, e format.SchemaElement) *column {
	return f.add(&column{path: []string{name}, typ: typ, optional: optional}, e)
}

// nameLists adds a list of names, each with its evidence, in the three levels that
// Arrow, Spark and DuckDB write.
func (f *file) nameLists() (name, evidence *column) {
	of := func(leaf string) *column {
		return &column{path: []string{"names", "list", "element", leaf}, typ: format.ByteArray, inList: true, dictionary: true, packed: true}
	}
	lists := list
	lists.Name = "names"
	f.element(lists, format.Required, true)
	f.element(format.SchemaElement{Name: "list", NumChildren: thrift.New[int32](1)}, format.Repeated, false)
	f.element(format.SchemaElement{Name: "element", NumChildren: thrift.New[int32](2)}, format.Required, false)
	return f.add(of("name"), text), f.add(of("evidence"), text)
}

// endRows ends rows, of one batch, and pages that are full of them.
func (f *file) endRows(n int) {
	f.rows += int64(n)
	if f.rows%pageRows == 0 {
		for _, c := range f.columns {
			f.packer.end(c)
		}
	}
}

// endFullGroup writes the row group if it is full. Numbers in dictionaries are of
// no use afterwards.
func (f *file) endFullGroup() {
	items := 0
	if len(f.lists) > 0 {
		items = f.lists[0].pageN
	}
	if f.rows >= groupRows || f.held >= f.limit || items >= groupItems {
		f.endGroup()
	}
}

// endGroup writes the row group.
func (f *file) endGroup() {
	if f.rows == 0 || f.err != nil {
		return
	}
	if len(f.groups) == math.MaxInt16 {
		f.err = errGroups
		return
	}
	group := format.RowGroup{NumRows: f.rows, FileOffset: f.at, Ordinal: int16(len(f.groups))}
	for _, c := range f.columns {
		f.packer.end(c)
		meta := format.ColumnMetaData{
			Type: c.typ, PathInSchema: c.path, Codec: format.Zstd, NumValues: int64(c.pageN), DataPageOffset: f.at,
			Encoding:   []format.Encoding{c.encoding(), format.RLE},
			Statistics: format.Statistics{NullCount: c.allNulls}, // the library writes it in any case, and readers go by it
		}
		start := f.at
		if c.dictionary {
			meta.Encoding = []format.Encoding{format.Plain, format.RLE, format.RLEDictionary}
			meta.DictionaryPageOffset = f.at
			f.write(f.packer.dictionary(c))
			f.write(f.packer.out)
			meta.DataPageOffset = f.at
		}
		f.write(c.pages)
		meta.TotalCompressedSize = f.at - start
		meta.TotalUncompressedSize = c.rawSize
		group.TotalByteSize += c.rawSize
		group.TotalCompressedSize += f.at - start
		group.Columns = append(group.Columns, format.ColumnChunk{MetaData: meta})
		f.held -= len(c.pages)
		c.pages, c.pageN, c.rawSize, c.allNulls = c.pages[:0], 0, 0, 0
	}
	for _, t := range f.tables {
		t.reset()
	}
	f.groups = append(f.groups, group)
	f.total += f.rows
	f.rows = 0
}

// close writes the last row group and the footer.
func (f *file) close() error {
	f.endGroup()
	orders := make([]format.ColumnOrder, len(f.columns))
	for i := range orders {
		orders[i].Value = new(format.TypeDefinedOrder)
	}
	footer, err := thrift.Marshal(new(thrift.CompactProtocol), format.FileMetaData{
		Version: 2, Schema: f.schema, NumRows: f.total, RowGroups: f.groups, CreatedBy: createdBy, ColumnOrders: orders,
	})
	if err != nil {
		return err
	}
	footer = binary.LittleEndian.AppendUint32(footer, uint32(len(footer)))
	f.write(append(footer, magic...))
	return f.err
}

func (f *file) write(p []byte) {
	if f.err != nil {
		return
	}
	var n int
	n, f.err = f.w.Write(p)
	f.at += int64(n)
}
