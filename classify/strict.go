package classify

import (
	"net/netip"

	"github.com/endoflow/endoflow/flow"
)

// Strict labels by the best evidence that there is. The zero value works; the
// hooks add evidence from elsewhere. Label does not allocate, and is safe for
// concurrent use if the hooks are.
//
// The scopes of the addresses (flow.Scope) fall into six groups,
//
//	P  private, site, and shared unless Scopes.SharedPublic
//	L  link-local
//	X  loopback
//	M  multicast, broadcast
//	G  global
//	N  unspecified, documentation, benchmark, reserved
//
// and the groups of a pair give its direction, if nothing better does:
//
//	src \ dst   P          L          X          M           G          N
//	P           Internal   Local      Unknown    Multicast   Outbound   Unknown
//	L           Local      Local      Unknown    Multicast   Unknown    Unknown
//	X           Unknown    Unknown    Loopback   Loopback    Unknown    Unknown
//	M           Multicast  Multicast  Unknown    Multicast   Multicast  Unknown
//	G           Inbound    Unknown    Unknown    Multicast   NAT        Unknown
//	N           Unknown    Unknown    Unknown    Multicast   Unknown    Unknown
//
// Better evidence is asked about pairs of which one end is in G and the other
// in P, L, G or N; the other pairs mean the same whoever opened them. In this
// order:
//
//  1. The sensor's word (flow.Native). Out to G makes the flow Outbound, and In
//     makes it Inbound, whatever the device's own address is: a global IPv6
//     address, a link-local or an unspecified one. Out to P is Internal, also
//     from a device with a public address. Local makes a pair of G with P or
//     G Internal; Transit makes a pair of two G NAT. Transit says nothing of
//     other pairs, since a sensor that was never told its networks says it of
//     every flow.
//  2. The host side: with Strict.Local, an address of the device's own is in
//     P, whatever its scope. This comes before the sensor's word where that
//     needs to know which end is remote.
//  3. The role: with Strict.Listening, a flow to or from a port on which the
//     device listens is Inbound. A port that is not in a list proves nothing,
//     the list being of one moment.
//  4. The table.
//
// Ports are never compared with lists of well-known ones.
//
// Which end is remote: the Windows Filtering Platform and Zeek record the
// initiator as Src, but NVM may always put the device's own end there
// (method.md C.3), and so does Sysmon in much of what the device did not
// initiate: of 718 such events in hand, 226 are a DNS server's own port 53. So
// order is trusted only for what the device opened, on which all sensors agree:
// Dst is remote. Of what it accepted, the one end in G is; of two, Src. The last
// is wrong where the sensor wrote its own end first; Strict.Local puts it right.
//
// Paper: the paper has the 2x2 rule of [Paper] only. The table and the order of
// evidence are method.md C.4 and C.5; the fan-in of ports, which C.4 has as its
// fourth step, takes more than one record and is not used.
type Strict struct {
	// Scopes has the enterprise's own networks.
	Scopes flow.Scopes

	// Local reports whether addr is one of the device's own addresses. device
	// is the record's, never "". nil is no evidence.
	Local func(device string, addr netip.Addr) bool

	// Listening reports whether the device listens on a port, as in osquery's
	// listening_ports. device is the record's, never "". nil is no evidence.
	Listening func(device string, proto flow.Proto, port uint16) bool
}

// A group is a row or column of the table of [Strict].
type group uint8

const (
	groupInvalid group = iota
	groupP
	groupL
	groupX
	groupM
	groupG
	groupN
	groups
)

var groupOf = [...]group{
	flow.Invalid:       groupInvalid,
	flow.Unspecified:   groupN,
	flow.Loopback:      groupX,
	flow.LinkLocal:     groupL,
	flow.Multicast:     groupM,
	flow.Broadcast:     groupM,
	flow.Private:       groupP,
	flow.Shared:        groupP,
	flow.Documentation: groupN,
	flow.Benchmark:     groupN,
	flow.Reserved:      groupN,
	flow.Site:          groupP,
	flow.Global:        groupG,
}

// table is that of [Strict]; what it leaves out is Unknown.
var table = [groups][groups]Direction{
	groupP: {groupP: Internal, groupL: Local, groupM: Multicast, groupG: Outbound},
	groupL: {groupP: Local, groupL: Local, groupM: Multicast},
	groupX: {groupX: Loopback, groupM: Loopback},
	groupM: {groupP: Multicast, groupL: Multicast, groupM: Multicast, groupG: Multicast},
	groupG: {groupP: Inbound, groupM: Multicast, groupG: NAT},
	groupN: {groupM: Multicast},
}

// open reports whether a pair is one that better evidence than scope is asked
// about.
func open(src, dst group) bool {
	return src == groupG && talks(dst) || dst == groupG && talks(src)
}

func talks(g group) bool { return g == groupP || g == groupL || g == groupG || g == groupN }

// Label implements [Labeler].
func (s Strict) Label(rec flow.Record) Label {
	src, dst := groupOf[s.Scopes.Of(rec.Src.Addr())], groupOf[s.Scopes.Of(rec.Dst.Addr())]
	basis := BasisScope
	ownDst := false
	if s.Local != nil && rec.Device != "" && open(src, dst) {
		if src != groupP && s.Local(rec.Device, rec.Src.Addr()) {
			src, basis = groupP, BasisHost
		}
		if s.Local(rec.Device, rec.Dst.Addr()) {
			ownDst = true
			if dst != groupP {
				dst, basis = groupP, BasisHost
			}
		}
	}
	l := Label{Direction: table[src][dst], Basis: basis}
	if l.Direction == Unknown {
		l.Basis = BasisNone
	}
	if !open(src, dst) {
		return l
	}
	l.RemoteIsSrc = l.Direction == Inbound

	both := src == groupG && dst == groupG
	switch rec.Native {
	case flow.NativeOut:
		switch {
		case dst == groupG || ownDst:
			return Label{Outbound, BasisNative, dst != groupG}
		case dst == groupP:
			return Label{Internal, BasisNative, false}
		}
	case flow.NativeIn:
		return Label{Inbound, BasisNative, src == groupG}
	case flow.NativeLocal:
		if both || src == groupP || dst == groupP {
			return Label{Internal, BasisNative, false}
		}
	case flow.NativeTransit:
		if both {
			return Label{NAT, BasisNative, false}
		}
	}

	if s.Listening != nil && rec.Device != "" && (l.Direction == Outbound || l.Direction == Inbound) {
		own := rec.Src
		if l.RemoteIsSrc {
			own = rec.Dst
		}
		if s.Listening(rec.Device, rec.Proto, own.Port()) {
			l.Direction, l.Basis = Inbound, BasisListening
		}
	}
	return l
}
