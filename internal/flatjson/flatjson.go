// Package flatjson reads the members of one JSON object a line, the form in
// which most sensors write.
//
// Lines are scanned in one pass and without allocation. Keys with escapes, and
// anything doubtful, go to encoding/json, which decides what is JSON; a fuzz test
// holds both to the same answer.
package flatjson

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
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
	return unescape(v.raw)
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
	pos := skipSpace(line, 0)
	if pos == len(line) || line[pos] != '{' {
		return ErrSyntax
	}
	pos = skipSpace(line, pos+1)
	if pos < len(line) && line[pos] == '}' {
		return end(line, pos+1)
	}
	for {
		rest := pos // where encoding/json would go on from
		if pos == len(line) || line[pos] != '"' {
			return ErrSyntax
		}
		key, escaped, pos1 := scanString(line, pos)
		if pos1 < 0 || escaped {
			return slow(line, rest, member)
		}
		pos = skipSpace(line, pos1)
		if pos == len(line) || line[pos] != ':' {
			return ErrSyntax
		}
		pos = skipSpace(line, pos+1)
		if pos == len(line) {
			return ErrSyntax
		}
		var v Value
		switch line[pos] {
		case '"':
			text, escaped, pos1 := scanString(line, pos)
			if pos1 < 0 {
				return ErrSyntax
			}
			v, pos = Value{String, text, escaped}, pos1
		case '{', '[':
			pos1 := nestedEnd(line, pos)
			if pos1 < 0 || !json.Valid(line[pos:pos1]) {
				return ErrSyntax
			}
			v, pos = Value{Kind: Nested, raw: line[pos:pos1]}, pos1
		default:
			n := 0
			for pos+n < len(line) && !endsBare[line[pos+n]] {
				n++
			}
			text := line[pos : pos+n]
			switch {
			case isNumber(text), string(text) == "true", string(text) == "false":
				v = Value{Kind: Bare, raw: text}
			case string(text) == "null":
			default:
				return slow(line, rest, member)
			}
			pos += n
		}
		if err := member(key, v); err != nil {
			return err
		}
		pos = skipSpace(line, pos)
		if pos == len(line) {
			return ErrSyntax
		}
		switch line[pos] {
		case ',':
			pos = skipSpace(line, pos+1)
		case '}':
			return end(line, pos+1)
		default:
			return ErrSyntax
		}
	}
}

func end(line []byte, pos int) error {
	if skipSpace(line, pos) != len(line) {
		return ErrSyntax
	}
	return nil
}

func skipSpace(line []byte, pos int) int {
	for pos < len(line) && (line[pos] == ' ' || line[pos] == '\t' || line[pos] == '\r' || line[pos] == '\n') {
		pos++
	}
	return pos
}

// special marks the bytes at which the scanning of a string must stop to think:
// the quote, the backslash, control characters (an error) and non-ASCII
// (perhaps not UTF-8, which encoding/json repairs).
var special = func() (t [256]bool) {
	for c := range t {
		t[c] = c < 0x20 || c == '"' || c == '\\' || c >= 0x80
	}
	return t
}()

// endsBare marks the bytes that end a number, a truth value or null.
var endsBare = [256]bool{',': true, '}': true, ' ': true, '\t': true, '\r': true, '\n': true}

// scanString reads the string that begins at pos. It returns what stands
// between the quotes, whether unescape must be asked what that says, and the
// position behind the string, or -1 if it is not one.
func scanString(line []byte, pos int) (text []byte, escaped bool, next int) {
	start := pos + 1
	for i := start; i < len(line); i++ {
		c := line[i]
		if !special[c] {
			continue
		}
		switch {
		case c == '"':
			return line[start:i], escaped, i + 1
		case c >= 0x80:
			escaped = true
		case c == '\\':
			escaped = true
			if i++; i == len(line) {
				return nil, false, -1
			}
			switch line[i] {
			case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
			case 'u':
				if i+4 >= len(line) || !isHex(line[i+1:i+5]) {
					return nil, false, -1
				}
				i += 4
			default:
				return nil, false, -1
			}
		default:
			return nil, false, -1
		}
	}
	return nil, false, -1
}

func isHex(text []byte) bool {
	for _, c := range text {
		if (c < '0' || c > '9') && (c|0x20 < 'a' || c|0x20 > 'f') {
			return false
		}
	}
	return true
}

// unescape returns what a string says. Backslashes before quotes, slashes and
// backslashes, as in Windows paths, are resolved here, all else by
// encoding/json.
func unescape(raw []byte) []byte {
	text := make([]byte, 0, len(raw))
	for i := 0; i < len(raw); i++ {
		c := raw[i]
		if c == '\\' {
			i++
			c = raw[i]
			if c != '"' && c != '\\' && c != '/' {
				return decodeString(raw)
			}
		}
		if c >= 0x80 {
			return decodeString(raw)
		}
		text = append(text, c)
	}
	return text
}

func decodeString(raw []byte) []byte {
	var s string
	quoted := make([]byte, 0, len(raw)+2)
	quoted = append(append(append(quoted, '"'), raw...), '"')
	if err := json.Unmarshal(quoted, &s); err != nil {
		panic("flatjson: scanString accepted a string that encoding/json does not: " + err.Error())
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

// nestedEnd returns the position behind the object or array that begins at pos,
// or -1 if it does not end. Whether it is valid JSON is for json.Valid to say.
func nestedEnd(line []byte, pos int) int {
	depth := 0
	for pos < len(line) {
		switch line[pos] {
		case '"':
			_, _, next := scanString(line, pos)
			if next < 0 {
				return -1
			}
			pos = next
			continue
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

// slow reads the members from position pos on, where a member begins, with
// encoding/json.
func slow(line []byte, pos int, member func(key []byte, v Value) error) error {
	rest := make([]byte, 0, len(line)-pos+1)
	rest = append(append(rest, '{'), line[pos:]...)
	d := json.NewDecoder(bytes.NewReader(rest))
	if _, err := d.Token(); err != nil {
		return ErrSyntax
	}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return ErrSyntax
		}
		var raw json.RawMessage
		if err := d.Decode(&raw); err != nil {
			return ErrSyntax
		}
		v, err := valueOf(raw)
		if err != nil {
			return err
		}
		if err := member([]byte(key.(string)), v); err != nil {
			return err
		}
	}
	if _, err := d.Token(); err != nil {
		return ErrSyntax
	}
	if _, err := d.Token(); err != io.EOF {
		return ErrSyntax
	}
	return nil
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
