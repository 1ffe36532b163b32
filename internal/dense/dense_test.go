package dense_test

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"

	"github.com/endoflow/endoflow/internal/dense"
)

// check runs one list of keys through a table and its model, a map.
func check(t *testing.T, keys []dense.Key, table *dense.Table) {
	t.Helper()
	model := make(map[dense.Key]uint32)
	var order []dense.Key
	for i, key := range keys {
		want, known := model[key]
		if got, ok := table.Find(key); ok != known || ok && got != want {
			t.Fatalf("key %d: found %d, %v, want %d, %v", i, got, ok, want, known)
		}
		if !known {
			want = uint32(len(order))
			model[key], order = want, append(order, key)
		}
		growth, size := table.Growth(1), table.Size()
		if got, isNew := table.Add(key); got != want || isNew == known {
			t.Fatalf("key %d: number %d, new %v, want %d, %v", i, got, isNew, want, !known)
		}
		if table.Size() > size+growth {
			t.Fatalf("key %d: the table grew by %d bytes, and said %d", i, table.Size()-size, growth)
		}
	}
	if table.Len() != len(order) {
		t.Fatalf("%d keys, want %d", table.Len(), len(order))
	}
	for n, key := range order {
		if got := table.Key(uint32(n)); got != key {
			t.Fatalf("key of %d is %v, want %v", n, got, key)
		}
	}
	for part := range slices.Chunk(keys, dense.Batch) {
		asked := slices.Clone(part)
		for i := range asked {
			if i%3 == 0 {
				asked[i].Lo ^= 1 << 40
			}
		}
		var found [dense.Batch]uint32
		for i := range found {
			found[i] = 99 // of an earlier batch
		}
		table.FindAll(&found, asked)
		for i, key := range asked {
			want, known := model[key]
			if known {
				want++
			}
			if found[i] != want {
				t.Fatalf("found %d for %v, want %d", found[i], key, want)
			}
		}
	}
}

func TestTable(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	var again dense.Table
	for round := range 30 {
		keys := make([]dense.Key, rng.IntN(20_000))
		for i := range keys {
			switch round % 3 {
			case 0: // a small universe
				keys[i] = dense.Key{Hi: uint64(rng.IntN(30)), Lo: uint64(rng.IntN(30))}
			case 1: // addresses
				keys[i] = dense.AddrKey(netip.AddrFrom4([4]byte{21, byte(i), byte(rng.IntN(4)), byte(rng.IntN(8))}))
			default:
				keys[i] = dense.Key{Hi: rng.Uint64(), Lo: rng.Uint64()}
			}
		}
		var table dense.Table
		if rng.IntN(2) == 0 {
			table.Grow(len(keys))
			size := table.Size()
			table.Grow(1)
			if table.Size() != size {
				t.Error("a table shrank")
			}
		}
		check(t, keys, &table)
		again.Reset()
		check(t, keys, &again)
	}
	var empty dense.Table
	var found [dense.Batch]uint32
	found[0] = 7
	empty.FindAll(&found, []dense.Key{{Hi: 1}})
	if _, ok := empty.Find(dense.Key{Hi: 1}); ok || found[0] != 0 {
		t.Error("an empty table has a key")
	}
}

// TestTableSpread: keys that differ little do not crowd. With hashes at random
// the average key of a table that is three quarters full lies two slots beyond
// its own.
func TestTableSpread(t *testing.T) {
	for name, key := range map[string]func(i uint64) dense.Key{
		"low":   func(i uint64) dense.Key { return dense.Key{Lo: i} },
		"high":  func(i uint64) dense.Key { return dense.Key{Hi: i} },
		"both":  func(i uint64) dense.Key { return dense.Key{Hi: i, Lo: i} },
		"cross": func(i uint64) dense.Key { return dense.Key{Hi: i, Lo: -i} },
		"top":   func(i uint64) dense.Key { return dense.Key{Hi: i << 40, Lo: 443 << 48} },
		"ipv4":  func(i uint64) dense.Key { return dense.Key{Lo: 0xffff<<32 | i<<8} },
	} {
		var table dense.Table
		for i := range uint64(3 << 14) {
			table.Add(key(i))
		}
		if d := dense.Displacement(&table); d > 8 {
			t.Errorf("%s: keys lie %.1f slots beyond their own on average", name, d)
		}
	}
}

