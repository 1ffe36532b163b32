package flowtest

import (
	"encoding/hex"
	"fmt"
	"math"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/endoflow/endoflow/flow"
)

// A device is one device's day.
type device struct {
	w     *world
	r     *rand.Rand
	index int

	udid    string
	host    string
	os      flow.OS
	told    flow.OS // the OS that its endpoint record tells, if it has one
	addr    netip.Addr
	addr6   netip.Addr // invalid: none
	version int        // of NVM's records: 3, 9, 11
	style   Style
	staged  bool          // reports start and progress, not the end alone
	every   time.Duration // between two periodic reports
	place   place

	began time.Time
	on    time.Duration
	port  uint16 // the ephemeral port used last
}

// A place says where a device's endpoint record stands.
type place uint8

const (
	before    place = iota // its flows
	after                  // its flows, in the same part
	elsewhere              // in the following part, as are its flows from noon on
	nowhere
)

// device returns the i-th device.
func (w *world) device(i int) *device {
	r := rand.New(rand.NewPCG(w.Seed, mix(uint64(i)<<8|0xd)))
	d := &device{w: w, r: r, index: i, port: uint16(r.UintN(1 << 14))}
	d.udid = strings.ToUpper(hex.EncodeToString(d.bytes(20)))
	d.host = fmt.Sprintf("LAP-%05d.corp.example", i)

	switch p := r.Float64(); {
	case p < .77:
		d.os = flow.MacOS
	case p < .95:
		d.os = flow.Windows
	default:
		d.os = flow.Linux
	}
	n := uint32(i)
	switch p := r.Float64(); {
	case p < .62:
		d.addr = addr4(10<<24 + 1<<16 + n%(15<<20))
	case p < .87:
		d.addr = addr4(192<<24 + 168<<16 + 1<<8 + 2 + n%250)
	case p < .965:
		d.addr = addr4(172<<24 + 16<<16 + 256 + n%(1<<19))
	case p < .975:
		d.addr = addr4(100<<24 + 64<<16 + 256 + n%(1<<21))
	default:
		d.addr = addr4(deviceBase + 256 + n%(9<<16))
	}
	if r.Float64() < .25 {
		d.addr6 = addr6(0xd, uint64(i)<<16|1)
	}

	if d.style = w.Style; d.style == Mixed {
		switch p := r.Float64(); {
		case p < .7:
			d.style = Compact
		case p < .9:
			d.style = Collector
		default:
			d.style = Syslog
		}
	}
	switch {
	case d.style == Collector:
		d.version = 11
	case r.Float64() < .5:
		d.version = 3
	case d.style == Syslog:
		d.version = 9
	default:
		d.version = 11
	}
	d.staged = d.version > 3 && r.Float64() < .6
	d.every = time.Duration(60+r.IntN(300)) * time.Second

	switch p := r.Float64(); {
	case p < .75:
		d.place = before
	case p < .90:
		d.place = after
	case p < .98:
		d.place = elsewhere
	default:
		d.place = nowhere
	}
	if d.place != nowhere {
		d.told = d.os
	}

	minutes := 16*60 + r.IntN(470)
	switch p := r.Float64(); {
	case p < .15:
		minutes = 30 + r.IntN(90)
	case p < .8:
		minutes = 6*60 + r.IntN(240)
	}
	d.on = time.Duration(minutes) * time.Minute
	d.began = w.Start.Add(d.upTo(24*time.Hour - d.on))
	return d
}

func (d *device) bytes(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(d.r.Uint32())
	}
	return b
}

// upTo returns a duration of less than most, in milliseconds.
func (d *device) upTo(most time.Duration) time.Duration {
	return time.Duration(d.r.Int64N(max(1, int64(most/time.Millisecond)))) * time.Millisecond
}

// A connection is a Connection with what its lines need.
type connection struct {
	Connection
	app       *app
	hash      string // of its image, as NVM writes it
	pid       int
	execution string
	src, dst  netip.AddrPort
	proto     flow.Proto
	missing   flow.Null // fields that the sensor does not have
	missingAs int       // which of the texts for nothing stands for them
	start     time.Time
	lasts     time.Duration
	open      bool // the device was gone before it ended
	tx, rx    uint64
	periodic  int // reports
}

