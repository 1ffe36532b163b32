package pdns

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math/bits"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
)

// An imageWriter takes an image, section by section.
type imageWriter interface {
	begin(section int, size uint64) // size is what may be expected
	write(p []byte) error
	finish(h *header) error
}

// write writes the image.
func (m *merger) write(w imageWriter) error {
	if err := m.writeNames(w); err != nil {
		return err
	}
	if err := m.writeRecords(w); err != nil {
		return err
	}
	m.header.stats[1].Dropped = m.header.stats[0].Dropped
	return w.finish(&m.header)
}

// writeNames writes the names that are used.
func (m *merger) writeNames(w imageWriter) error {
	for _, word := range m.used {
		m.header.names += uint64(bits.OnesCount64(word))
	}
	size := uint64(0)
	for section, begin := range []func(){
		secEnds: func() { w.begin(secEnds, endsSize(m.header.names)) },
		secText: func() { w.begin(secText, size) },
	} {
		begin()
		names := nameReader{segmentReader: segmentReader{segment: m.names}}
		var buf []byte
		n := 0
		for id := uint32(0); names.next(); id++ {
			if !m.used.has(id) {
				continue
			}
			if section == secEnds {
				if n%endNames == 0 {
					buf = append40(buf, size)
				}
				buf = append(buf, byte(len(names.name)))
				size += uint64(len(names.name))
			} else {
				buf = append(buf, names.name...)
			}
			n++
			if len(buf) >= blockBytes {
				if err := cmp.Or(m.ctx.Err(), w.write(buf)); err != nil {
					return err
				}
				buf = buf[:0]
			}
		}
		if section == secEnds {
			for ; n%endNames > 0; n++ {
				buf = append(buf, 0)
			}
		}
		if err := cmp.Or(names.err, w.write(buf)); err != nil {
			return err
		}
	}
	if size >= 1<<40 {
		return fmt.Errorf("names of more than 1 TiB")
	}
	return nil
}

func append40(dst []byte, v uint64) []byte {
	return append(dst, byte(v), byte(v>>8), byte(v>>16), byte(v>>24), byte(v>>32))
}

// writeRecords writes the records with the numbers of the names that are used, and
// then what leads to them: both are in the order of hashes.
func (m *merger) writeRecords(w imageWriter) error {
	before := make([]uint32, len(m.used)) // how many are used before those of a word
	n := 0
	for i, word := range m.used {
		before[i] = uint32(n)
		n += bits.OnesCount64(word)
	}
	w.begin(secRecords, uint64(m.records.size))
	records := segmentReader{segment: m.records}
	m.records = segment{} // its blocks go as they are read
	places, bloom := placesWriter{segmentWriter: m.segmentWriter()}, bloomWriter{segmentWriter: m.segmentWriter()}
	numPlaces, numLines := numPlaces(m.header.records), bloomSize(m.header.records)/bloomLine
	off := uint64(0)
	for records.more() {
		block := slices.Clone(records.rest)
		if records.file == nil {
			records.blocks[records.next-1].data = nil
		}
		for b := block; len(b) > 0; {
			body, n := bodyOf(b)
			var r record
			if !r.read(body) {
				panic("pdns: not what was just written") // blocks have checksums
			}
			for ids := r.ids; len(ids) > 0; ids = ids[4:] {
				id := binary.LittleEndian.Uint32(ids)
				id = before[id/64] + uint32(bits.OnesCount64(m.used[id/64]&(1<<(id%64)-1)))
				binary.LittleEndian.PutUint32(ids, id)
			}
			hash := hashAddr(r.key)
			places.reach(placeOf(hash, numPlaces), off)
			bloom.reach(placeOf(hash, numLines))
			setBloom(bloom.line[:], hash)
			b = b[n+len(body):]
			off += uint64(n + len(body))
		}
		records.rest = nil
		if err := cmp.Or(m.ctx.Err(), w.write(block)); err != nil {
			return err
		}
	}
	places.reach(numPlaces, off)
	places.buf = append(places.buf, make([]byte, placesExtra)...)
	bloom.reach(numLines)
	if records.err != nil {
		return records.err
	}
	if err := m.copySection(w, secPlaces, &places.segmentWriter); err != nil {
		return err
	}
	return m.copySection(w, secBloom, &bloom.segmentWriter)
}

// copySection writes a section that is ready.
func (m *merger) copySection(w imageWriter, section int, from *segmentWriter) error {
	s, err := from.finish()
	if err != nil {
		return err
	}
	w.begin(section, uint64(s.size))
	r := segmentReader{segment: s}
	for r.more() {
		if err := cmp.Or(m.ctx.Err(), w.write(r.rest)); err != nil {
			return err
		}
		r.rest = nil
	}
	return r.err
}

