package flow

import (
	"encoding/hex"
	"errors"
	"hash/maphash"
	"net/netip"
	"time"
)

// Causes of unreadable fields. They say what was expected and never what stood
// there.
var (
	errAddr   = errors.New("not an IP address")
	errPort   = errors.New("not a port number")
	errProto  = errors.New("not an IP protocol")
	errNumber = errors.New("not a number")
	errTime   = errors.New("not a time")
	errHash   = errors.New("not a SHA-256 in hexadecimal")
	errLong   = errors.New("text is longer than its limit")
)

// The longest texts that are read, in bytes. A process name has at most 255 on
// the systems in question, a path 4,096 on Linux and 32,767 on Windows.
const (
	maxText = 4 << 10
	maxPath = 32 << 10
)

// parseAddr reads an address and brings it to the form that records have:
// unmapped and without a zone.
func parseAddr(text []byte) (netip.Addr, error) {
	if addr, ok := parseIPv4(text); ok {
		return addr, nil
	}
	addr, err := netip.ParseAddr(string(text))
	if err != nil {
		return netip.Addr{}, errAddr
	}
	return addr.Unmap().WithZone(""), nil
}

// parseIPv4 reads a dotted quad without allocation, as netip.ParseAddr would.
func parseIPv4(text []byte) (netip.Addr, bool) {
	var quad [4]byte
	n, digits, value := 0, 0, 0
	for _, c := range text {
		switch {
		case c >= '0' && c <= '9':
			if digits > 0 && value == 0 {
				return netip.Addr{}, false
			}
			value = value*10 + int(c-'0')
			if digits++; value > 255 {
				return netip.Addr{}, false
			}
		case c == '.' && digits > 0 && n < 3:
			quad[n] = byte(value)
			n++
			digits, value = 0, 0
		default:
			return netip.Addr{}, false
		}
	}
	if n != 3 || digits == 0 {
		return netip.Addr{}, false
	}
	quad[3] = byte(value)
	return netip.AddrFrom4(quad), true
}

// parseUint reads a decimal number without sign.
func parseUint(text []byte, limit uint64) (uint64, error) {
	if len(text) == 0 || len(text) > 20 {
		return 0, errNumber
	}
	var n uint64
	for i, c := range text {
		d := uint64(c - '0')
		if d > 9 || i == 19 && n > (1<<64-1-d)/10 {
			return 0, errNumber
		}
		n = n*10 + d
	}
	if n > limit {
		return 0, errNumber
	}
	return n, nil
}

func parsePort(text []byte) (uint16, error) {
	n, err := parseUint(text, 65535)
	if err != nil {
		return 0, errPort
	}
	return uint16(n), nil
}

// maxUnix is the last second of the year 9999.
const maxUnix = 253402300799

// parseUnixMilli reads milliseconds since 1970. 0 is no time.
func parseUnixMilli(text []byte) (time.Time, error) {
	ms, err := parseUint(text, maxUnix*1000)
	if err != nil {
		return time.Time{}, errTime
	}
	if ms == 0 {
		return time.Time{}, nil
	}
	return time.UnixMilli(int64(ms)).UTC(), nil
}

// parseUnix reads seconds since 1970. 0 is no time.
func parseUnix(text []byte) (time.Time, error) {
	s, err := parseUint(text, maxUnix)
	if err != nil {
		return time.Time{}, errTime
	}
	if s == 0 {
		return time.Time{}, nil
	}
	return time.Unix(int64(s), 0).UTC(), nil
}

// A digest is a SHA-256, or what stood in its place.
type digest struct {
	sum [32]byte
	ok  bool
}

func parseSHA256(text []byte) (d digest) {
	if len(text) == 64 {
		_, err := hex.Decode(d.sum[:], text)
		d.ok = err == nil
	}
	return d
}

// parseProto reads the text of a protocol field.
func parseProto(text string) (Proto, error) {
	p, ok := ParseProto(text)
	if !ok {
		return 0, errProto
	}
	return p, nil
}

