package wire_test

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"slices"
	"testing"

	"github.com/endoflow/endoflow/internal/wire"
)

func form() []byte {
	b := wire.AppendHeader([]byte("before"), "test", 3)
	b = wire.AppendString(b, "name")
	b = binary.AppendUvarint(b, 300)
	return wire.AppendChecksum(b, len("before"))[len("before"):]
}

func TestGolden(t *testing.T) {
	const want = "74657374" + "03" + "046e616d65" + "ac02" + "e2d891a1"
	if got := hex.EncodeToString(form()); got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestBody(t *testing.T) {
	r := wire.Open("a test", "test", 3, form())
	if got := string(r.Bytes()); got != "name" {
		t.Errorf("text %q", got)
	}
	if !r.More() {
		t.Error("nothing more")
	}
	if got := r.Below(301); got != 300 {
		t.Errorf("number %d", got)
	}
	if err := r.End(); err != nil {
		t.Error(err)
	}
}

func TestErrors(t *testing.T) {
	for _, tt := range []struct {
		name    string
		read    func(r *wire.Body)
		kind    string
		version byte
		want    string
		corrupt bool
	}{
		{"another kind", func(*wire.Body) {}, "rest", 3, "a test: data of another kind", false},
		{"another version", func(*wire.Body) {}, "test", 4, "a test: unknown version 3", false},
		{"left over", func(r *wire.Body) { r.Bytes() }, "test", 3, "a test: byte 10: corrupt data", true},
		{"too large", func(r *wire.Body) { r.Bytes(); r.Below(300) }, "test", 3, "a test: byte 12: corrupt data", true},
		{"too many", func(r *wire.Body) { r.Bytes(); r.Count(1) }, "test", 3, "a test: byte 12: corrupt data", true},
		{"past the end", func(r *wire.Body) { r.Take(100) }, "test", 3, "a test: byte 5: corrupt data", true},
		{"no number", func(r *wire.Body) { r.Take(7); r.Uvarint() }, "test", 3, "a test: byte 12: corrupt data", true},
	} {
		r := wire.Open("a test", tt.kind, tt.version, form())
		tt.read(r)
		err := r.End()
		if err == nil || err.Error() != tt.want || errors.Is(err, wire.ErrCorrupt) != tt.corrupt {
			t.Errorf("%s: error %v, want %s", tt.name, err, tt.want)
		}
		if r.Uvarint() != 0 || r.Bytes() != nil || r.Take(1) != nil || r.More() {
			t.Errorf("%s: reading goes on after an error", tt.name)
		}
	}
}

// TestDamage: no changed byte and no cut goes unnoticed.
func TestDamage(t *testing.T) {
	for i, data := 0, form(); i < len(data); i++ {
		bad := slices.Clone(data)
		bad[i] ^= 1
		for _, damaged := range [][]byte{bad, data[:i]} {
			if err := wire.Open("a test", "test", 3, damaged).Err(); err == nil {
				t.Errorf("byte %d: no error", i)
			}
		}
	}
}
