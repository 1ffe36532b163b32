package enrich

import (
	"cmp"
	"slices"
)

// A dictionary numbers texts densely in the order in which they come.
type dictionary struct {
	ids   map[string]uint32
	texts []string

	// recent has, at a place that a few bytes of a text choose, the number plus
	// one of the last text there. Texts are interned by those who read records,
	// so that comparing equal ones is comparing pointers: 5 ns where the map
	// takes 25 (2 vCPU AMD EPYC).
	recent []uint32
}

func (d *dictionary) id(text string) uint32 {
	if len(d.recent) > 0 {
		if n := d.recent[d.place(text)]; n != 0 && d.texts[n-1] == text {
			return n - 1
		}
	}
	id, ok := d.ids[text]
	if !ok {
		if d.ids == nil {
			d.ids = make(map[string]uint32)
		}
		id = uint32(len(d.texts))
		d.ids[text] = id
		d.texts = append(d.texts, text)
		if 4*len(d.texts) > len(d.recent) {
			d.recent = make([]uint32, max(16, 2*len(d.recent)))
		}
	}
	d.recent[d.place(text)] = id + 1
	return id
}

// place mixes the length and the first and last bytes of a text.
func (d *dictionary) place(text string) int {
	n := len(text)
	h := uint64(n)
	if n >= 8 {
		h += word(text[:8]) ^ word(text[n-8:])*0x9e3779b97f4a7c15
	} else {
		for i := range n {
			h = h<<8 | uint64(text[i])
		}
	}
	return int(h*0x9e3779b97f4a7c15>>32) & (len(d.recent) - 1)
}

func word(s string) uint64 {
	_ = s[7]
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
		uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
}

// translate numbers the texts of other in d.
func (d *dictionary) translate(other *dictionary) []uint32 {
	to := make([]uint32, len(other.texts))
	for i, text := range other.texts {
		to[i] = d.id(text)
	}
	return to
}

// sorted returns the numbers in the order of the texts, and for each number its
// place there.
func (d *dictionary) sorted() (order, place []uint32) {
	order, place = make([]uint32, len(d.texts)), make([]uint32, len(d.texts))
	for i := range order {
		order[i] = uint32(i)
	}
	slices.SortFunc(order, func(a, b uint32) int { return cmp.Compare(d.texts[a], d.texts[b]) })
	for i, id := range order {
		place[id] = uint32(i)
	}
	return order, place
}
