package enrich

import (
	"cmp"
	"context"
	"math"
	"slices"

	"github.com/endoflow/endoflow/flow"
	"github.com/endoflow/endoflow/internal/dense"
)

// appRows are the endpoints of an application that reach the minimum, in
// numbers.
type appRows struct {
	found   []found
	named   []uint64 // name<<32 | number in found; sorted, so by name, port and protocol
	unnamed []unnamedRow
}

// found is an endpoint. Of its class or, if that is noClass, of its address.
type found struct {
	class, addr               uint32
	devices, addresses, names uint32
	port                      uint16
	proto                     flow.Proto
	flows, tx, rx             uint64
}

const noClass = math.MaxUint32

// unnamedRow is an endpoint without a name.
type unnamedRow struct {
	text  string // the address
	found uint32
}

// A joiner makes the endpoints of one application after the other, in space
// that it uses again.
type joiner struct {
	*joined
	reader *reader
	seen   *counter // is reader's, which needs it only between addresses

	// The kept contacts of the application, by port, protocol and address, and
	// their devices.
	contacts []joinedContact
	devices  []uint32
	sorted   []joinedContact // to sort contacts
	order    []uint64        // likewise

	// Shared classes are gone through in spans of their numbers.
	span  int          // numbers
	left  []classesOf  // by contact
	state []classState // by class, from the span's first
	met   []uint32     // classes of the span with contacts, from its first
	lists []uint32     // contacts of those that can reach the minimum

	rows  appRows
	count int // of endpoints
	need  int // devices to be yielded
}

// A joinedContact is one for each address and, at a level with ports, port and
// protocol, of all systems that are kept.
type joinedContact struct {
	addr          uint32
	port          uint16
	proto         flow.Proto
	start, end    uint32 // of its devices
	flows, tx, rx uint64
}

func (k *joinedContact) service() uint32 { return uint32(k.port)<<8 | uint32(k.proto) }

// classesOf are the places of the classes of a contact among the items of its
// chunk: from until to are those in the span, from to until end those after it.
type classesOf struct {
	from, to, end uint32
	next          uint32 // a class that does not come after that at to; noClass if there is none
}

// classState is what is known of a class while a span is gone through.
type classState struct {
	contacts uint32

	// The devices of all contacts, those of several counted several times, and
	// once these are counted where the list of contacts ends, or 0 if there is
	// none.
	devicesOrList uint32
}

func newJoiner(s *joined) *joiner {
	w := &joiner{joined: s, reader: newReader(s.c)}
	w.seen = w.reader.devices
	if s.classes != nil {
		w.span = max(minSpan, (s.classes.numShared+maxSpans-1)/maxSpans)
		w.state = make([]classState, w.span)
		w.met = make([]uint32, w.span+1)
	}
	return w
}

// endpoints joins the contacts of an application.
func (w *joiner) endpoints(ctx context.Context, app uint32) (AppEndpoints, error) {
	if err := w.load(ctx, app); err != nil {
		return AppEndpoints{}, err
	}
	w.seen.reset()
	active := w.seen.add(w.devices)
	w.need = w.minimum(active)
	w.count = 0
	w.rows = appRows{w.rows.found[:0], w.rows.named[:0], w.rows.unnamed[:0]}
	for from := 0; from < len(w.contacts); {
		to := from + 1
		for to < len(w.contacts) && w.contacts[to].service() == w.contacts[from].service() {
			to++
		}
		if err := ctx.Err(); err != nil {
			return AppEndpoints{}, err
		}
		w.ofAddrs(w.contacts[from:to])
		if w.classes != nil {
			w.ofShared(w.contacts[from:to])
		}
		from = to
	}
	if w.classes != nil {
		w.rows.named, w.order = sortByName(w.rows.named, w.order, w.classes.numNames)
	}
	slices.SortFunc(w.rows.unnamed, func(a, b unnamedRow) int { return cmp.Or(cmp.Compare(a.text, b.text), cmp.Compare(a.found, b.found)) })
	rows := appRows{slices.Clone(w.rows.found), slices.Clone(w.rows.named), slices.Clone(w.rows.unnamed)}
	return AppEndpoints{App: w.c.apps.Text(app), Active: active, Count: w.count, appRows: rows, join: w.joined}, nil
}

