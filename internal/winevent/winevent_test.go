package winevent_test

import (
	"errors"
	"testing"
	"time"

	"github.com/endoflow/endoflow/internal/lines"
	"github.com/endoflow/endoflow/internal/winevent"
	"github.com/google/go-cmp/cmp"
)

func TestParse(t *testing.T) {
	at := time.Date(2020, 9, 15, 8, 0, 0, 1e6, time.UTC)
	data := map[string]string{"Image": `C:\a b.exe`, "SourcePort": "50"}
	for _, tt := range []struct {
		name, line string
		want       winevent.Event
	}{
		{"flat", `{"EventID":3,"Hostname":"PC1.Corp.Example","@timestamp":"2020-09-15T08:00:00.001Z","Image":"C:\\a b.exe","SourcePort":"50","Other":"x"}`,
			winevent.Event{ID: 3, Computer: "pc1.corp.example", Logged: at, Data: data}},
		{"winlogbeat 6", `{"event_id":3,"computer_name":"PC1","@timestamp":"2020-09-15T10:00:00.001+02:00","event_data":{"Image":"C:\\a b.exe","SourcePort":50}}`,
			winevent.Event{ID: 3, Computer: "pc1", Logged: at, Data: data}},
		{"winlogbeat 7", `{"@timestamp":"2020-09-15T08:00:00.001Z","winlog":{"event_id":"3","computer_name":"PC1","event_data":{"Image":"C:\\a b.exe","SourcePort":"50"}}}`,
			winevent.Event{ID: 3, Computer: "pc1", Logged: at, Data: data}},
		{"Azure", `{"EventID":3,"Computer":"PC1.","TimeGenerated":"2020-09-15T08:00:00.001Z","EventData":"{\"Image\":\"C:\\\\a b.exe\",\"SourcePort\":\"50\"}"}`,
			winevent.Event{ID: 3, Computer: "pc1", Logged: at, Data: data}},
		{"Azure with an object", `{"EventID":"3","Computer":"PC1","EventData":{"Image":"C:\\a b.exe","SourcePort":"50"}}`,
			winevent.Event{ID: 3, Computer: "pc1", Data: data}},
		{"nothing in all spellings", `{"EventID":3,"Image":"-","SourcePort":null}`, winevent.Event{ID: 3, Data: map[string]string{}}},
		{"empty data", `{"EventID":3,"Image":"","event_data":null}`, winevent.Event{ID: 3, Data: map[string]string{}}},
		{"nested values are no texts", `{"EventID":3,"Image":{"a":1},"SourcePort":[1]}`, winevent.Event{ID: 3, Data: map[string]string{}}},
		{"a field outside of the data is not data", `{"event_id":3,"Image":"x","event_data":{"SourcePort":true}}`, winevent.Event{ID: 3, Data: map[string]string{"SourcePort": "true"}}},
		{"the first name that has a value", `{"EventID":3,"Hostname":"-","computer_name":"PC1"}`, winevent.Event{ID: 3, Computer: "pc1", Data: map[string]string{}}},
		{"the first time that is one", `{"EventID":3,"@timestamp":"soon","TimeCreated":"2020-09-15T08:00:00.001Z"}`, winevent.Event{ID: 3, Logged: at, Data: map[string]string{}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := winevent.Parse([]byte(tt.line), "Image", "SourcePort")
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if !winevent.Looks([]byte(tt.line)) {
				t.Error("Looks does not know it")
			}
		})
	}
}

func TestParseErrors(t *testing.T) {
	for _, tt := range []struct{ line, field string }{
		{`{"EventID":3`, ""},
		{`[]`, ""},
		{`null`, "EventID"},
		{`{}`, "EventID"},
		{`{"EventID":"three"}`, "EventID"},
		{`{"EventID":3.5}`, "EventID"},
		{`{"EventID":{}}`, "EventID"},
		{`{"EventID":3,"event_data":"x"}`, "event_data"},
		{`{"EventID":3,"EventData":"<Data/>"}`, "EventData"},
		{`{"EventID":3,"EventData":""}`, "EventData"},
		{`{"EventID":3,"EventData":7}`, "EventData"},
		{`{"winlog":7}`, "winlog"},
	} {
		e, err := winevent.Parse([]byte(tt.line), "Image")
		if err == nil || e.Data != nil || e.ID != 0 {
			t.Errorf("%s: %+v and error %v, want a zero event and an error", tt.line, e, err)
			continue
		}
		fe, ok := errors.AsType[*lines.FieldError](err)
		if ok != (tt.field != "") || ok && fe.Field != tt.field {
			t.Errorf("%s: error %v, want one of field %q", tt.line, err, tt.field)
		}
	}
}

func TestTime(t *testing.T) {
	logged := time.Date(2020, 9, 15, 9, 0, 0, 0, time.UTC)
	happened := time.Date(2020, 9, 15, 8, 0, 0, 31e6, time.UTC)
	for _, tt := range []struct {
		utc  string
		want time.Time
		ok   bool
	}{
		{"2020-09-15 08:00:00.031", happened, true},
		{"2020-09-15T08:00:00.031Z", happened, true},
		{"2020-09-15 08:00:00", happened.Truncate(time.Second), true},
		{"", logged, true},
		{"15.09.2020", time.Time{}, false},
	} {
		e := winevent.Event{Logged: logged, Data: map[string]string{}}
		if tt.utc != "" {
			e.Data["UtcTime"] = tt.utc
		}
		got, err := e.Time()
		if !got.Equal(tt.want) || (err == nil) != tt.ok {
			t.Errorf("%q: %v and error %v, want %v", tt.utc, got, err, tt.want)
		}
	}
}

// FuzzParse: no line makes Parse panic; an error has no event beside it, and
// data has no text that stands for nothing.
func FuzzParse(f *testing.F) {
	for _, s := range []string{
		`{"EventID":3,"Hostname":"a.","Image":"x","UtcTime":"2020-09-15 08:00:00.031"}`,
		`{"winlog":{"event_id":3,"event_data":{"Image":null}},"event_data":[]}`,
		`{"EventID":"22","EventData":"{\"Image\":\"-\"}"}`,
		`{"winlog":null,"EventData":null,"EventID":null}`, `null`, `""`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		e, err := winevent.Parse(line, "Image", "UtcTime")
		if err != nil {
			if e.Data != nil || e.ID != 0 || e.Computer != "" || !e.Logged.IsZero() {
				t.Error("an event beside an error")
			}
			return
		}
		for name, text := range e.Data {
			if text == "" || text == "-" || name != "Image" && name != "UtcTime" {
				t.Errorf("data %s=%q", name, text)
			}
		}
		if at, err := e.Time(); err == nil && at.Location() != time.UTC {
			t.Error("a time not in UTC")
		}
	})
}
