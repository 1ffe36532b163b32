package pdns_test

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/endoflow/endoflow/pdns"
	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// model is the Index as plain maps: what it says is what the documentation
// says, at any cost.
type model struct {
	limit int
	names map[netip.Addr]map[string]*pdns.Name
	over  map[string]int // names left out of the walk back from an owner, by address and owner
}

func newModel(recs []pdns.Record, limit int) *model {
	m := &model{limit, make(map[netip.Addr]map[string]*pdns.Name), make(map[string]int)}
	sources := make(map[string]map[string]bool) // of a target
	for _, r := range recs {
		if r.RRType == pdns.CNAME && r.Query == "" && r.RRName != r.RData {
			if sources[r.RData] == nil {
				sources[r.RData] = make(map[string]bool)
			}
			sources[r.RData][r.RRName] = true
		}
	}
	for _, r := range recs {
		addr, ok := r.Addr()
		if !ok {
			continue
		}
		if r.Query != "" {
			if r.Query == r.RRName {
				m.add(addr, r.Query, pdns.Asked, r)
			} else {
				m.add(addr, r.Query, pdns.ViaCNAME, r)
				m.add(addr, r.RRName, pdns.Owned, r)
			}
			continue
		}
		roots, over := rootsOf(sources, r.RRName, limit)
		m.over[addr.String()+" "+r.RRName] = over
		if len(roots) == 0 {
			m.add(addr, r.RRName, pdns.Asked, r)
			continue
		}
		m.add(addr, r.RRName, pdns.Owned, r)
		for _, root := range roots {
			m.add(addr, root, pdns.ViaCNAME, r)
		}
	}
	return m
}

// rootsOf returns the names that no other CNAME row points to, at most 16 rows
// back from owner, meeting at most limit names; none where owner is such a name.
// over is how many more were pointing at those met.
func rootsOf(sources map[string]map[string]bool, owner string, limit int) (roots []string, over int) {
	seen := map[string]bool{owner: true}
	step := []string{owner}
	for range 16 {
		next := make(map[string]bool)
		for _, target := range step {
			for source := range sources[target] {
				if !seen[source] {
					next[source], seen[source] = true, true
				}
			}
		}
		step = step[:0]
		for source := range next {
			step = append(step, source)
		}
		slices.Sort(step)
		over += max(0, len(step)-limit)
		step = step[:min(limit, len(step))]
		limit -= len(step)
		for _, name := range step {
			if len(sources[name]) == 0 {
				roots = append(roots, name)
			}
		}
	}
	return roots, over
}

func (m *model) dropped() (n int) {
	for _, over := range m.over {
		n += over
	}
	for _, names := range m.names {
		n += max(0, len(names)-m.limit)
	}
	return n
}

func (m *model) add(addr netip.Addr, name string, e pdns.Evidence, r pdns.Record) {
	if r.TimeFirst.IsZero() {
		r.TimeFirst = r.TimeLast
	}
	if r.TimeLast.IsZero() {
		r.TimeLast = r.TimeFirst
	}
	if m.names[addr] == nil {
		m.names[addr] = make(map[string]*pdns.Name)
	}
	n := m.names[addr][name]
	if n == nil {
		n = &pdns.Name{Name: name, First: r.TimeFirst, Last: r.TimeLast}
		m.names[addr][name] = n
	}
	n.Evidence |= e
	n.Count += max(r.Count, 1)
	if r.TimeFirst.IsZero() {
		return
	}
	if n.First.IsZero() || r.TimeFirst.Before(n.First) {
		n.First = r.TimeFirst
	}
	if r.TimeLast.After(n.Last) {
		n.Last = r.TimeLast
	}
}

