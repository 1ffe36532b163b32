package flow

import (
	"math/rand/v2"
	"net/netip"
	"strconv"
	"strings"
	"testing"
)

// checkText holds the fast parsers to the plain ones and to the standard library,
// for a text with others around it.
func checkText(t *testing.T, before, text, after string) {
	t.Helper()
	line := []byte(before + text + after)
	start, end := len(before), len(before)+len(text)

	want, err := netip.ParseAddr(text)
	isQuad := err == nil && want.Is4()
	if got, ok := parseIPv4(line[start:end]); ok != isQuad || ok && got != want {
		t.Errorf("parseIPv4(%q): %v, %v", text, got, ok)
	}
	if got, ok := quadAt(line, start, end); ok && (!isQuad || got != want) || !ok && isQuad && len(before) >= 3 && len(after) >= 16 {
		t.Errorf("quadAt(%q): %v, %v", text, got, ok)
	}

	number, err := strconv.ParseUint(text, 10, 64)
	isNumber := err == nil && len(text) <= 20
	if got, err := parseUint([]byte(text), 1<<64-1); (err == nil) != isNumber || got != number && isNumber {
		t.Errorf("parseUint(%q): %v, %v", text, got, err)
	}
	if got, ok := uintAt(line, start, end); ok && (!isNumber || got != number) || !ok && isNumber && len(text) <= 16 && len(before) >= 16 {
		t.Errorf("uintAt(%q): %v, %v", text, got, ok)
	}
}

func TestParsers(t *testing.T) {
	around := []string{"", `"`, `"s`, `"sa":"`, `9.9`, `{"fv":"nvzFlow_v9","sa":"`, `","sp":5000,"da":"21.0.0.1"}`, strings.Repeat("1", 30), strings.Repeat(".", 30)}
	texts := []string{"", "1", "1.2.3", "1.2.3.4.5", "1..2.3", ".1.2.3", "1.2.3.", "1.2.3.256", "01.2.3.4", "1.2.3.04", "0.0.0.0", "255.255.255.255", "100.200.100.2000", "1.2.3.4 ", "1.2.3.٤", "1.2.3\x00.4", "1.2.3.\xb14", "1.2.3./4",
		"0", "00", "18446744073709551615", "18446744073709551616", "99999999", "100000000", "9999999999999999", "10000000000000000", "-1", "+1", "1e5", "1/", "1:", "\xb11", "12345678a", "a12345678"}
	rng := rand.New(rand.NewPCG(1, 2))
	for range 20_000 {
		quad := make([]string, 4)
		for i := range quad {
			quad[i] = strconv.Itoa(rng.IntN(280) >> rng.IntN(9))
		}
		text := []byte(strings.Join(quad, "."))
		if rng.IntN(2) == 0 {
			text[rng.IntN(len(text))] = "0123456789.\xff: "[rng.IntN(14)]
		}
		texts = append(texts, string(text), strconv.FormatUint(rng.Uint64()>>rng.IntN(64), 10))
	}
	for i, text := range texts {
		if i < 40 {
			for _, before := range around {
				for _, after := range around {
					checkText(t, before, text, after)
				}
			}
		} else {
			checkText(t, around[rng.IntN(len(around))], text, around[rng.IntN(len(around))])
		}
	}
}

func FuzzParsers(f *testing.F) {
	f.Add(`"sa":"`, "10.200.3.40", `","sp":5000,"da":"`)
	f.Add(`,"fsms":`, "1600156800000", `,"fems":160015680000`)
	f.Fuzz(checkText)
}

// TestMemory holds a memory to a map: what it finds is what was made of that text,
// also where hashes are alike, and it keeps its limits.
func TestMemory(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	var m memory[int]
	model := make(map[string]int)
	found := 0
	for i := range 200_000 {
		n := rng.IntN(1 + rng.IntN(100_000))
		text, how, hash := strconv.Itoa(n), escaping(n%3), uint64(n/2)*0x9e3779b97f4a7c15
		if v := m.find(hash, []byte(text), how); v == nil {
			m.add(hash, text, how, i)
			model[text] = i
		} else if found++; *v != model[text] {
			t.Fatalf("%s: %d, want %d", text, *v, model[text])
		}
		if m.find(hash, []byte(text), how+1) != nil || m.find(hash, []byte(text+"0"), how) != nil {
			t.Fatalf("%s: found another text", text)
		}
		if len(m.known) > maxTexts {
			t.Fatalf("%d texts are remembered", len(m.known))
		}
	}
	if found < 50_000 {
		t.Errorf("only %d texts were found", found)
	}
}
