package pdns

import (
	"encoding/binary"
	"errors"
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/endoflow/endoflow/internal/dense"
)

// A gathering is what a Builder and its forks gather. Names and addresses have the
// same numbers for all; what is said of them each keeps in a part of its own, so
// that the numbers are all that several goroutines change.
//
// When there is too much, all come together: whoever notices waits, and the others
// notice that. The last one sorts everything and puts it aside.
type gathering struct {
	names, addrs *dict
	bare         *pairSet     // of rows, where neither times nor counts are kept
	edges        *pairSet     // CNAME rows: target, owner
	size         atomic.Int64 // bytes of parts, as far as they have told
	wanted       atomic.Bool  // somebody waits

	mu      sync.Mutex
	changed sync.Cond // of what is below
	members int       // who may add
	waiting int       // of them
	round   int
	parts   []*part
	runs    []run
	aside   atomic.Int64 // bytes of runs in memory
	file    *scratch     // for runs
	files   []*scratch   // of runs that came by Merge
	err     error
}

// A part is what one Builder has gathered.
type part struct {
	asked pairs    // from messages
	rows  pairs    // from rows: addresses with their owners
	edges []uint64 // that are not yet in the set of all, fewer than a batch
	told  int64    // of its size
}

func newGathering() *gathering {
	g := new(gathering)
	g.changed.L = &g.mu
	g.drop()
	return g
}

// join returns the part of another member.
func (g *gathering) join() *part {
	g.mu.Lock()
	defer g.mu.Unlock()
	p := new(part)
	g.parts = append(g.parts, p)
	g.members++
	return p
}

// leave says that a member will not add any more. Its part stays, or goes.
func (g *gathering) leave(p *part, stays bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.members--
	g.changed.Broadcast()
	if !stays {
		g.size.Add(-p.told)
		g.parts = slices.DeleteFunc(g.parts, func(q *part) bool { return p == q })
	}
}

func (p *part) size() int64 {
	return p.asked.size() + p.rows.size()
}

func (p *part) empty() bool {
	return p.asked.list.Len()+p.rows.list.Len() == 0
}

func (p *part) reset() {
	p.asked.reset()
	p.rows.reset()
	p.told = 0
}

// bytes returns what is in use, with what p has now.
func (g *gathering) bytes(p *part) int64 {
	if size := p.size(); size != p.told {
		g.size.Add(size - p.told)
		p.told = size
	}
	return g.size.Load() + g.names.size() + g.addrs.size() + g.bare.size() + g.edges.size() + g.aside.Load()
}

// full reports whether a batch might not find room. Pairs take 16 bytes or more.
func (g *gathering) full() bool {
	return g.names.full() || g.addrs.full() || g.size.Load()+g.bare.size() > slotSize*maxNumbers || g.edges.size() > slotSize*maxNumbers
}

// flush waits for all members to come here, and puts aside what they have.
// b, whose part is told, is one of them.
func (g *gathering) flush(b *Builder) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.waiting++
	g.wanted.Store(true)
	for round := g.round; g.round == round; {
		if g.waiting < g.members {
			g.changed.Wait()
			continue
		}
		if err := g.putAside(b); g.err == nil {
			g.err = err
		}
		g.round++
		g.waiting = 0
		g.wanted.Store(false)
		g.changed.Broadcast()
	}
	return g.err
}

// putAside sorts what there is into a run: in memory, or in a file where b is over
// its limit.
func (g *gathering) putAside(b *Builder) error {
	if g.err != nil {
		return g.err
	}
	for _, p := range g.parts {
		g.edges.addAll(p.edges)
		p.edges = p.edges[:0]
	}
	full := b.Memory > 0 && g.bytes(b.mine) > b.limit()/2
	if g.bare.n.Load()+g.edges.n.Load() > 0 || slices.ContainsFunc(g.parts, func(p *part) bool { return !p.empty() }) {
		var file *scratch
		if full {
			if err := g.needFile(b.Dir); err != nil {
				return err
			}
			file = g.file
		}
		r, err := g.sorted(file)
		if err != nil {
			return err
		}
		g.runs = append(g.runs, r)
		if full {
			b.stats.Runs++
			b.stats.Spilled += r.size()
		} else {
			g.aside.Add(r.size())
		}
	}
	g.size.Store(0)
	if full { // there will be as much again
		g.names.reset()
		g.addrs.reset()
		g.bare.reset()
		g.edges.reset()
		for _, p := range g.parts {
			p.reset()
		}
		return g.spill(b)
	}
	g.drop()
	return nil
}

