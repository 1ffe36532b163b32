package classify

import (
	"strings"

	"github.com/endoflow/endoflow/flow"
)

// An OSSet selects devices and flows by their operating systems, of which
// unknown is one. The zero value selects none.
type OSSet uint8

// AnyOS selects all systems, also an unknown one.
const AnyOS OSSet = 1<<systems - 1

const systems = int(flow.Linux) + 1

// Only selects the given systems.
func Only(oses ...flow.OS) OSSet {
	var s OSSet
	for _, os := range oses {
		s |= 1 << os
	}
	return s & AnyOS
}

// Has reports whether the set selects os.
func (s OSSet) Has(os flow.OS) bool { return s&(1<<os) != 0 }

// String lists the systems, joined by "+"; all of them are "any", none is "".
func (s OSSet) String() string {
	if s == AnyOS {
		return "any"
	}
	var names []string
	for os := range flow.OS(systems) {
		if s.Has(os) {
			names = append(names, os.String())
		}
	}
	return strings.Join(names, "+")
}

// ParseOSSet returns the set of one system's name, as flow.OS writes it, or
// [AnyOS] for "any".
func ParseOSSet(s string) (set OSSet, ok bool) {
	if s == AnyOS.String() {
		return AnyOS, true
	}
	os, ok := flow.ParseOS(s)
	return Only(os), ok && os != flow.OSUnknown
}
