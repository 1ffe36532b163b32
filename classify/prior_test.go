package classify

import (
	"math"
	"math/rand/v2"
	"testing"
)

// randBeta returns a value of the Beta distribution, by two of the gamma
// distribution (Marsaglia and Tsang 2000).
func randBeta(rng *rand.Rand, a, b float64) float64 {
	x, y := randGamma(rng, a), randGamma(rng, b)
	return x / (x + y)
}

func randGamma(rng *rand.Rand, a float64) float64 {
	if a < 1 {
		return randGamma(rng, a+1) * math.Pow(rng.Float64(), 1/a)
	}
	d := a - 1.0/3
	for {
		x := rng.NormFloat64()
		v := math.Pow(1+x/math.Sqrt(9*d), 3)
		if v > 0 && math.Log(rng.Float64()) < x*x/2+d-d*v+d*math.Log(v) {
			return d * v
		}
	}
}

// contacted returns how many of n devices contact an endpoint of a share.
func contacted(rng *rand.Rand, n int, share float64) (devices int) {
	for range n {
		if rng.Float64() < share {
			devices++
		}
	}
	return devices
}

// TestFitPrior finds parameters again by which endpoints were made up, also where
// those on few devices are only counted. What matters is what follows from them.
func TestFitPrior(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	for _, c := range []struct {
		active, endpoints, least int
		prior                    Prior
	}{
		{20, 5000, 0, Prior{0.3, 0.6, 0}},
		{100, 20_000, 0, Prior{0.05, 0.4, 0}},
		{1000, 20_000, 10, Prior{0.05, 3, 0.05}},
		{1000, 10_000, 50, Prior{1.5, 4, 0}},
		{5, 10_000, 3, Prior{0.5, 0.5, 0}},
		{30, 10_000, 0, Prior{0.1, 8, 0.1}},
	} {
		s := Supports{Active: c.active, Least: c.least}
		for range c.endpoints {
			share := rng.Float64()
			if rng.Float64() >= c.prior.Flat {
				share = randBeta(rng, c.prior.Alpha, c.prior.Beta)
			}
			switch devices := contacted(rng, c.active, share); {
			case devices == 0:
			case devices < c.least:
				s.Below++
			default:
				s.Add(devices, 1)
			}
		}
		got := FitPrior(&s)
		for devices := max(1, c.least); devices <= c.active; devices += max(1, c.active/20) {
			of := Support{devices, c.active}
			if got, want := got.Above(0.5, of), c.prior.Above(0.5, of); math.Abs(got-want) > 0.05 {
				t.Errorf("%d of %d: %.3f, want %.3f", devices, c.active, got, want)
			}
		}
	}
}

// TestLikelihood compares with the plain formula, at the part of the flat distribution
// that is found and at others.
func TestLikelihood(t *testing.T) {
	const active, least = 30, 7
	s := Supports{Active: active, Least: least, Below: 12}
	s.Add(7, 3)
	s.Add(19, 2)
	s.Add(30, 5)
	s.Add(0, 9)  // cannot be
	s.Add(31, 9) // nor this
	if s.Len() != 22 {
		t.Fatalf("%d endpoints, want 22", s.Len())
	}
	f := newFit(&s)
	plain := func(p Prior) float64 {
		pmf := func(k float64) float64 {
			choose := 1.0
			for i := range int(k) {
				choose *= float64(active-i) / float64(i+1)
			}
			return (1-p.Flat)*choose*math.Exp(logBeta(p.Alpha+k, p.Beta+active-k)-logBeta(p.Alpha, p.Beta)) + p.Flat/(active+1)
		}
		some, few := 0.0, 0.0
		for k := 1.0; k <= active; k++ {
			if some += pmf(k); k < least {
				few += pmf(k)
			}
		}
		v := p.Flat * active / (active + 1) / some
		return defaultPrior.Flat*math.Log(v) + (1-defaultPrior.Flat)*math.Log1p(-v) + 12*math.Log(few/some) +
			3*math.Log(pmf(7)/some) + 2*math.Log(pmf(19)/some) + 5*math.Log(pmf(30)/some)
	}
	for _, p := range []Prior{{0.01, 0.3, 0}, {0.5, 0.5, 0}, {3, 1, 0}, {200, 0.001, 0}, {1e-4, 1e4, 0}} {
		value, flat := f.best(p.Alpha, p.Beta)
		if want := plain(Prior{p.Alpha, p.Beta, flat}); math.Abs(value-want) > 1e-5*math.Abs(want) {
			t.Errorf("%v: %v, want %v", p, value, want)
		}
		for _, other := range []float64{1e-9, 1e-3, 0.1, 0.4, 0.7, 0.99} {
			if more := plain(Prior{p.Alpha, p.Beta, other}); more > value+1e-6 {
				t.Errorf("%v: %v at %v, and %v at %v", p, value, flat, more, other)
			}
		}
	}
}

