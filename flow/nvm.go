package flow

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/maphash"
	"math"
	"net/netip"
	"strings"
	"time"

	"github.com/endoflow/endoflow/internal/flatjson"
	"github.com/endoflow/endoflow/internal/lines"
)

// NVM decodes the records of Cisco's Network Visibility Module (nvzFlow), as
// collectors write them: JSON, with all values as text or numbers bare, and
// key=value lines of syslog, with values bare, in single or in double quotes.
// Both may alternate from line to line. Fields are read by their presence,
// whatever version the record claims (v3 to v11 are known).
//
//	pr             Proto            pn (or the base name of ppath)  App.Name
//	sa sp          Src              ppath                           App.Path
//	da dp          Dst              ph                              App.SHA256
//	fsms or fss    Start            ppn                             App.Parent
//	fems or fes    End              puid                            Execution
//	obc ibc        TxBytes RxBytes  dh or hh                        DstName
//	udid           Device           fd (1 out, 0 in)                Native
//	osn            OS               fsg (0 end, 1 start, 2 periodic) Report
//
// Endpoint records, which alone carry the host name and the operating system,
// and interface records go to Devices; a flow record has the OS that is known of
// its device when its line is read. Byte counts are payload above TCP and UDP.
// An application that a record gives as a whole path is its base name: paths
// name people.
type NVM struct {
	// Devices is the table to fill and to look the OS up in; nil means one of
	// the format's own.
	Devices *Devices

	scanner *flatjson.Scanner
	line    []byte                 // the one read last
	spans   [nvmKeys]flatjson.Span // its fields
	how     escaping               // of its escaped values
	scratch []byte                 // what they say

	// What the texts of the fields were made into.
	devices, apps, parents, executions, hosts memory[string]
	images                                    memory[image]
	hashes                                    memory[digest]
	systems                                   memory[OS]
	loose                                     appNote // of what no phrase tells
}

// An image is the path of a process image and its base name.
type image struct{ path, base string }

// maxExecutions is how many executions are remembered: those that are
// going on, since each makes flows for a while and never again.
const maxExecutions = 1 << 10

// The fields that are read.
const (
	nvmUDID = iota
	nvmPN
	nvmPR
	nvmSA
	nvmSP
	nvmDA
	nvmDP
	nvmFD
	nvmFSS
	nvmFES
	nvmFSMS
	nvmFEMS
	nvmHH
	nvmDH
	nvmPH
	nvmPPATH
	nvmPPN
	nvmIBC
	nvmOBC
	nvmFSG
	nvmPUID
	nvmVSN
	nvmOSN
	nvmOSV
	nvmOSE
	nvmIID
	nvmII
	nvmIT
	nvmIN
	nvmKeys
)

// nvmAnchors is how many fields, the first, are anchors of phrases: what a record
// says of a device stands behind its udid, and what it says of an application
// behind the name.
const nvmAnchors = 2

var nvmNames = [nvmKeys]string{
	"udid", "pn", "pr", "sa", "sp", "da", "dp", "fd", "fss", "fes", "fsms", "fems", "hh", "dh", "ph", "ppath", "ppn",
	"ibc", "obc", "fsg", "puid", "vsn", "osn", "osv", "ose", "iid", "ii", "it", "in",
}

var nvmKey = func() map[string]int {
	keys := make(map[string]int)
	for k, name := range nvmNames {
		keys[name] = k
	}
	return keys
}()

func looksNVM(line []byte) bool {
	if isObject(line) {
		return bytes.Contains(line, []byte(`"nvzFlow_v`)) || bytes.Contains(line, []byte(`"udid"`))
	}
	return bytes.Contains(line, []byte("nvzFlow_v")) || bytes.Contains(line, []byte(" udid="))
}

// Decode implements [Format].
func (n *NVM) Decode(line []byte, rec *Record) error {
	err := n.decodeFlow(line, rec)
	switch {
	case err == lines.ErrInTurn:
		return n.decodeOther()
	case err == nil && rec.OS == OSUnknown && n.Devices != nil:
		rec.OS = n.Devices.system(rec.Device)
	}
	return err
}

