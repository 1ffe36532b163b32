package pdns

import (
	"errors"
	"net/netip"
	"strings"
	"time"
)

// A Record is one answer: one resource record that a resolver gave, seen once
// or several times. The names are those of the Passive DNS Common Output Format
// (draft-dulaunoy-dnsop-passive-dns-cof). It is a plain value that shares
// nothing with the input and is safe to keep and to compare.
//
// Names are in lower case and without the final dot.
type Record struct {
	RRName string // the record's owner
	RRType Type
	RData  string // an address in its canonical text (RFC 5952), or a name

	// TimeFirst and TimeLast are when the record was first and last seen, in
	// UTC; zero where the source does not say.
	TimeFirst, TimeLast time.Time

	// Count is how often the record was seen, at least 1.
	Count uint64

	// TTL is the record's time to live as seen, which a resolver's cache has
	// counted down. 0 is unknown.
	TTL time.Duration

	// Query is the name that the client asked for; "" where the source has
	// rows and not messages.
	Query string
}

// Addr returns the address of an A or AAAA record, unmapped (RFC 4291 2.5.5.2)
// and without a zone. ok is false for a record of another type and for data
// that is not an address of the type.
func (r Record) Addr() (addr netip.Addr, ok bool) {
	if r.RRType != A && r.RRType != AAAA {
		return netip.Addr{}, false
	}
	addr, err := parseAddr(r.RRType, r.RData)
	return addr.Unmap(), err == nil
}

var (
	errIPv4 = errors.New("not an IPv4 address")
	errIPv6 = errors.New("not an IPv6 address")
)

// parseAddr returns the address in the data of an A or AAAA record, without a
// zone.
func parseAddr(t Type, data string) (netip.Addr, error) {
	addr, err := netip.ParseAddr(data)
	switch {
	case t == A && (err != nil || !addr.Is4()):
		return netip.Addr{}, errIPv4
	case t == AAAA && (err != nil || !addr.Is6()):
		return netip.Addr{}, errIPv6
	}
	return addr.WithZone(""), nil
}

// addrType returns the type of the record that an address comes from, where the
// source gives answers without their types.
func addrType(addr netip.Addr) Type {
	if addr.Is4() {
		return A
	}
	return AAAA
}

const (
	// maxName is the longest name, in bytes (RFC 1035 2.3.4).
	maxName = 255
	// maxAnswers is the most answers of a line. A DNS message has 65,535
	// bytes, and its smallest answer with an address 16.
	maxAnswers = 4096
)

var (
	errNoName      = errors.New("no name")
	errLongName    = errors.New("name is longer than 255 bytes")
	errName        = errors.New("not a host name in printable ASCII")
	errManyAnswers = errors.New("more than 4096 answers")
)

// isCanonical reports whether a name is in the form that canonical returns.
func isCanonical(name []byte) bool {
	if len(name) == 0 || len(name) > maxName || name[len(name)-1] == '.' {
		return false
	}
	for _, c := range name {
		if c <= ' ' || c >= 0x7f || 'A' <= c && c <= 'Z' {
			return false
		}
	}
	return true
}

// canonical returns a name in the one form that is compared: lower case, no
// final dot. A name that is already so is returned as it is.
func canonical(name string) (string, error) {
	name = strings.TrimSuffix(name, ".")
	switch {
	case name == "":
		return "", errNoName
	case len(name) > maxName:
		return "", errLongName
	case name[len(name)-1] == '.':
		return "", errName
	}
	upper := false
	for i := range len(name) {
		c := name[i]
		if c <= ' ' || c >= 0x7f {
			return "", errName
		}
		upper = upper || 'A' <= c && c <= 'Z'
	}
	if upper {
		name = strings.ToLower(name)
	}
	return name, nil
}
