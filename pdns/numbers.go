package pdns

import (
	"math/rand/v2"

	"github.com/endoflow/endoflow/internal/dense"
)

// numbers gives keys consecutive numbers, from 0, in the order in which they
// come. The zero value is empty. It is a dense.Table whose keys take half of the
// room: two numbers each, of which the upper half of a key is one.
type numbers struct {
	keys  dense.List[uint64]
	slots []uint64 // hash<<32 | number+1; 0 is free
	seed  uint64
}

// maxNumbers bounds the keys of a table.
const maxNumbers = 1 << 31

func (t *numbers) hash(key uint64) uint32 {
	x := mix(key^t.seed, 0x9e3779b97f4a7c15)
	return uint32(mix(x^t.seed, 0xbf58476d1ce4e5b9) >> 32)
}

// add returns the number of a key, and whether it is new. There must be room
// for it.
func (t *numbers) add(key uint64) (n uint32, isNew bool) {
	if 4*(t.keys.Len()+1) > 3*len(t.slots) {
		t.grow(2 * len(t.slots))
	}
	hash := t.hash(key)
	mask := len(t.slots) - 1
	i := int(hash) & mask
	for ; t.slots[i] != 0; i = (i + 1) & mask {
		if s := t.slots[i]; uint32(s>>32) == hash && *t.keys.At(uint32(s) - 1) == key {
			return uint32(s) - 1, false
		}
	}
	n = uint32(t.keys.Len())
	t.keys.Append(key)
	t.slots[i] = uint64(hash)<<32 | uint64(n+1)
	return n, true
}

// batch is how many keys are looked up at a time by those who have many.
const batch = dense.Batch

// findAll sets found to the numbers of keys, a batch at most, plus one; to 0 for
// a key that has none, or shares its hash with another. Each step is one of all
// keys, so that the waits for memory of many overlap.
func (t *numbers) findAll(found *[batch]uint32, keys []uint64) {
	var hashes [batch]uint32
	for i, key := range keys {
		hashes[i] = t.hash(key)
	}
	findSlots(found, t.slots, hashes[:len(keys)])
	for i := range keys {
		if n := found[i]; n != 0 && *t.keys.At(n - 1) != keys[i] {
			found[i] = 0
		}
	}
}

// findSlots sets found to the lower halves of the first slots that have the
// hashes, 0 for a hash that is in none.
func findSlots(found *[batch]uint32, slots []uint64, hashes []uint32) {
	mask := len(slots) - 1
	for i, hash := range hashes {
		if found[i] = 0; mask < 0 {
			continue
		}
		at := int(hash) & mask
		for slots[at] != 0 && uint32(slots[at]>>32) != hash {
			at = (at + 1) & mask
		}
		found[i] = uint32(slots[at])
	}
}

// grow makes the table one of n slots, a power of two.
func (t *numbers) grow(n int) {
	if len(t.slots) == 0 {
		t.seed = rand.Uint64()
	}
	t.slots = regrow(t.slots, n)
}

// regrow returns a table of n slots, a power of two, with those of old.
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

// full reports whether there may be no room for a few keys more.
func (t *numbers) full() bool { return t.keys.Len() >= maxNumbers-4 }

// reset empties the table, whose memory stays.
func (t *numbers) reset() {
	t.keys.Reset()
	clear(t.slots)
}

// size returns the bytes that the table holds.
func (t *numbers) size() int64 { return t.keys.Size() + 8*int64(len(t.slots)) }
