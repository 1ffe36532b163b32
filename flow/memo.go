package flow

import "github.com/endoflow/endoflow/internal/dense"

// Memo returns a function that answers as answer does, asks it once about each
// text, and remembers all. It is for one goroutine, and for what is wanted of every
// record and follows from its device or application alone, such as its pseudonym
// or its number in an accumulator: where a fleet is larger than the processor's
// cache, what costs is the number of places to look.
func Memo[V any](answer func(text string) V) func(text string) V {
	var texts dense.Texts[V]
	return func(text string) V {
		n, isNew := texts.Add(text)
		if isNew {
			v := answer(text) // which may ask for others
			*texts.Value(n) = v
		}
		return *texts.Value(n)
	}
}
