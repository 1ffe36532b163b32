package enrich

import (
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
	"iter"
	"net/netip"
	"slices"

	"github.com/endoflow/endoflow/flow"
)

// Level is what an endpoint of an application is identified by.
type Level uint8

// The levels. Port and protocol belong to the default because security is
// judged by them.
const (
	NamePort    Level = iota // name, port and protocol; an address without a name stands for itself
	NameOnly                 // name; addresses without a name are left out, as in the paper's join
	AddressPort              // address, port and protocol
	AddressOnly              // address
)

var levelNames = [...]string{"name-port", "name", "address-port", "address"}

func (l Level) String() string {
	if int(l) < len(levelNames) {
		return levelNames[l]
	}
	return fmt.Sprintf("Level(%d)", uint8(l))
}

// ParseLevel returns the level that String writes.
func ParseLevel(s string) (l Level, ok bool) {
	i := slices.Index(levelNames[:], s)
	return Level(max(i, 0)), i >= 0
}

func (l Level) named() bool { return l == NamePort || l == NameOnly }

// HasPort reports whether the level keeps ports and protocols apart.
func (l Level) HasPort() bool { return l == NamePort || l == AddressPort }

// A Join says how [Contacts.Endpoints] makes endpoints of contacts. Its zero
// value joins nothing: all contacts, by address and port where a name would be.
type Join struct {
	// Resolver names addresses; nil knows no names. It is asked once about each
	// address.
	Resolver Resolver

	Level Level

	// Keep selects contacts by operating system and application; nil keeps all.
	Keep func(os flow.OS, app string) bool

	// Expand gives one endpoint per name instead of one per class of names.
	Expand bool
}

// An Endpoint is a destination of an application, counted over devices.
type Endpoint struct {
	App string

	// Names are the names of the endpoint, sorted: all of a class, which no DNS
	// evidence tells apart, or one if the Join expands. They are empty where the
	// address has no name or the level is one of addresses. The slice is shared
	// with other Endpoints and must not be changed.
	Names []string

	// Addr is the address, where Names is empty.
	Addr netip.Addr

	// Port and Proto are 0 at a level without them.
	Port  uint16
	Proto flow.Proto

	Devices int // distinct devices on which App contacted the endpoint
	Active  int // distinct devices with any kept contact of App

	Flows            uint64
	TxBytes, RxBytes uint64

	Addresses int // contacted by App that lead to the names

	// NamesOnAddress is the largest number of names that any of these addresses
	// has. Above 1, the names share addresses with others, and contacts may
	// have been meant for those. It is 0 at a level of addresses, where nothing
	// is looked up.
	NamesOnAddress int
}

// Name returns what the endpoint is called: the first of Names, or Addr.
func (e Endpoint) Name() string {
	if len(e.Names) > 0 {
		return e.Names[0]
	}
	return e.Addr.String()
}

// Endpoints joins the contacts with names and yields the endpoints of each
// application, sorted by App, Name, Port and Proto. Contacts whose operating
// system is not resolved count like any other; call [Contacts.Resolve] before
// where Keep looks at it. The sequence can be ranged over again, and asks the
// Resolver again.
//
// Each pair is an endpoint and a nil error, or a zero endpoint and an error: the
// Resolver's or ctx's, after which the sequence ends.
//
// The cost is one step per contact and class of names on its address, and one
// set operation where a class has several contacts; the number of flows does
// not matter any more.
func (c *Contacts) Endpoints(ctx context.Context, j Join) iter.Seq2[Endpoint, error] {
	return func(yield func(Endpoint, error) bool) {
		contacts := c.selected(j.Keep)
		var classes [][]string
		if j.Resolver != nil && j.Level.named() {
			var err error
			if classes, err = nameClasses(ctx, contacts, j.Resolver); err != nil {
				yield(Endpoint{}, err)
				return
			}
		}
		w := newJoiner(j, c, classes)
		for ofApp := range byRun(contacts, func(a, b joined) bool { return a.app == b.app }) {
			if err := ctx.Err(); err != nil {
				yield(Endpoint{}, err)
				return
			}
			for _, e := range w.endpoints(ofApp) {
				if !yield(e, nil) {
					return
				}
			}
		}
	}
}

