package flow_test

import (
	"bytes"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base32"
	"strings"
	"sync"
	"testing"

	"github.com/endoflow/endoflow/flow"
)

func TestPseudonymizer(t *testing.T) {
	key := bytes.Repeat([]byte{7}, 32)
	p, err := flow.NewPseudonymizer(key)
	if err != nil {
		t.Fatal(err)
	}
	got := p.Device("MAC-7.corp.example")

	// The definition, written out once more.
	field, err := hkdf.Key(sha256.New, key, nil, "flow/device/v1", 32)
	if err != nil {
		t.Fatal(err)
	}
	mac := hmac.New(sha256.New, field)
	mac.Write([]byte("mac-7.corp.example"))
	want := "v1:" + p.KeyID() + ":" + strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(mac.Sum(nil)[:16]))
	if got != want {
		t.Errorf("pseudonym %s, want %s", got, want)
	}
	if golden := "v1:7lkt7xbz:ol36j5ju6c7rjrl46waeyfnrcu"; got != golden {
		t.Errorf("pseudonym %s is not %s: old and new pseudonyms would not join", got, golden)
	}
	if p.Device("mac-7.corp.example") != got {
		t.Error("letter case changes the pseudonym")
	}
	if p.Device("mac-8.corp.example") == got {
		t.Error("two devices have one pseudonym")
	}
	if p.Device("") != "" {
		t.Error("no device has a pseudonym")
	}

	rec := p.Record(flow.Record{Device: "a", Execution: "a", App: flow.App{Name: "x", Path: "/Users/jane/x"}})
	if rec.Device != p.Device("a") || rec.Execution == rec.Device || rec.Execution == "a" || rec.App.Path != "" || rec.App.Name != "x" {
		t.Errorf("record %+v", rec)
	}

	other, err := flow.NewPseudonymizer(bytes.Repeat([]byte{8}, 32))
	if err != nil {
		t.Fatal(err)
	}
	if other.Device("a") == p.Device("a") || other.KeyID() == p.KeyID() {
		t.Error("another key gives the same pseudonym or key id")
	}
	if _, err := flow.NewPseudonymizer(make([]byte, 15)); err == nil {
		t.Error("a short key is accepted")
	}
	if bytes.Equal(flow.RandomKey(), flow.RandomKey()) {
		t.Error("two random keys are the same")
	}
}

func TestPseudonymizerConcurrent(t *testing.T) {
	p, err := flow.NewPseudonymizer(flow.RandomKey())
	if err != nil {
		t.Fatal(err)
	}
	want := p.Record(flow.Record{Device: "a", Execution: "e"})
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 100 {
				if got := p.Record(flow.Record{Device: "a", Execution: "e"}); got != want {
					t.Errorf("%+v, want %+v", got, want)
				}
			}
		})
	}
	wg.Wait()
}
