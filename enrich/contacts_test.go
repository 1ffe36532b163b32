package enrich_test

import (
	"bytes"
	stdcmp "cmp"
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"maps"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/endoflow/endoflow/enrich"
	"github.com/endoflow/endoflow/flow"
)

// A universe small enough to meet every case: few devices, applications,
// addresses and names.
type fleet struct {
	recs  []flow.Record
	os    map[string]flow.OS
	names map[netip.Addr][]string
}

func randomFleet(rng *rand.Rand, n int) fleet {
	f := fleet{os: make(map[string]flow.OS), names: make(map[netip.Addr][]string)}
	for i := range 20 {
		f.os[fmt.Sprintf("d%d", i)] = flow.OS(rng.IntN(4))
	}
	for a := range 12 {
		addr := netip.AddrFrom4([4]byte{21, 0, 0, byte(a)})
		if a%4 == 3 {
			addr = netip.MustParseAddr(fmt.Sprintf("2600:1::%d", a))
		}
		for name := range 9 {
			if rng.IntN(6) == 0 || name < 3 && a < 2 { // n0 to n2 often share an address set
				f.names[addr] = append(f.names[addr], fmt.Sprintf("n%d.example", name))
			}
		}
		if f.names[addr] == nil {
			f.names[addr] = nil // an address without a name
		}
	}
	addrs := slices.SortedFunc(maps.Keys(f.names), netip.Addr.Compare)
	for range n {
		rec := flow.Record{
			Device: fmt.Sprintf("d%d", rng.IntN(20)), App: flow.App{Name: fmt.Sprintf("app%d", rng.IntN(4))}, Proto: flow.TCP,
			Dst:     netip.AddrPortFrom(addrs[rng.IntN(len(addrs))], []uint16{80, 443}[rng.IntN(2)]),
			TxBytes: uint64(rng.IntN(1000)), RxBytes: uint64(rng.IntN(1000)),
		}
		if rng.IntN(5) == 0 {
			rec.Proto = flow.UDP
		}
		if rng.IntN(2) == 0 {
			rec.OS = f.os[rec.Device] // known when the line was read, or not
		}
		f.recs = append(f.recs, rec)
	}
	return f
}

func (f fleet) system(device string) flow.OS { return f.os[device] }

func (f fleet) LookupAddr(_ context.Context, addr netip.Addr) ([]string, error) {
	return f.names[addr], nil
}

func (f fleet) contacts(recs []flow.Record) *enrich.Contacts {
	c := new(enrich.Contacts)
	for _, rec := range recs {
		c.Add(rec, rec.Dst)
	}
	return c
}

// row is an Endpoint in a form that compares.
type row struct {
	App, Name              string
	Port                   uint16
	Proto                  flow.Proto
	Devices, Active        int
	Flows, Tx, Rx          uint64
	Addresses, NamesOnAddr int
}

// model joins by definition: every flow with every name of its address.
func (f fleet) model(level enrich.Level, keep func(flow.OS, string) bool) []row {
	type key struct {
		app, name string
		port      uint16
		proto     flow.Proto
	}
	rows := make(map[key]*row)
	devices := make(map[key]map[string]bool)
	addrs := make(map[key]map[netip.Addr]bool)
	active := make(map[string]map[string]bool)
	for _, rec := range f.recs {
		if keep != nil && !keep(f.os[rec.Device], rec.App.Name) {
			continue
		}
		if active[rec.App.Name] == nil {
			active[rec.App.Name] = make(map[string]bool)
		}
		active[rec.App.Name][rec.Device] = true
		addr := rec.Dst.Addr()
		names := f.names[addr]
		switch {
		case level == enrich.AddressOnly || level == enrich.AddressPort:
			names = []string{addr.String()}
		case len(names) == 0 && level == enrich.NamePort:
			names = []string{addr.String()}
		}
		for _, name := range names {
			k := key{rec.App.Name, name, rec.Dst.Port(), rec.Proto}
			if level == enrich.NameOnly || level == enrich.AddressOnly {
				k.port, k.proto = 0, 0
			}
			if rows[k] == nil {
				rows[k] = &row{App: k.app, Name: k.name, Port: k.port, Proto: k.proto}
				devices[k], addrs[k] = make(map[string]bool), make(map[netip.Addr]bool)
			}
			r := rows[k]
			devices[k][rec.Device] = true
			addrs[k][addr] = true
			r.Flows++
			r.Tx += rec.TxBytes
			r.Rx += rec.RxBytes
			if level == enrich.NameOnly || level == enrich.NamePort {
				r.NamesOnAddr = max(r.NamesOnAddr, len(f.names[addr]))
			}
		}
	}
	var out []row
	for k, r := range rows {
		r.Devices, r.Active, r.Addresses = len(devices[k]), len(active[k.app]), len(addrs[k])
		out = append(out, *r)
	}
	slices.SortFunc(out, compareRows)
	return out
}