func (m *model) lookup(addr netip.Addr, mode pdns.Mode) []pdns.Name {
	var all, names []pdns.Name
	for _, n := range m.names[addr] {
		all = append(all, *n)
	}
	slices.SortFunc(all, func(a, b pdns.Name) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Name, b.Name))
	})
	for _, n := range all[:min(m.limit, len(all))] {
		want := pdns.Asked | pdns.ViaCNAME
		if mode == pdns.Owner {
			want = pdns.Asked | pdns.Owned
		}
		if n.Evidence&want != 0 {
			names = append(names, n)
		}
	}
	// Names of both modes stand after the others in mode Query, before them in
	// mode Owner.
	both := func(n pdns.Name) int {
		switch n.Evidence {
		case pdns.ViaCNAME:
			return 0
		case pdns.Owned:
			return 2
		}
		return 1
	}
	slices.SortFunc(names, func(a, b pdns.Name) int {
		return cmp.Or(both(a)-both(b), cmp.Compare(a.Name, b.Name))
	})
	return names
}

// randomRecords returns records over a tiny universe of names and addresses, in
// which chains, forks, loops and self-reference are common.
func randomRecords(rng *rand.Rand, n, names, addrs int) []pdns.Record {
	name := func() string { return fmt.Sprintf("n%02d.example", rng.IntN(names)) }
	recs := make([]pdns.Record, n)
	for i := range recs {
		r := pdns.Record{RRName: name(), Count: rng.Uint64N(4)}
		if rng.IntN(4) > 0 {
			r.TimeFirst = time.UnixMicro(rng.Int64N(1e15)).UTC()
			r.TimeLast = r.TimeFirst.Add(time.Duration(rng.Int64N(1e6)) * time.Microsecond)
			switch rng.IntN(8) {
			case 0:
				r.TimeFirst = time.Time{}
			case 1:
				r.TimeLast = time.Time{}
			}
		}
		switch rng.IntN(3) {
		case 0:
			r.RRType, r.RData = pdns.CNAME, name()
		case 1:
			r.RRType, r.RData = pdns.A, fmt.Sprintf("192.0.2.%d", rng.IntN(addrs))
		case 2:
			r.RRType, r.RData = pdns.AAAA, fmt.Sprintf("2001:db8::%d", rng.IntN(addrs))
			if rng.IntN(4) == 0 {
				r.RData = fmt.Sprintf("::ffff:192.0.2.%d", rng.IntN(addrs))
			}
		}
		switch rng.IntN(4) {
		case 0:
			r.Query = name()
		case 1:
			r.Query = r.RRName
		}
		recs[i] = r
	}
	return recs
}

// universe has every address that randomRecords can make, and some more.
func universe(addrs int) []netip.Addr {
	var all []netip.Addr
	for i := range addrs + 1 {
		all = append(all, netip.MustParseAddr(fmt.Sprintf("192.0.2.%d", i)))
	}
	for i := range addrs + 1 {
		all = append(all, netip.MustParseAddr(fmt.Sprintf("2001:db8::%d", i)))
	}
	slices.SortFunc(all, netip.Addr.Compare)
	return all
}

func compareWithModel(t *testing.T, idx *pdns.Index, m *model, addrs int) {
	t.Helper()
	compareWithModelAt(t, idx, m, universe(addrs))
}