// A joined contact has what is known of it and of its address.
type joined struct {
	contact
	*total
	classes []int32 // of the names of its address
	names   int     // of its address
}

// selected returns the contacts to join, sorted by application and address.
func (c *Contacts) selected(keep func(flow.OS, string) bool) []joined {
	_, devices := c.devices.sorted()
	_, apps := c.apps.sorted()
	contacts := make([]joined, 0, len(c.index))
	for _, k := range c.sorted(apps, devices) {
		if keep == nil || keep(k.os, c.apps.texts[k.app]) {
			contacts = append(contacts, joined{contact: k, total: &c.totals[c.index[k]]})
		}
	}
	return contacts
}

// byRun yields the runs of equal elements.
func byRun[T any](s []T, equal func(a, b T) bool) iter.Seq[[]T] {
	return func(yield func([]T) bool) {
		for len(s) > 0 {
			n := 1
			for n < len(s) && equal(s[0], s[n]) {
				n++
			}
			if !yield(s[:n]) {
				return
			}
			s = s[n:]
		}
	}
}

// nameClasses looks up the names of the contacts' addresses and puts those with
// equal address sets into classes, whose names it returns, sorted.
func nameClasses(ctx context.Context, contacts []joined, r Resolver) ([][]string, error) {
	addrs := make([][16]byte, len(contacts))
	for i := range contacts {
		addrs[i] = contacts[i].addr
	}
	slices.SortFunc(addrs, func(a, b [16]byte) int { return slices.Compare(a[:], b[:]) })
	addrs = slices.Compact(addrs)

	var names dictionary
	var addrsOf [][]uint32 // of each name; sorted, since addresses come sorted
	count := make([]int, len(addrs))
	for i, a := range addrs {
		if i&255 == 0 && ctx.Err() != nil {
			return nil, ctx.Err()
		}
		found, err := r.LookupAddr(ctx, netip.AddrFrom16(a).Unmap())
		if err != nil {
			return nil, err
		}
		for _, name := range found {
			id := names.id(name)
			if int(id) == len(addrsOf) {
				addrsOf = append(addrsOf, nil)
			}
			if at := addrsOf[id]; len(at) == 0 || at[len(at)-1] != uint32(i) { // a Resolver may repeat itself
				addrsOf[id] = append(at, uint32(i))
				count[i]++
			}
		}
	}

	var classes [][]string
	on := make([][]int32, len(addrs)) // the classes on each address
	byAddrs := make(map[string]int32)
	var key []byte
	texts, _ := names.sorted()
	for _, name := range texts {
		at := addrsOf[names.ids[name]]
		key = key[:0]
		for _, a := range at {
			key = binary.BigEndian.AppendUint32(key, a)
		}
		class, ok := byAddrs[string(key)]
		if !ok {
			class = int32(len(classes))
			byAddrs[string(key)] = class
			classes = append(classes, nil)
			for _, a := range at {
				on[a] = append(on[a], class)
			}
		}
		classes[class] = append(classes[class], name)
	}

	place := make(map[[16]byte]int, len(addrs))
	for i, a := range addrs {
		place[a] = i
	}
	for i := range contacts {
		a := place[contacts[i].addr]
		contacts[i].classes, contacts[i].names = on[a], count[a]
	}
	return classes, nil
}

// A joiner makes the endpoints of one application after the other, in space
// that it uses again.
type joiner struct {
	j       Join
	apps    []string
	classes [][]string
	devices *counter

	// The contacts of each class, as a list: first[class] and link.next are
	// places in links plus one, 0 ends a list.
	first []int32
	links []link
	met   []int32 // classes with contacts
}

type link struct {
	contact *joined
	next    int32
}

func newJoiner(j Join, c *Contacts, classes [][]string) *joiner {
	return &joiner{j: j, apps: c.apps.texts, classes: classes, devices: newCounter(len(c.devices.texts)), first: make([]int32, len(classes))}
}

