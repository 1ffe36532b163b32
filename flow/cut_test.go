package flow_test

import (
	"bytes"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/endoflow/endoflow/flow"
	"github.com/endoflow/endoflow/flow/flowtest"
	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"
)

// cutFS gives its files a few bytes at a time, so that they are cut into many
// blocks, and says that they are large, so that many workers read them.
type cutFS struct {
	fstest.MapFS
	size int
}

type cutFile struct {
	fs.File
	size int
}

type largeFile struct{ fs.FileInfo }

func (largeFile) Size() int64 { return 1 << 30 }

func (c cutFS) Stat(name string) (fs.FileInfo, error) {
	info, err := c.MapFS.Stat(name)
	return largeFile{info}, err
}

func (c cutFS) Open(name string) (fs.File, error) {
	f, err := c.MapFS.Open(name)
	return cutFile{f, c.size}, err
}

func (f cutFile) Read(p []byte) (int, error) { return f.File.Read(p[:min(len(p), f.size)]) }

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
					files := flow.Files{FS: cutFS{fstest.MapFS{"f": {Data: data}}, size}, Patterns: []string{"f"}, Workers: workers, Devices: &devices}
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
