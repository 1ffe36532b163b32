package zeek_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/endoflow/endoflow/internal/lines"
	"github.com/endoflow/endoflow/internal/zeek"
	"github.com/google/go-cmp/cmp"
)

const (
	ts = iota
	query
	answers
	rtt
	count
)

func newReader() *zeek.Reader {
	return zeek.NewReader("dns", "ts", "query", "answers", "rtt", "count")
}

// header is that of a log with the fields in another order and one more.
const header = "#separator \\x09\n#set_separator\t,\n#empty_field\t(empty)\n#unset_field\t-\n#path\tdns\n" +
	"#fields\tuid\tanswers\tquery\tts\trtt\tcount\n#types\tstring\tvector[string]\tstring\ttime\tinterval\tcount\n"

// values is what a line says, with lists shown by "|".
type values struct {
	Query, Answers string
	TS             time.Time
	RTT            time.Duration
	Count          uint64
}

// read reads all lines and returns the values of the last, or its error.
func read(t *testing.T, text string) (values, error) {
	t.Helper()
	r := newReader()
	var v values
	all := strings.Split(text, "\n")
	for i, line := range all {
		if err := r.Line([]byte(line)); err != nil {
			if i < len(all)-1 && !errors.Is(err, lines.ErrSkip) {
				t.Fatalf("line %d: %v", i+1, err)
			}
			if i == len(all)-1 {
				return values{}, err
			}
		}
	}
	var errs [3]error
	v.Query, v.Answers = r.Text(query), strings.Join(r.List(answers), "|")
	v.TS, errs[0] = r.Time(ts)
	v.RTT, errs[1] = r.Interval(rtt)
	v.Count, errs[2] = r.Count(count)
	return v, errors.Join(errs[:]...)
}

