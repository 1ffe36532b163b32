package classify_test

import (
	"fmt"
	"log"
	"net/netip"
	"strings"

	"github.com/endoflow/endoflow/classify"
	"github.com/endoflow/endoflow/flow"
)

// The four steps of phase 5 in one loop: label, count, choose, tell.
func Example() {
	const file = `
{"EventID":3,"Hostname":"pc1","UtcTime":"2020-09-01 08:00:00","Image":"C:\\Word.exe","Protocol":"tcp","Initiated":"true","SourceIp":"10.0.0.1","SourcePort":"5000","DestinationIp":"17.0.0.1","DestinationPort":"443"}
{"EventID":3,"Hostname":"pc2","UtcTime":"2020-09-01 08:00:01","Image":"C:\\Word.exe","Protocol":"tcp","Initiated":"true","SourceIp":"10.0.0.2","SourcePort":"5000","DestinationIp":"10.0.0.1","DestinationPort":"445"}
{"EventID":3,"Hostname":"pc2","UtcTime":"2020-09-01 08:00:02","Image":"C:\\Game.exe","Protocol":"tcp","Initiated":"true","SourceIp":"10.0.0.2","SourcePort":"5001","DestinationIp":"17.0.0.9","DestinationPort":"443"}
`
	var census classify.Census
	labeler := classify.Strict{}
	for rec, err := range flow.NewReader(strings.NewReader(file), "sysmon.jsonl").All() {
		if err != nil {
			log.Print(err)
			continue
		}
		census.Add(rec, labeler.Label(rec))
	}
	windows := classify.Only(flow.Windows)
	fmt.Println("applications:", census.Prevalent(windows, 0.5))
	for _, step := range census.Funnel(windows, 0.5) {
		fmt.Printf("%-10v removes %d, leaves %d\n", step.Filter, step.Removed, step.Left)
	}
	// Output:
	// applications: [Word.exe]
	// null       removes 0, leaves 3
	// os         removes 0, leaves 3
	// prevalence removes 1, leaves 2
	// direction  removes 1, leaves 1
}

func ExamplePaper_Label() {
	rec := flow.Record{
		Src:    netip.MustParseAddrPort("[2a00::d1]:5000"),
		Dst:    netip.MustParseAddrPort("[2a00::1]:443"),
		Native: flow.NativeOut,
	}
	fmt.Println("paper: ", classify.Paper{}.Label(rec).Direction) // IPv6 is never of RFC 1918
	fmt.Println("strict:", classify.Strict{}.Label(rec).Direction)
	// Output:
	// paper:  NAT
	// strict: Outbound
}

func ExampleStrict_Label() {
	strict := classify.Strict{
		Scopes: flow.Scopes{Site: []netip.Prefix{netip.MustParsePrefix("64.100.0.0/16")}},
		Listening: func(device string, proto flow.Proto, port uint16) bool {
			return device == "d1" && proto == flow.TCP && port == 22
		},
	}
	for _, ends := range []string{
		"10.0.0.5:5000 17.0.0.1:443",
		"10.0.0.5:22 17.0.0.2:5000",
		"10.0.0.5:5000 64.100.1.1:443",
		"10.0.0.5:5353 224.0.0.251:5353",
		"[fe80::1]:5000 [2a00::1]:443",
	} {
		src, dst, _ := strings.Cut(ends, " ")
		rec := flow.Record{Device: "d1", Proto: flow.TCP, Src: netip.MustParseAddrPort(src), Dst: netip.MustParseAddrPort(dst)}
		l := strict.Label(rec)
		fmt.Printf("%s > %s: %v by %v\n", src, dst, l.Direction, l.Basis)
	}
	// Output:
	// 10.0.0.5:5000 > 17.0.0.1:443: Outbound by scope
	// 10.0.0.5:22 > 17.0.0.2:5000: Inbound by listening port
	// 10.0.0.5:5000 > 64.100.1.1:443: Internal by scope
	// 10.0.0.5:5353 > 224.0.0.251:5353: Multicast by scope
	// [fe80::1]:5000 > [2a00::1]:443: Unknown by none
}

func ExampleLabel_Remote() {
	// NVM may write the device's own end first, whoever opened the flow.
	rec := flow.Record{
		Src:    netip.MustParseAddrPort("10.0.0.5:22"),
		Dst:    netip.MustParseAddrPort("17.0.0.2:5000"),
		Native: flow.NativeIn,
	}
	l := classify.Strict{}.Label(rec)
	fmt.Println(l.Direction, "from", l.Remote(rec))
	// Output: Inbound from 17.0.0.2:5000
}

