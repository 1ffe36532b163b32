package classify

import (
	"cmp"
	"maps"
	"math"
	"slices"

	"github.com/RoaringBitmap/roaring/v2"

	"github.com/endoflow/endoflow/flow"
	"github.com/endoflow/endoflow/internal/dense"
)

// A Census counts all records of a study, before any is left out, so that the
// filters of the paper's phase 5 (section 2.4) can be chosen and their effect
// told. The zero value is empty and ready. It is for one goroutine; Merge joins
// the counts of several.
//
// What it counts does not depend on the order of the records, nor on which
// Census each was added to before a Merge.
//
//   - A record with any flow.Null counts in [Census.Nulls] and in nothing else.
//   - A flow has its record's operating system, or, where the record does not
//     tell, its device's; the device's may come later, by another record or by
//     SetOS.
//   - A device of which records or SetOS told several systems has the greatest,
//     as in flow.Devices, and [Census.Ambiguous] counts it. Its flows keep
//     those of their records.
//   - Records without a device belong to no set of devices, and records without
//     an application (Zeek's) to no application.
//
// Memory: 64 bytes and a table entry per device, a table entry and a compressed bitmap of
// devices per application, and about 40 bytes per device, application and
// direction of flows whose record tells no operating system.
type Census struct {
	nulls     map[flow.Null]uint64
	deviceIDs dense.Texts[struct{}]
	devices   []device // by id
	appIDs    dense.Texts[struct{}]
	apps      []app       // by id
	unplaced  dense.Table // of keys of type unplaced
	flows     []uint64    // by the numbers in unplaced
	waiting   []sighting  // at most dense.Batch
	touched   uint64      // of no use; reading it into something keeps the compiler from leaving it out
}

// A sighting is what a flow tells of its device. Many are noted together, so that
// the waits for memory overlap.
type sighting struct {
	device, app uint32 // app may be noApp
	os          flow.OS
}

const noApp = math.MaxUint32

// A device takes a cache line.
type device struct {
	name string
	oses OSSet     // all that were told
	seen bool      // it has a flow
	apps [5]uint64 // a bit for each of the first 320 applications that has it in its set
}

// has reports whether an application of the first has the device in its set, and
// makes it so.
func (d *device) has(app uint32) bool {
	if app >= 64*uint32(len(d.apps)) {
		return false
	}
	word, bit := &d.apps[app/64], uint64(1)<<(app%64)
	has := *word&bit != 0
	*word |= bit
	return has
}

// known reports whether anything has been told of the device.
func (d *device) known() bool { return d.seen || d.oses != 0 }

func (d *device) os() flow.OS {
	for os := flow.OS(systems - 1); os > flow.OSUnknown; os-- {
		if d.oses.Has(os) {
			return os
		}
	}
	return flow.OSUnknown
}

// An app is an application. That named "" stands for none, and has no devices.
type app struct {
	name    string
	devices *roaring.Bitmap // by id in Census.devices
	flows   [systems][directions]uint64
}

// unplaced identifies flows of which only the device can tell the system.
type unplaced struct {
	device, app uint32
	direction   Direction
}

// A DeviceID stands for a device in the one [Census] that gave it out; 0 stands for
// none.
type DeviceID uint32

// DeviceID returns the number of a device, 0 of "". A device of which nothing is
// added is no device of the Census yet.
func (c *Census) DeviceID(device string) DeviceID {
	if device == "" {
		return 0
	}
	return DeviceID(c.device(device) + 1)
}

// Add counts one record and its label.
func (c *Census) Add(rec flow.Record, l Label) {
	if rec.Null != 0 { // also if it lacks the device
		c.AddOf(0, rec, l)
		return
	}
	c.AddOf(c.DeviceID(rec.Device), rec, l)
}

// AddOf is [Census.Add] for one who knows the number of the record's device
// already: rec.Device is not looked at.
func (c *Census) AddOf(id DeviceID, rec flow.Record, l Label) {
	if rec.Null != 0 {
		if c.nulls == nil {
			c.nulls = make(map[flow.Null]uint64)
		}
		c.nulls[rec.Null]++
		return
	}
	os, direction := knownOS(rec.OS), known(l.Direction)
	a := c.app(rec.App.Name)
	if id == 0 {
		c.apps[a].flows[os][direction]++
		return
	}
	s := sighting{uint32(id - 1), a, os}
	if os == flow.OSUnknown {
		c.addUnplaced(unplaced{s.device, a, direction}, 1)
	} else {
		c.apps[a].flows[os][direction]++
	}
	if rec.App.Name == "" {
		s.app = noApp
	}
	if len(c.waiting) == dense.Batch {
		c.flush()
	}
	c.waiting = append(c.waiting, s)
}

