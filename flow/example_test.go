package flow_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"log"
	"net/netip"
	"strings"
	"sync"
	"testing/fstest"
	"time"

	"github.com/endoflow/endoflow/flow"
)

const nvmLines = `{"fv":"nvzFlow_v9","pr":6,"sa":"10.0.0.5","sp":50000,"da":"21.0.0.1","dp":443,"fss":1600156800,"fes":1600156860,"udid":"AB12","pn":"Microsoft Word","obc":100,"ibc":2000}
{"fv":"nvzFlow_v9","pr":6,"sa":"10.0.0.5","sp":50001,"da":"21.0.0.999","dp":443,"udid":"AB12","pn":"Microsoft Word"}
fv="nvzFlow_v9" udid="AB12" vsn="MAC-7" osn="Mac OS X"
`

func ExampleReader_All() {
	r := flow.NewReader(strings.NewReader(nvmLines), "flows.json")
	for rec, err := range r.All() {
		if err != nil {
			fmt.Println("error:", err)
			continue
		}
		fmt.Println(rec.App.Name, rec.Proto, rec.Src, rec.Dst, rec.TxBytes, rec.RxBytes)
	}
	// Output:
	// Microsoft Word tcp 10.0.0.5:50000 21.0.0.1:443 100 2000
	// error: flows.json:2: field da: not an IP address
}

func ExampleReader_Counts() {
	r := flow.NewReader(strings.NewReader(nvmLines), "flows.json")
	for range r.All() {
	}
	c := r.Counts()
	fmt.Println(c.Lines, "lines:", c.Records, "record,", c.Errors, "error, skipped", c.Skipped)
	// Output: 3 lines: 1 record, 1 error, skipped map[NVM endpoint record:1]
}

