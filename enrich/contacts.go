package enrich

import (
	"cmp"
	"errors"
	"iter"
	"math"
	"net/netip"

	"github.com/endoflow/endoflow/flow"
	"github.com/endoflow/endoflow/internal/dense"
	"github.com/endoflow/endoflow/internal/wire"
)

// ErrCorrupt is in the chain of the error for damaged binary data.
var ErrCorrupt = wire.ErrCorrupt

// Contacts aggregates flows: per (application, remote address, port, protocol)
// and operating system it keeps the set of devices, the number of flows and the
// bytes; and per remote address the flows of whatever application. The zero
// value is empty and ready. It is for one goroutine; several Contacts merge to
// the same result however the records were divided among them.
//
// A contact of one device takes 59 to 70 bytes (0.7 to 1.5 million of them, 1,000
// devices; heap after a garbage collection), and grows with the set of devices:
// by 8 to 128 bytes for up to 32, then to a roaring bitmap (compressed and exact,
// 360 bytes for 33 devices). A remote address takes about 41 to 46 bytes. Reading
// needs 8 bytes a contact and 28 an address more, for the order.
// Devices and applications are kept once each, as text.
//
// Contacts that would outgrow Memory go to a temporary file, as a sorted run, and
// what was asked of all of them is answered by merging the runs: the same
// answers, to the byte. Call [Contacts.Err] when all has been added and read, and
// [Contacts.Close] at the end.
type Contacts struct {
	// Memory is how many bytes the contacts and addresses may take; 0 is no
	// limit. It does not include the texts of devices and applications, nor
	// what reading takes: about 20 KiB a run and goroutine.
	Memory int64

	// Dir is the folder for temporary files; "" is os.TempDir().
	Dir string

	devices dictionary
	apps    dictionary
	systems systems // that contacts have had

	waiting []waiting // at most dense.Batch
	inMemory
	runs    []run
	scratch *scratch   // where the next run goes; nil before the first
	files   []*scratch // that one, and those of merged Contacts
	err     error
}

// waiting is a flow that is to be counted together with others, so that the
// waits for memory of many overlap.
type waiting struct {
	addr    dense.Key
	detail  detail
	app     uint32
	device  uint32
	contact bool
	tx, rx  uint64
}

// inMemory is what is not in runs.
type inMemory struct {
	addrs    dense.Table
	flowsTo  dense.List[uint64] // by address
	contacts dense.Table        // of contactKey
	totals   dense.List[total]
	sets     deviceSets
	order    *order // nil if something came since it was made
}

// total is what a contact has. One without flows is no contact any more.
type total struct {
	flows, tx, rx uint64
	devices       deviceSet
}

// detail is what of a contact is neither application nor address:
//
//	port (16 bits) | protocol (8) | OS (8) | owner (32)
//
// The owner is the device's number plus one as long as its OS is not known, and
// otherwise 0.
type detail uint64

func newDetail(port uint16, proto flow.Proto, os flow.OS, owner uint32) detail {
	return detail(port)<<48 | detail(proto)<<40 | detail(os)<<32 | detail(owner)
}

func (d detail) port() uint16      { return uint16(d >> 48) }
func (d detail) proto() flow.Proto { return flow.Proto(d >> 40) }
func (d detail) os() flow.OS       { return flow.OS(d >> 32) }
func (d detail) owner() uint32     { return uint32(d) }

func contactKey(app, addr uint32, d detail) dense.Key {
	return dense.Key{Hi: uint64(app)<<32 | uint64(addr), Lo: uint64(d)}
}

// A DeviceID stands for a device in the one [Contacts] that gave it out; 0 stands
// for none.
type DeviceID uint32

// DeviceID returns the number of a device, 0 of "". A device that was asked about
// is in the binary form of c, also if it has no contact.
func (c *Contacts) DeviceID(device string) DeviceID {
	if device == "" {
		return 0
	}
	return DeviceID(c.devices.id(device) + 1)
}

// Add counts one flow with a remote end, and reports whether it is a contact: a
// record without device or application is none, and counts only as a flow to the
// remote address. One without a remote end counts as nothing, and so does every
// record after an error ([Contacts.Err]).
//
// It takes 110 ns with 500 devices and 51,000 contacts, and 210 ns with 8,000 and
// 838,000, and allocates nothing for contacts that are known
// (BenchmarkContactsAdd, 2 vCPU AMD EPYC).
func (c *Contacts) Add(rec flow.Record, remote netip.AddrPort) bool {
	if !remote.IsValid() || c.err != nil || rec.App.Name == "" {
		return c.AddOf(0, rec, remote) // of no contact, whatever the device
	}
	return c.AddOf(c.DeviceID(rec.Device), rec, remote)
}