// decodeFlow decodes a flow without what the table of devices knows of it. For
// another record, which may go to the table before later lines are decoded, it
// returns lines.ErrInTurn; the fields are read then.
func (n *NVM) decodeFlow(line []byte, rec *Record) error {
	n.line, n.scratch = line, n.scratch[:0]
	if isObject(line) {
		if n.scanner == nil {
			n.scanner = flatjson.NewScanner(nvmAnchors, nvmNames[:]...)
		}
		n.how = jsonEscapes
		odd, err := n.scanner.Scan(line, n.spans[:])
		if err != nil {
			return err
		}
		if odd {
			if err := n.checkSpans(); err != nil {
				return err
			}
		}
	} else {
		if err := n.readKeyValue(line); err != nil {
			return err
		}
		if err := n.checkSpans(); err != nil {
			return err
		}
	}
	for _, key := range [...]int{nvmSA, nvmDA, nvmSP, nvmDP, nvmPR, nvmFSS, nvmPN} {
		if n.spans[key].Present() { // only flow records have one of these
			return n.flow(rec)
		}
	}
	return lines.ErrInTurn
}

func (n *NVM) decodeOther() error {
	has := func(key int) bool { return n.spans[key].Present() }
	switch {
	case !has(nvmUDID):
		return errors.New("not an NVM record: neither fields of a flow nor a udid")
	case n.isNull(nvmUDID):
		return Skip("NVM endpoint or interface record without a udid")
	case has(nvmOSN) || has(nvmVSN):
		return n.endpoint()
	case has(nvmII) || has(nvmIT) || has(nvmIN):
		return n.networkInterface()
	}
	return Skip("NVM record of another kind")
}

// checkSpans returns an error if there is a value that no field can have.
func (n *NVM) checkSpans() error {
	for key, v := range n.spans {
		switch {
		case v.Kind == flatjson.Nested:
			return BadField(nvmNames[key], errors.New("an object or array where a text or number belongs"))
		case v.End-v.Start > maxText && (key != nvmPPATH || v.End-v.Start > maxPath):
			return BadField(nvmNames[key], errLong)
		}
	}
	return nil
}

// isNull reports whether a field is absent, or has a text that stands for
// nothing.
func (n *NVM) isNull(key int) bool {
	v := n.spans[key]
	if length := v.End - v.Start; length == 0 || length > maxNull || v.Kind == flatjson.Null {
		return length == 0 || v.Kind == flatjson.Null
	}
	return n.line[v.Start]-'0' > 9 && isNull(string(n.line[v.Start:v.End]))
}

// raw returns the text of a field as it stands on the line, which is what it
// says if how is verbatim.
func (n *NVM) raw(key int) (text []byte, how escaping) {
	v := n.spans[key]
	if v.Escaped {
		how = n.how
	}
	return n.line[v.Start:v.End], how
}

// text returns what a field says, good until the next line.
func (n *NVM) text(key int) []byte {
	raw, how := n.raw(key)
	if how == verbatim {
		return raw
	}
	start := len(n.scratch)
	if how == jsonEscapes {
		n.scratch = flatjson.Unescape(n.scratch, raw)
	} else {
		n.scratch = unescapeQuoted(n.scratch, raw)
	}
	return n.scratch[start:]
}

// readKeyValue reads the pairs of a syslog line; what stands before the first
// of them (times and the collector's name) has no "=".
func (n *NVM) readKeyValue(line []byte) error {
	n.how = quotedEscapes
	clear(n.spans[:])
	if len(line) > math.MaxInt32 {
		return errLong
	}
	for pos := 0; ; {
		for pos < len(line) && line[pos] == ' ' {
			pos++
		}
		if pos == len(line) {
			return nil
		}
		start := pos
		for pos < len(line) && line[pos] != ' ' && line[pos] != '=' {
			pos++
		}
		if pos == len(line) || line[pos] == ' ' {
			continue
		}
		k, wanted := nvmKey[string(line[start:pos])]
		value, next := quotedValue(line, pos+1)
		if next < 0 {
			if wanted {
				return BadField(nvmNames[k], errNotClosed)
			}
			return errNotClosed
		}
		if wanted {
			n.spans[k] = value
		}
		pos = next
	}
}

var errNotClosed = errors.New("a quote is not closed")

