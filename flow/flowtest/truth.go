package flowtest

import (
	"cmp"
	"slices"

	"github.com/endoflow/endoflow/flow"
)

// A Truth is what a perfect analysis of a fleet finds.
type Truth struct {
	// Lines counts the lines that WriteFlows writes, of all parts: "flow",
	// "endpoint" and "interface".
	Lines map[string]int64

	Connections int64               // none of whose fields is missing
	Nulls       map[flow.Null]int64 // other connections, by what is missing
	Directions  map[Cell]int64      // of Connections
	Devices     map[flow.OS]int     // with at least one of Connections

	// Active is on how many devices an application has at least one connection
	// that is kept.
	Active map[string]int

	// Endpoints are those of the connections that are kept and whose program
	// asked for a name, by application, name, port and protocol.
	Endpoints []Endpoint

	// DNSRows counts the rows that WriteDNS writes, by rrtype.
	DNSRows map[string]int64
}

// A Cell is a cell of the table that the study begins with.
type Cell struct {
	OS flow.OS

	// Label is Internal, Outbound, Inbound or NAT. Paper: section 2.3 decides
	// by whether the two addresses are those of RFC 1918, so that all IPv6 is
	// NAT and multicast is Outbound.
	Label string
}

// An Endpoint is a destination of an application, and how many devices reach
// it.
type Endpoint struct {
	App   string
	Name  string
	Port  uint16
	Proto flow.Proto

	// Cause is ByProgram if the program connects to the endpoint by itself,
	// even if users also do.
	Cause Cause

	Devices       int   // that reach it from the application
	ActiveDevices int   // on which the application is active
	Flows         int64 // connections
}

// Support returns Devices / ActiveDevices.
func (e Endpoint) Support() float64 { return float64(e.Devices) / float64(e.ActiveDevices) }

// Truth returns what there is to find in the connections that keep accepts;
// nil means all. keep decides on Active and Endpoints alone and is called with
// records that miss nothing. Memory is bounded by the endpoints.
func (f Fleet) Truth(keep func(flow.Record) bool) Truth {
	t := Truth{
		Lines:      make(map[string]int64),
		Nulls:      make(map[flow.Null]int64),
		Directions: make(map[Cell]int64),
		Devices:    make(map[flow.OS]int),
		Active:     make(map[string]int),
		DNSRows:    make(map[string]int64),
	}
	w := newWorld(f)
	type key struct {
		app, name string
		port      uint16
		proto     flow.Proto
	}
	type found struct {
		Endpoint
		last int // the device that reached it last
	}
	endpoints := make(map[key]*found)
	for i := range w.Devices {
		d := w.device(i)
		conns := d.connections()
		for _, following := range []bool{false, true} {
			for _, l := range d.lines(conns, following) {
				t.Lines[l.kind.String()]++
			}
		}
		seen := false
		active := make(map[string]bool)
		for _, c := range conns {
			rec := c.Record
			if rec.Null != 0 {
				t.Nulls[rec.Null]++
				continue
			}
			seen = true
			t.Connections++
			t.Directions[Cell{rec.OS, paperDirection(rec)}]++
			if keep != nil && !keep(rec) {
				continue
			}
			active[rec.App.Name] = true
			if c.Name == "" {
				continue
			}
			k := key{rec.App.Name, c.Name, rec.Dst.Port(), rec.Proto}
			e := endpoints[k]
			if e == nil {
				e = &found{Endpoint{App: k.app, Name: k.name, Port: k.port, Proto: k.proto}, -1}
				endpoints[k] = e
			}
			e.Flows++
			if c.Cause == ByEnvironment || c.Cause == ByProgram && e.Cause == ByUser {
				e.Cause = c.Cause
			}
			if e.last != i {
				e.Devices++
				e.last = i
			}
		}
		if seen {
			t.Devices[d.told]++
		}
		for app := range active {
			t.Active[app]++
		}
	}
	for _, e := range endpoints {
		e.ActiveDevices = t.Active[e.App]
		t.Endpoints = append(t.Endpoints, e.Endpoint)
	}
	slices.SortFunc(t.Endpoints, func(a, b Endpoint) int {
		return cmp.Or(cmp.Compare(a.App, b.App), cmp.Compare(a.Name, b.Name), cmp.Compare(a.Port, b.Port), cmp.Compare(a.Proto, b.Proto))
	})
	for row := range w.rows() {
		t.DNSRows[row.kind]++
	}
	return t
}

func (k kind) String() string {
	return [...]string{flowLine: "flow", endpointLine: "endpoint", interfaceLine: "interface"}[k]
}

// paperDirection is the paper's rule, spelt out.
func paperDirection(rec flow.Record) string {
	switch src, dst := flow.IsRFC1918(rec.Src.Addr()), flow.IsRFC1918(rec.Dst.Addr()); {
	case src && dst:
		return "Internal"
	case src:
		return "Outbound"
	case dst:
		return "Inbound"
	}
	return "NAT"
}
