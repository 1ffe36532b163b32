// Package pdns names addresses by passive DNS: which names led clients to an
// address, by what evidence, when and how often.
//
// # Terms
//
// A [Record] is one answer, in the words of the Passive DNS Common Output
// Format (COF): owner (RRName), type, data, times, count. Its Query is the name
// the client asked for, where the source keeps the whole message. The two
// differ wherever a CNAME stands between, which is the usual case: of the
// connections in real captures (the package's tests read them) whose address
// any answer named, the query name was the one that the client then sent in 97
// to 100 %, the address record's own owner in 19 to 33 %.
//
// Sources are of two kinds. Messages (Zeek's dns.log, Sysmon's event 22) say
// what was asked. Rows (COF, exports of a passive DNS database) do not; there
// the chain is rebuilt from the CNAME rows, so that these must be added too. A
// chain is walked 16 records back at most; what no other CNAME row points to is
// taken for the name asked for, and the owner itself where there is no such name
// (a loop, or a longer chain).
//
// # Use
//
// The program is a loop:
//
//	var b pdns.Builder
//	for rec, err := range pdns.NewReader(file, "dns.log").All() {
//		if err != nil {
//			log.Print(err)
//			continue
//		}
//		b.Add(rec)
//	}
//	idx, err := b.Build(ctx)
//	names, _ := idx.LookupAddr(ctx, addr)
//
// [Files] does the same for many files at a time, with a [Builder.Fork] for each
// worker. Where only some addresses matter, put them into a [Filter] first: rows of
// other addresses are then let go before anything of them is stored. Where only
// names matter, [Builder.NoTimes] keeps a third. [Index.Lookup] tells evidence, times
// and counts beside each name. [Index.Mode] changes to the literal pairs of address
// and owner, from the same memory. [Index.AppendNameIDs] gives numbers in place of
// names, for joins.
//
// What is gathered may be more than there is memory: [Builder.Memory] sets a
// limit, beyond which sorted runs go to temporary files and are merged at the
// end. [Builder.WriteFile] makes a file of the Index, which [Open] maps into
// memory in any process. The Index is the same whatever the limit, to the byte.
//
// Of 30 million rows of a made-up fleet, 5.4 million pairs were of contacted
// addresses: 732,104 addresses and 2.8 million names. They take 30 bytes a pair
// with everything, 18 without times and CNAME rows, in memory as in the file. With a
// limit of 256 MiB, 10 runs of 404 MB in all were written, or 5 of 199 MB, and reading
// and building took half more processor time, or a third (2 vCPU AMD EPYC, Go 1.26.8).
//
// Sequences follow one contract: Each pair is a record and a nil error, or a
// zero record and an error. After a *ParseError the sequence goes on; after any
// other error it ends.
//
// Paper: section 2.2 maps the rdata of A and AAAA records to their rrname and
// reports every name of an address. That is Mode([Owner]); the default,
// [Query], follows CNAMEs.
//
// # Limits
//
// A name has at most 255 bytes of printable ASCII (RFC 1035 2.3.4 has 255
// octets; an internationalized name is to be in its xn-- form); a line with
// another name in a place that matters is an error. A line has at most 4,096
// answers, which is more than a DNS message can hold; one with more is an
// error. An address has at most [Builder.MaxNames] names.
//
// # What it does not claim
//
// An answer is no contact: that a name led to an address says nothing of who
// then connected to it. Many names share an address, and each is reported; none
// is called the right one. Names asked for over encrypted DNS, or from a cache,
// are not in such records at all. Times are when the answers were seen, not
// when they were valid. Records are taken at their word: nothing is asked of
// the DNS.
package pdns