func compareRows(a, b row) int {
	return stdcmp.Or(stdcmp.Compare(a.App, b.App), stdcmp.Compare(a.Name, b.Name), stdcmp.Compare(a.Port, b.Port), stdcmp.Compare(a.Proto, b.Proto))
}

func rowsOf(t testing.TB, c *enrich.Contacts, j enrich.Join) []row {
	t.Helper()
	var rows []row
	for e, err := range c.Endpoints(context.Background(), j) {
		if err != nil {
			t.Fatal(err)
		}
		rows = append(rows, row{e.App, e.Name(), e.Port, e.Proto, e.Devices, e.Active, e.Flows, e.TxBytes, e.RxBytes, e.Addresses, e.NamesOnAddress})
	}
	return rows
}

// TestEndpointsModel compares the join with its definition at every level.
func TestEndpointsModel(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	for range 40 {
		f := randomFleet(rng, 300)
		c := f.contacts(f.recs)
		c.Resolve(f.system)
		for level := enrich.NamePort; level <= enrich.AddressOnly; level++ {
			for _, keep := range []func(flow.OS, string) bool{nil, func(os flow.OS, app string) bool { return os == flow.MacOS && app != "app0" }} {
				got := rowsOf(t, c, enrich.Join{Resolver: f, Level: level, Keep: keep, Expand: true})
				if diff := cmp.Diff(f.model(level, keep), got, cmpopts.EquateEmpty()); diff != "" {
					t.Fatalf("%v (-model +got):\n%s", level, diff)
				}
			}
		}
	}
}

// TestEndpointsClasses: a class has the rows that its names would have, once.
func TestEndpointsClasses(t *testing.T) {
	rng := rand.New(rand.NewPCG(2, 2))
	for range 40 {
		f := randomFleet(rng, 300)
		c := f.contacts(f.recs)
		expanded := rowsOf(t, c, enrich.Join{Resolver: f, Expand: true})
		var unfolded []row
		sets := make(map[string]string) // a name's addresses
		for _, addr := range slices.SortedFunc(maps.Keys(f.names), netip.Addr.Compare) {
			for _, name := range f.names[addr] {
				sets[name] += addr.String() + " "
			}
		}
		for e, err := range c.Endpoints(context.Background(), enrich.Join{Resolver: f}) {
			if err != nil {
				t.Fatal(err)
			}
			if !slices.IsSorted(e.Names) {
				t.Errorf("names %v are not sorted", e.Names)
			}
			for _, name := range e.Names {
				if sets[name] != sets[e.Names[0]] {
					t.Errorf("%s and %s are one class and have different addresses", name, e.Names[0])
				}
				unfolded = append(unfolded, row{e.App, name, e.Port, e.Proto, e.Devices, e.Active, e.Flows, e.TxBytes, e.RxBytes, e.Addresses, e.NamesOnAddress})
			}
			if len(e.Names) == 0 {
				unfolded = append(unfolded, row{e.App, e.Name(), e.Port, e.Proto, e.Devices, e.Active, e.Flows, e.TxBytes, e.RxBytes, e.Addresses, e.NamesOnAddress})
			}
		}
		slices.SortFunc(unfolded, compareRows)
		if diff := cmp.Diff(expanded, unfolded); diff != "" {
			t.Fatalf("(-expanded +classes unfolded):\n%s", diff)
		}
	}
}

// TestContactsMerge: any split of the records, merged in any order, is one pass,
// to the byte.
func TestContactsMerge(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 3))
	f := randomFleet(rng, 2000)
	whole := f.contacts(f.recs)
	whole.Resolve(f.system)
	want, err := whole.AppendBinary(nil)
	if err != nil {
		t.Fatal(err)
	}
	for round := range 20 {
		shards := make([]*enrich.Contacts, 1+rng.IntN(7))
		for i := range shards {
			shards[i] = new(enrich.Contacts)
		}
		for _, i := range rng.Perm(len(f.recs)) {
			rec := f.recs[i]
			shards[rng.IntN(len(shards))].Add(rec, rec.Dst)
		}
		sum := new(enrich.Contacts)
		for _, i := range rng.Perm(len(shards)) {
			switch rng.IntN(3) {
			case 0: // sent to another machine
				data, err := shards[i].AppendBinary([]byte("before"))
				if err != nil {
					t.Fatal(err)
				}
				var back enrich.Contacts
				if err := back.UnmarshalBinary(data[len("before"):]); err != nil {
					t.Fatal(err)
				}
				clear(data) // nothing of it may be kept
				sum.Merge(&back)
			case 1:
				shards[i].Resolve(f.system)
				sum.Merge(shards[i])
			default:
				sum.Merge(shards[i])
			}
		}
		sum.Resolve(f.system)
		got, err := sum.AppendBinary(nil)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Fatalf("round %d: %d shards give other bytes than one pass", round, len(shards))
		}
	}
}

