// Package flow reads flow records that name their process.
//
// A [Record] is one connection of one application on one device. Sensors write
// records as lines of text; a [Format] decodes one line:
//
//	NVM      Cisco's Network Visibility Module: JSON or key=value lines
//	Sysmon   Sysmon event 3, WFP events 5156 and 5157: JSON lines
//	Zeek     conn.log: tab-separated or JSON; no process
//
// A [Reader] reads one stream, and [Files] many files in parallel. Both
// decompress gzip and zstd by content, find the format by the first line they
// know ([Detect]), fold the several reports of one connection into one record,
// and go on after a line that cannot be read:
//
//	r := flow.NewReader(os.Stdin, "stdin")
//	for rec, err := range r.All() {
//		if err != nil {
//			log.Print(err) // file:line: field: cause
//			continue
//		}
//		fmt.Println(rec.App.Name, rec.Dst)
//	}
//	fmt.Println(r.Counts().Lines)
//
// # Nothing is lost silently
//
// Every line is a record, a skipped line with a reason, or a [ParseError];
// [Counts] adds up. A record that lacks a field its sensor should have filled
// says so in Null, and is yielded all the same: what to make of it is the
// program's decision. The paper removes such records (section 2.2).
//
// # Device, host, application
//
// Device is the sensor's own stable identifier, never the host name where there
// is another: NVM's udid. Host name and operating system come in separate
// endpoint records, which [Devices] joins to it. An application is the base
// name of the process image, as recorded; interpreters and helpers are
// therefore applications of their own.
//
// # Addresses
//
// [ScopeOf] tells private, multicast, documentation and other special-purpose
// addresses from global ones; [IsRFC1918] is the paper's literal rule. A
// [Pseudonymizer] replaces devices by keyed hashes before anything is written.
//
// # Speed
//
// From a file in the page cache to records in a loop, MB of JSON for each second
// of CPU time, one worker, and records/s (2 vCPU AMD EPYC, Go 1.26.8; the best of
// three runs over 65,000 to 1.25 M records, with all that has to be learned of
// them):
//
//	                                        plain        zstd         gzip
//	compact, 544 bytes, 2,000 devices       945 (1.7 M)  650 (1.2 M)  340 (0.62 M)
//	compact, 544 bytes, 8,000 devices       860 (1.6 M)  645 (1.2 M)  330 (0.61 M)
//	collector, 1,018 bytes, 2,000 devices   790 (0.78 M)              330 (0.32 M)
//
// Nothing is allocated for a record of which device, application, execution
// and names were seen before. A worker remembers up to 65,536 texts of each kind,
// and up to 32,768 devices and applications with what stands behind them on their
// lines: a few MB for thousands of devices, and at most about 130.
//
// Several workers share in one file, as in many. On a machine with other work two read
// one zstd file of 342 MB of JSON in 0.6 of the time of one, and one gzip file,
// of which only the decoding can be shared, in 0.7.
//
// # What it does not claim
//
// Src is not who opened the connection. A port is not a protocol, and no port is
// encryption. A host name that the sensor saw (DstName) is what the endpoint
// resolved or sent, not proof of who answered.
package flow
