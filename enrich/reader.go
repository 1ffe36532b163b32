package enrich

import (
	"cmp"
	"math"
	"slices"

	"github.com/endoflow/endoflow/internal/dense"
)

// allAddrs stands for an application where the flows to all addresses are meant.
const allAddrs = math.MaxUint32

// order is the order in which what is in memory is read and written.
type order struct {
	addrs    []numbered
	rank     []uint32 // by number
	contacts []uint64 // rank of the address<<32 | number; by application, then rank
	start    []uint32 // of each application in contacts, and the end
}

// numbered is an address and its number.
type numbered struct {
	addr dense.Key
	n    uint32
}

// sorted returns the order of what is in memory, for a number of applications.
// Contacts are distributed by the rank of their address, then by application,
// which takes a seventh of the time of comparing them.
func (m *inMemory) sorted(apps int) *order {
	if m.order != nil {
		return m.order
	}
	o := &order{addrs: make([]numbered, m.addrs.Len()), start: make([]uint32, apps+1)}
	for n := range o.addrs {
		o.addrs[n] = numbered{m.addrs.Key(uint32(n)), uint32(n)}
	}
	slices.SortFunc(o.addrs, func(a, b numbered) int { return a.addr.Compare(b.addr) })
	rank := make([]uint32, len(o.addrs))
	for i := range o.addrs {
		rank[o.addrs[i].n] = uint32(i)
	}

	contacts := uint32(0)
	at := make([]uint32, len(rank)+1) // where contacts of a rank begin
	for n := range uint32(m.contacts.Len()) {
		if m.totals.At(n).flows > 0 {
			key := m.contacts.Key(n)
			at[rank[uint32(key.Hi)]+1]++
			o.start[key.Hi>>32+1]++
			contacts++
		}
	}
	accumulate(at)
	accumulate(o.start)
	byRank := make([]uint64, contacts) // app<<32 | number
	for n := range uint32(m.contacts.Len()) {
		if m.totals.At(n).flows > 0 {
			key := m.contacts.Key(n)
			r := rank[uint32(key.Hi)]
			byRank[at[r]] = key.Hi&^math.MaxUint32 | uint64(n)
			at[r]++ // at last, where those of the next rank begin
		}
	}
	o.contacts = make([]uint64, contacts)
	next := slices.Clone(o.start)
	i := uint32(0)
	for r := range rank {
		for ; i < at[r]; i++ {
			app := byRank[i] >> 32
			o.contacts[next[app]] = uint64(r)<<32 | byRank[i]&math.MaxUint32
			next[app]++
		}
	}
	o.rank = rank
	m.order = o
	return o
}

// accumulate makes places of counts that stand one further.
func accumulate(counts []uint32) {
	for i := 1; i < len(counts); i++ {
		counts[i] += counts[i-1]
	}
}

// prepare makes c ready to be read, by any number of readers.
func (c *Contacts) prepare() {
	c.flush()
	c.inMemory.sorted(c.apps.Len())
}

// A contact is read with these: one of the application and the address that are
// being read, or all flows to an address, with its flows alone.
type contact struct {
	detail        detail
	flows, tx, rx uint64
	devices       []uint32 // distinct, in any order
}

// A reader reads the contacts of one application after another. It merges what
// is in memory with the runs.
type reader struct {
	c       *Contacts
	devices *counter
	places  []uint32  // of devices: the order of owners; nil: by number
	free    []*cursor // of earlier applications, to be used again
	heap    []*cursor // by address

	// The contacts of one address, and their devices.
	group   []contact
	members []uint32
}

func newReader(c *Contacts) *reader {
	return &reader{c: c, devices: newCounter(c.devices.Len())}
}

// A cursor stands on a contact of one part: of what is in memory, or of a run.
type cursor struct {
	addr    dense.Key
	rank    uint32 // of the address among those in memory
	contact        // devices are good until the next step
	next    func(*cursor) (bool, error)

	addrs    []numbered // left, in memory
	contacts []uint64   // left, in memory
	section
}

// each calls f for each address of an application, in order, with the contacts
// there by port, protocol, OS and owner, which are good for that call, and with
// the address's rank among all in memory (of no use where there are runs). Errors
// of f end it. c must have been prepared and not changed since.
func (r *reader) each(app uint32, f func(addr dense.Key, rank uint32, contacts []contact) error) error {
	r.free = append(r.free, r.heap...) // of an application that was not read to its end
	r.heap = r.heap[:0]
	if err := r.open(app); err != nil {
		return err
	}
	for len(r.heap) > 0 {
		top := r.heap[0]
		addr, rank := top.addr, top.rank
		r.group, r.members = r.group[:0], r.members[:0]
		for {
			r.group = append(r.group, r.keep(&top.contact))
			ok, err := top.next(top)
			if err != nil {
				return err
			}
			if !ok {
				r.free = append(r.free, top)
				last := len(r.heap) - 1
				r.heap[0] = r.heap[last]
				r.heap = r.heap[:last]
			}
			if r.sink(0); len(r.heap) == 0 || r.heap[0].addr != addr {
				break
			}
			top = r.heap[0]
		}
		if len(r.group) > 1 {
			r.combine()
		}
		if err := f(addr, rank, r.group); err != nil {
			return err
		}
	}
	return nil
}

