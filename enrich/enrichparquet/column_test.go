package enrichparquet

import (
	"encoding/binary"
	"io"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/parquet-go/parquet-go/encoding/rle"
	"github.com/parquet-go/parquet-go/format"
)

// TestIndexes: a decoder that is not ours finds the numbers again, packed and in
// runs, in every width.
func TestIndexes(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for width := 1; width <= 4; width++ {
		for range 300 {
			var ids []uint32
			for len(ids) < rng.IntN(400) {
				id := rng.Uint32() >> (32 - 8*width)
				for range 1 + rng.IntN(1+rng.IntN(100)) {
					ids = append(ids, id)
				}
			}
			for name, packed := range map[string][]byte{"packed": appendPacked(nil, ids, width), "hybrid": appendHybrid(nil, ids, width)} {
				e := rle.Encoding{BitWidth: 8 * width}
				got, err := e.DecodeInt32(nil, packed)
				if err != nil {
					t.Fatal(err)
				}
				if len(got) < len(ids) || len(got) > len(ids)+7 {
					t.Fatalf("%s, width %d: %d numbers, want %d", name, width, len(got), len(ids))
				}
				for i, id := range ids {
					if uint32(got[i]) != id {
						t.Fatalf("%s, width %d: number %d is %d, want %d", name, width, i, got[i], id)
					}
				}
			}
		}
	}
}

// TestRuns: runs hold what was added.
func TestRuns(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	var r runs
	for range 100 {
		var want []byte
		for range rng.IntN(50) {
			value, n := byte(rng.IntN(2)), rng.IntN(300)
			r.add(value, n)
			for range n {
				want = append(want, value)
			}
		}
		text := r.appendLevels(nil)
		if n := binary.LittleEndian.Uint32(text); int(n) != len(text)-4 {
			t.Fatalf("length %d of %d bytes", n, len(text)-4)
		}
		e := rle.Encoding{BitWidth: 1}
		got, err := e.DecodeLevels(nil, text[4:])
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("(-want +got):\n%s", diff)
		}
		r.reset()
	}
}

// TestManyGroups: more row groups than a file can have are an error.
func TestManyGroups(t *testing.T) {
	w := Writer{Flows: io.Discard, RowGroup: 1}
	rows := make([]Row, batch)
	if err := w.Write(rows...); err != nil {
		t.Fatal(err)
	}
	w.flows.groups = make([]format.RowGroup, math.MaxInt16)
	for range 2 {
		if err := w.Write(rows...); err != errGroups {
			t.Errorf("error %v", err)
		}
	}
	if err := w.Close(); err != errGroups {
		t.Errorf("error %v", err)
	}
}
