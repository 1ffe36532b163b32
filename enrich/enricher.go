package enrich

import (
	"context"
	"fmt"
	"iter"
	"net/netip"

	"github.com/endoflow/endoflow/flow"
)

// A Resolver names addresses. pdns.Index is one, and so is net.Resolver behind
// a function of three lines.
type Resolver interface {
	// LookupAddr returns the names of an address, the most likely first where
	// there is an order. An address without names is no error. The slice may be
	// shared and is not modified by this package.
	LookupAddr(ctx context.Context, addr netip.Addr) ([]string, error)
}

// Evidence is what speaks for a name.
type Evidence uint8

// The kinds of evidence, the strongest first.
const (
	NoEvidence Evidence = iota
	Sensor              // the sensor on the device saw the name itself (flow.Record.DstName)
	Resolved            // the Resolver knows the name for the remote address
)

var evidenceNames = [...]string{"none", "sensor", "resolved"}

func (e Evidence) String() string {
	if int(e) < len(evidenceNames) {
		return evidenceNames[e]
	}
	return fmt.Sprintf("Evidence(%d)", uint8(e))
}

// A Name is a name of a flow's remote end.
type Name struct {
	Name     string
	Evidence Evidence
}

// A Flow is a record with the names of its remote end.
type Flow struct {
	Record flow.Record
	Remote netip.AddrPort
	Names  []Name // the most likely first; none is nil
}

// An Enricher adds names to flows, one at a time. It keeps nothing and is safe
// for concurrent use if its Resolver is.
type Enricher struct {
	// Resolver names addresses; nil leaves the names that sensors saw.
	Resolver Resolver

	// Remote returns a record's remote end; nil takes Dst. A classify.Labeler
	// gives a better answer where Src may be remote.
	Remote func(flow.Record) netip.AddrPort
}

// Names returns the names of the remote end of rec: first the one that the
// sensor saw, then the Resolver's in its order. The slice is the caller's.
func (e *Enricher) Names(ctx context.Context, rec flow.Record, remote netip.AddrPort) ([]Name, error) {
	var names []Name
	if rec.DstName != "" && remote == rec.Dst {
		names = append(names, Name{rec.DstName, Sensor})
	}
	if e.Resolver == nil || !remote.IsValid() {
		return names, nil
	}
	resolved, err := e.Resolver.LookupAddr(ctx, remote.Addr())
	if err != nil {
		return nil, err
	}
	for _, name := range resolved {
		if len(names) == 0 || name != names[0].Name {
			names = append(names, Name{name, Resolved})
		}
	}
	return names, nil
}

// Flows returns the records of recs with their names.
//
// Each pair is a flow and a nil error, or a zero flow and an error. Errors of
// recs are passed on, and the sequence goes on after them as recs does; an error
// of the Resolver, or ctx's, ends it.
func (e *Enricher) Flows(ctx context.Context, recs iter.Seq2[flow.Record, error]) iter.Seq2[Flow, error] {
	return func(yield func(Flow, error) bool) {
		for rec, err := range recs {
			if err != nil {
				if !yield(Flow{}, err) {
					return
				}
				continue
			}
			if err := ctx.Err(); err != nil {
				yield(Flow{}, err)
				return
			}
			remote := rec.Dst
			if e.Remote != nil {
				remote = e.Remote(rec)
			}
			names, err := e.Names(ctx, rec, remote)
			if err != nil {
				yield(Flow{}, err)
				return
			}
			if !yield(Flow{rec, remote, names}, nil) {
				return
			}
		}
	}
}
