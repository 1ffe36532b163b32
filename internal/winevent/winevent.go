// Package winevent reads Windows events as JSON lines, in the shapes that
// collectors write:
//
//	flat        {"EventID":3, "Hostname":…, "Image":…}                    nxlog, Mordor
//	winlogbeat  {"event_id":3, "computer_name":…, "event_data":{…}}       version 6
//	            {"winlog":{"event_id":3, "computer_name":…, "event_data":{…}}}  7 and later
//	Azure       {"EventID":3, "Computer":…, "EventData":"{…}"}            Sentinel, WindowsEvent
package winevent

import (
	"bytes"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/endoflow/endoflow/internal/lines"
)

// An Event is one event: its number, the machine that logged it, and its data.
type Event struct {
	ID       int
	Computer string    // lower case, without a final dot; "" if absent
	Logged   time.Time // when it was logged; zero if absent
	Data     map[string]string
}

// A text is a string, or a number or truth value as written.
type text string

func (t *text) UnmarshalJSON(raw []byte) error {
	if raw[0] == '"' {
		return json.Unmarshal(raw, (*string)(t))
	}
	if raw[0] != '{' && raw[0] != '[' && raw[0] != 'n' {
		*t = text(raw)
	}
	return nil
}

// Parse reads one line. fields names the event data that the caller wants.
// Values that mean "none" ("-", "" and null) are absent from Data.
func Parse(line []byte, fields ...string) (Event, error) {
	var top map[string]json.RawMessage
	if err := json.Unmarshal(line, &top); err != nil {
		return Event{}, errors.New("not a JSON object")
	}
	data := top
	if raw, ok := top["winlog"]; ok {
		var inner map[string]json.RawMessage
		if err := json.Unmarshal(raw, &inner); err != nil {
			return Event{}, &lines.FieldError{Field: "winlog", Err: errors.New("not an object")}
		}
		for _, name := range []string{"event_id", "computer_name", "event_data"} {
			if v, ok := inner[name]; ok {
				top[name] = v
			}
		}
	}
	if raw, ok := top["event_data"]; ok {
		data = nil
		if err := json.Unmarshal(raw, &data); err != nil {
			return Event{}, &lines.FieldError{Field: "event_data", Err: errors.New("not an object")}
		}
	} else if raw, ok := top["EventData"]; ok {
		if raw[0] == '"' {
			var s string
			if err := json.Unmarshal(raw, &s); err != nil {
				return Event{}, &lines.FieldError{Field: "EventData", Err: errors.New("not text")}
			}
			raw = json.RawMessage(s)
		}
		data = nil
		if err := json.Unmarshal(raw, &data); err != nil {
			return Event{}, &lines.FieldError{Field: "EventData", Err: errors.New("not a JSON object")}
		}
	}

	e := Event{Data: make(map[string]string, len(fields))}
	id := first(top, "EventID", "event_id")
	if id == "" {
		return Event{}, &lines.FieldError{Field: "EventID", Err: errors.New("absent")}
	}
	n, err := strconv.Atoi(id)
	if err != nil {
		return Event{}, &lines.FieldError{Field: "EventID", Err: errors.New("not a number")}
	}
	e.ID = n
	e.Computer = strings.TrimSuffix(strings.ToLower(first(top, "Hostname", "computer_name", "Computer")), ".")
	for _, name := range []string{"@timestamp", "TimeCreated", "TimeGenerated"} {
		if t, err := time.Parse(time.RFC3339Nano, value(top, name)); err == nil {
			e.Logged = t.UTC()
			break
		}
	}
	for _, name := range fields {
		if v := value(data, name); v != "" {
			e.Data[name] = v
		}
	}
	return e, nil
}

func first(members map[string]json.RawMessage, names ...string) string {
	for _, name := range names {
		if v := value(members, name); v != "" {
			return v
		}
	}
	return ""
}

func value(members map[string]json.RawMessage, name string) string {
	raw, ok := members[name]
	if !ok {
		return ""
	}
	var t text
	if err := json.Unmarshal(raw, &t); err != nil || t == "-" {
		return ""
	}
	return string(t)
}

// Time returns when the event happened: Sysmon's own UtcTime, in both of its
// spellings, or else when it was logged.
func (e Event) Time() (time.Time, error) {
	s, ok := e.Data["UtcTime"]
	if !ok {
		return e.Logged, nil
	}
	for _, layout := range []string{"2006-01-02 15:04:05.999999999", time.RFC3339Nano} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, &lines.FieldError{Field: "UtcTime", Err: errors.New("not a time")}
}

// Looks reports whether a JSON object looks like an event of one of the shapes.
func Looks(line []byte) bool {
	return bytes.Contains(line, []byte(`"EventID"`)) ||
		bytes.Contains(line, []byte(`"event_id"`))
}
