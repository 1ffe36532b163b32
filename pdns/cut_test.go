package pdns_test

import (
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/endoflow/endoflow/internal/linestest"
	"github.com/endoflow/endoflow/pdns"
	"github.com/google/go-cmp/cmp"
)

// TestCutAnywhere: wherever a file is cut into blocks that several workers read,
// its records, errors and counts are the same.
func TestCutAnywhere(t *testing.T) {
	for name, text := range map[string]string{
		"COF": strings.Repeat(`{"rrname":"a.example","rrtype":"A","rdata":"192.0.2.1","count":3}
{"rrname":"b.example","rrtype":"A","rdata":["192.0.2.1","192.0.2.2"]}
{"rrname":"c.example","rrtype":"A","rdata":[]}
{"rrname":"d.example","rrtype":"A","rdata":"not an address"}
{"rrname":"e.example","rrtype":"MX","rdata":"x"}

`, 20),
		"Sysmon": strings.Repeat(`{"EventID":22,"UtcTime":"2020-10-22 05:54:24.255","QueryName":"x.example","QueryStatus":"0","QueryResults":"type:  5 y.example;::ffff:192.0.2.1;2001:db8::1;"}
{"EventID":22,"QueryName":"x.example","QueryStatus":"9003"}
`, 20),
		"Zeek": "#fields\tts\tquery\tqtype_name\tanswers\tTTLs\n#path\tdns\n" + strings.Repeat("1.5\tx.example\tA\t192.0.2.1,192.0.2.2\t1,1\n", 20) + "#fields\tts\tqtype_name\tquery\tanswers\n" + strings.Repeat("1.5\tA\ty.example\t192.0.2.1\n", 20),
	} {
		t.Run(name, func(t *testing.T) {
			read := func(size, workers int) ([]string, pdns.Counts) {
				files := pdns.Files{FS: linestest.CutFS{MapFS: fstest.MapFS{"f": {Data: []byte(text)}}, Size: size}, Patterns: []string{"f"}, Workers: workers}
				var mu sync.Mutex
				var all []string
				counts, err := files.Read(t.Context(), func(recs iter.Seq2[pdns.Record, error]) error {
					for rec, err := range recs {
						mu.Lock()
						all = append(all, fmt.Sprintf("%+v %v", rec, err))
						mu.Unlock()
					}
					return nil
				})
				if err != nil {
					t.Fatal(err)
				}
				slices.Sort(all)
				return all, counts
			}
			want, wantCounts := read(1<<30, 1)
			if len(want) < 40 {
				t.Fatalf("%d records and errors: too few to test anything", len(want))
			}
			for _, size := range []int{1, 17, 500} {
				for _, workers := range []int{1, 2, 5} {
					got, counts := read(size, workers)
					if diff := cmp.Diff(want, got); diff != "" {
						t.Fatalf("%d bytes at a time, %d workers (-at once +got):\n%s", size, workers, diff)
					}
					if diff := cmp.Diff(wantCounts, counts); diff != "" {
						t.Fatalf("%d bytes at a time, %d workers: counts (-at once +got):\n%s", size, workers, diff)
					}
				}
			}
		})
	}
}
