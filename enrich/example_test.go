package enrich_test

import (
	"bytes"
	"context"
	"fmt"
	"log"
	"net/netip"

	"github.com/endoflow/endoflow/enrich"
	"github.com/endoflow/endoflow/flow"
)

// table is the smallest Resolver; a pdns.Index is the usual one.
type table map[string][]string

func (t table) LookupAddr(_ context.Context, addr netip.Addr) ([]string, error) {
	return t[addr.String()], nil
}

var dns = table{
	"21.0.0.1": {"updates.word.example"},
	"21.0.0.2": {"blog.example", "shop.example"},
}

func visit(device, app, dst string) flow.Record {
	return flow.Record{
		Device: device, OS: flow.MacOS, App: flow.App{Name: app}, Proto: flow.TCP,
		Src: netip.MustParseAddrPort("10.0.0.5:50000"), Dst: netip.MustParseAddrPort(dst), TxBytes: 100, RxBytes: 2000,
	}
}

var visits = []flow.Record{
	visit("mac-1", "Word", "21.0.0.1:443"),
	visit("mac-2", "Word", "21.0.0.1:443"),
	visit("mac-2", "Word", "21.0.0.1:443"),
	visit("mac-2", "Word", "21.0.0.2:80"),
}

func ExampleContacts_Endpoints() {
	var c enrich.Contacts
	for _, rec := range visits {
		c.Add(rec, rec.Dst)
	}
	for e, err := range c.Endpoints(context.Background(), enrich.Join{Resolver: dns}) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%s %v %d/%v on %d of %d devices, %d flows\n", e.App, e.Names, e.Port, e.Proto, e.Devices, e.Active, e.Flows)
	}
	// Output:
	// Word [blog.example shop.example] 80/tcp on 1 of 2 devices, 1 flows
	// Word [updates.word.example] 443/tcp on 2 of 2 devices, 3 flows
}

func ExampleJoin() {
	var c enrich.Contacts
	for _, rec := range visits {
		c.Add(rec, rec.Dst)
	}
	join := enrich.Join{
		Resolver: dns,
		Level:    enrich.NameOnly,
		Expand:   true,
		Keep:     func(os flow.OS, app string) bool { return os == flow.MacOS },
	}
	for e := range c.Endpoints(context.Background(), join) {
		fmt.Println(e.Name(), e.Devices, e.NamesOnAddress)
	}
	// Output:
	// blog.example 1 2
	// shop.example 1 2
	// updates.word.example 2 1
}

func ExampleContacts_Merge() {
	var a, b enrich.Contacts
	a.Add(visits[0], visits[0].Dst)
	b.Add(visits[1], visits[1].Dst)

	data, err := b.AppendBinary(nil) // to another machine
	if err != nil {
		log.Fatal(err)
	}
	var c enrich.Contacts
	if err := c.UnmarshalBinary(data); err != nil {
		log.Fatal(err)
	}
	a.Merge(&c)
	fmt.Println(a.Len())
	// Output: 1
}

func ExampleContacts_Resolve() {
	rec := visits[0]
	rec.OS = flow.OSUnknown // the endpoint record came later
	var c enrich.Contacts
	c.Add(rec, rec.Dst)
	c.Resolve(func(device string) flow.OS { return flow.MacOS })

	join := enrich.Join{Keep: func(os flow.OS, app string) bool { return os == flow.MacOS }}
	for e := range c.Endpoints(context.Background(), join) {
		fmt.Println(e.Name(), e.Port)
	}
	// Output: 21.0.0.1 443
}

func ExampleContacts_Addrs() {
	var c enrich.Contacts
	for _, rec := range visits {
		c.Add(rec, rec.Dst)
	}
	for addr, flows := range c.Addrs() {
		fmt.Println(addr, flows)
	}
	// Output:
	// 21.0.0.1 3
	// 21.0.0.2 1
}

func ExampleEnricher_Flows() {
	recs := func(yield func(flow.Record, error) bool) {
		for _, rec := range visits[2:] {
			if !yield(rec, nil) {
				return
			}
		}
	}
	e := enrich.Enricher{Resolver: dns}
	for f, err := range e.Flows(context.Background(), recs) {
		fmt.Println(f.Remote, f.Names, err)
	}
	// Output:
	// 21.0.0.1:443 [{updates.word.example resolved}] <nil>
	// 21.0.0.2:80 [{blog.example resolved} {shop.example resolved}] <nil>
}

func ExampleEnricher_Names() {
	rec := visits[0]
	rec.DstName = "word.example" // seen by the sensor
	e := enrich.Enricher{Resolver: dns}
	names, err := e.Names(context.Background(), rec, rec.Dst)
	fmt.Println(names, err)
	// Output: [{word.example sensor} {updates.word.example resolved}] <nil>
}

func ExampleParseLevel() {
	level, ok := enrich.ParseLevel("address-port")
	fmt.Println(level, ok)
	// Output: address-port true
}

func ExampleContacts_EndpointsByApp() {
	var c enrich.Contacts
	for _, rec := range visits {
		c.Add(rec, rec.Dst)
	}
	join := enrich.Join{Resolver: dns, MinSupport: 0.6}
	for app, err := range c.EndpointsByApp(context.Background(), join) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%s, on %d devices: %d endpoints, of these on at least 60 %% of the devices:\n", app.App, app.Active, app.Count)
		for e := range app.All() {
			fmt.Println(e.Name(), e.Port, e.Devices)
		}
	}
	// Output:
	// Word, on 2 devices: 2 endpoints, of these on at least 60 % of the devices:
	// updates.word.example 443 2
}

