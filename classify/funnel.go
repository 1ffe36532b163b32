package classify

import (
	"fmt"

	"github.com/endoflow/endoflow/flow"
)

// A Filter is one of the filters of the paper's sections 2.2 and 2.4 that can be
// applied to a record by itself.
type Filter uint8

// The filters, in the order in which they are applied. Endogeneity, which the
// paper lists as a fourth "way" of section 2.4, is a question about endpoints
// and comes after them.
const (
	FilterUnknown    Filter = iota
	FilterNull              // leaves out NULL records
	FilterOS                // keeps flows of the chosen operating systems
	FilterPrevalence        // keeps flows of applications on more than a share of the devices
	FilterDirection         // keeps Outbound flows
)

var filterNames = [...]string{"unknown", "null", "os", "prevalence", "direction"}

func (f Filter) String() string {
	if int(f) < len(filterNames) {
		return filterNames[f]
	}
	return fmt.Sprintf("Filter(%d)", uint8(f))
}

// A FilterCount is the effect of one filter on what those before it left.
type FilterCount struct {
	Filter  Filter
	Removed uint64 // flows
	Left    uint64 // flows
}

// Funnel returns what the filters remove, one after the other: NULL records,
// then other operating systems, then applications on no more than the share min
// of the devices (and flows without an application), then all directions but
// Outbound. The first row's sum is the number of all records, the last row's
// Left the number of flows that a study with these filters keeps.
func (c *Census) Funnel(oses OSSet, min float64) []FilterCount {
	prevalent := make(map[string]bool)
	for _, name := range c.Prevalent(oses, min) {
		prevalent[name] = true
	}
	var removed [FilterDirection + 1]uint64
	for _, flows := range c.nulls {
		removed[FilterNull] += flows
	}
	var kept uint64
	c.each(func(a uint32, os flow.OS, d Direction, flows uint64) {
		switch {
		case !oses.Has(os):
			removed[FilterOS] += flows
		case !prevalent[c.apps[a].name]:
			removed[FilterPrevalence] += flows
		case d != Outbound:
			removed[FilterDirection] += flows
		default:
			kept += flows
		}
	})
	rows := make([]FilterCount, FilterDirection)
	for f := FilterDirection; f > FilterUnknown; f-- {
		rows[f-1] = FilterCount{f, removed[f], kept}
		kept += removed[f]
	}
	return rows
}
