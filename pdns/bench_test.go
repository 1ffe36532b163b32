package pdns_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/endoflow/endoflow/pdns"
)

func benchDecode(b *testing.B, f pdns.Format, header string, line func(i int) string) {
	const n = 1000
	var text bytes.Buffer
	for i := range n {
		fmt.Fprintln(&text, line(i))
	}
	for l := range bytes.Lines([]byte(header)) {
		f.Decode(bytes.TrimSpace(l), nil)
	}
	lines := bytes.Split(bytes.TrimSpace(text.Bytes()), []byte("\n"))
	b.SetBytes(int64(text.Len()))
	b.ReportAllocs()
	var recs []pdns.Record
	records := 0
	for b.Loop() {
		for _, l := range lines {
			var err error
			if recs, err = f.Decode(l, recs[:0]); err != nil {
				b.Fatal(err)
			}
			records += len(recs)
		}
	}
	b.ReportMetric(float64(records)/b.Elapsed().Seconds(), "records/s")
}

func BenchmarkDecode(b *testing.B) {
	b.Run("format=cof", func(b *testing.B) {
		benchDecode(b, new(pdns.COF), "", func(i int) string {
			return fmt.Sprintf(`{"count":%d,"time_first":1600000000,"time_last":1600086399,"rrname":"host%d.edge.example.","rrtype":"A","rdata":"192.0.2.%d"}`, i, i, i%256)
		})
	})
	b.Run("format=zeek-tsv", func(b *testing.B) {
		benchDecode(b, new(pdns.Zeek), "#separator \\x09\n#path\tdns\n#fields\tts\tuid\tid.orig_h\tid.orig_p\tid.resp_h\tid.resp_p\tproto\ttrans_id\trtt\tquery\tqclass\tqclass_name\tqtype\tqtype_name\trcode\trcode_name\tAA\tTC\tRD\tRA\tZ\tanswers\tTTLs\trejected\n", func(i int) string {
			return fmt.Sprintf("1714417211.850305\tCythTW1hetgsS7qWD4\t10.0.0.238\t38893\t75.75.75.75\t53\tudp\t64457\t0.022765\thost%d.example\t1\tC_INTERNET\t1\tA\t0\tNOERROR\tF\tF\tT\tT\t0\thost%d.cdn.example,192.0.2.%d\t300.000000,20.000000\tF", i, i, i%256)
		})
	})
	b.Run("format=zeek-json", func(b *testing.B) {
		benchDecode(b, new(pdns.Zeek), "", func(i int) string {
			return fmt.Sprintf(`{"ts":1714417211.850305,"uid":"CythTW1hetgsS7qWD4","id.orig_h":"10.0.0.238","id.orig_p":38893,"id.resp_h":"75.75.75.75","id.resp_p":53,"proto":"udp","trans_id":64457,"rtt":0.022765,"query":"host%d.example","qclass":1,"qclass_name":"C_INTERNET","qtype":1,"qtype_name":"A","rcode":0,"rcode_name":"NOERROR","AA":false,"answers":["host%d.cdn.example","192.0.2.%d"],"TTLs":[300.0,20.0],"rejected":false}`, i, i, i%256)
		})
	})
	b.Run("format=sysmon", func(b *testing.B) {
		benchDecode(b, new(pdns.Sysmon), "", func(i int) string {
			return fmt.Sprintf(`{"EventID":22,"Hostname":"PC1.example","UtcTime":"2020-09-13 12:26:40.250","Image":"C:\\Windows\\System32\\svchost.exe","QueryName":"host%d.example","QueryStatus":"0","QueryResults":"type:  5 host%d.cdn.example;::ffff:192.0.2.%d;"}`, i, i, i%256)
		})
	})
}

// benchRecords returns n rows such as a CDN-heavy day has: names in proportion,
// a third of them behind CNAMEs, repeated answers.
func benchRecords(n int) []pdns.Record {
	rng := rand.New(rand.NewPCG(1, 2))
	recs := make([]pdns.Record, n)
	for i := range recs {
		owner := fmt.Sprintf("host%d.site%d.example", rng.IntN(3), rng.IntN(n/8))
		r := row(owner, pdns.A, address(4*rng.Uint32N(uint32(n/8))).String())
		if i%3 == 0 {
			r = row(owner, pdns.CNAME, fmt.Sprintf("edge%d.cdn.example", rng.IntN(n/40)))
		} else if i%3 == 1 {
			r.RRName = fmt.Sprintf("edge%d.cdn.example", rng.IntN(n/40))
		}
		recs[i] = r
	}
	return recs
}

func BenchmarkBuilder(b *testing.B) {
	const n = 1_000_000
	recs := benchRecords(n)
	b.Run("Add", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			var builder pdns.Builder
			for _, r := range recs {
				builder.Add(r)
			}
		}
		b.ReportMetric(float64(b.N)*n/b.Elapsed().Seconds(), "records/s")
	})
	var builder pdns.Builder
	for _, r := range recs {
		builder.Add(r)
	}
	b.Run("Build", func(b *testing.B) {
		b.ReportAllocs()
		pairs := 0
		for b.Loop() {
			pairs += build(b, &builder).Stats().Pairs
		}
		b.ReportMetric(float64(pairs)/b.Elapsed().Seconds(), "pairs/s")
	})
	b.Run("Merge", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			var sum pdns.Builder
			sum.Merge(&builder)
		}
	})
}
