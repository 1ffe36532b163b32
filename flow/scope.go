package flow

import (
	"encoding/binary"
	"fmt"
	"net/netip"
)

// A Scope is the reach of an address: which part of the world it can be talked
// to from. None of netip's predicates tells what is on the Internet:
// IsGlobalUnicast is true for 10.0.0.0/8 and for documentation addresses, and
// IsPrivate is false for 100.64.0.0/10.
type Scope uint8

// The scopes (method.md C.5; IANA's special-purpose registries, RFC 6890 and
// RFC 8190). An address has the first whose row it matches.
const (
	Invalid       Scope = iota // the zero netip.Addr
	Unspecified                // 0.0.0.0/8 (RFC 791, 6890), ::
	Loopback                   // 127.0.0.0/8 (RFC 1122), ::1 (RFC 4291)
	LinkLocal                  // 169.254.0.0/16 (RFC 3927), fe80::/10 (RFC 4291)
	Multicast                  // 224.0.0.0/4 (RFC 5771), ff00::/8 (RFC 4291)
	Broadcast                  // 255.255.255.255 (RFC 919, 8190); a subnet's own cannot be told
	Private                    // 10/8, 172.16/12, 192.168/16 (RFC 1918), fc00::/7 (RFC 4193), fec0::/10 (RFC 3879)
	Shared                     // 100.64.0.0/10 (RFC 6598): carrier NAT, overlay VPNs
	Documentation              // 192.0.2/24, 198.51.100/24, 203.0.113/24 (RFC 5737), 2001:db8::/32 (RFC 3849), 3fff::/20 (RFC 9637)
	Benchmark                  // 198.18.0.0/15 (RFC 2544), 2001:2::/48 (RFC 5180)
	Reserved                   // 240/4 (RFC 1112), 192.0.0.0/24 but .9 and .10 (RFC 6890), 192.88.99/24 (RFC 7526), 100::/64 (RFC 6666), 2001::/23 but Teredo (RFC 2928), 5f00::/16 (RFC 9602), 64:ff9b:1::/48 (RFC 8215)
	Site                       // networks named by the user; see Scopes
	Global                     // the rest, among it Teredo 2001::/32 (RFC 4380) and 6to4 2002::/16 (RFC 3056)
)

var scopeNames = [...]string{
	"invalid", "unspecified", "loopback", "link-local", "multicast", "broadcast", "private",
	"shared", "documentation", "benchmark", "reserved", "site", "global",
}

func (s Scope) String() string {
	if int(s) < len(scopeNames) {
		return scopeNames[s]
	}
	return fmt.Sprintf("Scope(%d)", uint8(s))
}

// IsRFC1918 reports whether addr is in 10.0.0.0/8, 172.16.0.0/12 or
// 192.168.0.0/16, the only addresses that RFC 1918 makes private. An IPv4
// address mapped into IPv6 counts as the IPv4 address. It does not allocate.
//
// Paper: section 2.2 labels an address "Private" by this rule and all others
// "Public". [ScopeOf] knows more kinds.
func IsRFC1918(addr netip.Addr) bool {
	return (addr.Is4() || addr.Is4In6()) && isRFC1918(addr.As4())
}

func isRFC1918(a [4]byte) bool {
	return a[0] == 10 || a[0] == 172 && a[1]&0xf0 == 16 || a[0] == 192 && a[1] == 168
}

// ScopeOf returns the scope of addr, never Site. A zone is ignored, and an IPv4
// address inside an IPv6 one (mapped, RFC 4291 2.5.5.2; NAT64's 64:ff9b::/96,
// RFC 6052) counts as the IPv4 address. It does not allocate.
func ScopeOf(addr netip.Addr) Scope {
	switch {
	case addr.Is4(), addr.Is4In6():
		return scope4(addr.As4())
	case addr.Is6():
		return scope6(addr.As16())
	}
	return Invalid
}

