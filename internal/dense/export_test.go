package dense

// Displacement returns how many slots keys lie beyond their own, on average.
func Displacement(t *Table) float64 {
	mask := len(t.slots) - 1
	sum := 0
	for i, s := range t.slots {
		if s != 0 {
			sum += (i - int(s>>32)) & mask
		}
	}
	return float64(sum) / float64(t.Len())
}
