package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/endoflow/endoflow/classify"
	"github.com/endoflow/endoflow/enrich"
	"github.com/endoflow/endoflow/flow"
	"github.com/endoflow/endoflow/internal/dense"
	"github.com/endoflow/endoflow/pdns"
)

// line is what is written of a flow, for encoding/json.
type line struct {
	Start     *time.Time `json:"start"`
	End       *time.Time `json:"end"`
	Device    string     `json:"device"`
	OS        string     `json:"os"`
	App       string     `json:"app"`
	Proto     string     `json:"proto"`
	Src       string     `json:"src"`
	Dst       string     `json:"dst"`
	Direction string     `json:"direction"`
	Basis     string     `json:"basis"`
	Names     []name     `json:"names"`
	TxBytes   uint64     `json:"tx_bytes"`
	RxBytes   uint64     `json:"rx_bytes"`
	Null      string     `json:"null,omitempty"`
}

type name struct {
	Name     string `json:"name"`
	Evidence string `json:"evidence"`
}

// model writes a flow the simple way.
func model(t testing.TB, rec flow.Record, label classify.Label, index *pdns.Index, o *options) []byte {
	t.Helper()
	e := enrich.Enricher{Resolver: index}
	names, err := e.Names(context.Background(), rec, label.Remote(rec))
	if err != nil {
		t.Fatal(err)
	}
	l := line{
		Start: present(rec.Start), End: present(rec.End), Device: o.pseudonyms.Device(rec.Device), OS: rec.OS.String(), App: rec.App.Name,
		Proto: rec.Proto.String(), Src: end(rec.Src), Dst: end(rec.Dst), Direction: label.Direction.String(), Basis: label.Basis.String(),
		Names: make([]name, len(names)), TxBytes: rec.TxBytes, RxBytes: rec.RxBytes, Null: rec.Null.String(),
	}
	for i, n := range names {
		l.Names[i] = name{n.Name, o.names.String()}
		if n.Evidence == enrich.Sensor {
			l.Names[i].Evidence = "sensor"
		}
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(l); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func present(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

func end(e netip.AddrPort) string {
	if !e.IsValid() {
		return ""
	}
	return e.String()
}

// hostile are names, as wild as an index takes them.
var hostile = []string{
	"www.example", `a"b.example`, `back\slash.example`, `<&>'.example`, `{"name":"www.example","evidence":"query"}`, `","evidence":"query"},{"name":"`, "x", "www.example.org",
}

func newIndex(t testing.TB, names []string) *pdns.Index {
	t.Helper()
	var b pdns.Builder
	for i, name := range names {
		for a := range 4 {
			if i >= a { // 192.0.2.0 has all of the names, the others fewer
				b.Add(pdns.Record{RRName: name, RRType: pdns.A, RData: netip.AddrFrom4([4]byte{192, 0, 2, byte(a)}).String(), Count: 1})
			}
		}
	}
	index, err := b.Build(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return index
}

func testOptions(t testing.TB, mode pdns.Mode, memory int64) *options {
	t.Helper()
	pseudonyms, err := flow.NewPseudonymizer([]byte("a secret of thirty-two bytes ..."))
	if err != nil {
		t.Fatal(err)
	}
	return &options{names: mode, memory: memory, pseudonyms: pseudonyms}
}

// FuzzJSON: a line is byte for byte what encoding/json makes of it, whatever
// texts it has and whether its list is remembered or not.
func FuzzJSON(f *testing.F) {
	for i, text := range append(hostile, "", "\x00\x1f\x7f\b\f\n\r\t", "\xff\xfe", "é\u2028\u2029�\U0010ffff", "\xe2\x80", "\xed\xa0\x80") {
		f.Add(text, text, text, int64(i)*1e17, uint64(i), uint8(i*37), byte(i))
	}
	f.Fuzz(func(t *testing.T, app, device, sensor string, at int64, n uint64, bits uint8, host byte) {
		for _, mode := range []pdns.Mode{pdns.Query, pdns.Owner} {
			index := newIndex(t, append(hostile, sensor)).Mode(mode)
			o := testOptions(t, mode, 1<<10)
			var out bytes.Buffer
			w := newJSONWriter(&out, index, o)
			rec := flow.Record{
				Start: time.Unix(0, at).UTC(), Device: device, OS: flow.OS(bits & 3), App: flow.App{Name: app}, Proto: flow.Proto(n), DstName: sensor,
				Src: netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, host}), uint16(n)), TxBytes: n, RxBytes: 1, Null: flow.Null(bits & 31),
				Dst: netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, host & 7}), uint16(at)),
			}
			if bits&32 != 0 {
				rec.Start, rec.End = time.Time{}, rec.Start
			}
			var want []byte
			for i := range 3 {
				label := classify.Strict{}.Label(rec)
				label.RemoteIsSrc = bits&64 != 0
				want = append(want, model(t, rec, label, index, o)...)
				if err := w.write(&rec, label); err != nil {
					t.Fatal(err)
				}
				if i == 1 {
					rec.Src, rec.Dst = netip.AddrPort{}, netip.AddrPortFrom(netip.MustParseAddr("2001:db8::1"), 443)
				}
			}
			if err := w.flush(); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), out.String()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		}
	})
}