// quotedValue returns the value at pos of a key=value line and the position
// behind it, or -1 when its quote is not closed.
func quotedValue(line []byte, pos int) (v flatjson.Span, next int) {
	span := func(start, end int, escaped bool) flatjson.Span {
		return flatjson.Span{Start: uint32(start), End: uint32(end), Kind: flatjson.String, Escaped: escaped}
	}
	if pos == len(line) {
		return span(pos, pos, false), pos
	}
	switch line[pos] {
	case '"':
		// A backslash stands before a quote and before another backslash; before
		// anything else it is itself, as in the paths that some collectors do not
		// escape.
		escaped := false
		for i := pos + 1; i < len(line); i++ {
			switch line[i] {
			case '"':
				return span(pos+1, i, escaped), i + 1
			case '\\':
				if i+1 < len(line) && (line[i+1] == '"' || line[i+1] == '\\') {
					escaped = true
					i++
				}
			}
		}
		return flatjson.Span{}, -1
	case '\'':
		// The text may have apostrophes: the quote that closes it stands before
		// a space or at the end.
		for i := pos + 1; i < len(line); i++ {
			if line[i] == '\'' && (i+1 == len(line) || line[i+1] == ' ') {
				return span(pos+1, i, false), i + 1
			}
		}
		return flatjson.Span{}, -1
	}
	end := len(line)
	if i := bytes.IndexByte(line[pos:], ' '); i >= 0 {
		end = pos + i
	}
	return span(pos, end, false), end
}

// unescapeQuoted appends what a text in double quotes says.
func unescapeQuoted(text, raw []byte) []byte {
	for i := 0; i < len(raw); i++ {
		if raw[i] == '\\' && i+1 < len(raw) && (raw[i+1] == '"' || raw[i+1] == '\\') {
			i++
		}
		text = append(text, raw[i])
	}
	return text
}

// flow makes the record of the fields. Its first error is the one of the field
// that comes first here.
func (n *NVM) flow(rec *Record) error {
	pr, null, ok := n.uint(nvmPR, 255)
	switch {
	case null:
		rec.Null |= NullProto
	case !ok:
		return BadField("pr", errProto)
	}
	rec.Proto = Proto(pr)
	var err error
	if rec.Src, err = n.end(nvmSA, nvmSP); err != nil {
		return err
	}
	if rec.Dst, err = n.end(nvmDA, nvmDP); err != nil {
		return err
	}
	if !rec.Src.IsValid() {
		rec.Null |= NullSrc
	}
	if !rec.Dst.IsValid() {
		rec.Null |= NullDst
	}
	if rec.Start, err = n.moment(nvmFSMS, nvmFSS); err != nil {
		return err
	}
	if rec.End, err = n.moment(nvmFEMS, nvmFES); err != nil {
		return err
	}
	if rec.TxBytes, err = n.number(nvmOBC); err != nil {
		return err
	}
	if rec.RxBytes, err = n.number(nvmIBC); err != nil {
		return err
	}
	if n.isNull(nvmUDID) {
		rec.Null |= NullDevice
	} else if p, _, _ := n.phrase(nvmUDID); p == nil {
		rec.Device = *recall(n, &n.devices, nvmUDID, asText)
	} else {
		rec.Device = p.Value() // which the processor has just read
	}
	if !n.isNull(nvmOSN) {
		rec.OS = *recall(n, &n.systems, nvmOSN, OSFamily)
	}
	if err := n.app(rec); err != nil {
		return err
	}
	if !n.isNull(nvmPUID) {
		n.executions.limit = maxExecutions
		rec.Execution = *recall(n, &n.executions, nvmPUID, asText)
	}
	if !n.isNull(nvmDH) {
		rec.DstName = *recall(n, &n.hosts, nvmDH, hostOf)
	}
	if rec.DstName == "" && !n.isNull(nvmHH) {
		rec.DstName = *recall(n, &n.hosts, nvmHH, hostOf)
	}
	switch n.digit(nvmFD) {
	case '1':
		rec.Native = NativeOut
	case '0':
		rec.Native = NativeIn
	}
	switch n.digit(nvmFSG) {
	case '0':
		rec.Report = ReportEnd
	case '1':
		rec.Report = ReportStart
	case '2':
		rec.Report = ReportPeriodic
	}
	return nil
}

