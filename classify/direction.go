package classify

import (
	"fmt"
	"net/netip"

	"github.com/endoflow/endoflow/flow"
)

// A Direction is the label of a flow.
type Direction uint8

// The directions. The paper names the first four and does not define them; by
// elimination (method.md C.1) they are the cells of its 2x2 rule:
//
//	src \ dst   Private    Public
//	Private     Internal   Outbound
//	Public      Inbound    NAT
//
// NAT is so a residual class, and no evidence of address translation. Only
// [Strict] gives the last three.
const (
	Unknown   Direction = iota // nothing decides, or an end is missing
	Internal                   // both ends inside the enterprise
	Outbound                   // a device talks to a remote server
	Inbound                    // a remote end talks to a device
	NAT                        // both ends outside, or not known to be inside
	Local                      // within one link
	Multicast                  // to, or from, a group or everybody on a link
	Loopback                   // within one device
)

const directions = int(Loopback) + 1

var directionNames = [directions]string{"Unknown", "Internal", "Outbound", "Inbound", "NAT", "Local", "Multicast", "Loopback"}

func (d Direction) String() string {
	if int(d) < directions {
		return directionNames[d]
	}
	return fmt.Sprintf("Direction(%d)", uint8(d))
}

// A Basis is what a direction was decided by.
type Basis uint8

// The bases, the strongest evidence first (method.md C.4).
const (
	BasisNone      Basis = iota // the direction is Unknown
	BasisNative                 // the sensor's own word: flow.Record.Native
	BasisHost                   // an address is known to be the device's own
	BasisListening              // the device listens on its port of the flow
	BasisScope                  // the scopes of the two addresses
)

var basisNames = [...]string{"none", "native", "host side", "listening port", "scope"}

func (b Basis) String() string {
	if int(b) < len(basisNames) {
		return basisNames[b]
	}
	return fmt.Sprintf("Basis(%d)", uint8(b))
}

// A Label is what a [Labeler] says of a record.
type Label struct {
	Direction Direction
	Basis     Basis

	// RemoteIsSrc says that Src is the remote end. It is true only where the
	// direction is Outbound or Inbound.
	RemoteIsSrc bool
}

// Remote returns the remote end of the record that l is the label of. Where the
// direction is neither Outbound nor Inbound no end is the remote one, and Remote
// returns Dst.
func (l Label) Remote(rec flow.Record) netip.AddrPort {
	if l.RemoteIsSrc {
		return rec.Src
	}
	return rec.Dst
}

// A Labeler labels records: [Paper] or [Strict].
type Labeler interface {
	Label(rec flow.Record) Label
}

// NamedLabeler returns the Labeler of a name, for programs that take it from
// their user: "paper", or "strict" with nothing but its rules.
func NamedLabeler(name string) (l Labeler, ok bool) {
	switch name {
	case "paper":
		return Paper{}, true
	case "strict":
		return Strict{}, true
	}
	return nil, false
}

// Paper labels by the paper's rule and nothing else: an address of RFC 1918 is
// Private, every other is Public, and the two ends as recorded give Internal,
// Outbound, Inbound or NAT. The remote end of Outbound is Dst, that of Inbound
// Src. A record without both addresses is Unknown. Label does not allocate.
//
// The rule is applied to every pair of addresses, with all that follows:
//
//   - every IPv6 flow is NAT, be it link-local or loopback;
//   - multicast, broadcast, loopback and 169.254.0.0/16 are Public, so that a
//     device's mDNS is Outbound and 127.0.0.1 to itself is NAT;
//   - hosts in 100.64.0.0/10, and enterprises that number their inside with
//     public addresses, see their own traffic as Outbound, Inbound or NAT.
//
// Paper: sections 2.2 and 2.3. The one reading of ours is that an IPv4 address
// mapped into IPv6 counts as the IPv4 address.
type Paper struct{}

// Label implements [Labeler].
func (Paper) Label(rec flow.Record) Label {
	src, dst := rec.Src.Addr(), rec.Dst.Addr()
	if !src.IsValid() || !dst.IsValid() {
		return Label{}
	}
	l := Label{Basis: BasisScope}
	switch private := flow.IsRFC1918(src); {
	case private && flow.IsRFC1918(dst):
		l.Direction = Internal
	case private:
		l.Direction = Outbound
	case flow.IsRFC1918(dst):
		l.Direction, l.RemoteIsSrc = Inbound, true
	default:
		l.Direction = NAT
	}
	return l
}
