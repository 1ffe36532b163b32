package wire_test

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/RoaringBitmap/roaring/v2"

	"github.com/endoflow/endoflow/internal/wire"
)

func form() []byte {
	b := wire.AppendHeader([]byte("before"), "test", 3)
	b = wire.AppendString(b, "name")
	b = binary.AppendUvarint(b, 300)
	return wire.AppendChecksum(b, len("before"))[len("before"):]
}

func TestGolden(t *testing.T) {
	const want = "74657374" + "03" + "046e616d65" + "ac02" + "e2d891a1"
	if got := hex.EncodeToString(form()); got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestBody(t *testing.T) {
	r := wire.Open("a test", "test", 3, form())
	if got := string(r.Bytes()); got != "name" {
		t.Errorf("text %q", got)
	}
	if !r.More() {
		t.Error("nothing more")
	}
	if got := r.Below(301); got != 300 {
		t.Errorf("number %d", got)
	}
	if err := r.End(); err != nil {
		t.Error(err)
	}
}

func TestErrors(t *testing.T) {
	for _, tt := range []struct {
		name    string
		read    func(r *wire.Body)
		kind    string
		version byte
		want    string
		corrupt bool
	}{
		{"another kind", func(*wire.Body) {}, "rest", 3, "a test: data of another kind", false},
		{"another version", func(*wire.Body) {}, "test", 4, "a test: unknown version 3", false},
		{"left over", func(r *wire.Body) { r.Bytes() }, "test", 3, "a test: byte 10: corrupt data", true},
		{"too large", func(r *wire.Body) { r.Bytes(); r.Below(300) }, "test", 3, "a test: byte 12: corrupt data", true},
		{"too many", func(r *wire.Body) { r.Bytes(); r.Count(1) }, "test", 3, "a test: byte 12: corrupt data", true},
		{"past the end", func(r *wire.Body) { r.Take(100) }, "test", 3, "a test: byte 5: corrupt data", true},
		{"no number", func(r *wire.Body) { r.Take(7); r.Uvarint() }, "test", 3, "a test: byte 12: corrupt data", true},
	} {
		r := wire.Open("a test", tt.kind, tt.version, form())
		tt.read(r)
		err := r.End()
		if err == nil || err.Error() != tt.want || errors.Is(err, wire.ErrCorrupt) != tt.corrupt {
			t.Errorf("%s: error %v, want %s", tt.name, err, tt.want)
		}
		if r.Uvarint() != 0 || r.Bytes() != nil || r.Take(1) != nil || r.More() {
			t.Errorf("%s: reading goes on after an error", tt.name)
		}
	}
}

// TestDamage: no changed byte and no cut goes unnoticed.
func TestDamage(t *testing.T) {
	for i, data := 0, form(); i < len(data); i++ {
		bad := slices.Clone(data)
		bad[i] ^= 1
		for _, damaged := range [][]byte{bad, data[:i]} {
			if err := wire.Open("a test", "test", 3, damaged).Err(); err == nil {
				t.Errorf("byte %d: no error", i)
			}
		}
	}
}

func openSet(data []byte) *wire.Body {
	b := wire.AppendHeader(nil, "test", 1)
	b = append(binary.AppendUvarint(b, uint64(len(data))), data...)
	return wire.Open("a set", "test", 1, wire.AppendChecksum(b, 0))
}

func TestSet(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	dense, sparse, spread := roaring.New(), roaring.New(), roaring.New()
	dense.AddRange(5, 70_000)
	for range 1000 {
		sparse.Add(rng.Uint32N(100_000))
		spread.Add(rng.Uint32N(1 << 30))
	}
	half := roaring.New()
	for i := range uint32(65536) {
		if rng.IntN(2) == 0 {
			half.Add(i)
		}
	}
	for name, want := range map[string]*roaring.Bitmap{"one": roaring.BitmapOf(7), "dense": dense, "sparse": sparse, "spread": spread, "half": half} {
		want.RunOptimize()
		data, err := want.ToBytes()
		if err != nil {
			t.Fatal(err)
		}
		r := openSet(data)
		if got := r.Set(1 << 30); !got.Equals(want) || r.End() != nil {
			t.Errorf("%s: another set; %v", name, r.End())
		}
		if r := openSet(data); r.Set(int(want.Maximum())).GetCardinality() != 0 || r.End() == nil {
			t.Errorf("%s: a number over the limit is taken", name)
		}
		if r := openSet(data[:len(data)-1]); r.Set(1<<30).GetCardinality() != 0 || r.End() == nil {
			t.Errorf("%s: a cut set is taken", name)
		}
	}
	if r := openSet(nil); r.Set(0).GetCardinality() != 0 || r.End() != nil {
		t.Error("the empty set is not taken")
	}
}

// TestSetMostRuns: all that roaring writes as runs is taken.
func TestSetMostRuns(t *testing.T) {
	for runs := 1900; runs < 2200; runs++ {
		set := roaring.New()
		for i := range uint32(runs) {
			set.AddRange(uint64(4*i), uint64(4*i+3))
		}
		set.RunOptimize()
		data, err := set.ToBytes()
		if err != nil {
			t.Fatal(err)
		}
		if r := openSet(data); !r.Set(1<<16).Equals(set) || r.End() != nil {
			t.Errorf("%d runs: %v", runs, r.End())
		}
	}
}

// TestSetRuns: a container of runs where a bitmap would be smaller is refused,
// since it takes a second to validate.
func TestSetRuns(t *testing.T) {
	const runs = 32768
	b := binary.LittleEndian.AppendUint32(nil, 12347) // one container
	b = append(b, 1)                                  // of runs
	b = binary.LittleEndian.AppendUint16(b, 0)
	b = binary.LittleEndian.AppendUint16(b, runs-1)
	b = binary.LittleEndian.AppendUint16(b, runs)
	for i := range runs {
		b = binary.LittleEndian.AppendUint16(b, uint16(2*i))
		b = binary.LittleEndian.AppendUint16(b, 0)
	}
	if r := openSet(b); r.Set(1<<30).GetCardinality() != 0 || r.End() == nil {
		t.Error("32,768 runs in a container are taken")
	}
}
