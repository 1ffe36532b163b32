package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// realData returns the folder of real records, which is not part of the
// project.
func realData(t *testing.T, elem ...string) string {
	t.Helper()
	dir := filepath.Join("..", "..", "..", "shared", "data")
	if _, err := os.Stat(dir); err != nil {
		t.Skip("no folder of real records beside the project: ", err)
	}
	return filepath.Join(append([]string{dir}, elem...)...)
}

// TestRealStudy: the study shows the figures of the data's README, which were
// computed independently: directions by the paper's rule, addresses and pairs
// in the DNS, and outbound destinations with a name.
func TestRealStudy(t *testing.T) {
	type dst struct{ Named, Of int }
	for _, tt := range []struct {
		name                string
		flows, pdns         []string
		directions          map[string]uint64
		addresses           int // with a name, before the filter
		outbound            dst
		flowsNamed, flowsOf uint64
	}{
		{"sysmon-otrf", []string{"sysmon-otrf", "sysmon3.jsonl.gz"}, []string{"sysmon-otrf", "sysmon22.jsonl.gz"},
			map[string]uint64{"Internal": 3938, "Outbound": 327, "Inbound": 15, "NAT": 967}, 99, dst{43, 68}, 102, 254},
		{"proxy_rolling", []string{"zeek-rita", "proxy_rolling", "conn.*"}, []string{"zeek-rita", "proxy_rolling", "dns.*"},
			map[string]uint64{"Internal": 1708, "Outbound": 4111, "Inbound": 7, "NAT": 1724}, 3051, dst{375, 402}, 0, 3891},
		{"m57-short", []string{"zeek-m57-short", "conn.log.gz"}, []string{"zeek-m57-short", "dns.log.gz"},
			map[string]uint64{"Internal": 1537, "Outbound": 586, "NAT": 41}, 43, dst{39, 39}, 0, 488},
		{"test9", []string{"zeek-slips", "test9-mixed-zeek-dir", "conn.log.gz"}, []string{"zeek-slips", "test9-mixed-zeek-dir", "dns.log.gz"},
			map[string]uint64{"Internal": 9, "Outbound": 550, "NAT": 17}, 243, dst{101, 104}, 0, 533},
		{"test18", []string{"zeek-slips", "test18-malicious-ctu-sme-11-win", "zeek-labeled", "conn.log.labeled"}, []string{"zeek-slips", "test18-malicious-ctu-sme-11-win", "zeek-labeled", "dns.log.labeled"},
			map[string]uint64{"Internal": 33, "Outbound": 733}, 0, dst{0, 8}, 0, 726},
	} {
		t.Run(tt.name, func(t *testing.T) {
			args := []string{"-flows", realData(t, tt.flows...), "-pdns", realData(t, tt.pdns...), "-os", "any"}
			_, paper := runStudy(t, t.TempDir(), append(args, "-direction", "paper")...)
			directions := make(map[string]uint64)
			for _, of := range paper.Directions {
				for d, n := range of {
					directions[d] += n
				}
			}
			if diff := cmp.Diff(tt.directions, directions); diff != "" {
				t.Errorf("directions by the paper's rule (-want +got):\n%s", diff)
			}
			if len(paper.Problems) > 0 {
				t.Errorf("problems %v", paper.Problems)
			}

			_, strict := runStudy(t, t.TempDir(), args...)
			for _, n := range strict.Naming {
				if n.Family != "IPv4" {
					continue
				}
				if got := (dst{n.Named, n.Addresses}); got != tt.outbound || n.Flows != tt.flowsOf {
					t.Errorf("%s names: outbound destinations %v, want %v; %d flows, want %d", n.Names, got, tt.outbound, n.Flows, tt.flowsOf)
				}
				if tt.flowsNamed > 0 && n.FlowsNamed != tt.flowsNamed {
					t.Errorf("%s names: %d flows named, want %d", n.Names, n.FlowsNamed, tt.flowsNamed)
				}
			}
		})
	}
}
