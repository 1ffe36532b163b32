package enrich

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"net/netip"
	"runtime"
	"slices"

	"github.com/endoflow/endoflow/flow"
	"github.com/endoflow/endoflow/internal/dense"
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
	SitePort                 // registrable domain ([Sites]), port and protocol; an address without a name stands for itself
)

var levelNames = [...]string{"name-port", "name", "address-port", "address", "site"}

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

func (l Level) named() bool { return l == NamePort || l == NameOnly || l == SitePort }

// HasPort reports whether the level keeps ports and protocols apart.
func (l Level) HasPort() bool { return l == NamePort || l == AddressPort || l == SitePort }

// A Join says how [Contacts.Endpoints] makes endpoints of contacts. Its zero
// value joins nothing: all contacts, by address and port where a name would be.
type Join struct {
	// Resolver names addresses; nil knows no names. It is asked once about each
	// address, in ascending order, by one goroutine unless it is a
	// [NumberedResolver].
	Resolver Resolver

	Level Level

	// Sites says what the sites of names are, at the level SitePort.
	Sites Sites

	// Keep selects contacts by operating system and application; nil keeps all.
	// It is asked once about each pair, before anything is joined.
	Keep func(os flow.OS, app string) bool

	// Expand gives one endpoint per name instead of one per class of names.
	Expand bool

	// MinDevices and MinSupport are what an endpoint must have to be yielded:
	// as many devices, and as great a share of the application's active
	// devices. The others are counted ([AppEndpoints.Count]), which costs less,
	// since most of them cannot reach the minimum by the devices of their
	// contacts, distinct or not.
	MinDevices int
	MinSupport float64

	// Workers is how many applications are joined at a time; 0 is
	// runtime.GOMAXPROCS.
	Workers int
}

