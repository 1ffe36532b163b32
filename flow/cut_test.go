package flow_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/endoflow/endoflow/flow"
	"github.com/endoflow/endoflow/flow/flowtest"
	"github.com/endoflow/endoflow/internal/linestest"
	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"
)

// TestCutAnywhere: wherever a file is cut into blocks that several workers read,
// its records are the same, with the same OS, the same folding, the same errors
// at the same lines, and the same counts.
func TestCutAnywhere(t *testing.T) {
	fleet := func(style flowtest.Style) string {
		var text bytes.Buffer
		if err := (flowtest.Fleet{Seed: 4, Devices: 3, Apps: 10, Activity: 1, Style: style, SensorNames: true}).WriteFlows(&text, 0, 1); err != nil {
			t.Fatal(err)
		}
		lines := strings.SplitAfter(text.String(), "\n")
		for i := range lines {
			switch i % 50 {
			case 20:
				lines[i] = "not a line of anything\n"
			case 30:
				lines[i] = strings.Replace(lines[i], `"sa"`, `"sa":{},"sa"`, 1)
			case 40:
				lines[i] += lines[i] + "\n"
			}
		}
		return strings.Join(lines[:min(len(lines), 400)], "")
	}
	zeekTSV := "#separator \\x09\n#path\tconn\n" + zeekHeader + "\n" +
		strings.Repeat("1714417137.321305\t10.0.0.11\t60570\t21.0.0.1\t443\ttcp\t3.012643\t700\t12\tT\tF\tx\n", 20) +
		"#close\t2020-01-01\n#path\tdns\nx\ty\n#path\tconn\n#fields\tts\tid.orig_h\tid.resp_h\tproto\n" +
		strings.Repeat("1714417138.5\t10.0.0.12\t21.0.0.2\tudp\nbad\tline\n", 20)
	for name, text := range map[string]string{
		"NVM, compact":   fleet(flowtest.Compact),
		"NVM, collector": fleet(flowtest.Collector),
		"NVM, syslog":    "# a comment\nsomething else\n" + fleet(flowtest.Syslog),
		"NVM, mixed":     "\xef\xbb\xbf" + strings.ReplaceAll(fleet(flowtest.Mixed), "\n", "\r\n"),
		"Sysmon": strings.Repeat(`{"EventID":3,"Hostname":"A","UtcTime":"2020-10-22 05:54:24.255","SourceIp":"1.2.3.4","DestinationIp":"::1","Protocol":"tcp","Initiated":"true","Image":"C:\\a\\b.exe"}
{"EventID":22,"QueryName":"x"}
{"EventID":3,"SourceIp":"x","DestinationIp":"1.2.3.4"}
`, 20),
		"Zeek, TSV": zeekTSV,
		"Zeek, JSON, and TSV behind it": strings.Repeat(`{"ts":1714417137.321305,"uid":"C","id.orig_h":"10.0.0.11","id.orig_p":60570,"id.resp_h":"21.0.0.1","id.resp_p":443,"proto":"tcp","orig_bytes":700}
`, 20) + zeekTSV,
	} {
		zw, err := zstd.NewWriter(nil)
		if err != nil {
			t.Fatal(err)
		}
		frames := zw.EncodeAll([]byte(text[len(text)/2:]), zw.EncodeAll([]byte(text[:len(text)/2]), nil))
		for codec, data := range map[string][]byte{"plain": []byte(text), "zstd": frames, "zstd, cut short": frames[:len(frames)-9]} {
			t.Run(name+"/"+codec, func(t *testing.T) {
				read := func(size, workers int) ([]string, flow.Counts) {
					var devices flow.Devices
					files := flow.Files{FS: linestest.CutFS{MapFS: fstest.MapFS{"f": {Data: data}}, Size: size}, Patterns: []string{"f"}, Workers: workers, Devices: &devices}
					recs, errs, counts := readAll(t, files)
					var all []string
					for _, rec := range recs {
						all = append(all, fmt.Sprintf("%+v", rec))
					}
					for _, err := range errs {
						all = append(all, err.Error())
					}
					for d := range devices.All() {
						all = append(all, fmt.Sprintf("%+v", d))
					}
					slices.Sort(all)
					return all, counts
				}
				want, wantCounts := read(1<<30, 1)
				if len(want) < 15 {
					t.Fatalf("%d records, errors and devices: too few to test anything", len(want))
				}
				for _, size := range []int{1, 17, 500, 3000} {
					for _, workers := range []int{1, 2, 5} {
						got, counts := read(size, workers)
						if diff := cmp.Diff(want, got); diff != "" {
							t.Fatalf("%d bytes at a time, %d workers (-at once +got):\n%s", size, workers, diff)
						}
						if diff := cmp.Diff(wantCounts, counts); diff != "" {
							t.Fatalf("%d bytes at a time, %d workers: counts (-at once +got):\n%s", size, workers, diff)
						}
					}
				}
			})
		}
	}
}
