package classify

import (
	"math"
	"math/rand/v2"
	"testing"
)

func TestScore(t *testing.T) {
	flat := Prior{1, 1, 0}
	for _, c := range []struct {
		devices, active int
		score           float64
		label           Endogeneity
	}{
		{0, 0, 0.5, EndogeneityUnknown},
		{1, 1, 0.75, Uncertain},
		{2, 2, 0.875, Uncertain},
		{3, 3, 1 - math.Pow(0.5, 4), Endogenous},
		{0, 3, math.Pow(0.5, 4), Exogenous},
		{2, 4, 0.5, Uncertain},
		{900, 1000, 1, Endogenous},
		{1, 1000, 0, Exogenous},
	} {
		s := Scorer{Prior: flat}
		for range 2 { // once more, from what is known
			score, label := s.Score(Support{c.devices, c.active})
			if math.Abs(score-c.score) > 1e-9 || label != c.label {
				t.Errorf("%d of %d: %v, %v, want %v, %v", c.devices, c.active, score, label, c.score, c.label)
			}
		}
	}
	// Two devices are too few, however sure the prior is.
	if _, label := (&Scorer{Prior: Prior{1e4, 1e-4, 0}}).Score(Support{2, 2}); label != Uncertain {
		t.Errorf("two devices are labelled %v", label)
	}
	s := Scorer{Threshold: 0.2, Certainty: 0.99}
	before := -1.0
	for devices := range 31 {
		score, label := s.Score(Support{devices, 30})
		if score < before {
			t.Errorf("%d of 30: %v, and fewer have %v", devices, score, before)
		}
		before = score
		want := Uncertain
		if score >= 0.99 {
			want = Endogenous
		} else if score <= 0.01 {
			want = Exogenous
		}
		if label != want {
			t.Errorf("%d of 30: %v of %v", devices, label, score)
		}
		if direct := defaultPrior.Above(0.2, Support{devices, 30}); direct != score {
			t.Errorf("%d of 30: %v, and %v directly", devices, score, direct)
		}
		s.Score(Support{1, 7}) // another application between
	}
}

// TestCalibration: of the endpoints with a score, the share that is truly above the
// threshold is that score, with a prior that the scorer has to find by itself.
func TestCalibration(t *testing.T) {
	rng := rand.New(rand.NewPCG(2, 2))
	for _, active := range []int{10, 100} {
		var sums, truths, endpoints [10]float64
		for range 20 {
			var shares []float64
			var of []Support
			supports := Supports{Active: active}
			for range 2000 {
				share := randBeta(rng, 0.4, 0.7)
				if devices := contacted(rng, active, share); devices > 0 {
					shares, of = append(shares, share), append(of, Support{devices, active})
					supports.Add(devices, 1)
				}
			}
			scorer := Scorer{Prior: FitPrior(&supports)}
			for i := range of {
				score, _ := scorer.Score(of[i])
				bin := min(int(score*10), 9)
				sums[bin] += score
				endpoints[bin]++
				if shares[i] > DefaultThreshold {
					truths[bin]++
				}
			}
		}
		for bin, n := range endpoints {
			if n < 300 {
				continue
			}
			if got, want := truths[bin]/n, sums[bin]/n; math.Abs(got-want) > 0.05 {
				t.Errorf("%d devices: of %.0f endpoints with a mean score of %.3f, %.3f are above the threshold", active, n, want, got)
			}
		}
	}
}

func BenchmarkScorer(b *testing.B) {
	rng := rand.New(rand.NewPCG(3, 3))
	supports := make([]Support, 1<<20)
	for i := range supports {
		supports[i] = Support{1 + min(int(rng.ExpFloat64()*300), 19_999), 20_000}
	}
	for b.Loop() {
		s := Scorer{Prior: Prior{0.02, 0.3, 0.1}}
		for _, of := range supports {
			s.Score(of)
		}
	}
	b.ReportMetric(float64(b.N)*float64(len(supports))/b.Elapsed().Seconds(), "endpoints/s")
}
