package classify_test

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/endoflow/endoflow/classify"
	"github.com/endoflow/endoflow/flow"
)

// pair returns a TCP record of device d1 between two ends, "address:port" or
// "[address]:port"; "" is no end.
func pair(src, dst string, native flow.Native) flow.Record {
	rec := flow.Record{Device: "d1", App: flow.App{Name: "Word"}, Proto: flow.TCP, Native: native}
	if src != "" {
		rec.Src = netip.MustParseAddrPort(src)
	}
	if dst != "" {
		rec.Dst = netip.MustParseAddrPort(dst)
	}
	return rec
}

func TestPaper(t *testing.T) {
	tests := []struct {
		src, dst string
		want     classify.Direction
	}{
		{"10.0.0.1:5000", "192.168.0.1:443", classify.Internal},
		{"172.16.0.1:5000", "17.0.0.1:443", classify.Outbound},
		{"17.0.0.1:443", "172.31.255.255:5000", classify.Inbound},
		{"17.0.0.1:443", "8.8.8.8:53", classify.NAT},
		{"[::ffff:10.0.0.1]:5000", "17.0.0.1:443", classify.Outbound},
		// What follows from the literal rule (method.md C.1).
		{"[fe80::1]:5353", "[ff02::fb]:5353", classify.NAT},
		{"[fd00::1]:5000", "[fd00::2]:443", classify.NAT},
		{"[2620::1]:5000", "[2a00::1]:443", classify.NAT},
		{"10.0.0.1:5353", "224.0.0.251:5353", classify.Outbound},
		{"10.0.0.1:68", "255.255.255.255:67", classify.Outbound},
		{"10.0.0.1:5000", "169.254.169.254:80", classify.Outbound},
		{"127.0.0.1:5000", "127.0.0.1:80", classify.NAT},
		{"100.64.0.1:5000", "10.0.0.1:443", classify.Inbound},
		{"", "10.0.0.1:443", classify.Unknown},
		{"10.0.0.1:443", "", classify.Unknown},
		{"", "", classify.Unknown},
	}
	for _, tt := range tests {
		for native := flow.NativeUnknown; native <= flow.NativeTransit; native++ {
			rec := pair(tt.src, tt.dst, native)
			want := classify.Label{Direction: tt.want, Basis: classify.BasisScope, RemoteIsSrc: tt.want == classify.Inbound}
			if tt.want == classify.Unknown {
				want.Basis = classify.BasisNone
			}
			got := classify.Paper{}.Label(rec)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s > %s, sensor says %v (-want +got):\n%s", tt.src, tt.dst, native, diff)
			}
			remote := rec.Dst
			if tt.want == classify.Inbound {
				remote = rec.Src
			}
			if got.Remote(rec) != remote {
				t.Errorf("%s > %s: remote end is %v, want %v", tt.src, tt.dst, got.Remote(rec), remote)
			}
		}
	}
}

// scopeTable is method.md C.5 as printed there, I being an invalid address.
const scopeTable = `
	.  P         L         X        M         G         N         I
	P  Internal  Local     Unknown  Multicast Outbound  Unknown   Unknown
	L  Local     Local     Unknown  Multicast Unknown   Unknown   Unknown
	X  Unknown   Unknown   Loopback Loopback  Unknown   Unknown   Unknown
	M  Multicast Multicast Unknown  Multicast Multicast Unknown   Unknown
	G  Inbound   Unknown   Unknown  Multicast NAT       Unknown   Unknown
	N  Unknown   Unknown   Unknown  Multicast Unknown   Unknown   Unknown
	I  Unknown   Unknown   Unknown  Unknown   Unknown   Unknown   Unknown`

// cells returns a table's cells by row and column.
func cells(text string) map[string]string {
	rows := strings.Split(strings.TrimSpace(text), "\n")
	columns := strings.Fields(rows[0])
	out := make(map[string]string)
	for _, row := range rows[1:] {
		values := strings.Fields(row)
		for i, value := range values[1:] {
			out[values[0]+columns[i+1]] = value
		}
	}
	return out
}

// samples has addresses of each group, of all scopes and of both families.
var samples = []struct{ group, addr string }{
	{"P", "10.0.0.1"}, {"P", "192.168.3.4"}, {"P", "fd00::1"}, {"P", "fec0::1"},
	{"P", "100.64.0.1"},                       // shared
	{"P", "64.100.0.1"}, {"P", "2620:10::99"}, // site
	{"L", "169.254.1.1"}, {"L", "fe80::1"},
	{"X", "127.0.0.1"}, {"X", "::1"},
	{"M", "224.0.0.251"}, {"M", "ff02::fb"}, {"M", "255.255.255.255"},
	{"G", "17.0.0.1"}, {"G", "2a00::1"}, {"G", "2001:0:1::1"}, {"G", "64:ff9b::8.8.8.8"},
	{"N", "0.0.0.0"}, {"N", "::"}, {"N", "192.0.2.1"}, {"N", "2001:db8::1"}, {"N", "198.18.0.1"}, {"N", "240.0.0.1"}, {"N", "100::1"},
	{"I", ""},
}

