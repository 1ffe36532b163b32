package classify_test

import (
	"encoding/hex"
	"errors"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/endoflow/endoflow/classify"
	"github.com/endoflow/endoflow/flow"
)

// addTo adds one record as the type's doc says.
func addTo(a *classify.Agreement, labeler classify.Labeler, rec flow.Record) {
	bare := rec
	bare.Native = flow.NativeUnknown
	a.Add(rec.Native, labeler.Label(bare).Direction, labeler.Label(rec).Direction)
}

func TestAgreement(t *testing.T) {
	var a classify.Agreement
	for _, rec := range []flow.Record{
		pair("10.0.0.5:5000", "17.0.0.1:443", flow.NativeUnknown),
		pair("10.0.0.5:5000", "17.0.0.1:443", flow.NativeOut),
		pair("10.0.0.5:5000", "17.0.0.2:443", flow.NativeOut),
		pair("10.0.0.5:22", "17.0.0.2:5000", flow.NativeIn),
		pair("17.0.0.2:443", "10.0.0.5:5000", flow.NativeOut),
		pair("[2a00::d1]:5000", "[2a00::1]:443", flow.NativeOut),
		pair("[fe80::1]:5000", "[2a00::1]:443", flow.NativeIn),
		pair("10.0.0.5:5000", "10.0.0.6:443", flow.NativeIn),
		pair("10.0.0.5:5000", "64.100.0.1:443", flow.NativeLocal),
		pair("10.0.0.5:5000", "17.0.0.1:443", flow.NativeTransit),
		pair("[fe80::1]:0", "[2a00::1]:0", flow.NativeTransit),
		pair("[2a00::d1]:5000", "[2a00::1]:443", flow.NativeTransit),
		pair("10.0.0.5:5353", "224.0.0.251:5353", flow.NativeTransit),
	} {
		addTo(&a, classify.Strict{}, rec)
	}
	a.Add(flow.Native(99), classify.Direction(99), classify.Direction(99)) // a custom format's, unknown here
	want := []classify.AgreementRow{
		{Native: flow.NativeUnknown, Rule: classify.Unknown, Final: classify.Unknown, Flows: 1, Agrees: true},
		{Native: flow.NativeUnknown, Rule: classify.Outbound, Final: classify.Outbound, Flows: 1, Agrees: true},
		{Native: flow.NativeOut, Rule: classify.Outbound, Final: classify.Outbound, Flows: 2, Agrees: true},
		{Native: flow.NativeOut, Rule: classify.Inbound, Final: classify.Internal, Flows: 1},
		{Native: flow.NativeOut, Rule: classify.NAT, Final: classify.Outbound, Flows: 1},
		{Native: flow.NativeIn, Rule: classify.Unknown, Final: classify.Inbound, Flows: 1},
		{Native: flow.NativeIn, Rule: classify.Internal, Final: classify.Internal, Flows: 1, Agrees: true},
		{Native: flow.NativeIn, Rule: classify.Outbound, Final: classify.Inbound, Flows: 1},
		{Native: flow.NativeLocal, Rule: classify.Outbound, Final: classify.Internal, Flows: 1},
		{Native: flow.NativeTransit, Rule: classify.Unknown, Final: classify.Unknown, Flows: 1},
		{Native: flow.NativeTransit, Rule: classify.Outbound, Final: classify.Outbound, Flows: 1},
		{Native: flow.NativeTransit, Rule: classify.NAT, Final: classify.NAT, Flows: 1, Agrees: true},
		{Native: flow.NativeTransit, Rule: classify.Multicast, Final: classify.Multicast, Flows: 1, Agrees: true},
	}
	got := a.Rows()
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(classify.AgreementRow{}, "Explanation")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for _, row := range got {
		if !row.Agrees && row.Explanation == "" {
			t.Errorf("%v, %v by rule: a disagreement without an explanation", row.Native, row.Rule)
		}
	}
}

// randomAgreement returns the counts of n seeded flows.
func randomAgreement(n int, seed uint64) []func(*classify.Agreement) {
	rng := rand.New(rand.NewPCG(seed, 0))
	adds := make([]func(*classify.Agreement), n)
	for i := range adds {
		native, rule, final := flow.Native(rng.IntN(5)), classify.Direction(rng.IntN(8)), classify.Direction(rng.IntN(8))
		adds[i] = func(a *classify.Agreement) { a.Add(native, rule, final) }
	}
	return adds
}

