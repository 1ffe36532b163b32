package dense_test

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/endoflow/endoflow/internal/dense"
)

// TestTexts compares with a map, over texts of all lengths, alike at both ends
// and not.
func TestTexts(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	var texts dense.Texts[int]
	model := make(map[string]uint32)
	for range 20_000 {
		text := strings.Repeat("a", rng.IntN(12)) + strings.Repeat("b", rng.IntN(12)) + strings.Repeat("a", rng.IntN(12))
		want, known := model[text]
		if got, ok := texts.Find(text); ok != known || known && got != want {
			t.Fatalf("%q is found: %v, as %d, want %d", text, ok, got, want)
		}
		if !known {
			want = uint32(len(model))
			model[text] = want
		}
		if got, isNew := texts.Add(text); got != want || isNew == known {
			t.Fatalf("%q has the number %d, new %v, want %d", text, got, isNew, want)
		}
		if *texts.Value(want) += len(text); *texts.Value(want)%max(len(text), 1) != 0 || !known && *texts.Value(want) != len(text) {
			t.Fatalf("the value of %q is %d", text, *texts.Value(want))
		}
		if texts.Text(want) != text || texts.Len() != len(model) {
			t.Fatalf("number %d is %q, want %q; %d texts", want, texts.Text(want), text, texts.Len())
		}
	}
	if len(model) < 1000 {
		t.Errorf("%d texts test little", len(model))
	}
}
