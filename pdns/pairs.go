package pdns

import (
	"math/rand/v2"

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

func (p *pairs) hash(key uint64) uint32 {
	x := mix(key^p.seed, 0x9e3779b97f4a7c15)
	return uint32(mix(x^p.seed, 0xbf58476d1ce4e5b9) >> 32)
}

// add adds to a pair. There must be room for it.
func (p *pairs) add(key uint64, e Evidence, s span) {
	if 4*(p.list.Len()+1) > 3*len(p.slots) {
		if len(p.slots) == 0 {
			p.seed = rand.Uint64()
		}
		p.slots = regrow(p.slots, 2*len(p.slots))
	}
	hash := p.hash(key)
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

// addAll adds to pairs without evidence, a batch at most. Each step is one of all
// pairs, so that the waits for memory of many overlap.
func (p *pairs) addAll(adds []pair) {
	var found [batch]uint32
	if len(p.slots) > 0 {
		for i := range adds {
			found[i] = findSlot(p.slots, p.hash(adds[i].key))
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

// full reports whether there may be no room for a few pairs more.
func (p *pairs) full() bool { return p.list.Len() >= maxNumbers-2*batch }

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
