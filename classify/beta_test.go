package classify

import (
	"math"
	"math/big"
	"testing"
)

// TestIncompleteBeta compares with what can be known otherwise: sums of binomial
// probabilities for whole parameters, in exact arithmetic, and powers.
func TestIncompleteBeta(t *testing.T) {
	near := func(what string, got, want float64) {
		t.Helper()
		if math.Abs(got-want) > 1e-12+1e-10*want {
			t.Errorf("%s is %.15g, want %.15g", what, got, want)
		}
	}
	for _, x := range []float64{0.0009765625, 0.125, 0.375, 0.5, 0.75, 0.998046875} { // which a float64 holds exactly
		for _, a := range []float64{0.001, 0.5, 1, 3.25, 40} {
			near("a power", incompleteBeta(x, a, 1), math.Pow(x, a))
			near("a power", incompleteBeta(x, 1, a), -math.Expm1(a*math.Log1p(-x)))
			near("the middle", incompleteBeta(0.5, a, a), 0.5)
			for _, b := range []float64{0.03, 0.5, 7, 1000} {
				near("both tails", incompleteBeta(x, a, b)+incompleteBeta(1-x, b, a), 1)
			}
		}
		for _, n := range []int64{2, 10, 300} {
			for _, k := range []int64{1, n / 3, n / 2, n - 1, n} {
				if k > 0 {
					near("a binomial tail", incompleteBeta(x, float64(k), float64(n-k+1)), atLeast(k, n, x))
				}
			}
		}
	}
	near("below", incompleteBeta(-1, 2, 3), 0)
	near("above", incompleteBeta(2, 2, 3), 1)
	// Of many devices: the normal distribution is near enough to see a slip.
	const a, b = 21_000, 19_000
	mean, deviation := 0.525, math.Sqrt(0.525*0.475/40_001)
	for _, z := range []float64{-3, -1, 0, 0.5, 2} {
		want := math.Erfc(-z/math.Sqrt2) / 2
		if got := incompleteBeta(mean+z*deviation, a, b); math.Abs(got-want) > 2e-3 {
			t.Errorf("%v deviations from the mean: %v, want about %v", z, got, want)
		}
	}
}

// atLeast returns the probability of k or more of n with probability x each.
func atLeast(k, n int64, x float64) float64 {
	p := new(big.Rat).SetFloat64(x)
	q := new(big.Rat).Sub(big.NewRat(1, 1), p)
	power := func(r *big.Rat, n int64) *big.Rat {
		e := big.NewInt(n)
		return new(big.Rat).SetFrac(new(big.Int).Exp(r.Num(), e, nil), new(big.Int).Exp(r.Denom(), e, nil))
	}
	sum := new(big.Rat)
	for i := k; i <= n; i++ {
		term := new(big.Rat).SetInt(new(big.Int).Binomial(n, i))
		sum.Add(sum, term.Mul(term, new(big.Rat).Mul(power(p, i), power(q, n-i))))
	}
	f, _ := sum.Float64()
	return f
}