// sortByName sorts rows, whose lower halves ascend, by their upper halves, which
// are below numNames. It distributes them by 11 bits at a time, in a seventh of
// the time that comparing takes for a million of them and 2.8 million names
// (BenchmarkSortByName). It returns another slice, for the next time.
func sortByName(rows, other []uint64, numNames int) (sorted, free []uint64) {
	const digit = 11
	if len(rows) < 1<<digit {
		slices.Sort(rows)
		return rows, other
	}
	other = slices.Grow(other[:0], len(rows))[:len(rows)]
	for shift := 0; numNames>>shift > 0; shift += digit {
		var next [1<<digit + 1]uint32
		for _, v := range rows {
			next[v>>(32+shift)&(1<<digit-1)+1]++
		}
		accumulate(next[:])
		for _, v := range rows {
			at := &next[v>>(32+shift)&(1<<digit-1)]
			other[*at] = v
			*at++
		}
		rows, other = other, rows
	}
	return rows, other
}

// minimum returns how many devices an endpoint must have.
func (w *joiner) minimum(active int) int {
	n := max(1, w.MinDevices)
	if share := w.MinSupport * float64(active); share > float64(n) {
		n = int(min(share, float64(active))) - 1 // rounding is left to the division that others do as well
	}
	for n <= active && float64(n)/float64(active) < w.MinSupport {
		n++
	}
	return n
}

// load reads the kept contacts of an application.
func (w *joiner) load(ctx context.Context, app uint32) error {
	w.contacts = slices.Grow(w.contacts[:0], int(w.c.size(app)))
	w.devices = w.devices[:0]
	at, steps := 0, 0
	kept := w.kept[app]
	err := w.reader.each(app, func(addr dense.Key, rank uint32, contacts []contact) error {
		if steps++; steps%1024 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		last := -1      // the contact of this address and port
		merged := false // w.seen has its devices
		for i := range contacts {
			k := &contacts[i]
			if !kept.has(k.detail.os()) {
				continue
			}
			port, proto := k.detail.port(), k.detail.proto()
			if !w.Level.HasPort() {
				port, proto = 0, 0
			}
			if last < 0 {
				if w.numbers != nil {
					at = int(w.numbers[rank])
				} else {
					at = seek(w.addrs, at, addr)
				}
			}
			if last < 0 || w.contacts[last].port != port || w.contacts[last].proto != proto {
				start := uint32(len(w.devices))
				w.devices = append(w.devices, k.devices...)
				last, merged = len(w.contacts), false
				w.contacts = append(w.contacts, joinedContact{uint32(at), port, proto, start, uint32(len(w.devices)), k.flows, k.tx, k.rx})
				continue
			}
			into := &w.contacts[last]
			if !merged {
				merged = true
				w.seen.reset()
				w.seen.add(w.devices[into.start:])
			}
			w.devices = w.seen.appendNew(w.devices, k.devices)
			into.end = uint32(len(w.devices))
			into.flows = sum(into.flows, k.flows)
			into.tx = sum(into.tx, k.tx)
			into.rx = sum(into.rx, k.rx)
		}
		return nil
	})
	if err == nil && w.Level.HasPort() {
		w.sortByService()
	}
	return err
}

// sortByService sorts the contacts by port and protocol, and leaves those of one
// port by address.
func (w *joiner) sortByService() {
	if slices.IsSortedFunc(w.contacts, func(a, b joinedContact) int { return cmp.Compare(a.service(), b.service()) }) {
		return
	}
	w.order = w.order[:0]
	for i := range w.contacts {
		w.order = append(w.order, uint64(w.contacts[i].service())<<32|uint64(i))
	}
	slices.Sort(w.order)
	w.sorted = w.sorted[:0]
	for _, v := range w.order {
		w.sorted = append(w.sorted, w.contacts[uint32(v)])
	}
	w.contacts, w.sorted = w.sorted, w.contacts
}

// ofAddrs adds the endpoints that are of one address each: of addresses without a
// name, and of the names that lead to no other.
func (w *joiner) ofAddrs(contacts []joinedContact) {
	for i := range contacts {
		k := &contacts[i]
		class, names := uint32(noClass), uint32(0)
		if w.classes != nil {
			names = w.classes.count[k.addr]
			if class = w.classes.private[k.addr] - 1; names > 0 && class == noClass {
				continue // shared names alone
			}
		}
		if names == 0 && w.Level == NameOnly {
			continue
		}
		w.add(found{class: class, addr: k.addr, devices: k.end - k.start, addresses: 1, names: names, port: k.port, proto: k.proto, flows: k.flows, tx: k.tx, rx: k.rx})
	}
}

// Spans bound what a worker needs, at the cost of going through the contacts once
// for each: with 7.5 million shared classes, 4 spans take no more time than one, and
// 8 take a tenth more.
const (
	minSpan  = 1 << 20
	maxSpans = 4
)

