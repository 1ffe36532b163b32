package flow_test

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"

	"github.com/endoflow/endoflow/flow"
)

// scopeRows is the slow model: method.md C.5 as a list that is walked in order.
var scopeRows = []struct {
	prefix string
	scope  flow.Scope
}{
	{"192.0.0.9/32", flow.Global},
	{"192.0.0.10/32", flow.Global},
	{"0.0.0.0/8", flow.Unspecified},
	{"::/128", flow.Unspecified},
	{"127.0.0.0/8", flow.Loopback},
	{"::1/128", flow.Loopback},
	{"169.254.0.0/16", flow.LinkLocal},
	{"fe80::/10", flow.LinkLocal},
	{"224.0.0.0/4", flow.Multicast},
	{"ff00::/8", flow.Multicast},
	{"255.255.255.255/32", flow.Broadcast},
	{"10.0.0.0/8", flow.Private},
	{"172.16.0.0/12", flow.Private},
	{"192.168.0.0/16", flow.Private},
	{"fc00::/7", flow.Private},
	{"fec0::/10", flow.Private},
	{"100.64.0.0/10", flow.Shared},
	{"192.0.2.0/24", flow.Documentation},
	{"198.51.100.0/24", flow.Documentation},
	{"203.0.113.0/24", flow.Documentation},
	{"2001:db8::/32", flow.Documentation},
	{"3fff::/20", flow.Documentation},
	{"198.18.0.0/15", flow.Benchmark},
	{"2001:2::/48", flow.Benchmark},
	{"240.0.0.0/4", flow.Reserved},
	{"192.0.0.0/24", flow.Reserved},
	{"192.88.99.0/24", flow.Reserved},
	{"100::/64", flow.Reserved},
	{"2001::/32", flow.Global}, // Teredo
	{"2001::/23", flow.Reserved},
	{"5f00::/16", flow.Reserved},
	{"64:ff9b:1::/48", flow.Reserved},
	{"2002::/16", flow.Global}, // 6to4
	{"2000::/3", flow.Global},
}

func slowScope(addr netip.Addr) flow.Scope {
	addr = addr.Unmap().WithZone("")
	if netip.MustParsePrefix("64:ff9b::/96").Contains(addr) {
		b := addr.As16()
		addr = netip.AddrFrom4([4]byte(b[12:]))
	}
	for _, row := range scopeRows {
		if netip.MustParsePrefix(row.prefix).Contains(addr) {
			return row.scope
		}
	}
	if !addr.IsValid() {
		return flow.Invalid
	}
	return flow.Global
}

// bounds returns the first and last address of p and their neighbours outside.
func bounds(p netip.Prefix) []netip.Addr {
	first := p.Masked().Addr()
	b := first.AsSlice()
	for bit := p.Bits(); bit < 8*len(b); bit++ {
		b[bit/8] |= 0x80 >> (bit % 8)
	}
	last, _ := netip.AddrFromSlice(b)
	return []netip.Addr{first.Prev(), first, first.Next(), last.Prev(), last, last.Next()}
}

// forms returns the ways to write one address.
func forms(a netip.Addr) []netip.Addr {
	if !a.Is4() {
		return []netip.Addr{a, a.WithZone("en0")}
	}
	mapped := netip.AddrFrom16(a.As16())
	b := netip.MustParseAddr("64:ff9b::").As16()
	v4 := a.As4()
	copy(b[12:], v4[:])
	return []netip.Addr{a, mapped, mapped.WithZone("en0"), netip.AddrFrom16(b)}
}

// sampleAddrs returns the edges of all ranges and seeded random addresses.
func sampleAddrs() []netip.Addr {
	addrs := []netip.Addr{{}}
	add := func(a netip.Addr) {
		if a.IsValid() {
			addrs = append(addrs, forms(a)...)
		}
	}
	for _, row := range scopeRows {
		for _, a := range bounds(netip.MustParsePrefix(row.prefix)) {
			add(a)
		}
	}
	for _, a := range bounds(netip.MustParsePrefix("64:ff9b::/96")) {
		add(a)
	}
	rng := rand.New(rand.NewPCG(1, 2))
	for range 20_000 {
		var v4 [4]byte
		binary.BigEndian.PutUint32(v4[:], rng.Uint32())
		add(netip.AddrFrom4(v4))
		var v6 [16]byte
		binary.BigEndian.PutUint64(v6[:8], rng.Uint64())
		binary.BigEndian.PutUint64(v6[8:], rng.Uint64())
		add(netip.AddrFrom16(v6))
		// Within a random row, where all that decides is in the row's own bits.
		p := netip.MustParsePrefix(scopeRows[rng.IntN(len(scopeRows))].prefix)
		b, random := p.Addr().AsSlice(), v6[:]
		for bit := p.Bits(); bit < 8*len(b); bit++ {
			b[bit/8] |= random[bit/8] & (0x80 >> (bit % 8))
		}
		a, _ := netip.AddrFromSlice(b)
		add(a)
	}
	return addrs
}

func TestScopeOfMatchesModel(t *testing.T) {
	seen := make(map[flow.Scope]int)
	var plain flow.Scopes
	for _, a := range sampleAddrs() {
		got, want := flow.ScopeOf(a), slowScope(a)
		if got != want {
			t.Errorf("ScopeOf(%v) = %v, want %v", a, got, want)
		}
		if of := plain.Of(a); of != want {
			t.Errorf("zero Scopes.Of(%v) = %v, want %v", a, of, want)
		}
		seen[got]++
	}
	for s := flow.Invalid; s <= flow.Global; s++ {
		if seen[s] == 0 && s != flow.Site {
			t.Errorf("no sample is %v", s)
		}
	}
}