func compareWithModelAt(t *testing.T, idx *pdns.Index, m *model, addrs []netip.Addr) {
	t.Helper()
	used := make(map[string]bool)
	for _, mode := range []pdns.Mode{pdns.Query, pdns.Owner} {
		view := idx.Mode(mode)
		var wantStats pdns.IndexStats
		var wantAddrs []netip.Addr
		for _, addr := range addrs {
			want := m.lookup(addr, mode)
			if diff := gocmp.Diff(want, view.Lookup(addr), cmpopts.EquateEmpty()); diff != "" {
				t.Fatalf("mode %v, %v (-want +got):\n%s", mode, addr, diff)
			}
			names, err := view.LookupAddr(t.Context(), addr)
			if err != nil || len(names) != len(want) || cap(names) != len(want) || (names == nil) != (want == nil) {
				t.Fatalf("mode %v: LookupAddr(%v) = %q, %v", mode, addr, names, err)
			}
			for i, n := range want {
				if names[i] != n.Name {
					t.Fatalf("mode %v: LookupAddr(%v) = %q, want %v", mode, addr, names, want)
				}
			}
			ids := view.AppendNameIDs(nil, addr)
			if len(ids) != len(want) {
				t.Fatalf("mode %v: AppendNameIDs(%v) = %v, want those of %v", mode, addr, ids, want)
			}
			for i, n := range want {
				if view.NameOf(ids[i]) != n.Name {
					t.Fatalf("mode %v: AppendNameIDs(%v) = %v, want those of %v", mode, addr, ids, want)
				}
				used[n.Name] = true
			}
			if len(want) > 0 {
				wantStats.Addresses++
				wantStats.Pairs += len(want)
				wantAddrs = append(wantAddrs, addr)
			}
		}
		wantStats.Dropped = m.dropped()
		if diff := gocmp.Diff(wantStats, view.Stats()); diff != "" {
			t.Fatalf("mode %v: Stats (-want +got):\n%s", mode, diff)
		}
		if diff := gocmp.Diff(wantAddrs, slices.SortedFunc(view.Addrs(), netip.Addr.Compare), cmpopts.EquateComparable(netip.Addr{})); diff != "" {
			t.Fatalf("mode %v: Addrs (-want +got):\n%s", mode, diff)
		}
	}
	// Numbers are dense, of the names of some address only, and ordered as these.
	var names []string
	for id := range idx.NumNames() {
		names = append(names, idx.NameOf(uint32(id)))
	}
	if want := slices.Sorted(maps.Keys(used)); !slices.Equal(want, names) {
		t.Fatalf("names by number: want %q, got %q", want, names)
	}
	if name := idx.NameOf(uint32(idx.NumNames())); name != "" {
		t.Fatalf("a name of no number: %q", name)
	}
}

func TestIndexModel(t *testing.T) {
	for seed := range uint64(400) {
		rng := rand.New(rand.NewPCG(seed, 1))
		names, addrs, limit := 1+rng.IntN(40), 1+rng.IntN(8), 1000
		if seed%2 == 1 {
			limit = 1 + rng.IntN(6)
		}
		recs := randomRecords(rng, rng.IntN(120), names, addrs)
		m := newModel(recs, limit)

		one := pdns.Builder{MaxNames: limit}
		for _, r := range recs {
			one.Add(r)
		}
		idx := build(t, &one)
		compareWithModel(t, idx, m, addrs)

		// The same records in another order, divided among Builders that are
		// merged in another order again.
		rng.Shuffle(len(recs), func(i, j int) { recs[i], recs[j] = recs[j], recs[i] })
		parts := make([]pdns.Builder, 1+rng.IntN(4))
		for _, r := range recs {
			parts[rng.IntN(len(parts))].Add(r)
		}
		sum := pdns.Builder{MaxNames: limit}
		for _, i := range rng.Perm(len(parts)) {
			sum.Merge(&parts[i])
		}
		merged := build(t, &sum)
		compareWithModel(t, merged, m, addrs)
		if merged.Stats() != idx.Stats() || sum.Stats() != one.Stats() {
			t.Fatalf("seed %d: merged %+v %+v, in one %+v %+v", seed, merged.Stats(), sum.Stats(), idx.Stats(), one.Stats())
		}

		// Building ends nothing.
		for _, r := range recs {
			sum.Add(r)
		}
		compareWithModel(t, build(t, &sum), newModel(append(recs, recs...), limit), addrs)
	}
}

