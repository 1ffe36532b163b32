package pdns

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"math"
	"slices"
)

// A merger makes the image of runs. What it writes does not depend on how the
// records were divided among the runs, nor on where it keeps what it makes on
// the way: in memory, or in a file if there is one.
//
// The names of the runs are merged first, which gives each a number; a run's own
// numbers order as these do, so that the run's other records are in order too
// when its numbers are replaced. Then the rows of each address are gathered from
// all runs, with the names asked for behind them. Only some of the names are
// then those of an address, and these are numbered again, for good.
type merger struct {
	ctx    context.Context
	runs   []run
	limit  int // most names of an address
	memory int64
	dir    string
	file   *scratch // nil: in memory

	edgeFile *scratch // if there is one
	edgeMap  *mapping

	numNames uint64
	names    segment   // of all runs
	ids      []segment // by run: its names' numbers, as differences
	chains   *chains

	records segment // by appendRecord, with the numbers of names that need not be used
	inLines uint64  // bytes of them that will be in lines
	used    bitmap  // names
	header  header
}

// merge writes the image to w.
func (m *merger) merge(w imageWriter) error {
	for _, step := range []func() error{m.mergeNames, m.mergeEdges, m.mergePairs} {
		if err := cmp.Or(m.ctx.Err(), step()); err != nil {
			return err
		}
	}
	return m.write(w)
}

// close gives up what the merger has kept in files.
func (m *merger) close() error {
	var err error
	if m.edgeMap != nil {
		err = m.edgeMap.close()
	}
	return errors.Join(err, m.edgeFile.release(), m.file.release())
}

func (m *merger) segmentWriter() segmentWriter { return segmentWriter{segment: segment{file: m.file}} }

// A source is something to be merged.
type source interface{ next() bool }

// A heap gives out sources in order.
type heap[S source] struct {
	sources []S // the first is the least, and those at 2i+1, 2i+2 are not less than that at i
	compare func(a, b S) int
}

func newHeap[S source](sources []S, compare func(a, b S) int) *heap[S] {
	h := &heap[S]{compare: compare}
	for _, s := range sources {
		if s.next() {
			h.sources = append(h.sources, s)
		}
	}
	for i := len(h.sources)/2 - 1; i >= 0; i-- {
		h.sink(i)
	}
	return h
}

// next makes the first source go on.
func (h *heap[S]) next() {
	if !h.sources[0].next() {
		last := len(h.sources) - 1
		h.sources[0] = h.sources[last]
		h.sources = h.sources[:last]
	}
	h.sink(0)
}

func (h *heap[S]) sink(i int) {
	for {
		least := i
		for _, c := range []int{2*i + 1, 2*i + 2} {
			if c < len(h.sources) && h.compare(h.sources[c], h.sources[least]) < 0 {
				least = c
			}
		}
		if least == i {
			return
		}
		h.sources[i], h.sources[least] = h.sources[least], h.sources[i]
		i = least
	}
}

// A nameSource is the names of a run, with what their numbers become.
type nameSource struct {
	nameReader
	ids  segmentWriter
	last uint64 // written to ids
}

func (m *merger) mergeNames() error {
	if len(m.runs) == 1 {
		m.names, m.numNames = m.runs[0].names, uint64(m.runs[0].numNames)
		return nil
	}
	var sources []*nameSource
	for i := range m.runs {
		sources = append(sources, &nameSource{nameReader: nameReader{segmentReader: segmentReader{segment: m.runs[i].names}}, ids: m.segmentWriter()})
	}
	merged := nameWriter{segmentWriter: m.segmentWriter()}
	h := newHeap(sources, func(a, b *nameSource) int { return bytes.Compare(a.name, b.name) })
	for len(h.sources) > 0 {
		s := h.sources[0]
		if m.numNames == 0 || !bytes.Equal(merged.last, s.name) {
			if m.numNames++; m.numNames%65536 == 0 && m.ctx.Err() != nil {
				return m.ctx.Err()
			}
			merged.add(s.name)
		}
		s.ids.buf = binary.AppendUvarint(s.ids.buf, m.numNames-s.last)
		s.ids.end()
		s.last = m.numNames
		h.next()
	}
	if m.numNames > math.MaxUint32 {
		return errors.New("more than 4,294,967,295 names")
	}
	var err error
	if m.names, err = merged.finish(); err != nil {
		return err
	}
	for _, s := range sources {
		ids, err := s.ids.finish()
		if err = cmp.Or(s.nameReader.err, err); err != nil {
			return err
		}
		m.ids = append(m.ids, ids)
	}
	return m.renumber()
}

