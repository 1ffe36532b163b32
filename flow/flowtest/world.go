package flowtest

import (
	"encoding/binary"
	"net/netip"
	"strconv"
)

// The fleet's Internet. None of its addresses and names is taken from the real
// one; the addresses are of global scope, since others would be no Internet.
//
//	11.0.0.0/8         addresses of one name, eight reserved for each
//	21.0.0.0/12        delivery networks, 65,536 for each
//	21.240.0.0/12      devices on the Internet, and strangers that connect to them
//	2600:1:1::/48      like 11.0.0.0/8
//	2600:1:2::/48      like 21.0.0.0/12
//	2600:1:d::/48      devices
//	10.0.0.0/24        the company's servers
const (
	ownBase    = 11<<24 | 1<<12
	cdnBase    = 21 << 24
	deviceBase = 21<<24 | 240<<16
	peerBase   = 21<<24 | 250<<16

	cdns = 12 // how many delivery networks there are
)

// A host is a name that answers.
type host struct {
	name    string
	number  int // among all names
	hosting hosting
}

// A world is everything that the devices of a fleet share.
type world struct {
	Fleet
	apps  []app
	hosts []host // of services; those of sites follow in number
}

func newWorld(f Fleet) *world {
	f = f.withDefaults()
	w := &world{Fleet: f, apps: catalogue(f.Seed, f.Apps)}
	known := make(map[string]int)
	for i := range w.apps {
		for j := range w.apps[i].services {
			s := &w.apps[i].services[j]
			if s.name == "" {
				continue
			}
			n, ok := known[s.name]
			if !ok {
				n = len(w.hosts)
				known[s.name] = n
				w.hosts = append(w.hosts, host{s.name, n, w.housed(s.hosting)})
			}
			s.host = n
		}
	}
	return w
}

// housed is a name's hosting where no address may have two names.
func (w *world) housed(h hosting) hosting {
	if w.OneNamePerAddress && (h == cdn || h == shared) {
		return balanced
	}
	return h
}

// site returns the i-th name, by popularity, that users choose from.
func (w *world) site(i int) host {
	h := host{number: len(w.hosts) + i}
	switch p := w.hash('h', h.number) % 100; {
	case p < 45:
		h.hosting = cdn
	case p < 60:
		h.hosting = shared
	case p < 90:
		h.hosting = own
	default:
		h.hosting = balanced
	}
	h.hosting = w.housed(h.hosting)
	h.name = [...]string{"www", "img", "api"}[i%3] + ".site" + strconv.Itoa(i/3) + ".example"
	return h
}

// hash returns the same number for the same fleet, kind of question and n.
func (w *world) hash(kind byte, n int) uint64 {
	return mix(w.Seed ^ mix(uint64(n)<<8|uint64(kind)))
}

// mix is the finalizer of SplitMix64 (Steele, Lea and Flood, OOPSLA 2014).
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// dual reports whether a name has IPv6 addresses besides the others.
func (w *world) dual(h host) bool {
	switch h.hosting {
	case company:
		return false
	case cdn: // the edge has them
		network, edge := w.edge(h)
		return w.hash('7', edge<<8|network)%5 < 3
	}
	return w.hash('6', h.number)%5 < 3
}

// addrs returns how many addresses of each version a name has.
func (w *world) addrs(h host) int {
	switch h.hosting {
	case balanced:
		return 2 + int(w.hash('b', h.number)%7)
	case cdn, shared:
		return 4
	}
	return 1
}

// addr returns the j-th address of a name.
func (w *world) addr(h host, j int, v6 bool) netip.Addr {
	switch h.hosting {
	case company:
		return addr4(10<<24 | 10 + uint32(h.number)%240)
	case cdn, shared:
		network, edge := w.edge(h)
		return w.edgeAddr(network, edge, j, v6)
	}
	if v6 {
		return addr6(1, uint64(h.number)<<16|uint64(j+1))
	}
	return addr4(ownBase + uint32(h.number)*8 + uint32(j))
}

// edge returns which delivery network serves a name, and which of its edges;
// an edge serves several names. Low networks have more names.
func (w *world) edge(h host) (network, edge int) {
	x := w.hash('e', h.number)
	network = int(min(x%cdns, x>>8%cdns))
	return network, int(x >> 32 % uint64(8+w.Names/32))
}

func (w *world) edgeAddr(network, edge, j int, v6 bool) netip.Addr {
	pool := uint64(min(16+w.Names/64, 60000))
	i := (w.hash('p', edge<<8|network) + uint64(j)) % pool
	if v6 {
		return addr6(2, uint64(network)<<32|i+1)
	}
	return addr4(cdnBase + uint32(network)<<16 + 256 + uint32(i))
}

// edgeName returns the name that the addresses of an edge stand under.
func edgeName(network, edge int) string {
	return "e" + strconv.Itoa(edge) + ".g." + networkName(network)
}

func networkName(network int) string { return "cdn" + strconv.Itoa(network) + ".example.net" }

func addr4(n uint32) netip.Addr {
	return netip.AddrFrom4([4]byte(binary.BigEndian.AppendUint32(nil, n)))
}

// addr6 returns an address in 2600:1:site::/48.
func addr6(site uint16, n uint64) netip.Addr {
	a := [16]byte{0: 0x26, 3: 1, 4: byte(site >> 8), 5: byte(site)}
	binary.BigEndian.PutUint64(a[8:], n)
	return netip.AddrFrom16(a)
}
