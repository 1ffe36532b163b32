package flatjson

import "slices"

// A Phrase is what stood on a line from an anchor's value on: that value and
// members behind it which were the same as when the value was seen before. What
// a sensor says of a device or of an application are phrases. Where one is found
// again, by comparing its bytes, its members need not be read.
//
// It takes two cache lines with all that is needed of it.
type Phrase struct {
	// Note is the caller's, for what it made of the phrase. It is nil when the
	// phrase is new or has become shorter.
	Note any

	last   *step
	n      int              // of found
	found  [maxWanted]found // the wanted members
	anchor int              // where the anchor's value ends
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
	sets       []phraseSet // by a hash of that value; a power of two
	n          int         // phrases
	found      *Phrase     // on the line read last
	start, end int         // of it

	// Where phrases do not repeat, or are too many, learning them costs more than
	// they save: then the anchor is left alone for a while.
	hits, misses, pause int
}

// A phraseSet is two cache lines. It has what leads to a phrase and to its text, so
// that the waits for both overlap.
type phraseSet [4]struct {
	hash   uint64
	text   string // of phrase
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
	if a.sets == nil {
		a.sets = make([]phraseSet, 64)
	}
	hash := hashOf(line, pos, end)
	set := a.set(hash)
	for i := range set {
		if set[i].hash != hash || set[i].phrase == nil {
			continue
		}
		if text := set[i].text; pos+len(text) <= len(line) && string(line[pos:pos+len(text)]) == text {
			a.hits++
			a.found, a.start, a.end = set[i].phrase, pos, pos+len(text)
			return a.found
		}
		break
	}
	if a.misses++; a.misses == maxPhrases {
		if a.hits < a.misses {
			a.pause = 32 * maxPhrases
		}
		a.hits, a.misses = 0, 0
	}
	for i := range set {
		slot := &set[i]
		switch {
		case slot.phrase == nil:
			if slot.phrase = s.phrase(from, line, pos, end); slot.phrase != nil {
				slot.hash, slot.text = hash, slot.phrase.text
				if a.n++; a.n > 3*len(a.sets)/2 && len(a.sets) < maxPhrases/len(set) {
					a.grow()
				}
			}
			return nil
		case slot.hash == hash:
			if slot.phrase.shorten(line[pos:]) {
				slot.text = slot.phrase.text
			} else {
				slot.phrase = nil
				a.n--
			}
			return nil
		}
	}
	// The set is full. Not every phrase that would take a place gets one, or
	// phrases that come in turns would all be learned in vain.
	if a.misses%16 == 0 {
		set[a.misses/16%len(set)].phrase = nil
		a.n--
	}
	return nil
}

func (a *anchor) set(hash uint64) *phraseSet { return &a.sets[hash&uint64(len(a.sets)-1)] }

func (a *anchor) grow() {
	old := a.sets
	a.sets = make([]phraseSet, 2*len(old))
	a.n = 0
	for i := range old {
		for _, slot := range old[i] {
			set := a.set(slot.hash)
			for j := range set {
				if slot.phrase != nil && set[j].phrase == nil {
					set[j], slot.phrase = slot, nil
					a.n++
				}
			}
		}
	}
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
	p := Phrase{text: string(text[:last.end]), anchor: int(parts[0].span.End), last: last.step, parts: slices.Clone(parts)}
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
