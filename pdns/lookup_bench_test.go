package pdns_test

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"path/filepath"
	"testing"

	"github.com/endoflow/endoflow/pdns"
)

// lookupBuilder returns a Builder with n addresses of two names each, each name on
// two addresses.
func lookupBuilder(n uint32) *pdns.Builder {
	b := new(pdns.Builder)
	var names [256][]byte
	var addrs [256]netip.Addr
	var nameIDs [256]pdns.NameID
	var addrIDs [256]pdns.AddrID
	var rows []pdns.Row
	for at := uint32(0); at < n; at += 256 {
		for i := range names {
			names[i] = fmt.Appendf(nil, "host%d.site-%d.example", at%7, at+uint32(i))
			addrs[i] = address(at + uint32(i))
		}
		b.NameIDs(nameIDs[:], names[:])
		b.AddrIDs(addrIDs[:], addrs[:])
		rows = rows[:0]
		for i := range names {
			for _, owner := range []pdns.NameID{nameIDs[i], nameIDs[i*7%256]} {
				rows = append(rows, pdns.Row{Addr: addrIDs[i], Owner: owner, Count: uint64(i)})
			}
		}
		b.AddRows(rows)
	}
	return b
}

// BenchmarkLookup measures lookups of random addresses, with what they read of
// the image. In a file, all is in the page cache.
func BenchmarkLookup(b *testing.B) {
	for _, n := range []uint32{1_000_000, 5_000_000} {
		builder := lookupBuilder(n)
		name := filepath.Join(b.TempDir(), "names")
		if err := builder.WriteFile(b.Context(), name); err != nil {
			b.Fatal(err)
		}
		file, err := pdns.Open(name)
		if err != nil {
			b.Fatal(err)
		}
		defer file.Close()
		inMemory := build(b, builder)
		builder = nil
		for _, x := range []struct {
			where string
			idx   *pdns.Index
		}{{"memory", inMemory}, {"file", file}} {
			for _, c := range []struct {
				name string
				from uint32
			}{{"hit", 0}, {"miss", 1 << 31}} {
				rng := rand.New(rand.NewPCG(1, 2))
				addrs := make([]netip.Addr, 1<<20)
				read := 0
				for i := range addrs {
					addrs[i] = address(c.from + rng.Uint32N(n))
					read += pdns.BytesRead(x.idx, addrs[i])
				}
				ctx := b.Context()
				for _, f := range []struct {
					name string
					ask  func(netip.Addr)
				}{
					{"LookupAddr", func(addr netip.Addr) { x.idx.LookupAddr(ctx, addr) }},
					{"Lookup", func(addr netip.Addr) { x.idx.Lookup(addr) }},
					{"AppendNameIDs", func() func(netip.Addr) {
						var ids []uint32
						return func(addr netip.Addr) { ids = x.idx.AppendNameIDs(ids[:0], addr) }
					}()},
				} {
					b.Run(fmt.Sprintf("%s/in=%s/case=%s/n=%dM", f.name, x.where, c.name, n/1_000_000), func(b *testing.B) {
						b.ReportAllocs()
						i := 0
						for b.Loop() {
							f.ask(addrs[i&(len(addrs)-1)])
							i++
						}
						b.ReportMetric(float64(read)/float64(len(addrs)), "read-B/op")
					})
				}
			}
		}
	}
}
