package flatjson

import (
	"slices"

	"github.com/endoflow/endoflow/internal/dense"
)

// A Phrase is what stood on a line from an anchor's value on: that value and
// members behind it which were the same as when the value was seen before. What
// a sensor says of a device or of an application are phrases. Where one is found
// again, by comparing its bytes, its members need not be read.
//
// What is always needed of it comes first, for most in one cache line.
type Phrase struct {
	// Note is the caller's, for what it made of the phrase. It is nil when the
	// phrase is new or has become shorter.
	Note any

	last   *step
	n      uint16           // of found
	anchor uint16           // where the anchor's value ends
	found  [maxWanted]found // the wanted members
	text   string
	parts  []part // seldom needed
}

// Value returns the anchor's value, which is a part of a longer text.
func (p *Phrase) Value() string { return p.text[:p.anchor] }

// A part is a member of a phrase. Positions are from the phrase's begin.
type part struct {
	step *step
	span Span
	end  int // behind the member
}

// A found is a wanted member of a phrase.
type found struct {
	start, end, field uint16
	kind              Kind
	escaped           bool
}

// maxPhrase is how long a phrase may be, in bytes, maxWanted how many of its
// members may be wanted, and maxPhrases how many are kept of an anchor, of about
// 500 bytes each, at most 1,100.
const (
	maxPhrase  = 512
	maxWanted  = 6
	maxPhrases = 1 << 15
)

// An anchor has the phrases that begin with the value of one member.
type anchor struct {
	slots      []uint64 // half of the hash of such a value<<32 | place in phrases+1; 0 is free
	phrases    []learned
	found      *Phrase // on the line read last
	start, end int     // of it

	// Where phrases do not repeat, or are too many, learning them costs more than
	// they save: then the anchor is left alone for a while.
	hits, misses, pause int
}

// A learned phrase is nil where nothing was the same that stood behind a value. Its
// text stands beside it, so that the waits for both overlap.
type learned struct {
	text   string
	phrase *Phrase
}

// hashOf returns a hash of a value, from parts of it that mostly tell it from
// others.
func hashOf(line []byte, start, end int) uint64 {
	const a, b, c = 0x9e3779b97f4a7c15, 0xd1b54a32d192ed03, 0x8cb92ba72f3d8dd7
	hash := uint64(end - start)
	switch {
	case end-start >= 16:
		hash ^= load(line, start)*a ^ load(line, end-16)*c ^ load(line, end-8)
	case end-start >= 8:
		hash ^= load(line, start)*a ^ load(line, end-8)
	default:
		for _, c := range line[start:end] {
			hash = hash<<8 ^ uint64(c)
		}
	}
	hash *= b
	return hash ^ hash>>32
}

// find looks for a phrase that begins with a value of a step.
func (s *Scanner) find(a *anchor, from *step, line []byte, pos, end int) *Phrase {
	a.found = nil
	if a.pause > 0 {
		a.pause--
		return nil
	}
	if a.slots == nil {
		a.slots = make([]uint64, 64)
	}
	hash := hashOf(line, pos, end) >> 32
	mask := len(a.slots) - 1
	i := int(hash) & mask
	for ; a.slots[i] != 0; i = (i + 1) & mask {
		if a.slots[i]>>32 != hash {
			continue
		}
		l := &a.phrases[uint32(a.slots[i])-1]
		if text := l.text; l.phrase != nil && pos+len(text) <= len(line) && string(line[pos:pos+len(text)]) == text {
			a.hits++
			a.found, a.start, a.end = l.phrase, pos, pos+len(text)
			return a.found
		}
		if a.miss(); l.phrase == nil {
			l.phrase = s.phrase(from, line, pos, end)
		} else if !l.phrase.shorten(line[pos:]) {
			l.phrase = nil
		}
		if l.phrase != nil {
			l.text = l.phrase.text
		}
		return nil
	}
	if a.miss(); a.pause > 0 || len(a.phrases) == maxPhrases {
		return nil
	}
	if p := s.phrase(from, line, pos, end); p != nil {
		a.phrases = append(a.phrases, learned{p.text, p})
		a.slots[i] = hash<<32 | uint64(len(a.phrases))
		if 2*len(a.phrases) > len(a.slots) {
			a.slots = dense.Regrown(a.slots, 2*len(a.slots))
		}
	}
	return nil
}

// miss counts a value of which no phrase was found.
func (a *anchor) miss() {
	if a.misses++; a.misses < maxPhrases {
		return
	}
	if a.hits < a.misses {
		a.pause = 32 * maxPhrases
		if len(a.phrases) == maxPhrases { // others may be better
			a.slots, a.phrases = nil, nil
		}
	}
	a.hits, a.misses = 0, 0
}

// shorten cuts a phrase to what a line begins with too, and reports whether
// anything is left beside the anchor.
func (p *Phrase) shorten(line []byte) bool {
	same := 0
	for same < len(line) && same < len(p.text) && line[same] == p.text[same] {
		same++
	}
	parts := p.parts
	for len(parts) > 0 && (parts[len(parts)-1].end > same || parts[len(parts)-1].span.Kind != String) {
		parts = parts[:len(parts)-1]
	}
	if len(parts) < 2 {
		return false
	}
	*p = newPhrase(line, parts) // which begins like it
	return true
}

// newPhrase returns the phrase of these parts of a text. The last is a string,
// of which the closing quote belongs to the text: a number might go on.
func newPhrase(text []byte, parts []part) Phrase {
	last := parts[len(parts)-1]
	p := Phrase{text: string(text[:last.end]), anchor: uint16(parts[0].span.End), last: last.step, parts: slices.Clone(parts)}
	for _, part := range parts {
		if v := part.span; part.step.field >= 0 {
			p.found[p.n] = found{uint16(v.Start), uint16(v.End), uint16(part.step.field), v.Kind, v.Escaped}
			p.n++
		}
	}
	return p
}

// phrase returns the longest phrase that begins with a value, nil if there is
// none.
func (s *Scanner) phrase(from *step, line []byte, pos, end int) *Phrase {
	parts := append(s.parts[:0], part{from, Span{0, uint32(end - pos), String, false}, end + 1 - pos})
	n, wanted := 0, 1
	for end++; end-pos < maxPhrase; {
		m, ok := nextMember(line, end, false)
		if !ok || m.last || m.kind == Nested || m.end-pos > maxPhrase {
			break
		}
		next := s.steps[string(line[end:m.start])]
		if next == nil {
			break // not learned yet, or too long to be
		}
		if next.field >= 0 {
			if wanted++; wanted > maxWanted {
				break
			}
		}
		parts = append(parts, part{next, Span{uint32(m.start - pos), uint32(m.stop - pos), m.kind, m.escaped}, m.end - pos})
		if end = m.end; m.kind == String {
			n = len(parts)
		}
	}
	s.parts = parts
	if n < 2 {
		return nil
	}
	p := newPhrase(line[pos:], parts[:n])
	return &p
}