// endpoints returns the sorted endpoints of the application of the contacts,
// which it puts in another order.
func (w *joiner) endpoints(ofApp []joined) []Endpoint {
	w.devices.reset()
	for i := range ofApp {
		w.devices.add(&ofApp[i].devices)
	}
	active := w.devices.count
	slices.SortStableFunc(ofApp, w.comparePorts)

	var endpoints []Endpoint
	for group := range byRun(ofApp, func(a, b joined) bool { return w.comparePorts(a, b) == 0 }) {
		template := Endpoint{App: w.apps[group[0].app], Active: active}
		if w.j.Level.HasPort() {
			template.Port, template.Proto = group[0].port, group[0].proto
		}
		endpoints = w.unnamed(endpoints, template, group)
		endpoints = w.named(endpoints, template, group)
	}
	type sortable struct {
		name string
		Endpoint
	}
	order := make([]sortable, len(endpoints))
	for i, e := range endpoints {
		order[i] = sortable{e.Name(), e}
	}
	slices.SortFunc(order, func(a, b sortable) int {
		return cmp.Or(cmp.Compare(a.name, b.name), cmp.Compare(a.Port, b.Port), cmp.Compare(a.Proto, b.Proto))
	})
	for i := range order {
		endpoints[i] = order[i].Endpoint
	}
	return endpoints
}

func (w *joiner) comparePorts(a, b joined) int {
	if !w.j.Level.HasPort() {
		return 0
	}
	return cmp.Or(cmp.Compare(a.port, b.port), cmp.Compare(a.proto, b.proto))
}

// unnamed appends the endpoints of the addresses in a group that have no names.
func (w *joiner) unnamed(endpoints []Endpoint, e Endpoint, group []joined) []Endpoint {
	if w.j.Level == NameOnly {
		return endpoints
	}
	for run := range byRun(group, func(a, b joined) bool { return a.addr == b.addr }) {
		if len(run[0].classes) > 0 {
			continue
		}
		of := e
		of.Addr = netip.AddrFrom16(run[0].addr).Unmap()
		w.devices.reset()
		for i := range run {
			w.add(&of, &run[i], len(run) == 1)
		}
		of.Addresses = 1
		endpoints = append(endpoints, of)
	}
	return endpoints
}

// named appends the endpoints of the names in a group.
func (w *joiner) named(endpoints []Endpoint, e Endpoint, group []joined) []Endpoint {
	w.links, w.met = w.links[:0], w.met[:0]
	for i := len(group) - 1; i >= 0; i-- { // backwards, so that the lists run forwards
		for _, class := range group[i].classes {
			if w.first[class] == 0 {
				w.met = append(w.met, class)
			}
			w.links = append(w.links, link{&group[i], w.first[class]})
			w.first[class] = int32(len(w.links))
		}
	}
	for _, class := range w.met {
		of := e
		of.Names = w.classes[class]
		alone := w.links[w.first[class]-1].next == 0
		w.devices.reset()
		var last [16]byte
		for at := w.first[class]; at != 0; at = w.links[at-1].next {
			k := w.links[at-1].contact
			w.add(&of, k, alone)
			if of.Addresses == 0 || k.addr != last {
				of.Addresses++
				of.NamesOnAddress = max(of.NamesOnAddress, k.names)
				last = k.addr
			}
		}
		w.first[class] = 0
		if !w.j.Expand {
			endpoints = append(endpoints, of)
			continue
		}
		for i := range of.Names {
			one := of
			one.Names = of.Names[i : i+1]
			endpoints = append(endpoints, one)
		}
	}
	return endpoints
}

// add counts a contact into an endpoint. The devices of the only one need no
// set operation.
func (w *joiner) add(e *Endpoint, k *joined, alone bool) {
	e.Flows = sum(e.Flows, k.flows)
	e.TxBytes = sum(e.TxBytes, k.tx)
	e.RxBytes = sum(e.RxBytes, k.rx)
	if alone {
		e.Devices = k.devices.len()
		return
	}
	w.devices.add(&k.devices)
	e.Devices = w.devices.count
}

// A counter counts the distinct devices of several sets: a device counts if its
// stamp is not the present round's.
type counter struct {
	stamps []uint32
	round  uint32
	count  int
}

func newCounter(devices int) *counter { return &counter{stamps: make([]uint32, devices)} }

func (n *counter) reset() {
	n.count = 0
	if n.round++; n.round == 0 { // after 2^32 rounds old stamps would count again
		clear(n.stamps)
		n.round = 1
	}
}

func (n *counter) add(s *deviceSet) {
	s.each(func(device uint32) {
		if n.stamps[device] != n.round {
			n.stamps[device] = n.round
			n.count++
		}
	})
}