// build returns the Index of a Builder.
func build(t testing.TB, b *pdns.Builder) *pdns.Index {
	t.Helper()
	idx, err := b.Build(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return idx
}

func row(owner string, typ pdns.Type, data string) pdns.Record {
	return pdns.Record{RRName: owner, RRType: typ, RData: data, Count: 1}
}

// namesOf returns what an Index says of 192.0.2.1 in either mode, as "name
// evidence".
func namesOf(idx *pdns.Index) []string {
	var names []string
	for _, mode := range []pdns.Mode{pdns.Query, pdns.Owner} {
		for _, n := range idx.Mode(mode).Lookup(netip.MustParseAddr("192.0.2.1")) {
			if s := n.Name + " " + n.Evidence.String(); !slices.Contains(names, s) {
				names = append(names, s)
			}
		}
	}
	return names
}

func TestChains(t *testing.T) {
	chain := func(n int) (recs []pdns.Record) {
		for i := range n {
			recs = append(recs, row(fmt.Sprintf("n%02d", i), pdns.CNAME, fmt.Sprintf("n%02d", i+1)))
		}
		return append(recs, row(fmt.Sprintf("n%02d", n), pdns.A, "192.0.2.1"))
	}
	for _, test := range []struct {
		name string
		recs []pdns.Record
		want []string
	}{
		{"no chain", chain(0), []string{"n00 asked"}},
		{"chain", chain(2), []string{"n00 via-cname", "n02 owned"}},
		{"longest chain", chain(16), []string{"n00 via-cname", "n16 owned"}},
		{"longer chain", chain(17), []string{"n17 asked"}},
		{"fork", append(chain(1), row("www", pdns.CNAME, "n01")), []string{"n00 via-cname", "www via-cname", "n01 owned"}},
		{"self-reference", []pdns.Record{row("a", pdns.CNAME, "a"), row("a", pdns.A, "192.0.2.1")}, []string{"a asked"}},
		{"pure loop", []pdns.Record{row("a", pdns.CNAME, "b"), row("b", pdns.CNAME, "a"), row("a", pdns.A, "192.0.2.1")}, []string{"a asked"}},
		{"loop with an entry", []pdns.Record{row("a", pdns.CNAME, "b"), row("b", pdns.CNAME, "a"), row("www", pdns.CNAME, "b"), row("a", pdns.A, "192.0.2.1")},
			[]string{"www via-cname", "a owned"}},
		{"asked for in two ways", []pdns.Record{
			{RRName: "a", RRType: pdns.A, RData: "192.0.2.1", Query: "a"},
			{RRName: "b", RRType: pdns.A, RData: "192.0.2.1", Query: "a"},
		}, []string{"a asked+via-cname", "b owned"}},
		{"messages do not make chains for rows", []pdns.Record{
			{RRName: "a", RRType: pdns.CNAME, RData: "b", Query: "a"},
			row("b", pdns.A, "192.0.2.1"),
		}, []string{"b asked"}},
		{"other forms of names", []pdns.Record{row("WWW.", pdns.CNAME, "B"), row("b.", pdns.A, "192.0.2.1")}, []string{"www via-cname", "b owned"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			var b pdns.Builder
			for _, r := range test.recs {
				b.Add(r)
			}
			if diff := gocmp.Diff(test.want, namesOf(build(t, &b))); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestMaxNames(t *testing.T) {
	b := pdns.Builder{MaxNames: 2}
	for _, name := range []string{"c", "b", "a", "c", "d", "d"} {
		b.Add(row(name, pdns.A, "192.0.2.1"))
	}
	idx := build(t, &b)
	if diff := gocmp.Diff([]string{"c asked", "d asked"}, namesOf(idx)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if diff := gocmp.Diff(pdns.IndexStats{Addresses: 1, Pairs: 2, Dropped: 2}, idx.Stats()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestBuilderStats(t *testing.T) {
	f := pdns.NewFilter(1, 1e-6)
	f.Add(netip.MustParseAddr("192.0.2.1"))
	b := pdns.Builder{Filter: f}
	for _, r := range []pdns.Record{
		row("a", pdns.A, "192.0.2.1"),
		row("a", pdns.A, "192.0.2.2"),
		row("a", pdns.AAAA, "::ffff:192.0.2.1"),
		row("a", pdns.CNAME, "b"),
		row("a", pdns.CNAME, ""),
		row("", pdns.CNAME, "b"),
		row("", pdns.A, "192.0.2.1"),
		row("a", pdns.A, "x"),
		row("a", pdns.TXT, "x"),
		{RRName: "a", RRType: pdns.A, RData: "192.0.2.1", Query: "a b"},
	} {
		b.Add(r)
	}
	want := pdns.BuilderStats{Rows: 10, Addresses: 3, Thinned: 1, CNAMEs: 1, Dropped: 6, FilterTests: 2}
	if diff := gocmp.Diff(want, b.Stats()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := build(t, &b).Stats(); got != (pdns.IndexStats{Addresses: 1, Pairs: 1}) {
		t.Errorf("got %+v", got)
	}
}

func TestCountSaturates(t *testing.T) {
	var b pdns.Builder
	r := row("a", pdns.A, "192.0.2.1")
	b.Add(r)
	r.Count = 1<<64 - 1
	b.Add(r)
	if got := build(t, &b).Lookup(netip.MustParseAddr("192.0.2.1"))[0].Count; got != 1<<64-1 {
		t.Errorf("count %d", got)
	}
}

func TestZeroIndex(t *testing.T) {
	for _, idx := range []*pdns.Index{new(pdns.Index), build(t, new(pdns.Builder))} {
		addr := netip.MustParseAddr("192.0.2.1")
		if names, err := idx.Mode(pdns.Owner).LookupAddr(t.Context(), addr); names != nil || err != nil {
			t.Errorf("got %q, %v", names, err)
		}
		if idx.Lookup(addr) != nil || idx.Stats() != (pdns.IndexStats{}) || slices.Collect(idx.Addrs()) != nil {
			t.Error("an empty index has something")
		}
	}
}

func TestLookupForms(t *testing.T) {
	var b pdns.Builder
	b.Add(row("a", pdns.A, "192.0.2.1"))
	b.Add(row("b", pdns.AAAA, "fe80::1"))
	b.Add(row("c", pdns.AAAA, "::"))
	idx := build(t, &b)
	for _, test := range []struct{ addr, want string }{
		{"192.0.2.1", "a"}, {"::ffff:192.0.2.1", "a"}, {"fe80::1", "b"}, {"fe80::1%eth0", "b"}, {"::", "c"},
	} {
		names, _ := idx.LookupAddr(t.Context(), netip.MustParseAddr(test.addr))
		if !slices.Equal(names, []string{test.want}) {
			t.Errorf("%s: %q", test.addr, names)
		}
	}
	if names, _ := idx.LookupAddr(t.Context(), netip.Addr{}); names != nil {
		t.Errorf("no address: %q", names)
	}
	for range idx.Addrs() {
		break
	}
}

// Among so many addresses some have the same 32 bits of hash, whatever the seed.
func TestManyAddresses(t *testing.T) {
	const n = 300_000
	var b pdns.Builder
	for i := range uint32(n) {
		b.Add(row("a", pdns.A, netip.AddrFrom4([4]byte{1, byte(i >> 16), byte(i >> 8), byte(i)}).String()))
	}
	idx := build(t, &b)
	if diff := gocmp.Diff(pdns.IndexStats{Addresses: n, Pairs: n}, idx.Stats()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for i := range uint32(n) {
		if names, _ := idx.LookupAddr(t.Context(), netip.AddrFrom4([4]byte{1, byte(i >> 16), byte(i >> 8), byte(i)})); len(names) != 1 {
			t.Fatalf("address %d has %d names", i, len(names))
		}
		if names, _ := idx.LookupAddr(t.Context(), netip.AddrFrom4([4]byte{2, byte(i >> 16), byte(i >> 8), byte(i)})); names != nil {
			t.Fatalf("another address has names: %q", names)
		}
	}
}

func TestLookupAllocs(t *testing.T) {
	var b pdns.Builder
	b.Add(row("a", pdns.A, "192.0.2.1"))
	idx := build(t, &b)
	hit, miss, ctx := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1"), t.Context()
	if n := testing.AllocsPerRun(100, func() { idx.LookupAddr(ctx, hit); idx.LookupAddr(ctx, miss) }); n != 1 {
		t.Errorf("LookupAddr: %v allocations, want the slice's", n)
	}
	ids := make([]uint32, 0, 8)
	if n := testing.AllocsPerRun(100, func() { ids = idx.AppendNameIDs(idx.AppendNameIDs(ids[:0], hit), miss) }); n != 0 {
		t.Errorf("AppendNameIDs: %v allocations", n)
	}
}

// For the race detector.
func TestConcurrentLookups(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 7))
	recs := randomRecords(rng, 200, 20, 8)
	var b pdns.Builder
	for _, r := range recs {
		b.Add(r)
	}
	idx := build(t, &b)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for _, addr := range universe(8) {
				idx.Mode(pdns.Owner).LookupAddr(t.Context(), addr)
				idx.Lookup(addr)
			}
		})
	}
	wg.Wait()
}
