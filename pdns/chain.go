package pdns

import (
	"encoding/binary"
	"slices"
	"sort"
)

// maxChain is how many CNAME records a chain is walked back. Chains of 9 are
// known in use (NLnetLabs/unbound issue 438); Knot Resolver follows 13.
const maxChain = 16

// An edgeTable has CNAME rows by their targets. Names are numbers, in order.
type edgeTable struct {
	edges   []byte // target, owner: 4 bytes each; in order
	targets bitmap
	start   []uint64 // of the edges whose target>>shift is the place, and the end
	shift   uint
}

const edgeBytes = 8

// newEdgeTable returns the table of edges of so many names.
func newEdgeTable(edges []byte, names int) *edgeTable {
	t := &edgeTable{edges: edges, targets: newBitmap(names)}
	for names>>t.shift > len(edges)/edgeBytes/4+1 {
		t.shift++
	}
	t.start = make([]uint64, names>>t.shift+2)
	for at := 0; at < len(edges); at += edgeBytes {
		target := binary.LittleEndian.Uint32(edges[at:])
		t.targets.set(target)
		t.start[target>>t.shift+1] = uint64(at + edgeBytes)
	}
	for i := 1; i < len(t.start); i++ {
		t.start[i] = max(t.start[i], t.start[i-1])
	}
	return t
}

// appendOwners appends the owners of the CNAME rows to a target, in order.
func (t *edgeTable) appendOwners(owners []uint32, target uint32) []uint32 {
	if !t.targets.has(target) {
		return owners
	}
	edges := t.edges[t.start[target>>t.shift]:t.start[target>>t.shift+1]]
	first := sort.Search(len(edges)/edgeBytes, func(i int) bool {
		return binary.LittleEndian.Uint32(edges[i*edgeBytes:]) >= target
	})
	for edges = edges[first*edgeBytes:]; len(edges) > 0 && binary.LittleEndian.Uint32(edges) == target; edges = edges[edgeBytes:] {
		owners = append(owners, binary.LittleEndian.Uint32(edges[4:]))
	}
	return owners
}

// chains finds the names asked for behind the owner of an address row, by
// walking CNAME rows backwards.
type chains struct {
	*edgeTable
	limit int // most names met on a walk

	known     map[uint32]found
	knownSize int
}

// maxKnown is how many names the remembered walks may have found.
const maxKnown = 1 << 20

// found is the result of a walk: the names asked for, and how many names were
// left out by the limit, at least.
type found struct {
	roots []uint32
	over  int
}

func newChains(edges *edgeTable, limit int) *chains {
	return &chains{edgeTable: edges, limit: limit, known: make(map[uint32]found)}
}

// roots returns the names that lead to owner and to which no CNAME row points;
// none where there are no such names: owner is no target, or in a pure loop, or
// every chain to it is longer than maxChain.
//
// The limit must not make the answer depend on the order of the input: of each
// step's names the alphabetically first are taken.
func (c *chains) roots(owner uint32) found {
	if !c.targets.has(owner) {
		return found{}
	}
	if f, ok := c.known[owner]; ok {
		return f
	}
	var f found
	seen := map[uint32]struct{}{owner: {}}
	room := c.limit
	step, next, owners := []uint32{owner}, []uint32(nil), []uint32(nil)
	for range maxChain {
		if len(step) == 0 {
			break
		}
		next = next[:0]
		for _, target := range step {
			owners = c.appendOwners(owners[:0], target)
			for _, o := range owners {
				if _, met := seen[o]; !met {
					seen[o] = struct{}{}
					next = append(next, o)
				}
			}
		}
		if len(next) > room {
			slices.Sort(next)
			f.over += len(next) - room
			next = next[:room]
		}
		room -= len(next)
		for _, name := range next {
			if !c.targets.has(name) {
				f.roots = append(f.roots, name)
			}
		}
		step, next = next, step
	}
	if c.knownSize += len(f.roots) + 1; c.knownSize > maxKnown {
		clear(c.known)
		c.knownSize = len(f.roots) + 1
	}
	c.known[owner] = f
	return f
}

// A bitmap is a set of names.
type bitmap []uint64

func newBitmap(n int) bitmap       { return make(bitmap, (n+63)/64) }
func (b bitmap) set(n uint32)      { b[n/64] |= 1 << (n % 64) }
func (b bitmap) has(n uint32) bool { return b[n/64]>>(n%64)&1 > 0 }
