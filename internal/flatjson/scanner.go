package flatjson

import (
	"encoding/binary"
	"math"
	"math/bits"
)

// A Scanner reads the wanted members of many lines. It remembers what stands
// between one value and the next (`,"sa":"`), what member that means, and what
// came after it the last two times. Where a line goes on as another did before,
// which sensors' lines do all the time, a member takes one comparison of 16
// bytes and the search for its value's end; and members that are the same
// whenever an anchor's value is, one comparison for all (see [Phrase]). All else
// takes the general way, as in [Object], and is learned. What is remembered is
// never a guess about a line: the bytes are compared.
//
// A Scanner is for one goroutine.
type Scanner struct {
	names   map[string]int
	anchors []*anchor
	steps   map[string]*step // by the literal
	begin   step             // before the first member
	odd     bool             // of the line read last
	parts   []part           // for a phrase that is being learned
}

// maxSteps is how many steps are remembered, and maxLiteral how long the text
// of one may be. Lines that have more are read, but learned again and again.
const (
	maxSteps   = 512
	maxLiteral = 64
)

// oddLength is the longest value that is not odd, in bytes.
const oddLength = 4 << 10

// A step is the text between two values, from behind the one (or from the line's
// begin) to before the other (or to the line's end). For a string the quotes
// are part of it.
type step struct {
	word, mask [2]uint64 // the first 16 bytes of the text, and which of them count
	text       string
	field      int     // the wanted member whose value follows, -1 if nobody wants it
	anchor     *anchor // of that member, if it is one
	quoted     bool    // a string follows; otherwise, a number of digits only
	last       bool    // the line ends
	slow       bool    // the text is longer than word, or the last
	next       *step   // that followed the last time
	other      *step   // that followed the time before
}

// A Span is where a value stands on its line. That of an absent member is the
// zero Span, whose Kind is Null.
//
// It has four fields, since Go keeps structs of more in memory and copies them
// there: reading one so soon after writing it cost a tenth of the whole.
type Span struct {
	Start, End uint32
	Kind       Kind
	Escaped    bool // Unescape must be asked what the string says
}

// Present reports whether the member is on the line, perhaps as null.
func (v Span) Present() bool { return v.End > 0 }

// NewScanner returns a Scanner of the members with these names. The first of
// them, in the number of anchors, are anchors: what stands behind their values is
// probably the same when the value is.
func NewScanner(anchors int, names ...string) *Scanner {
	s := &Scanner{names: make(map[string]int)}
	for i, name := range names {
		s.names[name] = i
	}
	for range anchors {
		s.anchors = append(s.anchors, new(anchor))
	}
	s.forget()
	return s
}

// Phrase returns what was found of an anchor, by number, on the line read last,
// and where it begins and ends; nil if nothing was.
func (s *Scanner) Phrase(i int) (p *Phrase, start, end uint32) {
	a := s.anchors[i]
	if a.found == nil {
		return nil, 0, 0
	}
	return a.found, uint32(a.start), uint32(a.end)
}

func (s *Scanner) forget() {
	s.steps = make(map[string]*step)
	s.begin = step{}
}

