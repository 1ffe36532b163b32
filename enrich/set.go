package enrich

import "github.com/RoaringBitmap/roaring/v2"

// A deviceSet is a set of dense device numbers. Most contacts are of one device
// only, which takes no bitmap.
type deviceSet struct {
	one  uint32 // the number, plus one, of the only device; 0 when there is a bitmap or nothing
	many *roaring.Bitmap
}

// setOf returns the set of a bitmap with members, which it takes over.
func setOf(b *roaring.Bitmap) deviceSet {
	if b.GetCardinality() == 1 {
		return deviceSet{one: b.Minimum() + 1}
	}
	return deviceSet{many: b}
}

func (s *deviceSet) add(device uint32) {
	switch {
	case s.many != nil:
		s.many.Add(device)
	case s.one == 0:
		s.one = device + 1
	case s.one != device+1:
		s.many = roaring.BitmapOf(s.one-1, device)
		s.one = 0
	}
}

func (s *deviceSet) len() int {
	switch {
	case s.many != nil:
		return int(s.many.GetCardinality())
	case s.one != 0:
		return 1
	}
	return 0
}

// each calls f for each device, in order of the numbers.
func (s *deviceSet) each(f func(device uint32)) {
	if s.one != 0 {
		f(s.one - 1)
	}
	if s.many != nil {
		s.many.Iterate(func(device uint32) bool {
			f(device)
			return true
		})
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
