package classify

import (
	"cmp"
	"math"
	"slices"
)

// A Suggestion is a threshold that the counts themselves suggest, by two ways that
// have little in common. Where they differ much, or neither is near a [Plateau], the
// endpoints are not of two kinds, and no threshold is better than another.
type Suggestion struct {
	// Mixture is the share at which an endpoint is as probably of the common kind as
	// of the rare one, by a mixture of two binomial distributions.
	Mixture float64

	// Common and Rare are the shares of the two kinds, and CommonPart is which part
	// of the endpoints is of the common kind.
	Common, Rare, CommonPart float64

	// Otsu is the share that divides the histogram of shares into the two parts
	// with the greatest variance between them (Otsu 1979), each endpoint weighed by
	// its devices: otherwise the many that are on a few devices would decide alone.
	Otsu float64
}

// SuggestThreshold returns what the supports of applications suggest (method.md
// B.7). Endpoints on one device are left out, and so are those of which no more is
// known than that they are below Least. ok is false where fewer than ten endpoints
// are left, or all are alike: then there is nothing to suggest.
func SuggestThreshold(supports ...*Supports) (s Suggestion, ok bool) {
	var counts []count
	endpoints, first := 0.0, -1.0
	alike := true
	for _, of := range supports {
		for devices, n := range of.counts {
			if devices < 2 {
				continue
			}
			c := count{float64(devices), float64(of.Active), float64(n)}
			counts = append(counts, c)
			endpoints += c.endpoints
			alike = alike && (first < 0 || c.share() == first)
			first = c.share()
		}
	}
	if endpoints < 10 || alike {
		return s, false
	}
	slices.SortFunc(counts, func(a, b count) int {
		return cmp.Or(cmp.Compare(a.share(), b.share()), cmp.Compare(a.active, b.active), cmp.Compare(a.endpoints, b.endpoints))
	})
	s.mixture(counts)
	s.Otsu = otsu(counts)
	return s, true
}

// A count is of the endpoints that are on as many of as many devices.
type count struct{ devices, active, endpoints float64 }

func (c count) share() float64 { return c.devices / c.active }

// mixture finds the two kinds by expectation maximisation, from shares far apart.
func (s *Suggestion) mixture(counts []count) {
	const least = 1e-6 // of a share, so that no count is impossible
	s.Rare, s.Common, s.CommonPart = 0.05, 0.9, 0.5
	for range 1000 {
		var common, rare, commonDevices, rareDevices, commonActive, rareActive float64
		for _, c := range counts {
			p := c.endpoints / (1 + math.Exp(s.logOdds(c)))
			rare += p
			rareDevices += p * c.devices
			rareActive += p * c.active
			q := c.endpoints - p
			common += q
			commonDevices += q * c.devices
			commonActive += q * c.active
		}
		before := *s
		share := func(devices, active, before float64) float64 {
			if active == 0 {
				return before
			}
			return min(max(devices/active, least), 1-least)
		}
		s.Rare, s.Common = share(rareDevices, rareActive, s.Rare), share(commonDevices, commonActive, s.Common)
		s.CommonPart = min(max(common/(common+rare), least), 1-least)
		if math.Abs(s.Rare-before.Rare)+math.Abs(s.Common-before.Common)+math.Abs(s.CommonPart-before.CommonPart) < 1e-12 {
			break
		}
	}
	// The share at which the odds are even, of the active devices that are the
	// median of all endpoints.
	byActive := slices.Clone(counts)
	slices.SortStableFunc(byActive, func(a, b count) int { return cmp.Compare(a.active, b.active) })
	half := 0.0
	for _, c := range counts {
		half += c.endpoints / 2
	}
	median := 0.0
	for _, c := range byActive {
		median = c.active
		if half -= c.endpoints; half <= 0 {
			break
		}
	}
	seen, unseen := math.Log(s.Common/s.Rare), math.Log((1-s.Rare)/(1-s.Common))
	s.Mixture = min(max((unseen-math.Log(s.CommonPart/(1-s.CommonPart))/median)/(seen+unseen), 0), 1)
}

// logOdds returns the logarithm of the odds that a count's endpoints are of the
// common kind.
func (s *Suggestion) logOdds(c count) float64 {
	return math.Log(s.CommonPart/(1-s.CommonPart)) + c.devices*math.Log(s.Common/s.Rare) +
		(c.active-c.devices)*math.Log((1-s.Common)/(1-s.Rare))
}

// otsu returns the middle of the shares between which the variance is greatest.
// counts are sorted by share.
func otsu(counts []count) float64 {
	var weight, sum float64
	for _, c := range counts {
		w := c.endpoints * c.devices
		weight += w
		sum += w * c.share()
	}
	best, threshold := -1.0, 0.0
	var low, lowSum float64
	for i, c := range counts[:len(counts)-1] {
		w := c.endpoints * c.devices
		low += w
		lowSum += w * c.share()
		if counts[i+1].share() == c.share() {
			continue
		}
		apart := lowSum/low - (sum-lowSum)/(weight-low)
		if between := low * (weight - low) * apart * apart; between > best {
			best, threshold = between, (c.share()+counts[i+1].share())/2
		}
	}
	return threshold
}
