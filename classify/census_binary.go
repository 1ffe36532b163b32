package classify

import (
	"cmp"
	"encoding/binary"
	"maps"
	"slices"
	"strings"

	"github.com/RoaringBitmap/roaring/v2"

	"github.com/endoflow/endoflow/flow"
	"github.com/endoflow/endoflow/internal/wire"
)

// AppendBinary appends the binary form of c to b. Censuses that counted the same
// records give the same bytes, in whatever order and however split they were
// added. The error is not nil only if a set of devices could not be written.
//
// The body is, with n, null, flows and all indexes as varints and a text as its length
// (varint) and bytes:
//
//	n NULLs         {null, flows}                               by null
//	n devices       {text, bits 1 byte}                         by name
//	n applications  {text, n counts {os 1 byte, direction 1 byte, flows},
//	                 size of set, set of device indexes}        by name
//	n unplaced      {device, application, direction 1 byte, flows}, by the three
//
// A device's bits are those of its OSSet, without unknown, and bit 0 for a
// device with flows. Indexes are places in the lists above, so that the bytes
// have nothing of the order of arrival; sets are in RoaringFormatSpec, run
// optimised, and of size 0 if empty.
func (c *Census) AppendBinary(b []byte) ([]byte, error) {
	c.flush()
	start := len(b)
	b = wire.AppendHeader(b, kindCensus, version)

	b = binary.AppendUvarint(b, uint64(len(c.nulls)))
	for _, row := range c.Nulls() {
		b = binary.AppendUvarint(b, uint64(row.Null))
		b = binary.AppendUvarint(b, row.Flows)
	}

	devices, devicePlace := byName(c.devices, func(d *device) string { return d.name }, (*device).known)
	b = binary.AppendUvarint(b, uint64(len(devices)))
	for _, i := range devices {
		d := &c.devices[i]
		bits := byte(d.oses)
		if d.seen {
			bits |= 1
		}
		b = append(wire.AppendString(b, d.name), bits)
	}

	apps, appPlace := byName(c.apps, func(a *app) string { return a.name }, nil)
	b = binary.AppendUvarint(b, uint64(len(apps)))
	for _, i := range apps {
		a := &c.apps[i]
		b = appendFlows(wire.AppendString(b, a.name), &a.flows)
		if a.devices.IsEmpty() {
			b = append(b, 0)
			continue
		}
		set := renumbered(a.devices, devicePlace)
		bytes, err := set.ToBytes()
		if err != nil {
			return nil, err
		}
		b = append(binary.AppendUvarint(b, uint64(len(bytes))), bytes...)
	}

	counts := make(map[unplaced]uint64, len(c.flows))
	c.eachUnplaced(func(u unplaced, flows uint64) {
		counts[unplaced{devicePlace[u.device], appPlace[u.app], u.direction}] = flows
	})
	b = binary.AppendUvarint(b, uint64(len(counts)))
	for _, u := range slices.SortedFunc(maps.Keys(counts), unplaced.compare) {
		b = binary.AppendUvarint(b, uint64(u.device))
		b = binary.AppendUvarint(b, uint64(u.app))
		b = binary.AppendUvarint(append(b, byte(u.direction)), counts[u])
	}
	return wire.AppendChecksum(b, start), nil
}

func (u unplaced) compare(v unplaced) int {
	return cmp.Or(cmp.Compare(u.device, v.device), cmp.Compare(u.app, v.app), cmp.Compare(u.direction, v.direction))
}

// byName returns the indexes of those in list that keep accepts (nil: of all) in
// the order of their names, and the place of each in that order.
func byName[T any](list []T, name func(*T) string, keep func(*T) bool) (order, place []uint32) {
	place = make([]uint32, len(list))
	for i := range list {
		if keep == nil || keep(&list[i]) {
			order = append(order, uint32(i))
		}
	}
	slices.SortFunc(order, func(a, b uint32) int { return strings.Compare(name(&list[a]), name(&list[b])) })
	for at, i := range order {
		place[i] = uint32(at)
	}
	return order, place
}

func appendFlows(b []byte, flows *[systems][directions]uint64) []byte {
	n := 0
	for os := range flows {
		for _, count := range flows[os] {
			if count > 0 {
				n++
			}
		}
	}
	b = binary.AppendUvarint(b, uint64(n))
	for os := range flows {
		for d, count := range flows[os] {
			if count > 0 {
				b = binary.AppendUvarint(append(b, byte(os), byte(d)), count)
			}
		}
	}
	return b
}

// UnmarshalBinary replaces what c counted by what AppendBinary wrote, and keeps
// nothing of data. On an error c is left as it was.
func (c *Census) UnmarshalBinary(data []byte) error {
	r := wire.Open("census", kindCensus, version, data)
	var read Census
	seen := roaring.New()

	last := -1
	for range r.Count(2) {
		null := r.Below(1 << 8)
		flows := r.Positive()
		if null <= max(last, 0) {
			r.Corrupt()
		}
		last = null
		if read.nulls == nil {
			read.nulls = make(map[flow.Null]uint64)
		}
		read.nulls[flow.Null(null)] = flows
	}

	for i := range r.Count(2) {
		name := string(r.Bytes())
		bits := r.Below(int(AnyOS) + 1)
		if name == "" || bits == 0 || i > 0 && name <= read.devices[i-1].name {
			r.Corrupt()
		}
		if r.Err() != nil {
			return r.Err()
		}
		d := &read.devices[read.device(name)]
		d.oses, d.seen = OSSet(bits)&^Only(flow.OSUnknown), bits&1 != 0
		if d.seen {
			seen.Add(uint32(i))
		}
	}

	for i := range r.Count(3) {
		name := string(r.Bytes())
		if i > 0 && name <= read.apps[i-1].name {
			r.Corrupt()
		}
		if r.Err() != nil {
			return r.Err()
		}
		a := &read.apps[read.app(name)]
		last := -1
		for range r.Count(3) {
			os, d := r.Below(systems), r.Below(directions)
			flows := r.Positive()
			if os*directions+d <= last {
				r.Corrupt()
			}
			last = os*directions + d
			a.flows[os][d] = flows
		}
		a.devices = r.Set(len(read.devices))
		if n := a.devices.GetCardinality(); n > 0 && name == "" || a.devices.AndCardinality(seen) != n {
			r.Corrupt()
		}
	}

	before := unplaced{}
	for i := range r.Count(4) {
		u := unplaced{
			device:    uint32(r.Below(len(read.devices))),
			app:       uint32(r.Below(len(read.apps))),
			direction: Direction(r.Below(directions)),
		}
		flows := r.Positive()
		if i > 0 && u.compare(before) <= 0 || r.Err() == nil && !seen.Contains(u.device) {
			r.Corrupt()
		}
		if r.Err() != nil {
			return r.Err()
		}
		before = u
		read.addUnplaced(u, flows)
	}
	if err := r.End(); err != nil {
		return err
	}
	*c = read
	return nil
}
