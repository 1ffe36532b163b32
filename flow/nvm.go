package flow

import (
	"bytes"
	"errors"
	"time"

	"github.com/endoflow/endoflow/internal/flatjson"
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

	names   names
	systems map[string]OS // by osn, and by udid where the table knew
	text    [nvmKeys][]byte
	scratch []byte
	each    func(key []byte, v flatjson.Value) error
}

// The fields that are read.
const (
	nvmPR = iota
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
	nvmUDID
	nvmPN
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

var nvmNames = [nvmKeys]string{
	"pr", "sa", "sp", "da", "dp", "fd", "fss", "fes", "fsms", "fems", "hh", "dh", "udid", "pn", "ph", "ppath", "ppn",
	"ibc", "obc", "fsg", "puid", "vsn", "osn", "osv", "ose", "iid", "ii", "it", "in",
}

// nvmKey returns the number of a key, or -1.
func nvmKey(key []byte) int {
	switch string(key) {
	case "pr":
		return nvmPR
	case "sa":
		return nvmSA
	case "sp":
		return nvmSP
	case "da":
		return nvmDA
	case "dp":
		return nvmDP
	case "fd":
		return nvmFD
	case "fss":
		return nvmFSS
	case "fes":
		return nvmFES
	case "fsms":
		return nvmFSMS
	case "fems":
		return nvmFEMS
	case "hh":
		return nvmHH
	case "dh":
		return nvmDH
	case "udid":
		return nvmUDID
	case "pn":
		return nvmPN
	case "ph":
		return nvmPH
	case "ppath":
		return nvmPPATH
	case "ppn":
		return nvmPPN
	case "ibc":
		return nvmIBC
	case "obc":
		return nvmOBC
	case "fsg":
		return nvmFSG
	case "puid":
		return nvmPUID
	case "vsn":
		return nvmVSN
	case "osn":
		return nvmOSN
	case "osv":
		return nvmOSV
	case "ose":
		return nvmOSE
	case "iid":
		return nvmIID
	case "ii":
		return nvmII
	case "it":
		return nvmIT
	case "in":
		return nvmIN
	}
	return -1
}

func looksNVM(line []byte) bool {
	if isObject(line) {
		return bytes.Contains(line, []byte(`"nvzFlow_v`)) || bytes.Contains(line, []byte(`"udid"`))
	}
	return bytes.Contains(line, []byte("nvzFlow_v")) || bytes.Contains(line, []byte(" udid="))
}

// Decode implements [Format].
func (n *NVM) Decode(line []byte, rec *Record) error {
	n.text = [nvmKeys][]byte{}
	var err error
	if isObject(line) {
		if n.each == nil {
			n.each = n.member // made once: a method value is an allocation
		}
		err = flatjson.Object(line, n.each)
	} else {
		err = n.readKeyValue(line)
	}
	if err != nil {
		return err
	}
	switch {
	case n.isFlow():
		return n.flow(rec)
	case n.text[nvmUDID] == nil:
		return errors.New("not an NVM record: neither fields of a flow nor a udid")
	case isNullBytes(n.text[nvmUDID]):
		return Skip("NVM endpoint or interface record without a udid")
	case n.text[nvmOSN] != nil || n.text[nvmVSN] != nil:
		return n.endpoint()
	case n.text[nvmII] != nil || n.text[nvmIT] != nil || n.text[nvmIN] != nil:
		return n.networkInterface()
	}
	return Skip("NVM record of another kind")
}

// isFlow reports whether the record has a field that only flow records have.
func (n *NVM) isFlow() bool {
	for _, key := range [...]int{nvmSA, nvmDA, nvmSP, nvmDP, nvmPR, nvmFSS, nvmPN} {
		if n.text[key] != nil {
			return true
		}
	}
	return false
}

func (n *NVM) member(key []byte, v flatjson.Value) error {
	k := nvmKey(key)
	if k < 0 {
		return nil
	}
	switch v.Kind {
	case flatjson.Nested:
		return BadField(nvmNames[k], errors.New("an object or array where a text or number belongs"))
	case flatjson.Null:
		n.text[k] = []byte{}
	default:
		return n.set(k, v.Text())
	}
	return nil
}

// set keeps the text of a field.
func (n *NVM) set(key int, text []byte) error {
	if len(text) > maxText && (key != nvmPPATH || len(text) > maxPath) {
		return BadField(nvmNames[key], errLong)
	}
	n.text[key] = text
	return nil
}

// readKeyValue reads the pairs of a syslog line; what stands before the first
// of them (times and the collector's name) has no "=".
func (n *NVM) readKeyValue(line []byte) error {
	n.scratch = n.scratch[:0]
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
		k := nvmKey(line[start:pos])
		value, next := n.value(line, pos+1)
		if next < 0 {
			if k >= 0 {
				return BadField(nvmNames[k], errors.New("a quote is not closed"))
			}
			return errors.New("a quote is not closed")
		}
		if k >= 0 {
			if err := n.set(k, value); err != nil {
				return err
			}
		}
		pos = next
	}
}