// AddOf is [Contacts.Add] for one who knows the number of the record's device
// already: rec.Device is not looked at.
func (c *Contacts) AddOf(id DeviceID, rec flow.Record, remote netip.AddrPort) bool {
	if !remote.IsValid() || c.err != nil {
		return false
	}
	w := waiting{addr: dense.AddrKey(remote.Addr())}
	if id != 0 && rec.App.Name != "" {
		w.contact = true
		w.device = uint32(id - 1)
		w.app = c.apps.id(rec.App.Name)
		w.tx, w.rx = rec.TxBytes, rec.RxBytes
		owner := uint32(0)
		if rec.OS == flow.OSUnknown {
			owner = w.device + 1
		}
		w.detail = newDetail(remote.Port(), rec.Proto, rec.OS, owner)
		c.systems.add(rec.OS)
	}
	if len(c.waiting) == dense.Batch {
		c.flush()
	}
	c.waiting = append(c.waiting, w)
	return w.contact
}

// systems is a set of operating systems.
type systems [4]uint64

func (s *systems) add(os flow.OS)      { s[os>>6] |= 1 << (os & 63) }
func (s *systems) has(os flow.OS) bool { return s[os>>6]>>(os&63)&1 != 0 }

// flush counts the flows that wait.
func (c *Contacts) flush() {
	if len(c.waiting) == 0 || c.err != nil {
		return
	}
	c.makeRoom()
	var addrs, keys [dense.Batch]dense.Key
	for i := range c.waiting {
		addrs[i] = c.waiting[i].addr
	}
	var found [dense.Batch]uint32
	c.numberAddrs(&found, addrs[:len(c.waiting)])
	n := 0
	for i := range c.waiting {
		w := &c.waiting[i]
		to := c.flowsTo.At(found[i])
		*to = sum(*to, 1)
		if w.contact {
			c.waiting[n] = *w
			keys[n] = contactKey(w.app, found[i], w.detail)
			n++
		}
	}
	c.number(&found, keys[:n])
	for i := range n {
		w, t := &c.waiting[i], c.totals.At(found[i])
		t.flows = sum(t.flows, 1)
		t.tx = sum(t.tx, w.tx)
		t.rx = sum(t.rx, w.rx)
		t.devices = c.sets.add(t.devices, w.device)
	}
	c.waiting = c.waiting[:0]
}

// numberAddrs sets the numbers of at most dense.Batch addresses.
func (m *inMemory) numberAddrs(numbers *[dense.Batch]uint32, addrs []dense.Key) {
	m.addrs.FindAll(numbers, addrs)
	for i, addr := range addrs {
		if numbers[i] == 0 {
			numbers[i] = m.addr(addr)
		} else {
			numbers[i]--
		}
	}
}

// number sets the numbers of at most dense.Batch contacts.
func (m *inMemory) number(numbers *[dense.Batch]uint32, keys []dense.Key) {
	m.contacts.FindAll(numbers, keys)
	for i, key := range keys {
		if numbers[i] == 0 {
			numbers[i] = m.contact(key)
		} else {
			numbers[i]--
		}
	}
	m.order = nil
}

// addr returns the number of an address.
func (m *inMemory) addr(addr dense.Key) uint32 {
	n, isNew := m.addrs.Add(addr)
	if isNew {
		m.flowsTo.Append(0)
		m.order = nil
	}
	return n
}

// contact returns the number of a contact.
func (m *inMemory) contact(key dense.Key) uint32 {
	n, isNew := m.contacts.Add(key)
	if isNew {
		m.totals.Append(total{})
	}
	m.order = nil // also since a contact without flows may get some
	return n
}

func (m *inMemory) empty() bool { return m.addrs.Len() == 0 }

// reset empties m, whose memory stays.
func (m *inMemory) reset() {
	m.addrs.Reset()
	m.flowsTo.Reset()
	m.contacts.Reset()
	m.totals.Reset()
	m.sets.reset()
	m.order = nil
}

// Merge moves what other has into c: other is empty afterwards, and its
// temporary files are c's. While they are merged, both take memory; where they
// would not fit c.Memory together, other becomes a run.
func (c *Contacts) Merge(other *Contacts) {
	c.flush()
	other.flush()
	defer func() { *other = Contacts{Memory: other.Memory, Dir: other.Dir} }()
	c.err = cmp.Or(c.err, other.err)
	if c.err != nil {
		c.files = append(c.files, other.files...)
		return
	}
	if c.inMemory.empty() && len(c.files) == 0 && c.devices.Len()+c.apps.Len() == 0 {
		memory, dir := c.Memory, c.Dir
		*c = *other
		c.Memory, c.Dir = memory, dir
		if now, _ := c.bytes(); c.Memory > 0 && now > c.Memory {
			c.spill()
		}
		return
	}
	if now, _ := c.bytes(); c.Memory > 0 && !other.inMemory.empty() {
		if more, _ := other.bytes(); now+more > c.Memory {
			if other.Dir == "" {
				other.Dir = c.Dir
			}
			other.spill()
			c.err = other.err
		}
	}
	for i, systems := range other.systems {
		c.systems[i] |= systems
	}
	devices, apps := c.devices.translate(&other.devices), c.apps.translate(&other.apps)
	c.files = append(c.files, other.files...)
	for _, r := range other.runs {
		r.translate(apps, devices)
		c.runs = append(c.runs, r)
	}
	c.add(&other.inMemory, apps, devices)
}

