package enrichparquet

import (
	"errors"
	"io"
	"net/netip"
	"slices"
	"time"

	"github.com/parquet-go/parquet-go/format"

	"github.com/endoflow/endoflow/flow"
	"github.com/endoflow/endoflow/internal/dense"
)

// A Resolver names addresses by numbers, so that no text is touched for a name
// that comes again. pdns.Index is one.
type Resolver interface {
	// AppendNameIDs appends the numbers of the names of an address, the most
	// likely first, each once.
	AppendNameIDs(ids []uint32, addr netip.Addr) []uint32

	// NameOf returns the name of a number. Of two numbers, the lower is that of
	// the name whose bytes come first.
	NameOf(id uint32) string

	// NumNames returns how many numbers there are, from 0.
	NumNames() int
}

// A Row is a flow to be written.
type Row struct {
	Record flow.Record

	// Remote is the remote end, such as classify.Label.Remote gives. The name
	// that the sensor saw is a name of Dst and counts where that is the remote
	// end.
	Remote netip.AddrPort

	Direction, Basis string // such as those of classify.Label
}

// A Writer writes flows with the names of their remote end as Parquet files. Set
// its fields before the first [Writer.Write]. It is for one goroutine.
//
// It holds a row group of each file, compressed, the page under way, and tables
// of the texts and addresses of the row group; 4 bytes for each number of the
// Resolver; and, where it writes Names, 16 to 40 bytes for each remote address
// that it has seen. What it writes does not depend on time or chance.
type Writer struct {
	// Flows gets the file of flows.
	Flows io.Writer

	// Names gets the file of names, each remote address once. nil: each flow has
	// the list of its names instead, which says the same and takes longer.
	Names io.Writer

	// Resolver names remote addresses; nil leaves the names that sensors saw.
	Resolver Resolver

	// Evidence is the word for what speaks for the Resolver's names, such as
	// pdns.Mode.String gives; "" is "resolved". That for a sensor's name is
	// "sensor".
	Evidence string

	// Device returns what is written of a device, such as
	// flow.Pseudonymizer.Device; nil: Record.Device. It is called once for each
	// device of a row group.
	Device func(string) string

	// RowGroup is the size, compressed, at which a row group is written, in
	// bytes: 0 means 256 MiB. One ends after a multiple of 256 rows, 2,097,152 at
	// the latest, or when it has 67 million names in lists.
	RowGroup int

	flows *flowFile
	names *nameFile
}

const defaultRowGroup = 256 << 20

func (w *Writer) start() error {
	if w.Flows == nil {
		return errors.New("enrichparquet: Writer.Flows is not set")
	}
	limit := w.RowGroup
	if limit <= 0 {
		limit = defaultRowGroup
	}
	evidence := w.Evidence
	if evidence == "" {
		evidence = "resolved"
	}
	var err error
	if w.Names != nil {
		if w.names, err = newNameFile(w.Names, limit, w.Resolver, evidence); err != nil {
			return err
		}
	}
	if w.flows, err = newFlowFile(w.Flows, limit); err != nil {
		return err
	}
	w.flows.device.written = w.Device
	if w.Names == nil {
		w.flows.addLists(w.Resolver, evidence)
	}
	return nil
}

// batch is how many rows are written at a time, column after column: a column's
// code and tables stay in the cache meanwhile, and where addresses have to be looked
// up the waits for memory of many overlap. What is written does not depend on how
// many rows come in one call.
const batch = dense.Batch

// Write adds flows. Many at a time cost less than one by one. An error is that of
// writing to Flows or Names, or that there are more row groups than a file can have;
// after one, the files are of no use and every further call returns it.
func (w *Writer) Write(rows ...Row) error {
	if w.flows == nil {
		if err := w.start(); err != nil {
			return err
		}
	}
	for len(rows) > 0 && w.err() == nil {
		n := min(len(rows), batch-int(w.flows.rows%batch))
		w.flows.add(rows[:n], w.names)
		w.flows.endRows(n)
		if w.flows.rows%batch == 0 {
			w.flows.endFullGroup()
		}
		rows = rows[n:]
	}
	return w.err()
}

// Close writes what is left and the footers. It does not close Flows and Names,
// and without a call of [Writer.Write] writes files without rows.
func (w *Writer) Close() error {
	if w.flows == nil {
		if err := w.start(); err != nil {
			return err
		}
	}
	err := w.flows.close()
	if w.names != nil {
		err = errors.Join(err, w.names.close())
	}
	return err
}

func (w *Writer) err() error {
	if w.flows.err != nil || w.names == nil {
		return w.flows.err
	}
	return w.names.err
}

