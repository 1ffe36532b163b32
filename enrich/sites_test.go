package enrich_test

import (
	"context"
	"fmt"
	"log"
	"maps"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/endoflow/endoflow/enrich"
	"github.com/google/go-cmp/cmp"
)

func TestSiteOf(t *testing.T) {
	own := func(name string) (string, bool) { // of a list with one rule
		if strings.HasSuffix(name, ".corp") {
			return "corp", true
		}
		return name[strings.LastIndexByte(name, '.')+1:], false
	}
	for _, c := range []struct {
		sites      enrich.Sites
		name, want string
	}{
		{enrich.Sites{}, "www.example.com", "example.com"},
		{enrich.Sites{}, "a.b.example.co.uk", "example.co.uk"},
		{enrich.Sites{}, "example.com", "example.com"},
		{enrich.Sites{}, "co.uk", "co.uk"},
		{enrich.Sites{}, "com", "com"},
		{enrich.Sites{}, "", ""},
		{enrich.Sites{}, "pages.alice.github.io", "alice.github.io"},
		{enrich.Sites{ICANN: true}, "pages.alice.github.io", "github.io"},
		{enrich.Sites{ICANN: true}, "github.io", "github.io"},
		{enrich.Sites{}, "github.io", "github.io"},
		{enrich.Sites{ICANN: true}, "www.example.com", "example.com"},
		{enrich.Sites{}, "printer.local.nothing", "local.nothing"},
		{enrich.Sites{ICANN: true}, "printer.local.nothing", "local.nothing"},
		{enrich.Sites{ICANN: true}, "nothing", "nothing"},
		{enrich.Sites{PublicSuffix: own}, "a.host.corp", "host.corp"},
		{enrich.Sites{PublicSuffix: own, ICANN: true}, "a.host.corp", "host.corp"},
	} {
		if got := c.sites.Of(c.name); got != c.want {
			t.Errorf("the site of %q is %q, want %q", c.name, got, c.want)
		}
	}
}

// TestSitePort: endpoints by site are those of a Resolver that knows sites only, and
// the same from numbers and from texts.
func TestSitePort(t *testing.T) {
	rng := rand.New(rand.NewPCG(8, 8))
	recs := skewed(rng, 20_000, 300, 400)
	names := newNetwork(rng, recs, 600)
	for i := range names.texts { // of 150 sites, in the order of the bytes, as numbers have to be
		names.texts[i] = fmt.Sprintf("n%03d.s%d.co.uk", i, rng.IntN(150))
	}
	sites := make(fixed)
	for addr, ids := range names.names {
		known := make(map[string]bool)
		for _, id := range ids {
			known[names.texts[id][5:]] = true
		}
		sites[addr] = slices.Sorted(maps.Keys(known))
	}
	var c enrich.Contacts
	for i := range recs {
		c.Add(recs[i], recs[i].Dst)
	}
	endpoints := func(r enrich.Resolver, level enrich.Level, expand bool) (all []enrich.Endpoint) {
		for e, err := range c.Endpoints(t.Context(), enrich.Join{Resolver: r, Level: level, Expand: expand, MinDevices: 3}) {
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, e)
		}
		return all
	}
	for _, expand := range []bool{false, true} {
		want := endpoints(sites, enrich.NamePort, expand)
		if len(want) < 100 {
			t.Fatalf("%d endpoints test little", len(want))
		}
		for name, r := range map[string]enrich.Resolver{"texts": names, "numbers": numberedNetwork{names}} {
			if diff := cmp.Diff(want, endpoints(r, enrich.SitePort, expand), cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
				t.Errorf("%s, expand %v: (-sites +by site)\n%.2000s", name, expand, diff)
			}
		}
	}
	numbered, err := enrich.Sites{}.Resolver(t.Context(), numberedNetwork{names})
	if err != nil {
		t.Fatal(err)
	}
	for addr := range names.names {
		got, err := numbered.LookupAddr(t.Context(), addr)
		if slices.Sort(got); err != nil || !slices.Equal(got, sites[addr]) {
			t.Fatalf("sites %v, want %v; %v", got, sites[addr], err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := (enrich.Sites{}).Resolver(ctx, numberedNetwork{names}); err != context.Canceled {
		t.Errorf("cancelled: %v", err)
	}
}

func ExampleSites_Of() {
	fmt.Println(enrich.Sites{}.Of("updates.word.example.co.uk"))
	fmt.Println(enrich.Sites{}.Of("alice.github.io"), enrich.Sites{ICANN: true}.Of("alice.github.io"))
	// Output:
	// example.co.uk
	// alice.github.io github.io
}

func ExampleSites_Resolver() {
	names := fixed{netip.MustParseAddr("21.0.0.1"): {"a.site.example", "b.site.example"}}
	sites, err := enrich.Sites{}.Resolver(context.Background(), names)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(sites.LookupAddr(context.Background(), netip.MustParseAddr("21.0.0.1")))
	// Output:
	// [site.example] <nil>
}

func BenchmarkSites(b *testing.B) {
	n := &network{}
	for i := range 1_000_000 {
		n.texts = append(n.texts, fmt.Sprintf("host%06d.site%d.co.uk", i, i%100_000))
	}
	for b.Loop() {
		enrich.Sites{}.Resolver(b.Context(), numberedNetwork{n})
	}
	b.ReportMetric(b.Elapsed().Seconds()*1e9/float64(b.N*len(n.texts)), "ns/name")
}
