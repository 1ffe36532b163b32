package classify

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestSensitivity compares with counting at each threshold, and parts with the whole.
func TestSensitivity(t *testing.T) {
	rng := rand.New(rand.NewPCG(4, 4))
	type endpoint struct {
		app   string
		of    Support
		https bool
	}
	var endpoints []endpoint
	for range 5000 {
		active := 1 + rng.IntN(60)
		endpoints = append(endpoints, endpoint{
			string(rune('a' + rng.IntN(20))), Support{1 + rng.IntN(active), active}, rng.IntN(50) == 0,
		})
	}
	endpoints = append(endpoints, endpoint{"none", Support{0, 9}, true})
	var whole, a, b Sensitivity
	for i, e := range endpoints {
		whole.Add(e.app, e.of, e.https)
		if i%3 == 0 {
			a.Add(e.app, e.of, e.https)
		} else {
			b.Add(e.app, e.of, e.https)
		}
	}
	a.Merge(&b)
	if diff := cmp.Diff(whole.Curve(), a.Curve()); diff != "" {
		t.Errorf("(-whole +parts)\n%s", diff)
	}
	for i, p := range whole.Curve() {
		want := SensitivityPoint{Threshold: float64(i+1) / 20}
		any, https := make(map[string]bool), make(map[string]bool)
		for _, e := range endpoints {
			if e.of.Endogeneity(want.Threshold) == Endogenous {
				want.Endpoints++
				any[e.app] = true
				https[e.app] = https[e.app] || e.https
			}
		}
		want.Apps = len(any)
		for _, yes := range https {
			if yes {
				want.HTTPS++
			}
		}
		if p != want || p.HTTPSShare() != float64(want.HTTPS)/float64(want.Apps) {
			t.Errorf("%+v, want %+v", p, want)
		}
	}
	if (SensitivityPoint{}).HTTPSShare() != 0 {
		t.Error("nothing has a share")
	}
}

func TestPlateau(t *testing.T) {
	curve := []SensitivityPoint{{0.05, 1000, 0, 0}, {0.1, 300, 0, 0}, {0.15, 108, 0, 0}, {0.2, 100, 0, 0}, {0.25, 91, 0, 0}, {0.3, 40, 0, 0}, {0.35, 0, 0, 0}}
	for _, c := range []struct{ around, lo, hi float64 }{{0.2, 0.15, 0.25}, {0.21, 0.15, 0.25}, {0.3, 0.3, 0.3}, {0, 0.05, 0.05}, {1, 0.35, 0.35}} {
		if lo, hi := Plateau(curve, c.around); lo != c.lo || hi != c.hi {
			t.Errorf("around %v: %v to %v, want %v to %v", c.around, lo, hi, c.lo, c.hi)
		}
	}
	if lo, hi := Plateau(nil, 0.5); lo != 0 || hi != 0 {
		t.Error("nothing has a plateau")
	}
}

// TestSuggestThreshold: of two kinds of endpoints, both ways find a threshold that
// divides them.
func TestSuggestThreshold(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 5))
	var apps []*Supports
	for range 20 {
		s := &Supports{Active: 50 + rng.IntN(500)}
		for range 40 {
			s.Add(contacted(rng, s.Active, 0.75+rng.Float64()/5), 1)
		}
		for range 500 {
			s.Add(contacted(rng, s.Active, rng.Float64()/5), 1)
		}
		apps = append(apps, s)
	}
	got, ok := SuggestThreshold(apps...)
	if !ok || got.Mixture < 0.2 || got.Mixture > 0.75 || got.Otsu < 0.2 || got.Otsu > 0.75 {
		t.Errorf("%+v, %v", got, ok)
	}
	if math.Abs(got.Common-0.85) > 0.02 || math.Abs(got.Rare-0.1) > 0.02 || math.Abs(got.CommonPart-40.0/540) > 0.02 {
		t.Errorf("the kinds: %+v", got)
	}
	again, _ := SuggestThreshold(apps...)
	if got != again {
		t.Errorf("%+v, and %+v once more", got, again)
	}
	alike := &Supports{Active: 10}
	alike.Add(5, 1000)
	few := &Supports{Active: 10}
	few.Add(2, 3)
	few.Add(9, 3)
	few.Add(1, 1000) // on one device
	for name, s := range map[string]*Supports{"all alike": alike, "few": few, "none": {}} {
		if got, ok := SuggestThreshold(s); ok {
			t.Errorf("%s: %+v", name, got)
		}
	}
	wide := &Supports{Active: 40_000} // probabilities beyond what a float64 holds
	wide.Add(39_000, 100)
	wide.Add(40_000, 100)
	wide.Add(2, 100_000)
	if got, ok := SuggestThreshold(wide); !ok || math.IsNaN(got.Mixture) || got.Mixture < 0.01 || got.Mixture > 0.9 || got.Otsu < 0.01 || got.Otsu > 0.9 {
		t.Errorf("of many devices: %+v, %v", got, ok)
	}
}
