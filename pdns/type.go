package pdns

import (
	"strconv"
	"strings"
)

// A Type is the type of a resource record (IANA, "Resource Record (RR) TYPEs").
type Type uint16

// The types that have names here. Only A, AAAA and CNAME name an address; the
// formats of this package skip the others.
const (
	A     Type = 1
	NS    Type = 2
	CNAME Type = 5
	SOA   Type = 6
	PTR   Type = 12
	MX    Type = 15
	TXT   Type = 16
	AAAA  Type = 28
	SRV   Type = 33
)

var typeNames = []struct {
	t    Type
	name string
}{{A, "A"}, {AAAA, "AAAA"}, {CNAME, "CNAME"}, {NS, "NS"}, {SOA, "SOA"}, {PTR, "PTR"}, {MX, "MX"}, {TXT, "TXT"}, {SRV, "SRV"}}

// String returns the type's name, or "TYPE65" and so on (RFC 3597 5).
func (t Type) String() string {
	for _, e := range typeNames {
		if e.t == t {
			return e.name
		}
	}
	return "TYPE" + strconv.Itoa(int(t))
}

// ParseType returns the type of a name that String writes, in any case, or of a
// number; ok is false for another text.
func ParseType(s string) (t Type, ok bool) {
	for _, e := range typeNames {
		if strings.EqualFold(e.name, s) {
			return e.t, true
		}
	}
	if len(s) > 4 && strings.EqualFold(s[:4], "TYPE") {
		s = s[4:]
	}
	n, err := strconv.ParseUint(s, 10, 16)
	return Type(n), err == nil
}