func TestIsRFC1918MatchesModel(t *testing.T) {
	private := []netip.Prefix{
		netip.MustParsePrefix("10.0.0.0/8"),
		netip.MustParsePrefix("172.16.0.0/12"),
		netip.MustParsePrefix("192.168.0.0/16"),
	}
	for _, a := range sampleAddrs() {
		want := false
		for _, p := range private {
			want = want || p.Contains(a.Unmap())
		}
		if got := flow.IsRFC1918(a); got != want {
			t.Errorf("IsRFC1918(%v) = %v, want %v", a, got, want)
		}
	}
}

func TestScopes(t *testing.T) {
	scopes := flow.Scopes{
		Site: []netip.Prefix{
			netip.MustParsePrefix("8.8.0.0/16"),
			netip.MustParsePrefix("10.9.0.0/16"), // before the table's own row
			netip.MustParsePrefix("2620:10::/32"),
		},
		SharedPublic: true,
	}
	tests := []struct {
		addr        string
		zero, scope flow.Scope
	}{
		{"8.8.8.8", flow.Global, flow.Site},
		{"::ffff:8.8.8.8", flow.Global, flow.Site},
		{"64:ff9b::8.8.8.8", flow.Global, flow.Site},
		{"8.9.0.0", flow.Global, flow.Global},
		{"10.9.1.1", flow.Private, flow.Site},
		{"10.8.1.1", flow.Private, flow.Private},
		{"2620:10::1", flow.Global, flow.Site},
		{"2620:10::1%en0", flow.Global, flow.Site},
		{"2620:11::1", flow.Global, flow.Global},
		{"100.64.0.1", flow.Shared, flow.Global},
		{"64:ff9b::100.64.0.1", flow.Shared, flow.Global},
		{"fe80::1%en0", flow.LinkLocal, flow.LinkLocal},
	}
	var zero flow.Scopes
	for _, tt := range tests {
		addr := netip.MustParseAddr(tt.addr)
		if got := zero.Of(addr); got != tt.zero {
			t.Errorf("zero Scopes.Of(%v) = %v, want %v", addr, got, tt.zero)
		}
		if got := scopes.Of(addr); got != tt.scope {
			t.Errorf("Scopes.Of(%v) = %v, want %v", addr, got, tt.scope)
		}
	}
	everything := flow.Scopes{Site: []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0")}}
	if got := everything.Of(netip.Addr{}); got != flow.Invalid {
		t.Errorf("Of(zero Addr) = %v, want %v", got, flow.Invalid)
	}
}

func TestScopeDoesNotAllocate(t *testing.T) {
	addrs := sampleAddrs()
	scopes := flow.Scopes{Site: []netip.Prefix{netip.MustParsePrefix("2620:10::/32")}}
	n := testing.AllocsPerRun(1, func() {
		for _, a := range addrs {
			flow.ScopeOf(a)
			flow.IsRFC1918(a)
			scopes.Of(a)
		}
	})
	if n != 0 {
		t.Errorf("%v allocations for %d addresses, want none", n, len(addrs))
	}
}

func TestScopeString(t *testing.T) {
	if got := flow.Global.String(); got != "global" {
		t.Errorf("Global is %q", got)
	}
	if got := flow.Scope(99).String(); got != "Scope(99)" {
		t.Errorf("Scope(99) is %q", got)
	}
}

func ExampleScopeOf() {
	for _, s := range []string{"192.168.1.4", "100.64.7.7", "224.0.0.251", "fe80::1%en0", "17.253.144.10", "64:ff9b::10.0.0.1"} {
		addr := netip.MustParseAddr(s)
		fmt.Printf("%-18v %-11v RFC 1918: %v\n", addr, flow.ScopeOf(addr), flow.IsRFC1918(addr))
	}
	// Output:
	// 192.168.1.4        private     RFC 1918: true
	// 100.64.7.7         shared      RFC 1918: false
	// 224.0.0.251        multicast   RFC 1918: false
	// fe80::1%en0        link-local  RFC 1918: false
	// 17.253.144.10      global      RFC 1918: false
	// 64:ff9b::a00:1     private     RFC 1918: false
}

func ExampleIsRFC1918() {
	fmt.Println(flow.IsRFC1918(netip.MustParseAddr("172.31.255.255")))
	fmt.Println(flow.IsRFC1918(netip.MustParseAddr("fd00::1"))) // RFC 4193
	// Output:
	// true
	// false
}

func ExampleScopes() {
	ours := flow.Scopes{Site: []netip.Prefix{netip.MustParsePrefix("64.100.0.0/16")}}
	fmt.Println(ours.Of(netip.MustParseAddr("64.100.1.1")), ours.Of(netip.MustParseAddr("64.101.1.1")))
	// Output: site global
}

func ExampleScopes_Of() {
	carrier := flow.Scopes{SharedPublic: true}
	fmt.Println(carrier.Of(netip.MustParseAddr("100.64.1.1")))
	// Output: global
}

func BenchmarkScopeOf(b *testing.B) {
	rng := rand.New(rand.NewPCG(3, 4))
	v4 := make([]netip.Addr, 1024)
	v6 := make([]netip.Addr, 1024)
	for i := range v4 {
		v4[i] = netip.AddrFrom4([4]byte{byte(rng.Uint32()), byte(rng.Uint32()), 1, 1})
		v6[i] = netip.AddrFrom16([16]byte{0x20 | byte(rng.Uint32N(16)), byte(rng.Uint32()), 15: 1})
	}
	for _, bm := range []struct {
		name  string
		addrs []netip.Addr
	}{{"v4", v4}, {"v6", v6}} {
		b.Run("family="+bm.name, func(b *testing.B) {
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				flow.ScopeOf(bm.addrs[i&1023])
				i++
			}
		})
	}
}
