package enrich

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"iter"
	"math"
	"net/netip"
	"slices"

	"github.com/endoflow/endoflow/flow"
	"github.com/endoflow/endoflow/internal/wire"
)

// ErrCorrupt is in the chain of the error for damaged binary data.
var ErrCorrupt = wire.ErrCorrupt

// Contacts aggregates flows: per (application, remote address, port, protocol)
// and operating system it keeps the set of devices, the number of flows and the
// bytes. The zero value is empty and ready. It is for one goroutine; several
// Contacts merge to the same result however the records were divided among
// them.
//
// A contact of one device takes about 130 bytes (a million of them, 1,000 devices,
// heap after a garbage collection), and grows with the set of
// devices (roaring: compressed and exact); devices and applications are kept once
// each, as text.
type Contacts struct {
	devices dictionary
	apps    dictionary
	index   map[contact]uint32
	totals  []total // by the numbers in index
}

// contact is what records are aggregated by.
type contact struct {
	app   uint32
	port  uint16
	proto flow.Proto
	os    flow.OS
	owner uint32 // the device's number plus one, as long as its OS is not known
	addr  [16]byte
}

type total struct {
	devices       deviceSet
	flows, tx, rx uint64
}

// A dictionary numbers texts densely in the order in which they come.
type dictionary struct {
	ids   map[string]uint32
	texts []string
}

func (d *dictionary) id(text string) uint32 {
	if id, ok := d.ids[text]; ok {
		return id
	}
	if d.ids == nil {
		d.ids = make(map[string]uint32)
	}
	id := uint32(len(d.texts))
	d.ids[text] = id
	d.texts = append(d.texts, text)
	return id
}

// sorted returns the texts in order, and for each number the text's place.
func (d *dictionary) sorted() (texts []string, place []uint32) {
	order := make([]uint32, len(d.texts))
	for i := range order {
		order[i] = uint32(i)
	}
	slices.SortFunc(order, func(a, b uint32) int { return cmp.Compare(d.texts[a], d.texts[b]) })
	texts, place = make([]string, len(order)), make([]uint32, len(order))
	for i, id := range order {
		texts[i], place[id] = d.texts[id], uint32(i)
	}
	return texts, place
}

// Add counts one flow with a remote end, and reports whether it did: a record
// without device, application or remote end is no contact of anything.
func (c *Contacts) Add(rec flow.Record, remote netip.AddrPort) bool {
	if rec.Device == "" || rec.App.Name == "" || !remote.IsValid() {
		return false
	}
	device := c.devices.id(rec.Device)
	key := contact{
		app: c.apps.id(rec.App.Name), port: remote.Port(), proto: rec.Proto, os: rec.OS,
		addr: remote.Addr().WithZone("").As16(),
	}
	if rec.OS == flow.OSUnknown {
		key.owner = device + 1
	}
	t := c.total(key)
	t.devices.add(device)
	t.flows++
	t.tx = sum(t.tx, rec.TxBytes)
	t.rx = sum(t.rx, rec.RxBytes)
	return true
}

func (c *Contacts) total(key contact) *total {
	i, ok := c.index[key]
	if !ok {
		if c.index == nil {
			c.index = make(map[contact]uint32)
		}
		i = uint32(len(c.totals))
		c.index[key] = i
		c.totals = append(c.totals, total{})
	}
	return &c.totals[i]
}

// Merge adds what other has, which it leaves as it is.
func (c *Contacts) Merge(other *Contacts) {
	devices, apps := c.devices.translate(&other.devices), c.apps.translate(&other.apps)
	for key, i := range other.index {
		key.app = apps[key.app]
		if key.owner != 0 {
			key.owner = devices[key.owner-1] + 1
		}
		c.add(key, &other.totals[i], devices)
	}
}

// translate numbers the texts of other in d.
func (d *dictionary) translate(other *dictionary) []uint32 {
	to := make([]uint32, len(other.texts))
	for i, text := range other.texts {
		to[i] = d.id(text)
	}
	return to
}

func (c *Contacts) add(key contact, t *total, devices []uint32) {
	into := c.total(key)
	into.devices.union(&t.devices, devices)
	into.flows = sum(into.flows, t.flows)
	into.tx = sum(into.tx, t.tx)
	into.rx = sum(into.rx, t.rx)
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
	var unresolved []contact
	for key := range c.index {
		if key.owner != 0 {
			unresolved = append(unresolved, key)
		}
	}
	if len(unresolved) == 0 {
		return
	}
	old := *c
	c.index, c.totals = make(map[contact]uint32, len(old.index)), make([]total, 0, len(old.totals))
	same := make([]uint32, len(c.devices.texts))
	for i := range same {
		same[i] = uint32(i)
	}
	for key, i := range old.index {
		if key.owner == 0 {
			c.index[key] = uint32(len(c.totals))
			c.totals = append(c.totals, old.totals[i])
		}
	}
	for _, key := range unresolved {
		t := &old.totals[old.index[key]]
		key.os, key.owner = system(c.devices.texts[key.owner-1]), 0
		c.add(key, t, same)
	}
}

// Active yields the applications, sorted, and on how many devices each has
// contacts that keep accepts; nil accepts all.
func (c *Contacts) Active(keep func(os flow.OS, app string) bool) iter.Seq2[string, int] {
	return func(yield func(string, int) bool) {
		n := newCounter(len(c.devices.texts))
		for ofApp := range byRun(c.selected(keep), func(a, b joined) bool { return a.app == b.app }) {
			n.reset()
			for i := range ofApp {
				n.add(&ofApp[i].devices)
			}
			if !yield(c.apps.texts[ofApp[0].app], n.count) {
				return
			}
		}
	}
}

