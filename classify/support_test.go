package classify_test

import (
	"math"
	"testing"

	"github.com/endoflow/endoflow/classify"
)

func TestWilson(t *testing.T) {
	tests := []struct {
		devices, active int
		lo              float64 // method.md B.6; 3 of 3 is .43849 with z = 1.96 and .43850 with the exact quantile
	}{
		{1, 1, .207}, {3, 3, .439}, {5, 5, .566}, {10, 10, .722}, {20, 20, .839}, {9, 10, .596}, {90, 100, .826},
	}
	for _, tt := range tests {
		s := classify.Support{Devices: tt.devices, Active: tt.active}
		lo, hi := s.Wilson(1.96)
		if math.Abs(lo-tt.lo) > .0006 {
			t.Errorf("%+v: lower end %.4f, want %.3f", s, lo, tt.lo)
		}
		if n := float64(tt.active); tt.devices == tt.active && (math.Abs(lo-n/(n+1.96*1.96)) > 1e-12 || hi != 1) {
			t.Errorf("%+v: [%v, %v], want [n/(n+z²), 1]", s, lo, hi)
		}
	}
	if lo, hi := (classify.Support{}).Wilson(1.96); lo != 0 || hi != 1 {
		t.Errorf("0 of 0: [%v, %v], want [0, 1]", lo, hi)
	}
	for n := 1; n <= 200; n++ {
		for k := range n + 1 {
			s := classify.Support{Devices: k, Active: n}
			lo, hi := s.Wilson(1.96)
			if !(0 <= lo && lo <= s.Share() && s.Share() <= hi && hi <= 1 && lo < hi) {
				t.Fatalf("%+v: [%v, %v] around %v", s, lo, hi, s.Share())
			}
			// What is not seen has the interval of what is, turned round.
			lo2, hi2 := classify.Support{Devices: n - k, Active: n}.Wilson(1.96)
			if math.Abs(lo+hi2-1) > 1e-12 || math.Abs(hi+lo2-1) > 1e-12 {
				t.Fatalf("%+v: [%v, %v] is not [1-%v, 1-%v]", s, lo, hi, hi2, lo2)
			}
			// z = 0 asks for no confidence.
			if lo, hi := s.Wilson(0); math.Abs(lo-s.Share()) > 1e-12 || math.Abs(hi-s.Share()) > 1e-12 && k < n {
				t.Fatalf("%+v: z = 0 gives [%v, %v]", s, lo, hi)
			}
		}
	}
}

func TestEndogeneity(t *testing.T) {
	tests := []struct {
		devices, active int
		threshold       float64
		want            classify.Endogeneity
	}{
		{0, 0, .5, classify.EndogeneityUnknown},
		{0, 9, .5, classify.Exogenous},
		{5, 10, .5, classify.Endogenous}, // at least the threshold
		{499, 1000, .5, classify.Exogenous},
		{29, 100, .29, classify.Endogenous}, // 29 < .29*100 in floating point
		{10, 10, 1, classify.Endogenous},
		{9, 10, 1, classify.Exogenous},
	}
	for _, tt := range tests {
		s := classify.Support{Devices: tt.devices, Active: tt.active}
		if got := s.Endogeneity(tt.threshold); got != tt.want {
			t.Errorf("%+v at %v is %v, want %v", s, tt.threshold, got, tt.want)
		}
	}
	if got := (classify.Support{}).Share(); got != 0 {
		t.Errorf("0 of 0 is %v, want 0", got)
	}
}