// add counts what other has, whose applications and devices are translated.
func (c *Contacts) add(other *inMemory, apps, devices []uint32) {
	var keys [dense.Batch]dense.Key
	var numbers [dense.Batch]uint32
	addrs := make([]uint32, other.addrs.Len()) // their numbers here
	for from := 0; from < len(addrs); from += dense.Batch {
		n := min(len(addrs)-from, dense.Batch)
		for i := range n {
			keys[i] = other.addrs.Key(uint32(from + i))
		}
		c.numberAddrs(&numbers, keys[:n])
		for i := range n {
			addrs[from+i] = numbers[i]
			to := c.flowsTo.At(numbers[i])
			*to = sum(*to, *other.flowsTo.At(uint32(from + i)))
		}
	}
	var members []uint32
	for from := 0; from < other.contacts.Len(); from += dense.Batch {
		n := min(other.contacts.Len()-from, dense.Batch)
		for i := range n {
			key := other.contacts.Key(uint32(from + i))
			d := detail(key.Lo)
			if owner := d.owner(); owner != 0 {
				d += detail(devices[owner-1]+1) - detail(owner)
			}
			keys[i] = contactKey(apps[key.Hi>>32], addrs[uint32(key.Hi)], d)
		}
		c.number(&numbers, keys[:n])
		for i := range n {
			t, more := c.totals.At(numbers[i]), other.totals.At(uint32(from+i))
			t.flows = sum(t.flows, more.flows)
			t.tx = sum(t.tx, more.tx)
			t.rx = sum(t.rx, more.rx)
			members = other.sets.appendTo(members[:0], more.devices)
			for _, device := range members {
				t.devices = c.sets.add(t.devices, devices[device])
			}
		}
	}
}

// sum adds counts; what does not fit is the greatest.
func sum(a, b uint64) uint64 {
	if a+b < a {
		return math.MaxUint64
	}
	return a + b
}

// Resolve gives flows whose operating system was not known when they were added
// the one that system tells for their device; flow.OSUnknown leaves them with no
// known system. NVM names the system in endpoint records only, which may come
// after the flows. Until Resolve has been called such flows are kept per
// device, and Contacts of the same flows may differ; after it they are equal.
func (c *Contacts) Resolve(system func(device string) flow.OS) {
	c.flush()
	systems := make([]flow.OS, c.devices.Len()) // of the devices
	for i := range systems {
		systems[i] = system(c.devices.Text(uint32(i)))
		c.systems.add(systems[i])
	}
	for i := range c.runs {
		c.runs[i].resolve(systems)
	}
	for n := range uint32(c.contacts.Len()) {
		key := c.contacts.Key(n)
		d := detail(key.Lo)
		t := *c.totals.At(n)
		if d.owner() == 0 || t.flows == 0 {
			continue
		}
		*c.totals.At(n) = total{} // no contact any more
		device := d.owner() - 1
		key.Lo = uint64(newDetail(d.port(), d.proto(), systems[device], 0))
		into := c.totals.At(c.contact(key))
		into.flows = sum(into.flows, t.flows)
		into.tx = sum(into.tx, t.tx)
		into.rx = sum(into.rx, t.rx)
		into.devices = c.sets.add(into.devices, device)
	}
}

// Len returns the number of contacts: distinct (application, remote address,
// port, protocol, operating system). Where there are runs it reads them.
func (c *Contacts) Len() int {
	c.prepare()
	if len(c.runs) == 0 {
		return len(c.order.contacts)
	}
	n := 0
	r := newReader(c)
	for app := range c.apps.Len() {
		c.note(r.each(uint32(app), func(_ dense.Key, _ uint32, of []contact) error { n += len(of); return nil }))
	}
	return n
}

// NumAddrs returns the number of distinct remote addresses. Where there are runs
// it reads them.
func (c *Contacts) NumAddrs() int {
	c.flush()
	if len(c.runs) == 0 {
		return c.addrs.Len()
	}
	n := 0
	for range c.Addrs() {
		n++
	}
	return n
}

// Addrs yields the distinct remote addresses, sorted, and the flows to each,
// contacts or not: what a pdns.Filter is to be made of. Where it ends early,
// [Contacts.Err] tells why.
func (c *Contacts) Addrs() iter.Seq2[netip.Addr, uint64] {
	return func(yield func(netip.Addr, uint64) bool) {
		c.prepare()
		c.note(newReader(c).each(allAddrs, func(addr dense.Key, _ uint32, of []contact) error {
			if !yield(addr.Addr(), of[0].flows) {
				return errStop
			}
			return nil
		}))
	}
}

// errStop ends reading before its end.
var errStop = errors.New("stopped")

// note keeps the first error of a file.
func (c *Contacts) note(err error) {
	if _, ok := errors.AsType[*fileError](err); ok && c.err == nil {
		c.err = err
	}
}

// Err returns the first error of a temporary file, after which c counts nothing
// more and what it answers is incomplete.
func (c *Contacts) Err() error {
	c.flush()
	return c.err
}
