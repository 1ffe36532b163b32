package flowtest

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"testing"
)

// TestResolver holds a source of names for addresses to what enrich expects of
// one, each rule in a subtest that says what it is. known is what the resolver
// must answer, in any order; all other addresses are unknown to it.
func TestResolver(t *testing.T, resolver interface {
	LookupAddr(ctx context.Context, addr netip.Addr) (names []string, err error)
}, known map[netip.Addr][]string) {
	ctx := context.Background()
	if len(known) == 0 {
		t.Fatal("no known address to test with")
	}
	addrs := slices.SortedFunc(func(yield func(netip.Addr) bool) {
		for addr := range known {
			if !yield(addr) {
				return
			}
		}
	}, netip.Addr.Compare)
	// wrong says what is wrong with the answer for a known address.
	wrong := func(addr, asked netip.Addr) string {
		names, err := resolver.LookupAddr(ctx, asked)
		if err != nil {
			return fmt.Sprintf("%v: error %v", asked, err)
		}
		if got, want := sorted(names), sorted(known[addr]); !slices.Equal(got, want) {
			return fmt.Sprintf("%v: %q, want %q", asked, got, want)
		}
		return ""
	}

	t.Run("known addresses have their names", func(t *testing.T) {
		for _, addr := range addrs {
			if problem := wrong(addr, addr); problem != "" {
				t.Error(problem)
			}
		}
	})
	t.Run("a miss is no error and no names", func(t *testing.T) {
		misses := []netip.Addr{{}, netip.IPv4Unspecified(), netip.IPv6Unspecified()}
		for _, addr := range addrs {
			misses = append(misses, addr.Next(), addr.Prev())
		}
		for _, addr := range misses {
			if _, ok := known[addr]; ok {
				continue
			}
			names, err := resolver.LookupAddr(ctx, addr)
			if names != nil || err != nil {
				t.Errorf("%v: %q, error %v, want nil and nil", addr, names, err)
			}
		}
	})
	t.Run("an IPv4 address mapped into IPv6 is the IPv4 address", func(t *testing.T) {
		for _, addr := range addrs {
			if !addr.Is4() {
				continue
			}
			if problem := wrong(addr, netip.AddrFrom16(addr.As16())); problem != "" {
				t.Error(problem)
			}
		}
	})
	t.Run("a later answer leaves an earlier one as it is, also when that is appended to", func(t *testing.T) {
		kept := make([][]string, len(addrs))
		for i, addr := range addrs {
			kept[i], _ = resolver.LookupAddr(ctx, addr)
			_ = append(kept[i], "appended.example")
		}
		for i, addr := range addrs {
			if got, want := sorted(kept[i]), sorted(known[addr]); !slices.Equal(got, want) {
				t.Errorf("%v: the answer has become %q, want %q", addr, got, want)
			}
			if problem := wrong(addr, addr); problem != "" {
				t.Errorf("asked again: %s", problem)
			}
		}
	})
	t.Run("concurrent use", func(t *testing.T) {
		var wg sync.WaitGroup
		for g := range 4 {
			wg.Go(func() {
				for i := range addrs {
					addr := addrs[(i+g)%len(addrs)]
					if problem := wrong(addr, addr); problem != "" {
						t.Error(problem)
					}
				}
			})
		}
		wg.Wait()
	})
}

func sorted(names []string) []string { return slices.Sorted(slices.Values(names)) }