// keep copies the devices of a contact into those of the group.
func (r *reader) keep(c *contact) contact {
	kept := *c
	from := len(r.members)
	r.members = append(r.members, c.devices...) // earlier contacts keep the memory that they have
	kept.devices = r.members[from:len(r.members):len(r.members)]
	return kept
}

// combine sorts the contacts of the group and makes one of those that are the
// same.
func (r *reader) combine() {
	place := func(d detail) detail {
		if owner := d.owner(); owner != 0 && r.places != nil {
			d += detail(r.places[owner-1]+1) - detail(owner)
		}
		return d
	}
	slices.SortFunc(r.group, func(a, b contact) int { return cmp.Compare(place(a.detail), place(b.detail)) })
	n := 0
	for i := 0; i < len(r.group); {
		all, end := r.group[i], i+1
		for end < len(r.group) && r.group[end].detail == all.detail {
			all.flows = sum(all.flows, r.group[end].flows)
			all.tx = sum(all.tx, r.group[end].tx)
			all.rx = sum(all.rx, r.group[end].rx)
			end++
		}
		if end > i+1 {
			from := len(r.members)
			r.devices.reset()
			for _, one := range r.group[i:end] {
				r.members = r.devices.appendNew(r.members, one.devices)
			}
			all.devices = r.members[from:len(r.members):len(r.members)]
		}
		r.group[n] = all
		n, i = n+1, end
	}
	r.group = r.group[:n]
}

// open puts a cursor for each part that has the application on the heap.
func (r *reader) open(app uint32) error {
	m := &r.c.inMemory
	if app == allAddrs {
		if err := r.push(cursor{addrs: m.order.addrs, next: m.nextAddr}); err != nil {
			return err
		}
	} else if int(app) < len(m.order.start)-1 {
		c := cursor{contacts: m.order.contacts[m.order.start[app]:m.order.start[app+1]], next: m.nextContact}
		if err := r.push(c); err != nil {
			return err
		}
	}
	for i := range r.c.runs {
		run := &r.c.runs[i]
		if s, ok := run.sections[app]; ok {
			if err := r.push(cursor{section: run.open(s), next: nextInRun}); err != nil {
				return err
			}
		}
	}
	return nil
}

// push puts a cursor on the heap, on its first contact. It uses the memory of
// one that has been read.
func (r *reader) push(of cursor) error {
	c := new(cursor)
	if last := len(r.free) - 1; last >= 0 {
		c = r.free[last]
		r.free = r.free[:last]
	}
	of.devices = c.devices
	of.block = c.block
	*c = of
	if ok, err := c.next(c); !ok {
		r.free = append(r.free, c)
		return err
	}
	r.heap = append(r.heap, c)
	for i := len(r.heap) - 1; i > 0; {
		up := (i - 1) / 2
		if r.heap[up].addr.Compare(c.addr) <= 0 {
			break
		}
		r.heap[i], r.heap[up] = r.heap[up], r.heap[i]
		i = up
	}
	return nil
}

// sink puts the cursor at i of the heap where it belongs.
func (r *reader) sink(i int) {
	for {
		down := 2*i + 1
		if down >= len(r.heap) {
			return
		}
		if down+1 < len(r.heap) && r.heap[down+1].addr.Compare(r.heap[down].addr) < 0 {
			down++
		}
		if r.heap[i].addr.Compare(r.heap[down].addr) <= 0 {
			return
		}
		r.heap[i], r.heap[down] = r.heap[down], r.heap[i]
		i = down
	}
}

// nextContact goes to the next contact in memory.
func (m *inMemory) nextContact(c *cursor) (bool, error) {
	if len(c.contacts) == 0 {
		return false, nil
	}
	n := uint32(c.contacts[0])
	c.rank = uint32(c.contacts[0] >> 32)
	c.contacts = c.contacts[1:]
	t := m.totals.At(n)
	c.addr = m.order.addrs[c.rank].addr
	c.contact = contact{detail(m.contacts.Key(n).Lo), t.flows, t.tx, t.rx, m.sets.appendTo(c.devices[:0], t.devices)}
	return true, nil
}

// nextAddr goes to the next address in memory.
func (m *inMemory) nextAddr(c *cursor) (bool, error) {
	if len(c.addrs) == 0 {
		return false, nil
	}
	c.addr = c.addrs[0].addr
	c.contact = contact{flows: *m.flowsTo.At(c.addrs[0].n), devices: c.devices[:0]}
	c.addrs = c.addrs[1:]
	return true, nil
}

// A counter tells distinct devices apart: a device is new if its stamp is not
// the present round's.
type counter struct {
	stamps []uint32
	round  uint32
}

func newCounter(devices int) *counter { return &counter{stamps: make([]uint32, devices)} }

// reset begins a new set.
func (n *counter) reset() {
	if n.round++; n.round == 0 { // after 2^32 rounds old stamps would count again
		clear(n.stamps)
		n.round = 1
	}
}

// add returns how many of the devices are new.
func (n *counter) add(devices []uint32) int {
	count := 0
	for _, device := range devices {
		if n.stamps[device] != n.round {
			n.stamps[device] = n.round
			count++
		}
	}
	return count
}

// appendNew appends those of the devices that are new.
func (n *counter) appendNew(to, devices []uint32) []uint32 {
	for _, device := range devices {
		if n.stamps[device] != n.round {
			n.stamps[device] = n.round
			to = append(to, device)
		}
	}
	return to
}