func ExampleAgreement_Add() {
	var agreement classify.Agreement
	labeler := classify.Strict{}
	for _, rec := range []flow.Record{
		{Src: netip.MustParseAddrPort("10.0.0.5:5000"), Dst: netip.MustParseAddrPort("17.0.0.1:443"), Native: flow.NativeOut},
		{Src: netip.MustParseAddrPort("[2a00::d1]:5000"), Dst: netip.MustParseAddrPort("[2a00::1]:443"), Native: flow.NativeOut},
	} {
		bare := rec
		bare.Native = flow.NativeUnknown
		agreement.Add(rec.Native, labeler.Label(bare).Direction, labeler.Label(rec).Direction)
	}
	for _, row := range agreement.Rows() {
		fmt.Println(row.Native, row.Rule, row.Final, row.Flows, row.Agrees)
	}
	// Output:
	// out Outbound Outbound 1 true
	// out NAT Outbound 1 false
}

func ExampleAgreement_Rows() {
	var agreement classify.Agreement
	agreement.Add(flow.NativeLocal, classify.Outbound, classify.Internal)
	fmt.Println(agreement.Rows()[0].Explanation)
	// Output: both ends in networks that the sensor was told are local, and the rule was not: name them as site networks
}

func ExampleAgreement_Merge() {
	var monday, tuesday classify.Agreement
	monday.Add(flow.NativeOut, classify.Outbound, classify.Outbound)
	tuesday.Add(flow.NativeOut, classify.Outbound, classify.Outbound)
	monday.Merge(&tuesday)
	fmt.Println(monday.Rows()[0].Flows)
	// Output: 2
}

func ExampleAgreement_AppendBinary() {
	var here, there classify.Agreement
	here.Add(flow.NativeIn, classify.Inbound, classify.Inbound)
	data, err := here.AppendBinary(nil)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(there.UnmarshalBinary(data), there.Rows()[0].Native)
	// Output: <nil> in
}

func ExampleAgreement_UnmarshalBinary() {
	var agreement classify.Agreement
	fmt.Println(agreement.UnmarshalBinary([]byte("damaged beyond repair")))
	// Output: agreement: data of another kind
}

// office is a Census of three devices, of which one is not known to run any
// system.
func office() *classify.Census {
	var c classify.Census
	out := classify.Label{Direction: classify.Outbound}
	for _, rec := range []flow.Record{
		{Device: "d1", OS: flow.MacOS, App: flow.App{Name: "Word"}},
		{Device: "d1", OS: flow.MacOS, App: flow.App{Name: "ssh"}},
		{Device: "d2", OS: flow.MacOS, App: flow.App{Name: "Word"}},
		{Device: "d3", App: flow.App{Name: "Word"}},
		{Device: "d3", Null: flow.NullApp},
	} {
		c.Add(rec, out)
	}
	c.Add(flow.Record{Device: "d2", OS: flow.MacOS, App: flow.App{Name: "Word"}}, classify.Label{Direction: classify.Multicast})
	return &c
}

func ExampleCensus_Add() {
	var c classify.Census
	rec := flow.Record{Device: "d1", OS: flow.MacOS, App: flow.App{Name: "Word"}}
	c.Add(rec, classify.Strict{}.Label(rec))
	fmt.Println(c.Directions()[0])
	// Output: {macos Unknown 1}
}

func ExampleCensus_SetOS() {
	c := office()
	fmt.Println(c.OS("d3"), c.Population(classify.Only(flow.Windows)))
	c.SetOS("d3", flow.Windows) // its endpoint record came last
	fmt.Println(c.OS("d3"), c.Population(classify.Only(flow.Windows)))
	// Output:
	// unknown 0
	// windows 1
}

func ExampleCensus_OS() {
	c := office()
	fmt.Println(c.OS("d1"), c.OS("never seen"))
	// Output: macos unknown
}

func ExampleCensus_Ambiguous() {
	c := office()
	c.SetOS("d1", flow.Windows)
	fmt.Println(c.OS("d1"), c.Ambiguous())
	// Output: windows 1
}

func ExampleCensus_Population() {
	c := office()
	fmt.Println(c.Population(classify.AnyOS), c.Population(classify.Only(flow.MacOS)))
	// Output: 3 2
}

func ExampleCensus_Nulls() {
	for _, row := range office().Nulls() {
		fmt.Println(row.Null, row.Flows)
	}
	// Output: app 1
}

func ExampleCensus_Directions() {
	for _, row := range office().Directions() {
		fmt.Println(row.OS, row.Direction, row.Flows)
	}
	// Output:
	// unknown Outbound 1
	// macos Outbound 3
	// macos Multicast 1
}

