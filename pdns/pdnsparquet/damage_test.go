package pdnsparquet_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/endoflow/endoflow/pdns"
	"github.com/endoflow/endoflow/pdns/pdnsparquet"
	"github.com/parquet-go/parquet-go"
)

// tryFill fills from a file that may be damaged, beside one that is not, and
// checks what holds for any file.
func tryFill(t *testing.T, text, good []byte) (damaged bool) {
	t.Helper()
	files := pdnsparquet.Files{
		FS:       fstest.MapFS{"bad.parquet": {Data: text}, "good.parquet": {Data: good}},
		Patterns: []string{"*.parquet"}, Workers: 1,
	}
	var b pdns.Builder
	counts, err := files.Fill(t.Context(), &b, func(pe *pdns.ParseError) {
		if pe.Name != "bad.parquet" || pe.Line < 1 {
			t.Errorf("%s:%d: %v", pe.Name, pe.Line, pe)
		}
		if strings.Contains(pe.Error(), ".example") {
			t.Errorf("the error quotes the file: %v", pe)
		}
		damaged = damaged || errors.Is(pe, pdns.ErrDamaged)
	})
	if err != nil {
		t.Fatal(err)
	}
	addUp(t, counts)
	if counts.Files != 2 || (counts.Damaged == 1) != damaged {
		t.Errorf("damaged %v, counts %+v", damaged, counts)
	}
	build(t, &b)
	return damaged
}

// damageable are small files of many layouts.
func damageable(t testing.TB) map[string][]byte {
	files := make(map[string][]byte)
	names, err := filepath.Glob("testdata/*.parquet")
	if err != nil || len(names) == 0 {
		t.Fatalf("files: %v, %v", names, err)
	}
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		files[filepath.Base(name)] = text
	}
	files["parquet-go"] = write(t, sampleRows(60), parquet.MaxRowsPerRowGroup(40))
	files["parquet-go-v1"] = write(t, sampleRows(60), parquet.DataPageVersion(1), parquet.Compression(&parquet.Snappy))
	return files
}

func TestFlippedBytes(t *testing.T) {
	good := write(t, sampleRows(5))
	for name, text := range damageable(t) {
		t.Run(name, func(t *testing.T) {
			step := max(1, len(text)/120)
			noticed := 0
			for at := 0; at < len(text); at += step {
				for _, bits := range []byte{0x01, 0x80, 0xff} {
					damaged := bytes.Clone(text)
					damaged[at] ^= bits
					if tryFill(t, damaged, good) {
						noticed++
					}
				}
			}
			if noticed == 0 {
				t.Error("no damage was noticed")
			}
		})
	}
}

func TestCutFiles(t *testing.T) {
	good := write(t, sampleRows(5))
	for name, text := range damageable(t) {
		for at := 0; at < len(text); at += max(1, len(text)/40) {
			if !tryFill(t, text[:at], good) {
				t.Errorf("%s: cut at %d, and no error", name, at)
			}
		}
	}
}

// TestFooters has footers that ask for more than there is.
func TestFooters(t *testing.T) {
	good := write(t, sampleRows(5))
	file := func(footer string) []byte {
		n := len(footer)
		return []byte("PAR1" + footer + string([]byte{byte(n), byte(n >> 8), byte(n >> 16), 0}) + "PAR1")
	}
	for name, text := range map[string][]byte{
		"empty":          {},
		"magic only":     []byte("PAR1PAR1PAR1"),
		"footer too big": []byte("PAR1\xff\xff\xff\xffPAR1"),
		"no footer":      []byte("PAR1\x00\x00\x00\x00PAR1"),
		"encrypted":      []byte("PARE\x00\x00\x00\x00PARE"),
		"huge list":      file("\x29\xfc\xff\xff\xff\xff\x07"),
		"huge text":      file("\x88\xff\xff\xff\xff\x0f"),
		"deep":           file(strings.Repeat("\x1c", 1<<20)),
		"deep lists":     file(strings.Repeat("\x19", 1<<20)),
		"endless schema": file("\x15\x02\x19\x1c\x48\x01s\x15\xfe\xff\xff\xff\x0f\x00\x16\x00\x19\x0c\x00"),
	} {
		t.Run(name, func(t *testing.T) {
			if !tryFill(t, text, good) {
				t.Error("no error")
			}
		})
	}
}

func FuzzFill(f *testing.F) {
	for _, text := range damageable(f) {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		files := oneFile(text)
		files.Workers = 1
		var b pdns.Builder
		counts, err := files.Fill(t.Context(), &b, func(*pdns.ParseError) {})
		if err != nil {
			t.Fatal(err)
		}
		addUp(t, counts)
		build(t, &b)
	})
}