// baseName returns what follows the last slash or backslash.
func baseName(path string) string {
	for i := len(path) - 1; i >= 0; i-- {
		if path[i] == '/' || path[i] == '\\' {
			return path[i+1:]
		}
	}
	return path
}

// isPath reports whether a text is an absolute path, on any system.
func isPath(text []byte) bool {
	return len(text) > 1 && text[0] == '/' || len(text) > 3 && text[1] == ':' && text[2] == '\\'
}

// escaping says how a text is written.
type escaping uint8

const (
	verbatim      escaping = iota
	jsonEscapes            // as a JSON string with escapes or non-ASCII characters
	quotedEscapes          // between double quotes on a key=value line
)

// A memory keeps what was made of texts. Devices, applications and executions
// repeat on every line: what is known need not be parsed or copied again, and the
// lines themselves need not be kept. It starts again when it is full, so that
// texts which never repeat do not fill the computer's. It is a table of open addressing,
// which halves the time of a Go map here.
type memory[V any] struct {
	slots []remembered[V] // a power of two
	n     int
	bytes int
}

type remembered[V any] struct {
	hash uint64
	text string // as written
	how  escaping
	used bool
	made V
}

// maxTexts and maxTextBytes are what a memory holds at most.
const (
	maxTexts     = 1 << 16
	maxTextBytes = 8 << 20
)

var memorySeed = maphash.MakeSeed()

// find returns what was made of a text with a hash, or nil. It is good until the
// next text is added.
func (m *memory[V]) find(hash uint64, text []byte, how escaping) *V {
	if m.n == 0 {
		return nil
	}
	mask := uint64(len(m.slots) - 1)
	for i := hash & mask; ; i = (i + 1) & mask {
		switch s := &m.slots[i]; {
		case s.hash == hash && s.text == string(text) && s.how == how && s.used:
			return &s.made
		case !s.used:
			return nil
		}
	}
}

func (m *memory[V]) add(hash uint64, text string, how escaping, made V) *V {
	if m.n >= maxTexts || m.bytes > maxTextBytes {
		clear(m.slots)
		m.n, m.bytes = 0, 0
	}
	if 2*m.n >= len(m.slots) {
		old := m.slots
		m.slots = make([]remembered[V], max(16, 4*len(old)))
		for i := range old {
			if old[i].used {
				*m.free(old[i].hash) = old[i]
			}
		}
	}
	m.n++
	m.bytes += len(text)
	s := m.free(hash)
	*s = remembered[V]{hash, text, how, true, made}
	return &s.made
}

func (m *memory[V]) free(hash uint64) *remembered[V] {
	mask := uint64(len(m.slots) - 1)
	i := hash & mask
	for m.slots[i].used {
		i = (i + 1) & mask
	}
	return &m.slots[i]
}

// A names table gives equal texts one string.
type names struct{ memory[string] }

func (t *names) intern(text []byte) string {
	hash := maphash.Bytes(memorySeed, text)
	if s := t.find(hash, text, verbatim); s != nil {
		return *s
	}
	s := string(text)
	return *t.add(hash, s, verbatim, s)
}

// addrPort returns the end at text and port; a null address gives an invalid
// end.
func addrPort(addrField string, addr []byte, portField string, port []byte) (netip.AddrPort, error) {
	if isNullBytes(addr) {
		return netip.AddrPort{}, nil
	}
	a, err := parseAddr(addr)
	if err != nil {
		return netip.AddrPort{}, BadField(addrField, err)
	}
	var p uint16
	if !isNullBytes(port) {
		if p, err = parsePort(port); err != nil {
			return netip.AddrPort{}, BadField(portField, err)
		}
	}
	return netip.AddrPortFrom(a, p), nil
}

// maxNull is the length of the longest text that stands for nothing.
const maxNull = uint32(len("Unknown"))

func isNullBytes(text []byte) bool { return len(text) <= int(maxNull) && isNull(string(text)) }

// portless returns the end with port 0.
func portless(end netip.AddrPort) netip.AddrPort {
	if !end.IsValid() {
		return end
	}
	return netip.AddrPortFrom(end.Addr(), 0)
}
