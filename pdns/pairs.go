package pdns

import (
	"math/rand/v2"
	"sync"
	"sync/atomic"

	"github.com/endoflow/endoflow/internal/dense"
)

// pairs are sums over records by address and name. It is a table like dense.Table
// in which the sum stands beside the key, so that an update waits for memory once
// after its slot.
type pairs struct {
	list     dense.List[pair]
	evidence dense.List[Evidence] // by number; of rows, nothing
	slots    []uint64             // hash<<32 | number+1; 0 is free
	seed     uint64
}

type pair struct {
	key uint64 // address<<32 | name
	span
}

func pairKey(addr, name uint32) uint64 { return uint64(addr)<<32 | uint64(name) }

func hashPair(key, seed uint64) uint32 {
	x := mix(key^seed, 0x9e3779b97f4a7c15)
	return uint32(mix(x^seed, 0xbf58476d1ce4e5b9) >> 32)
}

// add adds to a pair. There must be room for it.
func (p *pairs) add(key uint64, e Evidence, s span) {
	if 4*(p.list.Len()+1) > 3*len(p.slots) {
		p.grow()
	}
	hash := hashPair(key, p.seed)
	mask := len(p.slots) - 1
	i := int(hash) & mask
	for ; p.slots[i] != 0; i = (i + 1) & mask {
		if uint32(p.slots[i]>>32) != hash {
			continue
		}
		n := uint32(p.slots[i]) - 1
		if at := p.list.At(n); at.key == key {
			if at.merge(s); e != 0 {
				*p.evidence.At(n) |= e
			}
			return
		}
	}
	p.list.Append(pair{key, s})
	if e != 0 {
		p.evidence.Append(e)
	}
	p.slots[i] = uint64(hash)<<32 | uint64(p.list.Len())
}

func (p *pairs) grow() {
	if len(p.slots) == 0 {
		p.seed = rand.Uint64()
	}
	p.slots = dense.Regrown(p.slots, max(2*len(p.slots), minSlots))
}

// addAll adds to pairs without evidence, a batch at most. Each step is one of all
// pairs, so that the waits for memory of many overlap.
func (p *pairs) addAll(adds []pair) {
	var found [batch]uint32
	if len(p.slots) > 0 {
		mask := len(p.slots) - 1
		for i := range adds {
			hash := hashPair(adds[i].key, p.seed)
			at := int(hash) & mask
			for p.slots[at] != 0 && uint32(p.slots[at]>>32) != hash {
				at = (at + 1) & mask
			}
			found[i] = uint32(p.slots[at])
		}
		for i := range adds {
			if n := found[i]; n != 0 && p.list.At(n-1).key != adds[i].key {
				found[i] = 0
			}
		}
	}
	for i := range adds {
		if n := found[i]; n != 0 {
			p.list.At(n - 1).merge(adds[i].span)
		} else {
			p.add(adds[i].key, 0, adds[i].span)
		}
	}
}

// reset empties the table, whose memory stays.
func (p *pairs) reset() {
	p.list.Reset()
	p.evidence.Reset()
	clear(p.slots)
}

// size returns the bytes in use.
func (p *pairs) size() int64 {
	return (32+slotSize)*int64(p.list.Len()) + int64(p.evidence.Len())
}

// A pairSet is a set of pairs, by pairKey, of which nothing else is known: an address
// and a name, or two names. The keys are in the
// slots themselves. It is for any number of goroutines at a time, as a dict is, but
// for reset.
type pairSet struct {
	seed  uint64
	slots atomic.Pointer[[]atomic.Uint64] // key+1; 0 is free
	n     atomic.Int64
	mu    sync.Mutex // of who adds
}

func newPairSet() *pairSet {
	p := &pairSet{seed: rand.Uint64()}
	slots := make([]atomic.Uint64, minSlots)
	p.slots.Store(&slots)
	return p
}

// addAll adds keys, a batch at most. First it looks for all, without a branch that
// would wait for memory, so that the waits overlap.
func (p *pairSet) addAll(keys []uint64) {
	var missing, first [batch]uint64
	n := 0
	slots := *p.slots.Load()
	mask := len(slots) - 1
	for i, key := range keys {
		first[i] = slots[int(hashPair(key, p.seed))&mask].Load()
	}
	for i, key := range keys {
		if first[i] != key+1 && (first[i] == 0 || slots[p.probe(slots, key)].Load() == 0) {
			missing[n] = key
			n++
		}
	}
	if n == 0 {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if slots = *p.slots.Load(); 4*(int(p.n.Load())+n) > 3*len(slots) {
		slots = p.grow(slots, n)
	}
	added := int64(0)
	for _, key := range missing[:n] {
		if s := &slots[p.probe(slots, key)]; s.Load() == 0 {
			s.Store(key + 1)
			added++
		}
	}
	p.n.Add(added)
}

// probe returns the slot of a key, or the free one for it.
func (p *pairSet) probe(slots []atomic.Uint64, key uint64) int {
	mask := len(slots) - 1
	at := int(hashPair(key, p.seed)) & mask
	for s := slots[at].Load(); s != 0 && s != key+1; s = slots[at].Load() {
		at = (at + 1) & mask
	}
	return at
}

// grow makes room for n more.
func (p *pairSet) grow(old []atomic.Uint64, n int) []atomic.Uint64 {
	size := 2 * len(old)
	for 4*(int(p.n.Load())+n) > 3*size {
		size *= 2
	}
	slots := make([]atomic.Uint64, size)
	for i := range old {
		if s := old[i].Load(); s != 0 {
			slots[p.probe(slots, s-1)].Store(s)
		}
	}
	p.slots.Store(&slots)
	return slots
}

// all calls each with every key, in no order.
func (p *pairSet) all(each func(key uint64)) {
	slots := *p.slots.Load()
	for i := range slots {
		if s := slots[i].Load(); s != 0 {
			each(s - 1)
		}
	}
}

// reset empties the set, whose memory stays.
func (p *pairSet) reset() {
	p.n.Store(0)
	clearSlots(*p.slots.Load())
}

// size returns the bytes in use.
func (p *pairSet) size() int64 { return slotSize * p.n.Load() }
