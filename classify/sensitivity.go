package classify

import "math"

// steps is how many steps a Sensitivity divides shares into.
const steps = 20

// A Sensitivity tells how the study's answer depends on the threshold: how many
// endpoints would be endogenous, and how many applications would have one, and one
// that uses HTTPS, at thresholds from 0.05 to 0.95. Where few endpoints have middling
// shares the answer hardly depends on it, which is the evidence that there are two
// kinds of endpoints (method.md B.7). The zero value is empty and ready. It is for
// one goroutine; several merge to the same curve in any order.
type Sensitivity struct {
	endpoints [steps + 1]int64 // by how many thresholds the share reaches
	apps      map[string]reached
}

// reached is how many thresholds the best endpoint of an application reaches, and
// its best with HTTPS.
type reached struct{ any, https uint8 }

// thresholds returns how many of 1/20, 2/20, ... a share reaches.
func thresholds(share float64) int {
	n := min(int(share*steps), steps)
	if n < steps && share >= float64(n+1)/steps {
		n++
	} else if n > 0 && share < float64(n)/steps {
		n--
	}
	return n
}

// Add counts an endpoint of an application, and whether it uses HTTPS. By its
// Share it is endogenous at a threshold or not, as [Support.Endogeneity] says.
func (s *Sensitivity) Add(app string, of Support, https bool) {
	n := thresholds(of.Share())
	s.endpoints[n]++
	if n == 0 {
		return
	}
	r := reached{any: uint8(n)}
	if https {
		r.https = r.any
	}
	s.addApp(app, r)
}

func (s *Sensitivity) addApp(app string, r reached) {
	if s.apps == nil {
		s.apps = make(map[string]reached)
	}
	known := s.apps[app]
	if now := (reached{max(known.any, r.any), max(known.https, r.https)}); now != known {
		s.apps[app] = now
	}
}

// Merge adds what other counted, which it leaves as it is.
func (s *Sensitivity) Merge(other *Sensitivity) {
	for n, endpoints := range other.endpoints {
		s.endpoints[n] += endpoints
	}
	for app, r := range other.apps {
		s.addApp(app, r)
	}
}

// A SensitivityPoint is what a threshold would make of the endpoints.
type SensitivityPoint struct {
	Threshold float64
	Endpoints int64 // that are endogenous
	Apps      int   // with an endogenous endpoint
	HTTPS     int   // of them, with one that uses HTTPS
}

// HTTPSShare returns HTTPS / Apps, and 0 of none.
func (p SensitivityPoint) HTTPSShare() float64 {
	if p.Apps == 0 {
		return 0
	}
	return float64(p.HTTPS) / float64(p.Apps)
}

// Curve returns the points at 0.05, 0.10, ... 0.95.
func (s *Sensitivity) Curve() []SensitivityPoint {
	points := make([]SensitivityPoint, steps-1)
	endpoints := s.endpoints[steps]
	for i := len(points) - 1; i >= 0; i-- {
		endpoints += s.endpoints[i+1]
		points[i] = SensitivityPoint{Threshold: float64(i+1) / steps, Endpoints: endpoints}
	}
	for _, r := range s.apps {
		for i := range min(int(r.any), len(points)) {
			points[i].Apps++
		}
		for i := range min(int(r.https), len(points)) {
			points[i].HTTPS++
		}
	}
	return points
}

// Plateau returns the widest range of the curve's thresholds around one, from lo to
// hi, at all of which the number of endogenous endpoints differs by no more than a
// tenth from that at the curve's threshold next to it. A range of one threshold says
// that the answer hangs on it. An empty curve has none: 0, 0.
func Plateau(curve []SensitivityPoint, around float64) (lo, hi float64) {
	if len(curve) == 0 {
		return 0, 0
	}
	at := 0
	for i, p := range curve {
		if math.Abs(p.Threshold-around) < math.Abs(curve[at].Threshold-around) {
			at = i
		}
	}
	near := func(i int) bool {
		return i >= 0 && i < len(curve) && 10*abs(curve[i].Endpoints-curve[at].Endpoints) <= curve[at].Endpoints
	}
	from, to := at, at
	for near(from - 1) {
		from--
	}
	for near(to + 1) {
		to++
	}
	return curve[from].Threshold, curve[to].Threshold
}

func abs(n int64) int64 { return max(n, -n) }
