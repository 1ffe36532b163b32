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
	"os"
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
	devices := []int{20, 120}[rng.IntN(2)] // more than a set keeps in a list, or not
	for i := range devices {
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
			Device: fmt.Sprintf("d%d", rng.IntN(devices)), App: flow.App{Name: fmt.Sprintf("app%d", rng.IntN(4))}, Proto: flow.TCP,
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

// divided returns the contacts of the records as several goroutines make them
// that spill, or not, and some of which are resolved before they are merged.
func (f fleet) divided(t testing.TB, rng *rand.Rand) *enrich.Contacts {
	shards := make([]*enrich.Contacts, 1+rng.IntN(4))
	for i := range shards {
		shards[i] = &enrich.Contacts{Memory: int64(rng.IntN(2)), Dir: t.TempDir()} // 1: all that can be spilled is
	}
	for _, i := range rng.Perm(len(f.recs)) {
		rec := f.recs[i]
		shards[rng.IntN(len(shards))].Add(rec, rec.Dst)
	}
	c := &enrich.Contacts{Memory: int64(rng.IntN(2)), Dir: t.TempDir()}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	for _, shard := range shards {
		if rng.IntN(2) == 0 {
			shard.Resolve(f.system)
		}
		c.Merge(shard)
		if shard.Len() != 0 || shard.NumAddrs() != 0 {
			t.Error("a merged Contacts is not empty")
		}
	}
	c.Resolve(f.system)
	if err := c.Err(); err != nil {
		t.Fatal(err)
	}
	return c
}

// numbered is the fleet as a NumberedResolver.
type numbered struct {
	fleet
	texts []string
}

func (f fleet) numbered() numbered {
	seen := map[string]bool{"unused.example": true}
	for _, names := range f.names {
		for _, name := range names {
			seen[name] = true
		}
	}
	return numbered{f, slices.Sorted(maps.Keys(seen))}
}

func (n numbered) LookupAddr(context.Context, netip.Addr) ([]string, error) {
	return nil, errors.New("asked for text")
}

func (n numbered) AppendNameIDs(ids []uint32, addr netip.Addr) []uint32 {
	for _, name := range slices.Backward(n.names[addr]) {
		id, _ := slices.BinarySearch(n.texts, name)
		ids = append(ids, uint32(id))
	}
	return ids
}

func (n numbered) NameOf(id uint32) string { return n.texts[id] }
func (n numbered) NumNames() int           { return len(n.texts) }

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

// TestEndpointsModel compares the join with its definition at every level, for
// contacts in memory and spilled, with a minimum and without.
func TestEndpointsModel(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	runs := 0
	for round := range 40 {
		f := randomFleet(rng, 300+rng.IntN(2)*1500)
		c := f.contacts(f.recs)
		if c.Resolve(f.system); round%4 > 0 {
			c = f.divided(t, rng)
		}
		_, n := c.Spilled()
		runs += n
		for level := enrich.NamePort; level <= enrich.AddressOnly; level++ {
			for _, keep := range []func(flow.OS, string) bool{nil, func(os flow.OS, app string) bool { return os == flow.MacOS && app != "app0" }} {
				j := enrich.Join{Resolver: f, Level: level, Keep: keep, Expand: true, Workers: rng.IntN(4)}
				if rng.IntN(2) == 0 {
					j.Resolver = f.numbered()
				}
				if rng.IntN(2) == 0 {
					j.MinDevices = rng.IntN(8)
					j.MinSupport = float64(rng.IntN(20)) / 20
				}
				rows := f.model(level, keep)
				count := make(map[string]int)
				for _, r := range rows {
					count[r.App]++
				}
				rows = slices.DeleteFunc(rows, func(r row) bool {
					return r.Devices < j.MinDevices || float64(r.Devices)/float64(r.Active) < j.MinSupport
				})
				if diff := cmp.Diff(rows, rowsOf(t, c, j), cmpopts.EquateEmpty()); diff != "" {
					t.Fatalf("%v (-model +got):\n%s", level, diff)
				}
				for app, err := range c.EndpointsByApp(context.Background(), j) {
					if err != nil || app.Count != count[app.App] {
						t.Fatalf("%s has %d endpoints, want %d; error %v", app.App, app.Count, count[app.App], err)
					}
					delete(count, app.App)
				}
				if len(count) > 0 {
					t.Fatalf("no result for applications %v", count)
				}
			}
		}
	}
	if runs < 50 {
		t.Errorf("only %d runs: spilling is not tested", runs)
	}
}

// TestEndpointsClasses: a class has the rows that its names would have, once.
func TestEndpointsClasses(t *testing.T) {
	rng := rand.New(rand.NewPCG(2, 2))
	for range 40 {
		f := randomFleet(rng, 300)
		c := f.divided(t, rng)
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

// TestContactsMerge: any split of the records, merged in any order, spilled or
// not, is one pass, to the byte.
func TestContactsMerge(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 3))
	f := randomFleet(rng, 3000)
	whole := f.contacts(f.recs)
	whole.Resolve(f.system)
	want, err := whole.AppendBinary(nil)
	if err != nil {
		t.Fatal(err)
	}
	for round := range 30 {
		shards := make([]*enrich.Contacts, 1+rng.IntN(7))
		for i := range shards {
			shards[i] = &enrich.Contacts{Dir: t.TempDir(), Memory: int64(rng.IntN(3) * 20_000)}
		}
		for _, i := range rng.Perm(len(f.recs)) {
			rec := f.recs[i]
			shards[rng.IntN(len(shards))].Add(rec, rec.Dst)
		}
		sum := &enrich.Contacts{Dir: t.TempDir(), Memory: int64(rng.IntN(3) * 20_000)}
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
				if err := shards[i].Close(); err != nil {
					t.Fatal(err)
				}
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
		if sum.Len() != whole.Len() || sum.NumAddrs() != whole.NumAddrs() {
			t.Fatalf("round %d: %d contacts of %d addresses, want %d of %d", round, sum.Len(), sum.NumAddrs(), whole.Len(), whole.NumAddrs())
		}
		if err := sum.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestContactsResolveLater: what is added after Resolve waits for the next one.
func TestContactsResolveLater(t *testing.T) {
	for _, memory := range []int64{0, 1} {
		c := enrich.Contacts{Memory: memory, Dir: t.TempDir()}
		rec := flow.Record{Device: "a", App: flow.App{Name: "x"}, Proto: flow.TCP}
		systems := func() (n [4]int) {
			for os := range n {
				for e := range c.Endpoints(context.Background(), enrich.Join{Keep: func(has flow.OS, _ string) bool { return int(has) == os }}) {
					n[os] = int(e.Flows)
				}
			}
			return n
		}
		for _, step := range []struct {
			resolve flow.OS
			want    [4]int
		}{
			{flow.MacOS, [4]int{0, 400}},
			{flow.Linux, [4]int{0, 400, 0, 400}},
			{flow.OSUnknown, [4]int{400, 400, 0, 400}},
			{flow.Windows, [4]int{400, 400, 400, 400}}, // the unknown ones have been resolved
		} {
			before := systems()
			for range 400 {
				c.Add(rec, netip.MustParseAddrPort("21.0.0.1:443"))
			}
			before[0] += 400
			if diff := cmp.Diff(before, systems()); diff != "" {
				t.Errorf("memory %d, unresolved (-want +got):\n%s", memory, diff)
			}
			c.Resolve(func(string) flow.OS { return step.resolve })
			if diff := cmp.Diff(step.want, systems()); diff != "" {
				t.Errorf("memory %d, resolved (-want +got):\n%s", memory, diff)
			}
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestContactsGolden: the bytes of version 2.
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

const contactsGolden = "6566436f02" + // kind, version
	"03" + "0161" + "0162" + "0163" + // devices a, b, c
	"02" + "044d61696c" + "04576f7264" + // apps Mail, Word
	"01" + "26000001000000000000000000000001" + // contacts of Mail: one on an address
	"35" + "11" + "00" + "01" + "01" + "00" + "00" + "12" + "3a300000010000000000000010000000" + "0000" + "00" +
	"01" + "00000000000000000000ffff15000001" + // and of Word
	"bb03" + "06" + "01" + "00" + "03" + "03" + "8407" + "16" + "3a3000000100000000000200100000000000010002" + "00" + "00" +
	"03" + "00000000000000000000ffff15000001" + "01" + "26000001000000000000000000000001" + "00" + // addresses
	"e3f49eda" // checksum

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

// TestContactsAddrs: every flow with a remote end counts, contact or not.
func TestContactsAddrs(t *testing.T) {
	f := randomFleet(rand.New(rand.NewPCG(6, 6)), 500)
	want := make(map[netip.Addr]uint64)
	c := new(enrich.Contacts)
	for i, rec := range f.recs {
		switch i % 7 {
		case 0:
			rec.Device = ""
		case 1:
			rec.App.Name = ""
		}
		c.Add(rec, rec.Dst)
		want[rec.Dst.Addr()]++
	}
	c.Add(f.recs[0], netip.AddrPort{})
	if diff := cmp.Diff(want, maps.Collect(c.Addrs()), cmpopts.EquateComparable(netip.Addr{})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	var got []netip.Addr
	for addr := range c.Addrs() {
		got = append(got, addr)
	}
	if !slices.IsSortedFunc(got, netip.Addr.Compare) || c.NumAddrs() != len(got) {
		t.Errorf("%d addresses: %v", c.NumAddrs(), got)
	}
	for range c.Addrs() {
		break
	}
}

// failing is a Resolver that breaks, and one that notices cancellation.
type failing struct{ err error }

func (f failing) LookupAddr(context.Context, netip.Addr) ([]string, error) { return nil, f.err }

func TestEndpointsErrors(t *testing.T) {
	f := randomFleet(rand.New(rand.NewPCG(7, 7)), 1000)
	spilled := &enrich.Contacts{Memory: 1, Dir: t.TempDir()}
	for _, rec := range f.recs {
		spilled.Add(rec, rec.Dst)
	}
	defer spilled.Close()
	for _, c := range []*enrich.Contacts{f.contacts(f.recs), spilled} {
		broken := errors.New("broken")
		n := 0
		for e, err := range c.Endpoints(context.Background(), enrich.Join{Resolver: failing{broken}}) {
			if n++; n > 1 || err != broken || e.App != "" {
				t.Errorf("endpoint %+v, error %v", e, err)
			}
		}
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		n = 0
		for e, err := range c.Endpoints(ctx, enrich.Join{Resolver: f}) {
			if n++; n == 1 {
				cancel()
			} else if err != nil && err != context.Canceled || err == nil && e.App != "app0" {
				t.Errorf("%s after the end, error %v", e.App, err)
			}
		}
		n = 0
		for _, err := range c.Endpoints(ctx, enrich.Join{}) {
			if n++; n > 1 || err != context.Canceled {
				t.Errorf("error %v", err)
			}
		}
		for range c.Endpoints(context.Background(), enrich.Join{}) {
			break
		}
		if c.Err() != nil {
			t.Errorf("error %v is none of a file", c.Err())
		}
	}
}

// TestSpilledCorrupt: no change of a byte of a temporary file, and no cut, is
// taken for data.
func TestSpilledCorrupt(t *testing.T) {
	f := randomFleet(rand.New(rand.NewPCG(10, 10)), 520)
	c := &enrich.Contacts{Memory: 1, Dir: t.TempDir()}
	for _, rec := range f.recs {
		c.Add(rec, rec.Dst)
	}
	want := rowsOf(t, c, enrich.Join{Resolver: f})
	size, _ := c.Spilled()
	file := enrich.Scratch(c)
	check := func(what string) {
		t.Helper()
		_, err := c.AppendBinary(nil)
		if !errors.Is(err, enrich.ErrCorrupt) || !errors.Is(c.Err(), enrich.ErrCorrupt) {
			t.Fatalf("%s: error %v, then %v", what, err, c.Err())
		}
		enrich.ForgetErr(c)
		for e, err := range c.Endpoints(context.Background(), enrich.Join{Resolver: f}) {
			if err != nil && !errors.Is(err, enrich.ErrCorrupt) {
				t.Fatalf("%s: error %v", what, err)
			} else if i := slices.IndexFunc(want, func(r row) bool {
				return r.App == e.App && r.Name == e.Name() && r.Port == e.Port && r.Proto == e.Proto
			}); err == nil && want[i].Flows != e.Flows {
				t.Fatalf("%s: %+v, want %+v", what, e, want[i])
			}
		}
		if !errors.Is(c.Err(), enrich.ErrCorrupt) {
			t.Fatalf("%s: error %v", what, c.Err())
		}
		enrich.ForgetErr(c)
	}
	b := make([]byte, 1)
	for at := range size {
		file.ReadAt(b, at)
		file.WriteAt([]byte{b[0] ^ 0x41}, at)
		check(fmt.Sprintf("byte %d changed", at))
		file.WriteAt(b, at)
	}
	if diff := cmp.Diff(want, rowsOf(t, c, enrich.Join{Resolver: f})); diff != "" {
		t.Errorf("with all as it was (-want +got):\n%s", diff)
	}
	for _, cut := range []int64{size - 1, size / 2, 0} {
		file.Truncate(cut)
		check(fmt.Sprintf("cut at %d", cut))
	}
	file.Close()
	if _, err := c.AppendBinary(nil); err == nil {
		t.Error("no error for a file that cannot be read")
	}
	for range c.Addrs() {
	}
	if c.Err() == nil || c.Add(f.recs[0], f.recs[0].Dst) {
		t.Error("contacts are counted after an error")
	}
}

// TestContactsClose: nothing is left.
func TestContactsClose(t *testing.T) {
	dir := t.TempDir()
	f := randomFleet(rand.New(rand.NewPCG(11, 11)), 2000)
	a, b := &enrich.Contacts{Memory: 1, Dir: dir}, &enrich.Contacts{Memory: 1, Dir: dir}
	for i, rec := range f.recs {
		[]*enrich.Contacts{a, b}[i%2].Add(rec, rec.Dst)
	}
	a.Merge(b)
	if bytes, runs := a.Spilled(); bytes == 0 || runs < 4 {
		t.Errorf("%d bytes in %d runs", bytes, runs)
	}
	if err := errors.Join(a.Close(), b.Close(), a.Close()); err != nil {
		t.Error(err)
	}
	if a.Len() != 0 || a.Memory != 1 || a.Dir != dir {
		t.Errorf("closed contacts have %d contacts", a.Len())
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left: %v, error %v", left, err)
	}
}

// TestContactsMemory: the limit is kept, and used.
func TestContactsMemory(t *testing.T) {
	rng := rand.New(rand.NewPCG(12, 12))
	const limit = 4 << 20
	c := &enrich.Contacts{Memory: limit, Dir: t.TempDir()}
	defer c.Close()
	for i := range 400_000 {
		rec := flow.Record{Device: fmt.Sprintf("d%d", rng.IntN(3000)), App: flow.App{Name: fmt.Sprintf("app%d", rng.IntN(40))}, OS: flow.MacOS, Proto: flow.TCP}
		c.Add(rec, netip.AddrPortFrom(netip.AddrFrom4([4]byte{21, 0, byte(rng.ExpFloat64() * 20), byte(rng.IntN(256))}), 443))
		if size := enrich.Size(c); size > limit {
			t.Fatalf("after %d records: %d bytes, with a limit of %d", i, size, limit)
		}
	}
	if bytes, runs := c.Spilled(); runs == 0 || bytes/int64(runs) < limit/12 {
		t.Errorf("%d runs of %d bytes in all: the memory is not used", runs, bytes)
	}
	all := &enrich.Contacts{Memory: limit / 4, Dir: t.TempDir()}
	defer all.Close()
	for range 2 {
		shard := new(enrich.Contacts) // without a limit
		for range 100_000 {
			rec := flow.Record{Device: "a", App: flow.App{Name: "x"}, OS: flow.MacOS}
			shard.Add(rec, netip.AddrPortFrom(netip.AddrFrom4([4]byte{21, 0, byte(rng.IntN(256)), byte(rng.IntN(256))}), 443))
		}
		all.Merge(shard)
		if size := enrich.Size(all); size > limit/4 {
			t.Errorf("after a merge: %d bytes, with a limit of %d", size, limit/4)
		}
	}
	if err := all.Err(); err != nil {
		t.Error(err)
	}
}

// fixed is a Resolver of few addresses.
type fixed map[netip.Addr][]string

func (f fixed) LookupAddr(_ context.Context, addr netip.Addr) ([]string, error) { return f[addr], nil }