// TestContactsGolden: the bytes of version 1.
func TestContactsGolden(t *testing.T) {
	var c enrich.Contacts
	for i, device := range []string{"b", "a", "c"} {
		c.Add(flow.Record{Device: device, OS: flow.MacOS, App: flow.App{Name: "Word"}, Proto: flow.TCP, TxBytes: uint64(i), RxBytes: 300}, netip.MustParseAddrPort("21.0.0.1:443"))
	}
	c.Add(flow.Record{Device: "a", App: flow.App{Name: "Mail"}, Proto: flow.UDP}, netip.MustParseAddrPort("[2600:1::1]:53"))
	got, err := c.AppendBinary(nil)
	if err != nil {
		t.Fatal(err)
	}
	if golden := hex.EncodeToString(got); golden != contactsGolden {
		t.Errorf("bytes\n%s, want\n%s", golden, contactsGolden)
	}
}

const contactsGolden = "6566436f01" + // kind, version
	"03" + "0161" + "0162" + "0163" + // devices a, b, c
	"02" + "044d61696c" + "04576f7264" + // apps Mail, Word
	"02" + // contacts
	"00" + "26000001000000000000000000000001" + "35" + "11" + "00" + "01" + "01" + "00" + "00" + "12" + "3a300000010000000000000010000000" + "0000" +
	"01" + "00000000000000000000ffff15000001" + "bb03" + "06" + "01" + "00" + "03" + "03" + "8407" + "16" + "3a3000000100000000000200100000000000010002" + "00" +
	"37274aff" // checksum

// reseal gives changed data a right checksum, so that what is behind it is
// tested.
func reseal(data []byte) []byte {
	body := data[:len(data)-4]
	return binary.LittleEndian.AppendUint32(slices.Clone(body), crc32.Checksum(body, crc32.MakeTable(crc32.Castagnoli)))
}

// TestContactsCorrupt: no change of a byte and no cut is taken for data.
func TestContactsCorrupt(t *testing.T) {
	f := randomFleet(rand.New(rand.NewPCG(4, 4)), 60)
	data, err := f.contacts(f.recs).AppendBinary(nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := range data {
		bad := slices.Clone(data)
		bad[i] ^= 0x41
		if err := new(enrich.Contacts).UnmarshalBinary(bad); err == nil {
			t.Fatalf("byte %d changed: no error", i)
		}
		if err := new(enrich.Contacts).UnmarshalBinary(data[:i]); err == nil {
			t.Fatalf("cut at %d: no error", i)
		}
		if i >= 5 && i < len(data)-4 {
			if err := new(enrich.Contacts).UnmarshalBinary(reseal(data[:i+4])); !errors.Is(err, enrich.ErrCorrupt) {
				t.Fatalf("cut at %d and sealed: error %v", i, err)
			}
		}
	}
	c := f.contacts(f.recs)
	before := c.Len()
	if err := c.UnmarshalBinary(data[:10]); err == nil || c.Len() != before {
		t.Error("a failed UnmarshalBinary changed the receiver")
	}
}

func FuzzContactsUnmarshal(f *testing.F) {
	fl := randomFleet(rand.New(rand.NewPCG(5, 5)), 30)
	data, err := fl.contacts(fl.recs).AppendBinary(nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	empty, _ := new(enrich.Contacts).AppendBinary(nil)
	f.Add(empty)
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) < 9 {
			return
		}
		var c enrich.Contacts
		if err := c.UnmarshalBinary(reseal(data)); err != nil {
			return
		}
		// What is read can be used, and reads back as itself.
		for _, err := range c.Endpoints(context.Background(), enrich.Join{}) {
			if err != nil {
				t.Fatal(err)
			}
		}
		again, err := c.AppendBinary(nil)
		if err != nil {
			t.Fatal(err)
		}
		var c2 enrich.Contacts
		if err := c2.UnmarshalBinary(again); err != nil {
			t.Fatal(err)
		}
		if twice, _ := c2.AppendBinary(nil); !bytes.Equal(again, twice) {
			t.Error("the bytes change when read and written again")
		}
	})
}

