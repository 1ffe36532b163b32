package flowtest_test

import (
	"bytes"
	"context"
	"errors"
	"net/netip"
	"slices"
	"testing"

	"github.com/endoflow/endoflow/flow"
	"github.com/endoflow/endoflow/flow/flowtest"
)

// notation makes the notation itself a format.
type notation struct{}

func (notation) Decode(line []byte, rec *flow.Record) error {
	if bytes.HasPrefix(line, []byte("#")) {
		return flow.Skip("comment")
	}
	var err error
	if *rec, err = flowtest.Parse(string(line)); err != nil {
		return errors.New("not in the notation")
	}
	rec.DstName = flow.CanonicalName(rec.DstName)
	if rec.Report != flow.ReportOnly {
		return flow.Skip("one of several reports")
	}
	return nil
}

func ExampleTestFormat() {
	t := new(testing.T) // in a test, the test's own
	flowtest.TestFormat(t, func() flow.Format { return notation{} },
		"# a comment",
		"d1 Word 10.0.0.5:5000 > 17.0.0.1:443 tcp 100/2000",
		"d1 - 10.0.0.5:5000 > 17.0.0.1:443 udp name=example.com",
	)
}

func TestFormatOfNotation(t *testing.T) {
	flowtest.TestFormat(t, func() flow.Format { return notation{} },
		"# a comment\n# and another",
		"d1 Word 10.0.0.5:5000 > 17.0.0.1:443 tcp 100/2000 start=2020-09-15T08:00:00+02:00",
		`- "Google Chrome" [2001:db8::1]:5000 > - udp name=example.com os=macos`,
	)
}

func TestFormatOfNVM(t *testing.T) {
	flowtest.TestFormat(t, func() flow.Format { return new(flow.NVM) },
		`{"fv":"nvzFlow_v3","udid":"D1","vsn":"mac-1","osn":"macOS 10.15"}`,
		`{"fv":"nvzFlow_v3","pr":6,"sa":"10.0.0.5","sp":5000,"da":"17.0.0.1","dp":443,"fss":1600156800,"fes":1600156801,"udid":"D1","pn":"Word","ibc":2000,"obc":100,"dh":"Unknown"}`,
		`{ "fv": "nvzFlow_v11", "pr": "17", "sa": "::ffff:10.0.0.5", "sp": "5000", "da": "fe80::1%en0", "dp": "443", "fd": "1", "fsms": "1600156800123", "udid": "D2", "dh": "A.Example.", "ppath": "C:\\Programme\\Zoë.exe" }`,
		`Jun 26 16:09:18 127.0.0.1 fv="nvzFlow_v9" pr="6" sa="10.0.0.5" sp="5001" da="17.0.0.1" dp="80" hh="''" udid="D1" pn="-" parg=" \"x\"" fss="1600156800"`,
	)
}

// names is the plainest resolver.
type names map[netip.Addr][]string

func (n names) LookupAddr(_ context.Context, addr netip.Addr) ([]string, error) {
	return slices.Clip(n[addr.Unmap()]), nil
}

func ExampleTestResolver() {
	t := new(testing.T) // in a test, the test's own
	known := map[netip.Addr][]string{netip.MustParseAddr("17.0.0.1"): {"updates.word.example"}}
	flowtest.TestResolver(t, names(known), known)
}

func TestResolverOfMap(t *testing.T) {
	known := map[netip.Addr][]string{
		netip.MustParseAddr("17.0.0.1"):    {"a.example", "b.example"},
		netip.MustParseAddr("17.0.0.2"):    {"a.example"},
		netip.MustParseAddr("2001:db8::1"): {"c.example"},
	}
	flowtest.TestResolver(t, names(known), known)
}
