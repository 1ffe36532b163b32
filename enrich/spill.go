package enrich

import (
	"bufio"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"slices"

	"github.com/endoflow/endoflow/flow"
	"github.com/endoflow/endoflow/internal/dense"
)

// A scratch is a temporary file with runs. Where the system allows it the file
// has no name any more from the beginning, so that a killed process leaves
// nothing.
type scratch struct {
	*os.File
	size    int64
	unnamed bool
}

func newScratch(dir string) (*scratch, error) {
	f, err := os.CreateTemp(dir, "endoflow-contacts-*")
	if err != nil {
		return nil, err
	}
	return &scratch{File: f, unnamed: os.Remove(f.Name()) == nil}, nil
}

func (s *scratch) remove() error {
	err := s.Close()
	if !s.unnamed {
		err = errors.Join(err, os.Remove(s.Name()))
	}
	return err
}

// A run is what was in memory at one time, in a file. It has a section for each
// application and one for allAddrs:
//
//	section   blocks
//	block     length of the contacts (4 bytes), CRC-32C of them (4 bytes), contacts
//	contacts  sorted by address, each:
//	          bytes of the address that are those of the one before, if it is
//	          in the same block (1 byte), the others,
//	          port, protocol and OS (4 bytes),
//	          owner, flows, tx bytes, rx bytes, number of devices,
//	          devices, sorted: the first, then differences
//
// The last five are unsigned varints; fixed numbers are little endian.
// Applications and devices are those of the Contacts that wrote the run.
type run struct {
	file     *scratch
	sections map[uint32]bounds
	size     int64

	numDevices int       // in the file
	devices    []uint32  // what the numbers of devices are now; nil: the same
	systems    []flow.OS // by the numbers of devices in the file; nil until resolved
}

// bounds are where a section lies in the file.
type bounds struct{ start, end int64 }