func FuzzTable(f *testing.F) {
	f.Add([]byte("0123456789abcdef0123456789abcdef"))
	f.Fuzz(func(t *testing.T, data []byte) {
		var keys []dense.Key
		for len(data) >= 2 {
			keys = append(keys, dense.Key{Hi: uint64(data[0]), Lo: uint64(data[1]) << (data[0] & 63)})
			data = data[1:]
		}
		check(t, keys, new(dense.Table))
	})
}

func TestKey(t *testing.T) {
	rng := rand.New(rand.NewPCG(2, 2))
	addrs := []netip.Addr{netip.MustParseAddr("::"), netip.MustParseAddr("fe80::1")}
	for range 100 {
		var b [16]byte
		binary.LittleEndian.PutUint64(b[rng.IntN(9):], rng.Uint64())
		addrs = append(addrs, netip.AddrFrom16(b).Unmap(), netip.AddrFrom4([4]byte(b[:4])))
	}
	for _, a := range addrs {
		k := dense.AddrKey(a)
		if k.Addr() != a || k != dense.AddrKey(netip.AddrFrom16(a.As16())) || k.Bytes() != a.As16() || dense.KeyOf(a.As16()) != k {
			t.Errorf("%v comes back as %v", a, k.Addr())
		}
		if a.Is6() && k != dense.AddrKey(a.WithZone("eth0")) {
			t.Errorf("%v: a zone counts", a)
		}
		for _, b := range addrs {
			x, y := a.As16(), b.As16()
			if got, want := k.Compare(dense.AddrKey(b)), slices.Compare(x[:], y[:]); got != want {
				t.Errorf("%v and %v compare as %d, want %d", a, b, got, want)
			}
		}
	}
}

func TestList(t *testing.T) {
	var l dense.List[int]
	for _, n := range []int{0, 1, 9, 30_000, 8192, 8193, 5} {
		l.Reset()
		for i := range n {
			growth, size := l.Growth(1), l.Size()
			if l.Append(i); l.Size() > size+growth {
				t.Fatalf("the list grew by %d bytes, and said %d", l.Size()-size, growth)
			}
			*l.At(uint32(i)) *= 3
		}
		if l.Len() != n || l.Size() < int64(8*n) {
			t.Fatalf("%d values in %d bytes, want %d values", l.Len(), l.Size(), n)
		}
		for i := range n {
			if got := *l.At(uint32(i)); got != 3*i {
				t.Fatalf("value %d is %d", i, got)
			}
			if i%4 == 0 && i+4 <= n && !slices.Equal(l.Slice(uint32(i), 4), []int{3 * i, 3*i + 3, 3*i + 6, 3*i + 9}) {
				t.Fatalf("values from %d on are %v", i, l.Slice(uint32(i), 4))
			}
		}
	}
}

func BenchmarkTable(b *testing.B) {
	for _, size := range []int{1000, 100_000, 1_000_000} {
		rng := rand.New(rand.NewPCG(3, 3))
		keys := make([]dense.Key, size)
		known := make(map[[16]byte]uint32)
		var table dense.Table
		for i := range keys {
			keys[i] = dense.Key{Hi: 0x2600 << 48, Lo: rng.Uint64()}
			known[keys[i].Bytes()], _ = table.Add(keys[i])
		}
		rng.Shuffle(size, func(i, j int) { keys[i], keys[j] = keys[j], keys[i] })
		bytes := make([][16]byte, size)
		for i := range keys {
			bytes[i] = keys[i].Bytes()
		}
		var sum uint32
		b.Run(fmt.Sprintf("of=map/n=%d", size), func(b *testing.B) {
			for i := 0; b.Loop(); i++ {
				sum += known[bytes[i%size]]
			}
		})
		b.Run(fmt.Sprintf("of=Add/n=%d", size), func(b *testing.B) {
			for i := 0; b.Loop(); i++ {
				n, _ := table.Add(keys[i%size])
				sum += n
			}
		})
		b.Run(fmt.Sprintf("of=FindAll/n=%d", size), func(b *testing.B) {
			var found [dense.Batch]uint32
			const batch = 250 // a divisor of the sizes
			at := 0
			for i := 0; b.Loop(); i++ {
				if i%batch == 0 {
					table.FindAll(&found, keys[at:at+batch])
					at = (at + batch) % size
				}
				sum += found[i%batch]
			}
		})
		if sum == 1 {
			b.Log(sum)
		}
	}
}
