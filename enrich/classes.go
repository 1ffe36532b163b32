package enrich

import (
	"context"
	"errors"
	"math"
	"math/bits"
	"math/rand/v2"
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
// bytes. A field that is two slices has in the first where the values of each
// number begin in the second, and the end.
type classes struct {
	nameOf   func(id uint32) string
	numNames int

	count                    []uint32 // of names, by address
	private                  []uint32 // number of the address's own class plus one, by address
	numShared                int
	sharedStart, sharedItems []uint32 // shared classes, by address
	nameStart, nameItems     []uint32 // names, by class, sorted
}

// newClasses looks up the names of addresses, which are sorted.
func newClasses(ctx context.Context, r Resolver, addrs []dense.Key, workers int) (*classes, error) {
	cs := &classes{count: make([]uint32, len(addrs))}
	pairs, err := cs.lookUp(ctx, r, addrs, workers)
	if err != nil {
		return nil, err
	}
	start, items, err := invert(pairs, cs.count, cs.numNames)
	if err != nil {
		return nil, err
	}
	cs.partition(start, items)
	return cs, ctx.Err()
}

// chunk is how many addresses are looked up at a time.
const chunk = 4096

// lookUp returns the names of the addresses, those of each chunk in a slice.
func (cs *classes) lookUp(ctx context.Context, r Resolver, addrs []dense.Key, workers int) ([][]uint32, error) {
	pairs := make([][]uint32, (len(addrs)+chunk-1)/chunk)
	numbered, ok := r.(NumberedResolver)
	if !ok {
		return pairs, cs.lookUpTexts(ctx, r, addrs, pairs)
	}
	cs.nameOf, cs.numNames = numbered.NameOf, numbered.NumNames()
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			var ids []uint32
			for i := w; i < len(pairs) && ctx.Err() == nil; i += workers {
				ids = ids[:0]
				for a := i * chunk; a < min(len(addrs), (i+1)*chunk); a++ {
					before := len(ids)
					ids = numbered.AppendNameIDs(ids, addrs[a].Addr())
					cs.count[a] = uint32(len(ids) - before)
				}
				pairs[i] = slices.Clone(ids)
			}
		})
	}
	wg.Wait()
	return pairs, ctx.Err()
}

// lookUpTexts numbers the names of a Resolver that does not.
func (cs *classes) lookUpTexts(ctx context.Context, r Resolver, addrs []dense.Key, pairs [][]uint32) error {
	var names dictionary
	for a, addr := range addrs {
		if a%256 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		found, err := r.LookupAddr(ctx, addr.Addr())
		if err != nil {
			return err
		}
		of := &pairs[a/chunk]
		before := len(*of)
		for _, name := range found {
			*of = append(*of, names.id(name))
		}
		slices.Sort((*of)[before:])
		*of = append((*of)[:before], slices.Compact((*of)[before:])...) // a Resolver may repeat itself
		cs.count[a] = uint32(len(*of) - before)
	}
	order, place := names.sorted()
	for _, ids := range pairs {
		for i := range ids {
			ids[i] = place[ids[i]]
		}
	}
	cs.nameOf = func(id uint32) string { return names.Text(order[id]) }
	cs.numNames = len(order)
	return nil
}

// invert returns the addresses of each name, in order.
func invert(pairs [][]uint32, count []uint32, numNames int) (start, items []uint32, err error) {
	start = make([]uint32, numNames+1)
	n := 0
	for _, ids := range pairs {
		n += len(ids)
		for _, id := range ids {
			start[id+1]++
		}
	}
	if n > math.MaxUint32 {
		return nil, nil, errors.New("enrich: more than 4,294,967,295 pairs of address and name")
	}
	accumulate(start)
	items = make([]uint32, n)
	for i, ids := range pairs {
		for a := i * chunk; len(ids) > 0; a++ {
			for _, id := range ids[:count[a]] {
				items[start[id]] = uint32(a)
				start[id]++ // at last, where those of the next name begin
			}
			ids = ids[count[a]:]
		}
		pairs[i] = nil
	}
	copy(start[1:], start)
	start[0] = 0
	return start, items, nil
}

// partition puts names with equal lists of addresses into classes. Lists are
// compared where their hashes are equal, so that nothing depends on these.
func (cs *classes) partition(start, items []uint32) {
	addrsOf := func(name uint32) []uint32 { return items[start[name]:start[name+1]] }
	var byHash dense.Table
	var first, classOf []uint32 // the first name of each shared class; the classes of their names, in order
	seed := rand.Uint64()
	cs.private = make([]uint32, len(cs.count))
	for name := range uint32(cs.numNames) {
		list := addrsOf(name)
		switch len(list) {
		case 0:
			continue
		case 1:
			cs.private[list[0]] = 1 // for the moment
			continue
		}
		key := dense.Key{Hi: hashOf(list, seed), Lo: uint64(len(list)) << 32}
		for {
			class, isNew := byHash.Add(key)
			if isNew {
				first = append(first, name)
			}
			if isNew || slices.Equal(addrsOf(first[class]), list) {
				classOf = append(classOf, class)
				break
			}
			key.Lo++ // another list with this hash
		}
	}
	byHash = dense.Table{}

	// Classes are numbered by their first address, so that what is known of the
	// classes of one address, or of a few in a row, lies together.
	_, byAddr := group(len(cs.count), func(put func(at, item uint32)) {
		for class, name := range first {
			put(addrsOf(name)[0], uint32(class))
		}
	})
	number := make([]uint32, len(first))
	for i, class := range byAddr {
		number[class] = uint32(i)
	}
	cs.numShared = len(first)
	numClasses := uint32(cs.numShared)
	for a := range cs.private {
		if cs.private[a] != 0 {
			numClasses++
			cs.private[a] = numClasses
		}
	}
	cs.sharedStart, cs.sharedItems = group(len(cs.count), func(put func(at, item uint32)) {
		for class, name := range first {
			for _, a := range addrsOf(name) {
				put(a, number[class])
			}
		}
	})
	cs.nameStart, cs.nameItems = group(int(numClasses), func(put func(at, item uint32)) {
		i := 0
		for name := range uint32(cs.numNames) {
			switch list := addrsOf(name); len(list) {
			case 0:
			case 1:
				put(cs.private[list[0]]-1, name)
			default:
				put(number[classOf[i]], name)
				i++
			}
		}
	})
}

// hashOf returns a hash of a list of addresses.
func hashOf(list []uint32, seed uint64) uint64 {
	h := seed
	for _, a := range list {
		hi, lo := bits.Mul64(h^uint64(a), 0x9e3779b97f4a7c15)
		h = hi ^ lo ^ seed
	}
	return h
}

// group returns items by a number below n, those of each in the order in which
// all puts them. It calls all twice.
func group(n int, all func(put func(at, item uint32))) (start, items []uint32) {
	start = make([]uint32, n+1)
	all(func(at, _ uint32) { start[at+1]++ })
	accumulate(start)
	items = make([]uint32, start[n])
	all(func(at, item uint32) {
		items[start[at]] = item
		start[at]++ // at last, where those of the next number begin
	})
	copy(start[1:], start)
	start[0] = 0
	return start, items
}

// shared returns the shared classes of an address.
func (cs *classes) shared(addr uint32) []uint32 {
	return cs.sharedItems[cs.sharedStart[addr]:cs.sharedStart[addr+1]]
}

// names returns the names of a class.
func (cs *classes) names(class uint32) []uint32 {
	return cs.nameItems[cs.nameStart[class]:cs.nameStart[class+1]]
}