func ExampleCensus_Apps() {
	for _, row := range office().Apps(classify.Only(flow.MacOS)) {
		fmt.Printf("%s: %d devices (%.0f %%), %d flows, %d Outbound\n", row.App, row.Devices, 100*row.Prevalence, row.Flows, row.Outbound)
	}
	// Output:
	// Word: 2 devices (100 %), 3 flows, 2 Outbound
	// ssh: 1 devices (50 %), 1 flows, 1 Outbound
}

func ExampleCensus_Prevalent() {
	c := office()
	fmt.Println(c.Prevalent(classify.Only(flow.MacOS), 0.05))
	fmt.Println(c.Prevalent(classify.Only(flow.MacOS), 0.5)) // more than half
	// Output:
	// [Word ssh]
	// [Word]
}

func ExampleCensus_Funnel() {
	for _, step := range office().Funnel(classify.Only(flow.MacOS), 0.5) {
		fmt.Println(step.Filter, step.Removed, step.Left)
	}
	// Output:
	// null 1 5
	// os 1 4
	// prevalence 1 3
	// direction 1 2
}

func ExampleCensus_Merge() {
	day, more := office(), office()
	day.Merge(more)
	fmt.Println(day.Population(classify.AnyOS), day.Directions()[0].Flows) // the same devices, more flows
	// Output: 3 2
}

func ExampleCensus_AppendBinary() {
	data, err := office().AppendBinary(nil)
	if err != nil {
		log.Fatal(err)
	}
	var c classify.Census
	if err := c.UnmarshalBinary(data); err != nil {
		log.Fatal(err)
	}
	fmt.Println(c.Population(classify.AnyOS))
	// Output: 3
}

func ExampleCensus_UnmarshalBinary() {
	data, err := office().AppendBinary(nil)
	if err != nil {
		log.Fatal(err)
	}
	data[20] ^= 1
	fmt.Println(new(classify.Census).UnmarshalBinary(data))
	// Output: census: wrong checksum: corrupt data
}

func ExampleOnly() {
	fmt.Println(classify.Only(flow.MacOS, flow.Linux), classify.AnyOS)
	// Output: macos+linux any
}

func ExampleOSSet_Has() {
	fmt.Println(classify.Only(flow.MacOS).Has(flow.Windows), classify.AnyOS.Has(flow.OSUnknown))
	// Output: false true
}

func ExampleSupport_Share() {
	fmt.Println(classify.Support{Devices: 3, Active: 4}.Share())
	// Output: 0.75
}

func ExampleSupport_Wilson() {
	for _, s := range []classify.Support{{Devices: 1, Active: 1}, {Devices: 10, Active: 10}, {Devices: 1000, Active: 1000}} {
		lo, hi := s.Wilson(1.96)
		fmt.Printf("%d of %d: %.3f to %.3f\n", s.Devices, s.Active, lo, hi)
	}
	// Output:
	// 1 of 1: 0.207 to 1.000
	// 10 of 10: 0.722 to 1.000
	// 1000 of 1000: 0.996 to 1.000
}

func ExampleSupport_Endogeneity() {
	licence := classify.Support{Devices: 97, Active: 100}
	document := classify.Support{Devices: 1, Active: 100}
	fmt.Println(licence.Endogeneity(classify.DefaultThreshold), document.Endogeneity(classify.DefaultThreshold))
	// Output: endogenous exogenous
}

func ExampleNamedLabeler() {
	labeler, ok := classify.NamedLabeler("paper")
	fmt.Printf("%T %v\n", labeler, ok)
	// Output: classify.Paper true
}

func ExampleParseOSSet() {
	any, ok := classify.ParseOSSet("any")
	fmt.Println(any.Has(flow.OSUnknown), ok)
	mac, ok := classify.ParseOSSet("macos")
	fmt.Println(mac, mac.Has(flow.Windows), ok)
	// Output:
	// true true
	// macos false true
}

func ExampleCensus_AddOf() {
	// One who reads many records of the same devices asks for each device once.
	var c classify.Census
	number := flow.Memo(c.DeviceID)
	for range 3 {
		rec := flow.Record{Device: "d1", OS: flow.MacOS, App: flow.App{Name: "Word"}}
		c.AddOf(number(rec.Device), rec, classify.Label{Direction: classify.Outbound})
	}
	fmt.Println(c.Apps(classify.Only(flow.MacOS)))
	// Output: [{Word 1 1 3 3}]
}

func ExampleCensus_DeviceID() {
	var c classify.Census
	fmt.Println(c.DeviceID("d1"), c.DeviceID("d2"), c.DeviceID("d1"), c.DeviceID(""))
	fmt.Println(c.Population(classify.AnyOS)) // nothing has been added yet
	// Output:
	// 1 2 1 0
	// 0
}

