package pdns

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

func sortTestNames(rng *rand.Rand, n int) []string {
	seen := make(map[string]bool)
	names := make([]string, 0, n)
	for len(names) < n {
		var name string
		switch rng.IntN(4) {
		case 0:
			name = fmt.Sprintf("www.site-%d.example", rng.IntN(4*n))
		case 1:
			name = fmt.Sprintf("edge%d.cdn%d.example.net", rng.IntN(4*n), rng.IntN(9))
		case 2:
			name = fmt.Sprintf("%x.r.%d.customer.akamai.example", rng.Uint32N(uint32(n)), rng.IntN(9))
		default:
			name = strings.Repeat("a", rng.IntN(40)) + string(rune('!'+rng.IntN(94)))
			if n > 1000 {
				name += fmt.Sprint(rng.IntN(n))
			}
		}
		if !seen[name] {
			seen[name] = true
			names = append(names, name)
		}
	}
	return names
}

func TestSortNames(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, n := range []int{0, 1, 2, 50, 5000, 20_000} {
		names := sortTestNames(rng, n)
		order := make([]prefixed, n)
		for i := range order {
			order[i].n = uint32(i)
		}
		sortNames(order, func(n uint32) []byte { return []byte(names[n]) })
		got := make([]string, n)
		for i, o := range order {
			got[i] = names[o.n]
		}
		slices.Sort(names)
		if !slices.Equal(names, got) {
			t.Errorf("%d names are not in order", n)
		}
	}
}

func BenchmarkSortNames(b *testing.B) {
	const n = 2_000_000
	names := sortTestNames(rand.New(rand.NewPCG(1, 2)), n)
	texts := make([][]byte, n)
	order := make([]prefixed, n)
	for i := range order {
		order[i].n, texts[i] = uint32(i), []byte(names[i])
	}
	for _, c := range []struct {
		name string
		sort func([]prefixed)
	}{
		{"prefixes", func(o []prefixed) { sortNames(o, func(n uint32) []byte { return texts[n] }) }},
		{"strings", func(o []prefixed) {
			slices.SortFunc(o, func(i, j prefixed) int { return strings.Compare(names[i.n], names[j.n]) })
		}},
	} {
		b.Run("by="+c.name, func(b *testing.B) {
			for b.Loop() {
				c.sort(slices.Clone(order))
			}
			b.ReportMetric(float64(b.N)*n/b.Elapsed().Seconds(), "names/s")
		})
	}
}
