package flow

import (
	"errors"

	"github.com/endoflow/endoflow/internal/winevent"
)

// Sysmon decodes Windows events about connections, as JSON in the shapes of
// nxlog (flat), winlogbeat (event_data) and Azure Sentinel (EventData):
//
//	Sysmon 3 (NetworkConnect)       Native from Initiated
//	Security 5156 and 5157 (the     Native from Direction: %%14593 out,
//	Windows Filtering Platform      %%14592 in
//	permitted or blocked)
//
// Src and Dst are as Sysmon and WFP order them, which is by who opened the
// connection in most events, but not in all: of the 718 events of the real set
// that were not initiated by the device, 226 are UDP with source port 53, the
// peer's. A blocked connection is a record
// like any other: the application did ask for that destination. Device is the
// computer's name; Execution is Sysmon's ProcessGuid. The events tell no bytes
// and no end. Sysmon's DestinationHostname is the result of a reverse look-up
// by Sysmon itself, not a name that the application used, and is not read. A
// connection whose process Sysmon does not know ("<unknown process>", which some
// collectors escape) has no
// application and is not a NULL record.
// Other events are skipped.
type Sysmon struct {
	names names
}

var sysmonFields = []string{
	"UtcTime", "ProcessGuid", "Image", "Application", "Protocol", "Initiated", "Direction",
	"SourceIp", "SourcePort", "DestinationIp", "DestinationPort",
	"SourceAddress", "DestAddress", "DestPort",
}

// Decode implements [Format].
func (s *Sysmon) Decode(line []byte, rec *Record) error {
	e, err := winevent.Parse(line, sysmonFields...)
	if err != nil {
		return err
	}
	var sa, da, dp, image string
	switch e.ID {
	case 3:
		sa, da, dp, image = "SourceIp", "DestinationIp", "DestinationPort", "Image"
	case 5156, 5157:
		sa, da, dp, image = "SourceAddress", "DestAddress", "DestPort", "Application"
	default:
		return Skip("Windows event of another kind")
	}
	if e.Data[sa] == "" && e.Data[da] == "" && e.Data[image] == "" {
		return Skip("Windows event of another kind") // another provider's event 3
	}
	if rec.Start, err = e.Time(); err != nil {
		return err
	}
	if rec.Src, err = addrPort(sa, []byte(e.Data[sa]), "SourcePort", []byte(e.Data["SourcePort"])); err != nil {
		return err
	}
	if rec.Dst, err = addrPort(da, []byte(e.Data[da]), dp, []byte(e.Data[dp])); err != nil {
		return err
	}
	if !rec.Src.IsValid() {
		rec.Null |= NullSrc
	}
	if !rec.Dst.IsValid() {
		rec.Null |= NullDst
	}
	if proto := e.Data["Protocol"]; isNull(proto) {
		rec.Null |= NullProto
	} else if rec.Proto, err = parseProto(proto); err != nil {
		return BadField("Protocol", err)
	}
	rec.OS = Windows
	if len(e.Computer) > maxText {
		return BadField("Computer", errLong)
	}
	if rec.Device = s.names.intern([]byte(e.Computer)); rec.Device == "" {
		rec.Null |= NullDevice
	}
	switch path := e.Data[image]; {
	case isNull(path):
		rec.Null |= NullApp
	case path == "<unknown process>", path == "&lt;unknown process&gt;":
		// Sysmon's own word where the process had ended: no application, and
		// not a record that lost a field.
	case len(path) > maxPath || len(baseName(path)) > maxText:
		return BadField(image, errLong)
	default:
		rec.App.Path = s.names.intern([]byte(path))
		if rec.App.Name = baseName(rec.App.Path); rec.App.Name == "" {
			rec.Null |= NullApp
		}
	}
	if len(e.Data["ProcessGuid"]) > maxText {
		return BadField("ProcessGuid", errLong)
	}
	rec.Execution = s.names.intern([]byte(e.Data["ProcessGuid"]))
	switch {
	case e.Data["Initiated"] == "true", e.Data["Direction"] == "%%14593":
		rec.Native = NativeOut
	case e.Data["Initiated"] == "false", e.Data["Direction"] == "%%14592":
		rec.Native = NativeIn
	case e.Data["Initiated"] != "":
		return BadField("Initiated", errors.New("neither true nor false"))
	}
	return nil
}
