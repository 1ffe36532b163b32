package pdns

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math/bits"

	"github.com/endoflow/endoflow/internal/dense"
)

// An Index is a view of one image, which is in memory or a file mapped into it.
//
// FORMAT, version 3. Numbers are little-endian and unsigned but where it says
// otherwise. Sections begin at multiples of 64 bytes; what is between is 0.
//
//	+--------------------------------------------------------------+
//	| header     192 bytes                                         |
//	|   0  magic      "endopdns"                                   |
//	|   8  version    4 bytes: 3                                   |
//	|  12  longest    4 bytes: most lines between an address's own |
//	|                 and the one where it is                      |
//	|  16  names      8 bytes: how many names                      |
//	|  24  records    8 bytes: how many addresses                  |
//	|  32  addresses, pairs in mode Query, 8 bytes each            |
//	|  48  addresses, pairs in mode Owner, 8 bytes each            |
//	|  64  dropped    8 bytes                                      |
//	|  72  sections   6 times offset and size, 8 bytes each:       |
//	|                 ends, text, lines, more, bloom, checksums    |
//	| 168  homes      8 bytes: how many lines are addresses' own   |
//	| 176  zeros      12 bytes                                     |
//	| 188  checksum   4 bytes: CRC-32C of the bytes before         |
//	+--------------------------------------------------------------+
//	| ends       16 bytes for each 11 names: 5 for where in text   |
//	|            the first begins, and the length of each; 0 for   |
//	|            those that the last 11 lack                       |
//	+--------------------------------------------------------------+
//	| text       the names, in the order of their bytes, without   |
//	|            anything between                                  |
//	+--------------------------------------------------------------+
//	| lines      64 bytes each: 1 where it goes on in the next     |
//	|            one, else 0; records; zeros. An address's own     |
//	|            line is given by its hash. Its record is there,   |
//	|            or in the first line after it that has room when  |
//	|            all come in the order of hashes, and of netip.Addr|
//	|            where these are the same                          |
//	|   size     1 byte: bytes of what follows, at most 30         |
//	|   head     1 byte: 1 for an address of 16 bytes, 2 for mixed |
//	|            evidence, 4 for spans, 8 for more, added          |
//	|   addr     4 or 16 bytes, big-endian                         |
//	|   rest     what is said of it; if that is too long, 5 bytes: |
//	|            where in more it is                               |
//	+--------------------------------------------------------------+
//	| more       in the order of lines, of those that are too long:|
//	|   size     uvarint: bytes of the rest                        |
//	|   rest                                                       |
//	|     n        uvarint: names, all of which were Asked; or, of |
//	|              mixed evidence, 3: in each group (see Index)    |
//	|     ids      4 bytes a name: its number; ascending in a group|
//	|     evidence 1 byte a name of the second group, if mixed     |
//	|     spans    as appendSpans writes them, if any              |
//	+--------------------------------------------------------------+
//	| bloom      blocks of 64 bytes, in each of which 7 bits are   |
//	|            set for an address                                |
//	+--------------------------------------------------------------+
//	| checksums  4 bytes for each 64 KiB of the file before it:    |
//	|            their CRC-32C; then that of the checksums         |
//	+--------------------------------------------------------------+
//
// Compatibility: the magic and the version stay where they are. A file of
// another version is refused, with an error that says so; it can be made again
// from the records.
const (
	magic       = "endopdns"
	version     = 3
	headerBytes = 192

	endNames  = 11 // in one of ends
	endBytes  = 5 + endNames
	lineBytes = 64
	maxInLine = 31 // bytes of a record, with its size
	lineFill  = 42 // bytes of records in a line, on average
	bloomLine = 64 // bytes
	bloomBits = 7  // set for an address

	maxMore = 1<<40 - 1 // bytes
)

// The sections by number.
const (
	secEnds = iota
	secText
	secLines
	secMore
	secBloom
	secChecksums
	numSections
)

var sectionNames = [numSections]string{"ends", "text", "lines", "more", "bloom", "checksums"}

// A header is that of an image.
type header struct {
	longest        uint32
	names, records uint64
	homes          uint64        // lines
	stats          [2]IndexStats // by mode; Dropped is of both
	sections       [numSections]struct{ off, size uint64 }
}

func (h *header) bytes() []byte {
	b := make([]byte, headerBytes)
	copy(b, magic)
	le := binary.LittleEndian
	le.PutUint32(b[8:], version)
	le.PutUint32(b[12:], h.longest)
	le.PutUint64(b[16:], h.names)
	le.PutUint64(b[24:], h.records)
	for m, s := range h.stats {
		le.PutUint64(b[32+16*m:], uint64(s.Addresses))
		le.PutUint64(b[40+16*m:], uint64(s.Pairs))
	}
	le.PutUint64(b[64:], uint64(h.stats[0].Dropped))
	for i, s := range h.sections {
		le.PutUint64(b[72+16*i:], s.off)
		le.PutUint64(b[80+16*i:], s.size)
	}
	le.PutUint64(b[168:], h.homes)
	le.PutUint32(b[headerBytes-4:], crc32.Checksum(b[:headerBytes-4], castagnoli))
	return b
}

