package pdns_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/endoflow/endoflow/pdns"
	"github.com/google/go-cmp/cmp"
)

const cofLine = `{"rrname":"www.example","rrtype":"A","rdata":"192.0.2.1"}`

func TestReader(t *testing.T) {
	for _, test := range []struct {
		name   string
		in     string
		format pdns.Format
		want   string // records and errors
		counts pdns.Counts
	}{
		{
			name: "detected after comments and strangers",
			in:   "# a comment\nstranger\n\n" + cofLine + "\n# too late\n",
			want: "in:2: not a line of a known format\nwww.example A 192.0.2.1\nin:5: not a JSON object\n",
			counts: pdns.Counts{Files: 1, Lines: 5, Records: 1, Errors: 2, Bytes: 91,
				Skipped: map[string]int64{"header or comment": 1, "empty line": 1}},
		},
		{
			name:   "several records of one line",
			in:     `{"query":"a","qtype":1,"answers":["b","192.0.2.1"]}`,
			format: new(pdns.Zeek),
			want:   "a> a CNAME b\na> b A 192.0.2.1\n",
			counts: pdns.Counts{Files: 1, Lines: 1, Records: 1, Bytes: 51},
		},
		{
			name:   "field at fault",
			in:     cofLine + "\n" + strings.Replace(cofLine, "192.0.2.1", "Alice", 1),
			want:   "www.example A 192.0.2.1\nin:2: field rdata: not an IPv4 address\n",
			counts: pdns.Counts{Files: 1, Lines: 2, Records: 1, Errors: 1, Bytes: 111},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := pdns.NewReader(strings.NewReader(test.in), "in")
			r.Format = test.format
			var got strings.Builder
			for rec, err := range r.All() {
				if err == nil {
					fmt.Fprintln(&got, show([]pdns.Record{rec}))
					continue
				}
				if _, ok := errors.AsType[*pdns.ParseError](err); !ok || rec != (pdns.Record{}) {
					t.Errorf("record %+v beside %T", rec, err)
				}
				fmt.Fprintln(&got, err)
			}
			if diff := cmp.Diff(test.want, got.String()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(test.counts, r.Counts()); diff != "" {
				t.Errorf("counts (-want +got):\n%s", diff)
			}
		})
	}
}

func TestReaderStops(t *testing.T) {
	const all = 100_000
	r := pdns.NewReader(strings.NewReader(strings.Repeat(cofLine+"\n", all)), "in")
	for range r.All() {
		break
	}
	if got := r.Counts().Lines; got < 1 || got > all/10 {
		t.Errorf("%d of %d lines read, want few", got, all)
	}
}

func TestReaderDamaged(t *testing.T) {
	var z bytes.Buffer
	w := gzip.NewWriter(&z)
	w.Write([]byte(strings.Repeat(cofLine+"\n", 10000)))
	w.Close()
	r := pdns.NewReader(bytes.NewReader(z.Bytes()[:z.Len()-10]), "in.gz")
	var last error
	for _, err := range r.All() {
		last = err
	}
	if !errors.Is(last, pdns.ErrDamaged) {
		t.Errorf("got %v, want ErrDamaged", last)
	}
}

func TestReaderMaxLine(t *testing.T) {
	r := pdns.NewReader(strings.NewReader(cofLine+"\n"), "in")
	r.MaxLine = 10
	for _, err := range r.All() {
		if !errors.Is(err, pdns.ErrTooLong) {
			t.Errorf("got %v, want ErrTooLong", err)
		}
	}
}

func TestFiles(t *testing.T) {
	fsys := fstest.MapFS{
		"a.json":  {Data: []byte(cofLine + "\n")},
		"b.json":  {Data: []byte(`{"EventID":22,"QueryName":"b","QueryResults":"192.0.2.2;"}`)},
		"dns.log": {Data: []byte(`{"id.orig_h":"192.0.2.9","query":"c","qtype":1,"answers":["192.0.2.3"]}`)},
	}
	for workers := range 4 {
		var mu sync.Mutex
		got := map[string]bool{}
		files := pdns.Files{FS: fsys, Patterns: []string{"*.json", "dns.log"}, Workers: workers}
		counts, err := files.Read(t.Context(), func(recs iter.Seq2[pdns.Record, error]) error {
			for rec, err := range recs {
				if err != nil {
					return err
				}
				mu.Lock()
				got[show([]pdns.Record{rec})] = true
				mu.Unlock()
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		want := map[string]bool{"www.example A 192.0.2.1": true, "b> b A 192.0.2.2": true, "c> c A 192.0.2.3": true}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%d workers (-want +got):\n%s", workers, diff)
		}
		if counts.Files != 3 || counts.Records != 3 {
			t.Errorf("counts %+v", counts)
		}
	}
}

func TestFilesFormat(t *testing.T) {
	files := pdns.Files{
		FS:       fstest.MapFS{"a": {Data: []byte(cofLine)}},
		Patterns: []string{"a"},
		Format:   func() pdns.Format { return new(pdns.Sysmon) },
	}
	counts, err := files.Read(t.Context(), func(recs iter.Seq2[pdns.Record, error]) error {
		for range recs {
		}
		return nil
	})
	if err != nil || counts.Errors != 1 {
		t.Errorf("got %+v, %v; want one error: no event", counts, err)
	}
}

func TestFilesCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	files := pdns.Files{FS: fstest.MapFS{"a": {Data: []byte(cofLine)}}, Patterns: []string{"a"}}
	_, err := files.Read(ctx, func(recs iter.Seq2[pdns.Record, error]) error {
		for _, err := range recs {
			if err != nil {
				return err
			}
		}
		return nil
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
}
