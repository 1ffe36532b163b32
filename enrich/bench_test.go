package enrich_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"

	"github.com/endoflow/endoflow/enrich"
	"github.com/endoflow/endoflow/flow"
)

// skewed returns flows as a fleet has them: a third to few addresses, the others
// spread, and a fifth of one application. Texts are interned, as readers of
// records do it.
func skewed(rng *rand.Rand, flows, devices, addrs int) []flow.Record {
	ids, apps := make([]string, devices), make([]string, 140)
	for i := range ids {
		ids[i] = fmt.Sprintf("v1:abcdefgh:%026x", rng.Uint64())
	}
	for i := range apps {
		apps[i] = fmt.Sprintf("Application %d Helper", i)
	}
	recs := make([]flow.Record, flows)
	for i := range recs {
		addr := int(float64(addrs) * rng.Float64() * rng.Float64() * rng.Float64())
		app := 0
		if rng.IntN(5) > 0 {
			app = rng.IntN(len(apps))
		}
		recs[i] = flow.Record{
			Device: ids[rng.IntN(devices)], OS: flow.MacOS, App: flow.App{Name: apps[app]}, Proto: flow.TCP, TxBytes: 100, RxBytes: 1000,
			Dst: netip.AddrPortFrom(netip.AddrFrom4([4]byte{21, byte(addr >> 16), byte(addr >> 8), byte(addr)}), 443),
		}
	}
	return recs
}

func BenchmarkContactsAdd(b *testing.B) {
	for _, size := range []struct{ flows, devices, addrs int }{{1 << 16, 500, 10_000}, {1 << 20, 8000, 200_000}} {
		b.Run(fmt.Sprintf("devices=%d", size.devices), func(b *testing.B) {
			recs := skewed(rand.New(rand.NewPCG(8, 8)), size.flows, size.devices, size.addrs)
			c := new(enrich.Contacts)
			for i := range recs {
				c.Add(recs[i], recs[i].Dst)
			}
			b.ReportAllocs()
			n := 0
			for b.Loop() {
				rec := &recs[n%len(recs)]
				c.Add(*rec, rec.Dst)
				n++
			}
			b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "records/s")
		})
	}
}

func BenchmarkContactsMerge(b *testing.B) {
	recs := skewed(rand.New(rand.NewPCG(9, 9)), 1<<20, 8000, 200_000)
	contacts := 0
	for b.Loop() {
		b.StopTimer()
		var shards [2]enrich.Contacts
		for i := range recs {
			shards[i%2].Add(recs[i], recs[i].Dst)
		}
		contacts = shards[0].Len()
		b.StartTimer()
		shards[1].Merge(&shards[0])
	}
	b.ReportMetric(b.Elapsed().Seconds()*1e9/float64(b.N*contacts), "ns/contact")
}

// network is a made-up content network as a resolver: most addresses have a few
// names of their own, and those of a pool have names that are each on several
// addresses of the pool.
type network struct {
	texts []string
	names map[netip.Addr][]uint32
}

func (n *network) LookupAddr(_ context.Context, addr netip.Addr) (texts []string, _ error) {
	for _, id := range n.names[addr] {
		texts = append(texts, n.texts[id])
	}
	return texts, nil
}

// numberedNetwork is one that numbers its names.
type numberedNetwork struct{ *network }

func (n numberedNetwork) AppendNameIDs(ids []uint32, addr netip.Addr) []uint32 {
	return append(ids, n.names[addr]...)
}
func (n numberedNetwork) NameOf(id uint32) string { return n.texts[id] }
func (n numberedNetwork) NumNames() int           { return len(n.texts) }

func newNetwork(rng *rand.Rand, recs []flow.Record, names int) *network {
	n := &network{names: make(map[netip.Addr][]uint32)}
	for i := range names {
		n.texts = append(n.texts, fmt.Sprintf("n%07d.example", i))
	}
	var addrs []netip.Addr
	for i := range recs {
		if addr := recs[i].Dst.Addr(); n.names[addr] == nil {
			n.names[addr] = []uint32{}
			addrs = append(addrs, addr)
		}
	}
	pool := len(addrs) / 10
	for id := range uint32(names) {
		if rng.IntN(2) == 0 {
			addr := addrs[rng.IntN(len(addrs))]
			n.names[addr] = append(n.names[addr], id)
			continue
		}
		first := int(float64(pool) * rng.Float64() * rng.Float64())
		for range 2 + rng.IntN(8) {
			addr := addrs[min(first+rng.IntN(16), len(addrs)-1)]
			if on := n.names[addr]; len(on) == 0 || on[len(on)-1] != id {
				n.names[addr] = append(on, id)
			}
		}
	}
	return n
}

// BenchmarkEndpoints is about a tenth of what performance.md calls M.
func BenchmarkEndpoints(b *testing.B) {
	rng := rand.New(rand.NewPCG(10, 10))
	recs := skewed(rng, 1<<20, 2500, 70_000)
	names := newNetwork(rng, recs, 235_000)
	c := new(enrich.Contacts)
	for i := range recs {
		c.Add(recs[i], recs[i].Dst)
	}
	for _, bench := range []struct {
		name string
		join enrich.Join
	}{
		{"resolver=text/min=0", enrich.Join{Resolver: names}},
		{"resolver=numbers/min=0", enrich.Join{Resolver: numberedNetwork{names}}},
		{"resolver=numbers/min=0.01", enrich.Join{Resolver: numberedNetwork{names}, MinSupport: 0.01}},
	} {
		bench.join.Level, bench.join.Expand = enrich.NameOnly, true
		b.Run(bench.name, func(b *testing.B) {
			n := 0
			for b.Loop() {
				n = 0
				for _, err := range c.Endpoints(context.Background(), bench.join) {
					if err != nil {
						b.Fatal(err)
					}
					n++
				}
			}
			b.ReportMetric(float64(n), "endpoints")
		})
	}
}
