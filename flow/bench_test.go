package flow_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"iter"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/endoflow/endoflow/flow"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// benchFlows returns NVM lines as an agent's collector writes them: devices,
// applications and peers repeat as they do in a fleet, times and ports do not.
// compact lines are typed JSON without spaces (about 560 bytes), collector lines
// those of a real version 11 (about 1 KB, all values text, Windows paths, end
// reports only).
func benchFlows(style string, n int) []byte {
	rng := rand.New(rand.NewPCG(1, 2))
	hex := func(i, digits int) string {
		h := rand.New(rand.NewPCG(uint64(i), 7))
		return fmt.Sprintf("%0*X", digits, h.Uint64())[:16] + fmt.Sprintf("%0*X", digits-16, h.Uint64())
	}
	var buf bytes.Buffer
	at := 1600156800000
	for range n {
		device, app := rng.IntN(2000), rng.IntN(20)*rng.IntN(20)
		at += rng.IntN(20)
		end := at + rng.IntN(60000)
		src := fmt.Sprintf("10.%d.%d.%d", device>>8, device&255, device%250)
		dst := fmt.Sprintf("21.%d.%d.%d", app%200, rng.IntN(30), rng.IntN(250))
		if rng.IntN(10) == 0 {
			dst = fmt.Sprintf("2600:1f18:%x::%x", app, rng.IntN(250))
		}
		host := fmt.Sprintf("h%d.app%d.example.com", rng.IntN(50), app)
		switch style {
		case "compact":
			fmt.Fprintf(&buf, `{"fv":"nvzFlow_v9","pr":6,"sa":"%s","sp":%d,"da":"%s","dp":443,"fss":%d,"fst":"Tue Sep 15 08:00:00 2020","fes":%d,"fet":"Tue Sep 15 08:01:00 2020","udid":"%s","liuid":"corp/user%d","pa":"corp/user%d","pn":"Application %d","ph":"%s","ppa":"root","ppn":"launchd","pph":"%s","ibc":%d,"obc":%d,"ds":"corp.example","dh":"%s","iid":7}`+"\n",
				src, 40000+rng.IntN(20000), dst, at/1000, end/1000, hex(device, 40), device, device, app, hex(app+5000, 64), hex(1, 64), rng.IntN(1<<20), rng.IntN(1<<14), host)
		case "collector":
			fmt.Fprintf(&buf, `{ "fv": "nvzFlow_v11", "pr": "6", "sa": "%s", "sp": "%d", "da": "%s", "dp": "443", "fd": "1", "fss": "%d", "fst": "Tue Jul 14 13:58:53 2026", "fes": "%d", "fet": "Tue Jul 14 13:59:53 2026", "hh": "%s", "hm": "GET", "ht": "/en-GB/livetile/preinstall", "udid": "%s", "liuid": "HOST-%d\\user%d", "liuida": "HOST-%d", "liuidp": "user%d", "liuat": "2", "pa": "HOST-%d\\user%d", "puat": "2", "pn": "app%d.exe", "ph": "%s", "pid": "3040", "ppath": "C:\\Program Files\\Application %d\\app%d.exe", "parg": "-k UnistackSvcGroup -s WpnUserService", "ppn": "services.exe", "ppid": "684", "pppath": "C:\\Windows\\System32\\services.exe", "ibc": "%d", "obc": "%d", "ds": "corp.example", "dh": "%s", "iid": "50", "mnl": "wpnuserservice.dll", "mhl": "%s", "fsms": "%d", "fems": "%d", "pil": "8192", "ppil": "16384", "fsg": "0", "puid": "%s", "eveuuid": "00000000000000000000000000000000" }`+"\n",
				src, 40000+rng.IntN(20000), dst, at/1000, end/1000, host, hex(device, 40), device, device, device, device, device, device, app, hex(app+5000, 64), app, app, rng.IntN(1<<20), rng.IntN(1<<14), host, hex(1, 64), at, end, hex(device<<9+app, 32))
		}
	}
	return buf.Bytes()
}

// BenchmarkFiles measures the whole way from a file to its records, with one
// worker. Bytes are those of the text.
func BenchmarkFiles(b *testing.B) {
	const records = 50_000
	for _, style := range []string{"compact", "collector"} {
		text := benchFlows(style, records)
		for _, codec := range []string{"plain", "zstd", "gzip"} {
			b.Run("codec="+codec+"/style="+style, func(b *testing.B) {
				dir := b.TempDir()
				var buf bytes.Buffer
				var w io.WriteCloser
				switch codec {
				case "gzip":
					w = gzip.NewWriter(&buf)
				case "zstd":
					w, _ = zstd.NewWriter(&buf)
				}
				if w == nil {
					buf.Write(text)
				} else {
					w.Write(text)
					w.Close()
				}
				const files = 4 // of the same text
				for i := range files {
					if err := os.WriteFile(filepath.Join(dir, fmt.Sprint(i)), buf.Bytes(), 0o600); err != nil {
						b.Fatal(err)
					}
				}
				b.SetBytes(int64(files * len(text)))
				b.ReportAllocs()
				n := 0
				for b.Loop() {
					files := flow.Files{Patterns: []string{filepath.Join(dir, "*")}, Workers: 1}
					_, err := files.Read(context.Background(), func(recs iter.Seq2[flow.Record, error]) error {
						for _, err := range recs {
							if err != nil {
								return err
							}
							n++
						}
						return nil
					})
					if err != nil {
						b.Fatal(err)
					}
				}
				if n%records != 0 {
					b.Fatalf("%d records", n)
				}
				b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "records/s")
				b.ReportMetric(0, "ns/op")
			})
		}
	}
}