// flush notes the sightings that wait. First it reads from where all devices are.
func (c *Census) flush() {
	for _, s := range c.waiting {
		c.touched += c.devices[s.device].apps[0]
	}
	for _, s := range c.waiting {
		d := &c.devices[s.device]
		d.seen = true
		if s.os != flow.OSUnknown {
			d.oses |= Only(s.os)
		}
		if s.app != noApp && !d.has(s.app) {
			c.apps[s.app].devices.Add(s.device)
		}
	}
	c.waiting = c.waiting[:0]
}

// SetOS tells the operating system of a device, as NVM's endpoint records do.
// It does not make the device one of the population, which takes a flow.
func (c *Census) SetOS(device string, os flow.OS) {
	if os = knownOS(os); device == "" || os == flow.OSUnknown {
		return
	}
	c.devices[c.device(device)].oses |= Only(os)
}

// knownOS returns os, or OSUnknown for a value that package flow does not name.
func knownOS(os flow.OS) flow.OS {
	if int(os) >= systems {
		return flow.OSUnknown
	}
	return os
}

func (c *Census) device(name string) uint32 {
	id, isNew := c.deviceIDs.Add(name)
	if isNew {
		c.devices = append(c.devices, device{name: name})
	}
	return id
}

func (c *Census) app(name string) uint32 {
	id, isNew := c.appIDs.Add(name)
	if isNew {
		c.apps = append(c.apps, app{name: name, devices: roaring.New()})
	}
	return id
}

func (c *Census) addUnplaced(u unplaced, flows uint64) {
	n, isNew := c.unplaced.Add(u.key())
	if isNew {
		c.flows = append(c.flows, 0)
	}
	c.flows[n] += flows
}

// eachUnplaced visits the flows of which only the device can tell the system.
func (c *Census) eachUnplaced(visit func(u unplaced, flows uint64)) {
	for n, flows := range c.flows {
		k := c.unplaced.Key(uint32(n))
		visit(unplaced{uint32(k.Hi >> 32), uint32(k.Hi), Direction(k.Lo)}, flows)
	}
}

func (u unplaced) key() dense.Key {
	return dense.Key{Hi: uint64(u.device)<<32 | uint64(u.app), Lo: uint64(u.direction)}
}

// Merge adds what other counted, which it leaves as it is and of which it keeps
// nothing.
func (c *Census) Merge(other *Census) {
	other.flush()
	if len(other.nulls) > 0 && c.nulls == nil {
		c.nulls = make(map[flow.Null]uint64)
	}
	for null, flows := range other.nulls {
		c.nulls[null] += flows
	}
	deviceID := make([]uint32, len(other.devices)) // by id in other
	for i, d := range other.devices {
		id := c.device(d.name)
		c.devices[id].oses |= d.oses
		c.devices[id].seen = c.devices[id].seen || d.seen
		deviceID[i] = id
	}
	appID := make([]uint32, len(other.apps))
	for i := range other.apps {
		from := &other.apps[i]
		appID[i] = c.app(from.name)
		into := &c.apps[appID[i]]
		into.devices.Or(renumbered(from.devices, deviceID))
		for os := range from.flows {
			for d, flows := range from.flows[os] {
				into.flows[os][d] += flows
			}
		}
	}
	other.eachUnplaced(func(u unplaced, flows uint64) {
		c.addUnplaced(unplaced{deviceID[u.device], appID[u.app], u.direction}, flows)
	})
}

// renumbered returns the set of to[id] for each id in ids. How it is stored
// depends on its members only.
func renumbered(ids *roaring.Bitmap, to []uint32) *roaring.Bitmap {
	members := ids.ToArray()
	for i, id := range members {
		members[i] = to[id]
	}
	slices.Sort(members)
	set := roaring.New()
	set.AddMany(members)
	set.RunOptimize()
	return set
}

// A NullCount is the number of records that lack the same fields.
type NullCount struct {
	Null  flow.Null
	Flows uint64
}

// Nulls returns how many records lack which fields, sorted by Null.
func (c *Census) Nulls() []NullCount {
	var rows []NullCount
	for _, null := range slices.Sorted(maps.Keys(c.nulls)) {
		rows = append(rows, NullCount{null, c.nulls[null]})
	}
	return rows
}

