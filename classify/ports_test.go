package classify_test

import (
	"compress/gzip"
	"encoding/csv"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/endoflow/endoflow/classify"
	"github.com/endoflow/endoflow/flow"
)

// TestRealServiceNames: the names are those that IANA registered for the ports.
func TestRealServiceNames(t *testing.T) {
	path := filepath.Join("..", "..", "shared", "data")
	if _, err := os.Stat(path); err != nil {
		t.Skip("no folder of real records beside the project: ", err)
	}
	f, err := os.Open(filepath.Join(path, "reputation", "service-names-port-numbers.csv.gz"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	r := csv.NewReader(z)
	r.FieldsPerRecord = -1
	rows, err := r.ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	registered := make(map[string]map[string]bool) // by "port/proto"
	for _, row := range rows {
		key := row[1] + "/" + row[2]
		if registered[key] == nil {
			registered[key] = make(map[string]bool)
		}
		registered[key][row[0]] = true
	}
	known := 0
	for port := range 1 << 16 {
		for _, proto := range []flow.Proto{flow.TCP, flow.UDP} {
			s := classify.ServiceOf(proto, uint16(port))
			if s.Security == classify.SecurityUnknown {
				if s != (classify.Service{}) {
					t.Errorf("%d/%v: %+v has no class", port, proto, s)
				}
				continue
			}
			known++
			if !registered[strconv.Itoa(port)+"/"+proto.String()][s.Name] {
				t.Errorf("%d/%v: IANA has not registered %q", port, proto, s.Name)
			}
			if s.Source == "" {
				t.Errorf("%d/%v: no source", port, proto)
			}
		}
	}
	if known < 30 {
		t.Errorf("%d ports", known)
	}
}

func ExampleServiceOf() {
	fmt.Println(classify.ServiceOf(flow.TCP, 443))
	fmt.Println(classify.ServiceOf(flow.TCP, 80).Security)
	fmt.Println(classify.ServiceOf(flow.TCP, 40404).Security)
	// Output:
	// {https encrypted RFC 9110}
	// cleartext
	// unknown
}