// loadIDs returns the numbers of a run's names among all; nil where they are the
// same.
func (m *merger) loadIDs(i int) ([]uint32, error) {
	ids := make([]uint32, 0, m.runs[i].numNames)
	r := segmentReader{segment: m.ids[i]}
	last := uint64(0)
	for r.more() {
		last += r.uvarint()
		ids = append(ids, uint32(last-1))
	}
	return ids, r.err
}

// renumber replaces the runs by some with the numbers of all names where the
// numbers of all runs together would take too much memory.
func (m *merger) renumber() error {
	total := int64(0)
	for i := range m.runs {
		total += 4 * int64(m.runs[i].numNames)
	}
	if m.file == nil || total <= m.memory/8 {
		return nil
	}
	m.runs = slices.Clone(m.runs)
	for i := range m.runs {
		ids, err := m.loadIDs(i)
		if err != nil {
			return err
		}
		r := &m.runs[i]
		pairs, w := pairReader{segmentReader: segmentReader{segment: r.pairs}, ids: ids}, m.segmentWriter()
		for pairs.next() {
			w.buf = appendPairs(w.buf, pairs.addr, pairs.entries)
			w.end()
		}
		if r.pairs, err = w.finish(); cmp.Or(pairs.err, err) != nil {
			return cmp.Or(pairs.err, err)
		}
		edges, we := edgeReader{segmentReader: segmentReader{segment: r.edges}, ids: ids}, edgeWriter{segmentWriter: m.segmentWriter()}
		for edges.next() {
			we.add(edges.edge)
		}
		if r.edges, err = we.finish(); cmp.Or(edges.err, err) != nil {
			return cmp.Or(edges.err, err)
		}
		if err := m.ctx.Err(); err != nil {
			return err
		}
	}
	m.ids = nil
	return nil
}

// allIDs returns the numbers for each run.
func (m *merger) allIDs() ([][]uint32, error) {
	ids := make([][]uint32, len(m.runs))
	for i := range m.ids {
		var err error
		if ids[i], err = m.loadIDs(i); err != nil {
			return nil, err
		}
	}
	return ids, nil
}

func (m *merger) mergeEdges() error {
	ids, err := m.allIDs()
	if err != nil {
		return err
	}
	var sources []*edgeReader
	total := 0
	for i := range m.runs {
		sources = append(sources, &edgeReader{segmentReader: segmentReader{segment: m.runs[i].edges}, ids: ids[i]})
		total += m.runs[i].numEdges
	}
	inMemory := m.file == nil || int64(total)*edgeBytes <= m.memory/8
	var edges []byte
	if inMemory {
		edges = make([]byte, 0, total*edgeBytes)
	} else if m.edgeFile, err = newScratch(m.dir); err != nil {
		return err
	}
	h := newHeap(sources, func(a, b *edgeReader) int { return cmp.Compare(a.edge, b.edge) })
	last := uint64(math.MaxUint64) // no edge: a name leads to another
	for n := 0; len(h.sources) > 0; n++ {
		if n%65536 == 0 && m.ctx.Err() != nil {
			return m.ctx.Err()
		}
		if e := h.sources[0].edge; e != last {
			edges = binary.LittleEndian.AppendUint32(edges, uint32(e>>32))
			edges = binary.LittleEndian.AppendUint32(edges, uint32(e))
			last = e
		}
		if !inMemory && len(edges) >= blockBytes {
			if _, err := m.edgeFile.append(edges); err != nil {
				return err
			}
			edges = edges[:0]
		}
		h.next()
	}
	for _, s := range sources {
		if s.err != nil {
			return s.err
		}
	}
	if !inMemory {
		if _, err := m.edgeFile.append(edges); err != nil {
			return err
		}
		if m.edgeMap, err = mapFile(m.edgeFile.f, int(m.edgeFile.size.Load())); err != nil {
			return err
		}
		edges = m.edgeMap.data
	}
	m.chains = newChains(newEdgeTable(edges, int(m.numNames)), m.limit)
	return nil
}

