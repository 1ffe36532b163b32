package flowtest

import (
	"net/netip"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/endoflow/endoflow/flow"
)

// nothing are the texts that stand for a missing field. "absent" leaves it
// out, and "null" is JSON's.
var nothing = [...]string{"absent", "", "-", "Unknown", "NULL", "null"}

// append appends the line, without its end.
func (l *line) append(buf []byte) []byte {
	p := pairs{buf: buf, style: l.d.style, old: l.d.version == 3}
	switch l.kind {
	case endpointLine:
		p.begin(l.d.began)
		l.d.endpoint(&p)
	case interfaceLine:
		p.begin(l.d.began)
		p.text("fv", l.d.format())
		p.text("udid", l.d.udid)
		p.number("iid", 50)
		p.number("ii", 4)
		p.number("it", 6)
		p.text("in", "en0")
	default:
		p.begin(l.at)
		l.d.flow(&p, l.conn, l.report)
	}
	return p.end()
}

func (d *device) format() string { return "nvzFlow_v" + strconv.Itoa(d.version) }

// endpoint writes the fields of an endpoint record.
func (d *device) endpoint(p *pairs) {
	p.text("fv", d.format())
	p.text("vsn", d.host)
	p.text("udid", d.udid)
	system := map[flow.OS][5]string{
		flow.MacOS:   {"Mac OS X", "10.15.6", "macOS Catalina", "Apple Inc.", "x64"},
		flow.Windows: {"WinNT", "10.0.18363", "Windows 10 Enterprise", "LENOVO", "x64"},
		flow.Linux:   {"Linux", "5.4.0", "Ubuntu 20.04 LTS", "Dell Inc.", "x64"},
	}[d.os]
	for i, key := range [...]string{"osn", "osv", "ose", "sm", "st"} {
		p.text(key, system[i])
	}
}