func scope4(a [4]byte) Scope {
	switch a[0] {
	case 0:
		return Unspecified
	case 10:
		return Private
	case 100:
		if a[1]&0xc0 == 64 {
			return Shared
		}
	case 127:
		return Loopback
	case 169:
		if a[1] == 254 {
			return LinkLocal
		}
	case 172:
		if a[1]&0xf0 == 16 {
			return Private
		}
	case 192:
		switch {
		case a[1] == 168:
			return Private
		case a[1] == 0 && a[2] == 2:
			return Documentation
		case a[1] == 0 && a[2] == 0 && a[3] != 9 && a[3] != 10, // .9: RFC 7723, .10: RFC 8155
			a[1] == 88 && a[2] == 99:
			return Reserved
		}
	case 198:
		switch {
		case a[1]&0xfe == 18:
			return Benchmark
		case a[1] == 51 && a[2] == 100:
			return Documentation
		}
	case 203:
		if a[1] == 0 && a[2] == 113 {
			return Documentation
		}
	case 255:
		if a == [4]byte{255, 255, 255, 255} {
			return Broadcast
		}
		return Reserved
	default:
		switch a[0] & 0xf0 {
		case 224:
			return Multicast
		case 240:
			return Reserved
		}
	}
	return Global
}

func scope6(a [16]byte) Scope {
	hi, lo := binary.BigEndian.Uint64(a[:8]), binary.BigEndian.Uint64(a[8:])
	switch {
	case hi>>61 == 1: // 2000::/3, all that is handed out (RFC 4291 2.4), is asked first
		switch {
		case hi>>32 == 0x2001_0db8, hi>>44 == 0x3fff_0:
			return Documentation
		case hi>>16 == 0x2001_0002_0000:
			return Benchmark
		case hi>>41 == 0x2001_0000>>9 && hi>>32 != 0x2001_0000:
			return Reserved
		}
	case hi>>54 == 0xfe80>>6:
		return LinkLocal
	case hi>>56 == 0xff:
		return Multicast
	case hi>>57 == 0xfc>>1, hi>>54 == 0xfec0>>6:
		return Private
	case hi == 0 && lo == 0:
		return Unspecified
	case hi == 0 && lo == 1:
		return Loopback
	case hi == 0x0064_ff9b_0000_0000 && lo>>32 == 0:
		return scope4([4]byte(a[12:]))
	case hi>>16 == 0x0064_ff9b_0001, hi == 0x0100_0000_0000_0000, hi>>48 == 0x5f00:
		return Reserved
	}
	return Global
}

// Scopes is the table of [ScopeOf] with what only the user can know. The zero
// value is the plain table. It is safe for concurrent use while nobody changes
// it.
type Scopes struct {
	// Site are the enterprise's own networks outside the private ranges: its
	// public prefixes, its VPN pools. They are asked before every row of the
	// table. IPv4 networks are given as such, not mapped into IPv6. The list is
	// walked, so it is for tens of prefixes.
	Site []netip.Prefix

	// SharedPublic makes 100.64.0.0/10 Global: right where it is a carrier's
	// network outside the enterprise, wrong for overlay VPNs that number their
	// members in it.
	SharedPublic bool
}

// Of returns the scope of addr as ScopeOf does. It does not allocate.
func (s *Scopes) Of(addr netip.Addr) Scope {
	if len(s.Site) > 0 {
		bare := plain(addr)
		for _, p := range s.Site {
			if p.Contains(bare) {
				return Site
			}
		}
	}
	scope := ScopeOf(addr)
	if scope == Shared && s.SharedPublic {
		return Global
	}
	return scope
}

// plain returns the address that ScopeOf judges: without zone, and the IPv4
// address where one is inside.
func plain(addr netip.Addr) netip.Addr {
	const nat64 = "\x00\x64\xff\x9b\x00\x00\x00\x00\x00\x00\x00\x00"
	if addr.Is6() {
		if a := addr.As16(); string(a[:12]) == nat64 {
			return netip.AddrFrom4([4]byte(a[12:]))
		}
	}
	return addr.Unmap().WithZone("")
}
