package pdns

import (
	"encoding/binary"
	"hash/maphash"
	"sync"
	"sync/atomic"

	"github.com/endoflow/endoflow/internal/dense"
)

// A dict numbers texts of up to 255 bytes from 0: names, and the bytes of
// addresses. It is for any number of goroutines at a time, but for reset.
//
// A text is in a block of many, after its number and its length, so that the slot
// that leads to it leads to its number too, and the garbage collector has nothing
// to look through. Who looks up takes no lock: blocks are only added to, and a
// slot is set once its text is there. Who reads slots that have grown meanwhile
// misses what is new, and looks again with the lock that whoever adds has.
type dict struct {
	seed   maphash.Seed
	slots  atomic.Pointer[[]atomic.Uint64] // hash<<32 | place+1; 0 is free
	blocks atomic.Pointer[[][]byte]
	n      atomic.Uint32
	bytes  atomic.Int64

	mu   sync.Mutex
	ends []int // of each block in use, where its texts end
}

const (
	textBlock     = 1 << 16
	maxTextBlocks = 1 << 16
	textHead      = 5 // bytes before a text
	minSlots      = 16
)

// maxNumbers bounds the keys of a table.
const maxNumbers = 1 << 31

// batch is how many keys are looked up at a time by those who have many.
const batch = dense.Batch

func newDict() *dict {
	d := &dict{seed: maphash.MakeSeed()}
	slots := make([]atomic.Uint64, minSlots)
	d.slots.Store(&slots)
	d.blocks.Store(new([][]byte))
	return d
}

func (d *dict) len() int { return int(d.n.Load()) }

// readText returns the text at a place, and its number. It is not to be changed,
// and good until the next reset.
func readText(blocks [][]byte, at uint32) (n uint32, text []byte) {
	b := blocks[at>>16][at&(textBlock-1):]
	return binary.LittleEndian.Uint32(b), b[textHead : textHead+int(b[4])]
}

// hash returns the hash of a text.
func (d *dict) hash(text []byte) uint32 { return uint32(maphash.Bytes(d.seed, text)) }

// find returns the number of a text with a hash, if it has one.
func (d *dict) find(text []byte, hash uint32) (n uint32, ok bool) {
	slots := *d.slots.Load()
	mask := len(slots) - 1
	for i := int(hash) & mask; ; i = (i + 1) & mask {
		s := slots[i].Load()
		if s == 0 {
			return 0, false
		}
		if uint32(s>>32) == hash {
			if n, known := readText(*d.blocks.Load(), uint32(s)-1); string(known) == string(text) {
				return n, true
			}
		}
	}
}

// findAll sets found to the numbers of texts, a batch at most, plus one; to 0 for
// a text that has none, or shares its hash with another. Each step is one of all
// texts, so that the waits for memory of many overlap.
func (d *dict) findAll(found, hashes *[batch]uint32, texts [][]byte) {
	for i, text := range texts {
		hashes[i] = d.hash(text)
	}
	slots := *d.slots.Load()
	mask := len(slots) - 1
	var first [batch]uint64
	for i := range texts { // without a branch that would wait
		first[i] = slots[int(hashes[i])&mask].Load()
	}
	for i := range texts {
		hash, s := hashes[i], first[i]
		for at := int(hash) & mask; s != 0 && uint32(s>>32) != hash; s = slots[at].Load() {
			at = (at + 1) & mask
		}
		found[i] = uint32(s)
	}
	blocks := *d.blocks.Load()
	var numbers [batch]uint32
	for i := range texts {
		if at := found[i] - 1; found[i] != 0 {
			numbers[i] = binary.LittleEndian.Uint32(blocks[at>>16][at&(textBlock-1):])
		}
	}
	for i, text := range texts {
		if found[i] == 0 {
			continue
		}
		_, known := readText(blocks, found[i]-1)
		if found[i] = numbers[i] + 1; string(known) != string(text) {
			found[i] = 0
		}
	}
}

// add returns the number of a text with a hash. There must be room for it.
func (d *dict) add(text []byte, hash uint32) uint32 {
	d.mu.Lock()
	defer d.mu.Unlock()
	if n, ok := d.find(text, hash); ok {
		return n
	}
	n := d.n.Load()
	slots := *d.slots.Load()
	if 4*(int(n)+1) > 3*len(slots) {
		more := make([]atomic.Uint64, 2*len(slots))
		for i := range slots {
			if s := slots[i].Load(); s != 0 {
				placeSlot(more, s)
			}
		}
		slots = more
		d.slots.Store(&more)
	}
	placeSlot(slots, uint64(hash)<<32|uint64(d.keep(n, text)+1))
	d.n.Store(n + 1)
	d.bytes.Add(textHead + int64(len(text)))
	return n
}

// placeSlot puts a slot into a table, which has room for it.
func placeSlot(slots []atomic.Uint64, slot uint64) {
	mask := len(slots) - 1
	i := int(slot>>32) & mask
	for slots[i].Load() != 0 {
		i = (i + 1) & mask
	}
	slots[i].Store(slot)
}

// keep copies a text into a block, and returns where.
func (d *dict) keep(n uint32, text []byte) uint32 {
	size := textHead + len(text)
	if len(d.ends) == 0 || d.ends[len(d.ends)-1]+size > textBlock {
		d.ends = append(d.ends, 0)
	}
	last := len(d.ends) - 1
	blocks := *d.blocks.Load()
	if last == len(blocks) {
		blocks = append(blocks, make([]byte, textBlock))
		d.blocks.Store(&blocks)
	}
	used := d.ends[last]
	b := blocks[last][used:]
	binary.LittleEndian.PutUint32(b, n)
	b[4] = byte(len(text))
	copy(b[textHead:], text)
	d.ends[last] = used + size
	return uint32(last<<16 | used)
}

// all calls each with the number, place and text of everything, in the order in
// which it came.
func (d *dict) all(each func(n, at uint32, text []byte)) {
	blocks := *d.blocks.Load()
	for i, end := range d.ends {
		for used := 0; used < end; {
			at := uint32(i<<16 | used)
			n, text := readText(blocks, at)
			each(n, at, text)
			used += textHead + len(text)
		}
	}
}

// full reports whether there may be no room for some texts more.
func (d *dict) full() bool {
	return d.n.Load() >= maxNumbers-1<<20 || d.bytes.Load() >= (maxTextBlocks-1<<12)*(textBlock-256)
}

// reset empties the dict, whose memory stays.
func (d *dict) reset() {
	clearSlots(*d.slots.Load())
	d.n.Store(0)
	d.bytes.Store(0)
	d.ends = d.ends[:0]
}

func clearSlots(slots []atomic.Uint64) {
	for i := range slots {
		slots[i].Store(0)
	}
}

// size returns the bytes in use: what is kept for use again does not count.
func (d *dict) size() int64 { return d.bytes.Load() + slotSize*int64(d.n.Load()) }

// slotSize is what slots take for a key, on average: they are between three
// eighths and three quarters full.
const slotSize = 16
