package dense

import "hash/maphash"

// Texts numbers texts from 0, in the order in which they come. The zero value is
// empty. It is for one goroutine.
//
// It is a table like [Table]. Texts are interned by those who read records, so that
// comparing equal ones is comparing pointers, and one that is known is found by
// reading two words beside the text itself.
type Texts struct {
	texts []string
	slots []uint64 // hash<<32 | number+1; 0 is free
	seed  maphash.Seed
}

// Add returns the number of a text, and whether it is new.
func (t *Texts) Add(text string) (n uint32, isNew bool) {
	if 4*(len(t.texts)+1) > 3*len(t.slots) {
		t.grow()
	}
	slot, hash := t.probe(text)
	if s := t.slots[slot]; s != 0 {
		return uint32(s) - 1, false
	}
	n = uint32(len(t.texts))
	t.texts = append(t.texts, text)
	t.slots[slot] = hash<<32 | uint64(n+1)
	return n, true
}

// Find returns the number of a text that has one.
func (t *Texts) Find(text string) (n uint32, ok bool) {
	if len(t.slots) == 0 {
		return 0, false
	}
	slot, _ := t.probe(text)
	s := t.slots[slot]
	return uint32(s) - 1, s != 0
}

// probe returns the slot of a text, or the free slot for it, and half of its hash.
// There must be slots.
func (t *Texts) probe(text string) (slot int, hash uint64) {
	hash = maphash.String(t.seed, text) >> 32
	mask := len(t.slots) - 1
	for i := int(hash) & mask; ; i = (i + 1) & mask {
		s := t.slots[i]
		if s == 0 || s>>32 == hash && t.texts[uint32(s)-1] == text {
			return i, hash
		}
	}
}

// grow makes twice as many slots.
func (t *Texts) grow() {
	if len(t.slots) == 0 {
		t.seed = maphash.MakeSeed()
	}
	t.slots = Regrown(t.slots, max(minSlots, 2*len(t.slots)))
}

// Len returns the number of texts.
func (t *Texts) Len() int { return len(t.texts) }

// Text returns the text with a number.
func (t *Texts) Text(n uint32) string { return t.texts[n] }
