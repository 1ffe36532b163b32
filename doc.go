// Package endoflow tells which of a desktop application's network connections
// are the application's own (endogenous, common to most executions) and which
// come from its user's input (exogenous), and how secure the former are.
//
// It is a library: this package is its front page and holds no code. The method
// is that of McNiece, Li and Reaves, "Characterizing the Security of Endogenous
// and Exogenous Desktop Application Network Flows"; the phases of that paper are
// the packages.
//
//	phase                                      package
//	1  flow records that name their process    flow: records, formats, files in parallel
//	2  anonymization                           flow: Pseudonymizer
//	3  passive DNS                             pdns: records, Filter, Builder, Index;
//	                                           pdns/pdnsparquet
//	   labels (direction)                      classify: Strict, Paper, Agreement
//	4  fusion with domain names                enrich: Enricher, Contacts;
//	                                           enrich/enrichparquet: flows with names, as files
//	5  filters, endogeneity, security          classify: Census, Support, ServiceOf
//
// Package flow/flowtest helps to test what is built on them: a one-line notation
// for records, a made-up fleet of which the truth is known, and conformance
// suites for formats and resolvers of one's own.
//
// # The loop
//
// The program is a for loop in the caller's hands. Reading is an iterator;
// everything else is a plain value that is added to:
//
//	var census classify.Census   // applications, devices, directions
//	var contacts enrich.Contacts // who contacted what
//	for rec, err := range flow.NewReader(file, name).All() {
//		if err != nil {
//			log.Print(err) // names file, line and field; the loop goes on
//			continue
//		}
//		label := labeler.Label(rec)
//		census.Add(rec, label)
//		if label.Direction == classify.Outbound {
//			contacts.Add(rec, label.Remote(rec))
//		}
//	}
//	for e, err := range contacts.Endpoints(ctx, enrich.Join{Resolver: index}) {
//		…
//		support := classify.Support{Devices: e.Devices, Active: e.Active}
//		fmt.Println(e.App, e.Name(), e.Port, support.Endogeneity(classify.DefaultThreshold))
//	}
//
// The example of this package is that loop, whole. examples/study is the same
// for many files, with several workers and all filters of the paper.
//
// # The same everywhere
//
// Sequences are iter.Seq2[T, error]: each pair is a value and a nil error, or a
// zero value and an error. After a *ParseError the sequence goes on; after any
// other error it ends.
//
// Every line of input is a record, a skipped line with a reason, or an error
// with file and line, and the three add up to the lines.
//
// Accumulators (Census, Agreement, Contacts, Builder) are ready as zero values,
// are for one goroutine, and merge in any order to the same result, so that a
// study can be divided among goroutines or machines. Finished things (Index,
// Filter) are immutable and safe for concurrent use.
//
// # What is not claimed
//
// The paper's threshold of endogeneity is not known to us, nor are its metric
// and evaluation; the default threshold is ours. Endogenous does not mean
// benign. A port is not encryption. A name that led to an address is not proof
// that a flow was meant for it.
package endoflow