// An appNote is the note of a phrase that begins with an application's name.
type appNote struct {
	App                     // as far as the phrase tells
	image, parent, hash int // where the rest was remembered the last time
}

// app makes the application.
func (n *NVM) app(rec *Record) error {
	named := !n.isNull(nvmPN)
	note, noted := &n.loose, false
	var p *flatjson.Phrase
	var start, end uint32
	if named {
		if p, start, end = n.phrase(nvmPN); p != nil {
			if note, noted = p.Note.(*appNote); noted {
				rec.App = note.App
			} else {
				note = new(appNote)
			}
		}
	}
	// told reports whether the note has what a field says.
	told := func(key int) bool {
		return noted && n.spans[key].Start >= start && n.spans[key].End <= end
	}
	if named && !noted {
		rec.App.Name = *recall(n, &n.apps, nvmPN, appOf)
	}
	if !told(nvmPPATH) {
		rec.App.Path = ""
		if !n.isNull(nvmPPATH) {
			image := recallAt(n, &n.images, nvmPPATH, imageOf, &note.image)
			rec.App.Path = image.path
			if !named {
				rec.App.Name = image.base
			}
		}
	}
	if !told(nvmPPN) {
		rec.App.Parent = ""
		if !n.isNull(nvmPPN) {
			rec.App.Parent = *recallAt(n, &n.parents, nvmPPN, asText, &note.parent)
		}
	}
	if !told(nvmPH) {
		rec.App.SHA256 = [32]byte{}
		if !n.isNull(nvmPH) {
			hash := recallAt(n, &n.hashes, nvmPH, parseSHA256, &note.hash)
			if !hash.ok {
				return BadField("ph", errHash)
			}
			rec.App.SHA256 = hash.sum
		}
	}
	if rec.App.Name == "" {
		rec.Null |= NullApp
	}
	if p != nil && !noted {
		note.App = rec.App
		p.Note = note
	}
	return nil
}

// phrase returns the phrase that begins with an anchor's value, nil if there is
// none.
func (n *NVM) phrase(anchor int) (p *flatjson.Phrase, start, end uint32) {
	if n.how != jsonEscapes {
		return nil, 0, 0
	}
	if p, start, end = n.scanner.Phrase(anchor); start != n.spans[anchor].Start {
		return nil, 0, 0 // the member is on the line once more
	}
	return p, start, end
}

// end returns the end of a connection at two fields; a null address gives an
// invalid one.
func (n *NVM) end(addr, port int) (netip.AddrPort, error) {
	v := n.spans[addr]
	a, ok := quadAt(n.line, int(v.Start), int(v.End))
	if !ok {
		if n.isNull(addr) {
			return netip.AddrPort{}, nil
		}
		var err error
		if a, err = parseAddr(n.text(addr)); err != nil {
			return netip.AddrPort{}, BadField(nvmNames[addr], err)
		}
	}
	p, null, ok := n.uint(port, 65535)
	if !ok && !null {
		return netip.AddrPort{}, BadField(nvmNames[port], errPort)
	}
	return netip.AddrPortFrom(a, uint16(p)), nil
}

// uint returns the number in a field, or that the field is null: 0, and not ok.
func (n *NVM) uint(key int, limit uint64) (u uint64, null, ok bool) {
	v := n.spans[key]
	if digits := v.End - v.Start; digits-1 < 8 && v.End >= 8 {
		u, ok = digitsOf(binary.LittleEndian.Uint64(n.line[v.End-8:v.End]), digits)
	} else if digits-9 < 8 && v.End >= 16 {
		var high uint64
		high, ok = digitsOf(binary.LittleEndian.Uint64(n.line[v.End-16:v.End]), digits-8)
		if ok {
			u, ok = digitsOf(binary.LittleEndian.Uint64(n.line[v.End-8:v.End]), 8)
			u += high * 1e8
		}
	}
	if ok && u <= limit {
		return u, false, true
	}
	if n.isNull(key) {
		return 0, true, false
	}
	u, err := parseUint(n.text(key), limit)
	return u, false, err == nil
}

func (n *NVM) number(key int) (uint64, error) {
	u, null, ok := n.uint(key, 1<<64-1)
	if !ok && !null {
		return 0, BadField(nvmNames[key], errNumber)
	}
	return u, nil
}