// ofShared adds the endpoints of shared classes.
func (w *joiner) ofShared(contacts []joinedContact) {
	// Places are looked up in a loop of their own, so that the waits for memory of
	// many overlap: where the next step depends on one, they do not.
	w.left = slices.Grow(w.left[:0], len(contacts))[:len(contacts)]
	for i := range contacts {
		from, end := w.classes.places(contacts[i].addr)
		w.left[i] = classesOf{from, from, end, 0}
	}
	for first := 0; first < w.classes.numShared; first += w.span {
		w.ofSpan(contacts, first)
	}
}

// ofSpan adds the endpoints of the classes of a span, which begin at a number. It
// goes through the contacts once to count, for each class, the contacts and their
// devices, and again to list the contacts of the classes that can reach the minimum
// by these.
func (w *joiner) ofSpan(contacts []joinedContact, first int) {
	met := 0
	for i := range contacts {
		of := &w.left[i]
		if of.from = of.to; int(of.next)-first >= w.span {
			continue
		}
		devices := contacts[i].end - contacts[i].start
		of.next = noClass
		for _, number := range w.classes.items[contacts[i].addr/chunk][of.from:of.end] {
			class := int(number) - first
			if class >= w.span {
				of.next = number
				break
			}
			of.to++
			s := &w.state[class]
			w.met[met] = uint32(class) // for the next one to overwrite, if it has been met: no branch, as there is no telling
			isNew := 0
			if s.contacts == 0 {
				isNew = 1
			}
			met += isNew
			s.contacts++
			s.devicesOrList += devices // does not overflow: w.devices has a place for each
		}
	}
	candidates, length := w.met[:0], uint32(0) // classes that can reach the minimum, and of their lists
	for _, class := range w.met[:met] {
		s := &w.state[class]
		if int(s.devicesOrList) < w.need {
			w.count += w.rowsOf(uint32(first) + class)
			*s = classState{}
			continue
		}
		length += s.contacts
		s.devicesOrList = length
		candidates = append(candidates, class)
	}
	if len(candidates) == 0 {
		return
	}
	w.lists = slices.Grow(w.lists[:0], int(length))[:length]
	for i := range contacts {
		of := &w.left[i]
		for _, number := range w.classes.items[contacts[i].addr/chunk][of.from:of.to] {
			if s := &w.state[int(number)-first]; s.devicesOrList > 0 {
				s.devicesOrList--
				w.lists[s.devicesOrList] = uint32(i)
			}
		}
	}
	for _, class := range candidates {
		s := &w.state[class]
		w.ofClass(contacts, uint32(first)+class, w.lists[s.devicesOrList:s.devicesOrList+s.contacts])
		*s = classState{}
	}
}

// ofClass adds the endpoint of a class with a list of contacts.
func (w *joiner) ofClass(contacts []joinedContact, class uint32, list []uint32) {
	k := &contacts[list[0]]
	f := found{class: class, addresses: uint32(len(list)), port: k.port, proto: k.proto, devices: k.end - k.start}
	if len(list) > 1 {
		w.seen.reset()
		devices := 0
		for _, i := range list {
			devices += w.seen.add(w.devices[contacts[i].start:contacts[i].end])
		}
		if f.devices = uint32(devices); devices < w.need {
			w.count += w.rowsOf(class)
			return
		}
	}
	for _, i := range list {
		k := &contacts[i]
		f.flows = sum(f.flows, k.flows)
		f.tx = sum(f.tx, k.tx)
		f.rx = sum(f.rx, k.rx)
		f.names = max(f.names, w.classes.count[k.addr])
	}
	w.add(f)
}

// rowsOf returns how many endpoints a class is.
func (w *joiner) rowsOf(class uint32) int {
	if w.Expand && class != noClass {
		return w.classes.numNamesOf(class)
	}
	return 1
}

// add counts an endpoint, and keeps it if it reaches the minimum.
func (w *joiner) add(f found) {
	w.count += w.rowsOf(f.class)
	if int(f.devices) < w.need {
		return
	}
	n := uint32(len(w.rows.found))
	w.rows.found = append(w.rows.found, f)
	if f.class == noClass {
		w.rows.unnamed = append(w.rows.unnamed, unnamedRow{w.addrs[f.addr].Addr().String(), n})
		return
	}
	names := w.classes.namesOf(f.class)
	if !w.Expand {
		names = names[:1]
	}
	for _, name := range names {
		w.rows.named = append(w.rows.named, uint64(name)<<32|uint64(n))
	}
}
