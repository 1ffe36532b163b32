package enrich

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/endoflow/endoflow/internal/dense"
)

// namesOn is a resolver of names that are numbers.
type namesOn map[netip.Addr][]uint32

func (n namesOn) LookupAddr(context.Context, netip.Addr) ([]string, error) { panic("not by text") }
func (n namesOn) AppendNameIDs(ids []uint32, addr netip.Addr) []uint32 {
	return append(ids, n[addr]...)
}
func (n namesOn) NameOf(id uint32) string { return fmt.Sprint(id) }
func (n namesOn) NumNames() int           { return 3000 }

// TestClasses checks classes against grouping names by the text of their list of
// addresses, with addresses in several chunks.
func TestClasses(t *testing.T) {
	for seed := range uint64(10) {
		rng := rand.New(rand.NewPCG(seed, 3))
		addrs := make([]dense.Key, rng.IntN(3*chunk))
		for i := range addrs {
			addrs[i] = dense.AddrKey(netip.AddrFrom4([4]byte{20, byte(i >> 16), byte(i >> 8), byte(i)}))
		}
		on := make(namesOn)
		listOf := make([][]uint32, on.NumNames())
		for name := range listOf {
			var list []uint32
			switch same := rng.IntN(on.NumNames()); {
			case len(addrs) == 0 || rng.IntN(20) == 0:
			case rng.IntN(2) == 0 && same < name: // a class of several names
				list = listOf[same]
			case rng.IntN(2) == 0 && same < name && len(listOf[same]) > 0: // nearly one
				list = slices.Clone(listOf[same])
				list[rng.IntN(len(list))] = uint32(rng.IntN(len(addrs)))
			default:
				for range 1 + rng.IntN(1+rng.IntN(20)) {
					list = append(list, uint32(rng.IntN(len(addrs))))
				}
			}
			slices.Sort(list)
			listOf[name] = slices.Compact(list)
			for _, a := range listOf[name] {
				on[addrs[a].Addr()] = append(on[addrs[a].Addr()], uint32(name))
			}
		}
		for _, names := range on {
			rng.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
		}

		cs, err := newClasses(t.Context(), on, addrs, 2)
		if err != nil {
			t.Fatal(err)
		}
		got := make(map[string][]uint32) // names by their addresses
		lists := make([][]uint32, len(cs.nameStart)-1)
		for a := range uint32(len(addrs)) {
			if want := len(on[addrs[a].Addr()]); int(cs.count[a]) != want {
				t.Fatalf("seed %d: address %d has %d names, want %d", seed, a, cs.count[a], want)
			}
			if class := cs.private[a]; class > 0 {
				lists[class-1] = append(lists[class-1], a)
			}
			from, end := cs.places(a)
			for _, class := range cs.items[a/chunk][from:end] {
				if int(class) >= cs.numShared {
					t.Fatalf("seed %d: class %d of address %d is not a shared one", seed, class, a)
				}
				lists[class] = append(lists[class], a)
			}
		}
		for class, list := range lists {
			if (len(list) > 1) != (class < cs.numShared) {
				t.Errorf("seed %d: class %d of %d has %d addresses", seed, class, cs.numShared, len(list))
			}
			got[fmt.Sprint(list)] = cs.namesOf(uint32(class))
		}
		want := make(map[string][]uint32)
		for name, list := range listOf {
			if len(list) > 0 {
				want[fmt.Sprint(list)] = append(want[fmt.Sprint(list)], uint32(name))
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("seed %d: names by addresses (-want +got):\n%s", seed, diff)
		}
	}
}
