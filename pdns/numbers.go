package pdns

import "hash/maphash"

// numbers gives keys consecutive numbers, from 0, in the order in which they
// come. The zero value is empty.
//
// It is an open-addressing table with linear probing. A slot holds 32 bits of
// the key's hash and the key's number plus one, so that a probe touches a key
// only where the hashes agree, and growing touches none.
type numbers[K comparable] struct {
	keys  []K
	slots []uint64 // hash<<32 | number+1; 0 is free
	seed  maphash.Seed
}

// maxNumbers bounds the keys of a table.
const maxNumbers = 1 << 31

// probe returns the slot of a key with a hash, or the free slot for it.
func (t *numbers[K]) probe(hash uint32, key K) (slot int, n uint32, ok bool) {
	mask := len(t.slots) - 1
	for i := int(hash) & mask; ; i = (i + 1) & mask {
		s := t.slots[i]
		if s == 0 {
			return i, 0, false
		}
		if n := uint32(s) - 1; uint32(s>>32) == hash && t.keys[n] == key {
			return i, n, true
		}
	}
}

// add returns the number of a key, and whether it is new. There must be room
// for it.
func (t *numbers[K]) add(key K) (n uint32, isNew bool) {
	if 4*(len(t.keys)+1) > 3*len(t.slots) {
		t.grow(2 * len(t.slots))
	}
	hash := uint32(maphash.Comparable(t.seed, key))
	slot, n, ok := t.probe(hash, key)
	if ok {
		return n, false
	}
	n = uint32(len(t.keys))
	t.keys = append(t.keys, key)
	t.slots[slot] = uint64(hash)<<32 | uint64(n+1)
	return n, true
}

// batch is how many keys are looked up at a time by those who have many. It is
// more than a processor has cache misses under way, and their slots fit in its
// first cache.
const batch = 256

// findAll sets found to the numbers of keys, a batch at most, plus one; to 0 for
// a key that has none, or shares its hash with another. Each step is one of all
// keys, so that the waits for memory of many overlap.
func (t *numbers[K]) findAll(found *[batch]uint32, keys []K) {
	var hashes [batch]uint32
	if len(t.slots) > 0 {
		for i, key := range keys {
			hashes[i] = uint32(maphash.Comparable(t.seed, key))
		}
	}
	findSlots(found, t.slots, hashes[:len(keys)])
	for i := range keys {
		if n := found[i]; n != 0 && t.keys[n-1] != keys[i] {
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
func (t *numbers[K]) grow(n int) {
	if len(t.slots) == 0 {
		t.seed = maphash.MakeSeed()
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
func (t *numbers[K]) full() bool { return len(t.keys) >= maxNumbers-4 }