func ExampleFitPrior() {
	// Of an application on 40 devices: three endpoints are on nearly all of them, and
	// 200 are on one or two.
	supports := classify.Supports{Active: 40}
	supports.Add(40, 2)
	supports.Add(37, 1)
	supports.Add(2, 20)
	supports.Add(1, 180)
	prior := classify.FitPrior(&supports)
	for _, devices := range []int{37, 22, 2} {
		fmt.Printf("on %2d of 40: %.2f\n", devices, prior.Above(0.5, classify.Support{Devices: devices, Active: 40}))
	}
	// Output:
	// on 37 of 40: 1.00
	// on 22 of 40: 0.73
	// on  2 of 40: 0.00
}

func ExampleSupports_Add() {
	supports := classify.Supports{Active: 40, Least: 5, Below: 200} // 200 on fewer than 5 devices
	supports.Add(40, 2)
	fmt.Println(supports.Len())
	// Output:
	// 202
}

func ExampleSupports_Len() {
	supports := classify.Supports{Active: 3}
	supports.Add(3, 2)
	supports.Add(4, 1) // which cannot be
	fmt.Println(supports.Len())
	// Output:
	// 2
}

func ExamplePrior_Above() {
	flat := classify.Prior{Alpha: 1, Beta: 1}
	fmt.Printf("%.4f\n", flat.Above(0.5, classify.Support{Devices: 3, Active: 3}))
	// Output:
	// 0.9375
}

func ExampleScorer_Score() {
	scorer := classify.Scorer{Prior: classify.Prior{Alpha: 0.1, Beta: 0.5}}
	for _, s := range []classify.Support{{Devices: 2, Active: 2}, {Devices: 28, Active: 30}, {Devices: 15, Active: 30}, {Devices: 1, Active: 30}} {
		score, label := scorer.Score(s)
		fmt.Printf("%2d of %2d: %.2f %v\n", s.Devices, s.Active, score, label)
	}
	// Output:
	//  2 of  2: 0.89 uncertain
	// 28 of 30: 1.00 endogenous
	// 15 of 30: 0.47 uncertain
	//  1 of 30: 0.00 exogenous
}

// sensitivity is of two applications.
func sensitivity() *classify.Sensitivity {
	var s classify.Sensitivity
	s.Add("Mail", classify.Support{Devices: 9, Active: 10}, true)
	s.Add("Mail", classify.Support{Devices: 1, Active: 10}, false)
	s.Add("Chat", classify.Support{Devices: 6, Active: 10}, false)
	return &s
}

func ExampleSensitivity_Add() {
	half := sensitivity().Curve()[9]
	fmt.Printf("at %.2f: %d endpoints of %d applications\n", half.Threshold, half.Endpoints, half.Apps)
	// Output:
	// at 0.50: 2 endpoints of 2 applications
}

func ExampleSensitivity_Merge() {
	var all classify.Sensitivity
	all.Merge(sensitivity())
	all.Merge(sensitivity()) // of the same applications elsewhere
	fmt.Println(all.Curve()[0].Endpoints, all.Curve()[0].Apps)
	// Output:
	// 6 2
}

func ExampleSensitivity_Curve() {
	for _, p := range sensitivity().Curve() {
		if p.Threshold == 0.1 || p.Threshold == 0.5 || p.Threshold == 0.9 {
			fmt.Printf("%.2f: %d endogenous, HTTPS share %.2f\n", p.Threshold, p.Endpoints, p.HTTPSShare())
		}
	}
	// Output:
	// 0.10: 3 endogenous, HTTPS share 0.50
	// 0.50: 2 endogenous, HTTPS share 0.50
	// 0.90: 1 endogenous, HTTPS share 1.00
}

func ExampleSensitivityPoint_HTTPSShare() {
	fmt.Println(classify.SensitivityPoint{Apps: 4, HTTPS: 3}.HTTPSShare())
	// Output:
	// 0.75
}

func ExamplePlateau() {
	lo, hi := classify.Plateau(sensitivity().Curve(), 0.5)
	fmt.Printf("the answer is the same from %.2f to %.2f\n", lo, hi)
	// Output:
	// the answer is the same from 0.15 to 0.60
}

func ExampleSuggestThreshold() {
	supports := classify.Supports{Active: 40}
	supports.Add(40, 5)
	supports.Add(36, 5)
	supports.Add(4, 30)
	supports.Add(2, 100)
	if s, ok := classify.SuggestThreshold(&supports); ok {
		fmt.Printf("mixture %.2f, Otsu %.2f\n", s.Mixture, s.Otsu)
	}
	// Output:
	// mixture 0.53, Otsu 0.50
}
