package pdns

import (
	"errors"
	"fmt"
	"testing"
)

// TestSpillDamaged: records that a disk has changed are an error, whichever they
// are, and never another Index.
func TestSpillDamaged(t *testing.T) {
	b := Builder{Memory: 1, Dir: t.TempDir()}
	defer b.Close()
	for i := range 3000 {
		b.Add(Record{RRName: fmt.Sprintf("h%d.example", i), RRType: CNAME, RData: fmt.Sprintf("h%d.example", i/7)})
		b.Add(Record{RRName: fmt.Sprintf("h%d.example", i/3), RRType: A, RData: fmt.Sprintf("192.0.2.%d", i%256)})
	}
	if _, err := b.Build(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(b.shared.runs) < 2 {
		t.Fatalf("%d runs", len(b.shared.runs))
	}
	for i := range b.shared.runs {
		for j, s := range b.shared.runs[i].segments() {
			for _, block := range s.blocks {
				was := make([]byte, 1)
				at := block.off + int64(block.n)/2
				if _, err := b.shared.file.f.ReadAt(was, at); err != nil {
					t.Fatal(err)
				}
				if _, err := b.shared.file.f.WriteAt([]byte{was[0] ^ 4}, at); err != nil {
					t.Fatal(err)
				}
				if _, err := b.Build(t.Context()); !errors.Is(err, ErrCorrupt) {
					t.Errorf("run %d, segment %d: %v", i, j, err)
				}
				if _, err := b.shared.file.f.WriteAt(was, at); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	if _, err := b.Build(t.Context()); err != nil {
		t.Error(err)
	}
}
