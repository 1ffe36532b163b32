package pdns

import (
	"hash/maphash"

	"github.com/endoflow/endoflow/internal/dense"
)

// names gives names consecutive numbers, as numbers does for other keys. It
// takes them as texts or as bytes. The text of a name is in a block of many,
// after its length, so that the garbage collector has nothing to look through.
type names struct {
	at     dense.List[uint32] // by number: block<<16 | where in it
	blocks [][]byte
	used   int      // of the last block in use
	last   int      // the last block in use
	slots  []uint64 // as in numbers
	seed   maphash.Seed
}

const (
	nameBlock     = 1 << 16
	maxNameBlocks = 1 << 16
)

func (t *names) len() int { return t.at.Len() }

// name returns the name with a number. It is not to be changed, and good until
// the next reset.
func (t *names) name(n uint32) []byte {
	at := *t.at.At(n)
	b := t.blocks[at>>16][at&(nameBlock-1):]
	return b[1 : 1+int(b[0])]
}

// findName returns the number of a name with a hash.
func findName[T string | []byte](t *names, name T, hash uint32) (n uint32, ok bool) {
	if len(t.slots) == 0 {
		return 0, false
	}
	mask := len(t.slots) - 1
	for i := int(hash) & mask; t.slots[i] != 0; i = (i + 1) & mask {
		if s := t.slots[i]; uint32(s>>32) == hash && string(t.name(uint32(s)-1)) == string(name) {
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
	var hashes, at [batch]uint32
	seed := t.ready()
	for i, name := range names {
		hashes[i] = uint32(maphash.Bytes(seed, name))
	}
	findSlots(found, t.slots, hashes[:len(names)])
	for i := range names {
		if n := found[i]; n != 0 {
			at[i] = *t.at.At(n - 1)
		}
	}
	for i, name := range names {
		if found[i] == 0 {
			continue
		}
		b := t.blocks[at[i]>>16][at[i]&(nameBlock-1):]
		if string(b[1:1+int(b[0])]) != string(name) {
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
	if 4*(t.at.Len()+1) > 3*len(t.slots) {
		t.slots = regrow(t.slots, 2*len(t.slots))
	}
	n := uint32(t.at.Len())
	t.at.Append(t.keep(name))
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

// keep copies a name into a block, and returns where.
func (t *names) keep(name string) uint32 {
	if len(t.blocks) > 0 && t.used+1+len(name) > nameBlock {
		t.last++
		t.used = 0
	}
	if t.last == len(t.blocks) {
		t.blocks = append(t.blocks, make([]byte, nameBlock))
	}
	at := uint32(t.last<<16 | t.used)
	b := t.blocks[t.last][t.used:]
	b[0] = byte(len(name))
	copy(b[1:], name)
	t.used += 1 + len(name)
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

// size returns the bytes that the table holds.
func (t *names) size() int64 {
	return t.at.Size() + 8*int64(len(t.slots)) + int64(len(t.blocks))*nameBlock
}
