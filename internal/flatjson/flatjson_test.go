package flatjson

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
)

type seen struct {
	Key  string
	Text string
	Kind Kind
}

func members(line []byte, read func([]byte, func([]byte, Value) error) error) ([]seen, error) {
	var got []seen
	err := read(line, func(key []byte, v Value) error {
		got = append(got, seen{string(key), string(v.Text()), v.Kind})
		return nil
	})
	return got, err
}

// oracle reads a whole line with encoding/json.
func oracle(line []byte, fn func([]byte, Value) error) error {
	if !json.Valid(line) || line[skipSpace(line, 0)] != '{' {
		return ErrSyntax
	}
	d := json.NewDecoder(bytes.NewReader(line))
	d.Token()
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return err
		}
		var raw json.RawMessage
		if err := d.Decode(&raw); err != nil {
			return err
		}
		v, err := valueOf(raw)
		if err != nil {
			return err
		}
		if err := fn([]byte(key.(string)), v); err != nil {
			return err
		}
	}
	return nil
}

func TestObject(t *testing.T) {
	for _, tt := range []struct {
		line string
		want []seen
		err  error
	}{
		{`{}`, nil, nil},
		{` { } `, nil, nil},
		{`{"a":"b","n":12,"z":-7,"t":true,"u":null}`, []seen{{"a", "b", String}, {"n", "12", Bare}, {"z", "-7", Bare}, {"t", "true", Bare}, {"u", "", Null}}, nil},
		{`{ "a" : "b" , "c" : "" }`, []seen{{"a", "b", String}, {"c", "", String}}, nil},
		{`{"a":1,"p":"C:\\x\u00e9","b":2}`, []seen{{"a", "1", Bare}, {"p", `C:\xé`, String}, {"b", "2", Bare}}, nil},
		{`{"a":[1,"x"],"o":{"k":1},"f":1.50e3}`, []seen{{"a", `[1,"x"]`, Nested}, {"o", `{"k":1}`, Nested}, {"f", "1.50e3", Bare}}, nil},
		{`{"a":1,"a":2}`, []seen{{"a", "1", Bare}, {"a", "2", Bare}}, nil},
		{`{"ä":"ö"}`, []seen{{"ä", "ö", String}}, nil},
		{``, nil, ErrSyntax},
		{`[]`, nil, ErrSyntax},
		{`{"a":01}`, nil, ErrSyntax},
		{`{"a"}`, nil, ErrSyntax},
		{`{"a":1,}`, nil, ErrSyntax},
		{`{"a":1}x`, nil, ErrSyntax},
		{`{"a":1`, nil, ErrSyntax},
		{`{"a":"b`, nil, ErrSyntax},
		{"{\"a\":\"b\x01\"}", nil, ErrSyntax},
	} {
		got, err := members([]byte(tt.line), Object)
		if err != tt.err {
			t.Errorf("%s: error %v, want %v", tt.line, err, tt.err)
		}
		if diff := cmp.Diff(tt.want, got); err == nil && diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.line, diff)
		}
	}
}

func TestStrings(t *testing.T) {
	for _, tt := range []struct {
		v    Value
		want []string
		ok   bool
	}{
		{Value{}, nil, true},
		{Value{Kind: String, raw: []byte("x")}, []string{"x"}, true},
		{Value{Kind: Nested, raw: []byte(`["a","b\n",3]`)}, []string{"a", "b\n", "3"}, true},
		{Value{Kind: Nested, raw: []byte(`[["a"]]`)}, nil, false},
		{Value{Kind: Nested, raw: []byte(`{"a":1}`)}, nil, false},
	} {
		got, err := tt.v.Strings()
		if (err == nil) != tt.ok {
			t.Errorf("%s: error %v", tt.v.Text(), err)
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.v.Text(), diff)
		}
	}
}

func TestObjectDoesNotAllocate(t *testing.T) {
	line := []byte(`{"fv":"nvzFlow_v9","pr":6,"sa":"10.0.0.1","sp":"5000","x":null}`)
	n := 0
	member := func([]byte, Value) error { n++; return nil }
	if a := testing.AllocsPerRun(100, func() { Object(line, member) }); a != 0 {
		t.Errorf("%v allocations a line, want 0", a)
	}
}

var fuzzSeeds = []string{
	`{}`, `{"a":"b","n":12}`, ` {"a" : [1,{"x":"\""}] , "b":null}`, `{"p":"C:\\x"}`, `{"a":1,"a":-0}`, `{"a":1e5}`, `{"a":"\ud800"}`, "{\"a\":\"\xff\"}", `{"a":tru}`, `{"a":"b"}}`, `{"a":"\u00e9\ud83d\ude00\\\"\/\q"}`,
}

// FuzzObject holds the scanner to encoding/json: the same lines are objects,
// with the same members.
func FuzzObject(f *testing.F) {
	for _, s := range fuzzSeeds {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		want, wantErr := members(line, oracle)
		got, err := members(line, Object)
		if (err != nil) != (wantErr != nil) {
			t.Fatalf("%q: error %v, encoding/json says %v", line, err, wantErr)
		}
		if err == nil {
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%q (-encoding/json +got):\n%s", line, diff)
			}
		}
	})
}

func BenchmarkObject(b *testing.B) {
	line := []byte(`{ "fv": "nvzFlow_v11", "pr": "6", "sa": "10.10.0.38", "sp": "37351", "da": "104.114.110.196", "dp": "80", "fss": "1784017733", "udid": "D5E5634FDBEE82655C9C0E7523CDCE62A8249A1C", "pn": "svchost.exe", "ph": "B0B36BFF7AE4057F687D839CD4B3D81159AB646F1EE1B22106A927E93DECBB61", "ibc": "7660", "obc": "213" }`)
	b.SetBytes(int64(len(line)))
	b.ReportAllocs()
	n := 0
	member := func(_ []byte, v Value) error { n += len(v.Text()); return nil }
	for b.Loop() {
		if err := Object(line, member); err != nil {
			b.Fatal(err)
		}
	}
}
