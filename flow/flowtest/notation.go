package flowtest

import (
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/endoflow/endoflow/flow"
)

// Parse returns the record that a line of the notation describes. An error
// names the word that it concerns.
//
//	line   = device app end ">" end proto [ bytes ] { key "=" word }
//	device = word                     ; flow.Record.Device
//	app    = word                     ; flow.App.Name
//	end    = address ":" port         ; Src, then Dst; IPv6 in brackets
//	proto  = name or number           ; tcp, udp, icmp, icmp6, sctp, 47
//	bytes  = tx "/" rx                ; decimal
//	key    = "start" / "end"          ; RFC 3339, in any zone
//	       / "os"                     ; macos, windows, linux
//	       / "path" / "sha256" / "parent" / "exec" / "name"
//	       / "native"                 ; out, in, local, transit
//	       / "report"                 ; start, periodic, end
//	word   = text without spaces, quotes and control characters
//	       / a string in the syntax of Go, in double quotes
//
// Words stand apart by spaces or tabs. Device, app, an end's address and proto
// can be missing in two ways: "-" is a field that should be there, so that
// Null names it, and "" in quotes is one that the format does not have. A
// device called - is written "-" in quotes. Keys come in any order, each once.
func Parse(line string) (flow.Record, error) {
	words, err := split(line)
	if err != nil {
		return flow.Record{}, err
	}
	if len(words) < 6 || words[3].quoted || words[3].text != ">" {
		return flow.Record{}, errors.New(`not of the form: device app src > dst proto tx/rx`)
	}
	var rec flow.Record
	rec.Device = words[0].orNull(&rec.Null, flow.NullDevice)
	rec.App.Name = words[1].orNull(&rec.Null, flow.NullApp)
	if rec.Src, err = words[2].end(&rec.Null, flow.NullSrc); err != nil {
		return flow.Record{}, fmt.Errorf("src: %w", err)
	}
	if rec.Dst, err = words[4].end(&rec.Null, flow.NullDst); err != nil {
		return flow.Record{}, fmt.Errorf("dst: %w", err)
	}
	if proto := words[5].orNull(&rec.Null, flow.NullProto); proto != "" {
		var ok bool
		if rec.Proto, ok = flow.ParseProto(proto); !ok {
			return flow.Record{}, errors.New("proto: not a protocol")
		}
	}
	rest := words[6:]
	if len(rest) > 0 && rest[0].key == "" {
		if rec.TxBytes, rec.RxBytes, err = parseBytes(rest[0].text); err != nil {
			return flow.Record{}, err
		}
		rest = rest[1:]
	}
	var seen []string
	for _, w := range rest {
		if w.key == "" || slices.Contains(seen, w.key) {
			return flow.Record{}, errors.New("a word after proto and bytes that is not key=word, or a key that comes twice")
		}
		seen = append(seen, w.key)
		if err := setKey(&rec, w.key, w.text); err != nil {
			return flow.Record{}, fmt.Errorf("%s: %w", w.key, err)
		}
	}
	return rec, nil
}

// Records returns the records that the lines of text describe in the notation
// of [Parse]. Empty lines and lines that begin with # are left out. A line that
// cannot be read ends the test.
func Records(t testing.TB, text string) []flow.Record {
	t.Helper()
	var recs []flow.Record
	n := 0
	for line := range strings.SplitSeq(text, "\n") {
		n++
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		rec, err := Parse(line)
		if err != nil {
			t.Fatalf("line %d, %s: %v", n, line, err)
		}
		recs = append(recs, rec)
	}
	return recs
}

// Format returns the line for which [Parse] gives rec, without an end of line.
// It is the inverse of Parse for every record as readers make them: times in
// UTC, addresses unmapped and without a zone, no port without an address, and
// Null naming only fields that are empty.
func Format(rec flow.Record) string {
	var b strings.Builder
	write := func(text string) {
		if b.Len() > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(text)
	}
	key := func(name, text string) {
		if text != "" {
			write(name + "=" + quote(text))
		}
	}
	orNull := func(text string, null flow.Null) string {
		if text == "" && rec.Null&null != 0 {
			return "-"
		}
		return quote(text)
	}
	end := func(end netip.AddrPort, null flow.Null) string {
		if !end.Addr().IsValid() {
			return orNull("", null)
		}
		return end.String()
	}
	write(orNull(rec.Device, flow.NullDevice))
	write(orNull(rec.App.Name, flow.NullApp))
	write(end(rec.Src, flow.NullSrc))
	write(">")
	write(end(rec.Dst, flow.NullDst))
	switch {
	case rec.Proto == 0:
		write(orNull("", flow.NullProto))
	default:
		write(rec.Proto.String())
	}
	write(fmt.Sprintf("%d/%d", rec.TxBytes, rec.RxBytes))
	if !rec.Start.IsZero() {
		key("start", rec.Start.Format(time.RFC3339Nano))
	}
	if !rec.End.IsZero() {
		key("end", rec.End.Format(time.RFC3339Nano))
	}
	if rec.OS != flow.OSUnknown {
		key("os", rec.OS.String())
	}
	key("path", rec.App.Path)
	key("sha256", rec.App.HashString())
	key("parent", rec.App.Parent)
	key("exec", rec.Execution)
	key("name", rec.DstName)
	if rec.Native != flow.NativeUnknown {
		key("native", rec.Native.String())
	}
	if rec.Report != flow.ReportOnly {
		key("report", rec.Report.String())
	}
	return b.String()
}

