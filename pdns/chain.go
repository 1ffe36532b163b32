package pdns

import (
	"slices"
	"strings"
)

// maxChain is how many CNAME records a chain is walked back. Chains of 9 are
// known in use (NLnetLabs/unbound issue 438); Knot Resolver follows 13.
const maxChain = 16

// chains finds the names asked for behind the owner of an address row, by
// walking CNAME rows backwards.
type chains struct {
	names   []string
	sources groups // of each name as a target: the edges that point to it
	edges   []uint64
	limit   int // most names met on a walk

	seen  []uint32 // per name, the last walk that met it
	walk  uint32
	known map[uint32]found
}

// found is the result of a walk: the names asked for, and how many names were
// left out by the limit, at least.
type found struct {
	roots []uint32
	over  int
}

// newChains takes edges of the form target<<32 | source.
func newChains(edges []uint64, names []string, limit int) *chains {
	return &chains{
		names: names, edges: edges, limit: limit,
		sources: groupByUpper(edges, len(names)),
		seen:    make([]uint32, len(names)),
		known:   make(map[uint32]found),
	}
}

// isTarget reports whether a CNAME row points to a name.
func (c *chains) isTarget(name uint32) bool { return len(c.sources.of(name)) > 0 }

// roots returns the names that lead to owner and to which no CNAME row points;
// owner itself where there are none: it is no target, or in a pure loop, or
// every chain to it is longer than maxChain.
//
// The limit must not make the answer depend on the order of the input: of each
// step's names the alphabetically first are taken.
func (c *chains) roots(owner uint32) found {
	if !c.isTarget(owner) {
		return found{roots: []uint32{owner}}
	}
	if f, ok := c.known[owner]; ok {
		return f
	}
	var f found
	c.walk++
	c.seen[owner] = c.walk
	room := c.limit
	step, next := []uint32{owner}, []uint32(nil)
	for range maxChain {
		if len(step) == 0 {
			break
		}
		next = next[:0]
		for _, target := range step {
			for _, e := range c.sources.of(target) {
				source := uint32(c.edges[e])
				if c.seen[source] != c.walk {
					c.seen[source] = c.walk
					next = append(next, source)
				}
			}
		}
		if len(next) > room {
			slices.SortFunc(next, func(a, b uint32) int { return strings.Compare(c.names[a], c.names[b]) })
			f.over += len(next) - room
			next = next[:room]
		}
		room -= len(next)
		for _, name := range next {
			if !c.isTarget(name) {
				f.roots = append(f.roots, name)
			}
		}
		step, next = next, step
	}
	if len(f.roots) == 0 {
		f.roots = []uint32{owner}
	}
	c.known[owner] = f
	return f
}

// groups are the places of keys, grouped by the keys' upper halves.
type groups struct {
	start  []uint32 // of each group in places, and the end of the last
	places []uint32
}

// groupByUpper groups keys whose upper halves are below n.
func groupByUpper(keys []uint64, n int) groups {
	g := groups{start: make([]uint32, n+2), places: make([]uint32, len(keys))}
	for _, k := range keys {
		g.start[k>>32+2]++
	}
	for i := 2; i < len(g.start); i++ {
		g.start[i] += g.start[i-1]
	}
	for i, k := range keys {
		at := &g.start[k>>32+1]
		g.places[*at] = uint32(i)
		*at++
	}
	return g
}

func (g groups) of(n uint32) []uint32 { return g.places[g.start[n]:g.start[n+1]] }