// A flowFile is the file of flows.
type flowFile struct {
	*file
	start, end                     *column
	device, os, app, parent, proto *texts
	src, dst, remote               *addrs
	srcPort, dstPort               *column
	direction, basis, sensor, null *texts
	tx, rx                         *column

	remoteOf []uint32 // by the number of dst: that of remote plus one, or 0
	lists    *lists   // nil: there is a file of names
}

func newFlowFile(w io.Writer, limit int) (*flowFile, error) {
	f, err := newFile(w, limit)
	if err != nil {
		return nil, err
	}
	t := &flowFile{
		file: f,

		start:     f.numbers("start", format.Int64, true, timestamp),
		end:       f.numbers("end", format.Int64, true, timestamp),
		device:    f.texts("device", true),
		os:        f.texts("os", false),
		app:       f.texts("app", true),
		parent:    f.texts("parent", true),
		proto:     f.texts("proto", false),
		src:       f.addrs("src", true),
		srcPort:   f.numbers("src_port", format.Int32, true, uint16s),
		dst:       f.addrs("dst", true),
		dstPort:   f.numbers("dst_port", format.Int32, true, uint16s),
		direction: f.texts("direction", false),
		basis:     f.texts("basis", false),
		remote:    f.addrs("remote", true),
		sensor:    f.texts("sensor_name", true),
		tx:        f.numbers("tx_bytes", format.Int64, false, uint64s),
		rx:        f.numbers("rx_bytes", format.Int64, false, uint64s),
		null:      f.texts("null", true),
	}
	f.tables = append(f.tables, t)
	return t, nil
}

func (t *flowFile) reset() { t.remoteOf = t.remoteOf[:0] }

// add adds at most a batch of flows, and the names of their remote ends to names
// where these are new in the row group.
func (t *flowFile) add(rows []Row, names *nameFile) {
	for i := range rows {
		addTime(t.start, rows[i].Record.Start)
	}
	for i := range rows {
		addTime(t.end, rows[i].Record.End)
	}
	for i := range rows {
		t.device.add(rows[i].Record.Device)
	}
	for i := range rows {
		t.os.add(rows[i].Record.OS.String())
	}
	for i := range rows {
		t.app.add(rows[i].Record.App.Name)
	}
	for i := range rows {
		t.parent.add(rows[i].Record.App.Parent)
	}
	for i := range rows {
		t.proto.add(rows[i].Record.Proto.String())
	}
	var addrs [batch]netip.Addr
	var numbers [batch]uint32 // in dictionaries: of src, of dst, then of remote
	for i := range rows {
		addrs[i] = rows[i].Record.Src.Addr()
		addPort(t.srcPort, rows[i].Record.Src)
	}
	t.src.add(&numbers, addrs[:len(rows)])
	for i := range rows {
		addrs[i] = rows[i].Record.Dst.Addr()
		addPort(t.dstPort, rows[i].Record.Dst)
	}
	t.dst.add(&numbers, addrs[:len(rows)])
	for i := range rows {
		t.direction.add(rows[i].Direction)
	}
	for i := range rows {
		t.basis.add(rows[i].Basis)
	}
	t.addRemotes(rows, &numbers, names)
	var sensors [batch]uint32
	for i := range rows {
		t.sensor.add(rows[i].sensor())
		sensors[i] = t.sensor.lastID
	}
	for i := range rows {
		t.tx.int64(rows[i].Record.TxBytes)
	}
	for i := range rows {
		t.rx.int64(rows[i].Record.RxBytes)
	}
	for i := range rows {
		t.null.add(rows[i].Record.Null.String())
	}
	if t.lists != nil {
		t.lists.add(rows, &numbers, &sensors, &t.packer)
	}
}

// addRemotes replaces the numbers of Dst by those of the remote end, and adds
// these. The remote end is Dst more often than not, whose number then tells it:
// another look-up in a large table would take longer than all columns of numbers.
func (t *flowFile) addRemotes(rows []Row, numbers *[batch]uint32, names *nameFile) {
	for len(t.remoteOf) < t.dst.dictSize {
		t.remoteOf = append(t.remoteOf, 0)
	}
	for i := range rows {
		addr, dst := rows[i].Remote.Addr(), numbers[i]
		isDst := dst != absentAddr && addr == rows[i].Record.Dst.Addr()
		if isDst && t.remoteOf[dst] > 0 {
			numbers[i] = t.remoteOf[dst] - 1
		} else {
			before := t.remote.dictSize
			numbers[i] = t.remote.number(addr)
			if isDst {
				t.remoteOf[dst] = numbers[i] + 1
			}
			if names != nil && t.remote.dictSize > before {
				names.add(addr)
			}
		}
		t.remote.addNumber(numbers[i])
	}
}

// sensor returns the name of the remote end that the sensor saw.
func (r *Row) sensor() string {
	if r.Remote != r.Record.Dst {
		return ""
	}
	return r.Record.DstName
}

