package endoflow_test

import (
	"context"
	"fmt"
	"log"
	"strings"

	"github.com/endoflow/endoflow/classify"
	"github.com/endoflow/endoflow/enrich"
	"github.com/endoflow/endoflow/flow"
	"github.com/endoflow/endoflow/pdns"
)

const flows = `{"pr":6,"sa":"10.0.0.5","sp":50001,"da":"21.0.0.1","dp":443,"udid":"A1","osn":"Mac OS X","pn":"Word","obc":100,"ibc":900}
{"pr":6,"sa":"10.0.0.6","sp":50001,"da":"21.0.0.2","dp":443,"udid":"A2","osn":"Mac OS X","pn":"Word","obc":100,"ibc":900}
{"pr":6,"sa":"10.0.0.6","sp":50002,"da":"21.0.0.9","dp":80,"udid":"A2","osn":"Mac OS X","pn":"Word","obc":10,"ibc":90}
{"pr":6,"sa":"10.0.0.7","sp":50001,"da":"21.0.0.1","dp":443,"udid":"A3","osn":"Mac OS X","pn":"Word","obc":100,"ibc":900}
{"pr":6,"sa":"10.0.0.7","sp":50002,"da":"21.0.0.777","dp":80,"udid":"A3","pn":"Word"}
`

const answers = `{"rrname":"updates.word.example","rrtype":"CNAME","rdata":"edge.cdn.example","time_first":1600128000,"time_last":1600214399}
{"rrname":"edge.cdn.example","rrtype":"A","rdata":["21.0.0.1","21.0.0.2"],"time_first":1600128000,"time_last":1600214399}
{"rrname":"blog.example","rrtype":"A","rdata":"21.0.0.9","time_first":1600128000,"time_last":1600214399}
`

// The whole method: which endpoints of an application are its own?
func Example() {
	// Step 1: read flow records, label them, count them.
	var census classify.Census
	var contacts enrich.Contacts
	labeler := classify.Strict{}
	reader := flow.NewReader(strings.NewReader(flows), "flows.json")
	for rec, err := range reader.All() {
		if err != nil {
			fmt.Println("error:", err)
			continue
		}
		label := labeler.Label(rec)
		census.Add(rec, label)
		if label.Direction == classify.Outbound {
			contacts.Add(rec, label.Remote(rec))
		}
	}

	// Step 2: names for the contacted addresses.
	var builder pdns.Builder
	for rec, err := range pdns.NewReader(strings.NewReader(answers), "dns.json").All() {
		if err != nil {
			fmt.Println("error:", err)
			continue
		}
		builder.Add(rec)
	}
	index, err := builder.Build(context.Background())
	if err != nil {
		fmt.Println("error:", err)
		return
	}

	// Step 3: the studied applications, those on more than 5 % of the Macs.
	studied := make(map[string]bool)
	for _, app := range census.Prevalent(classify.Only(flow.MacOS), 0.05) {
		studied[app] = true
	}

	// Step 4: join and score.
	join := enrich.Join{
		Resolver: index,
		Keep:     func(os flow.OS, app string) bool { return os == flow.MacOS && studied[app] },
	}
	for e, err := range contacts.Endpoints(context.Background(), join) {
		if err != nil {
			log.Fatal(err)
		}
		support := classify.Support{Devices: e.Devices, Active: e.Active}
		fmt.Printf("%s to %s %d/%v (%v): %d of %d devices, %v\n", e.App, e.Name(), e.Port, e.Proto,
			classify.ServiceOf(e.Proto, e.Port).Security, e.Devices, e.Active, support.Endogeneity(classify.DefaultThreshold))
	}
	// Output:
	// error: flows.json:5: field da: not an IP address
	// Word to blog.example 80/tcp (cleartext): 1 of 3 devices, exogenous
	// Word to updates.word.example 443/tcp (encrypted): 3 of 3 devices, endogenous
}
