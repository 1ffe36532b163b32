package main

import (
	"encoding/json"
	"io"
	"net/netip"
	"time"

	"github.com/endoflow/endoflow/classify"
	"github.com/endoflow/endoflow/enrich"
	"github.com/endoflow/endoflow/flow"
	"github.com/endoflow/endoflow/pdns"
)

// line is what is written of a flow.
type line struct {
	Start     *time.Time `json:"start"` // null if not recorded
	End       *time.Time `json:"end"`
	Device    string     `json:"device"` // a pseudonym
	OS        string     `json:"os"`
	App       string     `json:"app"`
	Proto     string     `json:"proto"`
	Src       string     `json:"src"` // address:port, "" if not recorded
	Dst       string     `json:"dst"`
	Direction string     `json:"direction"`
	Basis     string     `json:"basis"`
	Names     []name     `json:"names"` // of the remote end, the most likely first
	TxBytes   uint64     `json:"tx_bytes"`
	RxBytes   uint64     `json:"rx_bytes"`
	Null      string     `json:"null,omitempty"` // fields that the record lacks
}

// name is a name and the evidence for it: "sensor" (seen on the device),
// "query" (asked for and led to the address) or "owner" (owns the address
// record).
type name struct {
	Name     string `json:"name"`
	Evidence string `json:"evidence"`
}

// A writer writes one flow after the other.
type writer struct {
	json       *json.Encoder
	pseudonyms *flow.Pseudonymizer
	mode       pdns.Mode
}

func newWriter(w io.Writer, pseudonyms *flow.Pseudonymizer, mode pdns.Mode) *writer {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return &writer{e, pseudonyms, mode}
}

func (w *writer) write(rec flow.Record, label classify.Label, names []enrich.Name) error {
	l := line{
		Start: present(rec.Start), End: present(rec.End), Device: w.pseudonyms.Device(rec.Device), OS: rec.OS.String(), App: rec.App.Name,
		Proto: rec.Proto.String(), Src: end(rec.Src), Dst: end(rec.Dst), Direction: label.Direction.String(), Basis: label.Basis.String(),
		Names: make([]name, len(names)), TxBytes: rec.TxBytes, RxBytes: rec.RxBytes, Null: rec.Null.String(),
	}
	for i, n := range names {
		l.Names[i] = name{n.Name, w.mode.String()}
		if n.Evidence == enrich.Sensor {
			l.Names[i].Evidence = "sensor"
		}
	}
	return w.json.Encode(l)
}

func present(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

func end(e netip.AddrPort) string {
	if !e.IsValid() {
		return ""
	}
	return e.String()
}
