package flatjson

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var wanted = []string{"a", "b", "p", "sa", "ibc", "ä", "a name of thirty-two characters!"}

// scanned returns the wanted members as s sees them, by name.
func scanned(s *Scanner, line []byte) (map[string]seen, error) {
	spans := make([]Span, len(wanted))
	if _, err := s.Scan(line, spans); err != nil {
		return nil, err
	}
	got := make(map[string]seen)
	for i, v := range spans {
		if !v.Present() {
			continue
		}
		text := line[v.Start:v.End]
		switch {
		case v.Kind == Null:
			text = nil
		case v.Escaped:
			text = Unescape(nil, text)
		}
		got[wanted[i]] = seen{wanted[i], string(text), v.Kind}
	}
	return got, nil
}

// lastOf returns the same as encoding/json sees it.
func lastOf(line []byte) (map[string]seen, error) {
	all, err := members(line, oracle)
	if err != nil {
		return nil, err
	}
	got := make(map[string]seen)
	for _, m := range all {
		for _, name := range wanted {
			if m.Key == name {
				got[name] = m
			}
		}
	}
	return got, nil
}

// checkScan holds a Scanner that has seen other lines, and one that has not, to
// encoding/json.
func checkScan(t *testing.T, learned *Scanner, line []byte) {
	t.Helper()
	want, wantErr := lastOf(line)
	for name, s := range map[string]*Scanner{"new": NewScanner(2, wanted...), "learned": learned, "learned from the same": learned} {
		got, err := scanned(s, line)
		if (err != nil) != (wantErr != nil) {
			t.Fatalf("%s, %q: error %v, encoding/json says %v", name, line, err, wantErr)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("%s, %q (-encoding/json +got):\n%s", name, line, diff)
		}
	}
}

// TestScan: whatever lines came before, a line is read as encoding/json does.
func TestScan(t *testing.T) {
	lines := []string{
		`{"a":1,"b":"x","p":"C:\\x"}`,
		`{"a":1,"b":"x","p":"C:\\x"} `,
		`{"a":1,"b":"x","p":"C:\\x"}x`,
		`{"a":1,"b":"x","p":"C:\\x"`,
		`{"a":1,"b":"x","p":"C:\\x}`,
		`{"a":1,"b":"x"}`,
		`{"a":12.5,"b":"x"}`,
		`{"a":-1,"b":null}`,
		`{"a":01,"b":"x"}`,
		`{"a":1 ,"b":"x"}`,
		`{"a":1a,"b":"x"}`,
		`{"a":,"b":"x"}`,
		`{"a":"1","b":"x"}`,
		`{"a":1,"q":"y","b":"x"}`,
		`{"b":"x","a":1}`,
		`{"a":1,"a":"2","b":[{}],"b":"x"}`,
		`{"a":1,"b":"x","b":{"a":5}}`,
		`{"\u0061":1,"b":"é","ä":"\u00e9"}`,
		"{\"a\":1,\"b\":\"\xff\"}",
		"{\"a\":1,\"b\":\"x\x1f\"}",
		`{ "sa": "10.0.0.1", "a": "1" }`,
		`{ "sa": "10.0.0.1", "a": "1"}`,
		`{ "sa": "10.0.0.1", "a": "1" },`,
		`{ "sa" : "10.0.0.1", "a": "1" }`,
		`{"a name of thirty-two characters!":"x","a":true}`,
		`{"a name of thirty-two characters?":"x","a":true}`,
		`{}`, ` {} `, `{`, ``, `[]`, `null`, `{"a"}`, `{"a":1,}`, `{,"a":1}`,
	}
	s := NewScanner(2, wanted...)
	for _, first := range lines {
		for _, second := range lines {
			checkScan(t, s, []byte(first))
			checkScan(t, s, []byte(second))
		}
	}
}

// TestScanManyLayouts: more layouts than are remembered, with keys longer than
// are remembered.
func TestScanManyLayouts(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	s := NewScanner(2, wanted...)
	for range 3000 {
		line := []byte("{")
		for n := range 1 + rng.IntN(8) {
			if n > 0 {
				line = append(line, ", "[:1+rng.IntN(2)]...)
			}
			key := wanted[rng.IntN(len(wanted))]
			switch rng.IntN(4) {
			case 0:
				key = fmt.Sprint(rng.IntN(1000))
			case 1:
				key = strings.Repeat(key, rng.IntN(40))
			}
			line = fmt.Appendf(line, `"%s":"%s"`, key, strings.Repeat("x", rng.IntN(30)))
		}
		checkScan(t, s, append(line, '}'))
	}
	if len(s.steps) > maxSteps {
		t.Errorf("%d steps are remembered", len(s.steps))
	}
}

