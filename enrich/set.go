package enrich

import (
	"slices"

	"github.com/RoaringBitmap/roaring/v2"

	"github.com/endoflow/endoflow/internal/dense"
)

// A deviceSet is a set of dense device numbers, in one word:
//
//	kind (8 bits) | members (24 bits) | at (32 bits)
//
// The kind onlyOne has the device itself in at, and takes no memory beside the
// word: most contacts are of one device. Of the others most are of a few: the
// kind k is a list of up to 1<<k devices, in any order, which begins at that
// place in deviceSets.lists. The kind many is a bitmap and a list of those that are
// to go into it, whose number is in at.
// The zero value is the empty set.
type deviceSet uint64

const (
	onlyOne  = 0
	maxLists = 5 // a bitmap of its own costs less than a list of 64
	many     = 255
)

func newSet(kind, members int, at uint32) deviceSet {
	return deviceSet(kind)<<56 | deviceSet(members)<<32 | deviceSet(at)
}

func (s deviceSet) kind() int    { return int(s >> 56) }
func (s deviceSet) members() int { return int(s >> 32 & 0xffffff) }
func (s deviceSet) at() uint32   { return uint32(s) }

// deviceSets has the members of sets. Only bitmaps are pointers, so that a
// garbage collection has little to look at.
type deviceSets struct {
	lists   [maxLists + 1]dense.List[uint32]
	free    [maxLists + 1]uint32 // the place, plus one, of a list that is not used; its first element leads to the next
	many    []manySet
	size    int64           // of the bitmaps, about
	scratch *roaring.Bitmap // for settle
}

// A manySet is a bitmap and a list of the last kind. A device goes to the list, and
// when it is full, all go to the bitmap, which takes two thirds of the time that
// finding the place of each does when it comes (sets of about 300, 2 vCPU AMD EPYC).
type manySet struct {
	*roaring.Bitmap
	list, waiting uint32 // its place, and how many devices it has, not distinct
}

// add returns s with a device, which takes the place of s.
func (d *deviceSets) add(s deviceSet, device uint32) deviceSet {
	n := s.members()
	switch k := s.kind(); k {
	case onlyOne:
		if n == 0 {
			return newSet(onlyOne, 1, device)
		}
		if s.at() == device {
			return s
		}
		at := d.list(1)
		list := d.lists[1].Slice(at, 2)
		list[0], list[1] = s.at(), device
		return newSet(1, 2, at)
	case many:
		m := &d.many[s.at()]
		list := d.lists[maxLists].Slice(m.list, 1<<maxLists)
		list[m.waiting] = device
		if m.waiting++; int(m.waiting) == len(list) {
			d.settle(m, list)
		}
		return s
	default:
		list := d.lists[k].Slice(s.at(), 1<<k)
		if slices.Contains(list[:n], device) {
			return s
		}
		if n < len(list) {
			list[n] = device
			return newSet(k, n+1, s.at())
		}
		if k == maxLists {
			many := d.newMany(roaring.BitmapOf(list...), s.at())
			return d.add(many, device)
		}
		at := d.list(k + 1)
		longer := d.lists[k+1].Slice(at, 2<<k)
		copy(longer, d.lists[k].Slice(s.at(), 1<<k))
		longer[n] = device
		d.release(k, s.at())
		return newSet(k+1, n+1, at)
	}
}

// list returns the place of an unused list of 1<<k devices.
func (d *deviceSets) list(k int) uint32 {
	if at := d.free[k]; at != 0 {
		d.free[k] = d.lists[k].Slice(at-1, 1)[0]
		return at - 1
	}
	at := uint32(d.lists[k].Len())
	for range 1 << k {
		d.lists[k].Append(0)
	}
	return at
}

func (d *deviceSets) release(k int, at uint32) {
	*d.lists[k].At(at) = d.free[k]
	d.free[k] = at + 1
}

// of returns a new set with the members of b, which it takes over.
func (d *deviceSets) of(b *roaring.Bitmap) deviceSet {
	if b.GetCardinality() > 1<<maxLists {
		return d.newMany(b, d.list(maxLists))
	}
	var s deviceSet
	for _, device := range b.ToArray() {
		s = d.add(s, device)
	}
	return s
}

// newMany returns a set of kind many, which takes over b and the list at a place.
func (d *deviceSets) newMany(b *roaring.Bitmap, list uint32) deviceSet {
	d.many = append(d.many, manySet{Bitmap: b, list: list})
	d.size += 216 + 3*int64(b.GetCardinality()) // 200 are roaring's structs, measured
	return newSet(many, 0, uint32(len(d.many)-1))
}

// settle moves the devices of a set's list, which is full, to its bitmap.
func (d *deviceSets) settle(m *manySet, list []uint32) {
	if d.scratch == nil {
		d.scratch = roaring.New()
	}
	slices.Sort(list)
	d.scratch.Clear()
	d.scratch.AddMany(list)
	before := m.GetCardinality()
	m.Or(d.scratch)
	d.size += 3 * int64(m.GetCardinality()-before) // 2 bytes and room for growth; less when a container is full
	m.waiting = 0
}

// appendTo appends the members of s.
func (d *deviceSets) appendTo(devices []uint32, s deviceSet) []uint32 {
	switch k := s.kind(); k {
	case onlyOne:
		if s.members() == 0 {
			return devices
		}
		return append(devices, s.at())
	case many:
		m := &d.many[s.at()]
		n := len(devices)
		devices = slices.Grow(devices, int(m.GetCardinality()))
		devices = devices[:n+int(m.GetCardinality())]
		m.ManyIterator().NextMany(devices[n:])
		n = len(devices)
		for _, device := range d.lists[maxLists].Slice(m.list, 1<<maxLists)[:m.waiting] {
			if !m.Contains(device) && !slices.Contains(devices[n:], device) {
				devices = append(devices, device)
			}
		}
		return devices
	default:
		return append(devices, d.lists[k].Slice(s.at(), 1<<k)[:s.members()]...)
	}
}

// bytes returns what the sets hold, and a bound of what they would hold more if
// 256 devices were added.
func (d *deviceSets) bytes() (now, more int64) {
	now = d.size
	for k := range d.lists {
		now += d.lists[k].Size()
		more += d.lists[k].Growth(min(256<<k, 4096))
	}
	return now, more
}

// reset empties the sets.
func (d *deviceSets) reset() {
	for k := range d.lists {
		d.lists[k].Reset()
		d.free[k] = 0
	}
	d.many, d.size = nil, 0
}
