package pdns

import (
	"errors"
	"math"
	"math/bits"
	"net/netip"

	"github.com/bits-and-blooms/bloom/v3"
	"github.com/endoflow/endoflow/internal/dense"
)

// A Filter is a set of addresses that answers approximately, in about 10 bits
// an address at a rate of 1 %: a Bloom filter (Bloom, CACM 13(7), 1970).
//
// It errs on one side only. An address that was added is always reported, since
// nothing ever clears the bits that adding it has set; one that was not may be
// reported too, when other addresses happen to have set all of its bits. That
// is the side on which thinning DNS rows may err: a row too many costs memory,
// a row too few would cost a name.
//
// Adding is for one goroutine. A Filter to which nothing is added any more is
// safe for concurrent use.
type Filter struct {
	bits *bloom.BloomFilter
	k    uint
}

// The rates that NewFilter goes to.
const (
	minRate = 1e-9
	maxRate = 0.5
)

// NewFilter returns an empty Filter that reports other addresses at the given
// rate once n distinct addresses have been added. n is the true number of
// distinct addresses, counted beforehand: with twice as many, a rate of 1 %
// becomes 16 %. A rate outside of 1e-9 to 0.5 is taken as the nearer of the two.
func NewFilter(n uint, rate float64) *Filter {
	if !(rate >= minRate) {
		rate = minRate
	}
	rate = min(rate, maxRate)
	// The number of hashes is a whole one and the size is made to fit it; the
	// library's EstimateParameters does it the other way round, and gives 0.56
	// for a rate of 0.5.
	k := math.Round(-math.Log2(rate))
	m := math.Ceil(-k * float64(max(n, 1)) / math.Log(1-math.Pow(rate, 1/k)))
	return &Filter{bits: bloom.New(uint(m), uint(k)), k: uint(k)}
}

// Add adds an address. One that is not valid is not added.
func (f *Filter) Add(addr netip.Addr) {
	if !addr.IsValid() {
		return
	}
	x, y := hashes(dense.AddrKey(addr))
	set, m := f.bits.BitSet(), uint64(f.bits.Cap())
	for i := range uint64(f.k) {
		set.Set(uint(placeOf(x, m)))
		x += y
		y += i
	}
}

// MayContain reports whether an address may have been added; false says that it
// was not. An IPv4 address and the same mapped into IPv6 are one, and a zone
// makes no difference. It does not allocate.
func (f *Filter) MayContain(addr netip.Addr) bool {
	if !addr.IsValid() {
		return false
	}
	// As the library's TestLocations, but without a division, and the next place
	// is made only if it is asked for: of an address that was not added, two of
	// seven are.
	x, y := hashes(dense.AddrKey(addr))
	return f.has(x, y, 0)
}

// has reports whether the bits are set for hashes as they are at the place with a
// number, and from there on.
func (f *Filter) has(x, y, from uint64) bool {
	words, m := f.bits.BitSet().Words(), uint64(f.bits.Cap())
	for i := from; i < uint64(f.k); i++ {
		if l := placeOf(x, m); words[l/64]>>(l%64)&1 == 0 {
			return false
		}
		x += y
		y += i
	}
	return true
}

// mayContainAll sets may[i] to whether keys[i] may have been added, of a batch at
// most. The first bit of all is fetched before any is looked at, so that the waits
// for memory overlap.
func (f *Filter) mayContainAll(may *[dense.Batch]bool, keys []dense.Key) {
	var xs, ys, first [dense.Batch]uint64
	words, m := f.bits.BitSet().Words(), uint64(f.bits.Cap())
	for i, key := range keys {
		xs[i], ys[i] = hashes(key)
		l := placeOf(xs[i], m)
		first[i] = words[l/64] >> (l % 64) & 1
	}
	for i := range keys {
		may[i] = first[i] > 0 && f.has(xs[i]+ys[i], ys[i], 1)
	}
}

// Merge adds the addresses of other, which must have been made with the same
// arguments and is left as it is.
func (f *Filter) Merge(other *Filter) error {
	if f.bits.Cap() != other.bits.Cap() || f.k != other.k {
		return errors.New("filters of different sizes or rates")
	}
	return f.bits.Merge(other.bits)
}

// hashes returns two hashes of an address, of which the places of its bits are
// made by enhanced double hashing (Dillinger and Manolios, FMCAD 2004). Hashing
// the 16 bytes here rather than with the library's Test takes a quarter off a
// test.
func hashes(k dense.Key) (x, y uint64) {
	x = mix(k.Hi^0x9e3779b97f4a7c15, k.Lo^0xbf58476d1ce4e5b9)
	return x, mix(k.Lo^0x94d049bb133111eb, x^0xd6e8feb86659fd93)
}

// mix folds the product of two words, as wyhash does.
func mix(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	return hi ^ lo
}
