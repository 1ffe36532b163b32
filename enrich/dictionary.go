package enrich

import (
	"cmp"
	"slices"

	"github.com/endoflow/endoflow/internal/dense"
)

// A dictionary numbers texts densely in the order in which they come.
type dictionary struct{ dense.Texts[struct{}] }

func (d *dictionary) id(text string) uint32 {
	n, _ := d.Add(text)
	return n
}

// translate numbers the texts of other in d.
func (d *dictionary) translate(other *dictionary) []uint32 {
	to := make([]uint32, other.Len())
	for i := range to {
		to[i] = d.id(other.Text(uint32(i)))
	}
	return to
}

// sorted returns the numbers in the order of the texts, and for each number its
// place there.
func (d *dictionary) sorted() (order, place []uint32) {
	order, place = make([]uint32, d.Len()), make([]uint32, d.Len())
	for i := range order {
		order[i] = uint32(i)
	}
	slices.SortFunc(order, func(a, b uint32) int { return cmp.Compare(d.Text(a), d.Text(b)) })
	for i, id := range order {
		place[id] = uint32(i)
	}
	return order, place
}