func TestAgreementMerge(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	for seed := range uint64(20) {
		adds := randomAgreement(300, seed)
		var whole classify.Agreement
		for _, add := range adds {
			add(&whole)
		}
		shards := make([]classify.Agreement, 1+rng.IntN(5))
		for _, i := range rng.Perm(len(adds)) {
			adds[i](&shards[rng.IntN(len(shards))])
		}
		var merged classify.Agreement
		for _, i := range rng.Perm(len(shards)) {
			merged.Merge(&shards[i])
		}
		if diff := cmp.Diff(encode(t, &whole), encode(t, &merged)); diff != "" {
			t.Fatalf("seed %d, %d shards: bytes differ (-whole +merged):\n%s", seed, len(shards), diff)
		}
		var read classify.Agreement
		if err := read.UnmarshalBinary(encode(t, &whole)); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(whole.Rows(), read.Rows()); diff != "" {
			t.Fatalf("seed %d: read back (-want +got):\n%s", seed, diff)
		}
	}
}

// goldenAgreement is version 1 of the binary form, which stays readable.
const goldenAgreement = "6566416701" + // kind, version
	"01020202" + // out, Outbound by rule and finally: 2 flows
	"010402ac02" + // out, NAT by rule, Outbound finally: 300 flows
	"e0860e5d" // checksum

func TestAgreementGolden(t *testing.T) {
	var a classify.Agreement
	for range 2 {
		a.Add(flow.NativeOut, classify.Outbound, classify.Outbound)
	}
	for range 300 {
		a.Add(flow.NativeOut, classify.NAT, classify.Outbound)
	}
	if got := hex.EncodeToString(encode(t, &a)); got != goldenAgreement {
		t.Errorf("got %s, want %s", got, goldenAgreement)
	}
	data, err := hex.DecodeString(goldenAgreement)
	if err != nil {
		t.Fatal(err)
	}
	var read classify.Agreement
	if err := read.UnmarshalBinary(data); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(a.Rows(), read.Rows()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// binaryForm is what the accumulators have in common.
type binaryForm interface {
	AppendBinary([]byte) ([]byte, error)
	UnmarshalBinary([]byte) error
}

func encode(t testing.TB, v binaryForm) []byte {
	t.Helper()
	b, err := v.AppendBinary(nil)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// testBinaryForm holds a value to the rules of all binary forms. blank makes a
// new zero value.
func testBinaryForm(t *testing.T, v binaryForm, blank func() binaryForm) {
	t.Helper()
	good := encode(t, v)

	prefixed, err := v.AppendBinary([]byte("before"))
	if err != nil || string(prefixed) != "before"+string(good) {
		t.Errorf("AppendBinary does not append: %v", err)
	}

	input := slices.Clone(good)
	read := blank()
	if err := read.UnmarshalBinary(input); err != nil {
		t.Fatalf("reading what was written: %v", err)
	}
	clear(input)
	if diff := cmp.Diff(good, encode(t, read)); diff != "" {
		t.Errorf("reading keeps its input, or loses something (-want +got):\n%s", diff)
	}

	for n := range len(good) {
		if err := read.UnmarshalBinary(good[:n]); !errors.Is(err, classify.ErrCorrupt) {
			t.Fatalf("cut to %d of %d bytes: error %v, want ErrCorrupt", n, len(good), err)
		}
	}
	for i := range good {
		bad := slices.Clone(good)
		bad[i] ^= 0x10
		if err := read.UnmarshalBinary(bad); err == nil {
			t.Fatalf("byte %d of %d changed: no error", i, len(good))
		}
	}
	if diff := cmp.Diff(good, encode(t, read)); diff != "" {
		t.Errorf("an error changed the value (-want +got):\n%s", diff)
	}
}

func TestAgreementBinaryForm(t *testing.T) {
	var a classify.Agreement
	for _, add := range randomAgreement(100, 1) {
		add(&a)
	}
	blank := func() binaryForm { return new(classify.Agreement) }
	testBinaryForm(t, &a, blank)
	testBinaryForm(t, new(classify.Agreement), blank)
}

func FuzzAgreementUnmarshalBinary(f *testing.F) {
	var a classify.Agreement
	f.Add(encode(f, &a))
	for _, add := range randomAgreement(50, 1) {
		add(&a)
	}
	f.Add(encode(f, &a))
	f.Fuzz(func(t *testing.T, data []byte) {
		fuzzBinaryForm(t, data, new(classify.Agreement), new(classify.Agreement))
	})
}