// A word of a line: text, or key=text.
type word struct {
	key    string
	text   string
	quoted bool
}

func (w word) orNull(null *flow.Null, field flow.Null) string {
	if w.text == "-" && !w.quoted {
		*null |= field
		return ""
	}
	return w.text
}

func (w word) end(null *flow.Null, field flow.Null) (netip.AddrPort, error) {
	text := w.orNull(null, field)
	if text == "" {
		return netip.AddrPort{}, nil
	}
	end, err := netip.ParseAddrPort(text)
	if err != nil {
		return netip.AddrPort{}, errors.New("not address:port")
	}
	if addr := end.Addr(); addr.Is4In6() || addr.Zone() != "" {
		return netip.AddrPort{}, errors.New("records have no mapped addresses and no zones")
	}
	return end, nil
}

func parseBytes(text string) (tx, rx uint64, err error) {
	t, r, _ := strings.Cut(text, "/")
	if tx, err = strconv.ParseUint(t, 10, 64); err == nil {
		rx, err = strconv.ParseUint(r, 10, 64)
	}
	if err != nil {
		return 0, 0, errors.New("bytes: not tx/rx")
	}
	return tx, rx, nil
}

func setKey(rec *flow.Record, key, text string) error {
	ok := true
	switch key {
	case "start", "end":
		at, err := time.Parse(time.RFC3339Nano, text)
		if err != nil {
			return errors.New("not a time of RFC 3339")
		}
		if key == "start" {
			rec.Start = at.UTC()
		} else {
			rec.End = at.UTC()
		}
	case "os":
		rec.OS, ok = flow.ParseOS(text)
	case "path":
		rec.App.Path = text
	case "sha256":
		if n, err := hex.Decode(rec.App.SHA256[:], []byte(text[:min(len(text), 64)])); err != nil || n != 32 || len(text) != 64 {
			return errors.New("not 64 hexadecimal digits")
		}
	case "parent":
		rec.App.Parent = text
	case "exec":
		rec.Execution = text
	case "name":
		rec.DstName = text
	case "native":
		rec.Native, ok = named(text, flow.NativeUnknown, flow.NativeTransit)
	case "report":
		rec.Report, ok = named(text, flow.ReportOnly, flow.ReportEnd)
	default:
		return errors.New("no such key")
	}
	if !ok {
		return errors.New("no such value")
	}
	return nil
}

// named returns the value from first to last whose name is text.
func named[T interface {
	~uint8
	String() string
}](text string, first, last T) (T, bool) {
	for v := first; v <= last; v++ {
		if v.String() == text {
			return v, true
		}
	}
	return first, false
}

// split cuts a line into words.
func split(line string) ([]word, error) {
	var words []word
	for {
		line = strings.TrimLeft(line, " \t")
		if line == "" {
			return words, nil
		}
		var w word
		if i := strings.IndexAny(line, "= \t\""); i > 0 && line[i] == '=' {
			w.key, line = line[:i], line[i+1:]
		}
		if strings.HasPrefix(line, `"`) {
			prefix, err := strconv.QuotedPrefix(line)
			if err != nil {
				return nil, errors.New("a quote is not closed")
			}
			if w.text, err = strconv.Unquote(prefix); err != nil {
				return nil, errors.New("a quoted word with a wrong escape")
			}
			w.quoted = true
			line = line[len(prefix):]
			if line != "" && line[0] != ' ' && line[0] != '\t' {
				return nil, errors.New("a quoted word does not end where its quote does")
			}
		} else {
			n := strings.IndexAny(line, " \t")
			if n < 0 {
				n = len(line)
			}
			w.text, line = line[:n], line[n:]
		}
		words = append(words, w)
	}
}

// quote returns text as a word.
func quote(text string) string {
	bare := text != "" && text != "-" && text != ">" && text[0] != '#'
	for _, r := range text {
		if r == '"' || r == '\\' || r == '=' || r == ' ' || r == unicode.ReplacementChar || !unicode.IsPrint(r) {
			bare = false
		}
	}
	if bare {
		return text
	}
	return strconv.Quote(text)
}
