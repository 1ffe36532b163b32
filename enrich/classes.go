package enrich

import (
	"context"
	"math"
	"net/netip"
	"slices"
	"sync"

	"github.com/endoflow/endoflow/internal/dense"
)

// A NumberedResolver is a Resolver whose names have numbers, from 0, in the order
// of the names' bytes: a join handles no text then but that of what it yields. A
// pdns.Index is one. It must be safe for concurrent use.
type NumberedResolver interface {
	Resolver

	// AppendNameIDs appends the numbers of the names of an address, each once,
	// in any order.
	AppendNameIDs(ids []uint32, addr netip.Addr) []uint32

	// NameOf returns the name with a number, which is below NumNames.
	NameOf(id uint32) string
	NumNames() int
}

// classes are the names of addresses, those with equal sets of addresses in one
// class. The first classes are shared ones, of several addresses each; the others
// are of one address, which has at most one such class: the names that lead to
// no other.
//
// All is in numbers: of addresses in their order, of names in that of their
// bytes, of shared classes in that of their first address, so that what is known
// of the classes of one address, or of a few in a row, lies together.
type classes struct {
	nameOf   func(id uint32) string
	numNames int

	count     []uint32 // of names, by address
	private   []uint32 // number of the address's own class plus one, by address
	numShared int

	// Each chunk of addresses has a slice of items: the names of one address
	// after the other, and in the end their shared classes. Those of an address
	// end at its place in itemsEnd, and begin where those of the last one end.
	items    [][]uint32
	itemsEnd []uint32

	// The names of a class, sorted, begin in names at its place in nameStart, and
	// end where those of the next class begin.
	nameStart, names []uint32
}

// chunk is how many addresses have their items in one slice.
const chunk = 4096

// newClasses looks up the names of addresses, which are sorted.
func newClasses(ctx context.Context, r Resolver, addrs []dense.Key, workers int) (*classes, error) {
	cs := &classes{
		count: make([]uint32, len(addrs)), private: make([]uint32, len(addrs)),
		items: make([][]uint32, (len(addrs)+chunk-1)/chunk), itemsEnd: make([]uint32, len(addrs)),
	}
	if err := cs.lookUp(ctx, r, addrs, workers); err != nil {
		return nil, err
	}
	classOf, sets := cs.partition()
	cs.number(classOf, sets)
	return cs, ctx.Err()
}

// lookUp makes the items the names of the addresses.
func (cs *classes) lookUp(ctx context.Context, r Resolver, addrs []dense.Key, workers int) error {
	numbered, ok := r.(NumberedResolver)
	if !ok {
		return cs.lookUpTexts(ctx, r, addrs)
	}
	cs.nameOf, cs.numNames = numbered.NameOf, numbered.NumNames()
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			var ids []uint32
			for i := w; i < len(cs.items) && ctx.Err() == nil; i += workers {
				ids = ids[:0]
				for a := i * chunk; a < min(len(addrs), (i+1)*chunk); a++ {
					before := len(ids)
					ids = numbered.AppendNameIDs(ids, addrs[a].Addr())
					cs.count[a], cs.itemsEnd[a] = uint32(len(ids)-before), uint32(len(ids))
				}
				cs.items[i] = slices.Clone(ids)
			}
		})
	}
	wg.Wait()
	return ctx.Err()
}

// lookUpTexts numbers the names of a Resolver that does not.
func (cs *classes) lookUpTexts(ctx context.Context, r Resolver, addrs []dense.Key) error {
	var names dictionary
	for a, addr := range addrs {
		if a%256 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		found, err := r.LookupAddr(ctx, addr.Addr())
		if err != nil {
			return err
		}
		ids := &cs.items[a/chunk]
		before := len(*ids)
		for _, name := range found {
			*ids = append(*ids, names.id(name))
		}
		slices.Sort((*ids)[before:])
		*ids = append((*ids)[:before], slices.Compact((*ids)[before:])...) // a Resolver may repeat itself
		cs.count[a], cs.itemsEnd[a] = uint32(len(*ids)-before), uint32(len(*ids))
	}
	order, place := names.sorted()
	for _, ids := range cs.items {
		for i := range ids {
			ids[i] = place[ids[i]]
		}
	}
	cs.nameOf = func(id uint32) string { return names.Text(order[id]) }
	cs.numNames = len(order)
	return nil
}

