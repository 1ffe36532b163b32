package main

import (
	"bytes"
	"io"
	"net/netip"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/endoflow/endoflow/classify"
	"github.com/endoflow/endoflow/flow"
	"github.com/endoflow/endoflow/internal/dense"
	"github.com/endoflow/endoflow/pdns"
)

// A jsonWriter writes one line a flow, byte for byte what encoding/json writes of
// a struct with these fields, in this order (TestJSON has it):
//
//	start, end           RFC 3339, UTC; null if not recorded
//	device               a pseudonym
//	os, app, proto
//	src, dst             address:port, "" if not recorded
//	direction, basis
//	names                [{name, evidence}] of the remote end, the most likely
//	                     first: "sensor" (seen on the device), then "query" (asked
//	                     for and led to the address) or "owner" (owns the record)
//	tx_bytes, rx_bytes
//	null                 fields that the record lacks; left out if there are none
//
// encoding/json takes 3 times as long for a flow without names and 9 times for one
// with 40, names looked up (BenchmarkJSON, 2 vCPU of an AMD EPYC, Go 1.26.8).
type jsonWriter struct {
	out        io.Writer
	index      *pdns.Index
	evidence   string // of the index's names: what follows the name in an object
	pseudonyms *flow.Pseudonymizer
	devices    map[string]string // the pseudonym of each device: half the time of asking for it
	lists      lists
	ids        []uint32
	entry      []byte
	buf        []byte // whole lines
}

// outSize is how many bytes are written at a time, and the rest of a line.
const outSize = 256 << 10

// newJSONWriter returns a jsonWriter that remembers lists in an eighth of the
// memory.
func newJSONWriter(out io.Writer, index *pdns.Index, o *options) *jsonWriter {
	return &jsonWriter{
		out: out, index: index, evidence: `,"evidence":"` + o.names.String() + `"}`, lists: lists{size: int(o.memory / 16)},
		pseudonyms: o.pseudonyms, devices: make(map[string]string),
	}
}

// write adds a flow's line.
func (w *jsonWriter) write(rec *flow.Record, label classify.Label) error {
	device, ok := w.devices[rec.Device]
	if !ok {
		device = w.pseudonyms.Device(rec.Device)
		w.devices[strings.Clone(rec.Device)] = device
	}
	b := w.buf
	b = appendTime(append(b, `{"start":`...), rec.Start)
	b = appendTime(append(b, `,"end":`...), rec.End)
	b = appendString(append(b, `,"device":`...), device)
	b = appendString(append(b, `,"os":`...), rec.OS.String())
	b = appendString(append(b, `,"app":`...), rec.App.Name)
	b = appendString(append(b, `,"proto":`...), rec.Proto.String())
	b = appendEnd(append(b, `,"src":"`...), rec.Src)
	b = appendEnd(append(b, `","dst":"`...), rec.Dst)
	b = appendString(append(b, `","direction":`...), label.Direction.String())
	b = appendString(append(b, `,"basis":`...), label.Basis.String())
	b = append(b, `,"names":[`...)
	remote := label.Remote(*rec)
	list := w.list(remote.Addr())
	if rec.DstName == "" || remote != rec.Dst {
		b = append(b, list...)
	} else {
		b = w.appendSensor(b, rec.DstName, list)
	}
	b = strconv.AppendUint(append(b, `],"tx_bytes":`...), rec.TxBytes, 10)
	b = strconv.AppendUint(append(b, `,"rx_bytes":`...), rec.RxBytes, 10)
	if rec.Null != 0 {
		b = appendString(append(b, `,"null":`...), rec.Null.String())
	}
	w.buf = append(b, '}', '\n')
	if len(w.buf) >= outSize {
		return w.flush()
	}
	return nil
}

// flush writes the lines that are held.
func (w *jsonWriter) flush() error {
	_, err := w.out.Write(w.buf)
	w.buf = w.buf[:0]
	return err
}

// list returns the objects of the names that the index has for an address,
// separated by commas, until the next call.
func (w *jsonWriter) list(addr netip.Addr) []byte {
	if !addr.IsValid() {
		return nil
	}
	key := dense.AddrKey(addr)
	if list, ok := w.lists.get(key); ok {
		return list
	}
	w.ids = w.index.AppendNameIDs(w.ids[:0], addr)
	w.entry = w.entry[:0]
	for i, id := range w.ids {
		if i > 0 {
			w.entry = append(w.entry, ',')
		}
		w.entry = appendString(append(w.entry, `{"name":`...), w.index.NameOf(id))
		w.entry = append(w.entry, w.evidence...)
	}
	return w.lists.put(key, w.entry)
}

