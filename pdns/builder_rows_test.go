package pdns_test

import (
	"context"
	"fmt"
	"log"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/endoflow/endoflow/pdns"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// rowRecords are records of all the kinds that a Builder tells apart: as rows
// and as messages, some of them unusable.
func rowRecords(n int) []pdns.Record {
	rng := rand.New(rand.NewPCG(5, uint64(n)))
	recs := make([]pdns.Record, n)
	for i := range recs {
		r := pdns.Record{RRName: fmt.Sprintf("Host%d.example.", rng.IntN(n/4)), RRType: pdns.A, RData: address(4*rng.Uint32N(200) + 1).String()}
		if r.Count = rng.Uint64N(3); r.Count > 0 {
			r.TimeFirst = time.Unix(rng.Int64N(1e9), 0).UTC()
			r.TimeLast = r.TimeFirst.Add(time.Hour)
		}
		switch rng.IntN(8) {
		case 0:
			r.Query = fmt.Sprintf("host%d.example", rng.IntN(n/4))
		case 1:
			r.RRName = ".."
		case 2, 3:
			r.RRType, r.RData = pdns.CNAME, fmt.Sprintf("host%d.example", rng.IntN(n/4))
		}
		if _, ok := r.Addr(); !ok && r.RRType == pdns.A {
			r.RRType = pdns.AAAA
		}
		recs[i] = r
	}
	return recs
}

// addByNumbers adds records as a source with dictionaries does.
func addByNumbers(b *pdns.Builder, recs []pdns.Record) {
	var names [][]byte
	var addrs []netip.Addr
	for _, r := range recs {
		names = append(names, []byte(r.RRName))
		if addr, ok := r.Addr(); ok {
			addrs = append(addrs, addr)
		}
	}
	owners, ids := make([]pdns.NameID, len(names)), make([]pdns.AddrID, len(addrs))
	b.NameIDs(owners, names)
	b.AddrIDs(ids, addrs)
	var rows []pdns.Row
	for i, r := range recs {
		clear(names[i]) // the caller's own
		query, _ := b.NameID([]byte(r.Query))
		if r.RRType == pdns.CNAME {
			target, _ := b.NameID([]byte(r.RData))
			b.AddCNAME(owners[i], target, query)
			continue
		}
		addr := ids[0]
		if ids = ids[1:]; addr == 0 {
			b.Thin(1)
			continue
		}
		rows = append(rows, pdns.Row{Addr: addr, Owner: owners[i], Query: query, TimeFirst: r.TimeFirst, TimeLast: r.TimeLast, Count: r.Count})
	}
	b.AddRows(rows)
}

// dumpIndex returns what an Index has, in both modes.
func dumpIndex(x *pdns.Index) map[string][]pdns.Name {
	names := make(map[string][]pdns.Name)
	for _, mode := range []pdns.Mode{pdns.Query, pdns.Owner} {
		view := x.Mode(mode)
		for addr := range view.Addrs() {
			names[mode.String()+" "+addr.String()] = view.Lookup(addr)
		}
	}
	return names
}

// TestBuilderByNumbers compares records added by numbers with the same added one
// by one: the Index and the counts must be the same.
func TestBuilderByNumbers(t *testing.T) {
	filter := pdns.NewFilter(100, 0.001)
	for i := range uint32(100) {
		filter.Add(address(4*i + 1))
	}
	for _, n := range []int{8, 300, 5000} {
		for _, f := range []*pdns.Filter{nil, filter} {
			recs := rowRecords(n)
			want, got := pdns.Builder{Filter: f}, pdns.Builder{Filter: f}
			for _, r := range recs {
				want.Add(r)
			}
			for len(recs) > 0 { // in parts, so that names have numbers already
				m := min(len(recs), 1000)
				addByNumbers(&got, recs[:m])
				recs = recs[m:]
			}
			if diff := cmp.Diff(want.Stats(), got.Stats(), cmpopts.IgnoreFields(pdns.BuilderStats{}, "FilterTests")); diff != "" {
				t.Errorf("%d records: stats (-want +got):\n%s", n, diff)
			}
			if diff := cmp.Diff(dumpIndex(build(t, &want)), dumpIndex(build(t, &got))); diff != "" {
				t.Errorf("%d records: Index (-want +got):\n%s", n, diff)
			}
		}
	}
}

// TestBuilderNumbersUnused checks that names and addresses that only have
// numbers are not in the Index.
func TestBuilderNumbersUnused(t *testing.T) {
	var b pdns.Builder
	if id, err := b.NameID([]byte("unused.example")); id == 0 || err != nil {
		t.Errorf("NameID: %d, %v", id, err)
	}
	if id, err := b.NameID([]byte("no name")); id != 0 || err == nil {
		t.Errorf("NameID of no name: %d, %v", id, err)
	}
	ids := make([]pdns.AddrID, 3)
	b.AddrIDs(ids, []netip.Addr{netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("::ffff:192.0.2.1"), {}})
	if ids[0] == 0 || ids[0] != ids[1] || ids[2] != 0 {
		t.Errorf("AddrIDs: %v", ids)
	}
	b.AddRows([]pdns.Row{{Addr: ids[0]}})
	if got, want := b.Stats(), (pdns.BuilderStats{Rows: 1, Dropped: 1}); got != want {
		t.Errorf("stats: want %+v, got %+v", want, got)
	}
	x := build(t, &b)
	if got := x.Lookup(netip.MustParseAddr("192.0.2.1")); got != nil || x.Stats() != (pdns.IndexStats{}) {
		t.Errorf("Lookup %v, stats %+v", got, x.Stats())
	}
}

// A source whose values repeat asks for the number of each once.
func ExampleBuilder_AddRows() {
	var b pdns.Builder
	names := make([]pdns.NameID, 2)
	b.NameIDs(names, [][]byte{[]byte("Edge.CDN.example."), []byte("www.site.example")})
	addrs := make([]pdns.AddrID, 1)
	b.AddrIDs(addrs, []netip.Addr{netip.MustParseAddr("192.0.2.1")})

	b.AddCNAME(names[1], names[0], 0)
	b.AddRows([]pdns.Row{{Addr: addrs[0], Owner: names[0], Count: 2}, {Addr: addrs[0], Owner: names[0]}})
	idx, err := b.Build(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	for _, name := range idx.Lookup(netip.MustParseAddr("192.0.2.1")) {
		fmt.Println(name.Name, name.Evidence, name.Count)
	}
	// Output: www.site.example via-cname 3
}

func ExampleBuilder_AddCNAME() {
	var b pdns.Builder
	owner, _ := b.NameID([]byte("www.site.example"))
	target, _ := b.NameID([]byte("edge.cdn.example"))
	b.AddCNAME(owner, target, 0)
	b.Add(pdns.Record{RRName: "edge.cdn.example", RRType: pdns.A, RData: "192.0.2.1"})
	idx, err := b.Build(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	for _, name := range idx.Lookup(netip.MustParseAddr("192.0.2.1")) {
		fmt.Println(name.Name, name.Evidence)
	}
	// Output: www.site.example via-cname
}

func ExampleBuilder_AddrIDs() {
	var b pdns.Builder
	ids := make([]pdns.AddrID, 3)
	b.AddrIDs(ids, []netip.Addr{netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("::ffff:192.0.2.1"), {}})
	fmt.Println(ids[0] == ids[1], ids[2])
	// Output: true 0
}

func ExampleBuilder_NameIDs() {
	var b pdns.Builder
	ids := make([]pdns.NameID, 3)
	b.NameIDs(ids, [][]byte{[]byte("host.example"), []byte("HOST.example."), []byte("a b")})
	fmt.Println(ids[0] == ids[1], ids[2])
	// Output: true 0
}

func ExampleBuilder_Thin() {
	var b pdns.Builder
	b.Thin(5) // as Add counts records of addresses that its Filter has not
	fmt.Println(b.Stats().Rows, b.Stats().Addresses, b.Stats().Thinned)
	// Output: 5 5 5
}

func ExampleBuilder_NameID() {
	var b pdns.Builder
	one, _ := b.NameID([]byte("host.example"))
	same, _ := b.NameID([]byte("HOST.example."))
	_, err := b.NameID([]byte("a b"))
	fmt.Println(one == same, err)
	// Output: true not a host name in printable ASCII
}

func ExampleCanonicalName() {
	name, err := pdns.CanonicalName("WWW.Example.")
	fmt.Println(name, err)
	// Output: www.example <nil>
}
