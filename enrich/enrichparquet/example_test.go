package enrichparquet_test

import (
	"bytes"
	"fmt"
	"log"
	"net/netip"

	"github.com/parquet-go/parquet-go"

	"github.com/endoflow/endoflow/enrich/enrichparquet"
	"github.com/endoflow/endoflow/flow"
)

func row(app, remote string) enrichparquet.Row {
	rec := flow.Record{Device: "d1", App: flow.App{Name: app}, Proto: flow.TCP, Src: netip.MustParseAddrPort("10.0.0.5:50001"), Dst: netip.MustParseAddrPort(remote)}
	return enrichparquet.Row{Record: rec, Remote: rec.Dst, Direction: "Outbound", Basis: "scope"}
}

// Flows in one file, names in another.
func ExampleWriter_Write() {
	var flows, names bytes.Buffer
	w := enrichparquet.Writer{
		Flows:    &flows,
		Names:    &names,
		Resolver: newTable(map[string][]string{"21.0.0.1": {"www.word.example", "cdn.example"}}), // or a pdns.Index
		Evidence: "query",
	}
	for _, r := range []enrichparquet.Row{row("Word", "21.0.0.1:443"), row("Mail", "21.0.0.1:443"), row("Mail", "21.0.0.2:993")} {
		if err := w.Write(r); err != nil {
			log.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		log.Fatal(err)
	}
	print(flows.Bytes(), "app", "remote", "dst_port")
	print(names.Bytes(), "address", "rank", "name", "evidence")
	// Output:
	// Word 21.0.0.1 443
	// Mail 21.0.0.1 443
	// Mail 21.0.0.2 993
	// 21.0.0.1 1 www.word.example query
	// 21.0.0.1 2 cdn.example query
}

// Flows with the list of their names, since there is no file for names.
func ExampleWriter_Close() {
	var flows bytes.Buffer
	w := enrichparquet.Writer{Flows: &flows, Resolver: newTable(map[string][]string{"21.0.0.1": {"www.word.example", "cdn.example"}})}
	if err := w.Write(row("Word", "21.0.0.1:443")); err != nil {
		log.Fatal(err)
	}
	if err := w.Close(); err != nil {
		log.Fatal(err)
	}
	print(flows.Bytes(), "app", "names")
	// Output:
	// Word [map[evidence:resolved name:www.word.example] map[evidence:resolved name:cdn.example]]
}

// print prints columns of a file.
func print(file []byte, columns ...string) {
	rows, err := parquet.Read[any](bytes.NewReader(file), int64(len(file)))
	if err != nil {
		log.Fatal(err)
	}
	for _, r := range rows {
		for i, c := range columns {
			if i > 0 {
				fmt.Print(" ")
			}
			fmt.Print(r.(map[string]any)[c])
		}
		fmt.Println()
	}
}