func ExampleFiles_Read() {
	files := flow.Files{
		FS:       fstest.MapFS{"a.json": {Data: []byte(nvmLines)}, "b.json": {Data: []byte(nvmLines)}},
		Patterns: []string{"*.json"},
		Devices:  new(flow.Devices),
	}
	var mu sync.Mutex
	bytesByApp := make(map[string]uint64)
	counts, err := files.Read(context.Background(), func(recs iter.Seq2[flow.Record, error]) error {
		mine := make(map[string]uint64) // each worker gathers for itself
		for rec, err := range recs {
			if _, ok := errors.AsType[*flow.ParseError](err); ok {
				continue // counted
			} else if err != nil {
				return err
			}
			mine[rec.App.Name] += rec.RxBytes
		}
		mu.Lock()
		defer mu.Unlock()
		for app, n := range mine {
			bytesByApp[app] += n
		}
		return nil
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(bytesByApp, counts.Files, counts.Records, counts.Errors)
	// Output: map[Microsoft Word:4000] 2 2 2
}

func ExampleDetect() {
	fmt.Printf("%T\n", flow.Detect([]byte(`{"EventID":3,"Image":"C:\\Windows\\notepad.exe"}`)))
	fmt.Println(flow.Detect([]byte(`hello`)) == nil)
	// Output:
	// *flow.Sysmon
	// true
}

// A Format of one's own: "app src dst", separated by spaces.
type plain struct{}

func (plain) Decode(line []byte, rec *flow.Record) error {
	f := bytes.Fields(line)
	if len(f) != 3 {
		return flow.Skip("not three fields")
	}
	rec.App.Name = string(f[0])
	var err error
	if rec.Src, err = netip.ParseAddrPort(string(f[1])); err != nil {
		return flow.BadField("src", errors.New("not address:port"))
	}
	if rec.Dst, err = netip.ParseAddrPort(string(f[2])); err != nil {
		return flow.BadField("dst", errors.New("not address:port"))
	}
	rec.Proto = flow.TCP
	return nil
}

func ExampleFormat() {
	r := flow.NewReader(strings.NewReader("curl 10.0.0.5:5000 21.0.0.1:443\ncurl 10.0.0.5:5000 nowhere\n"), "plain.txt")
	r.Format = plain{}
	for rec, err := range r.All() {
		fmt.Println(rec.App.Name, rec.Dst, err)
	}
	// Output:
	// curl 21.0.0.1:443 <nil>
	//  invalid AddrPort plain.txt:2: field dst: not address:port
}

func ExampleDevices() {
	devices := new(flow.Devices)
	r := flow.NewReader(strings.NewReader(nvmLines), "flows.json")
	r.Format = &flow.NVM{Devices: devices}
	for range r.All() {
	}
	e, ok := devices.Lookup("AB12")
	fmt.Println(e.Host, e.OS, ok)
	for e := range devices.All() {
		fmt.Println(e.ID, e.OSName)
	}
	// Output:
	// mac-7 macos true
	// AB12 Mac OS X
}

func ExampleNamedFormat() {
	newFormat, ok := flow.NamedFormat("zeek")
	fmt.Printf("%T %v\n", newFormat(), ok)
	// Output: *flow.Zeek true
}

func ExamplePseudonymizer() {
	p, err := flow.NewPseudonymizer([]byte("a secret of thirty-two bytes ..."))
	if err != nil {
		log.Fatal(err)
	}
	rec := p.Record(flow.Record{Device: "MAC-7", App: flow.App{Name: "Word", Path: "/Users/jane/Word"}})
	fmt.Println(rec.Device == p.Device("mac-7"), len(rec.Device), rec.App)
	// Output: true 38 {Word  [0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0] }
}

func ExampleNewPseudonymizer() {
	_, err := flow.NewPseudonymizer([]byte("short"))
	fmt.Println(err)
	p, err := flow.NewPseudonymizer(flow.RandomKey())
	fmt.Println(len(p.KeyID()), err)
	// Output:
	// pseudonym key is shorter than 16 bytes
	// 8 <nil>
}

func ExampleOSFamily() {
	fmt.Println(flow.OSFamily("WinNT"), flow.OSFamily("Mac OS X"), flow.OSFamily("Ubuntu 24.04"), flow.OSFamily("AmigaOS"))
	// Output: windows macos linux unknown
}

func ExampleParseOS() {
	os, ok := flow.ParseOS("macos")
	fmt.Println(os, ok)
	// Output: macos true
}

func ExampleParseProto() {
	udp, _ := flow.ParseProto("udp")
	six, _ := flow.ParseProto("6")
	fmt.Println(udp, six)
	// Output: udp tcp
}

func ExampleCanonicalName() {
	fmt.Printf("%q %q\n", flow.CanonicalName("WWW.Example.com."), flow.CanonicalName("Unknown"))
	// Output: "www.example.com" ""
}

func ExampleNull() {
	var rec flow.Record
	new(flow.NVM).Decode([]byte(`{"pr":17,"sa":"10.0.0.5","da":"21.0.0.1","udid":"AB12","pn":"-"}`), &rec)
	fmt.Println(rec.Null, rec.Start.Equal(time.Time{}))
	// Output: app true
}

func ExampleNewReader() {
	r := flow.NewReader(strings.NewReader(nvmLines), "flows.json")
	r.Format = new(flow.NVM) // or leave it to be detected
	r.MaxLine = 1 << 16
	n := 0
	for _, err := range r.All() {
		if err == nil {
			n++
		}
	}
	fmt.Println(n)
	// Output: 1
}

func ExampleSkip() {
	err := flow.Skip("header")
	fmt.Println(err, errors.Is(err, flow.ErrSkip))
	// Output: header true
}

func ExampleBadField() {
	err := flow.BadField("dp", errors.New("not a port number"))
	fmt.Println(err, errors.Is(err, flow.ErrSkip))
	// Output: field dp: not a port number false
}

func ExampleRandomKey() {
	fmt.Println(len(flow.RandomKey()))
	// Output: 32
}

func ExampleApp_HashString() {
	app := flow.App{Name: "Word", SHA256: [32]byte{0xab, 31: 0x01}}
	fmt.Println(app.HashString())
	fmt.Printf("%q\n", flow.App{Name: "Word"}.HashString())
	// Output:
	// ab00000000000000000000000000000000000000000000000000000000000001
	// ""
}

func ExampleApp_HasSHA256() {
	fmt.Println(flow.App{Name: "Word"}.HasSHA256())
	// Output: false
}

func ExampleDevices_Add() {
	var devices flow.Devices
	devices.Add(flow.Device{ID: "AB12", Host: "mac-7"})
	devices.Add(flow.Device{ID: "AB12", OS: flow.MacOS})
	d, _ := devices.Lookup("AB12")
	fmt.Println(d.Host, d.OS)
	// Output: mac-7 macos
}

func ExampleDevices_Lookup() {
	var devices flow.Devices
	_, ok := devices.Lookup("AB12")
	fmt.Println(ok)
	// Output: false
}

func ExampleDevices_All() {
	var devices flow.Devices
	devices.Add(flow.Device{ID: "B", OS: flow.Linux})
	devices.Add(flow.Device{ID: "A", OS: flow.MacOS})
	for d := range devices.All() {
		fmt.Println(d.ID, d.OS)
	}
	// Output:
	// A macos
	// B linux
}

func ExamplePseudonymizer_Device() {
	p, err := flow.NewPseudonymizer([]byte("a secret of thirty-two bytes ..."))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(p.Device("MAC-7"))
	fmt.Printf("%q\n", p.Device(""))
	// Output:
	// v1:e2r4wtnm:wms5hsh7eh35kzqjal3vtb4fm4
	// ""
}

func ExamplePseudonymizer_KeyID() {
	a, err := flow.NewPseudonymizer([]byte("a secret of thirty-two bytes ..."))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(a.KeyID())
	// Output: e2r4wtnm
}

func ExamplePseudonymizer_Record() {
	p, err := flow.NewPseudonymizer(flow.RandomKey())
	if err != nil {
		log.Fatal(err)
	}
	rec := p.Record(flow.Record{Device: "MAC-7", Execution: "E1", App: flow.App{Name: "Word", Path: "/Users/jane/Word"}})
	fmt.Println(rec.Device == "MAC-7", rec.Execution == "E1", rec.App.Name, rec.App.Path == "")
	// Output: false false Word true
}

func ExampleMemo() {
	length := flow.Memo(func(device string) int {
		fmt.Println("asked about", device)
		return len(device)
	})
	fmt.Println(length("d1"), length("d1"), length("d20"))
	// Output:
	// asked about d1
	// asked about d20
	// 2 2 3
}