// appendSensor appends the name that the sensor saw and then list without it. An
// object begins with {" and a quote within a name is written with a backslash
// before it, so that the object can only be found where it is one.
func (w *jsonWriter) appendSensor(b []byte, name string, list []byte) []byte {
	w.entry = append(w.entry[:0], `{"name":`...)
	w.entry = appendString(w.entry, name)
	b = append(append(b, w.entry...), `,"evidence":"sensor"}`...)
	w.entry = append(w.entry, w.evidence...)
	before, after, found := bytes.Cut(list, w.entry)
	if found {
		before, after = bytes.TrimSuffix(before, []byte{','}), bytes.TrimPrefix(after, []byte{','})
	}
	for _, part := range [][]byte{before, after} {
		if len(part) > 0 {
			b = append(append(b, ','), part...)
		}
	}
	return b
}

func appendTime(b []byte, t time.Time) []byte {
	if t.IsZero() {
		return append(b, "null"...)
	}
	return append(t.AppendFormat(append(b, '"'), time.RFC3339Nano), '"')
}

func appendEnd(b []byte, e netip.AddrPort) []byte {
	if !e.IsValid() {
		return b
	}
	return e.AppendTo(b)
}

// plain says which bytes stand for themselves in a JSON string.
var plain = func() (t [256]bool) {
	for c := range t {
		t[c] = c >= ' ' && c < utf8.RuneSelf && c != '"' && c != '\\'
	}
	return t
}()

// appendString appends a JSON string as encoding/json does with
// SetEscapeHTML(false).
func appendString(b []byte, s string) []byte {
	b = append(b, '"')
	done := 0
	for i := 0; i < len(s); {
		c := s[i]
		if plain[c] {
			i++
			continue
		}
		size, escape := 1, ""
		switch c {
		case '"', '\\':
			escape = `\` + s[i:i+1]
		case '\b':
			escape = `\b`
		case '\f':
			escape = `\f`
		case '\n':
			escape = `\n`
		case '\r':
			escape = `\r`
		case '\t':
			escape = `\t`
		default:
			var r rune
			r, size = utf8.DecodeRuneInString(s[i:])
			switch {
			case r < ' ':
				const hex = "0123456789abcdef"
				escape = `\u00` + string(hex[c>>4]) + string(hex[c&15])
			case r == utf8.RuneError && size == 1:
				escape = `\ufffd`
			case r == '\u2028' || r == '\u2029': // JavaScript's line ends
				escape = `\u202` + string('8'+r-'\u2028')
			}
		}
		if escape != "" {
			b = append(append(b, s[done:i]...), escape...)
			done = i + size
		}
		i += size
	}
	return append(append(b, s[done:]...), '"')
}

// lists remembers the lists of addresses, in two generations of bounded size:
// when the younger is full the older is forgotten, and what is asked for moves
// into the younger. So an address that comes again and again stays.
type lists struct {
	size       int // of a generation, in bytes, beside the rest of its last list
	young, old generation
}

// listCost is what a list takes beside its bytes: key, slots, place.
const listCost = 16 + 21 + 8

type generation struct {
	keys dense.Table
	ends []int // of the list of each key
	text []byte
}

func (g *generation) get(key dense.Key) ([]byte, bool) {
	n, ok := g.keys.Find(key)
	if !ok {
		return nil, false
	}
	start := 0
	if n > 0 {
		start = g.ends[n-1]
	}
	return g.text[start:g.ends[n]], true
}

func (l *lists) get(key dense.Key) ([]byte, bool) {
	if list, ok := l.young.get(key); ok {
		return list, true
	}
	if list, ok := l.old.get(key); ok {
		return l.put(key, list), true
	}
	return nil, false
}

// put keeps a list, and returns it as kept.
func (l *lists) put(key dense.Key, list []byte) []byte {
	g := &l.young
	if len(g.text)+listCost*g.keys.Len() >= l.size {
		l.young, l.old = l.old, l.young
		g.keys.Reset()
		g.ends, g.text = g.ends[:0], g.text[:0]
	}
	g.keys.Add(key)
	start := len(g.text)
	g.text = append(g.text, list...)
	g.ends = append(g.ends, len(g.text))
	return g.text[start:]
}
