package flow

import (
	"cmp"
	"iter"
	"slices"
	"sync"
)

// An Endpoint is what NVM's endpoint and interface records say of a device.
// They come apart from the flow records, which alone do not tell the operating
// system, and are joined with them on Device (udid).
type Endpoint struct {
	Device     string // udid
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

// Endpoints is a table of devices. The zero value is empty and ready; it is
// safe for concurrent use.
type Endpoints struct {
	mu      sync.RWMutex
	devices map[string]Endpoint
}

// Add merges what e says of e.Device into the table. Where two records differ
// the greater text wins, so that their order does not matter.
func (t *Endpoints) Add(e Endpoint) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.devices == nil {
		t.devices = make(map[string]Endpoint)
	}
	old := t.devices[e.Device]
	old.Device = e.Device
	old.Host = max(old.Host, e.Host)
	old.OS = max(old.OS, e.OS)
	old.OSName = max(old.OSName, e.OSName)
	old.OSVersion = max(old.OSVersion, e.OSVersion)
	old.OSEdition = max(old.OSEdition, e.OSEdition)
	interfaces := slices.Concat(old.Interfaces, e.Interfaces)
	slices.SortFunc(interfaces, func(a, b Interface) int {
		return cmp.Or(cmp.Compare(a.ID, b.ID), cmp.Compare(a.Index, b.Index), cmp.Compare(a.Type, b.Type), cmp.Compare(a.Name, b.Name))
	})
	old.Interfaces = slices.Compact(interfaces)
	t.devices[e.Device] = old
}

// Lookup returns what is known of a device.
func (t *Endpoints) Lookup(device string) (Endpoint, bool) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	e, ok := t.devices[device]
	return e, ok
}

// All yields the devices sorted by Device, as they are when it is called.
func (t *Endpoints) All() iter.Seq[Endpoint] {
	t.mu.RLock()
	all := make([]Endpoint, 0, len(t.devices))
	for _, e := range t.devices {
		all = append(all, e)
	}
	t.mu.RUnlock()
	slices.SortFunc(all, func(a, b Endpoint) int { return cmp.Compare(a.Device, b.Device) })
	return slices.Values(all)
}