// drop gives up the memory of what has been put aside.
func (g *gathering) drop() {
	g.names, g.addrs, g.bare, g.edges = newDict(), newDict(), newPairSet(), newPairSet()
	for _, p := range g.parts {
		*p = part{}
	}
}

func (g *gathering) needFile(dir string) (err error) {
	if g.file == nil {
		g.file, err = newScratch(dir)
	}
	return err
}

// spill moves the runs in memory to the file.
func (g *gathering) spill(b *Builder) error {
	for i := range g.runs {
		r := &g.runs[i]
		if r.names.file != nil || r.size() == 0 {
			continue
		}
		if err := g.needFile(b.Dir); err != nil {
			return err
		}
		for _, s := range r.segments() {
			if err := s.moveTo(g.file); err != nil {
				return err
			}
		}
		b.stats.Runs++
		b.stats.Spilled += r.size()
	}
	g.aside.Store(0)
	return nil
}

// take adds the runs of another, which keeps them too.
func (g *gathering) take(other *gathering) {
	g.runs = append(g.runs, other.runs...)
	g.aside.Add(other.aside.Load())
	for _, f := range append(slices.Clone(other.files), other.file) {
		if f != nil && f != g.file && !slices.Contains(g.files, f) {
			f.owners.Add(1)
			g.files = append(g.files, f)
		}
	}
}

func (g *gathering) close() error {
	err := g.file.release()
	for _, f := range g.files {
		err = errors.Join(err, f.release())
	}
	return err
}

// sorted makes a run of what the parts have: in memory, or in a file.
func (g *gathering) sorted(file *scratch) (run, error) {
	r := run{numNames: g.names.len()}
	number, names, err := g.sortedNames(file)
	if err != nil {
		return r, err
	}
	r.names = names
	if file == nil {
		g.names = newDict() // as all goes as soon as it is written
	}

	edges := edgeWriter{segmentWriter: segmentWriter{segment: segment{file: file}}}
	keys := make([]uint64, 0, g.edges.n.Load())
	g.edges.all(func(e uint64) {
		keys = append(keys, uint64(number[e>>32])<<32|uint64(number[uint32(e)]))
	})
	slices.Sort(keys)
	for _, e := range keys {
		edges.add(e)
	}
	r.numEdges = len(keys)
	if r.edges, err = edges.finish(); err != nil {
		return r, err
	}
	keys = nil

	r.pairs, err = g.sortedPairs(file, number)
	return r, err
}

// sortedNames writes the names in order, and returns the place of each in it.
func (g *gathering) sortedNames(file *scratch) (number []uint32, _ segment, err error) {
	order := make([]prefixed, 0, g.names.len())
	g.names.all(func(_, at uint32, _ []byte) { order = append(order, prefixed{n: at}) })
	blocks := *g.names.blocks.Load()
	sortNames(order, func(at uint32) []byte {
		_, text := readText(blocks, at)
		return text
	})
	number = make([]uint32, len(order))
	segments, err := writeInParts(len(order), func(from, to int) (segment, error) {
		w := nameWriter{segmentWriter: segmentWriter{segment: segment{file: file}}}
		// The names are read some at a time, so that the waits for memory overlap.
		var texts [64][]byte
		for ; from < to; from += len(texts) {
			part := order[from:min(from+len(texts), to)]
			for i := range part {
				var n uint32
				n, texts[i] = readText(blocks, part[i].n)
				number[n] = uint32(from + i)
			}
			for _, text := range texts[:len(part)] {
				w.add(text)
			}
		}
		return w.finish()
	})
	return number, segments, err
}

// sortedPairs writes the pairs, in the order of compareHashed and then by name.
func (g *gathering) sortedPairs(file *scratch, number []uint32) (segment, error) {
	keys := make([]dense.Key, g.addrs.len())
	g.addrs.all(func(n, _ uint32, text []byte) { keys[n] = keyOf(text) })
	pairs := g.byAddr(number, len(keys))
	if file == nil {
		g.addrs, g.bare = newDict(), newPairSet()
	}
	order := sortedAddrs(keys)
	return writeInParts(len(order), func(from, to int) (segment, error) {
		w := segmentWriter{segment: segment{file: file}}
		var entries []entry
		for _, a := range order[from:to] {
			of := pairs.of(a)
			if len(of) == 0 {
				continue // it has a number, and no row followed
			}
			entries = pairs.appendEntries(entries[:0], of)
			w.buf = appendPairs(w.buf, keys[a], entries)
			w.end()
		}
		return w.finish()
	})
}