func ExampleAppEndpoints_All() {
	var c enrich.Contacts
	for _, rec := range visits {
		c.Add(rec, rec.Dst)
	}
	for app := range c.EndpointsByApp(context.Background(), enrich.Join{Level: enrich.AddressOnly}) {
		for e := range app.All() {
			fmt.Println(app.App, e.Addr, e.Devices)
		}
	}
	// Output:
	// Word 21.0.0.1 2
	// Word 21.0.0.2 1
}

func ExampleAppEndpoints_Devices() {
	var c enrich.Contacts
	for _, rec := range visits {
		c.Add(rec, rec.Dst)
	}
	for app := range c.EndpointsByApp(context.Background(), enrich.Join{Level: enrich.AddressOnly, MinDevices: 2}) {
		for devices := range app.Devices() {
			fmt.Println(devices)
		}
		fmt.Println(app.Count, "endpoints in all; those on fewer devices were not made")
	}
	// Output:
	// 2
	// 2 endpoints in all; those on fewer devices were not made
}

func ExampleContacts_NumAddrs() {
	var c enrich.Contacts
	for _, rec := range visits {
		c.Add(rec, rec.Dst)
	}
	fmt.Println(c.NumAddrs())
	// Output: 2
}

func ExampleContacts_Spilled() {
	c := enrich.Contacts{Memory: 1 << 20}
	defer c.Close()
	for _, rec := range visits {
		c.Add(rec, rec.Dst)
	}
	fmt.Println(c.Spilled()) // a mebibyte is enough for two contacts
	// Output: 0 0
}

func ExampleContacts_Err() {
	c := enrich.Contacts{Memory: 1, Dir: "/no/such/folder"}
	for range 1000 {
		c.Add(visits[0], visits[0].Dst)
	}
	fmt.Println(c.Err() != nil)
	// Output: true
}

func ExampleContacts_Close() {
	c := enrich.Contacts{Memory: 1} // contacts go to a temporary file
	for range 1000 {
		c.Add(visits[0], visits[0].Dst)
	}
	bytes, _ := c.Spilled()
	fmt.Println(bytes > 0)
	if err := c.Close(); err != nil {
		log.Fatal(err)
	}
	// Output: true
}

func ExampleContacts_Add() {
	var c enrich.Contacts
	fmt.Println(c.Add(visits[0], visits[0].Dst), c.Len())
	fmt.Println(c.Add(flow.Record{Device: "mac-1"}, visits[0].Dst), c.Len()) // no application
	// Output:
	// true 1
	// false 1
}

func ExampleContacts_UnmarshalBinary() {
	var c enrich.Contacts
	err := c.UnmarshalBinary([]byte("something else"))
	fmt.Println(err)
	// Output: enrich: contacts: data of another kind
}

func ExampleEndpoint_Name() {
	named := enrich.Endpoint{Names: []string{"blog.example", "shop.example"}}
	unnamed := enrich.Endpoint{Addr: netip.MustParseAddr("21.0.0.1")}
	fmt.Println(named.Name(), unnamed.Name())
	// Output: blog.example 21.0.0.1
}

func ExampleContacts_Len() {
	var c enrich.Contacts
	for _, rec := range visits {
		c.Add(rec, rec.Dst)
	}
	fmt.Println(c.Len()) // of four flows, three of which went to one address and port
	// Output: 2
}

func ExampleContacts_AppendBinary() {
	var a, b enrich.Contacts
	a.Add(visits[0], visits[0].Dst)
	a.Add(visits[1], visits[1].Dst)
	b.Add(visits[1], visits[1].Dst)
	b.Add(visits[0], visits[0].Dst)
	x, err := a.AppendBinary(nil)
	if err != nil {
		log.Fatal(err)
	}
	y, err := b.AppendBinary(nil)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(bytes.Equal(x, y))
	// Output: true
}

func ExampleLevel_HasPort() {
	fmt.Println(enrich.NamePort.HasPort(), enrich.NameOnly.HasPort())
	// Output: true false
}

func ExampleContacts_AddOf() {
	// One who reads many records of the same devices asks for each device once.
	var c enrich.Contacts
	number := flow.Memo(c.DeviceID)
	for i := range 4 {
		rec := flow.Record{Device: fmt.Sprint("d", i%2), App: flow.App{Name: "Word"}, Proto: flow.TCP}
		c.AddOf(number(rec.Device), rec, netip.MustParseAddrPort("17.0.0.1:443"))
	}
	for e, err := range c.Endpoints(context.Background(), enrich.Join{Level: enrich.AddressPort}) {
		fmt.Println(e.App, e.Addr, e.Port, e.Devices, e.Flows, err)
	}
	// Output: Word 17.0.0.1 443 2 4 <nil>
}

func ExampleContacts_DeviceID() {
	var c enrich.Contacts
	fmt.Println(c.DeviceID("d1"), c.DeviceID("d2"), c.DeviceID("d1"), c.DeviceID(""))
	// Output: 1 2 1 0
}