// TestLists: what lists remembers is what was put, and it stays within its size.
func TestLists(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	model := make(map[dense.Key]string)
	l := lists{size: 20_000}
	hits := 0
	for range 20_000 {
		key := dense.Key{Lo: uint64(min(rng.IntN(2000), rng.IntN(2000)))}
		want, ok := model[key]
		if !ok {
			want = fmt.Sprint(key, string(make([]byte, rng.IntN(200))))
			model[key] = want
		}
		got, ok := l.get(key)
		if ok {
			hits++
		} else {
			got = l.put(key, []byte(want))
		}
		if string(got) != want {
			t.Fatalf("list of %v is %q, want %q", key, got, want)
		}
		for _, g := range []*generation{&l.young, &l.old} {
			if size := len(g.text) + listCost*g.keys.Len(); size > l.size+500 {
				t.Fatalf("a generation of %d bytes, want %d", size, l.size)
			}
		}
	}
	if hits < 1000 || hits > 19_000 {
		t.Errorf("%d hits", hits)
	}
}

// BenchmarkJSON writes flows of which most go to few addresses, as flows do.
func BenchmarkJSON(b *testing.B) {
	for _, names := range []int{0, 40} {
		var builder pdns.Builder
		var recs []flow.Record
		rng := rand.New(rand.NewPCG(1, 2))
		for i := range 10_000 {
			addr := netip.AddrFrom4([4]byte{21, 0, byte(i >> 8), byte(i)})
			for n := range names {
				builder.Add(pdns.Record{RRName: fmt.Sprintf("host%d-%d.example.com", i%100, n), RRType: pdns.A, RData: addr.String(), Count: 1})
			}
			recs = append(recs, flow.Record{
				Start: time.Unix(1600000000+int64(i), 0).UTC(), End: time.Unix(1600000060+int64(i), 0).UTC(), Device: fmt.Sprint("device", i%100),
				OS: flow.MacOS, App: flow.App{Name: "Word"}, Proto: flow.TCP, TxBytes: rng.Uint64N(1e6), RxBytes: rng.Uint64N(1e6),
				Src: netip.MustParseAddrPort("10.0.0.5:50001"), Dst: netip.AddrPortFrom(addr, 443),
			})
		}
		index, err := builder.Build(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		o := testOptions(b, pdns.Query, 1<<30)
		label := classify.Label{Direction: classify.Outbound, Basis: classify.BasisScope}
		b.Run(fmt.Sprintf("writer=ours/names=%d", names), func(b *testing.B) {
			b.ReportAllocs()
			var out counter
			w := newJSONWriter(&out, index, o)
			n := 0
			for b.Loop() {
				if err := w.write(&recs[n%len(recs)], label); err != nil {
					b.Fatal(err)
				}
				n++
			}
			b.SetBytes(int64(out) / int64(n))
			b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "records/s")
		})
		b.Run(fmt.Sprintf("writer=encoding-json/names=%d", names), func(b *testing.B) {
			b.ReportAllocs()
			n, size := 0, 0
			for b.Loop() {
				size += len(model(b, recs[n%len(recs)], label, index, o))
				n++
			}
			b.SetBytes(int64(size / n))
			b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "records/s")
		})
	}
}

type counter int

func (c *counter) Write(p []byte) (int, error) { *c += counter(len(p)); return len(p), nil }
