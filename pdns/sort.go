package pdns

import (
	"cmp"
	"encoding/binary"
	"runtime"
	"slices"
	"sync"
)

// A prefixed is the number of something with what it is sorted by: of a name, with
// eight of its bytes, so that most of a sort touches no name.
type prefixed struct {
	prefix uint64
	n      uint32
}

// sortNames sorts names, which are distinct and printable, by their bytes: by the
// first eight, then those that have these in common by the next eight, and so on.
// Two million host names take a quarter of the time that strings.Compare takes for
// them (BenchmarkSortNames, AMD EPYC, Go 1.26.8). It does so in parallel.
func sortNames(items []prefixed, name func(uint32) []byte) {
	inParts(len(items), func(from, to int) error {
		for i := from; i < to; i++ {
			items[i].prefix = prefixAt(name(items[i].n), 0)
		}
		return nil
	})
	sortParts(items, name, runtime.GOMAXPROCS(0))
}

// sortParts sorts items, whose prefixes are known, by so many goroutines.
func sortParts(items []prefixed, name func(uint32) []byte, n int) {
	if n < 2 || len(items) < 1<<12 {
		sortFrom(items, name, 0)
		return
	}
	sample := make([]uint64, 255)
	for i := range sample {
		sample[i] = items[i*len(items)/len(sample)].prefix
	}
	slices.Sort(sample)
	pivot := sample[n/2*len(sample)/n]
	less := 0
	for i := range items {
		if items[i].prefix < pivot {
			items[i], items[less] = items[less], items[i]
			less++
		}
	}
	var wg sync.WaitGroup
	wg.Go(func() { sortParts(items[:less], name, n/2) })
	sortParts(items[less:], name, n-n/2)
	wg.Wait()
}

// sortFrom sorts names that have the bytes before depth in common, and whose
// prefixes are those from there on.
func sortFrom(items []prefixed, name func(uint32) []byte, depth int) {
	sortPrefixed(items)
	for len(items) > 1 {
		n := 1
		for n < len(items) && items[n].prefix == items[0].prefix {
			n++
		}
		if n > 1 {
			for i := range items[:n] {
				items[i].prefix = prefixAt(name(items[i].n), depth+8)
			}
			sortFrom(items[:n], name, depth+8)
		}
		items = items[n:]
	}
}

// inParts calls each in parallel with parts of the numbers from 0 to n, and
// returns the first error, in their order.
func inParts(n int, each func(from, to int) error) error {
	parts := min(runtime.GOMAXPROCS(0), n/1024+1)
	errs := make([]error, parts)
	var wg sync.WaitGroup
	for i := range parts {
		wg.Go(func() { errs[i] = each(i*n/parts, (i+1)*n/parts) })
	}
	wg.Wait()
	return cmp.Or(errs...)
}

// sortPrefixed sorts by prefix, those with the same in the order in which they
// are: by their numbers, if these ascend. Many are sorted a byte at a time from the
// last; of names, that takes a tenth off the whole.
func sortPrefixed(items []prefixed) {
	if len(items) < 1<<12 {
		slices.SortStableFunc(items, func(a, b prefixed) int { return cmp.Compare(a.prefix, b.prefix) })
		return
	}
	var counts [8][256]int
	for i := range items {
		for b, p := 0, items[i].prefix; b < 8; b, p = b+1, p>>8 {
			counts[b][byte(p)]++
		}
	}
	from, to := items, make([]prefixed, len(items))
	for b := range counts {
		at := &counts[b]
		if at[byte(items[0].prefix>>(8*b))] == len(items) {
			continue // all the same
		}
		sum := 0
		for i, n := range at {
			at[i] = sum
			sum += n
		}
		for i := range from {
			p := &at[byte(from[i].prefix>>(8*b))]
			to[*p] = from[i]
			*p++
		}
		from, to = to, from
	}
	if &from[0] != &items[0] {
		copy(items, from)
	}
}

// prefixAt returns the eight bytes of a name from depth on, zeros for those
// beyond its end, which are in no name.
func prefixAt(name []byte, depth int) uint64 {
	if rest := name[min(depth, len(name)):]; len(rest) >= 8 {
		return binary.BigEndian.Uint64(rest)
	} else {
		var b [8]byte
		copy(b[:], rest)
		return binary.BigEndian.Uint64(b[:])
	}
}