// TestFitBest: no other parameters are more probable than those that FitPrior finds.
func TestFitBest(t *testing.T) {
	rng := rand.New(rand.NewPCG(6, 6))
	for range 20 {
		s := Supports{Active: 3 + rng.IntN(90)}
		for range 5 + rng.IntN(60) {
			s.Add(1+rng.IntN(1+rng.IntN(s.Active)), 1+rng.Int64N(9))
		}
		value := func(alpha, beta float64) float64 {
			v, _ := newFit(&s).best(alpha, beta)
			for _, p := range []float64{alpha, beta} {
				v -= math.Pow(math.Log(p/0.5), 2) / 18
			}
			return v
		}
		got := FitPrior(&s)
		best := value(got.Alpha, got.Beta)
		for a := minParameter; a < maxParameter; a *= 1.5 {
			for b := minParameter; b < maxParameter; b *= 1.5 {
				if v := value(a, b); v > best+0.01 {
					t.Fatalf("%d devices, %d endpoints: %v of %v, and %v of %v, %v", s.Active, s.Len(), best, got, v, a, b)
				}
			}
		}
	}
}

// TestFitExtremes: there is an answer, and a sane one, whatever is counted.
func TestFitExtremes(t *testing.T) {
	if got := FitPrior(new(Supports)); got != defaultPrior {
		t.Errorf("of nothing: %v", got)
	}
	for _, s := range []*Supports{{Active: 9, Below: 3}, {Active: 9, Least: 1, Below: 3}, {Least: 5, Below: 3}} {
		if got := FitPrior(s); got != defaultPrior {
			t.Errorf("of nothing that can be: %v", got)
		}
	}
	for _, c := range []struct {
		active, devices int
		endpoints       int64
	}{{1, 1, 1}, {1, 1, 1 << 40}, {2, 1, 5}, {50_000, 50_000, 1 << 40}, {50_000, 1, 1 << 40}, {50_000, 25_000, 1000}} {
		s := Supports{Active: c.active}
		s.Add(c.devices, c.endpoints)
		got := FitPrior(&s)
		if !(got.Alpha >= minParameter*0.999 && got.Alpha <= maxParameter*1.001 && got.Beta >= minParameter*0.999 && got.Beta <= maxParameter*1.001 && got.Flat > 0 && got.Flat < 1) {
			t.Errorf("%d endpoints on %d of %d: %v", c.endpoints, c.devices, c.active, got)
		}
	}
	s := Supports{Active: 40_000, Least: 40_001, Below: 1000}
	if got := FitPrior(&s); math.IsNaN(got.Alpha + got.Beta + got.Flat) {
		t.Errorf("of counts alone: %v", got)
	}
}

func BenchmarkFitPrior(b *testing.B) {
	rng := rand.New(rand.NewPCG(7, 7))
	s := Supports{Active: 6000, Least: 60}
	for range 50_000 {
		if devices := contacted(rng, s.Active/10, randBeta(rng, 0.1, 1)) * 10; devices < s.Least {
			s.Below++
		} else {
			s.Add(devices+rng.IntN(10), 1)
		}
	}
	for b.Loop() {
		FitPrior(&s)
	}
	b.ReportMetric(float64(len(s.counts)), "counts")
}