// Len returns the number of contacts: distinct (application, remote address,
// port, protocol, operating system).
func (c *Contacts) Len() int { return len(c.totals) }

// Addrs yields the distinct remote addresses, sorted: what a pdns.Filter is to
// be made of.
func (c *Contacts) Addrs() iter.Seq[netip.Addr] {
	seen := make(map[[16]byte]bool)
	for key := range c.index {
		seen[key.addr] = true
	}
	addrs := make([]netip.Addr, 0, len(seen))
	for a := range seen {
		addrs = append(addrs, netip.AddrFrom16(a).Unmap())
	}
	slices.SortFunc(addrs, netip.Addr.Compare)
	return slices.Values(addrs)
}

// sorted returns the contacts in the order in which they are written: by
// application, address, port, protocol, OS and owner, applications and devices
// by their place.
func (c *Contacts) sorted(apps, devices []uint32) []contact {
	keys := make([]contact, 0, len(c.index))
	for key := range c.index {
		keys = append(keys, key)
	}
	slices.SortFunc(keys, func(a, b contact) int {
		return cmp.Or(
			cmp.Compare(apps[a.app], apps[b.app]), slices.Compare(a.addr[:], b.addr[:]), cmp.Compare(a.port, b.port),
			cmp.Compare(a.proto, b.proto), cmp.Compare(a.os, b.os), cmp.Compare(a.ownerPlace(devices), b.ownerPlace(devices)))
	})
	return keys
}

// ownerPlace returns 0, or one more than the place of the owner.
func (k contact) ownerPlace(devices []uint32) uint32 {
	if k.owner == 0 {
		return 0
	}
	return devices[k.owner-1] + 1
}

const (
	contactsKind    = "efCo"
	contactsVersion = 1
)

// AppendBinary implements encoding.BinaryAppender. Contacts of the same flows
// have the same bytes, however they were added and merged, once [Contacts.Resolve]
// has been called.
//
//	header      "efCo", version 1
//	devices     count, then each: length, text; sorted
//	apps        count, then each: length, text; sorted
//	contacts    count, then each, sorted:
//	            app, address (16 bytes), port, protocol, OS, owner,
//	            flows, tx bytes, rx bytes, set of devices (length, roaring)
//	checksum    CRC-32C
//
// Numbers are unsigned varints. Owner is 0, or one more than the number of the
// device whose OS is not resolved. Sets are in the portable roaring format,
// run-optimized.
func (c *Contacts) AppendBinary(b []byte) ([]byte, error) {
	start := len(b)
	b = wire.AppendHeader(b, contactsKind, contactsVersion)
	devices, devicePlace := c.devices.sorted()
	apps, appPlace := c.apps.sorted()
	for _, texts := range [][]string{devices, apps} {
		b = binary.AppendUvarint(b, uint64(len(texts)))
		for _, text := range texts {
			b = wire.AppendString(b, text)
		}
	}
	b = binary.AppendUvarint(b, uint64(len(c.index)))
	for _, key := range c.sorted(appPlace, devicePlace) {
		t := &c.totals[c.index[key]]
		b = binary.AppendUvarint(b, uint64(appPlace[key.app]))
		b = append(b, key.addr[:]...)
		for _, v := range [...]uint64{uint64(key.port), uint64(key.proto), uint64(key.os), uint64(key.ownerPlace(devicePlace)), t.flows, t.tx, t.rx} {
			b = binary.AppendUvarint(b, v)
		}
		set, err := t.devices.bitmap(devicePlace).ToBytes()
		if err != nil {
			return nil, err
		}
		b = binary.AppendUvarint(b, uint64(len(set)))
		b = append(b, set...)
	}
	return wire.AppendChecksum(b, start), nil
}

// UnmarshalBinary replaces c by what data says, of which it keeps nothing. Data
// of another kind or version, or damaged (then with [ErrCorrupt]), is an error
// and leaves c as it was.
func (c *Contacts) UnmarshalBinary(data []byte) error {
	r := wire.Open("contacts", contactsKind, contactsVersion, data)
	var n Contacts
	for _, d := range []*dictionary{&n.devices, &n.apps} {
		for i := range r.Count(1) {
			text := string(r.Bytes())
			if i > 0 && text <= d.texts[i-1] {
				r.Corrupt()
			}
			if r.Err() != nil {
				break
			}
			d.id(text)
		}
	}
	devices, apps := len(n.devices.texts), len(n.apps.texts)
	for range r.Count(16) {
		key := contact{app: uint32(r.Below(apps))}
		copy(key.addr[:], r.Take(16))
		key.port = uint16(r.Below(1 << 16))
		key.proto = flow.Proto(r.Below(1 << 8))
		key.os = flow.OS(r.Below(1 << 8))
		key.owner = uint32(r.Below(devices + 1))
		t := total{flows: r.Positive(), tx: r.Uvarint(), rx: r.Uvarint()}
		set := r.Set(devices)
		if set.IsEmpty() {
			r.Corrupt()
		}
		if r.Err() != nil {
			break
		}
		t.devices = setOf(set)
		if _, ok := n.index[key]; ok {
			r.Corrupt()
			break
		}
		*n.total(key) = t
	}
	if err := r.End(); err != nil {
		return fmt.Errorf("enrich: %w", err)
	}
	*c = n
	return nil
}