func TestLine(t *testing.T) {
	at := time.Date(2020, 9, 15, 8, 0, 0, 123456000, time.UTC)
	full := values{"a.example", "b.example|17.0.0.1", at, 20 * time.Millisecond, 3}
	for _, tt := range []struct {
		name string
		in   string
		want values
	}{
		{"tabs", header + "C1\tb.example,17.0.0.1\ta.example\t1600156800.123456\t0.02\t3", full},
		{"JSON", `{"ts":1600156800.123456,"uid":"C1","query":"a.example","answers":["b.example","17.0.0.1"],"rtt":0.02,"count":3,"_path":"dns"}`, full},
		{"JSON without a path", `{"ts":1600156800.123456,"query":"a.example","answers":["b.example","17.0.0.1"],"rtt":2e-2,"count":3}`, full},
		{"JSON with ISO times", `{"ts":"2020-09-15T10:00:00.123456+02:00","query":"a.example","answers":["b.example","17.0.0.1"],"rtt":0.02,"count":3}`, full},
		{"JSON with a plain answer", `{"answers":"b.example"}`, values{Answers: "b.example"}},
		{"JSON nulls", `{"ts":null,"query":null,"answers":null,"count":null}`, values{}},
		{"JSON twice, the last counts", `{"query":"b","query":"a","answers":["x"],"answers":"y"}`, values{Query: "a", Answers: "y"}},
		{"JSON texts are not escaped Zeek's way", `{"query":"a\\x20b"}`, values{Query: `a\x20b`}},
		{"unset", header + "-\t-\t-\t-\t-\t-", values{}},
		{"empty", header + "-\t(empty)\t(empty)\t-\t-\t-", values{}},
		{"escapes", header + "-\ta\\x2cb,c\ta\\x09b\\x2d\t-\t-\t-", values{Query: "a\tb-", Answers: "a,b|c"}},
		{"bad escapes stay", header + "-\ta\\xzz\ta\\x2\t-\t-\t-", values{Query: `a\x2`, Answers: `a\xzz`}},
		{"an element that is unset", header + "-\t-,c\t-\t-\t-\t-", values{Answers: "-|c"}},
		{"another separator and other words for nothing",
			"#separator ;\n#set_separator;|\n#empty_field;NONE\n#unset_field;?\n#path;dns\n#fields;query;answers;count\na.example;b|c;?", values{Query: "a.example", Answers: "b|c"}},
		{"separator in hexadecimal", "#separator \\x3b\n#fields;query\na.example", values{Query: "a.example"}},
		{"a field that is wanted and absent", "#fields\tquery\na.example", values{Query: "a.example"}},
		{"a second header", header + "C1\tx\ty\t1\t1\t1\n#close\t2020-09-15\n#fields\tquery\na.example", values{Query: "a.example"}},
		{"the wanted log after another", "#path\tconn\n#fields\tquery\nx\n#path\tdns\n#fields\tquery\na.example", values{Query: "a.example"}},
		{"nothing stays from the line before", header + "C1\tb\ta\t1\t1\t1\n-\t-\t-\t-\t-\t-", values{}},
		{"times before 1970", `{"ts":-1.5}`, values{TS: time.Date(1969, 12, 31, 23, 59, 58, 5e8, time.UTC)}},
		{"microseconds are exact", `{"ts":1600156800.999999}`, values{TS: time.Date(2020, 9, 15, 8, 0, 0, 999999000, time.UTC)}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := read(t, tt.in)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestLineErrors(t *testing.T) {
	for _, tt := range []struct {
		name, in, want string
		skip           bool
	}{
		{"no header", "a\tb", "no #fields line before this one", false},
		{"few columns", header + "C1\tb", "2 columns where the header has 6", false},
		{"many columns", header + "1\t2\t3\t4\t5\t6\t7", "more than the 6 columns of the header", false},
		{"other log", "#path\tconn\n#fields\tquery\nx", "Zeek log of another kind: conn", true},
		{"other log, whose name is not told", "#path\tsecret\n#fields\tquery\nx", "Zeek log of another kind: other", true},
		{"other JSON log", `{"_path":"ssl","query":"x"}`, "Zeek log of another kind: ssl", true},
		{"other JSON log, whose name is not told", `{"_path":"secret"}`, "Zeek log of another kind: other", true},
		{"comment", "# by hand", "header or comment", true},
		{"header", "#path\tdns", "header or comment", true},
		{"empty separator", "#separator ", "field #separator: not a separator", false},
		{"bad separator", `#separator \x0`, "field #separator: not a separator", false},
		{"empty set separator", "#set_separator\t", "field #set_separator: not a separator", false},
		{"cut JSON", `{"query":"a`, "not a JSON object", false},
		{"object for a text", `{"query":{"a":1}}`, "field query: neither text nor an array of texts", false},
		{"nested answers", `{"answers":[["a"]]}`, "field answers: neither text nor an array of texts", false},
		{"bad time", `{"ts":"soon"}`, "field ts: not a number of seconds", false},
		{"time in milliseconds", `{"ts":1600156800123}`, "field ts: not a number of seconds", false},
		{"time at the edge", `{"ts":9223372036.854776}`, "field ts: not a number of seconds", false},
		{"time that is no number", `{"ts":"NaN"}`, "field ts: not a number of seconds", false},
		{"bad interval", `{"rtt":"fast"}`, "field rtt: not a number of seconds", false},
		{"bad count", `{"count":-1}`, "field count: not a count", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := read(t, tt.in)
			if err == nil || err.Error() != tt.want || errors.Is(err, lines.ErrSkip) != tt.skip {
				t.Errorf("error %v, want %q, skipped %v", err, tt.want, tt.skip)
			}
		})
	}
}

func TestIsHeader(t *testing.T) {
	for line, want := range map[string]bool{
		"#separator \\x09": true, "#fields\tts": true,
		"#": false, "# fields": false, "ts\t1": false, "": false, `{"ts":1}`: false,
	} {
		if got := zeek.IsHeader([]byte(line)); got != want {
			t.Errorf("IsHeader(%q) = %v", line, got)
		}
	}
}

// FuzzLine: no text makes a reader panic or give a value that the field's type
// has not.
func FuzzLine(f *testing.F) {
	f.Add(header + "C1\tb.example,17.0.0.1\ta.example\t1600156800.123456\t0.02\t3")
	f.Add(`{"ts":1600156800.123456,"query":"a","answers":["b",1],"rtt":1e300,"_path":"dns"}`)
	f.Add("#separator \\x\n#fields \\x5c\n\\x5c\n#set_separator \\")
	f.Add("#fields\tts\n9223372036.854776")
	f.Fuzz(func(t *testing.T, text string) {
		r := newReader()
		for line := range strings.SplitSeq(text, "\n") {
			if line == "" {
				continue // as lines.Read does
			}
			if err := r.Line([]byte(line)); err != nil {
				if err.Error() == "" {
					t.Error("an error that says nothing")
				}
				continue
			}
			if d, err := r.Interval(rtt); err == nil && (d%time.Microsecond != 0) {
				t.Errorf("an interval of %v", d)
			}
			if at, err := r.Time(ts); err == nil && (at.Location() != time.UTC || at.Year() > 9999) {
				t.Errorf("a time of %v", at)
			}
			for i := range 5 {
				r.Text(i)
				r.List(i)
				r.Count(i)
			}
		}
	})
}
