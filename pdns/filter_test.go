package pdns_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"net/netip"
	"testing"

	"github.com/endoflow/endoflow/pdns"
)

// address returns the nth of many addresses, every fourth of them IPv6. They
// are as regular as real ones, which come in blocks.
func address(n uint32) netip.Addr {
	if n%4 == 3 {
		return netip.AddrFrom16([16]byte{0x20, 0x01, 0x0d, 0xb8, byte(n >> 24), byte(n >> 16), 7: byte(n >> 8), 15: byte(n)})
	}
	return netip.AddrFrom4([4]byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)})
}

func TestFilterRate(t *testing.T) {
	const n, others = 20_000, 400_000
	for _, rate := range []float64{0.5, 0.1, 0.01, 0.001} {
		f := pdns.NewFilter(n, rate)
		for i := range uint32(n) {
			f.Add(address(i))
		}
		for i := range uint32(n) {
			if !f.MayContain(address(i)) {
				t.Fatalf("rate %v: %v was added and is not reported", rate, address(i))
			}
		}
		wrong := 0
		for i := range uint32(others) {
			if f.MayContain(address(n + i)) {
				wrong++
			}
		}
		// 4 standard errors, and a tenth for the filter's own luck.
		got, margin := float64(wrong)/others, rate/10+4*math.Sqrt(rate/others)
		t.Logf("stated %v, measured %v", rate, got)
		if got > rate+margin || got < rate/2 {
			t.Errorf("rate %v measured for a stated %v", got, rate)
		}
	}
}

func TestFilterForms(t *testing.T) {
	f := pdns.NewFilter(10, 0.01)
	f.Add(netip.MustParseAddr("192.0.2.1"))
	f.Add(netip.MustParseAddr("::ffff:192.0.2.2"))
	f.Add(netip.MustParseAddr("fe80::1%eth0"))
	f.Add(netip.Addr{})
	for _, in := range []string{"::ffff:192.0.2.1", "192.0.2.2", "fe80::1", "fe80::1%eth1"} {
		if !f.MayContain(netip.MustParseAddr(in)) {
			t.Errorf("%s is not reported", in)
		}
	}
	if f.MayContain(netip.Addr{}) || f.MayContain(netip.IPv6Unspecified()) {
		t.Error("no address was taken for one")
	}
}

// Whatever the arguments, there are no false negatives and no absurd sizes.
func TestFilterArguments(t *testing.T) {
	for _, n := range []uint{0, 1, 1000} {
		for _, rate := range []float64{-1, 0, 1e-300, 1e-9, 0.3, 0.5, 1, 2, math.NaN(), math.Inf(1), math.Inf(-1)} {
			f := pdns.NewFilter(n, rate)
			for i := range uint32(n) + 10 {
				f.Add(address(i))
				if !f.MayContain(address(i)) {
					t.Fatalf("NewFilter(%d, %v) lost an address", n, rate)
				}
			}
		}
	}
}

func TestFilterMerge(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	whole, parts := pdns.NewFilter(1000, 0.01), []*pdns.Filter{pdns.NewFilter(1000, 0.01), pdns.NewFilter(1000, 0.01)}
	for range 1000 {
		a := address(rng.Uint32())
		whole.Add(a)
		parts[rng.IntN(2)].Add(a)
	}
	if err := parts[0].Merge(parts[1]); err != nil {
		t.Fatal(err)
	}
	for range 100_000 {
		if a := address(rng.Uint32()); whole.MayContain(a) != parts[0].MayContain(a) {
			t.Fatalf("%v: the merged filter differs", a)
		}
	}
	for _, other := range []*pdns.Filter{pdns.NewFilter(1001, 0.01), pdns.NewFilter(1000, 0.001)} {
		if parts[0].Merge(other) == nil {
			t.Error("filters of different shapes were merged")
		}
	}
}

func TestFilterAllocs(t *testing.T) {
	f := pdns.NewFilter(1000, 0.001)
	a, b := address(3), address(4)
	if n := testing.AllocsPerRun(100, func() { f.Add(a); f.MayContain(a); f.MayContain(b) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkFilter(b *testing.B) {
	for _, n := range []uint{100_000, 1_000_000, 10_000_000} {
		f := pdns.NewFilter(n, 0.01)
		for i := range uint32(n) {
			f.Add(address(i))
		}
		for _, c := range []struct {
			name string
			from uint32
		}{{"hit", 0}, {"miss", math.MaxUint32 / 2}} {
			b.Run(fmt.Sprintf("MayContain/case=%s/n=%d", c.name, n), func(b *testing.B) {
				rng := rand.New(rand.NewPCG(1, 2))
				addrs := make([]netip.Addr, 1<<16)
				for i := range addrs {
					addrs[i] = address(c.from + rng.Uint32N(uint32(n)))
				}
				b.ReportAllocs()
				i := 0
				for b.Loop() {
					f.MayContain(addrs[i&(1<<16-1)])
					i++
				}
			})
		}
	}
}
