package classify_test

import (
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/endoflow/endoflow/classify"
	"github.com/endoflow/endoflow/flow"
)

// readReal returns the records of files of the real data, whose every line is
// to be read. It skips the test where the data are absent.
func readReal(t *testing.T, patterns ...string) []flow.Record {
	t.Helper()
	const data = "../../shared/data"
	if _, err := os.Stat(data); os.IsNotExist(err) {
		t.Skip("the real data (../shared/data beside the project) are absent")
	}
	var recs []flow.Record
	for _, pattern := range patterns {
		names, err := filepath.Glob(filepath.Join(data, pattern))
		if err != nil || len(names) == 0 {
			t.Fatalf("%s: no file (%v)", pattern, err)
		}
		for _, name := range names {
			f, err := os.Open(name)
			if err != nil {
				t.Fatal(err)
			}
			for rec, err := range flow.NewReader(f, name).All() {
				if err != nil {
					t.Fatal(err)
				}
				recs = append(recs, rec)
			}
			if err := f.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
	return recs
}

const (
	sysmon3 = "sysmon-otrf/sysmon3.jsonl.gz"
	wfp     = "sysmon-otrf/wfp.jsonl.gz"
	rita    = "zeek-rita/proxy_rolling/conn.*.log.gz"
	m57     = "zeek-m57-short/conn.log.gz"
	test9   = "zeek-slips/test9-mixed-zeek-dir/conn.log.gz"
	test18  = "zeek-slips/test18-malicious-ctu-sme-11-win/zeek-labeled/conn.log.labeled"
)

// The figures of the data's own README, which were computed without this
// project.
func TestRealPaperDirections(t *testing.T) {
	tests := []struct {
		file                             string
		lines                            int
		internal, outbound, inbound, nat uint64
	}{
		{sysmon3, 5247, 3938, 327, 15, 967},
		{rita, 7550, 1708, 4111, 7, 1724},
		{m57, 2164, 1537, 586, 0, 41},
		{test9, 576, 9, 550, 0, 17},
		{test18, 766, 33, 733, 0, 0},
	}
	for _, tt := range tests {
		t.Run(tt.file, func(t *testing.T) {
			recs := readReal(t, tt.file)
			if len(recs) != tt.lines {
				t.Errorf("%d records, want %d", len(recs), tt.lines)
			}
			got := make(map[classify.Direction]uint64)
			for _, rec := range recs {
				got[classify.Paper{}.Label(rec).Direction]++
			}
			want := map[classify.Direction]uint64{classify.Internal: tt.internal, classify.Outbound: tt.outbound, classify.Inbound: tt.inbound, classify.NAT: tt.nat}
			for d, n := range want {
				if n == 0 {
					delete(want, d)
				}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// On pairs of IPv4 unicast addresses the paper's rule and Strict say the same,
// and the sensor's truth stands beside it.
func TestRealIPv4Unicast(t *testing.T) {
	type truth struct {
		direction classify.Direction
		native    flow.Native
	}
	tests := []struct {
		file string
		want map[truth]uint64
	}{
		{sysmon3, map[truth]uint64{
			{classify.Internal, flow.NativeOut}: 3543,
			{classify.Internal, flow.NativeIn}:  395,
			{classify.Outbound, flow.NativeOut}: 254,
			{classify.Inbound, flow.NativeIn}:   2,
		}},
		{rita, map[truth]uint64{
			{classify.Internal, flow.NativeLocal}: 1708,
			{classify.Outbound, flow.NativeOut}:   3891,
			{classify.Inbound, flow.NativeIn}:     5,
		}},
		{m57, map[truth]uint64{
			{classify.Internal, flow.NativeLocal}: 1537,
			{classify.Outbound, flow.NativeOut}:   488,
		}},
		{test9, map[truth]uint64{
			{classify.Internal, flow.NativeUnknown}: 9,
			{classify.Outbound, flow.NativeUnknown}: 532,
			{classify.Outbound, flow.NativeOut}:     1,
		}},
		{test18, map[truth]uint64{
			{classify.Internal, flow.NativeLocal}: 33,
			{classify.Outbound, flow.NativeOut}:   726,
		}},
	}
	unicast := func(a netip.Addr) bool {
		s := flow.ScopeOf(a)
		return a.Is4() && (s == flow.Private || s == flow.Global)
	}
	for _, tt := range tests {
		t.Run(tt.file, func(t *testing.T) {
			got := make(map[truth]uint64)
			for _, rec := range readReal(t, tt.file) {
				if !unicast(rec.Src.Addr()) || !unicast(rec.Dst.Addr()) {
					continue
				}
				paper, strict := classify.Paper{}.Label(rec), classify.Strict{}.Label(rec)
				if paper.Direction != strict.Direction || paper.RemoteIsSrc != strict.RemoteIsSrc {
					t.Errorf("%v > %v: paper %+v, strict %+v", rec.Src.Addr(), rec.Dst.Addr(), paper, strict)
				}
				got[truth{paper.Direction, rec.Native}]++
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// What the sensors say and what the addresses say, on every pair.
func TestRealAgreement(t *testing.T) {
	type kind struct {
		native flow.Native
		rule   classify.Direction
		final  classify.Direction
	}
	const (
		unknown, out, in, local, transit = flow.NativeUnknown, flow.NativeOut, flow.NativeIn, flow.NativeLocal, flow.NativeTransit
	)
	tests := []struct {
		file      string
		strict    classify.Strict
		agrees    map[kind]uint64
		disagrees map[kind]uint64
	}{
		{sysmon3, classify.Strict{},
			map[kind]uint64{
				{out, classify.Internal, classify.Internal}:   3543,
				{out, classify.Outbound, classify.Outbound}:   254,
				{out, classify.Local, classify.Local}:         119,
				{out, classify.Multicast, classify.Multicast}: 107,
				{out, classify.Loopback, classify.Loopback}:   139,
				{in, classify.Internal, classify.Internal}:    395,
				{in, classify.Inbound, classify.Inbound}:      2,
				{in, classify.Local, classify.Local}:          112,
				{in, classify.Multicast, classify.Multicast}:  26,
				{in, classify.Loopback, classify.Loopback}:    183,
			},
			map[kind]uint64{
				// Name servers with no global IPv6 address that ask the root
				// servers from a link-local one.
				{out, classify.Unknown, classify.Outbound}: 366,
				// A slip of Sysmon: IPv4 addresses, of which the peer's is
				// 224.0.0.252, in the first bytes of IPv6 ones. By its bytes
				// the peer is global.
				{out, classify.NAT, classify.Outbound}: 1,
			}},
		{wfp, classify.Strict{},
			map[kind]uint64{
				{out, classify.Internal, classify.Internal}:   1296,
				{out, classify.Outbound, classify.Outbound}:   2001,
				{out, classify.Local, classify.Local}:         728,
				{out, classify.Multicast, classify.Multicast}: 94,
				{out, classify.Loopback, classify.Loopback}:   268,
				{in, classify.Internal, classify.Internal}:    673,
				{in, classify.Inbound, classify.Inbound}:      2, // remote desktop from the Internet
				{in, classify.Local, classify.Local}:          239,
				{in, classify.Multicast, classify.Multicast}:  231,
				{in, classify.Loopback, classify.Loopback}:    273,
			},
			map[kind]uint64{
				{out, classify.Unknown, classify.Outbound}: 348, // the same name servers
			}},
		{rita, classify.Strict{},
			map[kind]uint64{
				{out, classify.Outbound, classify.Outbound}:       3891,
				{out, classify.Multicast, classify.Multicast}:     220,
				{in, classify.Inbound, classify.Inbound}:          5,
				{in, classify.Multicast, classify.Multicast}:      2,
				{local, classify.Internal, classify.Internal}:     1708,
				{transit, classify.Local, classify.Local}:         60,
				{transit, classify.Multicast, classify.Multicast}: 104,
				// The site's own IPv6 network, which nobody told Zeek of: in
				// truth Outbound, as the next case finds, which is told.
				{transit, classify.NAT, classify.NAT}: 1552,
			},
			map[kind]uint64{
				{transit, classify.Unknown, classify.Unknown}: 8, // its router's neighbour solicitations
			}},
		{rita, classify.Strict{Scopes: flow.Scopes{Site: []netip.Prefix{netip.MustParsePrefix("2601:19e:8200:91e0::/64")}}},
			map[kind]uint64{
				{out, classify.Outbound, classify.Outbound}:       3891,
				{out, classify.Multicast, classify.Multicast}:     220,
				{in, classify.Inbound, classify.Inbound}:          5,
				{in, classify.Multicast, classify.Multicast}:      2,
				{local, classify.Internal, classify.Internal}:     1708,
				{transit, classify.Local, classify.Local}:         68,
				{transit, classify.Multicast, classify.Multicast}: 104,
			},
			map[kind]uint64{
				{transit, classify.Outbound, classify.Outbound}: 1551,
				{transit, classify.Inbound, classify.Inbound}:   1, // an ICMP error about one of them
			}},
		{m57, classify.Strict{},
			map[kind]uint64{
				{out, classify.Outbound, classify.Outbound}:     488,
				{out, classify.Multicast, classify.Multicast}:   41,
				{local, classify.Internal, classify.Internal}:   1537,
				{local, classify.Multicast, classify.Multicast}: 98,
			}, nil},
		{test9, classify.Strict{},
			map[kind]uint64{
				{unknown, classify.Internal, classify.Internal}:   9,
				{unknown, classify.Outbound, classify.Outbound}:   532,
				{unknown, classify.Multicast, classify.Multicast}: 34,
				{out, classify.Outbound, classify.Outbound}:       1,
			}, nil},
		{test18, classify.Strict{},
			map[kind]uint64{
				{out, classify.Outbound, classify.Outbound}:   726,
				{out, classify.Multicast, classify.Multicast}: 7,
				{local, classify.Internal, classify.Internal}: 33,
			}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.file, func(t *testing.T) {
			var a classify.Agreement
			for _, rec := range readReal(t, tt.file) {
				addTo(&a, tt.strict, rec)
			}
			var agrees, disagrees map[kind]uint64
			for _, row := range a.Rows() {
				into := &disagrees
				if row.Agrees {
					into = &agrees
				}
				if *into == nil {
					*into = make(map[kind]uint64)
				}
				(*into)[kind{row.Native, row.Rule, row.Final}] += row.Flows
			}
			if diff := cmp.Diff(tt.agrees, agrees); diff != "" {
				t.Errorf("agrees (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.disagrees, disagrees); diff != "" {
				t.Errorf("disagrees (-want +got):\n%s", diff)
			}
		})
	}
}

// What no addresses can tell, the sensor's word does: with it, nothing is left
// Unknown or NAT on Windows.
func TestRealStrictLeavesNothingOpen(t *testing.T) {
	for _, rec := range readReal(t, sysmon3, wfp) {
		if l := (classify.Strict{}).Label(rec); l.Direction == classify.Unknown || l.Direction == classify.NAT {
			t.Errorf("%v > %v, sensor says %v: %+v", rec.Src, rec.Dst, rec.Native, l)
		}
	}
}

// The whole of phase 5 on a small network of Windows machines.
func TestRealCensus(t *testing.T) {
	recs := readReal(t, sysmon3)
	var c classify.Census
	for _, rec := range recs {
		c.Add(rec, classify.Strict{}.Label(rec))
	}
	windows := classify.Only(flow.Windows)
	steps := c.Funnel(windows, 0.05)
	if sum := steps[0].Removed + steps[0].Left; sum != uint64(len(recs)) {
		t.Errorf("the funnel begins with %d records, want %d", sum, len(recs))
	}
	if got := c.Funnel(classify.Only(flow.MacOS), 0.05)[1]; got.Left != 0 {
		t.Errorf("%d flows of macOS, want none", got.Left)
	}
	var outbound uint64
	for _, row := range c.Directions() {
		if row.OS != flow.Windows {
			t.Errorf("%d flows of %v", row.Flows, row.OS)
		}
		if row.Direction == classify.Outbound {
			outbound = row.Flows
		}
	}
	if outbound != 621 {
		t.Errorf("%d flows Outbound, want 254 by IPv4 and 367 by IPv6", outbound)
	}
}