// A placesWriter writes where records begin, by place.
type placesWriter struct {
	segmentWriter
	next uint64 // place
}

// reach says that the records of the places up to one begin at off, unless they
// are behind already.
func (w *placesWriter) reach(place, off uint64) {
	for ; w.next <= place; w.next++ {
		w.buf = append40(w.buf, off)
		w.end()
	}
}

// A bloomWriter writes blocks of the Bloom filter.
type bloomWriter struct {
	segmentWriter
	line [bloomLine]byte
	at   uint64 // the number of line
}

// reach makes line that with a number, and writes those before.
func (w *bloomWriter) reach(line uint64) {
	for ; w.at < line; w.at++ {
		w.buf = append(w.buf, w.line[:]...)
		w.line = [bloomLine]byte{}
		w.end()
	}
}

// A layout is where the sections of an image are.
type layout struct {
	header  header
	section int
	end     uint64
}

// begin begins a section, after gap bytes of nothing.
func (l *layout) begin(section int) (gap uint64) {
	end := max(l.end, headerBytes)
	l.section = section
	l.header.sections[section].off = aligned(end)
	gap = aligned(end) - l.end
	l.end = aligned(end)
	return gap
}

func (l *layout) wrote(n int) {
	l.end += uint64(n)
	l.header.sections[l.section].size += uint64(n)
}

// A memoryImage is an imageWriter that keeps the image.
type memoryImage struct {
	layout
	sections [numSections][]byte
	text     strings.Builder
}

func (w *memoryImage) begin(section int, size uint64) {
	w.layout.begin(section)
	if section == secText {
		w.text.Grow(int(size))
	} else {
		w.sections[section] = make([]byte, 0, size)
	}
}

func (w *memoryImage) write(p []byte) error {
	w.wrote(len(p))
	if w.section == secText {
		w.text.Write(p)
	} else {
		w.sections[w.section] = append(w.sections[w.section], p...)
	}
	return nil
}

func (w *memoryImage) finish(h *header) error {
	h.sections = w.header.sections
	w.header = *h
	return nil
}

// index returns the Index of the image.
func (w *memoryImage) index() *Index {
	return &Index{
		header: &w.layout.header,
		ends:   w.sections[secEnds], text: w.text.String(),
		records: w.sections[secRecords], places: w.sections[secPlaces], bloom: w.sections[secBloom],
	}
}

// A fileImage is an imageWriter to a file.
type fileImage struct {
	layout
	f     *os.File
	buf   []byte // of the block that is being written
	first []byte // the first block, whose header comes last
	sums  []byte
	err   error
}

func newFileImage(f *os.File) *fileImage {
	return &fileImage{f: f, buf: make([]byte, 0, blockBytes)}
}

func (w *fileImage) begin(section int, _ uint64) {
	w.put(make([]byte, w.layout.begin(section)))
}

func (w *fileImage) write(p []byte) error {
	w.wrote(len(p))
	w.put(p)
	return w.err
}

func (w *fileImage) put(p []byte) {
	for len(p) > 0 {
		n := min(len(p), blockBytes-len(w.buf))
		w.buf, p = append(w.buf, p[:n]...), p[n:]
		if len(w.buf) == blockBytes {
			w.flush()
		}
	}
}

func (w *fileImage) flush() {
	if w.first == nil {
		w.first = slices.Clone(w.buf)
	}
	w.sums = binary.LittleEndian.AppendUint32(w.sums, crc32.Checksum(w.buf, castagnoli))
	if w.err == nil {
		_, w.err = w.f.Write(w.buf)
	}
	w.buf = w.buf[:0]
}

func (w *fileImage) finish(h *header) error {
	w.begin(secChecksums, 0)
	if len(w.buf) > 0 {
		w.flush()
	}
	w.wrote(len(w.sums) + 4)
	h.sections = w.header.sections
	copy(w.first, h.bytes())
	binary.LittleEndian.PutUint32(w.sums, crc32.Checksum(w.first, castagnoli))
	w.sums = binary.LittleEndian.AppendUint32(w.sums, crc32.Checksum(w.sums, castagnoli))
	if w.err == nil {
		_, w.err = w.f.Write(w.sums)
	}
	if w.err == nil {
		_, w.err = w.f.WriteAt(w.first, 0)
	}
	return w.err
}

// createBeside creates a file beside another, whose place it is to take.
func createBeside(name string) (*os.File, error) {
	for {
		f, err := os.OpenFile(fmt.Sprintf("%s.%016x.tmp", name, rand.Uint64()), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
		if !os.IsExist(err) {
			return f, err
		}
	}
}
