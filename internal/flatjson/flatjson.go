// Package flatjson reads the members of one JSON object a line, the form in
// which most sensors write.
//
// Objects without nesting, escapes and non-ASCII text are scanned in one pass
// and without allocation. Anything else, and anything doubtful, goes to
// encoding/json, which decides what is JSON; a fuzz test holds both to the same
// answer.
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
	String      // Text is what stands between the quotes, unescaped
	Bare        // a number, true or false: Text as written
	Nested      // an object or array: Text is its JSON
)

// A Value is one member's value. Text is good until the next line only.
type Value struct {
	Text []byte
	Kind Kind
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
		key, pos1, ok := plainString(line, pos)
		if !ok {
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
		if line[pos] == '"' {
			text, pos1, ok := plainString(line, pos)
			if !ok {
				return slow(line, rest, member)
			}
			v, pos = Value{Text: text, Kind: String}, pos1
		} else {
			n := bytes.IndexAny(line[pos:], ",} \t\r\n")
			if n < 0 {
				return ErrSyntax
			}
			text := line[pos : pos+n]
			switch {
			case isInteger(text), string(text) == "true", string(text) == "false":
				v = Value{Text: text, Kind: Bare}
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

// special marks the bytes that end the fast reading of a string: the quote,
// the backslash, control characters (an error) and non-ASCII (perhaps not
// UTF-8, which encoding/json repairs).
var special = func() (t [256]bool) {
	for c := range t {
		t[c] = c < 0x20 || c == '"' || c == '\\' || c >= 0x80
	}
	return t
}()

// plainString reads the string that begins at pos and returns the position
// behind it; ok is false where it is not plain.
func plainString(line []byte, pos int) (text []byte, next int, ok bool) {
	pos++
	for i := pos; i < len(line); i++ {
		if special[line[i]] {
			return line[pos:i], i + 1, line[i] == '"'
		}
	}
	return nil, 0, false
}

func isInteger(text []byte) bool {
	if len(text) > 0 && text[0] == '-' {
		text = text[1:]
	}
	if len(text) == 0 || text[0] == '0' && len(text) > 1 {
		return false
	}
	for _, c := range text {
		if c < '0' || c > '9' {
			return false
		}
	}
	return true
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
		return Value{Text: []byte(s), Kind: String}, nil
	case '{', '[':
		return Value{Text: raw, Kind: Nested}, nil
	case 'n':
		return Value{}, nil
	}
	return Value{Text: raw, Kind: Bare}, nil
}

// Strings returns the elements of a nested array of strings, and of numbers as
// written; a plain value is an array of one, and null is none.
func (v Value) Strings() ([]string, error) {
	switch v.Kind {
	case Null:
		return nil, nil
	case Nested:
		var elems []json.RawMessage
		if err := json.Unmarshal(v.Text, &elems); err != nil {
			return nil, errors.New("neither text nor an array of texts")
		}
		texts := make([]string, len(elems))
		for i, raw := range elems {
			e, err := valueOf(raw)
			if err != nil || e.Kind != String && e.Kind != Bare {
				return nil, errors.New("neither text nor an array of texts")
			}
			texts[i] = string(e.Text)
		}
		return texts, nil
	}
	return []string{string(v.Text)}, nil
}
