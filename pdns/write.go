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
	if err := m.writeSlots(w); err != nil {
		return err
	}
	m.header.stats[1].Dropped = m.header.stats[0].Dropped
	return w.finish(&m.header)
}

// writeNames writes the names that are used.
func (m *merger) writeNames(w imageWriter) error {
	numUsed := uint64(0)
	for _, word := range m.used {
		numUsed += uint64(bits.OnesCount64(word))
	}
	m.header.names = numUsed
	size := uint64(0)
	for section, begin := range []func(){
		secEnds: func() { w.begin(secEnds, numUsed*endBytes+endsExtra) },
		secText: func() { w.begin(secText, size) },
	} {
		begin()
		names := nameReader{segmentReader: segmentReader{segment: m.names}}
		var buf []byte
		for id := uint32(0); names.next(); id++ {
			if !m.used.has(id) {
				continue
			}
			if section == secEnds {
				buf = append40(buf, size)
				size += uint64(len(names.name))
			} else {
				buf = append(buf, names.name...)
			}
			if len(buf) >= blockBytes {
				if err := cmp.Or(m.ctx.Err(), w.write(buf)); err != nil {
					return err
				}
				buf = buf[:0]
			}
		}
		if section == secEnds {
			buf = append(append40(buf, size), 0, 0, 0)
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

// writeRecords writes the records with the numbers of the names that are used.
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
	for records.more() {
		block := slices.Clone(records.rest)
		if records.file == nil {
			records.blocks[records.next-1].data = nil
		}
		for b := block; len(b) > 0; {
			b = b[16:]
			num := uint64(0)
			var counts [4]uint64
			for i := range counts {
				v, n := uvarint(b)
				counts[i], b = v, b[n:]
				if i < 3 {
					num += v
				}
			}
			for range num {
				id := binary.LittleEndian.Uint32(b)
				id = before[id/64] + uint32(bits.OnesCount64(m.used[id/64]&(1<<(id%64)-1)))
				binary.LittleEndian.PutUint32(b, id)
				b = b[4:]
			}
			b = b[counts[1]+counts[3]:]
		}
		records.rest = nil
		if err := cmp.Or(m.ctx.Err(), w.write(block)); err != nil {
			return err
		}
	}
	return records.err
}

// writeSlots writes the slots and the Bloom filter. Where not all slots may be in
// memory, they are made in several passes, each of a part of the hashes.
func (m *merger) writeSlots(w imageWriter) error {
	records := m.header.records
	parts := uint64(1)
	if m.file != nil {
		parts += 32 * records / uint64(m.memory)
	}
	home := numSlots(records)
	bloom := make([]byte, bloomSize(records))
	w.begin(secSlots, (home+64)*slotBytes)
	next := uint64(0)
	var order []prefixed // by hash
	var offs []uint64
	var buf []byte
	for part := range parts {
		order, offs = order[:0], offs[:0]
		r := segmentReader{segment: m.slots}
		for r.more() {
			for ; len(r.rest) > 0; r.rest = r.rest[16:] {
				hash := binary.LittleEndian.Uint64(r.rest)
				if placeOf(hash, parts) != part {
					continue
				}
				order = append(order, prefixed{hash, uint32(len(offs))})
				offs = append(offs, binary.LittleEndian.Uint64(r.rest[8:]))
				setBloom(bloom, hash)
			}
		}
		if r.err != nil {
			return r.err
		}
		sortPrefixed(order)
		for _, s := range order {
			own := placeOf(s.prefix, home)
			for ; next < own; next++ {
				buf = binary.LittleEndian.AppendUint64(buf, 0)
			}
			buf = binary.LittleEndian.AppendUint64(buf, s.prefix<<(64-tagBits)|(offs[s.n]+1))
			m.header.longest = max(m.header.longest, uint32(next-own))
			next++
			if len(buf) >= blockBytes {
				if err := cmp.Or(m.ctx.Err(), w.write(buf)); err != nil {
					return err
				}
				buf = buf[:0]
			}
		}
	}
	for ; next < home; next++ {
		buf = binary.LittleEndian.AppendUint64(buf, 0)
	}
	if err := w.write(buf); err != nil {
		return err
	}
	w.begin(secBloom, uint64(len(bloom)))
	return w.write(bloom)
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
		records: w.sections[secRecords], slots: w.sections[secSlots], bloom: w.sections[secBloom],
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