var site = flow.Scopes{Site: []netip.Prefix{netip.MustParsePrefix("64.100.0.0/16"), netip.MustParsePrefix("2620:10::/32")}}

// slowStrict is the slow model of Strict: its rules, written out by cases.
func slowStrict(table map[string]string, src, dst string, native flow.Native, ownSrc, ownDst, listenSrc, listenDst bool) (want string, basis classify.Basis, remoteIsSrc bool) {
	unicast := func(g string) bool { return strings.Contains("PLGN", g) }
	decidable := func() bool { return (src == "G" || dst == "G") && unicast(src) && unicast(dst) }
	basis = classify.BasisScope
	if decidable() {
		newSrc, newDst := src, dst
		if ownSrc {
			newSrc = "P"
		}
		if ownDst {
			newDst = "P"
		}
		if newSrc != src || newDst != dst {
			basis = classify.BasisHost
		}
		src, dst = newSrc, newDst
	}
	want = table[src+dst]
	if want == "Unknown" {
		basis = classify.BasisNone
	}
	if !decidable() {
		return want, basis, false
	}
	bothG := src == "G" && dst == "G"
	switch {
	case native == flow.NativeOut && dst == "G":
		return "Outbound", classify.BasisNative, false
	case native == flow.NativeOut && ownDst:
		return "Outbound", classify.BasisNative, true
	case native == flow.NativeOut && dst == "P":
		return "Internal", classify.BasisNative, false
	case native == flow.NativeIn && bothG:
		return "Inbound", classify.BasisNative, true
	case native == flow.NativeIn:
		return "Inbound", classify.BasisNative, src == "G"
	case native == flow.NativeLocal && (bothG || src+dst == "PG" || src+dst == "GP"):
		return "Internal", classify.BasisNative, false
	case native == flow.NativeTransit && bothG:
		return "NAT", classify.BasisNative, false
	case want == "Outbound" && listenSrc:
		return "Inbound", classify.BasisListening, false
	case want == "Inbound" && listenDst:
		return "Inbound", classify.BasisListening, true
	}
	return want, basis, want == "Inbound"
}

func TestStrictMatchesModel(t *testing.T) {
	const srcPort, dstPort = 1111, 2222
	table := cells(scopeTable)
	seen := make(map[string]int)
	for _, src := range samples {
		for _, dst := range samples {
			for native := flow.NativeUnknown; native <= flow.NativeTransit; native++ {
				for hooks := range 16 {
					ownSrc, ownDst, listenSrc, listenDst := hooks&1 != 0, hooks&2 != 0, hooks&4 != 0, hooks&8 != 0
					rec := flow.Record{Device: "d1", Proto: flow.UDP, Native: native}
					if src.addr != "" {
						rec.Src = netip.AddrPortFrom(netip.MustParseAddr(src.addr), srcPort)
					}
					if dst.addr != "" {
						rec.Dst = netip.AddrPortFrom(netip.MustParseAddr(dst.addr), dstPort)
					}
					if src.addr == dst.addr && ownSrc != ownDst {
						continue // one address is not both the device's and not
					}
					s := classify.Strict{Scopes: site}
					if hooks&3 != 0 {
						s.Local = func(device string, addr netip.Addr) bool {
							return device == "d1" && (ownSrc && addr == rec.Src.Addr() || ownDst && addr == rec.Dst.Addr())
						}
					}
					if hooks&12 != 0 {
						s.Listening = func(device string, proto flow.Proto, port uint16) bool {
							return device == "d1" && proto == flow.UDP && (listenSrc && port == srcPort || listenDst && port == dstPort)
						}
					}
					got := s.Label(rec)
					want, basis, remoteIsSrc := slowStrict(table, src.group, dst.group, native, ownSrc, ownDst, listenSrc, listenDst)
					if got.Direction.String() != want || got.Basis != basis || got.RemoteIsSrc != remoteIsSrc {
						t.Errorf("%s > %s, sensor says %v, own %v %v, listens %v %v: got %+v, want %v %v remote is src %v",
							src.addr, dst.addr, native, ownSrc, ownDst, listenSrc, listenDst, got, want, basis, remoteIsSrc)
					}
					seen[want+" "+basis.String()]++
				}
			}
		}
	}
	for _, kind := range []string{
		"Unknown none", "Internal scope", "Internal native", "Internal host side", "Local scope", "Multicast scope", "Loopback scope",
		"Outbound scope", "Outbound native", "Outbound host side",
		"Inbound scope", "Inbound native", "Inbound host side", "Inbound listening port",
		"NAT scope", "NAT native",
	} {
		if seen[kind] == 0 {
			t.Errorf("no case is %s", kind)
		}
	}
}

