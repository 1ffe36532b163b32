package main

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"net/netip"
	"strconv"
)

// The fleet's Internet. None of its addresses and names is taken from the real
// one; the addresses are of global scope, since others would be no Internet.
//
//	11.0.0.0 and on    addresses of one name, two reserved for each
//	21.0.0.0 and on    addresses that names share
//	31.0.0.0/8         devices on the Internet without a router before them
//	41.0.0.0/8         strangers that connect to devices
//	2600:1:1::/48      like 11.0.0.0
//	2600:1:2::/48      like 21.0.0.0
//	2600:1:d::/48      devices
const (
	ownBase      = 11 << 24
	sharedBase   = 21<<24 | 256
	publicBase   = 31 << 24
	strangerBase = 41 << 24
)

// A world is what the devices of a fleet share. It is read-only once made.
type world struct {
	fleet
	sites  int // names that users choose from, the most popular first
	names  int // these and the applications' own
	shared int // addresses that names share, those with the most names first
	apps   []app
	// macOS and Windows devices alike have apps, of which picks holds the
	// cumulated weights.
	installed [][]uint16
	picks     [][]float32
}

// An app is an application with endpoints of its own.
type app struct {
	name, parent, path string
	hash, parentHash   string // in hexadecimal
	own                []int  // names, the most used first
	browses            uint32 // per mille of its flows that go where its user wants
	weight             float64
}

const apps = 400

func newWorld(f fleet) *world {
	w := &world{fleet: f, sites: max(f.Rows*13/100, 200), shared: max(f.Rows*7/1000, 32)}
	w.names = w.sites
	common := w.names // names that many applications use: updates, telemetry, fonts
	w.names += 300
	rng := rand.New(rand.NewPCG(f.Seed, 'a'))
	for i := range apps {
		a := app{
			name: label(mix(f.Seed^uint64(i)<<8^'n'), 2+i%2), parent: [...]string{"launchd", "loginwindow", "zsh"}[i%3],
			hash: hexHash(f.Seed, 'h', i), parentHash: hexHash(f.Seed, 'p', i%3),
			browses: 200 + rng.Uint32N(200), weight: 1 / math.Pow(float64(i+6), 0.9),
		}
		if i%12 == 0 {
			a.browses = 950 // a browser
		}
		a.name = string(a.name[0]-'a'+'A') + a.name[1:] + strconv.Itoa(i)
		a.path = "/Applications/" + a.name + ".app/Contents/MacOS/"
		for range 4 + rng.IntN(24) {
			if rng.IntN(4) == 0 {
				a.own = append(a.own, common+rng.IntN(300))
			} else {
				a.own = append(a.own, w.names)
				w.names++
			}
		}
		w.apps = append(w.apps, a)
	}
	for d := range f.Devices {
		rng := rand.New(rand.NewPCG(f.Seed^'d', uint64(d)))
		var installed []uint16
		var picks []float32
		total := 0.0
		for i := range w.apps {
			// 143 applications are on more than 5 % of the devices.
			if rng.Float64() < max(0.97*math.Exp(-float64(i)/49), 0.004) {
				total += w.apps[i].weight * (0.5 + rng.Float64())
				installed, picks = append(installed, uint16(i)), append(picks, float32(total))
			}
		}
		if len(installed) == 0 {
			installed, picks, total = []uint16{0}, []float32{1}, 1
		}
		for i := range picks {
			picks[i] /= float32(total)
		}
		w.installed, w.picks = append(w.installed, installed), append(w.picks, picks)
	}
	return w
}

// windows reports whether a device has Windows; the others have macOS.
func (w *world) windows(device int) bool { return mix(w.Seed^uint64(device)<<8^'w')%100 < 18 }

// isShared reports whether a name is on addresses that it shares with others.
func (w *world) isShared(name int) bool { return mix(w.Seed^uint64(name)<<8^'s')%100 < 60 }

// addrs returns how many IPv4 addresses a name has.
func (w *world) addrs(name int) int {
	h := mix(w.Seed ^ uint64(name)<<8 ^ 'c')
	if w.isShared(name) {
		return 1 + int(h%5)
	}
	return 1 + int(h%3/2)
}

// dual reports whether a name has IPv6 addresses, as many as the others.
func (w *world) dual(name int) bool { return mix(w.Seed^uint64(name)<<8^'6')%5 < 2 }

// addr returns the j-th address of a name. Of the shared addresses, the first
// have far more names than the last.
func (w *world) addr(name, j int, v6 bool) netip.Addr {
	site, n := uint16(1), uint64(name)*2+uint64(j)
	base := uint32(ownBase)
	if w.isShared(name) {
		u := float64(mix(w.Seed^uint64(name*4+j)<<8^'e')>>11) / (1 << 53)
		site, n = 2, uint64(float64(w.shared)*math.Pow(u, 1.97))
		base = sharedBase
	}
	if v6 {
		return addr6(site, n+1)
	}
	return addr4(base + uint32(n))
}

// appendName appends the text of a name.
func (w *world) appendName(buf []byte, name int) []byte {
	h := mix(w.Seed ^ uint64(name)<<8 ^ 't')
	if h%3 > 0 {
		buf = append(buf, [...]string{"www.", "api.", "img.", "cdn."}[h>>8%4]...)
	}
	buf = appendLabel(buf, h>>16, 2+int(h>>4%3))
	buf = append(buf, '-')
	buf = strconv.AppendUint(buf, uint64(name), 36)
	return append(buf, ".example"...)
}

// label returns an invented word.
func label(h uint64, syllables int) string { return string(appendLabel(nil, h, syllables)) }

func appendLabel(buf []byte, h uint64, syllables int) []byte {
	for range syllables {
		buf = append(buf, "bdfgklmnprstvz"[h%14], "aeiou"[h>>8%5])
		h >>= 12
	}
	return buf
}

func hexHash(seed uint64, kind byte, n int) string {
	var buf []byte
	for i := range 4 {
		x := mix(seed^uint64(n)<<16^uint64(i)<<8^uint64(kind)) | 1<<63
		buf = strconv.AppendUint(buf, x, 16)
	}
	return string(buf)
}

// mix is the finalizer of SplitMix64 (Steele, Lea and Flood, OOPSLA 2014).
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

func addr4(n uint32) netip.Addr {
	return netip.AddrFrom4([4]byte(binary.BigEndian.AppendUint32(nil, n)))
}

// addr6 returns an address in 2600:1:site::/48.
func addr6(site uint16, n uint64) netip.Addr {
	a := [16]byte{0: 0x26, 3: 1, 4: byte(site >> 8), 5: byte(site)}
	binary.BigEndian.PutUint64(a[8:], n)
	return netip.AddrFrom16(a)
}
