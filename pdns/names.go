package pdns

import (
	"hash/maphash"
	"strings"
)

// names gives names consecutive numbers, as numbers does for other keys. It
// takes them as texts or as bytes, and copies each new one into a block of many,
// so that a name keeps neither the line that it was cut from nor a place of its
// own in the heap.
type names struct {
	keys  []string
	slots []uint64 // as in numbers
	seed  maphash.Seed
	block strings.Builder
}

// nameBlock is how many bytes of names stand together.
const nameBlock = 64 << 10

// findName returns the number of a name, and its hash.
func findName[T string | []byte](t *names, name T, hash uint32) (n uint32, ok bool) {
	if len(t.slots) == 0 {
		return 0, false
	}
	mask := len(t.slots) - 1
	for i := int(hash) & mask; t.slots[i] != 0; i = (i + 1) & mask {
		if s := t.slots[i]; uint32(s>>32) == hash && t.keys[uint32(s)-1] == string(name) {
			return uint32(s) - 1, true
		}
	}
	return 0, false
}

// find returns the number of a name that has one.
func (t *names) find(name []byte) (n uint32, ok bool) {
	return findName(t, name, uint32(maphash.Bytes(t.ready(), name)))
}

// findAll is that of numbers.
func (t *names) findAll(found *[batch]uint32, names [][]byte) {
	var hashes [batch]uint32
	var keys [batch]string
	seed := t.ready()
	for i, name := range names {
		hashes[i] = uint32(maphash.Bytes(seed, name))
	}
	findSlots(found, t.slots, hashes[:len(names)])
	for i := range names {
		if n := found[i]; n != 0 {
			keys[i] = t.keys[n-1]
		}
	}
	for i, name := range names {
		if keys[i] != string(name) {
			found[i] = 0
		}
	}
}

// add returns the number of a name. There must be room for it.
func (t *names) add(name string) uint32 {
	hash := uint32(maphash.String(t.ready(), name))
	if n, ok := findName(t, name, hash); ok {
		return n
	}
	if 4*(len(t.keys)+1) > 3*len(t.slots) {
		t.slots = regrow(t.slots, 2*len(t.slots))
	}
	n := uint32(len(t.keys))
	t.keys = append(t.keys, t.keep(name))
	place(t.slots, uint64(hash)<<32|uint64(n+1))
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

// keep copies a name into the block. A block never grows, since the names in it
// would then be in memory twice.
func (t *names) keep(name string) string {
	if t.block.Cap()-t.block.Len() < len(name) {
		t.block = strings.Builder{}
		t.block.Grow(nameBlock)
	}
	start := t.block.Len()
	t.block.WriteString(name)
	return t.block.String()[start:]
}

// full reports whether there may be no room for a few names more.
func (t *names) full() bool { return len(t.keys) >= maxNumbers-4 }
