package dense

import "hash/maphash"

// Texts numbers texts from 0, in the order in which they come, and keeps a value
// beside each. The zero value is empty. It is for one goroutine.
//
// It is a table like [Table]. Texts are interned by those who read records, so that
// comparing equal ones is mostly comparing pointers, and one that is known, and its
// value, are found by reading two places beside the text itself.
type Texts[V any] struct {
	texts []valued[V]
	slots []uint64 // hash<<32 | number+1; 0 is free
	seed  maphash.Seed
}

type valued[V any] struct {
	value V // before the text, where an empty one takes no room
	text  string
}

// Add returns the number of a text, and whether it is new. The value of a new one
// is zero.
func (t *Texts[V]) Add(text string) (n uint32, isNew bool) {
	if 4*(len(t.texts)+1) > 3*len(t.slots) {
		if len(t.slots) == 0 {
			t.seed = maphash.MakeSeed()
		}
		t.slots = Regrown(t.slots, max(minSlots, 2*len(t.slots)))
	}
	slot, hash := t.probe(text)
	if s := t.slots[slot]; s != 0 {
		n = uint32(s) - 1
		t.texts[n].text = text // who asks with this one will probably do so again
		return n, false
	}
	n = uint32(len(t.texts))
	t.texts = append(t.texts, valued[V]{text: text})
	t.slots[slot] = hash<<32 | uint64(n+1)
	return n, true
}

// Find returns the number of a text that has one.
func (t *Texts[V]) Find(text string) (n uint32, ok bool) {
	if len(t.slots) == 0 {
		return 0, false
	}
	slot, _ := t.probe(text)
	s := t.slots[slot]
	return uint32(s) - 1, s != 0
}

// probe returns the slot of a text, or the free slot for it, and half of its hash.
// There must be slots.
func (t *Texts[V]) probe(text string) (slot int, hash uint64) {
	hash = maphash.String(t.seed, text) >> 32
	mask := len(t.slots) - 1
	for i := int(hash) & mask; ; i = (i + 1) & mask {
		s := t.slots[i]
		if s == 0 || s>>32 == hash && t.texts[uint32(s)-1].text == text {
			return i, hash
		}
	}
}

// Len returns the number of texts.
func (t *Texts[V]) Len() int { return len(t.texts) }

// Text returns the text with a number.
func (t *Texts[V]) Text(n uint32) string { return t.texts[n].text }

// Value returns the value of the text with a number. The pointer is good until the
// next Add.
func (t *Texts[V]) Value(n uint32) *V { return &t.texts[n].value }
