package pdns_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"log"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing/fstest"

	"github.com/endoflow/endoflow/pdns"
)

// The whole use: records in, an Index out, names for an address.
func Example() {
	// Step 1: the records of a stream, here Zeek's dns.log as JSON.
	in := strings.NewReader(`{"ts":1600000000,"query":"www.shop.example","qtype":1,"answers":["shop.cdn.example","192.0.2.7"],"TTLs":[300,20]}
{"ts":1600000100,"query":"img.shop.example","qtype":1,"answers":["192.0.2.7"],"TTLs":[60]}
`)
	r := pdns.NewReader(in, "dns.log")
	r.Format = new(pdns.Zeek)

	// Step 2: gather them. A bad line is reported and the rest is read.
	var b pdns.Builder
	for rec, err := range r.All() {
		if err != nil {
			log.Print(err)
			continue
		}
		b.Add(rec)
	}

	// Step 3: ask.
	idx, err := b.Build(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	for _, n := range idx.Lookup(netip.MustParseAddr("192.0.2.7")) {
		fmt.Println(n.Name, n.Evidence, n.Count, n.Last.Format("15:04:05"))
	}
	// Output:
	// www.shop.example via-cname 1 12:26:40
	// img.shop.example asked 1 12:28:20
}

func ExampleReader() {
	for _, stream := range []struct{ name, text string }{
		{"cof.jsonl", `{"rrname":"www.example.","rrtype":"A","rdata":["192.0.2.1","192.0.2.2"],"time_first":1600000000,"time_last":1600000060,"count":3}`},
		{"dns.log", "#separator \\x09\n#path\tdns\n#fields\tts\tquery\tqtype\tanswers\tTTLs\n" +
			"1600000000.5\twww.example\t1\tcdn.example,192.0.2.1\t300.0,20.0\n"},
		{"sysmon.jsonl", `{"EventID":22,"UtcTime":"2020-09-13 12:26:40.500","QueryName":"www.example","QueryStatus":"0","QueryResults":"type:  5 cdn.example;::ffff:192.0.2.1;"}`},
	} {
		// The format is found by the first line that tells it.
		for rec, err := range pdns.NewReader(strings.NewReader(stream.text), stream.name).All() {
			if err != nil {
				log.Fatal(err)
			}
			fmt.Printf("%s: %q asked, %s %s %s, seen %d\n", stream.name, rec.Query, rec.RRName, rec.RRType, rec.RData, rec.Count)
		}
	}
	// Output:
	// cof.jsonl: "" asked, www.example A 192.0.2.1, seen 3
	// cof.jsonl: "" asked, www.example A 192.0.2.2, seen 3
	// dns.log: "www.example" asked, www.example CNAME cdn.example, seen 1
	// dns.log: "www.example" asked, cdn.example A 192.0.2.1, seen 1
	// sysmon.jsonl: "www.example" asked, www.example CNAME cdn.example, seen 1
	// sysmon.jsonl: "www.example" asked, cdn.example A 192.0.2.1, seen 1
}

func ExampleReader_Counts() {
	r := pdns.NewReader(strings.NewReader(`{"rrname":"www.example","rrtype":"A","rdata":"192.0.2.1"}
{"rrname":"www.example","rrtype":"A","rdata":"not an address"}
{"rrname":"www.example","rrtype":"TXT","rdata":"v=spf1 -all"}
`), "cof.jsonl")
	for _, err := range r.All() {
		if pe, ok := errors.AsType[*pdns.ParseError](err); ok {
			fmt.Println(pe)
		}
	}
	c := r.Counts()
	fmt.Println(c.Lines, "lines:", c.Records, "with records,", c.Errors, "bad, skipped", c.Skipped)
	// Output:
	// cof.jsonl:2: field rdata: not an IPv4 address
	// 3 lines: 1 with records, 1 bad, skipped map[not of type A, AAAA or CNAME:1]
}

func ExampleDetect() {
	fmt.Printf("%T\n", pdns.Detect([]byte(`{"rrname":"www.example.","rrtype":"A","rdata":"192.0.2.1"}`)))
	// Output: *pdns.COF
}

// Many files, a Builder for each worker, one Index.
func ExampleFiles() {
	files := pdns.Files{
		FS: fstest.MapFS{
			"day1.jsonl": {Data: []byte(`{"rrname":"a.example","rrtype":"A","rdata":"192.0.2.1"}`)},
			"day2.jsonl": {Data: []byte(`{"rrname":"b.example","rrtype":"A","rdata":"192.0.2.1"}`)},
		},
		Patterns: []string{"*.jsonl"},
	}
	var mu sync.Mutex
	var sum pdns.Builder
	counts, err := files.Read(context.Background(), func(recs iter.Seq2[pdns.Record, error]) error {
		var b pdns.Builder
		for rec, err := range recs {
			if err != nil {
				return err
			}
			b.Add(rec)
		}
		mu.Lock()
		defer mu.Unlock()
		sum.Merge(&b)
		return nil
	})
	if err != nil {
		log.Fatal(err)
	}
	idx, err := sum.Build(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	names, _ := idx.LookupAddr(context.Background(), netip.MustParseAddr("192.0.2.1"))
	fmt.Println(counts.Files, names)
	// Output: 2 [a.example b.example]
}

// A format of one's own: "time query address".
type querylog struct{}

func (querylog) Decode(line []byte, recs []pdns.Record) ([]pdns.Record, error) {
	fields := bytes.Fields(line)
	if len(fields) != 3 {
		return recs, errors.New("not three fields")
	}
	if string(fields[2]) == "NXDOMAIN" {
		return recs, pdns.Skip("failed query")
	}
	addr, err := netip.ParseAddr(string(fields[2]))
	if err != nil {
		return recs, pdns.BadField("address", errors.New("not an address"))
	}
	rec := pdns.Record{RRName: string(fields[1]), RRType: pdns.A, RData: addr.String(), Count: 1, Query: string(fields[1])}
	if addr.Is6() {
		rec.RRType = pdns.AAAA
	}
	return append(recs, rec), nil
}

func ExampleFormat() {
	r := pdns.NewReader(strings.NewReader("1 www.example 192.0.2.1\n2 nosuch.example NXDOMAIN\n3 www.example 192.0.2\n"), "query.log")
	r.Format = querylog{}
	for rec, err := range r.All() {
		if err != nil {
			fmt.Println(err)
			continue
		}
		fmt.Println(rec.Query, rec.RData)
	}
	fmt.Println(r.Counts().Skipped)
	// Output:
	// www.example 192.0.2.1
	// query.log:3: field address: not an address
	// map[failed query:1]
}

func ExampleSkip() {
	err := pdns.Skip("failed query")
	fmt.Println(errors.Is(err, pdns.ErrSkip), err)
	// Output: true failed query
}

func ExampleBadField() {
	fmt.Println(pdns.BadField("address", errors.New("not an address")))
	// Output: field address: not an address
}

func ExampleRecord_Addr() {
	fmt.Println(pdns.Record{RRType: pdns.AAAA, RData: "::ffff:192.0.2.1"}.Addr())
	fmt.Println(pdns.Record{RRType: pdns.CNAME, RData: "cdn.example"}.Addr())
	// Output:
	// 192.0.2.1 true
	// invalid IP false
}

func ExampleParseType() {
	aaaa, _ := pdns.ParseType("aaaa")
	https, _ := pdns.ParseType("65")
	fmt.Println(aaaa, https)
	// Output: AAAA TYPE65
}

// Only the addresses met in flows matter: all other rows are let go.
func ExampleFilter() {
	seen := []netip.Addr{netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1")}
	f := pdns.NewFilter(uint(len(seen)), 0.001)
	for _, addr := range seen {
		f.Add(addr)
	}
	fmt.Println(f.MayContain(netip.MustParseAddr("::ffff:192.0.2.1")))

	b := pdns.Builder{Filter: f}
	b.Add(pdns.Record{RRName: "a.example", RRType: pdns.A, RData: "192.0.2.1"})
	b.Add(pdns.Record{RRName: "b.example", RRType: pdns.A, RData: "198.51.100.1"})
	fmt.Println(b.Stats().Thinned, "of", b.Stats().Rows, "rows thinned")
	// Output:
	// true
	// 1 of 2 rows thinned
}

// Filters of parts of the flows make one of all. They must have been made with
// the same arguments.
func ExampleFilter_Merge() {
	f, g := pdns.NewFilter(100, 0.001), pdns.NewFilter(100, 0.001)
	g.Add(netip.MustParseAddr("192.0.2.1"))
	if err := f.Merge(g); err != nil {
		log.Fatal(err)
	}
	fmt.Println(f.MayContain(netip.MustParseAddr("192.0.2.1")))
	// Output: true
}

// The CNAME row and the address row need not meet in one Builder.
func ExampleBuilder_Merge() {
	var b, other pdns.Builder
	b.Add(pdns.Record{RRName: "edge.cdn.example", RRType: pdns.A, RData: "192.0.2.1"})
	other.Add(pdns.Record{RRName: "www.example", RRType: pdns.CNAME, RData: "edge.cdn.example"})
	b.Merge(&other)
	idx, err := b.Build(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	names, _ := idx.LookupAddr(context.Background(), netip.MustParseAddr("192.0.2.1"))
	fmt.Println(names)
	// Output: [www.example]
}

// The paper's literal pairs, from the same Index.
func ExampleIndex_Mode() {
	var b pdns.Builder
	b.Add(pdns.Record{RRName: "www.example", RRType: pdns.CNAME, RData: "edge.cdn.example"})
	b.Add(pdns.Record{RRName: "edge.cdn.example", RRType: pdns.A, RData: "192.0.2.1"})
	idx, err := b.Build(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	addr := netip.MustParseAddr("192.0.2.1")
	for _, mode := range []pdns.Mode{pdns.Query, pdns.Owner} {
		names, _ := idx.Mode(mode).LookupAddr(context.Background(), addr)
		fmt.Println(mode, names)
	}
	// Output:
	// query [www.example]
	// owner [edge.cdn.example]
}

func ExampleIndex_Lookup() {
	var b pdns.Builder
	for _, query := range []string{"www.example", "cdn.example"} {
		b.Add(pdns.Record{RRName: "cdn.example", RRType: pdns.A, RData: "192.0.2.1", Query: query})
	}
	idx, err := b.Build(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	for _, n := range idx.Lookup(netip.MustParseAddr("192.0.2.1")) {
		fmt.Println(n.Name, n.Evidence, n.Count)
	}
	fmt.Println(idx.Lookup(netip.MustParseAddr("192.0.2.2")) == nil)
	// Output:
	// www.example via-cname 1
	// cdn.example asked+owned 2
	// true
}

func ExampleIndex_LookupAddr() {
	var b pdns.Builder
	b.Add(pdns.Record{RRName: "www.example", RRType: pdns.A, RData: "192.0.2.1"})
	idx, err := b.Build(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	names, err := idx.LookupAddr(context.Background(), netip.MustParseAddr("192.0.2.1"))
	fmt.Println(names, err)
	// Output: [www.example] <nil>
}

// Numbers are for joins: sets of names are then sets of small numbers.
func ExampleIndex_AppendNameIDs() {
	var b pdns.Builder
	for _, name := range []string{"www.example", "api.example"} {
		b.Add(pdns.Record{RRName: name, RRType: pdns.A, RData: "192.0.2.1"})
	}
	idx, err := b.Build(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	ids := idx.AppendNameIDs(nil, netip.MustParseAddr("192.0.2.1"))
	fmt.Println(ids, idx.NameOf(ids[1]))
	// Output: [0 1] www.example
}

func ExampleIndex_NameOf() {
	index, err := example().Build(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	for id := range index.NumNames() {
		fmt.Println(index.NameOf(uint32(id)))
	}
	// Output:
	// edge.example.net
	// www.example.com
}

func ExampleIndex_NumNames() {
	index, err := example().Build(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(index.NumNames())
	// Output: 2
}

// An Index can be kept in a file, which any number of processes may open.
func ExampleOpen() {
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	name := filepath.Join(dir, "names")
	if err := example().WriteFile(context.Background(), name); err != nil {
		log.Fatal(err)
	}

	index, err := pdns.Open(name)
	if err != nil {
		log.Fatal(err)
	}
	defer index.Close()
	names, _ := index.LookupAddr(context.Background(), netip.MustParseAddr("21.0.0.1"))
	fmt.Println(names)
	// Output: [www.example.com]
}

// The memory limit changes where the work is done, and nothing else.
func ExampleBuilder_WriteFile() {
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	b := pdns.Builder{Memory: 256 << 20, Dir: dir}
	defer b.Close()
	b.Add(pdns.Record{RRName: "www.example", RRType: pdns.A, RData: "192.0.2.1"})
	fmt.Println(b.WriteFile(context.Background(), filepath.Join(dir, "names")))
	// Output: <nil>
}

func ExampleBuilder_Close() {
	b := pdns.Builder{Memory: 256 << 20}
	b.Add(pdns.Record{RRName: "www.example", RRType: pdns.A, RData: "192.0.2.1"})
	index, err := b.Build(context.Background())
	fmt.Println(errors.Join(err, b.Close(), index.Close()))
	// Output: <nil>
}

// A source that adds by numbers looks at Full, and forgets its numbers when it
// calls Flush.
func ExampleBuilder_Flush() {
	b := pdns.Builder{Memory: 256 << 20}
	defer b.Close()
	known := make(map[string]pdns.NameID)
	for _, name := range []string{"a.example", "b.example", "a.example"} {
		if b.Full() {
			if err := b.Flush(); err != nil {
				log.Fatal(err)
			}
			clear(known)
		}
		if known[name] == 0 {
			known[name], _ = b.NameID([]byte(name))
		}
	}
	fmt.Println(len(known))
	// Output: 2
}

// Several goroutines add to the same memory, each by a fork, which it merges when it
// has no more to add, so that the others do not wait for it.
func ExampleBuilder_Fork() {
	var b pdns.Builder
	var mu sync.Mutex
	var wg sync.WaitGroup
	for _, owner := range []string{"a.example", "b.example"} {
		mu.Lock()
		fork := b.Fork()
		mu.Unlock()
		wg.Go(func() {
			fork.Add(pdns.Record{RRName: owner, RRType: pdns.A, RData: "192.0.2.1"})
			mu.Lock()
			defer mu.Unlock()
			b.Merge(fork)
		})
	}
	wg.Wait()
	index, err := b.Build(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	names, _ := index.LookupAddr(context.Background(), netip.MustParseAddr("192.0.2.1"))
	fmt.Println(names)
	// Output: [a.example b.example]
}

func ExampleBuilder_Full() {
	b := pdns.Builder{Memory: 256 << 20}
	fmt.Println(b.Full())
	// Output: false
}

func ExampleIndex_Close() {
	index, err := example().Build(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(index.Close()) // only one of a file has something to give up
	// Output: <nil>
}

func ExampleIndex_Verify() {
	index, err := example().Build(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(index.Verify(context.Background()))
	// Output: <nil>
}

func ExampleIndex_Addrs() {
	var b pdns.Builder
	b.Add(pdns.Record{RRName: "www.example", RRType: pdns.AAAA, RData: "2001:db8::1"})
	b.Add(pdns.Record{RRName: "www.example", RRType: pdns.A, RData: "192.0.2.1"})
	idx, err := b.Build(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	for _, addr := range slices.SortedFunc(idx.Addrs(), netip.Addr.Compare) {
		fmt.Println(addr)
	}
	fmt.Println(idx.Stats().Addresses, "addresses,", idx.Stats().Pairs, "pairs")
	// Output:
	// 192.0.2.1
	// 2001:db8::1
	// 2 addresses, 2 pairs
}

func ExampleFiles_Fill() {
	files := pdns.Files{
		FS: fstest.MapFS{
			"a.json": {Data: []byte(`{"rrname":"www.example.com","rrtype":"A","rdata":"21.0.0.1","time_first":1600128000,"time_last":1600214399}` + "\n")},
			"b.json": {Data: []byte(`{"rrname":"www.example.com","rrtype":"A","rdata":"21.0.0"}` + "\n")},
		},
		Patterns: []string{"*.json"},
		Format:   func() pdns.Format { return new(pdns.COF) },
	}
	var b pdns.Builder
	counts, err := files.Fill(context.Background(), &b, func(problem *pdns.ParseError) { fmt.Println(problem) })
	if err != nil {
		log.Fatal(err)
	}
	idx, err := b.Build(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(counts.Lines, counts.Records, idx.Stats().Pairs)
	// Output:
	// b.json:1: field rdata: not an IPv4 address
	// 2 1 1
}

func ExampleNamedFormat() {
	newFormat, ok := pdns.NamedFormat("cof")
	fmt.Printf("%T %v\n", newFormat(), ok)
	// Output: *pdns.COF true
}

func ExampleParseMode() {
	mode, ok := pdns.ParseMode("owner")
	fmt.Println(mode, ok)
	// Output: owner true
}

const cofLines = `{"rrname":"www.example.com","rrtype":"CNAME","rdata":"edge.example.net","time_first":1600128000,"time_last":1600214399}
{"rrname":"edge.example.net","rrtype":"A","rdata":"21.0.0.1","time_first":1600128000,"time_last":1600214399,"count":3}
`

func ExampleNewReader() {
	r := pdns.NewReader(strings.NewReader(cofLines), "dns.json")
	r.Format = new(pdns.COF) // or leave it to be detected
	for rec, err := range r.All() {
		fmt.Println(rec.RRName, rec.RRType, rec.RData, err)
	}
	// Output:
	// www.example.com CNAME edge.example.net <nil>
	// edge.example.net A 21.0.0.1 <nil>
}

func ExampleReader_All() {
	r := pdns.NewReader(strings.NewReader(cofLines+"{\n"), "dns.json")
	for rec, err := range r.All() {
		if err != nil {
			fmt.Println(err)
			continue
		}
		fmt.Println(rec.RRName, rec.Count)
	}
	// Output:
	// www.example.com 1
	// edge.example.net 3
	// dns.json:3: not a JSON object
}

func ExampleFiles_Read() {
	files := pdns.Files{FS: fstest.MapFS{"dns.json": {Data: []byte(cofLines)}}, Patterns: []string{"*.json"}}
	var mu sync.Mutex
	types := make(map[pdns.Type]int)
	counts, err := files.Read(context.Background(), func(recs iter.Seq2[pdns.Record, error]) error {
		for rec, err := range recs {
			if err != nil {
				return err
			}
			mu.Lock()
			types[rec.RRType]++
			mu.Unlock()
		}
		return nil
	})
	fmt.Println(types, counts.Lines, err)
	// Output: map[A:1 CNAME:1] 2 <nil>
}

// example returns a Builder with the records of cofLines.
func example() *pdns.Builder {
	b := new(pdns.Builder)
	for rec, err := range pdns.NewReader(strings.NewReader(cofLines), "dns.json").All() {
		if err != nil {
			log.Fatal(err)
		}
		b.Add(rec)
	}
	return b
}

func ExampleBuilder_Add() {
	var b pdns.Builder
	b.Add(pdns.Record{RRName: "www.example.com", RRType: pdns.A, RData: "21.0.0.1"})
	idx, err := b.Build(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	names, _ := idx.LookupAddr(context.Background(), netip.MustParseAddr("21.0.0.1"))
	fmt.Println(names)
	// Output: [www.example.com]
}

func ExampleBuilder_Build() {
	index, err := example().Build(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	names, _ := index.LookupAddr(context.Background(), netip.MustParseAddr("21.0.0.1"))
	fmt.Println(names)
	// Output: [www.example.com]
}

func ExampleBuilder_Stats() {
	fmt.Printf("%+v\n", example().Stats())
	// Output: {Rows:2 Addresses:1 Thinned:0 CNAMEs:1 Dropped:0 FilterTests:0 Runs:0 Spilled:0}
}

func ExampleIndex_Stats() {
	index, err := example().Build(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%+v\n", index.Stats())
	fmt.Printf("%+v\n", index.Mode(pdns.Owner).Stats())
	// Output:
	// {Addresses:1 Pairs:1 Dropped:0}
	// {Addresses:1 Pairs:1 Dropped:0}
}

func ExampleNewFilter() {
	f := pdns.NewFilter(1, 0.01) // of one address, and one in a hundred others
	f.Add(netip.MustParseAddr("21.0.0.1"))
	fmt.Println(f.MayContain(netip.MustParseAddr("21.0.0.1")), f.MayContain(netip.MustParseAddr("::ffff:21.0.0.1")))
	// Output: true true
}

func ExampleFilter_Add() {
	f := pdns.NewFilter(1000, 0.01)
	f.Add(netip.Addr{}) // no address
	fmt.Println(f.MayContain(netip.Addr{}))
	// Output: false
}

func ExampleFilter_MayContain() {
	f := pdns.NewFilter(1000, 0.000001)
	f.Add(netip.MustParseAddr("2600:1::1"))
	fmt.Println(f.MayContain(netip.MustParseAddr("2600:1::1%en0")), f.MayContain(netip.MustParseAddr("2600:1::2")))
	// Output: true false
}
