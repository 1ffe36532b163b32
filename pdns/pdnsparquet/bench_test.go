package pdnsparquet_test

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"net/netip"
	"testing"
	"testing/fstest"

	"github.com/endoflow/endoflow/pdns"
	"github.com/endoflow/endoflow/pdns/pdnsparquet"
	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/compress"
)

// benchRow is a row as an export of a passive DNS database has it.
type benchRow struct {
	RRName    string `parquet:"rrname,dict"`
	RRType    string `parquet:"rrtype,dict"`
	RData     string `parquet:"rdata,dict"`
	TimeFirst int64  `parquet:"time_first"`
	TimeLast  int64  `parquet:"time_last"`
	Count     int64  `parquet:"count"`
}

// benchAddr returns the address of a number: one in ten of IPv6.
func benchAddr(i uint32) netip.Addr {
	x := i * 2654435761
	if i%10 == 0 {
		return netip.AddrFrom16([16]byte{0x20, 0x01, 0x0d, 0xb8, 5: byte(x >> 24), 7: byte(x >> 16), 14: byte(x >> 8), 15: byte(x)})
	}
	return netip.AddrFrom4([4]byte{byte(x >> 24), byte(x >> 16), byte(x >> 8), byte(x)})
}

// benchFile returns n rows: names and addresses with a skew such as the repeats
// of a passive DNS export have (a few of each on very many rows), 78 % of the
// types A and AAAA, a share of CNAME; row groups of a million rows, dictionaries
// that overflow to PLAIN as Spark's do.
func benchFile(b testing.TB, n, cnames int, codec compress.Codec) []byte {
	rng := rand.New(rand.NewPCG(1, uint64(n)))
	skew := func(n int) uint32 { return uint32(float64(n) * math.Pow(rng.Float64(), 3)) }
	names, addrs := n/12, n/24
	var text bytes.Buffer
	w := parquet.NewGenericWriter[benchRow](&text,
		parquet.Compression(codec), parquet.DictionaryMaxBytes(1<<20), parquet.PageBufferSize(1<<20), parquet.MaxRowsPerRowGroup(1<<20))
	rows := make([]benchRow, 0, 4096)
	for i := range n {
		name := skew(names)
		r := benchRow{
			RRName: fmt.Sprintf("h%d.site-%d.example", name%7, name*2654435761%uint32(names)), RRType: "A",
			TimeFirst: 1_700_000_000 + rng.Int64N(86_400), Count: 1 + rng.Int64N(100),
		}
		r.TimeLast = r.TimeFirst + rng.Int64N(86_400)
		switch k := rng.IntN(100); {
		case k < 78:
			// A name is on a few addresses, and popular ones on popular ones.
			addr := benchAddr((uint32(float64(name)/float64(names)*float64(addrs)) + rng.Uint32N(4)) % uint32(addrs))
			if r.RData = addr.String(); addr.Is6() {
				r.RRType = "AAAA"
			}
		case k < 78+cnames:
			r.RRType, r.RData = "CNAME", fmt.Sprintf("edge%d.cdn.example", skew(names/10))
		default:
			r.RRType, r.RData = "NS", "ns.example"
		}
		if rows = append(rows, r); len(rows) == cap(rows) || i == n-1 {
			if _, err := w.Write(rows); err != nil {
				b.Fatal(err)
			}
			rows = rows[:0]
		}
	}
	if err := w.Close(); err != nil {
		b.Fatal(err)
	}
	return text.Bytes()
}

// benchSeen returns a filter that a share of the rows with an address pass.
func benchSeen(n int, share float64) *pdns.Filter {
	// An address's place on the cube of a uniform number is its rank, so that
	// the first share^3 of the addresses have that share of the rows.
	addrs := n / 24
	from, to := 0, int(math.Pow(share, 3)*float64(addrs))
	if share < 0.5 {
		from, to = addrs-int(3*share*float64(addrs)), addrs // rare ones
	}
	f := pdns.NewFilter(uint(max(to-from, 1)), 0.01)
	for i := from; i < to; i++ {
		f.Add(benchAddr(uint32(i)))
	}
	return f
}

// BenchmarkFill measures from the file to the finished Index. CNAME rows are all
// kept, whatever the addresses seen, unless only owners are.
func BenchmarkFill(b *testing.B) {
	const n = 3 << 20
	for _, file := range []struct {
		codec  string
		cnames int
	}{{"zstd", 0}, {"zstd", 12}, {"snappy", 12}} {
		var codec compress.Codec = &parquet.Zstd
		if file.codec == "snappy" {
			codec = &parquet.Snappy
		}
		text := benchFile(b, n, file.cnames, codec)
		fsys := fstest.MapFS{"rows.parquet": {Data: text}}
		for _, c := range []struct {
			seen float64
			keep string
		}{{0.01, "all"}, {0.01, "names"}, {0.01, "owners"}, {0.8, "all"}, {0.8, "names"}, {0.8, "owners"}} {
			filter := benchSeen(n, c.seen)
			for _, workers := range []int{1, 2} {
				b.Run(fmt.Sprintf("codec=%s/cnames=%d/seen=%g/keep=%s/workers=%d", file.codec, file.cnames, c.seen, c.keep, workers), func(b *testing.B) {
					files := pdnsparquet.Files{FS: fsys, Patterns: []string{"rows.parquet"}, Workers: workers}
					b.SetBytes(int64(len(text)))
					b.ReportAllocs()
					var stats pdns.BuilderStats
					pairs := 0
					for b.Loop() {
						builder := pdns.Builder{Filter: filter, NoTimes: c.keep != "all", NoCNAMEs: c.keep == "owners"}
						if _, err := files.Fill(context.Background(), &builder, nil); err != nil {
							b.Fatal(err)
						}
						pairs = build(b, &builder).Stats().Pairs
						stats = builder.Stats()
					}
					b.ReportMetric(float64(b.N)*n/b.Elapsed().Seconds(), "rows/s")
					b.ReportMetric(1-float64(stats.Thinned)/float64(stats.Addresses), "kept")
					b.ReportMetric(float64(pairs), "pairs")
				})
			}
		}
	}
}
