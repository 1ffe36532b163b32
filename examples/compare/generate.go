package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/parquet-go/parquet-go"
	"golang.org/x/sync/errgroup"
)

// A fleet says what to make up. The same fleet is the same bytes, however many
// processors make it.
type fleet struct {
	Seed    uint64 `json:"seed"`
	Flows   int    `json:"flows"`
	Rows    int    `json:"rows"` // of passive DNS
	Devices int    `json:"devices"`
	Codec   string `json:"codec"` // of the flow files: gzip, zstd or plain
	Style   string `json:"style"` // of the flow records: compact or collector
}

const (
	flowParts = 16
	dnsParts  = 8
	began     = 1_754_000_000_000 // ms since 1970, of the first flow
	span      = 14 * 86_400_000   // ms in which the flows are
)

var suffixes = map[string]string{"gzip": ".json.gz", "zstd": ".json.zst", "plain": ".json"}

// generate writes the fleet's files into dir, unless they are there, as many at a
// time as there are workers: flows-NNN.json (.gz, .zst), slices of time of NVM
// records; dns-NNN.parquet; and, when all are whole, fleet.json.
func generate(ctx context.Context, dir string, f fleet, workers int) error {
	done := filepath.Join(dir, "fleet.json")
	want, err := json.Marshal(f)
	if err != nil {
		return err
	}
	if have, err := os.ReadFile(done); err == nil {
		if string(have) != string(want) {
			return fmt.Errorf("%s holds another fleet: %s", dir, have)
		}
		return nil
	}
	if _, ok := suffixes[f.Codec]; !ok {
		return fmt.Errorf("-codec %s: want gzip, zstd or plain", f.Codec)
	}
	if f.Style != "compact" && f.Style != "collector" {
		return fmt.Errorf("-style %s: want compact or collector", f.Style)
	}
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	w := newWorld(f)
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(workers)
	for part := range flowParts {
		group.Go(func() error {
			name := fmt.Sprintf("flows-%03d%s", part, suffixes[f.Codec])
			return create(filepath.Join(dir, name), func(to io.Writer) error { return w.writeFlows(ctx, to, part) })
		})
	}
	for part := range dnsParts {
		group.Go(func() error {
			name := fmt.Sprintf("dns-%03d.parquet", part)
			return create(filepath.Join(dir, name), func(to io.Writer) error { return w.writeDNS(ctx, to, part) })
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	return os.WriteFile(done, want, 0o666)
}

func create(name string, write func(io.Writer) error) error {
	file, err := os.Create(name)
	if err != nil {
		return err
	}
	return errors.Join(write(file), file.Close())
}

// compressor returns a writer at the codec's fastest level; with one goroutine,
// its bytes do not depend on timing.
func compressor(to io.Writer, codec string) (io.WriteCloser, error) {
	switch codec {
	case "gzip":
		return gzip.NewWriterLevel(to, gzip.BestSpeed)
	case "zstd":
		return zstd.NewWriter(to, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1))
	}
	return struct {
		io.Writer
		io.Closer
	}{to, io.NopCloser(nil)}, nil
}

func (w *world) writeFlows(ctx context.Context, to io.Writer, part int) (err error) {
	out, err := compressor(to, w.Codec)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	l := line{collector: w.Style == "collector"}
	if l.collector {
		// The collector's flow records do not tell the operating system.
		for d := range w.Devices {
			w.appendEndpoint(&l, d)
		}
	}
	rng := rand.New(rand.NewPCG(w.Seed^'f', uint64(part)))
	for i := part * w.Flows / flowParts; i < (part+1)*w.Flows/flowParts; i++ {
		w.appendFlow(&l, w.newFlow(rng, i))
		if len(l.buf) >= 1<<18 {
			if err := ctx.Err(); err != nil {
				return err
			}
			if _, err := out.Write(l.buf); err != nil {
				return err
			}
			l.buf = l.buf[:0]
		}
	}
	_, err = out.Write(l.buf)
	return err
}

// A flow is a connection of an application.
type flow struct {
	number           int
	device           int
	app              *app
	src, dst         netip.Addr
	srcPort, dstPort uint32
	proto            uint32
	out              bool
	name             int // -1: none
	missing          byte
	as               int // how the missing field is
	rx, tx           uint64
	ms               uint32 // how long it took
	rng              uint64
}

func (w *world) newFlow(rng *rand.Rand, number int) flow {
	f := flow{number: number, name: -1, out: true, dstPort: 443, proto: 6, rng: rng.Uint64()}
	f.device = int(float64(w.Devices) * math.Pow(rng.Float64(), 1.2)) // some are used more than others
	picks, pick := w.picks[f.device], rng.Float32()
	lo, hi := 0, len(picks)-1
	for lo < hi {
		if mid := (lo + hi) / 2; picks[mid] < pick {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	f.app = &w.apps[w.installed[f.device][lo]]
	f.src = addr4(w.privateAddr(f.device))
	f.srcPort = 49152 + rng.Uint32N(16384)
	f.rx, f.tx = uint64(100*math.Exp(8*rng.Float64())), uint64(80*math.Exp(6*rng.Float64()))
	f.ms = rng.Uint32N(120_000)
	switch p := rng.IntN(200); {
	case p < 82:
		f.dstPort = 443
	case p < 94:
		f.dstPort = 80
	case p < 97:
		f.proto = 17
	default:
		f.dstPort = [...]uint32{22, 25, 993, 5223, 8080, 8443}[rng.IntN(6)]
	}
	switch p := rng.IntN(1000); {
	case p < 810: // outbound
		w.aim(rng, &f, false)
	case p < 895: // outbound, and without a private address to tell it by
		f.src = addr6(0xd, uint64(f.device)+1)
		w.aim(rng, &f, true)
	case p < 955: // internal
		f.dst, f.dstPort = addr4(10<<24|10+rng.Uint32N(240)), [...]uint32{53, 88, 389, 445}[rng.IntN(4)]
	case p < 972: // inbound
		f.dst, f.dstPort, f.out = f.src, 22+rng.Uint32N(3)*1000, false
		f.src = addr4(strangerBase + rng.Uint32N(1<<20))
		if rng.IntN(10) == 0 { // just outside what is private
			f.src = addr4([...]uint32{9<<24 | 0xffffff, 172<<24 | 15<<16 | 9, 172<<24 | 32<<16 | 9, 192<<24 | 167<<16 | 9, 192<<24 | 169<<16 | 9}[rng.IntN(5)])
		}
	case p < 985: // public to public
		f.src = addr4(publicBase + uint32(f.device))
		w.aim(rng, &f, false)
	default: // something is missing
		w.aim(rng, &f, false)
		f.missing, f.as = "aaadsxp"[rng.IntN(7)], rng.IntN(len(nothing))
	}
	return f
}

// privateAddr returns the address of a device in its own network.
func (w *world) privateAddr(device int) uint32 {
	switch h := mix(w.Seed^uint64(device)<<8^'l') % 10; {
	case h < 6:
		return 10<<24 | 1<<16 + uint32(device)
	case h < 9:
		return 192<<24 | 168<<16 | uint32(h)<<8 | 2 + uint32(device)%250
	}
	return 172<<24 | 16<<16 | uint32(device)&0xfffff
}

// aim chooses the name that a flow is for, and its address.
func (w *world) aim(rng *rand.Rand, f *flow, v6 bool) {
	if rng.Uint32N(1000) < f.app.browses {
		f.name = int(float64(w.sites) * math.Pow(rng.Float64(), browseSkew))
	} else {
		f.name = f.app.own[int(float64(len(f.app.own))*math.Pow(rng.Float64(), 3))]
	}
	// Of the addresses of a name a device is given those near it.
	near := f.device%3 + rng.IntN(2)
	f.dst = w.addr(f.name, near%w.addrs(f.name), v6)
}

// browseSkew and rowSkew are how much more the first sites are visited than the
// last, and are asked for.
const (
	browseSkew = 5
	rowSkew    = 2
)

// nothing are the texts that stand for a missing field. "absent" leaves it out,
// and "null" is JSON's.
var nothing = [...]string{"absent", "", "-", "Unknown", "NULL", "null"}

// appendFlow appends the line of a flow, in the order of a collector's fields.
func (w *world) appendFlow(l *line, f flow) {
	start := began + int64(f.number)*span/int64(max(w.Flows, 1))
	end := start + int64(f.ms)
	windows, user := w.windows(f.device), f.device
	l.begin()
	l.text("fv", "nvzFlow_v11")
	if f.missing == 'p' {
		l.nothing("pr", f.as)
	} else {
		l.number("pr", uint64(f.proto))
	}
	l.addr("sa", f.src, f.missing == 's', f.as)
	l.number("sp", uint64(f.srcPort))
	l.addr("da", f.dst, f.missing == 'x', f.as)
	l.number("dp", uint64(f.dstPort))
	if l.collector {
		fd := uint64(0)
		if f.out {
			fd = 1
		}
		l.number("fd", fd)
		l.number("fss", uint64(start/1000))
		l.moment("fst", start)
		l.number("fes", uint64(end/1000))
		l.moment("fet", end)
	} else {
		l.number("fss", uint64(start/1000))
		l.number("fes", uint64(end/1000))
	}
	if f.missing == 'd' {
		l.nothing("udid", f.as)
	} else {
		l.hex("udid", w.deviceHash(f.device, 0), w.deviceHash(f.device, 1), w.deviceHash(f.device, 2)>>32|1<<31)
	}
	if l.collector {
		l.user("liuid", user)
		l.text("liuida", "CORP")
		l.prefixed("liuidp", "user", user)
		l.number("liuat", 2)
		l.user("pa", user)
		l.number("puat", 8194)
	} else {
		l.prefixed("vsn", "host-", f.device)
		l.text("osn", systems[windows][0])
		l.text("osv", systems[windows][1])
		l.prefixed("liuid", "user", user)
		l.prefixed("pa", "user", user)
	}
	switch {
	case f.missing == 'a':
		l.nothing("pn", f.as)
		l.nothing("ph", f.as)
	case windows:
		l.two("pn", f.app.name, ".exe")
		l.text("ph", f.app.hash)
	default:
		l.text("pn", f.app.name)
		l.text("ph", f.app.hash)
	}
	if l.collector {
		l.number("pid", f.rng&0xffff)
	}
	if f.missing != 'a' {
		l.two("ppath", f.app.path, f.app.name)
	}
	if l.collector {
		l.text("parg", "--profile Default -s")
	}
	l.text("ppn", f.app.parent)
	if l.collector {
		l.number("ppid", 1)
		l.two("pppath", "/sbin/", f.app.parent)
	} else {
		l.text("pph", f.app.parentHash)
	}
	l.number("ibc", f.rx)
	l.number("obc", f.tx)
	l.text("ds", "corp.example")
	switch p := f.rng >> 32 % 100; {
	case p < 3 && f.name >= 0:
		l.key("dh")
		l.buf = append(l.buf, '"')
		l.buf = append(w.appendName(l.buf, f.name), '"')
	case p < 40:
		l.text("dh", "Unknown")
	}
	l.number("iid", 50)
	if l.collector {
		l.text("mnl", "libsystem.dylib")
		l.text("mhl", f.app.parentHash)
		l.number("fsms", uint64(start))
		l.number("fems", uint64(end))
		l.number("pil", 8192)
		l.number("ppil", 16384)
		l.number("fsg", 0)
		l.hex("puid", mix(f.rng)|1<<63, f.rng|1<<63)
		l.text("eveuuid", "00000000000000000000000000000000")
	}
	l.end()
}

func (w *world) deviceHash(device, i int) uint64 {
	return mix(w.Seed^uint64(device)<<16^uint64(i)<<8^'u') | 1<<63
}

// systems are osn, osv and ose by whether it is Windows.
var systems = map[bool][3]string{
	false: {"Mac OS X", "10.15.6", "macOS Catalina"},
	true:  {"WinNT", "10.0.18363", "Windows 10 Enterprise"},
}

// appendEndpoint appends the record that tells a device's operating system.
func (w *world) appendEndpoint(l *line, device int) {
	system := systems[w.windows(device)]
	l.begin()
	l.text("fv", "nvzFlow_v11")
	l.prefixed("vsn", "host-", device)
	l.hex("udid", w.deviceHash(device, 0), w.deviceHash(device, 1), w.deviceHash(device, 2)>>32|1<<31)
	l.text("osn", system[0])
	l.text("osv", system[1])
	l.text("ose", system[2])
	l.end()
}

// A line appends records to buf: without spaces and numbers bare or, as
// collectors write them, spaced and all values text.
type line struct {
	buf       []byte
	collector bool
	first     bool
}

func (l *line) begin() {
	l.first = true
	if l.buf = append(l.buf, '{'); l.collector {
		l.buf = append(l.buf, ' ')
	}
}

func (l *line) end() {
	if l.collector {
		l.buf = append(l.buf, ' ')
	}
	l.buf = append(l.buf, "}\n"...)
}

func (l *line) key(key string) {
	if !l.first {
		if l.buf = append(l.buf, ','); l.collector {
			l.buf = append(l.buf, ' ')
		}
	}
	l.first = false
	l.buf = append(append(append(l.buf, '"'), key...), `":`...)
	if l.collector {
		l.buf = append(l.buf, ' ')
	}
}

func (l *line) text(key, value string) { l.two(key, value, "") }

// two writes a text that is the concatenation of two.
func (l *line) two(key, value, more string) {
	l.key(key)
	l.buf = append(append(append(append(l.buf, '"'), value...), more...), '"')
}

func (l *line) prefixed(key, prefix string, n int) {
	l.key(key)
	l.buf = append(append(l.buf, '"'), prefix...)
	l.buf = append(strconv.AppendInt(l.buf, int64(n), 10), '"')
}

func (l *line) user(key string, n int) { l.prefixed(key, `CORP\\user`, n) }

func (l *line) hex(key string, parts ...uint64) {
	l.key(key)
	l.buf = append(l.buf, '"')
	for _, p := range parts {
		l.buf = strconv.AppendUint(l.buf, p, 16)
	}
	l.buf = append(l.buf, '"')
}

func (l *line) number(key string, n uint64) {
	l.key(key)
	if l.collector {
		l.buf = append(l.buf, '"')
	}
	if l.buf = strconv.AppendUint(l.buf, n, 10); l.collector {
		l.buf = append(l.buf, '"')
	}
}

func (l *line) addr(key string, addr netip.Addr, missing bool, as int) {
	if missing {
		l.nothing(key, as)
		return
	}
	l.key(key)
	l.buf = append(addr.AppendTo(append(l.buf, '"')), '"')
}

// moment writes a time as collectors add it, for people.
func (l *line) moment(key string, ms int64) {
	l.key(key)
	l.buf = append(time.UnixMilli(ms).UTC().AppendFormat(append(l.buf, '"'), time.ANSIC), '"')
}

// nothing writes a field that the sensor does not have, in one of the ways in
// which sensors do.
func (l *line) nothing(key string, as int) {
	switch text := nothing[as]; text {
	case "absent":
	case "null":
		l.key(key)
		l.buf = append(l.buf, text...)
	default:
		l.text(key, text)
	}
}

// A row is one of passive DNS, as an export of a database has it.
type row struct {
	RRName    string `parquet:"rrname,dict"`
	RRType    string `parquet:"rrtype,dict"`
	RData     string `parquet:"rdata,dict"`
	TimeFirst int64  `parquet:"time_first"`
	TimeLast  int64  `parquet:"time_last"`
	Count     int64  `parquet:"count"`
}

// writeDNS writes one file of rows. Its dictionaries overflow, as Spark's do.
func (w *world) writeDNS(ctx context.Context, to io.Writer, part int) error {
	out := parquet.NewGenericWriter[row](to, parquet.Compression(&parquet.Zstd),
		parquet.DictionaryMaxBytes(1<<20), parquet.PageBufferSize(1<<20), parquet.MaxRowsPerRowGroup(1<<20))
	rng := rand.New(rand.NewPCG(w.Seed^'r', uint64(part)))
	rows := make([]row, 0, 4096)
	for i := part * w.Rows / dnsParts; i < (part+1)*w.Rows/dnsParts; i++ {
		if rows = append(rows, w.newRow(rng)); len(rows) < cap(rows) {
			continue
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if _, err := out.Write(rows); err != nil {
			return err
		}
		rows = rows[:0]
	}
	if _, err := out.Write(rows); err != nil {
		return err
	}
	return out.Close()
}

func (w *world) newRow(rng *rand.Rand) row {
	name := int(float64(w.sites) * math.Pow(rng.Float64(), rowSkew))
	if rng.IntN(20) == 0 {
		name = w.sites + rng.IntN(w.names-w.sites)
	}
	var text [64]byte
	r := row{RRType: "A", TimeFirst: began/1000 - rng.Int64N(86_400), Count: 1 + rng.Int64N(100)}
	r.TimeLast = r.TimeFirst + span/1000
	owner := w.appendName(text[:0], name)
	switch p := rng.IntN(1000); {
	case p < 5: // as some resolvers write it
		owner[0] -= 'a' - 'A'
	case p < 8:
		owner = append(owner, '.')
	}
	r.RRName = string(owner)
	switch p := rng.IntN(100); {
	case p < 78:
		v6 := p < 8
		if v6 && w.dual(name) {
			r.RRType = "AAAA"
		}
		r.RData = w.addr(name, rng.IntN(w.addrs(name)), r.RRType == "AAAA").String()
	case p < 80:
		r.RRType = "CNAME"
		r.RData = string(w.appendName(text[:0], rng.IntN(w.sites)))
	case p < 90:
		r.RRType, r.RData = "NS", "ns"+strconv.Itoa(name%50)+".host.example"
	case p < 95:
		r.RRType, r.RData = "MX", "10 mx"+strconv.Itoa(name%50)+".host.example"
	default:
		r.RRType, r.RData = "TXT", "v=spf1 include:_spf.host.example ~all"
	}
	return r
}
