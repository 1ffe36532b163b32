package flow

import (
	"cmp"
	"iter"
	"slices"
	"sync"
	"sync/atomic"
)

// A Device is what a sensor tells of a device apart from its flows. NVM does so
// in endpoint and interface records, which alone name the operating system; they
// are joined with flow records on ID.
type Device struct {
	ID         string // as in Record.Device: NVM's udid
	Host       string // vsn, in the form of CanonicalName: for people, not for joins
	OS         OS
	OSName     string // osn
	OSVersion  string // osv
	OSEdition  string // ose
	Interfaces []Interface
}

// An Interface is a network interface of a device. Its addresses and network
// names, which identify people, are not kept.
type Interface struct {
	ID    uint32 // iid
	Index uint32 // ii
	Type  uint32 // it
	Name  string // in
}

func compareInterfaces(a, b Interface) int {
	return cmp.Or(cmp.Compare(a.ID, b.ID), cmp.Compare(a.Index, b.Index), cmp.Compare(a.Type, b.Type), cmp.Compare(a.Name, b.Name))
}

// maxInterfaces is how many interfaces of a device are kept, the first in
// order.
const maxInterfaces = 256

// Devices is a table of devices. The zero value is empty and ready; it is safe
// for concurrent use.
type Devices struct {
	mu      sync.RWMutex
	byID    map[string]*Device
	systems atomic.Uint64 // how often a device's OS became known or another
}

// Add merges what d says of d.ID into the table. Where two say different things
// the greater text or OS wins, so that their order does not matter.
func (t *Devices) Add(d Device) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.byID == nil {
		t.byID = make(map[string]*Device)
	}
	known := t.byID[d.ID]
	if known == nil {
		known = &Device{ID: d.ID}
		t.byID[d.ID] = known
	}
	known.Host = max(known.Host, d.Host)
	if d.OS > known.OS {
		known.OS = d.OS
		t.systems.Add(1)
	}
	known.OSName = max(known.OSName, d.OSName)
	known.OSVersion = max(known.OSVersion, d.OSVersion)
	known.OSEdition = max(known.OSEdition, d.OSEdition)
	for _, i := range d.Interfaces {
		at, found := slices.BinarySearchFunc(known.Interfaces, i, compareInterfaces)
		if !found {
			// A new slice, since the old one may have been given out.
			known.Interfaces = slices.Insert(slices.Clone(known.Interfaces), at, i)
			known.Interfaces = known.Interfaces[:min(len(known.Interfaces), maxInterfaces)]
		}
	}
}

// Lookup returns what is known of a device.
func (t *Devices) Lookup(id string) (Device, bool) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	d := t.byID[id]
	if d == nil {
		return Device{}, false
	}
	return *d, true
}

// system returns the OS that is known of a device.
func (t *Devices) system(id string) OS {
	if t.systems.Load() == 0 {
		return OSUnknown
	}
	t.mu.RLock()
	defer t.mu.RUnlock()
	d := t.byID[id]
	if d == nil {
		return OSUnknown
	}
	return d.OS
}

// All yields the devices sorted by ID, as they are when it is called.
func (t *Devices) All() iter.Seq[Device] {
	t.mu.RLock()
	all := make([]Device, 0, len(t.byID))
	for _, d := range t.byID {
		all = append(all, *d)
	}
	t.mu.RUnlock()
	slices.SortFunc(all, func(a, b Device) int { return cmp.Compare(a.ID, b.ID) })
	return slices.Values(all)
}
