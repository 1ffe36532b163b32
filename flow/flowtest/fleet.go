package flowtest

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/endoflow/endoflow/flow"
	"github.com/klauspost/compress/gzip"
	"golang.org/x/sync/errgroup"
)

// A Fleet is a made-up company for a day: its devices, the connections of their
// applications, the lines that NVM and a collector would write of them, and the
// answers that a passive DNS sensor would have seen. What lies behind each
// connection is known.
//
// The zero value is a fleet of 200 devices. The same fields give the same bytes
// in every run, but perhaps not in another version of this package. A Fleet is a plain value and its methods may be called concurrently.
//
// The fleet imitates what makes a real one hard: applications that few devices
// have, devices that are on for an hour, delivery networks that share addresses
// between names, CNAME chains, load-balanced names, reports that repeat with
// growing counters, endpoint records that come late or in another file, records
// without a process or a device, and listening, multicast and internal traffic.
// Its shares are plausible, not measured.
type Fleet struct {
	Seed    uint64
	Devices int // 0 means 200

	// Apps is how many applications there are for each system; 0 means 80.
	Apps int

	// Activity is how many connections the user of a device causes in an hour,
	// on average; 0 means 10. The applications' own come on top.
	Activity float64

	// Names is how many names users choose from, the first most often (Zipf);
	// 0 means 20 for each device.
	Names int

	// Start is the begin of the day; zero means 2020-09-15, 00:00 UTC.
	Start time.Time

	// Style is the layout of the lines.
	Style Style

	// SensorNames makes NVM tell the destination's host name (dh, hh), where
	// its version can. Paper: section 2.1 has no names in the records.
	SensorNames bool

	// OneNamePerAddress gives every name addresses of its own and no CNAME, so
	// that an address names its endpoint exactly.
	OneNamePerAddress bool
}

// A Style is a layout of NVM's records.
type Style uint8

// The styles.
const (
	Mixed     Style = iota // each device has one of the others: 70 %, 20 %, 10 %
	Compact                // JSON, no spaces, numbers bare
	Collector              // JSON, spaces, all values text, all of 43 fields that have a value
	Syslog                 // key=value, values in double or single quotes or bare
)

func (f Fleet) withDefaults() Fleet {
	if f.Devices <= 0 {
		f.Devices = 200
	}
	if f.Apps <= 0 {
		f.Apps = 80
	}
	if f.Activity <= 0 {
		f.Activity = 10
	}
	if f.Names <= 0 {
		f.Names = 20 * f.Devices
	}
	if f.Start.IsZero() {
		f.Start = time.Date(2020, 9, 15, 0, 0, 0, 0, time.UTC)
	}
	f.Start = f.Start.UTC().Truncate(time.Second)
	return f
}

// A Cause is why a connection was made.
type Cause uint8

// The causes. ByProgram is what the paper calls endogenous.
const (
	ByUser        Cause = iota // an input of the user's: exogenous
	ByProgram                  // the program, wherever it runs: endogenous
	ByEnvironment              // the company that all devices belong to
)

var causeNames = [...]string{"user", "program", "environment"}

func (c Cause) String() string {
	if int(c) < len(causeNames) {
		return causeNames[c]
	}
	return fmt.Sprintf("Cause(%d)", uint8(c))
}

// A Connection is one connection of the fleet and what lies behind it.
type Connection struct {
	// Record is what a reader of all of the fleet's lines makes of them, with
	// the device's OS, wherever its endpoint record stands. A record with a
	// Null counts for nothing but as one of these.
	Record flow.Record

	Name  string // that the program asked the DNS for; "" if it asked for none
	Cause Cause
	Lines int // that report it
}

// Connections yields the connections of one of several parts, by device and
// start. The parts are disjoint and together, in any number, always the same.
// It panics if part is not one of parts.
func (f Fleet) Connections(part, parts int) iter.Seq[Connection] {
	if part < 0 || part >= parts {
		panic(fmt.Sprintf("flowtest: part %d of %d", part, parts))
	}
	return func(yield func(Connection) bool) {
		w := newWorld(f)
		for i := part; i < w.Devices; i += parts {
			d := w.device(i)
			for _, c := range d.connections() {
				if !yield(c.Connection) {
					return
				}
			}
		}
	}
}

// WriteFlows writes the lines of one of several parts, as one file of NVM
// records: those of some devices, in the order in which they were reported.
// Some devices continue in the following part. The lines of all parts are the
// same for any number of parts, in another order. Memory is bounded by the
// connections of a few devices.
func (f Fleet) WriteFlows(w io.Writer, part, parts int) error {
	if part < 0 || part >= parts {
		return fmt.Errorf("part %d of %d", part, parts)
	}
	bw := bufio.NewWriterSize(w, 1<<16)
	if err := newWorld(f).writeFlows(bw, part, parts); err != nil {
		return err
	}
	return bw.Flush()
}

// WriteDir writes the fleet into a folder, which it makes if need be: the
// flows in as many parts as asked for (at least one) as flows-000.json.gz,
// flows-001.json.gz and so on, and the DNS rows as dns.json.gz. Files have their
// names when they are whole. When ctx ends first, its error is returned.
func (f Fleet) WriteDir(ctx context.Context, dir string, parts int) error {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	parts = max(parts, 1)
	var g errgroup.Group
	g.SetLimit(runtime.GOMAXPROCS(0))
	for part := range parts {
		g.Go(func() error {
			return writeFile(ctx, filepath.Join(dir, fmt.Sprintf("flows-%03d.json.gz", part)), func(w io.Writer) error {
				return f.WriteFlows(w, part, parts)
			})
		})
	}
	g.Go(func() error { return writeFile(ctx, filepath.Join(dir, "dns.json.gz"), f.WriteDNS) })
	return g.Wait()
}

func writeFile(ctx context.Context, name string, write func(io.Writer) error) error {
	file, err := os.Create(name + ".unfinished")
	if err != nil {
		return err
	}
	defer os.Remove(file.Name()) // fails when the file has its name
	defer file.Close()
	zw, err := gzip.NewWriterLevel(file, gzip.BestSpeed)
	if err != nil {
		return err
	}
	if err := write(&untilDone{ctx, zw}); err != nil {
		return err
	}
	if err := zw.Close(); err != nil {
		return err
	}
	if err := file.Close(); err != nil {
		return err
	}
	return os.Rename(file.Name(), name)
}

// untilDone writes until ctx ends.
type untilDone struct {
	ctx context.Context
	w   io.Writer
}

func (u *untilDone) Write(p []byte) (int, error) {
	if err := u.ctx.Err(); err != nil {
		return 0, err
	}
	return u.w.Write(p)
}
