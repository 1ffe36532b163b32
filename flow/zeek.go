package flow

import (
	"errors"
	"strings"

	"github.com/endoflow/endoflow/internal/zeek"
)

// Zeek decodes Zeek's connection log, tab-separated (any columns, by the log's
// own header) or JSON.
//
// Zeek sees a network and not the devices on it: a record has no application,
// and its Device is the address of the local end where Zeek knows it
// (local_orig, local_resp), of the originator otherwise. Src is the originator.
// Native comes from the two local flags. Bytes are payload, missing counts 0.
// For ICMP the ports of the log are type and code; a record has 0 for them.
type Zeek struct {
	r     *zeek.Reader
	names names
}

const (
	zeekTS = iota
	zeekOrigH
	zeekOrigP
	zeekRespH
	zeekRespP
	zeekProto
	zeekDuration
	zeekOrigBytes
	zeekRespBytes
	zeekLocalOrig
	zeekLocalResp
	zeekConnState
)

// Decode implements [Format].
func (z *Zeek) Decode(line []byte, rec *Record) error {
	if z.r == nil {
		z.r = zeek.NewReader("conn", "ts", "id.orig_h", "id.orig_p", "id.resp_h", "id.resp_p", "proto",
			"duration", "orig_bytes", "resp_bytes", "local_orig", "local_resp", "conn_state")
	}
	r := z.r
	if err := r.Line(line); err != nil {
		return err
	}
	if isObject(line) { // JSON seldom says of which log it is
		switch {
		case r.Text(zeekOrigH) == "":
			return errors.New("not a Zeek record: no id.orig_h")
		case r.Text(zeekConnState) == "" && r.Text(zeekOrigBytes) == "":
			return Skip("not a line of a connection log")
		}
	}
	var err error
	if rec.Start, err = r.Time(zeekTS); err != nil {
		return err
	}
	duration, err := r.Interval(zeekDuration)
	if err != nil {
		return err
	}
	rec.End = rec.Start.Add(duration)
	if rec.Src, err = addrPort("id.orig_h", []byte(r.Text(zeekOrigH)), "id.orig_p", []byte(r.Text(zeekOrigP))); err != nil {
		return err
	}
	if rec.Dst, err = addrPort("id.resp_h", []byte(r.Text(zeekRespH)), "id.resp_p", []byte(r.Text(zeekRespP))); err != nil {
		return err
	}
	if !rec.Src.IsValid() {
		rec.Null |= NullSrc
	}
	if !rec.Dst.IsValid() {
		rec.Null |= NullDst
	}
	switch proto := r.Text(zeekProto); proto {
	case "":
		rec.Null |= NullProto
	case "unknown_transport":
	default:
		if rec.Proto, err = parseProto(proto); err != nil {
			return r.Field(zeekProto, err)
		}
	}
	if rec.Proto == ICMP {
		if rec.Src.Addr().Is6() {
			rec.Proto = ICMPv6
		}
		rec.Src, rec.Dst = portless(rec.Src), portless(rec.Dst)
	}
	orig, err := r.Count(zeekOrigBytes)
	if err != nil {
		return err
	}
	resp, err := r.Count(zeekRespBytes)
	if err != nil {
		return err
	}
	rec.TxBytes, rec.RxBytes = orig, resp
	device := rec.Src
	switch flag(r.Text(zeekLocalOrig)) + flag(r.Text(zeekLocalResp)) {
	case "TT":
		rec.Native = NativeLocal
	case "TF":
		rec.Native = NativeOut
	case "FT":
		rec.Native = NativeIn
		rec.TxBytes, rec.RxBytes = resp, orig
		device = rec.Dst
	case "FF":
		rec.Native = NativeTransit
	}
	if device.IsValid() {
		var text [64]byte
		rec.Device = z.names.intern(device.Addr().AppendTo(text[:0]))
	} else {
		rec.Null |= NullDevice
	}
	return nil
}

// flag returns T or F for a truth value as Zeek writes it in either form, and
// "" if there is none.
func flag(text string) string {
	switch strings.ToUpper(text) {
	case "T", "TRUE":
		return "T"
	case "F", "FALSE":
		return "F"
	}
	return ""
}