// An Endpoint is a destination of an application, counted over devices.
type Endpoint struct {
	App string

	// Names are the names of the endpoint, sorted: all of a class, which no DNS
	// evidence tells apart, or one if the Join expands. They are empty where the
	// address has no name or the level is one of addresses.
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

// AppEndpoints are the endpoints of one application. They are safe to keep, and
// those of one join are for one goroutine at a time.
type AppEndpoints struct {
	App    string
	Active int // distinct devices with any kept contact of App
	Count  int // endpoints, with those below the minimum of the join

	appRows
	join *joined
}

// All yields the endpoints that reach the minimum, sorted by Name, Port and
// Proto.
func (a AppEndpoints) All() iter.Seq[Endpoint] {
	return func(yield func(Endpoint) bool) { a.join.yield(a, yield) }
}

// Devices yields the number of devices of each endpoint that All yields, in no
// particular order, and makes no endpoints.
func (a AppEndpoints) Devices() iter.Seq[int] {
	return func(yield func(int) bool) {
		for _, row := range a.named {
			if !yield(int(a.found[uint32(row)].devices)) {
				return
			}
		}
		for _, u := range a.unnamed {
			if !yield(int(a.found[u.found].devices)) {
				return
			}
		}
	}
}

// Endpoints joins the contacts with names and yields the endpoints of each
// application that reach the join's minimum, sorted by App, Name, Port and Proto.
// It is [Contacts.EndpointsByApp] without the counts.
func (c *Contacts) Endpoints(ctx context.Context, j Join) iter.Seq2[Endpoint, error] {
	return func(yield func(Endpoint, error) bool) {
		for app, err := range c.EndpointsByApp(ctx, j) {
			if err != nil {
				yield(Endpoint{}, err)
				return
			}
			for e := range app.All() {
				if !yield(e, nil) {
					return
				}
			}
		}
	}
}

// EndpointsByApp joins the contacts with names and yields each application that
// has contacts which the join keeps, sorted by name. Contacts whose operating
// system is not resolved count like any other; call [Contacts.Resolve] before
// where Keep looks at it. The sequence can be ranged over again, and asks the
// Resolver again. c must not be changed while it lasts.
//
// Each pair is the endpoints of an application and a nil error, or nothing and an
// error: the Resolver's, ctx's, or that of a temporary file, after which the
// sequence ends.
//
// The cost is one step per contact and class of names on its address, and one
// set operation where a class has several contacts and can reach the minimum;
// the number of flows does not matter any more.
//
// In memory are 32 bytes for each address, 4 for each class on it, 4 for each name
// and 4 for each class; before the first application, also 4 for each pair of
// address and name and 12 for each name. Each worker has 3 bytes for each class of
// several addresses, or 12 MiB if that is more, and 56 for each contact of its
// application, with 4 for each of its devices. Contacts in temporary files are read
// from there.
//
// Measured (2 vCPU AMD EPYC, Go 1.26.8, with other work on it; names in a file; of
// the endpoints, those with a support of 1 % are wanted):
//
//	contacts  addresses     names  endpoints   wanted  CPU s  MB beside the contacts
//	   2.7 M     0.73 M     2.8 M     40.2 M  527,000    2.9  130
//	  13.0 M     3.7  M    14.2 M    199   M  770,000     20  460
//
// where the latter contacts are in temporary files. MB are of what is in use at a
// time; pages of the file of names that have been read come on top.
func (c *Contacts) EndpointsByApp(ctx context.Context, j Join) iter.Seq2[AppEndpoints, error] {
	return func(yield func(AppEndpoints, error) bool) {
		join, err := c.join(ctx, j)
		if err != nil {
			c.note(err)
			yield(AppEndpoints{}, err)
			return
		}
		join.run(ctx, yield)
	}
}

// A joined is what the workers of a join share. Addresses are numbered here as
// they sort, those of kept contacts alone.
type joined struct {
	Join
	c       *Contacts
	apps    []uint32  // that may have kept contacts, sorted by name
	kept    []systems // by app
	addrs   []dense.Key
	numbers []uint32 // of addresses, by their rank in memory; nil where there are runs
	classes *classes // nil where nothing is named
}

// join selects contacts and names their addresses.
func (c *Contacts) join(ctx context.Context, j Join) (*joined, error) {
	c.prepare()
	if c.err != nil {
		return nil, c.err
	}
	if j.Workers <= 0 {
		j.Workers = runtime.GOMAXPROCS(0)
	}
	s := &joined{Join: j, c: c, kept: make([]systems, c.apps.Len())}
	apps, _ := c.apps.sorted()
	for _, app := range apps {
		kept := &s.kept[app]
		for i := range 256 {
			if os := flow.OS(i); c.systems.has(os) && (j.Keep == nil || j.Keep(os, c.apps.Text(uint32(app)))) {
				kept.add(os)
			}
		}
		if *kept != (systems{}) {
			s.apps = append(s.apps, app)
		}
	}
	if err := s.selectAddrs(ctx); err != nil {
		return nil, err
	}
	if j.Resolver != nil && j.Level.named() {
		var err error
		names := j.Resolver
		if j.Level == SitePort {
			if names, err = j.Sites.Resolver(ctx, names); err != nil {
				return nil, err
			}
		}
		if s.classes, err = newClasses(ctx, names, s.addrs, j.Workers); err != nil {
			return nil, err
		}
	}
	return s, ctx.Err()
}

// selectAddrs numbers the addresses of kept contacts.
func (s *joined) selectAddrs(ctx context.Context) error {
	m := &s.c.inMemory
	var all []dense.Key
	var kept []bool
	if len(s.c.runs) == 0 {
		kept = make([]bool, len(m.order.addrs))
		for n := range uint32(m.contacts.Len()) {
			key := m.contacts.Key(n)
			if m.totals.At(n).flows > 0 && s.kept[key.Hi>>32].has(detail(key.Lo).os()) {
				kept[m.order.rank[uint32(key.Hi)]] = true
			}
		}
		s.numbers = make([]uint32, len(kept))
		s.addrs = make([]dense.Key, 0, count(kept))
		for rank, ok := range kept {
			if ok {
				s.numbers[rank] = uint32(len(s.addrs))
				s.addrs = append(s.addrs, m.order.addrs[rank].addr)
			}
		}
		return nil
	}
	r := newReader(s.c)
	err := r.each(allAddrs, func(addr dense.Key, _ uint32, _ []contact) error {
		all = append(all, addr)
		return nil
	})
	if err != nil {
		return err
	}
	kept = make([]bool, len(all))
	for _, app := range s.apps {
		at := 0
		err := r.each(app, func(addr dense.Key, _ uint32, contacts []contact) error {
			if err := ctx.Err(); err != nil {
				return err
			}
			at = seek(all, at, addr)
			for i := range contacts {
				kept[at] = kept[at] || s.kept[app].has(contacts[i].detail.os())
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	s.addrs = make([]dense.Key, 0, count(kept))
	for i, ok := range kept {
		if ok {
			s.addrs = append(s.addrs, all[i])
		}
	}
	return nil
}

// count returns how many of the addresses are kept.
func count(kept []bool) (n int) {
	for _, ok := range kept {
		if ok {
			n++
		}
	}
	return n
}

// seek returns where a key stands in sorted ones, from a place on, in steps that
// grow while it lies beyond. It must be there.
func seek(keys []dense.Key, from int, key dense.Key) int {
	step := 1
	for from+step < len(keys) && keys[from+step].Compare(key) <= 0 {
		from += step
		step *= 2
	}
	at, _ := slices.BinarySearchFunc(keys[from:min(len(keys), from+step)], key, dense.Key.Compare)
	return from + at
}

// yield yields the endpoints of an application.
func (s *joined) yield(a AppEndpoints, yield func(Endpoint) bool) {
	named := a.named
	for _, u := range a.unnamed {
		for len(named) > 0 && s.precedes(a, named[0], u) {
			if !yield(s.namedEndpoint(a, named[0])) {
				return
			}
			named = named[1:]
		}
		e := a.endpoint(u.found)
		e.Addr = s.addrs[a.found[u.found].addr].Addr()
		if !yield(e) {
			return
		}
	}
	for _, row := range named {
		if !yield(s.namedEndpoint(a, row)) {
			return
		}
	}
}

// precedes reports whether a named endpoint comes before an unnamed one.
func (s *joined) precedes(a AppEndpoints, row uint64, u unnamedRow) bool {
	x, y := &a.found[uint32(row)], &a.found[u.found]
	return cmp.Or(cmp.Compare(s.classes.nameOf(uint32(row>>32)), u.text), cmp.Compare(x.port, y.port), cmp.Compare(x.proto, y.proto)) < 0
}

func (s *joined) namedEndpoint(a AppEndpoints, row uint64) Endpoint {
	e := a.endpoint(uint32(row))
	if s.Expand {
		e.Names = []string{s.classes.nameOf(uint32(row >> 32))}
		return e
	}
	ids := s.classes.namesOf(a.found[uint32(row)].class)
	e.Names = make([]string, len(ids))
	for i, id := range ids {
		e.Names[i] = s.classes.nameOf(id)
	}
	return e
}

// endpoint returns what was found, without its names and address.
func (a AppEndpoints) endpoint(found uint32) Endpoint {
	f := &a.found[found]
	return Endpoint{
		App: a.App, Active: a.Active, Port: f.port, Proto: f.proto, Devices: int(f.devices),
		Flows: f.flows, TxBytes: f.tx, RxBytes: f.rx, Addresses: int(f.addresses), NamesOnAddress: int(f.names),
	}
}
