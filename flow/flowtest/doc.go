// Package flowtest helps to test programs that work on flow records: records
// in one line each, a made-up fleet of devices of which the truth is known, and
// suites that hold an implementation to the contracts of package flow.
//
// # Records in one line
//
// [Records] reads a table of records, which is easier to check by eye than
// struct literals; [Parse] has the grammar, and [Format] is its inverse.
//
//	recs := flowtest.Records(t, `
//		# device, application, source, destination, protocol, bytes sent/received
//		d1 Word            10.0.0.5:5000 > 17.0.0.1:443 tcp 100/2000 name=updates.word.example
//		d2 "Google Chrome" 10.0.0.6:5001 > 17.0.0.1:443 udp 100/2000 os=macos native=out
//		d3 -               10.0.0.7:5353 > 224.0.0.251:5353 udp
//	`)
//
// # A fleet
//
// [Fleet] writes what a company's sensors would: NVM records in the layouts
// that collectors use, in several files ([Fleet.WriteFlows], [Fleet.WriteDir]),
// and passive DNS rows ([Fleet.WriteDNS]). [Fleet.Truth] tells what there is to
// find in them: which application reaches which name from how many devices, and
// whether the program, its user or the company caused it. A test that reads the
// files and arrives at the same figures has lost nothing; one that also arrives
// at the same causes has a good classifier. [Fleet.Connections] gives the same
// as records, without text in between.
//
//	fleet := flowtest.Fleet{Seed: 1, Devices: 1000}
//	if err := fleet.WriteDir(ctx, dir, 8); err != nil {
//		return err
//	}
//	truth := fleet.Truth(func(rec flow.Record) bool { return rec.OS == flow.MacOS })
//
// # Suites
//
// [TestFormat] checks a [flow.Format], [TestResolver] a source of names for
// addresses. Each rule has a subtest, and a failure says what the rule is.
//
// # What it does not claim
//
// The fleet is plausible, not measured: a method that works on it has passed a
// necessary test only, and its figures say nothing about real applications.
// Names and addresses are made up; addresses are of global scope, and some are
// in real use by others: never connect to them. Names of processes are those of
// well-known products, whose endpoints here are invented. No connection is
// reported late or with a wrong clock, and no line is damaged: tests that need
// such lines add them.
package flowtest
