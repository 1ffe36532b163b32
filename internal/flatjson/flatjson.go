// Package flatjson reads the members of one JSON object a line, the form in
// which most sensors write.
//
// [Object] calls a function for each member. A [Scanner] is for many lines of
// few layouts: it learns them, and then reads three times as fast. Both read in one
// pass and without allocation, and hand nested values and unusual strings to
// encoding/json, which decides what is JSON; fuzz tests hold both to its answer.
package flatjson

import (
	"encoding/json"
	"errors"
	"math/bits"
	"unicode/utf8"
)

// Kind tells what a [Value] was in the input.
type Kind uint8

// The kinds of values.
const (
	Null   Kind = iota
	String      // a text
	Bare        // a number, true or false
	Nested      // an object or array
)

// A Value is one member's value. It is good until the next line only.
type Value struct {
	Kind Kind

	raw     []byte // of a String, what stands between the quotes
	escaped bool   // raw is not yet what the string says
}

// Text returns what a string says, and any other value as written; null is nil.
// It allocates only for strings with escapes or non-ASCII characters.
func (v Value) Text() []byte {
	if !v.escaped {
		return v.raw
	}
	return Unescape(make([]byte, 0, len(v.raw)), v.raw)
}

// ErrSyntax is the error for a line that is not one JSON object.
var ErrSyntax = errors.New("not a JSON object")

// Object calls member for each member of the object on the line, in order and
// with duplicates, and returns member's first error. Neither key nor value may
// be kept.
//
// A line that is not one JSON object gives [ErrSyntax]; some of its members may
// have been seen by then.
func Object(line []byte, member func(key []byte, v Value) error) error {
	pos := 0
	for {
		m, ok := nextMember(line, pos, pos == 0)
		if !ok {
			return ErrSyntax
		}
		if m.last {
			return nil
		}
		pos = m.end
		key := m.key
		if m.keyEscaped {
			key = Unescape(nil, key)
		}
		v := Value{Kind: m.kind, raw: line[m.start:m.stop], escaped: m.escaped}
		if v.Kind == Null {
			v.raw = nil
		}
		if err := member(key, v); err != nil {
			return err
		}
	}
}

// A member is one member of an object, or the object's end.
type member struct {
	last        bool // the object has ended, and the line with it
	key         []byte
	keyEscaped  bool // key is not yet what it says
	kind        Kind
	escaped     bool // as in Value
	start, stop int  // of the value's text
	end         int  // the position behind the member
}

// nextMember reads what begins at pos: where first, the object's opening brace
// and first member, and otherwise a comma and another; or the closing brace and
// the line's end.
func nextMember(line []byte, pos int, first bool) (m member, ok bool) {
	pos = skipSpace(line, pos)
	if first {
		if pos == len(line) || line[pos] != '{' {
			return m, false
		}
		pos = skipSpace(line, pos+1)
	}
	switch {
	case pos == len(line):
		return m, false
	case line[pos] == '}':
		m.last = true
		return m, skipSpace(line, pos+1) == len(line)
	case !first:
		if line[pos] != ',' {
			return m, false
		}
		if pos = skipSpace(line, pos+1); pos == len(line) {
			return m, false
		}
	}
	if line[pos] != '"' {
		return m, false
	}
	start := pos + 1
	if pos, m.keyEscaped = endOfString(line, start); pos < 0 {
		return m, false
	}
	m.key = line[start:pos]
	if pos = skipSpace(line, pos+1); pos == len(line) || line[pos] != ':' {
		return m, false
	}
	if pos = skipSpace(line, pos+1); pos == len(line) {
		return m, false
	}
	switch m.start = pos; line[pos] {
	case '"':
		m.kind, m.start = String, pos+1
		if m.stop, m.escaped = endOfString(line, m.start); m.stop < 0 {
			return m, false
		}
		m.end = m.stop + 1
	case '{', '[':
		m.kind = Nested
		m.stop = endOfNested(line, pos)
		m.end = m.stop
		if m.stop < 0 || !json.Valid(line[m.start:m.stop]) {
			return m, false
		}
	default:
		for pos < len(line) && !endsBare[line[pos]] {
			pos++
		}
		m.stop, m.end = pos, pos
		switch text := line[m.start:pos]; {
		case isNumber(text), string(text) == "true", string(text) == "false":
			m.kind = Bare
		case string(text) != "null":
			return m, false
		}
	}
	return m, true
}

func skipSpace(line []byte, pos int) int {
	for pos < len(line) && (line[pos] == ' ' || line[pos] == '\t' || line[pos] == '\r' || line[pos] == '\n') {
		pos++
	}
	return pos
}

// isSpecial marks the bytes at which the scanning of a string must stop to think:
// the quote, the backslash, control characters (an error) and non-ASCII
// (perhaps not UTF-8, which encoding/json repairs).
var isSpecial = func() (t [256]bool) {
	for c := range t {
		t[c] = c < 0x20 || c == '"' || c == '\\' || c >= 0x80
	}
	return t
}()

// endsBare marks the bytes that end a number, a truth value or null.
var endsBare = [256]bool{',': true, '}': true, ' ': true, '\t': true, '\r': true, '\n': true}

