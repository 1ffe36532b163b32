package classify

import (
	"fmt"
	"math"
)

// A Support counts the devices (or executions) that show a behaviour of an
// application among those that could have: Devices on which the application
// contacted an endpoint, of the Active devices on which it had any kept flow.
// Devices are counted, never flows, of which one device can have any number.
// Active counts Devices too, so that 0 <= Devices <= Active.
//
// Paper: section 2.4 keeps connections "that were common across installations
// of the same application"; its measure could not be had. This one is the
// working definition of method.md A.4.
type Support struct {
	Devices, Active int
}

// Share returns Devices / Active; 0 of 0 is 0.
func (s Support) Share() float64 {
	if s.Active == 0 {
		return 0
	}
	return float64(s.Devices) / float64(s.Active)
}

// Wilson returns the Wilson score interval of the share behind the sample, in
// [0, 1]: with z = 1.96 it covers the true share in about 95 of 100 samples
// of independent devices (Wilson 1927; method.md B.6). Devices of one image or
// one office are not independent, and the true interval is then wider. Of 0
// devices nothing is known, and the interval is all of [0, 1].
//
//	(p + z²/2n ± z·sqrt(p(1-p)/n + z²/4n²)) / (1 + z²/n)
func (s Support) Wilson(z float64) (lo, hi float64) {
	if s.Active == 0 {
		return 0, 1
	}
	n, p := float64(s.Active), s.Share()
	z2 := z * z / n
	middle := p + z2/2
	half := z * math.Sqrt(p*(1-p)/n+z2/(4*n))
	// An end at 0 or 1 is so exactly, not up to rounding.
	if s.Devices > 0 {
		lo = max(0, (middle-half)/(1+z2))
	}
	hi = 1
	if s.Devices < s.Active {
		hi = min(1, (middle+half)/(1+z2))
	}
	return lo, hi
}

// DefaultThreshold is the share from which on behaviour counts as the
// application's own, where the user names none.
//
// Paper: the paper's threshold is not known. This one is ours, the literal
// reading of "common to most executions". It is not the 5 % of the prevalence
// filter, which is about applications and not about their endpoints.
const DefaultThreshold = 0.5

// Endogeneity says whose doing a behaviour of an application is.
type Endogeneity uint8

// The paper's two words. They do not mean good and bad.
const (
	EndogeneityUnknown Endogeneity = iota // no active device
	Endogenous                            // common to most executions of the program
	Exogenous                             // likely caused by unique inputs
	Uncertain                             // the devices do not say; see [Scorer]
)

var endogeneityNames = [...]string{"unknown", "endogenous", "exogenous", "uncertain"}

func (e Endogeneity) String() string {
	if int(e) < len(endogeneityNames) {
		return endogeneityNames[e]
	}
	return fmt.Sprintf("Endogeneity(%d)", uint8(e))
}

// Endogeneity returns Endogenous if the share is at least the threshold, in
// (0, 1], and Exogenous if it is less.
func (s Support) Endogeneity(threshold float64) Endogeneity {
	switch {
	case s.Active == 0:
		return EndogeneityUnknown
	case s.Share() >= threshold:
		return Endogenous
	}
	return Exogenous
}
