// Package dense numbers keys from 0, in the order in which they come, and keeps
// values by such numbers.
//
// A [Table] takes 16 bytes a key and between 11 and 21 for its slots. Adding a
// key that is there takes 7 ns at 1,000 keys and 160 to 190 at 1,000,000 on a
// machine with other work, where a map[[16]byte]uint32 takes 12 and 210 to 320;
// found in batches, keys take 6 and 50 to 95 (BenchmarkTable, 2 vCPU AMD EPYC).
package dense

import (
	"cmp"
	"encoding/binary"
	"math/bits"
	"math/rand/v2"
	"net/netip"
)

// A Key is what is numbered: an address, or anything that two words hold.
type Key struct{ Hi, Lo uint64 }

// AddrKey returns the key of an address, which is the same for an IPv4 address
// and the IPv6 address that it is mapped to. Zones do not count.
func AddrKey(addr netip.Addr) Key {
	b := addr.As16()
	return Key{binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:])}
}

// Bytes returns the bytes of the key, as they sort.
func (k Key) Bytes() (b [16]byte) {
	binary.BigEndian.PutUint64(b[:8], k.Hi)
	binary.BigEndian.PutUint64(b[8:], k.Lo)
	return b
}

// KeyOf returns the key that Bytes returns the bytes of.
func KeyOf(b [16]byte) Key {
	return Key{binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:])}
}

// Addr returns the address of a key that AddrKey made, unmapped.
func (k Key) Addr() netip.Addr { return netip.AddrFrom16(k.Bytes()).Unmap() }

// Compare orders keys as their bytes.
func (k Key) Compare(other Key) int {
	if k.Hi != other.Hi {
		return cmp.Compare(k.Hi, other.Hi)
	}
	return cmp.Compare(k.Lo, other.Lo)
}

// A Table numbers keys. The zero value is empty. It is for one goroutine while
// keys are added; afterwards any number may read it.
//
// It is an open-addressing table with linear probing. A slot holds 32 bits of
// the key's hash and the key's number plus one, so that a probe touches a key
// only where the hashes agree, and growing touches none. The hash is seeded anew
// for each table, so that nobody can choose keys that collide; numbers do not
// depend on it. A table has room for 1<<32 - 2 keys, and is slow beyond 1<<31.
type Table struct {
	keys  List[Key]
	slots []uint64 // hash<<32 | number+1; 0 is free
	seed  Key
}

// hash multiplies the words, each hidden by the seed, and folds the product;
// twice, since keys that differ in a word alone crowd after once
// (TestTableSpread).
func (t *Table) hash(key Key) uint32 {
	hi, lo := bits.Mul64(key.Hi^t.seed.Hi, key.Lo^t.seed.Lo)
	hi, lo = bits.Mul64(hi^lo^t.seed.Hi, 0x9e3779b97f4a7c15)
	return uint32((hi ^ lo) >> 32)
}

// probe returns the slot of a key with a hash, or the free slot for it. There
// must be slots.
func (t *Table) probe(hash uint32, key Key) (slot int, n uint32, ok bool) {
	mask := len(t.slots) - 1
	for i := int(hash) & mask; ; i = (i + 1) & mask {
		s := t.slots[i]
		if s == 0 {
			return i, 0, false
		}
		if n := uint32(s) - 1; uint32(s>>32) == hash && *t.keys.At(n) == key {
			return i, n, true
		}
	}
}

// Len returns the number of keys.
func (t *Table) Len() int { return t.keys.Len() }

// Key returns the key with a number.
func (t *Table) Key(n uint32) Key { return *t.keys.At(n) }

// Find returns the number of a key.
func (t *Table) Find(key Key) (n uint32, ok bool) {
	if len(t.slots) == 0 {
		return 0, false
	}
	_, n, ok = t.probe(t.hash(key), key)
	return n, ok
}

// Add returns the number of a key, and whether it is new.
func (t *Table) Add(key Key) (n uint32, isNew bool) {
	if t.full(1) {
		t.grow(max(2*len(t.slots), minSlots))
	}
	hash := t.hash(key)
	slot, n, ok := t.probe(hash, key)
	if ok {
		return n, false
	}
	n = uint32(t.keys.Len())
	t.keys.Append(key)
	t.slots[slot] = uint64(hash)<<32 | uint64(n+1)
	return n, true
}

// Batch is how many keys are best looked up at a time by those who have many. It
// is more than a processor has cache misses under way, and their slots fit in
// its first cache.
const Batch = 256

// FindAll sets found[i] to the number of keys[i] plus one, or to 0 where the
// table does not have the key. There are at most [Batch] keys. Each step is one
// of all keys, so that the waits for memory of many overlap.
func (t *Table) FindAll(found *[Batch]uint32, keys []Key) {
	if len(t.slots) == 0 {
		clear(found[:len(keys)])
		return
	}
	var hashes [Batch]uint32
	mask := len(t.slots) - 1
	for i, key := range keys {
		hash := t.hash(key)
		hashes[i] = hash
		s := t.slots[int(hash)&mask]
		if uint32(s>>32) != hash {
			s = 0 // free, or another key's: the slow way
		}
		found[i] = uint32(s)
	}
	for i, key := range keys {
		if n := found[i]; n != 0 && *t.keys.At(n - 1) == key {
			continue
		}
		found[i] = 0
		if _, n, ok := t.probe(hashes[i], key); ok {
			found[i] = n + 1
		}
	}
}

// minSlots is the size of the smallest table.
const minSlots = 16

// full reports whether there is no room for n more keys.
func (t *Table) full(n int) bool { return 4*(t.keys.Len()+n) > 3*len(t.slots) }

// Grow makes room for n keys in all.
func (t *Table) Grow(n int) {
	slots := max(minSlots, len(t.slots))
	for 4*n > 3*slots {
		slots *= 2
	}
	if slots > len(t.slots) {
		t.grow(slots)
	}
}

// grow makes the table one of n slots, a power of two.
func (t *Table) grow(n int) {
	if len(t.slots) == 0 {
		t.seed = Key{rand.Uint64(), rand.Uint64()}
	}
	t.slots = Regrown(t.slots, n)
}

// Regrown returns a table of n slots, a power of two, with those of old, which have
// a hash in their upper half. 0 is free.
func Regrown(old []uint64, n int) []uint64 {
	slots := make([]uint64, n)
	mask := n - 1
	for _, s := range old {
		if s == 0 {
			continue
		}
		i := int(s>>32) & mask
		for slots[i] != 0 {
			i = (i + 1) & mask
		}
		slots[i] = s
	}
	return slots
}

// Reset empties the table, whose memory stays.
func (t *Table) Reset() {
	t.keys.Reset()
	clear(t.slots)
}

// Growth returns a bound of the bytes that the table would take if n keys came,
// at most 4,096: new slots, twice as many, stand for a time beside the old ones.
func (t *Table) Growth(n int) int64 {
	growth := t.keys.Growth(n)
	if t.full(n) {
		growth += 8 * int64(max(2*len(t.slots), 4*n, minSlots))
	}
	return growth
}

// Size returns the bytes that the table holds.
func (t *Table) Size() int64 { return t.keys.Size() + 8*int64(len(t.slots)) }