// A DirectionCount is the number of flows of one direction on one operating
// system.
type DirectionCount struct {
	OS        flow.OS
	Direction Direction
	Flows     uint64
}

// Directions returns the flows of all records that are not NULL, sorted by OS
// and Direction. Pairs without flows have no row.
func (c *Census) Directions() []DirectionCount {
	var flows [systems][directions]uint64
	c.each(func(_ uint32, os flow.OS, d Direction, n uint64) { flows[os][d] += n })
	var rows []DirectionCount
	for os := range flows {
		for d, n := range flows[os] {
			if n > 0 {
				rows = append(rows, DirectionCount{flow.OS(os), Direction(d), n})
			}
		}
	}
	return rows
}

// each visits all counts of flows, with their operating systems as known now.
func (c *Census) each(visit func(app uint32, os flow.OS, d Direction, flows uint64)) {
	c.flush()
	for a := range c.apps {
		for os := range c.apps[a].flows {
			for d, flows := range c.apps[a].flows[os] {
				if flows > 0 {
					visit(uint32(a), flow.OS(os), Direction(d), flows)
				}
			}
		}
	}
	c.eachUnplaced(func(u unplaced, flows uint64) {
		visit(u.app, c.devices[u.device].os(), u.direction, flows)
	})
}

// OS returns the operating system of a device, OSUnknown if none was told.
func (c *Census) OS(device string) flow.OS {
	c.flush()
	id, ok := c.deviceIDs.Find(device)
	if !ok {
		return flow.OSUnknown
	}
	return c.devices[id].os()
}

// Ambiguous returns the number of devices of which several operating systems
// were told: two systems on one machine, or two machines under one identifier.
func (c *Census) Ambiguous() int {
	c.flush()
	n := 0
	for i := range c.devices {
		if d := &c.devices[i]; d.seen && d.oses&^Only(d.os()) != 0 {
			n++
		}
	}
	return n
}

// Population returns the number of devices of the systems that have at least
// one flow.
func (c *Census) Population(oses OSSet) int { return int(c.population(oses).GetCardinality()) }

func (c *Census) population(oses OSSet) *roaring.Bitmap {
	c.flush()
	set := roaring.New()
	for i := range c.devices {
		if d := &c.devices[i]; d.seen && oses.Has(d.os()) {
			set.Add(uint32(i))
		}
	}
	return set
}

// An AppCount is what a Census knows of one application on the devices of some
// operating systems.
type AppCount struct {
	App string

	// Devices have at least one flow of the application, in any direction:
	// the stand-in for "installed".
	Devices int

	// Prevalence is Devices by the population, in [0, 1].
	Prevalence float64

	Flows    uint64 // in all directions
	Outbound uint64 // of them
}

// Apps returns the applications on the systems, sorted by name.
//
// Paper: section 2.4 asks on how many devices an application is "installed"; how
// that was known is not told. An application that sent nothing all day is not
// seen here. Where osquery's list of applications is at hand, it is the better
// answer.
func (c *Census) Apps(oses OSSet) []AppCount {
	devices := c.population(oses)
	population := float64(devices.GetCardinality())
	counts := make([]AppCount, len(c.apps))
	c.each(func(a uint32, os flow.OS, d Direction, flows uint64) {
		if !oses.Has(os) {
			return
		}
		counts[a].Flows += flows
		if d == Outbound {
			counts[a].Outbound += flows
		}
	})
	var rows []AppCount
	for a, row := range counts {
		row.App = c.apps[a].name
		row.Devices = int(c.apps[a].devices.AndCardinality(devices))
		if row.Devices > 0 {
			row.Prevalence = float64(row.Devices) / population
		}
		if row.App != "" && (row.Devices > 0 || row.Flows > 0) {
			rows = append(rows, row)
		}
	}
	slices.SortFunc(rows, func(a, b AppCount) int { return cmp.Compare(a.App, b.App) })
	return rows
}

// Prevalent returns the applications on more than the share min of the devices
// of the systems, sorted. min is a share, not per cent: the paper's filter is
// 0.05, and 5 of 100 devices are not more than that.
func (c *Census) Prevalent(oses OSSet, min float64) []string {
	var names []string
	for _, row := range c.Apps(oses) {
		if row.Prevalence > min {
			names = append(names, row.App)
		}
	}
	return names
}
