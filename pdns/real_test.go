package pdns_test

import (
	"bufio"
	"compress/gzip"
	"context"
	"io"
	"iter"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/endoflow/endoflow/internal/zeek"
	"github.com/endoflow/endoflow/pdns"
	"github.com/google/go-cmp/cmp"
)

const dataDir = "../../shared/data"

func needData(t *testing.T) {
	t.Helper()
	if _, err := os.Stat(dataDir); os.IsNotExist(err) {
		t.Skip("no folder of real data at " + dataDir)
	}
}

// build makes an Index of the files a pattern names; all their lines must be
// readable.
func indexOf(t *testing.T, pattern string) *pdns.Index {
	t.Helper()
	var sum pdns.Builder
	merge := make(chan *pdns.Builder, 2)
	files := pdns.Files{Patterns: []string{filepath.Join(dataDir, pattern)}, Workers: cap(merge)}
	counts, err := files.Read(context.Background(), func(recs iter.Seq2[pdns.Record, error]) error {
		b := new(pdns.Builder)
		for rec, err := range recs {
			if err != nil {
				return err
			}
			b.Add(rec)
		}
		merge <- b
		return nil
	})
	close(merge)
	if err != nil {
		t.Fatal(err)
	}
	for b := range merge {
		sum.Merge(b)
	}
	lines := counts.Records + counts.Errors
	for _, n := range counts.Skipped {
		lines += n
	}
	if lines != counts.Lines || counts.Lines == 0 {
		t.Errorf("records, errors and skips are %d of %d lines", lines, counts.Lines)
	}
	t.Logf("%s: %+v", pattern, counts)
	return build(t, &sum)
}