// TestScanPhrases: lines of a few devices and applications, of which the members
// behind an anchor are mostly the same, and lines that are nearly like them.
func TestScanPhrases(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	s := NewScanner(2, wanted...)
	hits := 0
	for range 20_000 {
		device, app := rng.IntN(20), rng.IntN(20)
		line := fmt.Appendf(nil, `{"x":%d,"a":"device-%032d","sa":"host %d","n":%d,"p":"C:\\x\\%d","y":%d,"b":"application %d","ä":"hash %d","u":null,"ibc":"%d","z":[%d],"end":"e"}`,
			rng.IntN(1000), device, device, device, device, rng.IntN(1000), app, app, app, rng.IntN(3))
		switch at := rng.IntN(len(line)); rng.IntN(10) {
		case 0:
			line = line[:at]
		case 1:
			line[at] = "\"\\,}{x1 \xff"[rng.IntN(9)]
		case 2:
			line = slices.Concat(line[:at], line[rng.IntN(len(line)):])
		case 3: // members again behind their phrases
			line = append(line[:len(line)-1], `,"sa":"other","a":"device-00000000000000000000000000000001","ä":1}`...)
		}
		checkScan(t, s, line)
		for i := range s.anchors {
			if p, start, end := s.Phrase(i); p != nil {
				hits++
				if start >= end || int(end) > len(line) || line[end-1] != '"' {
					t.Fatalf("%q: phrase %d from %d to %d", line, i, start, end)
				}
			}
		}
	}
	if hits < 10_000 {
		t.Errorf("%d phrases were found: too few to test anything", hits)
	}
}

func TestScanDoesNotAllocate(t *testing.T) {
	s := NewScanner(2, wanted...)
	spans := make([]Span, len(wanted))
	lines := [][]byte{
		[]byte(`{"fv":"nvzFlow_v9","p":"C:\\x","sa":"10.0.0.1","ibc":5000,"x":null}`),
		[]byte(`{"fv":"nvzFlow_v9","sa":"10.0.0.1","ibc":5000,"y":1.5}`),
	}
	if a := testing.AllocsPerRun(100, func() {
		for _, line := range lines {
			if _, err := s.Scan(line, spans); err != nil {
				t.Fatal(err)
			}
		}
	}); a != 0 {
		t.Errorf("%v allocations, want 0", a)
	}
}

// FuzzScan reads lines after each other with one Scanner, so that each is read
// with what the others taught.
func FuzzScan(f *testing.F) {
	f.Add([]byte(strings.Join(fuzzSeeds, "\n")))
	f.Add([]byte("{\"a\":1,\"b\":\"x\"}\n{\"a\":1,\"b\":\"x\"}x\n{\"a\":1,\"b\":\"y\",\"p\":2}\n{ \"sa\": \"1\" }\n{ \"sa\": \"1\"}"))
	f.Add([]byte(strings.Repeat("{\"a\":\"a long value to know\",\"b\":\"and another one\",\"p\":\"C:\\\\x\",\"sa\":1,\"ibc\":\"2\"}\n", 4)))
	f.Fuzz(func(t *testing.T, text []byte) {
		s := NewScanner(2, wanted...)
		for line := range bytes.SplitSeq(text, []byte("\n")) {
			checkScan(t, s, line)
		}
	})
}

func BenchmarkScan(b *testing.B) {
	for _, style := range []struct{ name, line string }{
		{"compact", `{"fv":"nvzFlow_v9","pr":6,"sa":"10.0.0.5","sp":5000,"da":"21.0.0.1","dp":443,"fss":1600156800,"fst":"Tue Sep 15 08:00:00 2020","fes":1600156860,"fet":"Tue Sep 15 08:01:00 2020","udid":"D5E5634FDBEE82655C9C0E7523CDCE62A8249A1C","liuid":"corp/jdoe","pa":"corp/jdoe","pn":"Google Chrome","ph":"B0B36BFF7AE4057F687D839CD4B3D81159AB646F1EE1B22106A927E93DECBB61","ppa":"root","ppn":"launchd","pph":"B0B36BFF7AE4057F687D839CD4B3D81159AB646F1EE1B22106A927E93DECBB61","ibc":2000,"obc":100,"ds":"corp.example","dh":"www.example.com","iid":7}`},
		{"collector", `{ "fv": "nvzFlow_v11", "pr": "6", "sa": "10.10.0.38", "sp": "37351", "da": "104.114.110.196", "dp": "80", "fss": "1784017733", "fst": "Tue Jul 14 13:58:53 2026", "fes": "1784017793", "fet": "Tue Jul 14 13:59:53 2026", "hh": "tile-service.weather.microsoft.com", "hm": "GET", "ht": "/en-GB/livetile/preinstall", "udid": "D5E5634FDBEE82655C9C0E7523CDCE62A8249A1C", "liuid": "HOST\\user", "pa": "HOST\\user", "pn": "svchost.exe", "ph": "B0B36BFF7AE4057F687D839CD4B3D81159AB646F1EE1B22106A927E93DECBB61", "ppath": "C:\\Windows\\System32\\svchost.exe", "ibc": "7660", "obc": "213" }`},
	} {
		line := []byte(style.line)
		s := NewScanner(0, "pr", "sa", "sp", "da", "dp", "fss", "fes", "fsms", "fems", "hh", "dh", "udid", "pn", "ph", "ppath", "ppn", "ibc", "obc", "fsg", "puid")
		spans := make([]Span, len(s.names))
		b.Run("read=learned/style="+style.name, func(b *testing.B) {
			b.SetBytes(int64(len(line)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := s.Scan(line, spans); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run("read=generic/style="+style.name, func(b *testing.B) {
			b.SetBytes(int64(len(line)))
			b.ReportAllocs()
			for b.Loop() {
				if err := Object(line, func([]byte, Value) error { return nil }); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