// A FormatError says where in a file of an [Index] it is not what was written.
// It is [ErrCorrupt], or says that the file is no such file.
type FormatError struct {
	Name   string // the file's, as given; "" of an Index in memory
	Offset int64  // in bytes
	Err    error  // the cause; Unwrap returns it
}

func (e *FormatError) Error() string {
	return fmt.Sprintf("%s: offset %d: %v", e.Name, e.Offset, e.Err)
}

// Unwrap returns the cause.
func (e *FormatError) Unwrap() error { return e.Err }

func corrupt(off uint64, what string) *FormatError {
	return &FormatError{Offset: int64(off), Err: fmt.Errorf("%w: %s", ErrCorrupt, what)}
}

var errNotIndex = errors.New("not a file of an index of names")

// parseHeader reads and checks the header of a file of a size.
func parseHeader(b []byte, size uint64) (h header, err *FormatError) {
	le := binary.LittleEndian
	switch {
	case len(b) < len(magic) || string(b[:len(magic)]) != magic:
		return h, &FormatError{Err: errNotIndex}
	case len(b) < headerBytes:
		return h, corrupt(uint64(len(b)), "the header ends early")
	case le.Uint32(b[8:]) != version:
		return h, &FormatError{Offset: 8, Err: fmt.Errorf("version %d is not known", le.Uint32(b[8:]))}
	case le.Uint32(b[headerBytes-4:]) != crc32.Checksum(b[:headerBytes-4], castagnoli):
		return h, corrupt(headerBytes-4, "wrong checksum of the header")
	}
	h.longest, h.names, h.records, h.homes = le.Uint32(b[12:]), le.Uint64(b[16:]), le.Uint64(b[24:]), le.Uint64(b[168:])
	for m := range h.stats {
		h.stats[m] = IndexStats{Addresses: int(le.Uint64(b[32+16*m:])), Pairs: int(le.Uint64(b[40+16*m:])), Dropped: int(le.Uint64(b[64:]))}
	}
	end := uint64(headerBytes)
	for i := range h.sections {
		s := &h.sections[i]
		s.off, s.size = le.Uint64(b[72+16*i:]), le.Uint64(b[80+16*i:])
		if s.off != aligned(end) || s.size > size || s.off > size-s.size {
			return h, corrupt(uint64(72+16*i), "the "+sectionNames[i]+" are not in the file")
		}
		end = s.off + s.size
	}
	sec := &h.sections
	blocks := (sec[secChecksums].off + blockBytes - 1) / blockBytes
	switch {
	case end != size:
		return h, corrupt(min(end, size), "the file is of another size")
	case h.names > 1<<32 || sec[secEnds].size != endsSize(h.names):
		return h, corrupt(16, "the names do not fit their section")
	case h.records > sec[secLines].size || sec[secMore].size > maxMore:
		return h, corrupt(24, "the addresses do not fit their sections")
	case sec[secLines].size%lineBytes != 0 || h.homes == 0 || h.homes > sec[secLines].size/lineBytes:
		return h, corrupt(168, "the lines do not fit their section")
	case sec[secBloom].size%bloomLine != 0 || sec[secBloom].size > 1<<38 || h.records > 0 && sec[secBloom].size == 0:
		return h, corrupt(72+16*secBloom, "the bloom filter is not one")
	case sec[secChecksums].size != 4*blocks+4:
		return h, corrupt(72+16*secChecksums, "the checksums are not as many as the blocks")
	}
	return h, nil
}

// aligned returns the first place for a section from an offset on.
func aligned(off uint64) uint64 { return (off + 63) &^ 63 }

// hashAddr returns the hash of an address, by which its line and its bits in the
// Bloom filter are found.
func hashAddr(k dense.Key) uint64 {
	x := mix(k.Hi^0x9e3779b97f4a7c15, k.Lo^0xbf58476d1ce4e5b9)
	y := mix(k.Lo^0x94d049bb133111eb, x^0xd6e8feb86659fd93)
	return x + y
}

// placeOf returns which of n places is that of a hash. It grows with the hash.
func placeOf(hash, n uint64) uint64 {
	hi, _ := bits.Mul64(hash, n)
	return hi
}

// bloomOf returns the bits of a hash in its block, 9 bits each.
func bloomOf(hash uint64) uint64 { return hash * 0x9e3779b97f4a7c15 >> 1 }

