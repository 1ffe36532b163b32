package classify

import "math"

// incompleteBeta returns the regularised incomplete beta function I_x(a, b), the
// probability that a value of the Beta distribution is at most x, for a, b > 0. It
// is right to about 1e-12 (TestIncompleteBeta).
//
// It is the continued fraction of DLMF 8.17.22, evaluated by Lentz's method, on the
// side of the mean where it converges soon.
func incompleteBeta(x, a, b float64) float64 {
	switch {
	case x <= 0:
		return 0
	case x >= 1:
		return 1
	case x > (a+1)/(a+b+2):
		return 1 - incompleteBeta(1-x, b, a)
	}
	front := math.Exp(a*math.Log(x) + b*math.Log1p(-x) - logBeta(a, b))
	return min(1, front*betaFraction(x, a, b)/a)
}

func betaFraction(x, a, b float64) float64 {
	const tiny = 1e-300
	notZero := func(v float64) float64 {
		if math.Abs(v) < tiny {
			return tiny
		}
		return v
	}
	c, d := 1.0, 1/notZero(1-(a+b)*x/(a+1))
	f := d
	// The number of steps is in proportion to the root of a+b: 60 for 40,000.
	for m := 1.0; m < 1e6; m++ {
		step := m * (b - m) * x / ((a + 2*m - 1) * (a + 2*m))
		d = 1 / notZero(1+step*d)
		c = notZero(1 + step/c)
		f *= c * d
		step = -(a + m) * (a + b + m) * x / ((a + 2*m) * (a + 2*m + 1))
		d = 1 / notZero(1+step*d)
		c = notZero(1 + step/c)
		f *= c * d
		if math.Abs(c*d-1) < 1e-15 {
			break
		}
	}
	return f
}

// logBeta returns the logarithm of the beta function.
func logBeta(a, b float64) float64 {
	la, _ := math.Lgamma(a)
	lb, _ := math.Lgamma(b)
	lab, _ := math.Lgamma(a + b)
	return la + lb - lab
}