// The figures of the data's README, which were computed independently.
//
// A truth row is a line of ssl.log (or http.log) with a name in server_name (or
// host) that is not itself an address, to a public IPv4 unicast address. On
// these captures, IPv6 rows would add 649 to the 645 of proxy_rolling, and host
// fields that are addresses 258 to the 224 of m57-short.
func TestRealFusion(t *testing.T) {
	needData(t)
	type truth struct{ rows, covered, byQuery, byOwner int }
	for _, test := range []struct {
		name                 string
		dns, truthLog        string
		path, field          string
		addrs, query, owners int
		truth                truth
	}{
		{"proxy_rolling", "zeek-rita/proxy_rolling/dns.*", "zeek-rita/proxy_rolling/ssl.*", "ssl", "server_name",
			3051, 4792, 3638, truth{645, 618, 597, 179}},
		{"m57-short", "zeek-m57-short/dns.log.gz", "zeek-m57-short/http.log.gz", "http", "host",
			43, 44, 44, truth{224, 224, 224, 74}},
		{"slips-test9", "zeek-slips/test9-*/dns.log.gz", "zeek-slips/test9-*/ssl.log.gz", "ssl", "server_name",
			243, 338, 279, truth{205, 203, 203, 38}},
		{"slips-test18", "zeek-slips/test18-*/zeek-labeled/dns.*", "zeek-slips/test18-*/zeek-labeled/ssl.*", "ssl", "server_name",
			0, 0, 0, truth{2, 0, 0, 0}},
	} {
		t.Run(test.name, func(t *testing.T) {
			query := indexOf(t, test.dns)
			owner := query.Mode(pdns.Owner)
			wantQuery := pdns.IndexStats{Addresses: test.addrs, Pairs: test.query}
			wantOwner := pdns.IndexStats{Addresses: test.addrs, Pairs: test.owners}
			if diff := cmp.Diff(wantQuery, query.Stats()); diff != "" {
				t.Errorf("mode query (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(wantOwner, owner.Stats()); diff != "" {
				t.Errorf("mode owner (-want +got):\n%s", diff)
			}

			var got truth
			for row := range truthRows(t, test.truthLog, test.path, test.field) {
				got.rows++
				byQuery, _ := query.LookupAddr(t.Context(), row.dst)
				byOwner, _ := owner.LookupAddr(t.Context(), row.dst)
				if len(byQuery) > 0 {
					got.covered++
				}
				if slices.Contains(byQuery, row.name) {
					got.byQuery++
				}
				if slices.Contains(byOwner, row.name) {
					got.byOwner++
				}
			}
			if diff := cmp.Diff(test.truth, got, cmp.AllowUnexported(truth{})); diff != "" {
				t.Errorf("truth rows (-want +got):\n%s", diff)
			}
		})
	}
}

func TestRealSysmonFusion(t *testing.T) {
	needData(t)
	got := indexOf(t, "sysmon-otrf/sysmon22.jsonl.gz").Stats()
	if diff := cmp.Diff(pdns.IndexStats{Addresses: 99, Pairs: 110}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// Almost every query of this one is for a TXT record.
func TestRealZeekJSONLines(t *testing.T) {
	needData(t)
	got := indexOf(t, "zeek-rita/json_with_all_fields/dns.log").Stats()
	if diff := cmp.Diff(pdns.IndexStats{Addresses: 1, Pairs: 1}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// The same captures read as rows, without their queries. Chains rebuilt from
// CNAME rows name no truth row less; they name 9 of proxy_rolling more, where
// the chain to an address was seen in another query's answer. Fewer pairs are
// left there, since a name that some CNAME row points to is no longer taken for
// one that was asked for.
func TestRealFusionByRows(t *testing.T) {
	needData(t)
	for _, test := range []struct {
		name, dns, truthLog string
		pairs, byQuery      int
	}{
		{"proxy_rolling", "zeek-rita/proxy_rolling/dns.*", "zeek-rita/proxy_rolling/ssl.*", 4134, 606},
		{"slips-test9", "zeek-slips/test9-*/dns.log.gz", "zeek-slips/test9-*/ssl.log.gz", 341, 203},
	} {
		t.Run(test.name, func(t *testing.T) {
			var b pdns.Builder
			files := pdns.Files{Patterns: []string{filepath.Join(dataDir, test.dns)}, Workers: 1}
			if _, err := files.Read(t.Context(), func(recs iter.Seq2[pdns.Record, error]) error {
				for rec, err := range recs {
					if err != nil {
						return err
					}
					rec.Query = ""
					b.Add(rec)
				}
				return nil
			}); err != nil {
				t.Fatal(err)
			}
			idx, byQuery := build(t, &b), 0
			for row := range truthRows(t, test.truthLog, "ssl", "server_name") {
				names, _ := idx.LookupAddr(t.Context(), row.dst)
				if slices.Contains(names, row.name) {
					byQuery++
				}
			}
			if pairs := idx.Stats().Pairs; pairs != test.pairs || byQuery != test.byQuery {
				t.Errorf("%d pairs and %d rows named rightly, want %d and %d", pairs, byQuery, test.pairs, test.byQuery)
			}
		})
	}
}

type truthRow struct {
	dst  netip.Addr
	name string
}

// truthRows yields the truth rows of a log; see TestFusion.
func truthRows(t *testing.T, pattern, path, field string) iter.Seq[truthRow] {
	return func(yield func(truthRow) bool) {
		names, err := filepath.Glob(filepath.Join(dataDir, pattern))
		if err != nil || len(names) == 0 {
			t.Fatalf("%s: no such file (%v)", pattern, err)
		}
		for _, name := range names {
			file, err := os.Open(name)
			if err != nil {
				t.Fatal(err)
			}
			defer file.Close()
			text := io.Reader(file)
			if strings.HasSuffix(name, ".gz") {
				if text, err = gzip.NewReader(file); err != nil {
					t.Fatal(err)
				}
			}
			r := zeek.NewReader(path, "id.resp_h", field)
			sc := bufio.NewScanner(text)
			sc.Buffer(nil, 1<<20)
			for sc.Scan() {
				if err := r.Line(sc.Bytes()); err != nil {
					continue // a header line: the figures would show a lost one
				}
				dst, err := netip.ParseAddr(r.Text(0))
				if err != nil {
					t.Fatal(err)
				}
				sent := strings.TrimSuffix(strings.ToLower(r.Text(1)), ".")
				if _, err := netip.ParseAddr(sent); err == nil || sent == "" {
					continue
				}
				if dst.Is4() && dst.IsGlobalUnicast() && !dst.IsPrivate() && !yield(truthRow{dst, sent}) {
					return
				}
			}
			if err := sc.Err(); err != nil {
				t.Fatal(err)
			}
		}
	}
}
