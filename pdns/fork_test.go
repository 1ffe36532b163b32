package pdns_test

import (
	"bytes"
	"math/rand/v2"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/endoflow/endoflow/pdns"
	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// TestForks: whatever forks add at a time, with and without a limit of memory, the
// file is the same to the byte as that of one Builder.
func TestForks(t *testing.T) {
	for seed := range uint64(10) {
		rng := rand.New(rand.NewPCG(seed, 7))
		recs := manyRecords(rng, 4000+rng.IntN(20_000))
		one := pdns.Builder{NoTimes: seed%2 > 0, NoCNAMEs: seed%4 > 1, MaxNames: []int{0, 3}[rng.IntN(2)]}
		if seed%3 > 0 {
			one.Filter = pdns.NewFilter(uint(len(recs)), 0.001)
			for i := range uint32(len(recs) / 4) {
				one.Filter.Add(address(i))
			}
		}
		many := one
		many.Memory, many.Dir = []int64{0, 1, 1 << 20}[rng.IntN(3)], t.TempDir()
		for _, r := range recs {
			one.Add(r)
		}
		want := file(t, &one)

		rng.Shuffle(len(recs), func(i, j int) { recs[i], recs[j] = recs[j], recs[i] })
		for len(recs) > 0 { // forks several times, and in between the Builder itself
			part := recs[:min(len(recs), 1000+rng.IntN(len(recs)))]
			recs = recs[len(part):]
			for i := range min(len(part), 100) {
				many.Add(part[i])
			}
			part = part[min(len(part), 100):]
			var mu sync.Mutex
			var wg sync.WaitGroup
			workers := 1 + rng.IntN(4)
			for i := range workers {
				mine := part[i*len(part)/workers : (i+1)*len(part)/workers]
				byNumbers := rng.IntN(2) > 0
				mu.Lock()
				fork := many.Fork()
				mu.Unlock()
				wg.Go(func() {
					defer fork.Close() // of one that is merged, nothing
					if byNumbers {
						for chunk := range slices.Chunk(mine, 100) {
							addByNumbers(fork, chunk)
							if fork.Full() {
								fork.Flush()
							}
						}
						fork.Flush() // waits for those that still add
					} else {
						for _, r := range mine {
							fork.Add(r)
						}
					}
					mu.Lock()
					defer mu.Unlock()
					many.Merge(fork)
				})
			}
			mu.Lock()
			many.Fork().Close() // has added nothing, and holds up nobody
			mu.Unlock()
			wg.Wait()
		}
		if got := file(t, &many); !bytes.Equal(want, got) {
			t.Fatalf("seed %d: forks make another file, of %d and not %d bytes", seed, len(got), len(want))
		}
		stats := cmpopts.IgnoreFields(pdns.BuilderStats{}, "FilterTests", "Runs", "Spilled")
		if diff := gocmp.Diff(one.Stats(), many.Stats(), stats); diff != "" {
			t.Errorf("seed %d: stats (-one +forks):\n%s", seed, diff)
		}
		if many.Memory == 1 && many.Stats().Runs < 2 {
			t.Errorf("seed %d: nothing was spilled", seed)
		}
		if err := many.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestForkGivenUp: what a fork has added that is closed does not count.
func TestForkGivenUp(t *testing.T) {
	var b pdns.Builder
	b.Add(row("kept.example", pdns.A, "192.0.2.1"))
	fork := b.Fork()
	fork.Add(row("given-up.example", pdns.A, "192.0.2.1"))
	fork.Close()
	names, _ := build(t, &b).LookupAddr(t.Context(), netip.MustParseAddr("192.0.2.1"))
	if !slices.Equal(names, []string{"kept.example"}) || b.Stats().Rows != 1 {
		t.Errorf("%q, %+v", names, b.Stats())
	}
}

// TestBuilderWithout: a Builder that keeps no times, or no CNAME rows, makes the
// Index of records that have none.
func TestBuilderWithout(t *testing.T) {
	for seed := range uint64(40) {
		rng := rand.New(rand.NewPCG(seed, 8))
		recs := randomRecords(rng, rng.IntN(120), 1+rng.IntN(40), 1+rng.IntN(8))
		noTimes, noCNAMEs := seed%2 > 0, seed%4 > 1
		var all, without pdns.Builder
		without.NoTimes, without.NoCNAMEs = noTimes, noCNAMEs
		for _, r := range recs {
			if without.Add(r); !noCNAMEs || r.RRType != pdns.CNAME {
				all.Add(r)
			}
		}
		want, x := dumpIndex(build(t, &all)), build(t, &without)
		if noTimes {
			for _, names := range want {
				for i := range names {
					names[i].First, names[i].Last, names[i].Count = time.Time{}, time.Time{}, 0
				}
			}
		}
		if diff := gocmp.Diff(want, dumpIndex(x)); diff != "" {
			t.Fatalf("seed %d: (-want +got):\n%s", seed, diff)
		}
		if err := x.Verify(t.Context()); err != nil {
			t.Error(err)
		}
		all.Merge(&without) // with times for some of the names
		if err := build(t, &all).Verify(t.Context()); err != nil {
			t.Error(err)
		}
	}
	b := pdns.Builder{NoTimes: true, MaxNames: 2}
	for _, name := range []string{"c.example", "b.example", "c.example", "a.example"} {
		b.Add(row(name, pdns.A, "192.0.2.1"))
	}
	if got, _ := build(t, &b).LookupAddr(t.Context(), netip.MustParseAddr("192.0.2.1")); !slices.Equal(got, []string{"a.example", "b.example"}) {
		t.Errorf("without counts the last names go: %q", got)
	}
}
