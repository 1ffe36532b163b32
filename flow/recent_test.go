package flow

import (
	"math/rand/v2"
	"testing"
)

// TestRecent: the connections that ended last are known, by both hashes, and none
// that did not end; also where all have one nameless hash.
func TestRecent(t *testing.T) {
	for name, namelessOf := range map[string]func(uint64) uint64{
		"each its own": func(hash uint64) uint64 { return hash ^ 1<<63 },
		"one for all":  func(uint64) uint64 { return 7 },
		"one in 100":   func(hash uint64) uint64 { return hash%100 + 1 },
	} {
		t.Run(name, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(1, 2))
			var r recent
			var added []uint64
			for i := range 300_000 {
				hash := max(rng.Uint64(), 1)
				r.add(hash, namelessOf(hash))
				added = append(added, hash)
				if i%1000 != 0 {
					continue
				}
				for range 10 {
					last := added[len(added)-1-rng.IntN(min(len(added), maxRecent/2))]
					if !r.has(last, namelessOf(last)) || !r.has(namelessOf(last), namelessOf(last)) {
						t.Fatalf("after %d connections one of the last %d is not known", len(added), maxRecent/2)
					}
					if other := max(rng.Uint64(), 1); r.has(other, namelessOf(other)) {
						t.Fatal("a connection that did not end is known")
					}
				}
			}
			if r.young.n > maxRecent+1 || r.old.n > maxRecent+1 {
				t.Errorf("%d and %d hashes are remembered", r.young.n, r.old.n)
			}
			if first := added[0]; r.has(first, namelessOf(first)) {
				t.Error("the first connection of 300,000 is still known")
			}
		})
	}
}