// TestStrict has the cases that the rules are for.
func TestStrict(t *testing.T) {
	own := func(device string, addr netip.Addr) bool {
		return device == "d1" && addr == netip.MustParseAddr("2a00::d1")
	}
	webServer := func(device string, proto flow.Proto, port uint16) bool {
		return device == "d1" && proto == flow.TCP && port == 443
	}
	tests := []struct {
		why    string
		s      classify.Strict
		rec    flow.Record
		want   classify.Label
		remote string
	}{
		{"a browser, as the paper has it",
			classify.Strict{}, pair("10.0.0.5:5000", "17.0.0.1:443", flow.NativeUnknown),
			classify.Label{Direction: classify.Outbound, Basis: classify.BasisScope}, "17.0.0.1:443"},
		{"global IPv6, opened by the device",
			classify.Strict{}, pair("[2a00::d1]:5000", "[2a00::1]:443", flow.NativeOut),
			classify.Label{Direction: classify.Outbound, Basis: classify.BasisNative}, "[2a00::1]:443"},
		{"the same where the sensor does not say, but the address is known",
			classify.Strict{Local: own}, pair("[2a00::d1]:5000", "[2a00::1]:443", flow.NativeUnknown),
			classify.Label{Direction: classify.Outbound, Basis: classify.BasisHost}, "[2a00::1]:443"},
		{"the same, peer first",
			classify.Strict{Local: own}, pair("[2a00::1]:443", "[2a00::d1]:5000", flow.NativeUnknown),
			classify.Label{Direction: classify.Inbound, Basis: classify.BasisHost, RemoteIsSrc: true}, "[2a00::1]:443"},
		{"the same, peer first, and the sensor knows better who opened it",
			classify.Strict{Local: own}, pair("[2a00::1]:443", "[2a00::d1]:5000", flow.NativeOut),
			classify.Label{Direction: classify.Outbound, Basis: classify.BasisNative, RemoteIsSrc: true}, "[2a00::1]:443"},
		{"accepted, own end first: the address tells which end is remote",
			classify.Strict{Local: own}, pair("[2a00::d1]:443", "[2a00::1]:5000", flow.NativeIn),
			classify.Label{Direction: classify.Inbound, Basis: classify.BasisNative}, "[2a00::1]:5000"},
		{"NVM, own end first, accepted",
			classify.Strict{}, pair("10.0.0.5:22", "17.0.0.1:5000", flow.NativeIn),
			classify.Label{Direction: classify.Inbound, Basis: classify.BasisNative}, "17.0.0.1:5000"},
		{"a DNS server without a global address",
			classify.Strict{}, pair("[fe80::1]:5000", "[2001:500:2::c]:53", flow.NativeOut),
			classify.Label{Direction: classify.Outbound, Basis: classify.BasisNative}, "[2001:500:2::c]:53"},
		{"a web server, from NVM before version 9: no word, own end first",
			classify.Strict{Listening: webServer}, pair("10.0.0.5:443", "17.0.0.1:5000", flow.NativeUnknown),
			classify.Label{Direction: classify.Inbound, Basis: classify.BasisListening}, "17.0.0.1:5000"},
		{"a browser on that device: the peer's port is not the device's",
			classify.Strict{Listening: webServer}, pair("10.0.0.5:5000", "17.0.0.1:443", flow.NativeUnknown),
			classify.Label{Direction: classify.Outbound, Basis: classify.BasisScope}, "17.0.0.1:443"},
		{"Internal whoever opened it",
			classify.Strict{}, pair("10.0.0.5:5000", "10.0.0.6:445", flow.NativeIn),
			classify.Label{Direction: classify.Internal, Basis: classify.BasisScope}, "10.0.0.6:445"},
		{"mDNS whatever the sensor says",
			classify.Strict{}, pair("10.0.0.5:5353", "224.0.0.251:5353", flow.NativeOut),
			classify.Label{Direction: classify.Multicast, Basis: classify.BasisScope}, "224.0.0.251:5353"},
		{"DHCP",
			classify.Strict{}, pair("0.0.0.0:68", "255.255.255.255:67", flow.NativeTransit),
			classify.Label{Direction: classify.Multicast, Basis: classify.BasisScope}, "255.255.255.255:67"},
		{"Zeek was told that a public network is local",
			classify.Strict{}, pair("64.100.0.1:5000", "64.100.9.9:443", flow.NativeLocal),
			classify.Label{Direction: classify.Internal, Basis: classify.BasisNative}, "64.100.9.9:443"},
		{"Zeek was told nothing: a private end still says more than its flags",
			classify.Strict{}, pair("10.0.0.5:5000", "17.0.0.1:443", flow.NativeTransit),
			classify.Label{Direction: classify.Outbound, Basis: classify.BasisScope}, "17.0.0.1:443"},
		{"carrier NAT is inside",
			classify.Strict{}, pair("10.0.0.5:5000", "100.64.0.1:443", flow.NativeOut),
			classify.Label{Direction: classify.Internal, Basis: classify.BasisScope}, "100.64.0.1:443"},
		{"carrier NAT is outside if the user says so",
			classify.Strict{Scopes: flow.Scopes{SharedPublic: true}}, pair("10.0.0.5:5000", "100.64.0.1:443", flow.NativeUnknown),
			classify.Label{Direction: classify.Outbound, Basis: classify.BasisScope}, "100.64.0.1:443"},
		{"no device, nobody to ask about",
			classify.Strict{Local: func(string, netip.Addr) bool { panic("asked") }, Listening: func(string, flow.Proto, uint16) bool { panic("asked") }},
			flow.Record{Src: netip.MustParseAddrPort("10.0.0.5:5000"), Dst: netip.MustParseAddrPort("17.0.0.1:443")},
			classify.Label{Direction: classify.Outbound, Basis: classify.BasisScope}, "17.0.0.1:443"},
	}
	for _, tt := range tests {
		got := tt.s.Label(tt.rec)
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.why, diff)
		}
		if remote := got.Remote(tt.rec).String(); remote != tt.remote {
			t.Errorf("%s: remote end is %s, want %s", tt.why, remote, tt.remote)
		}
	}
	if got := (classify.Strict{}).Label(flow.Record{Native: flow.NativeOut}); got != (classify.Label{}) {
		t.Errorf("the zero record is %+v, want Unknown", got)
	}
}

