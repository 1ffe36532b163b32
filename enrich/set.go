package enrich

import (
	"slices"

	"github.com/RoaringBitmap/roaring/v2"
)

// A deviceSet is a set of dense device numbers. Most contacts are of one device,
// which takes no memory beside the set; of the others most are of a few.
type deviceSet struct {
	one  uint32 // the number, plus one, of the only device; 0 otherwise
	more *devices
}

// devices are two or more.
type devices struct {
	few  []uint32 // sorted, at most maxFew; nil when there is a bitmap
	many *roaring.Bitmap
}

// maxFew is where a bitmap of its own begins to cost less than a list.
const maxFew = 16

// setOf returns the set of a bitmap with members, which it takes over.
func setOf(b *roaring.Bitmap) deviceSet {
	switch n := b.GetCardinality(); {
	case n == 1:
		return deviceSet{one: b.Minimum() + 1}
	case n <= maxFew:
		return deviceSet{more: &devices{few: b.ToArray()}}
	}
	return deviceSet{more: &devices{many: b}}
}

func (s *deviceSet) add(device uint32) {
	switch {
	case s.more != nil:
		s.more.add(device)
	case s.one == 0:
		s.one = device + 1
	case s.one != device+1:
		s.more = &devices{few: append(make([]uint32, 0, 2), s.one-1)}
		s.more.add(device)
		s.one = 0
	}
}

func (d *devices) add(device uint32) {
	if d.many != nil {
		d.many.Add(device)
		return
	}
	at, found := slices.BinarySearch(d.few, device)
	switch {
	case found:
	case len(d.few) < maxFew:
		d.few = slices.Insert(d.few, at, device)
	default:
		d.many = roaring.BitmapOf(d.few...)
		d.many.Add(device)
		d.few = nil
	}
}

func (s *deviceSet) len() int {
	switch {
	case s.one != 0:
		return 1
	case s.more == nil:
		return 0
	case s.more.many != nil:
		return int(s.more.many.GetCardinality())
	}
	return len(s.more.few)
}

// each calls f for each device, in order of the numbers.
func (s *deviceSet) each(f func(device uint32)) {
	switch {
	case s.one != 0:
		f(s.one - 1)
	case s.more == nil:
	case s.more.many != nil:
		s.more.many.Iterate(func(device uint32) bool {
			f(device)
			return true
		})
	default:
		for _, device := range s.more.few {
			f(device)
		}
	}
}

// union adds the devices of other, whose numbers to translates.
func (s *deviceSet) union(other *deviceSet, to []uint32) {
	other.each(func(device uint32) { s.add(to[device]) })
}

// bitmap returns a new bitmap of the devices, with their numbers translated, in
// the one form that a set of numbers has whatever its history.
func (s *deviceSet) bitmap(to []uint32) *roaring.Bitmap {
	b := roaring.New()
	s.each(func(device uint32) { b.Add(to[device]) })
	b.RunOptimize()
	return b
}