// writeInParts is inParts where each writes a segment. They become one.
func writeInParts(n int, write func(from, to int) (segment, error)) (all segment, err error) {
	var mu sync.Mutex
	parts := make(map[int]segment)
	err = inParts(n, func(from, to int) error {
		s, err := write(from, to)
		mu.Lock()
		defer mu.Unlock()
		parts[from] = s
		return err
	})
	for _, from := range slices.Sorted(maps.Keys(parts)) {
		s := parts[from]
		all.file = s.file
		all.blocks = append(all.blocks, s.blocks...)
		all.size += s.size
	}
	return all, err
}

// sortedAddrs returns the numbers of addresses in the order of compareHashed.
func sortedAddrs(keys []dense.Key) []uint32 {
	items := make([]prefixed, len(keys))
	for n, k := range keys {
		items[n] = prefixed{hashAddr(k), uint32(n)}
	}
	sortPrefixed(items)
	order := make([]uint32, len(keys))
	for i, item := range items {
		order[i] = item.n
		// Hashes that are the same are for who looks for them.
		for at := i; at > 0 && items[at-1].prefix == item.prefix && compareHashed(hashed(keys[order[at-1]]), hashed(keys[order[at]])) > 0; at-- {
			order[at-1], order[at] = order[at], order[at-1]
		}
	}
	return order
}

// groups are the pairs of each address: the number of the name in order, and
// below that the number of the pair among those of all sources, 0 for one of
// which nothing else is known.
type groups struct {
	start   []uint32 // of each address in pairs, and the end of the last
	pairs   []uint64
	sources []*pairs
}

func (g *groups) of(addr uint32) []uint64 { return g.pairs[g.start[addr]:g.start[addr+1]] }

// byAddr groups pairs by their addresses, which have numbers below n.
func (g *gathering) byAddr(number []uint32, n int) groups {
	// Of the pairs of a name, those of rows come first.
	var sources []*pairs
	for _, p := range g.parts {
		sources = append(sources, &p.rows)
	}
	for _, p := range g.parts {
		sources = append(sources, &p.asked)
	}
	each := func(do func(key uint64, ref uint32)) {
		g.bare.all(func(key uint64) { do(key, 0) })
		ref := uint32(1)
		for _, p := range sources {
			for i := range uint32(p.list.Len()) {
				do(p.list.At(i).key, ref)
				ref++
			}
		}
	}
	gr := groups{start: make([]uint32, n+2), sources: sources}
	count := 0
	each(func(key uint64, _ uint32) {
		gr.start[key>>32+2]++
		count++
	})
	for i := 2; i < len(gr.start); i++ {
		gr.start[i] += gr.start[i-1]
	}
	gr.pairs = make([]uint64, count)
	each(func(key uint64, ref uint32) {
		at := &gr.start[key>>32+1]
		gr.pairs[*at] = uint64(number[uint32(key)])<<32 | uint64(ref)
		*at++
	})
	return gr
}

// appendEntries appends the pairs of an address in the order of names, those of
// rows before those of messages.
func (g *groups) appendEntries(entries []entry, of []uint64) []entry {
	slices.Sort(of)
	for _, o := range of {
		e := entry{name: uint32(o >> 32), span: unknown}
		if n := uint32(o); n > 0 {
			n--
			p := g.sources[0]
			for i := 1; n >= uint32(p.list.Len()); i++ {
				n -= uint32(p.list.Len())
				p = g.sources[i]
			}
			e.span = p.list.At(n).span
			if p.evidence.Len() > 0 {
				e.evidence = *p.evidence.At(n)
			}
		}
		if last := len(entries) - 1; last >= 0 && entries[last].name == e.name && (entries[last].evidence == 0) == (e.evidence == 0) {
			entries[last].evidence |= e.evidence
			entries[last].span.merge(e.span)
			continue
		}
		entries = append(entries, e)
	}
	return entries
}

// appendAddr appends the text by which a dict knows an address: 4 or 16 bytes.
func appendAddr(dst []byte, k dense.Key) []byte {
	if is4(k) {
		return binary.BigEndian.AppendUint32(dst, uint32(k.Lo))
	}
	b := k.Bytes()
	return append(dst, b[:]...)
}

// keyOf returns the key of an address from its text.
func keyOf(text []byte) dense.Key {
	if len(text) == 4 {
		return dense.Key{Lo: 0xffff<<32 | uint64(binary.BigEndian.Uint32(text))}
	}
	return dense.KeyOf([16]byte(text))
}