func addTime(c *column, t time.Time) {
	if t.IsZero() {
		c.absent()
		return
	}
	c.int64(uint64(t.UnixMicro()))
}

func addPort(c *column, end netip.AddrPort) {
	if !end.Addr().IsValid() {
		c.absent()
		return
	}
	c.int32(uint32(end.Port()))
}

// lists is the column of lists of names. The list of an address is found once in
// a row group, and copied wherever it comes again.
type lists struct {
	names    *names
	evidence *column
	word     string // for what speaks for the Resolver's names

	// The numbers in the dictionary of names, list after list; where the list of
	// a remote address stands, by its number in the dictionary of remote; and the
	// number of a sensor's name, by that in the dictionary of sensor_name.
	numbers []uint32
	places  []place
	sensors []uint32
}

type place struct{ start, end int }

// Numbers in the dictionary of evidence.
const (
	sensorEvidence   = 0
	resolverEvidence = 1
)

func (t *flowFile) addLists(r Resolver, evidence string) {
	name, of := t.nameLists()
	t.lists = &lists{names: t.file.names(name, r), evidence: of, word: evidence}
	t.tables = append(t.tables, t.lists)
	t.lists.reset()
}

// add adds the lists of flows, whose remote ends and sensor's names have numbers.
func (l *lists) add(rows []Row, remotes, sensors *[batch]uint32, p *packer) {
	var places [batch]place
	for i := range rows {
		places[i] = l.place(rows[i].Remote.Addr(), remotes[i])
		if sensor := rows[i].sensor(); sensor != "" && int(sensors[i]) == len(l.sensors) {
			l.sensors = append(l.sensors, l.names.number(sensor))
		}
	}
	for i := range rows {
		list := l.numbers[places[i].start:places[i].end]
		before := len(l.names.ids)
		sensor := rows[i].sensor()
		if sensor == "" {
			l.names.ids = append(l.names.ids, list...)
		} else {
			number := l.sensors[sensors[i]]
			l.names.ids = append(l.names.ids, number)
			l.evidence.same.add(sensorEvidence, 1)
			if i := slices.Index(list, number); i >= 0 {
				l.names.ids = append(l.names.ids, list[:i]...)
				list = list[i+1:]
			}
			l.names.ids = append(l.names.ids, list...)
		}
		n := len(l.names.ids) - before
		if sensor != "" {
			l.evidence.same.add(resolverEvidence, n-1)
		} else {
			l.evidence.same.add(resolverEvidence, n)
		}
		l.names.list(n)
		l.evidence.list(n)
		if l.names.n >= pageItems {
			p.end(l.names.column)
			p.end(l.evidence)
		}
	}
}

// place returns where the list of a remote address stands.
func (l *lists) place(addr netip.Addr, remote uint32) place {
	if remote == absentAddr {
		return place{}
	}
	if int(remote) == len(l.places) {
		start := len(l.numbers)
		l.numbers = l.names.appendNumbers(l.numbers, addr)
		l.places = append(l.places, place{start, len(l.numbers)})
		*l.names.held += 4 * (len(l.numbers) - start)
	}
	return l.places[remote]
}

func (l *lists) reset() {
	*l.names.held -= 4 * len(l.numbers)
	l.numbers, l.places, l.sensors = l.numbers[:0], l.places[:0], l.sensors[:0]
	l.evidence.reset()
	l.evidence.entry("sensor")
	l.evidence.entry(l.word)
}

// A nameFile is the file of names.
type nameFile struct {
	*file
	address  *addrs
	name     *names
	evidence *texts
	rank     *column

	word    string
	seen    dense.Table
	numbers []uint32
}

func newNameFile(w io.Writer, limit int, r Resolver, evidence string) (*nameFile, error) {
	f, err := newFile(w, limit)
	if err != nil {
		return nil, err
	}
	t := &nameFile{file: f, word: evidence}
	t.address = f.addrs("address", false)
	t.name = f.names(f.textColumn("name", false), r)
	t.evidence = f.texts("evidence", false)
	t.rank = f.numbers("rank", format.Int32, false, format.SchemaElement{})
	return t, nil
}

// add adds the names of an address that has not been added.
func (t *nameFile) add(addr netip.Addr) {
	if !addr.IsValid() {
		return
	}
	if _, isNew := t.seen.Add(dense.AddrKey(addr)); !isNew {
		return
	}
	t.numbers = t.name.appendNumbers(t.numbers[:0], addr)
	if len(t.numbers) == 0 {
		return
	}
	address := t.address.number(addr)
	for i, number := range t.numbers {
		t.address.addNumber(address)
		t.name.present()
		t.name.ids = append(t.name.ids, number)
		t.evidence.add(t.word)
		t.rank.int32(uint32(i + 1))
		t.endRows(1)
	}
	t.endFullGroup()
}
