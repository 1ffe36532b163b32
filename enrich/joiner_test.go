package enrich

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

func randomRows(rng *rand.Rand, n, names int) []uint64 {
	rows := make([]uint64, n)
	for i := range rows {
		rows[i] = uint64(rng.IntN(names))<<32 | uint64(i)
	}
	return rows
}

func TestSortByName(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	var other []uint64
	for range 50 {
		names := 1 << rng.IntN(28)
		rows := randomRows(rng, rng.IntN(5000), names)
		want := slices.Sorted(slices.Values(rows))
		var got []uint64
		if got, other = sortByName(rows, other, names); !slices.Equal(got, want) {
			t.Fatalf("%d rows of %d names are not sorted", len(rows), names)
		}
	}
}

func BenchmarkSortByName(b *testing.B) {
	for _, n := range []int{10_000, 1_000_000} {
		rows := randomRows(rand.New(rand.NewPCG(2, 2)), n, 2_800_000)
		copied := make([]uint64, n)
		b.Run(fmt.Sprintf("by=comparing/n=%d", n), func(b *testing.B) {
			for b.Loop() {
				copy(copied, rows)
				slices.Sort(copied)
			}
		})
		b.Run(fmt.Sprintf("by=digits/n=%d", n), func(b *testing.B) {
			var other []uint64
			for b.Loop() {
				copy(copied, rows)
				_, other = sortByName(copied, other, 2_800_000)
			}
		})
	}
}