// moment returns the time in a field of milliseconds, or where that is null, of
// seconds. 0 is no time.
func (n *NVM) moment(milli, sec int) (t time.Time, err error) {
	ms, null, ok := n.uint(milli, maxUnix*1000)
	switch {
	case null:
		s, null, ok := n.uint(sec, maxUnix)
		if !ok && !null {
			return t, BadField(nvmNames[sec], errTime)
		}
		if s > 0 {
			t = time.Unix(int64(s), 0).UTC()
		}
	case !ok:
		return t, BadField(nvmNames[milli], errTime)
	case ms > 0:
		t = time.UnixMilli(int64(ms)).UTC()
	}
	return t, nil
}

// digit returns the only character of a field, or 0.
func (n *NVM) digit(key int) byte {
	if v := n.spans[key]; v.End-v.Start == 1 {
		return n.line[v.Start]
	}
	return 0
}

// recall returns what make made of a field's text, now or earlier. It is good
// until the next text is recalled.
func recall[V any](n *NVM, m *memory[V], key int, make func(text string) V) *V {
	place := math.MaxInt
	return recallAt(n, m, key, make, &place)
}

// recallAt is recall where the place that the text had the last time, for which
// nothing need be hashed, is probably the right one.
func recallAt[V any](n *NVM, m *memory[V], key int, make func(text string) V, place *int) *V {
	raw, how := n.raw(key)
	if m.isAt(*place, raw, how) {
		return &m.known[*place].made
	}
	hash := maphash.Bytes(memorySeed, raw)
	if *place = m.find(hash, raw, how); *place < 0 {
		text := m.copy(raw)
		if how == verbatim {
			*place = m.add(hash, text, how, make(text))
		} else {
			*place = m.add(hash, text, how, make(string(n.text(key))))
		}
	}
	return &m.known[*place].made
}

func asText(text string) string { return text }

// imageOf returns the image at a path.
func imageOf(path string) image { return image{path, baseName(path)} }

// appOf returns the application that a process name means.
func appOf(name string) string {
	if isPath(name) {
		return baseName(name)
	}
	return name
}

// hostOf returns the canonical name in a host field, which may carry a port,
// or "" if there is an address or something else in it.
func hostOf(text string) string {
	if name, port, ok := strings.Cut(text, ":"); ok {
		if strings.IndexByte(port, ':') >= 0 {
			return "" // an IPv6 address
		}
		text = name
	}
	if _, ok := parseIPv4([]byte(text)); ok || len(text) > 255 {
		return ""
	}
	for _, c := range []byte(text) {
		if c <= ' ' || c == '/' || c == '[' || c == 0x7f {
			return ""
		}
	}
	return CanonicalName(text)
}

func (n *NVM) endpoint() error {
	d := Device{ID: string(n.text(nvmUDID))}
	for _, f := range [...]struct {
		key  int
		text *string
	}{{nvmVSN, &d.Host}, {nvmOSN, &d.OSName}, {nvmOSV, &d.OSVersion}, {nvmOSE, &d.OSEdition}} {
		if !n.isNull(f.key) {
			*f.text = string(n.text(f.key))
		}
	}
	d.Host = CanonicalName(d.Host)
	if d.OS = OSFamily(d.OSName); d.OS == OSUnknown {
		d.OS = OSFamily(d.OSEdition)
	}
	n.table().Add(d)
	return Skip("NVM endpoint record")
}

func (n *NVM) networkInterface() error {
	var i Interface
	for _, f := range [...]struct {
		key   int
		field *uint32
	}{{nvmIID, &i.ID}, {nvmII, &i.Index}, {nvmIT, &i.Type}} {
		if n.isNull(f.key) {
			continue
		}
		v, _, ok := n.uint(f.key, 1<<32-1)
		if !ok {
			return BadField(nvmNames[f.key], errNumber)
		}
		*f.field = uint32(v)
	}
	if !n.isNull(nvmIN) {
		i.Name = string(n.text(nvmIN))
	}
	n.table().Add(Device{ID: string(n.text(nvmUDID)), Interfaces: []Interface{i}})
	return Skip("NVM interface record")
}

func (n *NVM) table() *Devices {
	if n.Devices == nil {
		n.Devices = new(Devices)
	}
	return n.Devices
}
