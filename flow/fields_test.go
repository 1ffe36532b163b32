package flow

import (
	"math/rand/v2"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/endoflow/endoflow/internal/flatjson"
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

	isIPv6 := err == nil && want.Is6() && want.Zone() == "" && !strings.Contains(text, ".")
	if got, ok := parseIPv6(line[start:end]); ok != isIPv6 || ok && got != want.Unmap() {
		t.Errorf("parseIPv6(%q): %v, %v", text, got, ok)
	}

	number, err := strconv.ParseUint(text, 10, 64)
	isNumber := err == nil && len(text) <= 20
	if got, err := parseUint([]byte(text), 1<<64-1); (err == nil) != isNumber || got != number && isNumber {
		t.Errorf("parseUint(%q): %v, %v", text, got, err)
	}
	nvm := NVM{line: line}
	nvm.spans[0] = flatjson.Span{Start: uint32(start), End: uint32(end), Kind: flatjson.Bare}
	if got, null, ok := nvm.uint(0, 1<<64-1); ok != isNumber || null != isNull(text) || isNumber && got != number {
		t.Errorf("uint(%q): %v, %v, %v", text, got, null, ok)
	}
}

func TestParsers(t *testing.T) {
	around := []string{"", `"`, `"s`, `"sa":"`, `9.9`, `{"fv":"nvzFlow_v9","sa":"`, `","sp":5000,"da":"21.0.0.1"}`, strings.Repeat("1", 30), strings.Repeat(".", 30)}
	texts := []string{"", "1", "1.2.3", "1.2.3.4.5", "1..2.3", ".1.2.3", "1.2.3.", "1.2.3.256", "01.2.3.4", "1.2.3.04", "0.0.0.0", "255.255.255.255", "100.200.100.2000", "1.2.3.4 ", "1.2.3.٤", "1.2.3\x00.4", "1.2.3.\xb14", "1.2.3./4",
		"::", ":::", ":", "1::", "::1", "1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7::", "::2:3:4:5:6:7:8", "1:2:3:4::5:6:7:8", "1:2:3:4:5:6:7:8:9", "1::2::3", "::ffff:1.2.3.4", "::ffff:102:304", "fe80::1%en0", "12345::", "A:b::", ":1::", "1::2:", "1:::2",
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
		words := make([]string, 1+rng.IntN(8))
		for i := range words {
			words[i] = strconv.FormatUint(rng.Uint64N(70000)>>rng.IntN(18), 16)
		}
		six := []byte(strings.Join(words, ":"))
		if rng.IntN(3) > 0 {
			at := rng.IntN(len(six) + 1)
			six = slices.Concat(six[:at], []byte("::")[rng.IntN(2):], six[at:])
		}
		if rng.IntN(8) == 0 {
			six[rng.IntN(len(six))] = ":AFg.%\xff"[rng.IntN(7)]
		}
		texts = append(texts, string(text), string(six), strconv.FormatUint(rng.Uint64()>>rng.IntN(64), 10))
	}
	for i, text := range texts {
		if i < 60 {
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
		if place := m.find(hash, []byte(text), how); place < 0 {
			m.add(hash, text, how, i)
			model[text] = i
		} else if found++; m.known[place].made != model[text] {
			t.Fatalf("%s: %d, want %d", text, m.known[place].made, model[text])
		}
		if m.find(hash, []byte(text), how+1) >= 0 || m.find(hash, []byte(text+"0"), how) >= 0 {
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
