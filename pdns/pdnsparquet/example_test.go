package pdnsparquet_test

import (
	"context"
	"fmt"
	"iter"
	"log"
	"net/netip"

	"github.com/endoflow/endoflow/pdns"
	"github.com/endoflow/endoflow/pdns/pdnsparquet"
)

// Only rows of addresses that were seen in flows are kept.
func ExampleFiles_Fill() {
	addr := netip.MustParseAddr("192.0.2.4")
	seen := pdns.NewFilter(1, 0.001)
	seen.Add(addr)
	b := pdns.Builder{Filter: seen}

	files := pdnsparquet.Files{Patterns: []string{"testdata/duckdb.parquet"}}
	counts, err := files.Fill(context.Background(), &b, func(pe *pdns.ParseError) { log.Print(pe) })
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(counts.Lines, "rows,", counts.Records, "records")
	idx, err := b.Build(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	for _, name := range idx.Lookup(addr) {
		fmt.Println(name.Name, name.Evidence, name.Count)
	}
	// Output:
	// 303 rows, 248 records
	// host0.site20.example via-cname 3
	// host2.site4.example via-cname 3
}

func ExampleFiles_Read() {
	files := pdnsparquet.Files{
		Patterns: []string{"testdata/duckdb-other-names.parquet"},
		Columns:  pdnsparquet.Columns{RRName: "name", RData: "answer", Count: "-"},
		Workers:  1,
	}
	_, err := files.Read(context.Background(), func(recs iter.Seq2[pdns.Record, error]) error {
		for rec, err := range recs {
			if err != nil {
				return err
			}
			fmt.Println(rec.RRName, rec.RRType, rec.RData)
			break
		}
		return nil
	})
	if err != nil {
		log.Fatal(err)
	}
	// Output: edge0.cdn.example A 192.0.2.4
}

func ExampleIsParquet() {
	fmt.Println(pdnsparquet.IsParquet([]byte("PAR1")), pdnsparquet.IsParquet([]byte(`{"rrname":`)))
	// Output: true false
}

// A text and a Parquet file of the same rows.
func ExampleMixed_Fill() {
	var b pdns.Builder
	files := pdnsparquet.Mixed{Patterns: []string{"testdata/duckdb.parquet", "testdata/rows.json"}}
	counts, err := files.Fill(context.Background(), &b, nil)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(counts.Files, counts.Damaged)
	files.Format = "csv"
	_, err = files.Fill(context.Background(), &b, nil)
	fmt.Println(err)
	// Output:
	// 2 0
	// "csv" is no format of passive DNS
}
