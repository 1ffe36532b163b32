package classify

import (
	"encoding/binary"

	"github.com/endoflow/endoflow/flow"
	"github.com/endoflow/endoflow/internal/wire"
)

// An Agreement compares what sensors say of directions with what a rule says
// from addresses alone: it counts flows by the sensor's word, the rule's
// direction and the direction that was given in the end. The zero value is
// empty and ready. It is for one goroutine.
//
// The rule alone is the labeler asked about the record without the sensor's
// word:
//
//	bare := rec
//	bare.Native = flow.NativeUnknown
//	agreement.Add(rec.Native, labeler.Label(bare).Direction, labeler.Label(rec).Direction)
type Agreement struct {
	flows [natives][directions][directions]uint64
}

const natives = int(flow.NativeTransit) + 1

// Add counts one flow. Values that this package does not know count as unknown.
func (a *Agreement) Add(native flow.Native, rule, final Direction) {
	if int(native) >= natives {
		native = flow.NativeUnknown
	}
	a.flows[native][known(rule)][known(final)]++
}

func known(d Direction) Direction {
	if int(d) >= directions {
		return Unknown
	}
	return d
}

// Merge adds the counts of other, which it leaves as they are.
func (a *Agreement) Merge(other *Agreement) {
	for n := range a.flows {
		for r := range a.flows[n] {
			for f := range a.flows[n][r] {
				a.flows[n][r][f] += other.flows[n][r][f]
			}
		}
	}
}

// An AgreementRow is a number of flows of one kind.
type AgreementRow struct {
	Native flow.Native
	Rule   Direction // by addresses alone
	Final  Direction // as labelled
	Flows  uint64

	// Agrees says that the sensor's word and the rule can both be right.
	// Without a word from the sensor they can.
	Agrees bool

	// Explanation says in one line what a disagreement is, or what an agreement
	// is worth; "" where there is nothing to add.
	Explanation string
}

// Rows returns the kinds that occur, sorted by Native, Rule and Final.
func (a *Agreement) Rows() []AgreementRow {
	var rows []AgreementRow
	a.each(func(n flow.Native, rule, final Direction, flows uint64) {
		agrees, explanation := compare(n, rule)
		rows = append(rows, AgreementRow{n, rule, final, flows, agrees, explanation})
	})
	return rows
}

func (a *Agreement) each(visit func(n flow.Native, rule, final Direction, flows uint64)) {
	for n := range a.flows {
		for r := range a.flows[n] {
			for f, flows := range a.flows[n][r] {
				if flows > 0 {
					visit(flow.Native(n), Direction(r), Direction(f), flows)
				}
			}
		}
	}
}

// compare says whether a sensor's word and the rule's direction can both be
// right. Internal, Local, Multicast and Loopback do not say who opened a flow,
// so that Out and In go with them.
func compare(n flow.Native, rule Direction) (agrees bool, explanation string) {
	switch n {
	case flow.NativeOut, flow.NativeIn:
		verb, unlike := "opened", Inbound
		if n == flow.NativeIn {
			verb, unlike = "accepted", Outbound
		}
		switch rule {
		case Unknown:
			return false, verb + " by this device, at an address that does not reach its peer's: mostly link-local for want of a global one"
		case unlike:
			return false, rule.String() + " by its addresses, yet " + verb + " by this device: its own end is the public one, or the order of the ends tells nothing"
		case NAT:
			return false, verb + " by this device, both ends public: global IPv6, or a device on a public address; only the sensor can tell"
		}
	case flow.NativeLocal:
		switch rule {
		case Unknown, Outbound, Inbound, NAT:
			return false, "both ends in networks that the sensor was told are local, and the rule was not: name them as site networks"
		}
	case flow.NativeTransit:
		switch rule {
		case Unknown:
			return false, "neither end local to the sensor, and one link-local: neighbours in a global IPv6 network that it was not told of"
		case Internal, Outbound, Inbound:
			return false, "an end inside by its address, yet neither local to the sensor: its list of local networks lacks that one, or is empty"
		case NAT:
			return true, "neither end known to be inside, to sensor or rule: mostly the site's own IPv6, until its networks are named"
		}
	default:
		return true, "no word from the sensor"
	}
	return true, ""
}

// AppendBinary appends the binary form of a to b. The same counts give the same
// bytes. The error is always nil.
//
// The body is one entry for each kind that occurs, in the order of Rows: native,
// rule and final (varints), flows (varint).
func (a *Agreement) AppendBinary(b []byte) ([]byte, error) {
	start := len(b)
	b = wire.AppendHeader(b, kindAgreement, version)
	a.each(func(n flow.Native, rule, final Direction, flows uint64) {
		b = append(b, byte(n), byte(rule), byte(final)) // each its own varint
		b = binary.AppendUvarint(b, flows)
	})
	return wire.AppendChecksum(b, start), nil
}

// UnmarshalBinary replaces the counts by those that AppendBinary wrote, and
// keeps nothing of data. On an error a is left as it was.
func (a *Agreement) UnmarshalBinary(data []byte) error {
	r := wire.Open("agreement", kindAgreement, version, data)
	var read Agreement
	last := -1
	for r.More() {
		n, rule, final := r.Below(natives), r.Below(directions), r.Below(directions)
		flows := r.Positive()
		at := (n*directions+rule)*directions + final
		if at <= last {
			r.Corrupt()
		}
		last = at
		read.flows[n][rule][final] = flows
	}
	if err := r.End(); err != nil {
		return err
	}
	*a = read
	return nil
}
