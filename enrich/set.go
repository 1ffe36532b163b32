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
// place in deviceSets.lists. The kind many is a bitmap, whose number is in at.
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
	bitmaps []*roaring.Bitmap
	size    int64 // of the bitmaps, about
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
		if d.bitmaps[s.at()].CheckedAdd(device) {
			d.size += 3 // 2 bytes and room for growth; less when a container is full
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
			b := roaring.BitmapOf(list...)
			b.Add(device)
			d.release(k, s.at())
			return d.bitmap(b)
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
		return d.bitmap(b)
	}
	var s deviceSet
	for _, device := range b.ToArray() {
		s = d.add(s, device)
	}
	return s
}

// bitmap returns a set of kind many, which takes b over.
func (d *deviceSets) bitmap(b *roaring.Bitmap) deviceSet {
	d.bitmaps = append(d.bitmaps, b)
	d.size += 200 + 3*int64(b.GetCardinality()) // 200 are roaring's structs, measured
	return newSet(many, 0, uint32(len(d.bitmaps)-1))
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
		b := d.bitmaps[s.at()]
		n := len(devices)
		devices = slices.Grow(devices, int(b.GetCardinality()))
		devices = devices[:n+int(b.GetCardinality())]
		b.ManyIterator().NextMany(devices[n:])
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
	d.bitmaps, d.size = nil, 0
}