// value reads the value at pos and returns the position behind it, or -1 when
// its quote is not closed.
func (n *NVM) value(line []byte, pos int) ([]byte, int) {
	if pos == len(line) {
		return []byte{}, pos
	}
	switch line[pos] {
	case '"':
		return n.doubleQuoted(line, pos+1)
	case '\'':
		// The text may have apostrophes: the quote that closes it stands before
		// a space or at the end.
		for i := pos + 1; i < len(line); i++ {
			if line[i] == '\'' && (i+1 == len(line) || line[i+1] == ' ') {
				return line[pos+1 : i], i + 1
			}
		}
		return nil, -1
	}
	end := len(line)
	if i := bytes.IndexByte(line[pos:], ' '); i >= 0 {
		end = pos + i
	}
	return line[pos:end], end
}

// doubleQuoted reads up to the closing quote. A backslash stands before a quote
// and before another backslash; before anything else it is itself, as in the
// paths that some collectors do not escape.
func (n *NVM) doubleQuoted(line []byte, pos int) ([]byte, int) {
	start, escaped := pos, false
	for ; pos < len(line); pos++ {
		switch line[pos] {
		case '"':
			if !escaped {
				return line[start:pos], pos + 1
			}
			return n.unescape(line[start:pos]), pos + 1
		case '\\':
			if pos+1 < len(line) && (line[pos+1] == '"' || line[pos+1] == '\\') {
				escaped = true
				pos++
			}
		}
	}
	return nil, -1
}

func (n *NVM) unescape(text []byte) []byte {
	start := len(n.scratch)
	for i := 0; i < len(text); i++ {
		if text[i] == '\\' && i+1 < len(text) && (text[i+1] == '"' || text[i+1] == '\\') {
			i++
		}
		n.scratch = append(n.scratch, text[i])
	}
	return n.scratch[start:]
}