// endOfString returns the position of the quote that ends the string whose text
// begins at pos, or -1 if it is not one, and whether [Unescape] must be asked
// what the text says.
func endOfString(line []byte, pos int) (end int, escaped bool) {
	for {
		if pos = endOfPlain(line, pos); pos == len(line) {
			return -1, false
		}
		switch c := line[pos]; {
		case c == '"':
			return pos, escaped
		case c >= 0x80:
			escaped = true
			for pos < len(line) && line[pos] >= 0x80 {
				pos++
			}
		case c == '\\':
			escaped = true
			if pos++; pos == len(line) {
				return -1, false
			}
			switch line[pos] {
			case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
			case 'u':
				if pos+4 >= len(line) || !isHex(line[pos+1:pos+5]) {
					return -1, false
				}
				pos += 4
			default:
				return -1, false
			}
			pos++
		default:
			return -1, false
		}
	}
}

// endOfPlain returns the first position from pos on at which the scanning of a
// string must stop to think: a quote, a backslash, a control character (an
// error) or a non-ASCII one (perhaps not UTF-8, which encoding/json repairs).
func endOfPlain(line []byte, pos int) int {
	for ; pos+8 <= len(line); pos += 8 {
		if m := special(load(line, pos)); m != 0 {
			return pos + bits.TrailingZeros64(m)/8
		}
	}
	for pos < len(line) && !isSpecial[line[pos]] {
		pos++
	}
	return pos
}

// special marks the first of 8 bytes at which endOfPlain stops: in each of the
// four terms the lowest bit set is in the first byte that the term is about.
func special(w uint64) uint64 {
	const ones, highs = 0x0101010101010101, 0x8080808080808080
	quote, backslash := w^ones*'"', w^ones*'\\'
	return ((quote-ones)&^quote | (backslash-ones)&^backslash | (w - ones*0x20) | w) & highs
}

func isHex(text []byte) bool {
	for _, c := range text {
		if (c < '0' || c > '9') && (c|0x20 < 'a' || c|0x20 > 'f') {
			return false
		}
	}
	return true
}

// Unescape appends what a string says to text. raw is what stands between its
// quotes. Backslashes before quotes, slashes and backslashes, as in Windows
// paths, are resolved here without allocation, all else by encoding/json.
func Unescape(text, raw []byte) []byte {
	n := len(text)
	for i := 0; i < len(raw); i++ {
		c := raw[i]
		if c == '\\' {
			i++
			if c = raw[i]; c != '"' && c != '\\' && c != '/' {
				return append(text[:n], decodeString(raw)...)
			}
		}
		text = append(text, c)
	}
	if !utf8.Valid(text[n:]) {
		return append(text[:n], decodeString(raw)...)
	}
	return text
}

func decodeString(raw []byte) []byte {
	var s string
	quoted := make([]byte, 0, len(raw)+2)
	quoted = append(append(append(quoted, '"'), raw...), '"')
	if err := json.Unmarshal(quoted, &s); err != nil {
		panic("flatjson: endOfString accepted a string that encoding/json does not: " + err.Error())
	}
	return []byte(s)
}

// isNumber reports whether a text is a JSON number (RFC 8259 6).
func isNumber(text []byte) bool {
	digits := func() (n int) {
		for len(text) > 0 && text[0] >= '0' && text[0] <= '9' {
			text = text[1:]
			n++
		}
		return n
	}
	if len(text) > 0 && text[0] == '-' {
		text = text[1:]
	}
	zero := len(text) > 0 && text[0] == '0'
	if n := digits(); n == 0 || zero && n > 1 {
		return false
	}
	if len(text) > 0 && text[0] == '.' {
		text = text[1:]
		if digits() == 0 {
			return false
		}
	}
	if len(text) > 0 && text[0]|0x20 == 'e' {
		text = text[1:]
		if len(text) > 0 && (text[0] == '+' || text[0] == '-') {
			text = text[1:]
		}
		if digits() == 0 {
			return false
		}
	}
	return len(text) == 0
}

// endOfNested returns the position behind the object or array that begins at
// pos, or -1 if it does not end. Whether it is valid JSON is for json.Valid to
// say.
func endOfNested(line []byte, pos int) int {
	depth := 0
	for pos < len(line) {
		switch line[pos] {
		case '"':
			if pos, _ = endOfString(line, pos+1); pos < 0 {
				return -1
			}
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth == 0 {
				return pos + 1
			}
		}
		pos++
	}
	return -1
}

func valueOf(raw json.RawMessage) (Value, error) {
	switch raw[0] {
	case '"':
		var s string
		if err := json.Unmarshal(raw, &s); err != nil {
			return Value{}, ErrSyntax
		}
		return Value{Kind: String, raw: []byte(s)}, nil
	case '{', '[':
		return Value{Kind: Nested, raw: raw}, nil
	case 'n':
		return Value{}, nil
	}
	return Value{Kind: Bare, raw: raw}, nil
}

// Strings returns the elements of a nested array of strings, and of numbers as
// written; a plain value is an array of one, and null is none.
func (v Value) Strings() ([]string, error) {
	switch v.Kind {
	case Null:
		return nil, nil
	case Nested:
		var elems []json.RawMessage
		if err := json.Unmarshal(v.raw, &elems); err != nil {
			return nil, errors.New("neither text nor an array of texts")
		}
		texts := make([]string, len(elems))
		for i, raw := range elems {
			e, err := valueOf(raw)
			if err != nil || e.Kind != String && e.Kind != Bare {
				return nil, errors.New("neither text nor an array of texts")
			}
			texts[i] = string(e.Text())
		}
		return texts, nil
	}
	return []string{string(v.Text())}, nil
}