func (m *merger) mergePairs() error {
	ids, err := m.allIDs()
	if err != nil {
		return err
	}
	var sources []*pairReader
	for i := range m.runs {
		sources = append(sources, &pairReader{segmentReader: segmentReader{segment: m.runs[i].pairs}, ids: ids[i]})
	}
	m.used = newBitmap(int(m.numNames))
	records := m.segmentWriter()
	h := newHeap(sources, func(a, b *pairReader) int { return compareHashed(a.hashedAddr, b.hashedAddr) })
	var gathered, entries []entry
	var room []byte
	for len(h.sources) > 0 {
		if m.header.records%4096 == 0 && m.ctx.Err() != nil {
			return m.ctx.Err()
		}
		addr := h.sources[0].addr
		gathered = append(gathered[:0], h.sources[0].entries...)
		for h.next(); len(h.sources) > 0 && h.sources[0].addr == addr; h.next() {
			gathered = append(gathered, h.sources[0].entries...)
		}
		entries = m.resolve(entries[:0], gathered)
		for i := range entries {
			m.used.set(entries[i].name)
		}
		records.buf, room = appendRecord(records.buf, addr, entries, room)
		if size := 1 + len(room); size <= maxInLine {
			m.inLines += uint64(size)
		} else {
			m.inLines += uint64(1 + restOf(room) + 5)
		}
		records.end()
		m.header.records++
	}
	for _, s := range sources {
		if s.err != nil {
			return s.err
		}
	}
	if m.records, err = records.finish(); err != nil {
		return err
	}
	if m.records.size > maxMore {
		return errors.New("more than 1 TiB of names of addresses")
	}
	return nil
}

// resolve appends the entries of an address for the Index, in its order, made of
// those of the runs. It counts what is over the limit.
func (m *merger) resolve(entries, gathered []entry) []entry {
	sortEntries(gathered)
	for i := 0; i < len(gathered); {
		e := gathered[i]
		for i++; i < len(gathered) && gathered[i].name == e.name && (gathered[i].evidence == 0) == (e.evidence == 0); i++ {
			e.evidence |= gathered[i].evidence
			e.span.merge(gathered[i].span)
		}
		if e.evidence != 0 {
			entries = append(entries, e)
			continue
		}
		f := m.chains.roots(e.name)
		m.header.stats[0].Dropped += f.over
		if e.evidence = Owned; len(f.roots) == 0 {
			e.evidence = Asked
		}
		entries = append(entries, e)
		e.evidence = ViaCNAME
		for _, root := range f.roots {
			e.name = root
			entries = append(entries, e)
		}
	}
	entries = mergeEntries(entries)
	if over := len(entries) - m.limit; over > 0 {
		m.header.stats[0].Dropped += over
		slices.SortFunc(entries, func(e, f entry) int {
			return cmp.Or(cmp.Compare(f.span.count, e.span.count), cmp.Compare(e.name, f.name))
		})
		entries = entries[:m.limit]
	}
	slices.SortFunc(entries, func(e, f entry) int {
		return cmp.Or(e.evidence.group()-f.evidence.group(), cmp.Compare(e.name, f.name))
	})
	var n [3]int
	for i := range entries {
		n[entries[i].evidence.group()]++
	}
	for mode, pairs := range [2]int{n[0] + n[1], n[1] + n[2]} {
		if pairs > 0 {
			m.header.stats[mode].Addresses++
			m.header.stats[mode].Pairs += pairs
		}
	}
	return entries
}

// sortEntries orders entries by name, those of messages before those of rows.
func sortEntries(entries []entry) {
	slices.SortFunc(entries, func(e, f entry) int {
		return cmp.Or(cmp.Compare(e.name, f.name), cmp.Compare(f.evidence, e.evidence))
	})
}

// mergeEntries makes one entry of those with the same name.
func mergeEntries(entries []entry) []entry {
	slices.SortFunc(entries, func(e, f entry) int { return cmp.Compare(e.name, f.name) })
	merged := entries[:0]
	for _, e := range entries {
		if n := len(merged); n > 0 && merged[n-1].name == e.name {
			merged[n-1].evidence |= e.evidence
			merged[n-1].span.merge(e.span)
			continue
		}
		merged = append(merged, e)
	}
	return merged
}
