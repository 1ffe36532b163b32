// Package enrich joins flow records with names.
//
// Where each flow is wanted with its names, an [Enricher] asks a [Resolver],
// such as a pdns.Index, about one flow after the other:
//
//	e := enrich.Enricher{Resolver: index}
//	for f, err := range e.Flows(ctx, reader.All()) {
//		…
//		fmt.Println(f.Record.App.Name, f.Names)
//	}
//
// Where a fleet is studied, flows are aggregated first and named afterwards.
// [Contacts] keeps, per (application, remote address, port, protocol), the set
// of devices, the flows and the bytes. [Contacts.Endpoints] then asks the
// Resolver once per distinct address, however many flows went there, and gives
// per (application, name, port, protocol) the number of distinct devices:
//
//	var c enrich.Contacts
//	for rec, err := range reader.All() {
//		…
//		c.Add(rec, rec.Dst)
//	}
//	for e, err := range c.Endpoints(ctx, enrich.Join{Resolver: index}) {
//		…
//		fmt.Println(e.App, e.Name(), e.Port, e.Devices, e.Active)
//	}
//
// Paper: section 2.3 joins 3.2 G flows with 2.9 G ip:domain pairs, which "posed
// a significant challenge due to skewed joins". A contact takes part in the join
// once, so that a hot address costs what any other costs.
//
// # Memory
//
// [Contacts] of more than [Contacts.Memory] go to temporary files as sorted runs,
// and are read by merging these: the results are the same, to the byte. A join
// keeps addresses and classes of names in memory, and of the contacts those of
// the applications that it is joining.
//
// Endpoints on few devices are by far the most: with [Join.MinSupport] or
// [Join.MinDevices] they are counted, and most of them without a set operation.
//
// # Classes of names
//
// Names that lead to the same set of contacted addresses, those of the contacts
// that the join keeps, cannot be told apart by any DNS evidence; on the addresses
// of a content network there are thousands of them. The join treats such names as
// one class: one [Endpoint] with all of them in Names. [Join.Expand] gives one
// Endpoint a name instead.
//
// At the level [SitePort] names count by their registrable domains, which [Sites] takes
// from the Public Suffix List.
//
// # What it does not claim
//
// Every name of an address is credited with every contact of that address, as in
// the paper. A name's devices are so an upper bound wherever addresses are
// shared; Endpoint.NamesOnAddress says how far they are.
package enrich
