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
// the Bloom filter: all are in the order of hashes.
func (m *merger) writeRecords(w imageWriter) error {
	before := make([]uint32, len(m.used)) // how many are used before those of a word
	n := 0
	for i, word := range m.used {
		before[i] = uint32(n)
		n += bits.OnesCount64(word)
	}
	h := &m.header
	h.homes = m.inLines/lineFill + 1
	w.begin(secLines, (h.homes+64)*lineBytes)
	records := segmentReader{segment: m.records}
	m.records = segment{} // its blocks go as they are read
	lines, more, bloom := linesWriter{w: w, used: 1}, m.segmentWriter(), bloomWriter{segmentWriter: m.segmentWriter()}
	numBlooms := bloomSize(h.records) / bloomLine
	moreOff := uint64(0)
	var room []byte
	for records.more() {
		for b := records.rest; len(b) > 0; {
			body, n := sized(b)
			b = b[n+len(body):]
			room = append(room[:0], body...)
			at := restOf(room)
			var r record
			if !r.readRest(room[0], room[at:]) {
				panic("pdns: not what was just written") // blocks have checksums
			}
			for ids := r.ids; len(ids) > 0; ids = ids[4:] {
				id := binary.LittleEndian.Uint32(ids)
				id = before[id/64] + uint32(bits.OnesCount64(m.used[id/64]&(1<<(id%64)-1)))
				binary.LittleEndian.PutUint32(ids, id)
			}
			if 1+len(room) > maxInLine {
				size := len(more.buf)
				more.buf = binary.AppendUvarint(more.buf, uint64(len(room)-at))
				more.buf = append(more.buf, room[at:]...)
				size = len(more.buf) - size
				more.end()
				room[0] |= headLong
				room = append40(room[:at], moreOff)
				moreOff += uint64(size)
			}
			hash := hashAddr(keyOf(room[1:at]))
			home := placeOf(hash, h.homes)
			if err := lines.add(home, room); err != nil {
				return err
			}
			h.longest = max(h.longest, uint32(lines.at-home))
			bloom.reach(placeOf(hash, numBlooms))
			setBloom(bloom.line[:], hash)
		}
		if records.file == nil {
			records.blocks[records.next-1].data = nil
		}
		records.rest = nil
		if m.ctx.Err() != nil {
			return m.ctx.Err()
		}
	}
	if err := cmp.Or(records.err, lines.finish(h.homes)); err != nil {
		return err
	}
	if err := m.copySection(w, secMore, &more); err != nil {
		return err
	}
	bloom.reach(numBlooms)
	return m.copySection(w, secBloom, &bloom.segmentWriter)
}

// A linesWriter writes lines.
type linesWriter struct {
	w    imageWriter
	line [lineBytes]byte
	used int    // bytes of line
	at   uint64 // the number of line
	buf  []byte // lines before it
}

// add adds the body of a record whose own line is that of a number, or one before
// the present one.
func (l *linesWriter) add(home uint64, body []byte) error {
	for l.at < home {
		if err := l.next(); err != nil {
			return err
		}
	}
	if l.used+1+len(body) > lineBytes {
		l.line[0] = 1
		if err := l.next(); err != nil {
			return err
		}
	}
	l.line[l.used] = byte(len(body))
	copy(l.line[l.used+1:], body)
	l.used += 1 + len(body)
	return nil
}

// next begins another line.
func (l *linesWriter) next() error {
	l.buf = append(l.buf, l.line[:]...)
	l.line, l.used = [lineBytes]byte{}, 1
	l.at++
	if len(l.buf) < blockBytes {
		return nil
	}
	err := l.w.write(l.buf)
	l.buf = l.buf[:0]
	return err
}

// finish ends the lines, of which there are homes at least.
func (l *linesWriter) finish(homes uint64) error {
	for l.used > 1 || l.at < homes {
		if err := l.next(); err != nil {
			return err
		}
	}
	return l.w.write(l.buf)
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
		lines: w.sections[secLines], more: w.sections[secMore], bloom: w.sections[secBloom],
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