// Scan finds the wanted members of the object on the line. spans has one for
// each name; of several members of one name the last counts. odd says that a
// wanted value is nested or longer than 4 KiB, so that callers to whom this matters
// need not look at each. A line that is not one JSON object gives [ErrSyntax], and
// spans mean nothing then.
func (s *Scanner) Scan(line []byte, spans []Span) (odd bool, err error) {
	if len(line) > math.MaxInt32 {
		return false, ErrSyntax
	}
	clear(spans)
	s.odd = false
	for _, a := range s.anchors {
		a.found = nil
	}
	at, pos := &s.begin, 0
	for {
		next := at.next
		if (next == nil || next.slow || pos+16 > len(line) || !next.isHere(line, pos)) && !next.isAt(line, pos) {
			if next = at.other; next.isAt(line, pos) {
				at.next, at.other = next, at.next
			} else if at, pos = s.learn(at, line, pos, spans); at == nil {
				return false, ErrSyntax
			} else if at.last {
				return s.odd, nil
			} else {
				continue
			}
		}
		if next.last {
			return s.odd, nil
		}
		start := pos + len(next.text)
		v := Span{Start: uint32(start), Kind: String}
		end := start
		if next.quoted {
			if start+8 > len(line) {
				end = endOfPlain(line, start)
			} else if m := special(load(line, start)); m != 0 { // most values are short
				end += bits.TrailingZeros64(m) / 8
			} else {
				end = endOfPlain(line, start+8)
			}
			if end < len(line) && line[end] != '"' {
				end, v.Escaped = endOfString(line, end)
			}
			if end < 0 || end == len(line) {
				return false, ErrSyntax
			}
			pos = end + 1
			if next.anchor != nil && !v.Escaped {
				if p := s.find(next.anchor, next, line, start, end); p != nil {
					for i := range min(int(p.n), maxWanted) {
						w := &p.found[i]
						spans[w.field] = Span{uint32(start) + uint32(w.start), uint32(start) + uint32(w.end), w.kind, w.escaped}
					}
					at, pos = p.last, next.anchor.end
					continue
				}
			}
		} else {
			v.Kind = Bare
			if start+8 <= len(line) {
				end += bits.TrailingZeros64(nonDigits(load(line, start))) / 8
			}
			if end == start+8 || end == start {
				for end < len(line) && line[end]-'0' <= 9 {
					end++
				}
			}
			if end == start || line[start] == '0' && end > start+1 || end == len(line) || !endsBare[line[end]] {
				// true, -1, 0.5, a nested value, or none at all
				if at, pos = s.learn(at, line, pos, spans); at == nil {
					return false, ErrSyntax
				}
				continue
			}
			pos = end
		}
		if next.field >= 0 {
			v.End = uint32(end)
			spans[next.field] = v
			s.odd = s.odd || end-start > oddLength
		}
		at = next
	}
}

// isHere is isAt for a step that is not slow, with 16 bytes of the line to look
// at. It is small enough for the compiler to put it where it is called.
func (s *step) isHere(line []byte, pos int) bool {
	return (load(line, pos)^s.word[0])&s.mask[0]|(load(line, pos+8)^s.word[1])&s.mask[1] == 0
}

// isAt reports whether the step's text is at pos. No step, nil, has none.
func (s *step) isAt(line []byte, pos int) bool {
	if s == nil {
		return false
	}
	end := pos + len(s.text)
	return end <= len(line) && string(line[pos:end]) == s.text && (!s.last || end == len(line))
}

// nonDigits marks the bytes that are not digits.
func nonDigits(w uint64) uint64 {
	const ones, highs = 0x0101010101010101, 0x8080808080808080
	d := w ^ ones*'0'
	return (d&^highs + ones*(0x80-10) | d) & highs
}

func load(line []byte, pos int) uint64 { return binary.LittleEndian.Uint64(line[pos : pos+8]) }

// learn reads what comes after a step in the general way, and remembers it. It
// returns that step and the position behind its value, or nil for a line that is
// not an object.
func (s *Scanner) learn(at *step, line []byte, pos int, spans []Span) (next *step, end int) {
	m, ok := nextMember(line, pos, at == &s.begin)
	if !ok {
		return nil, 0
	}
	field, textEnd := -1, len(line)
	if !m.last {
		textEnd = m.start
		key := m.key
		if m.keyEscaped {
			key = Unescape(nil, key)
		}
		if i, wanted := s.names[string(key)]; wanted {
			field = i
			spans[i] = Span{uint32(m.start), uint32(m.stop), m.kind, m.escaped}
			s.odd = s.odd || m.kind == Nested || m.stop-m.start > oddLength
		}
	}
	text := line[pos:textEnd]
	next = s.steps[string(text)]
	if next == nil {
		next = &step{text: string(text), field: field, quoted: m.kind == String, last: m.last, slow: m.last || len(text) > 16}
		if next.quoted && field >= 0 && field < len(s.anchors) {
			next.anchor = s.anchors[field]
		}
		for i, c := range text[:min(16, len(text))] {
			next.word[i/8] |= uint64(c) << (i % 8 * 8)
			next.mask[i/8] |= 0xff << (i % 8 * 8)
		}
		if len(text) <= maxLiteral {
			if len(s.steps) == maxSteps {
				s.forget()
			}
			s.steps[next.text] = next
		}
	}
	if next != at.next {
		at.next, at.other = next, at.next
	}
	return next, m.end
}