// randomRecords returns n records between the samples' addresses.
func randomRecords(n int, seed uint64) []flow.Record {
	rng := rand.New(rand.NewPCG(seed, 0))
	recs := make([]flow.Record, n)
	for i := range recs {
		recs[i] = flow.Record{Device: "d1", Native: flow.Native(rng.IntN(5))}
		if a := samples[rng.IntN(len(samples))].addr; a != "" {
			recs[i].Src = netip.AddrPortFrom(netip.MustParseAddr(a), uint16(rng.Uint32()))
		}
		if a := samples[rng.IntN(len(samples))].addr; a != "" {
			recs[i].Dst = netip.AddrPortFrom(netip.MustParseAddr(a), uint16(rng.Uint32()))
		}
	}
	return recs
}

var labelers = []struct {
	name string
	l    classify.Labeler
}{
	{"paper", classify.Paper{}},
	{"strict", classify.Strict{}},
	{"strict+site+hooks", classify.Strict{
		Scopes:    site,
		Local:     func(string, netip.Addr) bool { return false },
		Listening: func(string, flow.Proto, uint16) bool { return false },
	}},
}

func TestLabelDoesNotAllocate(t *testing.T) {
	recs := randomRecords(1000, 1)
	for _, tt := range labelers {
		n := testing.AllocsPerRun(10, func() {
			for i := range recs {
				tt.l.Label(recs[i])
			}
		})
		if n != 0 {
			t.Errorf("%s: %v allocations for %d records, want none", tt.name, n, len(recs))
		}
	}
}

func TestStrings(t *testing.T) {
	got := fmt.Sprint(classify.Unknown, classify.Internal, classify.Outbound, classify.Inbound, classify.NAT,
		classify.Local, classify.Multicast, classify.Loopback, classify.Direction(77),
		classify.BasisNone, classify.BasisNative, classify.BasisHost, classify.BasisListening, classify.BasisScope, classify.Basis(77),
		classify.EndogeneityUnknown, classify.Endogenous, classify.Exogenous, classify.Endogeneity(77),
		classify.FilterUnknown, classify.FilterNull, classify.FilterOS, classify.FilterPrevalence, classify.FilterDirection, classify.Filter(77))
	want := "Unknown Internal Outbound Inbound NAT Local Multicast Loopback Direction(77) " +
		"none native host side listening port scope Basis(77) " +
		"unknown endogenous exogenous Endogeneity(77) unknown null os prevalence direction Filter(77)"
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func BenchmarkLabel(b *testing.B) {
	recs := randomRecords(1024, 2)
	for _, bm := range labelers {
		b.Run("labeler="+bm.name, func(b *testing.B) {
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				bm.l.Label(recs[i&1023])
				i++
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "records/s")
		})
	}
}
