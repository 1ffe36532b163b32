package flow

import (
	"cmp"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"hash/maphash"
	"math/bits"
	"net/netip"
	"strings"
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
	if addr, ok := parseIPv6(text); ok {
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

// Of a number of as many digits: what the digits before the last are worth, and
// what it is at least without leading zeros.
var tens, hundreds, least = [4]uint{0, 0, 10, 10}, [4]uint{0, 0, 0, 100}, [4]uint{0, 0, 10, 100}

// parseIPv6 reads an IPv6 address without allocation, as netip.ParseAddr would, if
// it has no IPv4 address and no zone in it.
func parseIPv6(text []byte) (netip.Addr, bool) {
	var words [8]uint16
	n, gap := 0, -1 // words read, and the place of "::"
	if len(text) > 1 && text[0] == ':' && text[1] == ':' {
		gap, text = 0, text[2:]
	}
	for len(text) > 0 {
		word, digits := uint(0), 0
		for digits < len(text) && isHexDigit[text[digits]] != 0 {
			word = word<<4 | uint(isHexDigit[text[digits]]&15)
			digits++
		}
		if digits == 0 || digits > 4 || n == 8 {
			return netip.Addr{}, false
		}
		words[n] = uint16(word)
		n++
		if text = text[digits:]; len(text) == 0 {
			break
		}
		if text[0] != ':' || len(text) == 1 {
			return netip.Addr{}, false
		}
		if text = text[1:]; text[0] == ':' {
			if gap >= 0 {
				return netip.Addr{}, false
			}
			gap, text = n, text[1:]
		}
	}
	switch {
	case gap < 0 && n != 8, gap >= 0 && n == 8:
		return netip.Addr{}, false
	case gap >= 0:
		copy(words[8-(n-gap):], words[gap:n])
		clear(words[gap : 8-(n-gap)])
	}
	var addr [16]byte
	for i, word := range words {
		binary.BigEndian.PutUint16(addr[2*i:], word)
	}
	return netip.AddrFrom16(addr).Unmap(), true
}

// isHexDigit has the value of a hexadecimal digit, and 16 for all.
var isHexDigit = func() (t [256]uint8) {
	for i, c := range "0123456789abcdef" {
		t[c], t["0123456789ABCDEF"[i]] = 16|uint8(i), 16|uint8(i)
	}
	return t
}()

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// quadAt is parseIPv4 of line[start:end], with 16 bytes at a time instead of
// one: where addresses differ in length, each end of a number is a branch that
// the processor guesses wrongly. It knows only addresses with 3 bytes before
// and 16 from start on within the line; of others, and of what is none, ok is
// false.
func quadAt(line []byte, start, end int) (addr netip.Addr, ok bool) {
	n := end - start
	if n < 7 || n > 15 || start < 3 || start+16 > len(line) {
		return netip.Addr{}, false
	}
	w0 := binary.LittleEndian.Uint64(line[start:])
	w1 := binary.LittleEndian.Uint64(line[start+8:])
	const zeros = ones * '0' // in place of what follows the address
	if n < 8 {
		w0, w1 = w0&(1<<56-1)|'0'<<56, zeros
	} else {
		shift := uint(n-8) * 8
		w1 = w1&(1<<shift-1) | zeros<<shift
	}
	// In dots and others the high bit of each byte says that it is a dot, or
	// no digit.
	notDot0, notDot1 := w0^ones*'.', w1^ones*'.'
	dots0 := ^((notDot0&^highs + ones*0x7f) | notDot0) & highs
	dots1 := ^((notDot1&^highs + ones*0x7f) | notDot1) & highs
	d0, d1 := w0^zeros, w1^zeros
	others0 := (d0&^highs + ones*(0x80-10) | d0) & highs
	others1 := (d1&^highs + ones*(0x80-10) | d1) & highs
	if others0 != dots0 || others1 != dots1 {
		return netip.Addr{}, false
	}
	const gather = 0x0002040810204081 // moves the high bits of 8 bytes into one
	dots := uint(dots0>>7*gather>>49&0xff | dots1>>7*gather>>49&0xff<<8)
	if bits.OnesCount(dots) != 3 {
		return netip.Addr{}, false
	}
	first := bits.TrailingZeros(dots)
	dots &= dots - 1
	second := bits.TrailingZeros(dots)
	third := bits.TrailingZeros(dots & (dots - 1))

	a, wrongA := octet(line, start+first, first)
	b, wrongB := octet(line, start+second, second-first-1)
	c, wrongC := octet(line, start+third, third-second-1)
	d, wrongD := octet(line, end, n-third-1)
	if wrongA|wrongB|wrongC|wrongD != 0 {
		return netip.Addr{}, false
	}
	return netip.AddrFrom4([4]byte{byte(a), byte(b), byte(c), byte(d)}), true
}

// octet returns the number of some digits that ends at end. wrong is not 0 for
// one that an address cannot have.
func octet(line []byte, end, digits int) (v, wrong uint) {
	ds := line[end-3 : end : end]
	n := uint(digits)
	v = uint(ds[2]-'0') + tens[n&3]*uint(ds[1]-'0') + hundreds[n&3]*uint(ds[0]-'0')
	wrong = (n-1)&^3 | (n&3-1)&^3   // not 1 to 3 digits
	wrong |= v &^ 255               // over 255
	wrong |= (v - least[n&3]) >> 63 // with a zero before it
	return v, wrong
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

// digitsOf returns the number that the last n of 8 characters are, of which the
// first is the lowest byte. It does without a branch for each.
func digitsOf(w uint64, n uint32) (u uint64, ok bool) {
	w = (w ^ ones*'0') >> (64 - 8*n) << (64 - 8*n)
	if (w+ones*(0x80-10)|w)&highs != 0 {
		return 0, false
	}
	w = w*10 + w>>8 // pairs, in every other byte
	w = w&0x00ff00ff00ff00ff*100 + w>>16&0x00ff00ff00ff00ff
	w = w&0x0000ffff0000ffff*10000 + w>>32&0x0000ffff0000ffff
	return w & 0xffffffff, true
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

// A digest is a SHA-256, or what stood in its place.
type digest struct {
	sum [32]byte
	ok  bool
}

func parseSHA256(text string) (d digest) {
	if len(text) == 64 {
		_, err := hex.Decode(d.sum[:], []byte(text))
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
func isPath(text string) bool {
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
// texts which never repeat do not fill the computer's. Against a Go map its table, with
// 8 bytes a slot, stays in the cache of a core.
type memory[V any] struct {
	slots []uint64 // the upper half of a hash, and a place in known, from 1; 0 is empty; a power of two
	known []remembered[V]
	bytes int
	limit int // of known; 0 means maxTexts

	chunk strings.Builder // where the texts are
}

type remembered[V any] struct {
	hash uint64
	text string // as written
	how  escaping
	made V
}

// maxTexts and maxTextBytes are what a memory holds at most.
const (
	maxTexts     = 1 << 16
	maxTextBytes = 4 << 20
)

var memorySeed = maphash.MakeSeed()

// find returns the place in known of a text with a hash, or -1.
func (m *memory[V]) find(hash uint64, text []byte, how escaping) int {
	if len(m.known) == 0 {
		return -1
	}
	mask := uint64(len(m.slots) - 1)
	for i := hash & mask; m.slots[i] != 0; i = (i + 1) & mask {
		if m.slots[i]>>32 == hash>>32 {
			if place := int(uint32(m.slots[i])) - 1; m.isAt(place, text, how) {
				return place
			}
		}
	}
	return -1
}

// isAt reports whether a text has this place in known, which may be none.
func (m *memory[V]) isAt(place int, text []byte, how escaping) bool {
	return place < len(m.known) && m.known[place].text == string(text) && m.known[place].how == how
}

// add remembers what was made of a text that find does not find, and returns its
// place. text is from copy.
func (m *memory[V]) add(hash uint64, text string, how escaping, made V) int {
	if limit := cmp.Or(m.limit, maxTexts); len(m.known) >= limit || m.bytes > maxTextBytes {
		clear(m.slots)
		clear(m.known)
		m.known, m.bytes = m.known[:0], 0
	}
	m.bytes += len(text)
	m.known = append(m.known, remembered[V]{hash, text, how, made})
	if 2*len(m.known) <= len(m.slots) {
		m.place(len(m.known))
	} else {
		m.slots = make([]uint64, max(16, 2*len(m.slots)))
		for i := range m.known {
			m.place(i + 1)
		}
	}
	return len(m.known) - 1
}

// place puts a place in known, from 1, into the slots.
func (m *memory[V]) place(n int) {
	hash, mask := m.known[n-1].hash, uint64(len(m.slots)-1)
	i := hash & mask
	for m.slots[i] != 0 {
		i = (i + 1) & mask
	}
	m.slots[i] = hash>>32<<32 | uint64(n)
}

// copy returns a text as a string, which shares its 4 KiB of memory with others
// of the same kind: programs that keep one mostly keep all.
func (m *memory[V]) copy(text []byte) string {
	const chunk = 4 << 10
	if len(text) > chunk/16 {
		return string(text)
	}
	if m.chunk.Cap()-m.chunk.Len() < len(text) {
		m.chunk = strings.Builder{}
		m.chunk.Grow(chunk)
	}
	start := m.chunk.Len()
	m.chunk.Write(text)
	return m.chunk.String()[start:]
}

// A names table gives equal texts one string.
type names struct{ memory[string] }

func (t *names) intern(text []byte) string {
	hash := maphash.Bytes(memorySeed, text)
	place := t.find(hash, text, verbatim)
	if place < 0 {
		s := t.copy(text)
		place = t.add(hash, s, verbatim, s)
	}
	return t.known[place].made
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