// flow writes the fields of a flow record, in the order of a collector's.
func (d *device) flow(p *pairs, c *connection, r report) {
	has := func(field flow.Null) bool { return c.missing&field == 0 }
	late := d.version > 3
	full := d.style == Collector || d.style == Syslog && late
	p.text("fv", d.format())
	p.number("pr", uint64(c.proto))
	p.addr("sa", c.src.Addr())
	p.number("sp", uint64(c.src.Port()))
	if has(flow.NullDst) {
		p.addr("da", c.dst.Addr())
	} else {
		p.nothing("da", c.missingAs)
	}
	p.number("dp", uint64(c.dst.Port()))
	if late {
		fd := uint64(1)
		if c.Record.Native == flow.NativeIn {
			fd = 0
		}
		p.number("fd", fd)
	}
	p.number("fss", uint64(c.start.Unix()))
	p.moment("fst", c.start)
	p.number("fes", uint64(r.end.Unix()))
	p.moment("fet", r.end)
	if full && d.w.SensorNames {
		p.text("hh", c.Name)
	}
	if has(flow.NullDevice) {
		p.text("udid", d.udid)
	} else {
		p.nothing("udid", c.missingAs)
	}
	if full {
		user := "user" + strconv.Itoa(d.index)
		p.text("liuid", `CORP\`+user)
		p.text("liuida", "CORP")
		p.text("liuidp", user)
		p.number("liuat", 2)
		p.text("pa", `CORP\`+user)
		p.number("puat", 8194)
	}
	if has(flow.NullApp) {
		p.text("pn", c.app.name)
		p.text("ph", c.hash)
		if late {
			p.number("pid", uint64(c.pid))
			if c.app.path != "" {
				p.two("ppath", c.app.path, c.app.name)
			}
		}
		if full {
			p.text("parg", ` --profile "Default" -s`)
		}
		p.text("ppn", c.app.parent)
		p.text("pph", c.app.above)
	} else {
		p.nothing("pn", c.missingAs)
		p.nothing("ph", c.missingAs)
		p.nothing("ppn", c.missingAs)
	}
	if late {
		p.number("ppid", 1)
	}
	p.number("ibc", r.rx)
	p.number("obc", r.tx)
	p.text("ds", "corp.example")
	dh := "Unknown"
	if late && d.w.SensorNames && c.Name != "" {
		dh = c.Name
	}
	p.text("dh", dh)
	p.number("iid", 50)
	if full {
		p.text("mnl", "libsystem.dylib")
		p.text("mhl", c.app.above)
	}
	if late {
		p.number("fsms", uint64(c.start.UnixMilli()))
		p.number("fems", uint64(r.end.UnixMilli()))
		p.number("fsg", [...]uint64{flow.ReportStart: 1, flow.ReportPeriodic: 2, flow.ReportEnd: 0}[r.stage])
		if full && d.os == flow.Windows {
			p.number("pil", 8192)
			p.number("ppil", 16384)
		}
		if has(flow.NullApp) {
			p.text("puid", c.execution)
		}
	}
	if d.version == 11 {
		p.text("eveuuid", "00000000000000000000000000000000")
	}
}

// pairs writes the pairs of one line.
type pairs struct {
	buf   []byte
	style Style
	old   bool // the old quoting of syslog: single quotes, numbers bare
	first bool
}

func (p *pairs) begin(at time.Time) {
	p.first = true
	switch p.style {
	case Compact:
		p.buf = append(p.buf, '{')
	case Collector:
		p.buf = append(p.buf, "{ "...)
	case Syslog:
		p.buf = at.AppendFormat(p.buf, time.Stamp)
		p.buf = append(p.buf, " 10.0.0.9 "...)
		p.buf = at.AppendFormat(p.buf, time.Stamp)
		p.buf = append(p.buf, " collector "...)
	}
}

func (p *pairs) end() []byte {
	switch p.style {
	case Compact:
		return append(p.buf, '}')
	case Collector:
		return append(p.buf, " }"...)
	}
	return p.buf
}

// key writes what stands before a value.
func (p *pairs) key(key string) {
	switch {
	case p.style == Syslog:
		p.buf = append(append(append(p.buf, ' '), key...), '=')
		return
	case p.first:
	case p.style == Compact:
		p.buf = append(p.buf, ',')
	default:
		p.buf = append(p.buf, ", "...)
	}
	p.first = false
	p.buf = append(append(append(p.buf, '"'), key...), `":`...)
	if p.style == Collector {
		p.buf = append(p.buf, ' ')
	}
}

func (p *pairs) quote() {
	if p.style == Syslog && p.old {
		p.buf = append(p.buf, '\'')
	} else {
		p.buf = append(p.buf, '"')
	}
}

// text writes a text. A collector leaves empty ones out.
func (p *pairs) text(key, value string) { p.two(key, value, "") }

// two writes a text that is the concatenation of two.
func (p *pairs) two(key, value, more string) {
	if value == "" {
		switch p.style {
		case Collector:
			return
		case Syslog:
			if !p.old {
				value = "''"
			}
		}
	}
	p.key(key)
	p.quote()
	p.escape(value)
	p.escape(more)
	p.quote()
}

// escape writes a text in quotes. The fleet has no control characters.
func (p *pairs) escape(text string) {
	if p.style == Syslog && p.old || strings.IndexByte(text, '"') < 0 && strings.IndexByte(text, '\\') < 0 {
		p.buf = append(p.buf, text...)
		return
	}
	for _, r := range text {
		if r == '"' || r == '\\' {
			p.buf = append(p.buf, '\\')
		}
		p.buf = utf8.AppendRune(p.buf, r)
	}
}

func (p *pairs) number(key string, n uint64) {
	p.key(key)
	bare := p.style == Compact || p.style == Syslog && p.old
	if !bare {
		p.quote()
	}
	p.buf = strconv.AppendUint(p.buf, n, 10)
	if !bare {
		p.quote()
	}
}

func (p *pairs) addr(key string, addr netip.Addr) {
	p.key(key)
	p.quote()
	p.buf = addr.AppendTo(p.buf)
	p.quote()
}

// moment writes a time as collectors add it, for people.
func (p *pairs) moment(key string, at time.Time) {
	p.key(key)
	p.quote()
	p.buf = at.AppendFormat(p.buf, time.ANSIC)
	p.quote()
}

// nothing writes a field that the sensor does not have, in one of the ways in
// which sensors do.
func (p *pairs) nothing(key string, as int) {
	switch text := nothing[as]; {
	case text == "absent":
	case text == "null" && p.style != Syslog:
		p.key(key)
		p.buf = append(p.buf, text...)
	case text == "" && p.style == Collector:
		p.key(key)
		p.quote()
		p.quote()
	default:
		p.text(key, text)
	}
}
