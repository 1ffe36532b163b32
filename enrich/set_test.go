package enrich

import (
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/RoaringBitmap/roaring/v2"
)

// TestDeviceSets compares many sets of all sizes, which grow in turn, with maps.
func TestDeviceSets(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	var sets deviceSets
	for round := range 3 {
		handles := make([]deviceSet, 2000)
		models := make([]map[uint32]bool, len(handles))
		for i := range handles {
			models[i] = make(map[uint32]bool)
			if i%100 == 0 { // as they come from another Contacts
				b := roaring.New()
				for range i % 150 {
					device := rng.Uint32N(300)
					models[i][device] = true
					b.Add(device)
				}
				handles[i] = sets.of(b)
			}
		}
		for range 60_000 {
			i := int(min(rng.ExpFloat64()*200, float64(len(handles)-1)))
			device := rng.Uint32N(300)
			handles[i] = sets.add(handles[i], device)
			models[i][device] = true
		}
		for i, s := range handles {
			got := sets.appendTo([]uint32{999}, s)
			if got[0] != 999 {
				t.Fatal("what was there is gone")
			}
			got = got[1:]
			slices.Sort(got)
			if !slices.Equal(got, slices.Sorted(maps.Keys(models[i]))) {
				t.Fatalf("round %d: set %d has %d members, want %d", round, i, len(got), len(models[i]))
			}
		}
		sets.reset()
		if now, _ := sets.bytes(); now == 0 {
			t.Error("the memory has gone")
		}
	}
}