func (n *NVM) flow(rec *Record) error {
	var err error
	bad := func(key int, e error) {
		if err == nil {
			err = BadField(nvmNames[key], e)
		}
	}
	text := func(key int) []byte {
		if isNullBytes(n.text[key]) {
			return nil
		}
		return n.text[key]
	}
	number := func(key int) uint64 {
		t := text(key)
		if t == nil {
			return 0
		}
		v, e := parseUint(t, 1<<64-1)
		if e != nil {
			bad(key, e)
		}
		return v
	}
	moment := func(milli, sec int) time.Time {
		key, parse := milli, parseUnixMilli
		if text(milli) == nil {
			key, parse = sec, parseUnix
		}
		if text(key) == nil {
			return time.Time{}
		}
		t, e := parse(text(key))
		if e != nil {
			bad(key, e)
		}
		return t
	}

	if t := text(nvmPR); t == nil {
		rec.Null |= NullProto
	} else if p, e := parseUint(t, 255); e != nil {
		bad(nvmPR, errProto)
	} else {
		rec.Proto = Proto(p)
	}
	src, e := addrPort("sa", n.text[nvmSA], "sp", n.text[nvmSP])
	if e != nil {
		return e
	}
	dst, e := addrPort("da", n.text[nvmDA], "dp", n.text[nvmDP])
	if e != nil {
		return e
	}
	rec.Src, rec.Dst = src, dst
	if !src.IsValid() {
		rec.Null |= NullSrc
	}
	if !dst.IsValid() {
		rec.Null |= NullDst
	}
	rec.Start = moment(nvmFSMS, nvmFSS)
	rec.End = moment(nvmFEMS, nvmFES)
	rec.TxBytes, rec.RxBytes = number(nvmOBC), number(nvmIBC)

	if t := text(nvmUDID); t != nil {
		rec.Device = n.names.intern(t)
	} else {
		rec.Null |= NullDevice
	}
	rec.OS = n.system(rec.Device, text(nvmOSN))

	if t := text(nvmPPATH); t != nil {
		rec.App.Path = n.names.intern(t)
	}
	if t := text(nvmPN); t != nil {
		rec.App.Name = n.names.intern(t)
		if isPath(t) {
			rec.App.Name = baseName(rec.App.Name)
		}
	} else if name := baseName(rec.App.Path); name != "" {
		rec.App.Name = name
	} else {
		rec.Null |= NullApp
	}
	if t := text(nvmPPN); t != nil {
		rec.App.Parent = n.names.intern(t)
	}
	if t := text(nvmPH); t != nil {
		sum, e := parseSHA256(t)
		if e != nil {
			bad(nvmPH, e)
		}
		rec.App.SHA256 = sum
	}
	if t := text(nvmPUID); t != nil {
		rec.Execution = n.names.intern(t)
	}
	for _, key := range [...]int{nvmDH, nvmHH} {
		if t := text(key); t != nil {
			if rec.DstName = n.hostName(t); rec.DstName != "" {
				break
			}
		}
	}
	switch string(text(nvmFD)) {
	case "1":
		rec.Native = NativeOut
	case "0":
		rec.Native = NativeIn
	}
	switch string(text(nvmFSG)) {
	case "0":
		rec.Report = ReportEnd
	case "1":
		rec.Report = ReportStart
	case "2":
		rec.Report = ReportPeriodic
	}
	return err
}

// hostName returns the canonical name in a host field, which may carry a port,
// or "" if there is an address or something else in it.
func (n *NVM) hostName(text []byte) string {
	if name, port, ok := bytes.Cut(text, []byte(":")); ok {
		if bytes.IndexByte(port, ':') >= 0 {
			return "" // an IPv6 address
		}
		text = name
	}
	if _, ok := parseIPv4(text); ok || len(text) > 255 {
		return ""
	}
	for _, c := range text {
		if c <= ' ' || c == '/' || c == '[' || c == 0x7f {
			return ""
		}
	}
	return CanonicalName(n.names.intern(text))
}

// system returns the OS that the record itself names, or that the table knows
// of its device.
func (n *NVM) system(device string, osn []byte) OS {
	if osn != nil {
		if os, ok := n.systems[string(osn)]; ok {
			return os
		}
		os := OSFamily(string(osn))
		n.remember(string(osn), os)
		return os
	}
	if n.Devices == nil || device == "" {
		return OSUnknown
	}
	if os, ok := n.systems[device]; ok {
		return os
	}
	d, ok := n.Devices.Lookup(device)
	if ok && d.OS != OSUnknown {
		n.remember(device, d.OS)
	}
	return d.OS
}

func (n *NVM) remember(key string, os OS) {
	if n.systems == nil || len(n.systems) >= maxNames {
		n.systems = make(map[string]OS)
	}
	n.systems[key] = os
}

func (n *NVM) endpoint() error {
	d := Device{ID: string(n.text[nvmUDID])}
	for _, f := range [...]struct {
		key  int
		text *string
	}{{nvmVSN, &d.Host}, {nvmOSN, &d.OSName}, {nvmOSV, &d.OSVersion}, {nvmOSE, &d.OSEdition}} {
		if !isNullBytes(n.text[f.key]) {
			*f.text = string(n.text[f.key])
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
		if isNullBytes(n.text[f.key]) {
			continue
		}
		v, err := parseUint(n.text[f.key], 1<<32-1)
		if err != nil {
			return BadField(nvmNames[f.key], err)
		}
		*f.field = uint32(v)
	}
	if !isNullBytes(n.text[nvmIN]) {
		i.Name = string(n.text[nvmIN])
	}
	n.table().Add(Device{ID: string(n.text[nvmUDID]), Interfaces: []Interface{i}})
	return Skip("NVM interface record")
}

func (n *NVM) table() *Devices {
	if n.Devices == nil {
		n.Devices = new(Devices)
	}
	return n.Devices
}