// setBloom sets the bits of a hash.
func setBloom(bloom []byte, hash uint64) {
	line := bloom[placeOf(hash, uint64(len(bloom)/bloomLine))*bloomLine:][:bloomLine]
	for i, at := 0, bloomOf(hash); i < bloomBits; i, at = i+1, at>>9 {
		line[at>>3&63] |= 1 << (at & 7)
	}
}

// bloomSize returns the size for a number of addresses: 12 bits each.
func bloomSize(addrs uint64) uint64 { return (addrs*12/8/bloomLine + 1) * bloomLine }

func endsSize(names uint64) uint64 { return (names + endNames - 1) / endNames * endBytes }

// Verify reads all of the index and compares it with its checksums, if it is one
// of a file, and with what is true of every index: order, offsets and numbers in
// range, every address to be found, counts. It returns a *[FormatError] that is
// [ErrCorrupt] for the first difference, or ctx's error. It is not needed to be
// safe: an index that is corrupt gives wrong or no names, and never panics.
func (x *Index) Verify(ctx context.Context) error {
	if x.header == nil {
		return nil
	}
	if err := x.verify(ctx); err != nil {
		if fe, ok := errors.AsType[*FormatError](err); ok {
			fe.Name = x.name
		}
		return err
	}
	return nil
}

func (x *Index) verify(ctx context.Context) error {
	h := x.header
	if x.file != nil {
		sec := h.sections[secChecksums]
		sums := x.file[sec.off:][:sec.size]
		n := len(sums) - 4
		if binary.LittleEndian.Uint32(sums[n:]) != crc32.Checksum(sums[:n], castagnoli) {
			return corrupt(sec.off+uint64(n), "wrong checksum of the checksums")
		}
		for i := 0; i < n; i += 4 {
			if i%4096 == 0 && ctx.Err() != nil {
				return ctx.Err()
			}
			off := uint64(i/4) * blockBytes
			if binary.LittleEndian.Uint32(sums[i:]) != crc32.Checksum(x.file[off:min(off+blockBytes, sec.off)], castagnoli) {
				return corrupt(off, "wrong checksum")
			}
		}
	}
	last := ""
	end := uint64(0)
	for id := range uint32(h.names) {
		if id%65536 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		name := x.NameOf(id)
		if at, _ := x.boundsOf(id); at != end || name == "" || id > 0 && name <= last {
			return corrupt(h.sections[secEnds].off+uint64(id)/endNames*endBytes, "a name is out of order")
		}
		last = name
		end += uint64(len(name))
	}
	if end != h.sections[secText].size {
		return corrupt(h.sections[secText].off+end, "the names do not fill their section")
	}
	return x.verifyRecords(ctx)
}

func (x *Index) verifyRecords(ctx context.Context) error {
	h := x.header
	var stats [2]IndexStats
	var before dense.Key
	var entries []entry
	var r, found record
	records, more := uint64(0), uint64(0)
	base := h.sections[secLines].off
	for off := range x.small() {
		if records%65536 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		if !x.recordAt(off, &r) || r.long && r.more != more {
			return corrupt(base+off, "a record of an address")
		}
		if r.long {
			more = r.moreEnd
		}
		if records > 0 && compareHashed(hashed(before), hashed(r.key)) >= 0 {
			return corrupt(base+off, "an address is out of order")
		}
		before = r.key
		records++
		var ok bool
		if entries, ok = r.entries(entries[:0], 0, r.num()); !ok || r.num() == 0 {
			return corrupt(base+off, "the names of an address")
		}
		for i, e := range entries {
			if uint64(e.name) >= h.names || e.evidence == 0 || e.evidence > Asked|ViaCNAME|Owned ||
				i > 0 && (e.evidence.group() < entries[i-1].evidence.group() ||
					e.evidence.group() == entries[i-1].evidence.group() && e.name <= entries[i-1].name) {
				return corrupt(base+off, "the names of an address are out of order")
			}
		}
		if n := r.n; n[0] > 0 && entries[n[0]-1].evidence.group() != 0 || n[2] > 0 && entries[n[0]+n[1]].evidence.group() != 2 ||
			n[1] > 0 && (entries[n[0]].evidence.group() != 1 || entries[n[0]+n[1]-1].evidence.group() != 1) {
			return corrupt(base+off, "the evidence of a name")
		}
		if !x.find(r.key, &found) || found.off != off {
			return corrupt(base+off, "an address is not to be found")
		}
		for m := range stats {
			if start, end := r.bounds(Mode(m)); start < end {
				stats[m].Addresses++
				stats[m].Pairs += end - start
			}
		}
	}
	for m := range stats {
		stats[m].Dropped = h.stats[m].Dropped
	}
	if records != h.records || stats != h.stats || more != h.sections[secMore].size {
		return corrupt(16, "the counts")
	}
	return nil
}
