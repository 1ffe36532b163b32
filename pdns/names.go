package pdns

import (
	"encoding/binary"
	"hash/maphash"

	"github.com/endoflow/endoflow/internal/dense"
)

// names gives names consecutive numbers, as dense.Table does for other keys. It
// takes them as texts or as bytes. A name is in a block of many, after its number
// and its length, so that the slot that leads to it leads to its number too, and
// the garbage collector has nothing to look through.
type names struct {
	at     dense.List[uint32] // by number: block<<16 | where in it
	blocks [][]byte
	last   int      // the block in use
	used   int      // of it
	slots  []uint64 // hash<<32 | at+1; 0 is free
	seed   maphash.Seed
}

const (
	nameBlock     = 1 << 16
	maxNameBlocks = 1 << 16
	nameHead      = 5 // bytes before a name
)

// maxNumbers bounds the keys of a table.
const maxNumbers = 1 << 31

// batch is how many keys are looked up at a time by those who have many.
const batch = dense.Batch

func (t *names) len() int { return t.at.Len() }

// read returns the name at a place, and its number. It is not to be changed, and
// good until the next reset.
func (t *names) read(at uint32) (n uint32, name []byte) {
	b := t.blocks[at>>16][at&(nameBlock-1):]
	return binary.LittleEndian.Uint32(b), b[nameHead : nameHead+int(b[4])]
}

// name returns the name with a number, as read does.
func (t *names) name(n uint32) []byte {
	_, name := t.read(*t.at.At(n))
	return name
}

// find returns the number of a name with a hash, if it has one. There must be
// slots.
func (t *names) find(name []byte, hash uint32) (n uint32, ok bool) {
	mask := len(t.slots) - 1
	for i := int(hash) & mask; t.slots[i] != 0; i = (i + 1) & mask {
		if s := t.slots[i]; uint32(s>>32) == hash {
			if n, text := t.read(uint32(s) - 1); string(text) == string(name) {
				return n, true
			}
		}
	}
	return 0, false
}

// hash returns the hash of a name.
func (t *names) hash(name []byte) uint32 { return uint32(maphash.Bytes(t.ready(), name)) }

// findAll sets found to the numbers of names, a batch at most, plus one; to 0 for
// a name that has none, or shares its hash with another. Each step is one of all
// names, so that the waits for memory of many overlap.
func (t *names) findAll(found, hashes *[batch]uint32, names [][]byte) {
	for i, name := range names {
		hashes[i] = t.hash(name)
		found[i] = findSlot(t.slots, hashes[i])
	}
	for i, name := range names {
		if found[i] == 0 {
			continue
		}
		n, text := t.read(found[i] - 1)
		if found[i] = n + 1; string(text) != string(name) {
			found[i] = 0
		}
	}
}

// add returns the number of a name with a hash. There must be room for it.
func (t *names) add(name []byte, hash uint32) uint32 {
	if n, ok := t.find(name, hash); ok {
		return n
	}
	if 4*(t.at.Len()+1) > 3*len(t.slots) {
		t.slots = regrow(t.slots, 2*len(t.slots))
	}
	n := uint32(t.at.Len())
	at := t.keep(n, name)
	t.at.Append(at)
	place(t.slots, uint64(hash)<<32|uint64(at+1))
	return n
}

// ready returns the seed, which is made at first use.
func (t *names) ready() maphash.Seed {
	if len(t.slots) == 0 {
		t.slots = make([]uint64, 16)
		t.seed = maphash.MakeSeed()
	}
	return t.seed
}

// keep copies a name into a block, and returns where.
func (t *names) keep(n uint32, name []byte) uint32 {
	if len(t.blocks) > 0 && t.used+nameHead+len(name) > nameBlock {
		t.last++
		t.used = 0
	}
	if t.last == len(t.blocks) {
		t.blocks = append(t.blocks, make([]byte, nameBlock))
	}
	at := uint32(t.last<<16 | t.used)
	b := t.blocks[t.last][t.used:]
	binary.LittleEndian.PutUint32(b, n)
	b[4] = byte(len(name))
	copy(b[nameHead:], name)
	t.used += nameHead + len(name)
	return at
}

// full reports whether there may be no room for a few names more.
func (t *names) full() bool { return t.at.Len() >= maxNumbers-4 || t.last >= maxNameBlocks-2 }

// reset empties the table, whose memory stays.
func (t *names) reset() {
	t.at.Reset()
	clear(t.slots)
	t.used, t.last = 0, 0
}

// size returns the bytes in use: what is kept for use again does not count.
func (t *names) size() int64 {
	return int64(t.last)*nameBlock + int64(t.used) + (4+slotSize)*int64(t.at.Len())
}

// slotSize is what slots take for a key, on average: they are between three
// eighths and three quarters full.
const slotSize = 16

// findSlot returns the lower half of the first slot that has a hash, 0 if none
// has. There must be slots.
func findSlot(slots []uint64, hash uint32) uint32 {
	mask := len(slots) - 1
	at := int(hash) & mask
	for slots[at] != 0 && uint32(slots[at]>>32) != hash {
		at = (at + 1) & mask
	}
	return uint32(slots[at])
}

// regrow returns a table of n slots, a power of two, with those of old. A slot
// has a hash in its upper half, and 0 is free.
func regrow(old []uint64, n int) []uint64 {
	slots := make([]uint64, max(n, 16))
	for _, s := range old {
		if s != 0 {
			place(slots, s)
		}
	}
	return slots
}

// place puts a slot into a table, which has room for it.
func place(slots []uint64, slot uint64) {
	mask := len(slots) - 1
	i := int(slot>>32) & mask
	for slots[i] != 0 {
		i = (i + 1) & mask
	}
	slots[i] = slot
}
