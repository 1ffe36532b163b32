package enrich

import (
	"encoding/binary"
	"fmt"

	"github.com/RoaringBitmap/roaring/v2"

	"github.com/endoflow/endoflow/flow"
	"github.com/endoflow/endoflow/internal/dense"
	"github.com/endoflow/endoflow/internal/wire"
)

const (
	contactsKind    = "efCo"
	contactsVersion = 2
)

// AppendBinary implements encoding.BinaryAppender. Contacts of the same flows
// have the same bytes, however they were added, merged and spilled, once
// [Contacts.Resolve] has been called.
//
//	header      "efCo", version 2
//	devices     count, then each: length, text; sorted
//	apps        count, then each: length, text; sorted
//	contacts    for each application, in order: for each of its addresses, in
//	            order: number of contacts, address (16 bytes), then each, sorted:
//	            port, protocol, OS, owner, flows, tx bytes, rx bytes, set of
//	            devices (length, roaring); then 0
//	addresses   for each, in order: flows, address (16 bytes); then 0
//	checksum    CRC-32C
//
// Numbers are unsigned varints. Owner is 0, or one more than the number of the
// device whose OS is not resolved, which is then the only one of the set. Sets
// are in the portable roaring format, run-optimized. Data of version 1, which
// had no addresses, is refused.
func (c *Contacts) AppendBinary(b []byte) ([]byte, error) {
	c.prepare()
	if c.err != nil {
		return nil, c.err
	}
	start := len(b)
	b = wire.AppendHeader(b, contactsKind, contactsVersion)
	r := newReader(c)
	devices, places := c.devices.sorted()
	apps, _ := c.apps.sorted()
	r.places = places
	b = c.devices.append(b, devices)
	b = c.apps.append(b, apps)
	for _, app := range apps {
		err := r.each(app, func(addr dense.Key, _ uint32, contacts []contact) error {
			b = binary.AppendUvarint(b, uint64(len(contacts)))
			b = appendAddr(b, addr)
			for i := range contacts {
				var err error
				if b, err = contacts[i].append(b, r.places); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			c.note(err)
			return nil, err
		}
		b = append(b, 0)
	}
	err := r.each(allAddrs, func(addr dense.Key, _ uint32, contacts []contact) error {
		b = binary.AppendUvarint(b, contacts[0].flows)
		b = appendAddr(b, addr)
		return nil
	})
	if err != nil {
		c.note(err)
		return nil, err
	}
	b = append(b, 0)
	return wire.AppendChecksum(b, start), nil
}

// append appends the texts, in an order.
func (d *dictionary) append(b []byte, order []uint32) []byte {
	b = binary.AppendUvarint(b, uint64(len(order)))
	for _, id := range order {
		b = wire.AppendString(b, d.Text(id))
	}
	return b
}

func appendAddr(b []byte, addr dense.Key) []byte {
	a := addr.Bytes()
	return append(b, a[:]...)
}

// append appends a contact; places are those of the devices.
func (k *contact) append(b []byte, places []uint32) ([]byte, error) {
	owner := k.detail.owner()
	if owner != 0 {
		owner = places[owner-1] + 1
	}
	for _, v := range [...]uint64{
		uint64(k.detail.port()), uint64(k.detail.proto()), uint64(k.detail.os()), uint64(owner), k.flows, k.tx, k.rx,
	} {
		b = binary.AppendUvarint(b, v)
	}
	devices := roaring.New()
	for _, device := range k.devices {
		devices.Add(places[device])
	}
	devices.RunOptimize()
	set, err := devices.ToBytes()
	if err != nil {
		return nil, err
	}
	b = binary.AppendUvarint(b, uint64(len(set)))
	return append(b, set...), nil
}

// UnmarshalBinary replaces what c has by what data says, of which it keeps
// nothing. Data of another kind or version, or damaged (then with [ErrCorrupt]),
// is an error and leaves c as it was.
func (c *Contacts) UnmarshalBinary(data []byte) error {
	r := wire.Open("contacts", contactsKind, contactsVersion, data)
	n := Contacts{Memory: c.Memory, Dir: c.Dir}
	for _, d := range []*dictionary{&n.devices, &n.apps} {
		for i := range r.Count(1) {
			text := string(r.Bytes())
			if i > 0 && text <= d.Text(uint32(i-1)) {
				r.Corrupt()
			}
			if r.Err() != nil {
				break
			}
			d.id(text)
		}
	}
	for app := range n.apps.Len() {
		n.unmarshalApp(r, uint32(app))
	}
	var last dense.Key
	for i := 0; ; i++ {
		flows := r.Uvarint()
		if flows == 0 {
			break
		}
		last = takeAddr(r, last, i == 0)
		*n.flowsTo.At(n.addr(last)) = flows
	}
	for i := range n.addrs.Len() {
		if *n.flowsTo.At(uint32(i)) == 0 { // the address of a contact, and nothing goes to it
			r.Corrupt()
		}
	}
	if err := r.End(); err != nil {
		return fmt.Errorf("enrich: %w", err)
	}
	err := c.Close()
	*c = n
	return err
}

// unmarshalApp reads the contacts of an application.
func (c *Contacts) unmarshalApp(r *wire.Body, app uint32) {
	var last dense.Key
	for i := 0; ; i++ {
		n := r.Count(7)
		if n == 0 {
			return
		}
		last = takeAddr(r, last, i == 0)
		addr := c.addr(last)
		var before detail
		for j := range n {
			devices := c.devices.Len()
			port, proto, os := uint16(r.Below(1<<16)), flow.Proto(r.Below(1<<8)), flow.OS(r.Below(1<<8))
			owner := uint32(r.Below(devices + 1))
			t := total{flows: r.Positive(), tx: r.Uvarint(), rx: r.Uvarint()}
			set := r.Set(devices)
			if set.IsEmpty() || owner != 0 && (os != flow.OSUnknown || set.GetCardinality() != 1 || set.Minimum() != owner-1) {
				r.Corrupt()
			}
			d := newDetail(port, proto, os, owner)
			if j > 0 && d <= before {
				r.Corrupt()
			}
			if r.Err() != nil {
				return
			}
			before = d
			t.devices = c.sets.of(set)
			*c.totals.At(c.contact(contactKey(app, addr, d))) = t
			c.systems.add(os)
		}
	}
}

// takeAddr reads an address, which must be greater than the last unless it is
// the first.
func takeAddr(r *wire.Body, last dense.Key, first bool) dense.Key {
	b := r.Take(16)
	if b == nil {
		return last
	}
	addr := dense.KeyOf([16]byte(b))
	if !first && addr.Compare(last) <= 0 {
		r.Corrupt()
	}
	return addr
}