func TestContactsAddRefuses(t *testing.T) {
	var c enrich.Contacts
	remote := netip.MustParseAddrPort("21.0.0.1:443")
	for _, rec := range []flow.Record{{}, {Device: "a"}, {App: flow.App{Name: "x"}}} {
		if c.Add(rec, remote) {
			t.Errorf("%+v is a contact", rec)
		}
	}
	if c.Add(flow.Record{Device: "a", App: flow.App{Name: "x"}}, netip.AddrPort{}) {
		t.Error("a record without a remote end is a contact")
	}
	if c.Len() != 0 {
		t.Errorf("%d contacts", c.Len())
	}
}

func TestContactsAddrs(t *testing.T) {
	f := randomFleet(rand.New(rand.NewPCG(6, 6)), 500)
	got := slices.Collect(f.contacts(f.recs).Addrs())
	want := slices.SortedFunc(maps.Keys(f.names), netip.Addr.Compare)
	if diff := cmp.Diff(want, got, cmpopts.EquateComparable(netip.Addr{})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// failing is a Resolver that breaks, and one that notices cancellation.
type failing struct{ err error }

func (f failing) LookupAddr(context.Context, netip.Addr) ([]string, error) { return nil, f.err }

func TestEndpointsErrors(t *testing.T) {
	f := randomFleet(rand.New(rand.NewPCG(7, 7)), 100)
	c := f.contacts(f.recs)
	broken := errors.New("broken")
	n := 0
	for e, err := range c.Endpoints(context.Background(), enrich.Join{Resolver: failing{broken}}) {
		if n++; n > 1 || err != broken || e.App != "" {
			t.Errorf("endpoint %+v, error %v", e, err)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	n = 0
	for _, err := range c.Endpoints(ctx, enrich.Join{}) {
		if n++; n > 1 || err != context.Canceled {
			t.Errorf("error %v", err)
		}
	}
	for range c.Endpoints(context.Background(), enrich.Join{}) {
		break
	}
}

func BenchmarkContactsAdd(b *testing.B) {
	for _, devices := range []int{100, 10_000} {
		b.Run(fmt.Sprintf("devices=%d", devices), func(b *testing.B) {
			rng := rand.New(rand.NewPCG(8, 8))
			recs := make([]flow.Record, 1<<16)
			for i := range recs {
				recs[i] = flow.Record{
					Device: fmt.Sprintf("device-%d", rng.IntN(devices)), OS: flow.MacOS, App: flow.App{Name: fmt.Sprintf("app-%d", rng.IntN(100))}, Proto: flow.TCP,
					Dst: netip.AddrPortFrom(netip.AddrFrom4([4]byte{21, 0, byte(rng.ExpFloat64() * 10), byte(rng.IntN(256))}), 443),
				}
			}
			b.ReportAllocs()
			c := new(enrich.Contacts)
			n := 0
			for b.Loop() {
				rec := recs[n%len(recs)]
				c.Add(rec, rec.Dst)
				n++
			}
			b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "records/s")
		})
	}
}

func BenchmarkEndpoints(b *testing.B) {
	rng := rand.New(rand.NewPCG(9, 9))
	names := make(fixed)
	c := new(enrich.Contacts)
	for i := range 2000 { // a content network: each address has 200 of 1,000 names
		addr := netip.AddrFrom4([4]byte{21, 0, byte(i >> 8), byte(i)})
		for range 200 {
			names[addr] = append(names[addr], fmt.Sprintf("n%d.example", rng.IntN(1000)))
		}
		slices.Sort(names[addr])
		names[addr] = slices.Compact(names[addr])
		for range 20 {
			c.Add(flow.Record{Device: fmt.Sprintf("d%d", rng.IntN(500)), App: flow.App{Name: fmt.Sprintf("app%d", rng.IntN(10))}, Proto: flow.TCP}, netip.AddrPortFrom(addr, 443))
		}
	}
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		for _, err := range c.Endpoints(context.Background(), enrich.Join{Resolver: names}) {
			if err != nil {
				b.Fatal(err)
			}
			n++
		}
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "endpoints/s")
}

type fixed map[netip.Addr][]string

func (f fixed) LookupAddr(_ context.Context, addr netip.Addr) ([]string, error) { return f[addr], nil }