// connections returns the device's connections by start.
func (d *device) connections() []*connection {
	var conns []*connection
	var users []run // one for each unit of weight
	var weights []float64
	total := 0.0
	for i := range d.w.apps {
		a := &d.w.apps[i]
		if a.os != d.os || d.r.Float64() >= a.prevalence {
			continue
		}
		runs := make([]run, 1+d.r.IntN(a.runs))
		version := d.r.IntN(2)
		for j := range runs {
			runs[j] = run{a, version, 300 + d.r.IntN(60000), strings.ToUpper(hex.EncodeToString(d.bytes(16)))}
		}
		for j := range a.services {
			s := &a.services[j]
			if s.perHour == 0 {
				for _, x := range runs {
					conns = append(conns, d.serve(x, s))
				}
				continue
			}
			for range d.poisson(s.perHour * d.on.Hours()) {
				conns = append(conns, d.serve(runs[d.r.IntN(len(runs))], s))
			}
		}
		if a.user > 0 {
			total += a.user
			users = append(users, runs[0])
			weights = append(weights, total)
		}
	}
	if len(users) > 0 {
		zipf := rand.NewZipf(d.r, 1.1, 20, uint64(d.w.Names-1))
		for range d.poisson(d.w.Activity * d.on.Hours()) {
			at, _ := slices.BinarySearch(weights, d.r.Float64()*total)
			conns = append(conns, d.visit(users[min(at, len(users)-1)], int(zipf.Uint64())))
		}
	}
	slices.SortStableFunc(conns, func(a, b *connection) int { return a.start.Compare(b.start) })
	return conns
}

// A run is one execution of an application.
type run struct {
	app     *app
	version int
	pid     int
	id      string
}

// serve connects an application to a service of its own.
func (d *device) serve(x run, s *service) *connection {
	cause := ByProgram
	if s.name == signOn {
		cause = ByEnvironment
	}
	switch s.hosting {
	case group:
		to := addr4(224<<24 | 251)
		if s.port != 5353 {
			to = netip.AddrFrom4([4]byte{239, 255, 255, 250})
		}
		return d.connect(x, cause, "", netip.AddrPortFrom(d.addr, s.port), netip.AddrPortFrom(to, s.port), s.proto, flow.NativeOut)
	case listener:
		peer := addr4(peerBase + d.r.Uint32N(1<<18))
		if d.r.IntN(3) == 0 {
			peer = addr4(10<<24 + 250<<16 + d.r.Uint32N(1<<16))
		}
		return d.connect(x, cause, "", netip.AddrPortFrom(peer, d.ephemeral()), netip.AddrPortFrom(d.addr, s.port), s.proto, flow.NativeIn)
	}
	return d.reach(x, cause, d.w.hosts[s.host], s.port, s.proto)
}

// visit connects an application to what its user asked for.
func (d *device) visit(x run, site int) *connection {
	port, proto := uint16(443), flow.TCP
	switch p := d.r.Float64(); {
	case p < .04:
		port = 80
	case p < .2 && x.app.browser:
		proto = flow.UDP // QUIC
	}
	return d.reach(x, ByUser, d.w.site(site), port, proto)
}

func (d *device) reach(x run, cause Cause, h host, port uint16, proto flow.Proto) *connection {
	v6 := d.addr6.IsValid() && d.w.dual(h) && d.r.IntN(2) == 0
	from := d.addr
	if v6 {
		from = d.addr6
	}
	to := d.w.addr(h, d.r.IntN(d.w.addrs(h)), v6)
	return d.connect(x, cause, h.name, netip.AddrPortFrom(from, d.ephemeral()), netip.AddrPortFrom(to, port), proto, flow.NativeOut)
}

func (d *device) ephemeral() uint16 {
	d.port = (d.port + 1) % (1 << 14)
	return 49152 + d.port
}