const (
	blockHeader = 8
	blockSize   = 16 << 10 // from which on a block is ended
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// translate makes applications and devices those of other Contacts.
func (r *run) translate(apps, devices []uint32) {
	sections := make(map[uint32]bounds, len(r.sections))
	for app, s := range r.sections {
		if app != allAddrs {
			app = apps[app]
		}
		sections[app] = s
	}
	r.sections = sections
	if r.devices == nil {
		r.devices = devices
		return
	}
	to := make([]uint32, len(r.devices))
	for i, device := range r.devices {
		to[i] = devices[device]
	}
	r.devices = to
}

// resolve gives contacts that have an owner the system of that device.
func (r *run) resolve(systems []flow.OS) {
	if r.systems != nil {
		return // nothing has an owner any more
	}
	r.systems = systems
	if r.devices != nil {
		r.systems = make([]flow.OS, len(r.devices))
		for i, device := range r.devices {
			r.systems[i] = systems[device]
		}
	}
}

// bytes returns how much is held in memory, with what sorting it takes, and a
// bound of what it would be more after the next batch.
func (m *inMemory) bytes() (now, more int64) {
	sets, moreSets := m.sets.bytes()
	now = m.addrs.Size() + m.flowsTo.Size() + m.contacts.Size() + m.totals.Size() + sets
	more = m.addrs.Growth(dense.Batch) + m.flowsTo.Growth(dense.Batch) + m.contacts.Growth(dense.Batch) + m.totals.Growth(dense.Batch) + moreSets
	now += m.totals.Size() / 2  // 16 bytes beside the 32 of a total: order.contacts and byRank
	now += m.flowsTo.Size() * 4 // 32 bytes beside 8: order.addrs, rank and at
	return now, more
}

// makeRoom spills what is in memory if the next batch could make it outgrow the
// limit.
func (c *Contacts) makeRoom() {
	if c.Memory <= 0 || c.inMemory.empty() {
		return
	}
	if now, more := c.bytes(); now+more > c.Memory && (more > 0 || c.sets.size > c.Memory/4) {
		c.spill()
	}
}

// spill makes a run of what is in memory.
func (c *Contacts) spill() {
	if c.inMemory.empty() || c.err != nil {
		return
	}
	if c.scratch == nil {
		var err error
		if c.scratch, err = newScratch(c.Dir); err != nil {
			c.err = err
			return
		}
		c.files = append(c.files, c.scratch)
	}
	w := runWriter{file: c.scratch, buf: bufio.NewWriterSize(c.scratch, 1<<18), at: c.scratch.size}
	r := run{file: c.scratch, sections: make(map[uint32]bounds), numDevices: c.devices.Len()}
	o := c.inMemory.sorted(c.apps.Len())
	for app := range c.apps.Len() {
		r.write(&w, uint32(app), cursor{contacts: o.contacts[o.start[app]:o.start[app+1]], next: c.nextContact})
	}
	r.write(&w, allAddrs, cursor{addrs: o.addrs, next: c.nextAddr})
	if c.err = cmp.Or(w.err, w.buf.Flush()); c.err != nil {
		return
	}
	r.size = w.at - c.scratch.size
	c.scratch.size = w.at
	c.runs = append(c.runs, r)
	if now, _ := c.bytes(); c.Memory > 0 && now > c.Memory { // what was merged was made with a greater limit
		c.inMemory = inMemory{}
	}
	c.inMemory.reset()
}

// A runWriter writes the sections of a run.
type runWriter struct {
	file  *scratch
	buf   *bufio.Writer
	at    int64
	block []byte // with room for its header
	err   error
}

// write writes what the cursor reads as the section of an application.
func (r *run) write(w *runWriter, app uint32, c cursor) {
	s := bounds{start: w.at}
	w.block = append(w.block[:0], make([]byte, blockHeader)...)
	var last [16]byte
	for {
		if ok, _ := c.next(&c); !ok {
			break
		}
		addr := c.addr.Bytes()
		same := 0
		if len(w.block) == blockHeader {
			last = [16]byte{}
		} else {
			for same < 16 && addr[same] == last[same] {
				same++
			}
		}
		last = addr
		b := append(append(w.block, byte(same)), addr[same:]...)
		b = binary.LittleEndian.AppendUint32(b, uint32(c.detail>>32))
		for _, v := range [...]uint64{uint64(c.detail.owner()), c.flows, c.tx, c.rx, uint64(len(c.devices))} {
			b = binary.AppendUvarint(b, v)
		}
		slices.Sort(c.devices)
		before := uint32(0)
		for _, device := range c.devices {
			b = binary.AppendUvarint(b, uint64(device-before))
			before = device
		}
		if w.block = b; len(b) >= blockSize {
			w.end()
		}
	}
	w.end()
	if s.end = w.at; s.end > s.start {
		r.sections[app] = s
	}
}

// end writes the block.
func (w *runWriter) end() {
	if len(w.block) == blockHeader {
		return
	}
	contacts := w.block[blockHeader:]
	binary.LittleEndian.PutUint32(w.block, uint32(len(contacts)))
	binary.LittleEndian.PutUint32(w.block[4:], crc32.Checksum(contacts, castagnoli))
	if _, err := w.buf.Write(w.block); w.err == nil {
		w.err = err
	}
	w.at += int64(len(w.block))
	w.block = w.block[:blockHeader]
}

// section is the part of a cursor that reads one from a file.
type section struct {
	run     *run
	at, end int64 // in the file, of what is left
	begin   int64 // of the block
	block   []byte
	left    []byte // of it
	last    [16]byte
}

// nextInRun goes to the next contact in a run.
func nextInRun(c *cursor) (bool, error) {
	s := &c.section
	if len(s.left) == 0 {
		if ok, err := s.read(); !ok {
			return false, err
		}
	}
	if !c.decode() {
		return false, s.corrupt()
	}
	return true, nil
}

// read reads the next block, if there is one.
func (s *section) read() (bool, error) {
	if s.at == s.end {
		return false, nil
	}
	s.begin = s.at
	var header [blockHeader]byte
	if _, err := s.run.file.ReadAt(header[:], s.at); err != nil {
		return false, s.failed(err)
	}
	n := int64(binary.LittleEndian.Uint32(header[:]))
	if n == 0 || n > s.end-s.at-blockHeader {
		return false, s.corrupt()
	}
	s.block = slices.Grow(s.block[:0], int(n))[:n]
	if _, err := s.run.file.ReadAt(s.block, s.at+blockHeader); err != nil {
		return false, s.failed(err)
	}
	if crc32.Checksum(s.block, castagnoli) != binary.LittleEndian.Uint32(header[4:]) {
		return false, s.corrupt()
	}
	s.at += blockHeader + n
	s.left = s.block
	s.last = [16]byte{}
	return true, nil
}

// corrupt is the error for a damaged block.
func (s *section) corrupt() error { return s.failed(ErrCorrupt) }

func (s *section) failed(err error) error {
	if errors.Is(err, io.EOF) {
		err = ErrCorrupt // the file has been cut
	}
	return &fileError{s.begin, err}
}

// A fileError is one of a temporary file that is read.
type fileError struct {
	offset int64
	err    error
}

func (e *fileError) Error() string {
	return fmt.Sprintf("enrich: temporary file: byte %d: %v", e.offset, e.err)
}

func (e *fileError) Unwrap() error { return e.err }

// decode reads the contact that comes next in the block.
func (c *cursor) decode() bool {
	s := &c.section
	same := int(s.left[0])
	rest := 16 - same
	if rest < 0 || len(s.left) < 1+rest+4 {
		return false
	}
	copy(s.last[same:], s.left[1:])
	addr := dense.KeyOf(s.last)
	if addr.Compare(c.addr) < 0 {
		return false
	}
	c.addr = addr
	s.left = s.left[1+rest:]
	d := detail(binary.LittleEndian.Uint32(s.left)) << 32
	s.left = s.left[4:]
	var v [5]uint64
	for i := range v {
		if v[i] = s.uvarint(); s.left == nil {
			return false
		}
	}
	owner := v[0]
	c.flows, c.tx, c.rx = v[1], v[2], v[3]
	c.devices = c.devices[:0]
	device := uint64(0)
	known := uint64(s.run.numDevices)
	for range v[4] {
		device += s.uvarint()
		if s.left == nil || device >= known {
			return false
		}
		c.devices = append(c.devices, s.run.device(uint32(device)))
	}
	switch {
	case owner > known:
		return false
	case owner == 0:
	case s.run.systems != nil:
		d = newDetail(d.port(), d.proto(), s.run.systems[owner-1], 0)
	default:
		d += detail(s.run.device(uint32(owner-1)) + 1)
	}
	c.detail = d
	return true
}

// uvarint reads a number, and leaves nil if there is none.
func (s *section) uvarint() uint64 {
	v, n := binary.Uvarint(s.left)
	if n <= 0 {
		s.left = nil
		return 0
	}
	s.left = s.left[n:]
	return v
}

// device returns what the number of a device is now.
func (r *run) device(n uint32) uint32 {
	if r.devices == nil {
		return n
	}
	return r.devices[n]
}

// open returns the section of an application, from its beginning.
func (r *run) open(s bounds) section { return section{run: r, at: s.start, end: s.end} }

// Spilled returns the bytes that went to temporary files, and the number of
// runs.
func (c *Contacts) Spilled() (bytes int64, runs int) {
	for i := range c.runs {
		bytes += c.runs[i].size
	}
	return bytes, len(c.runs)
}

// Close removes the temporary files; c is empty afterwards.
func (c *Contacts) Close() error {
	var err error
	for _, f := range c.files {
		err = errors.Join(err, f.remove())
	}
	*c = Contacts{Memory: c.Memory, Dir: c.Dir}
	return err
}
