// Package enrichparquet writes flows with the names of their remote end as Parquet
// files, for DuckDB, Arrow, Spark and whatever else reads them.
//
//	w := enrichparquet.Writer{Flows: file, Names: other, Resolver: index}
//	for rec, err := range reader.All() {
//		…
//		label := labeler.Label(rec)
//		err := w.Write(enrichparquet.Row{Record: rec, Remote: label.Remote(rec), …})
//	}
//	err := w.Close()
//
// # Two forms
//
// By default the facts stand in two files: the flows, and the names of each
// remote address, once. With [Writer.Names] nil each flow has the list of its names
// instead: one file to send around, of three times the size where addresses are
// shared by many names. The same lists from two files, in DuckDB's SQL:
//
//	SELECT f.*, n.names FROM 'flows.parquet' f LEFT JOIN
//		(SELECT address, list(name ORDER BY rank) AS names FROM 'flows.names.parquet' GROUP BY address) n
//		ON f.remote = n.address
//
// to which sensor_name, where there is one, is to be added in front.
//
// # Schema
//
// The file of flows, a row each, in the order of [Writer.Write]:
//
//	start, end          optional int64   TIMESTAMP(MICROS, UTC)   null: not recorded
//	device              optional binary  STRING                   null: no device
//	os                  required binary  STRING                   flow.OS: macos, windows, linux, unknown
//	app, parent         optional binary  STRING                   base names of the images
//	proto               required binary  STRING                   tcp, udp, ..., or a number
//	src, dst            optional binary  STRING                   address, as text
//	src_port, dst_port  optional int32   UINT_16
//	direction, basis    required binary  STRING                   of the label, as given
//	remote              optional binary  STRING                   address of the remote end
//	sensor_name         optional binary  STRING                   its name that the sensor saw
//	tx_bytes, rx_bytes  required int64   UINT_64
//	null                optional binary  STRING                   flow.Null: fields that the record lacks
//
// and, where there is no file of names, the most likely name first, sensor_name
// before all, each name once:
//
//	names               required group   LIST
//	  list              repeated group
//	    element         required group
//	      name          required binary  STRING
//	      evidence      required binary  STRING                   sensor, or Writer.Evidence
//
// which DuckDB shows as STRUCT("name" VARCHAR, evidence VARCHAR)[] and Arrow as
// list<struct<name: string, evidence: string>>. The file of names has those of the
// Resolver. Addresses are in the order in which they come, each once, and rank is 1
// for the most likely name of an address:
//
//	address             required binary  STRING
//	name                required binary  STRING
//	evidence            required binary  STRING
//	rank                required int32
//
// Bytes of texts that are not UTF-8 become U+FFFD, as in JSON.
//
// # How it is written
//
// Format version 2, data pages of version 1, Zstandard, checksums of pages; of
// statistics, only numbers of nulls. Texts stand in a dictionary of the row group
// and are numbers everywhere else; a flow costs no text but those that are new. The
// list of an address is found once in a row group, and copied. Names are known by
// the Resolver's numbers, so that no text is hashed for an entry of a list; their
// dictionary goes on into the next row group while it is small. A row without
// names takes 0.65 µs, a good third of what the Parquet library's writer of structs
// takes, one with 40 names 0.8 µs, a fourteenth (BenchmarkWrite, BenchmarkStructs;
// 2 vCPU of an AMD EPYC, Go 1.26.8).
//
// # Limits
//
// A row group takes some 256 MiB, compressed, and ends at 2,097,152 rows or some 67
// million names in lists; Arrow cannot read a column of lists with 2 GiB of text in
// one row group. See [Writer] for what it holds in memory. A file has up to 32,767
// row groups. Files are not encrypted, and have no page index.
package enrichparquet