// connect makes the connection, its reports and the record they amount to.
func (d *device) connect(x run, cause Cause, name string, src, dst netip.AddrPort, proto flow.Proto, native flow.Native) *connection {
	c := &connection{
		Connection: Connection{Name: name, Cause: cause, Lines: 1},
		app:        x.app, hash: x.app.hashes[x.version], pid: x.pid, execution: x.id,
		src: src, dst: dst, proto: proto,
		start: d.began.Add(d.upTo(d.on)),
		tx:    100 + d.r.Uint64N(5000),
		rx:    200 + d.r.Uint64N(1<<uint(10+d.r.UintN(10))),
	}
	switch p := d.r.Float64(); {
	case p < .85:
		c.lasts = 50*time.Millisecond + d.upTo(30*time.Second)
	case p < .97:
		c.lasts = d.upTo(10*time.Minute) + time.Minute
	default:
		c.lasts = d.upTo(time.Hour) + 10*time.Minute
	}
	if d.r.Float64() < .015 {
		c.missing = [...]flow.Null{flow.NullApp, flow.NullApp, flow.NullApp, flow.NullDevice, flow.NullApp | flow.NullDevice, flow.NullDst}[d.r.IntN(6)]
		c.missingAs = d.r.IntN(len(nothing))
	}
	if d.staged {
		if gone := d.began.Add(d.on); c.start.Add(c.lasts).After(gone) {
			c.open = true
			c.lasts = max(gone.Sub(c.start), opening)
		}
		c.periodic = int((c.lasts - 1) / d.every)
		c.Lines = 1 + c.periodic
		if !c.open {
			c.Lines++
		}
	}
	c.Record = d.record(c, x.version, native)
	return c
}

// opening is when the start report is made.
const opening = 9 * time.Millisecond

// record returns what the reports of a connection amount to.
func (d *device) record(c *connection, version int, native flow.Native) flow.Record {
	a := c.app
	last := d.reports(c)[c.Lines-1]
	rec := flow.Record{
		Start: c.start, End: last.end,
		Device: d.udid, OS: d.told,
		App:   flow.App{Name: a.name, SHA256: a.sha256[version], Parent: a.parent},
		Proto: c.proto, Src: c.src, Dst: c.dst,
		TxBytes: last.tx, RxBytes: last.rx,
		Null: c.missing,
	}
	if d.version > 3 {
		rec.Execution, rec.Native, rec.Report = c.execution, native, last.stage
		if a.path != "" {
			rec.App.Path = a.path + a.name
		}
		if d.w.SensorNames {
			rec.DstName = c.Name
		}
	} else {
		rec.Start, rec.End = rec.Start.Truncate(time.Second), rec.End.Truncate(time.Second)
	}
	if c.missing&flow.NullApp != 0 {
		rec.App, rec.Execution = flow.App{}, ""
	}
	if c.missing&flow.NullDevice != 0 {
		rec.Device, rec.OS = "", flow.OSUnknown
	}
	if c.missing&flow.NullDst != 0 {
		rec.Dst = netip.AddrPort{}
	}
	return rec
}

// A report is one line about a connection.
type report struct {
	stage  flow.Report
	end    time.Time
	tx, rx uint64
}

// reports returns the reports of a connection, in order. Counters grow from
// one to the next.
func (d *device) reports(c *connection) []report {
	whole := report{flow.ReportEnd, c.start.Add(c.lasts), c.tx, c.rx}
	if !d.staged {
		return []report{whole}
	}
	reports := []report{{flow.ReportStart, c.start.Add(opening), 0, 0}}
	for i := range c.periodic {
		at := time.Duration(i+1) * d.every
		share := uint64(at / time.Millisecond)
		of := uint64(c.lasts / time.Millisecond)
		reports = append(reports, report{flow.ReportPeriodic, c.start.Add(at), c.tx * share / of, c.rx * share / of})
	}
	if !c.open {
		reports = append(reports, whole)
	}
	return reports
}

// poisson returns how many events there are where mean are expected: Knuth's
// method, and the normal approximation where that would take long.
func (d *device) poisson(mean float64) int {
	if mean > 50 {
		return int(max(0, math.Round(mean+math.Sqrt(mean)*d.r.NormFloat64())))
	}
	limit, n := math.Exp(-mean), 0
	for p := d.r.Float64(); p > limit; p *= d.r.Float64() {
		n++
	}
	return n
}
