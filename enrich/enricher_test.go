package enrich_test

import (
	"context"
	"errors"
	"iter"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/endoflow/endoflow/enrich"
	"github.com/endoflow/endoflow/flow"
)

var (
	word = flow.Record{Device: "a", App: flow.App{Name: "Word"}, Src: netip.MustParseAddrPort("10.0.0.5:5000"), Dst: netip.MustParseAddrPort("21.0.0.1:443"), DstName: "b.example"}
	sshd = flow.Record{Device: "a", App: flow.App{Name: "sshd"}, Src: netip.MustParseAddrPort("21.0.0.1:5000"), Dst: netip.MustParseAddrPort("10.0.0.5:22"), DstName: "self.example"}

	known = fixed{netip.MustParseAddr("21.0.0.1"): {"a.example", "b.example", "c.example"}}
)

func sequence(pairs ...any) iter.Seq2[flow.Record, error] {
	return func(yield func(flow.Record, error) bool) {
		for _, p := range pairs {
			rec, _ := p.(flow.Record)
			err, _ := p.(error)
			if !yield(rec, err) {
				return
			}
		}
	}
}

func TestEnricherNames(t *testing.T) {
	for _, tt := range []struct {
		rule   string
		e      enrich.Enricher
		rec    flow.Record
		remote netip.AddrPort
		want   []enrich.Name
	}{
		{"the sensor's name first, not twice", enrich.Enricher{Resolver: known}, word, word.Dst,
			[]enrich.Name{{Name: "b.example", Evidence: enrich.Sensor}, {Name: "a.example", Evidence: enrich.Resolved}, {Name: "c.example", Evidence: enrich.Resolved}}},
		{"without a Resolver the sensor's name alone", enrich.Enricher{}, word, word.Dst, []enrich.Name{{Name: "b.example", Evidence: enrich.Sensor}}},
		{"the destination's name is not the source's", enrich.Enricher{Resolver: known}, sshd, sshd.Src,
			[]enrich.Name{{Name: "a.example", Evidence: enrich.Resolved}, {Name: "b.example", Evidence: enrich.Resolved}, {Name: "c.example", Evidence: enrich.Resolved}}},
		{"no remote end, no name", enrich.Enricher{Resolver: known}, flow.Record{}, netip.AddrPort{}, nil},
		{"unknown address", enrich.Enricher{Resolver: known}, flow.Record{}, netip.MustParseAddrPort("21.0.0.2:1"), nil},
	} {
		got, err := tt.e.Names(context.Background(), tt.rec, tt.remote)
		if err != nil {
			t.Errorf("%s: %v", tt.rule, err)
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.rule, diff)
		}
	}
}

func TestEnricherFlows(t *testing.T) {
	skippable := &flow.ParseError{Name: "x", Line: 7, Err: errors.New("bad")}
	broken := errors.New("broken")
	type pair struct {
		App string
		Err error
	}
	collect := func(ctx context.Context, e enrich.Enricher, recs iter.Seq2[flow.Record, error]) (pairs []pair) {
		for f, err := range e.Flows(ctx, recs) {
			pairs = append(pairs, pair{f.Record.App.Name, err})
			if err != nil && (f.Record != flow.Record{} || f.Names != nil) {
				t.Errorf("a value beside an error: %+v", f)
			}
		}
		return pairs
	}
	same := cmp.Comparer(func(a, b error) bool { return errors.Is(a, b) || errors.Is(b, a) })

	got := collect(context.Background(), enrich.Enricher{Resolver: known}, sequence(word, error(skippable), sshd))
	if diff := cmp.Diff([]pair{{"Word", nil}, {"", skippable}, {"sshd", nil}}, got, same); diff != "" {
		t.Errorf("errors of the source (-want +got):\n%s", diff)
	}
	got = collect(context.Background(), enrich.Enricher{Resolver: failing{broken}}, sequence(word, sshd))
	if diff := cmp.Diff([]pair{{"", broken}}, got, same); diff != "" {
		t.Errorf("an error of the Resolver (-want +got):\n%s", diff)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	got = collect(ctx, enrich.Enricher{}, sequence(word))
	if diff := cmp.Diff([]pair{{"", context.Canceled}}, got, same); diff != "" {
		t.Errorf("cancelled (-want +got):\n%s", diff)
	}
	n := 0
	for range new(enrich.Enricher).Flows(context.Background(), sequence(word, sshd, word)) {
		n++
		break
	}
	if n != 1 {
		t.Errorf("%d flows after the consumer stopped", n)
	}
}

// TestEnricherRemote: the names are those of the end that Remote gives.
func TestEnricherRemote(t *testing.T) {
	e := enrich.Enricher{Resolver: known, Remote: func(rec flow.Record) netip.AddrPort { return rec.Src }}
	for f, err := range e.Flows(context.Background(), sequence(sshd)) {
		if err != nil || f.Remote != sshd.Src || len(f.Names) != 3 {
			t.Errorf("%+v, %v", f, err)
		}
	}
}

func TestParseLevel(t *testing.T) {
	for l := enrich.NamePort; l <= enrich.AddressOnly; l++ {
		if got, ok := enrich.ParseLevel(l.String()); !ok || got != l {
			t.Errorf("%v: %v, %v", l, got, ok)
		}
	}
	if _, ok := enrich.ParseLevel("port"); ok {
		t.Error("port is a level")
	}
}