// walk goes through the addresses and puts what f appends in the place of their
// items; it must not be more.
func (cs *classes) walk(f func(addr uint32, items, to []uint32) []uint32) {
	for i, items := range cs.items {
		from, to := uint32(0), items[:0]
		for a := i * chunk; a < min(len(cs.itemsEnd), (i+1)*chunk); a++ {
			end := cs.itemsEnd[a]
			to = f(uint32(a), items[from:end], to)
			from, cs.itemsEnd[a] = end, uint32(len(to))
		}
		cs.items[i] = to
	}
}

// A nameSet is what is known of a class that has no number yet.
type nameSet struct {
	names uint32 // how many
	mark  uint32
}

// partition puts names into classes: all into one at first, and then, by one
// address after the other, those of each class that are there apart from those
// that are not. What stays together is on the same addresses. It returns the class
// of each name, 0 if it has no address, and the classes.
func (cs *classes) partition() (classOf []uint32, sets []nameSet) {
	classOf = make([]uint32, cs.numNames)
	sets = make([]nameSet, 1, 1+cs.numNames)
	var met []uint32
	cs.walk(func(_ uint32, names, to []uint32) []uint32 {
		met = met[:0]
		for _, name := range names {
			s := &sets[classOf[name]]
			if s.mark == 0 {
				met = append(met, classOf[name])
			}
			s.mark++ // how many are here
		}
		for _, class := range met {
			s := &sets[class]
			here := s.mark
			s.mark = class // from now on, which class they are in
			if class == 0 || here < s.names {
				s.mark = uint32(len(sets))
				s.names -= here
				sets = append(sets, nameSet{names: here})
			}
		}
		for _, name := range names {
			classOf[name] = sets[classOf[name]].mark
		}
		for _, class := range met {
			sets[class].mark = 0
		}
		return append(to, names...)
	})
	return classOf, sets
}

// number gives classes their numbers, and makes the items shared classes.
func (cs *classes) number(classOf []uint32, sets []nameSet) {
	// First they become classes without a number. A class's mark is its last
	// address so far, plus one, and the last of all in the end.
	cs.walk(func(addr uint32, names, to []uint32) []uint32 {
		for _, name := range names {
			class := classOf[name]
			if s := &sets[class]; s.mark != addr+1 {
				s.mark = addr + 1
				to = append(to, class)
			}
		}
		return to
	})
	const isShared, isPrivate = 0, math.MaxUint32 // marks of classes that have been met, and have a number or an address in the place of names
	cs.nameStart = make([]uint32, len(sets))
	cs.walk(func(addr uint32, classes, to []uint32) []uint32 {
		before := len(to)
		for _, class := range classes {
			switch s := &sets[class]; s.mark {
			case isShared:
				to = append(to, s.names)
			case addr + 1: // the first address is the last
				cs.private[addr] = s.names
				*s = nameSet{addr, isPrivate}
			default:
				to = append(to, uint32(cs.numShared))
				cs.nameStart[cs.numShared+1] = s.names
				*s = nameSet{uint32(cs.numShared), isShared}
				cs.numShared++
			}
		}
		slices.Sort(to[before:])
		return to
	})
	for i, classes := range cs.items {
		if 2*len(classes) < cap(classes) {
			cs.items[i] = slices.Clone(classes)
		}
	}
	next := uint32(cs.numShared)
	for a, names := range cs.private {
		if names > 0 {
			next++
			cs.nameStart[next], cs.private[a] = names, next
		}
	}
	accumulate(cs.nameStart)
	cs.names = make([]uint32, cs.nameStart[next])
	for name, class := range classOf {
		if class == 0 {
			continue
		}
		s := &sets[class]
		number := s.names
		if s.mark == isPrivate {
			number = cs.private[s.names] - 1
		}
		at := &cs.nameStart[number]
		cs.names[*at] = uint32(name)
		*at++ // at last, where those of the next class begin
	}
	copy(cs.nameStart[1:], cs.nameStart)
	cs.nameStart[0] = 0
}

// places returns where the items of an address begin and end in its chunk.
func (cs *classes) places(addr uint32) (from, end uint32) {
	if addr%chunk > 0 {
		from = cs.itemsEnd[addr-1]
	}
	return from, cs.itemsEnd[addr]
}

// namesOf returns the names of a class.
func (cs *classes) namesOf(class uint32) []uint32 {
	return cs.names[cs.nameStart[class]:cs.nameStart[class+1]]
}

// numNamesOf returns how many names a class has.
func (cs *classes) numNamesOf(class uint32) int {
	return int(cs.nameStart[class+1] - cs.nameStart[class])
}
