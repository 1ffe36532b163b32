// Package pdnsparquet reads passive DNS rows from Parquet files into a
// [pdns.Builder], or as records.
//
// # Terms
//
// A row is one record, or one for each element where the column of data is a
// list. Rows do not tell what was asked, unless there is a column Query; as
// with COF text, [pdns.Builder] rebuilds the names asked for from the CNAME
// rows. [Columns] names the columns and lists their usual names.
//
// # Use
//
//	files := pdnsparquet.Files{Patterns: []string{"dns/*.parquet"}}
//	b := pdns.Builder{Filter: seen}
//	counts, err := files.Fill(ctx, &b, func(pe *pdns.ParseError) { log.Print(pe) })
//	if err != nil {
//		return err
//	}
//	idx, err := b.Build(ctx)
//
// [Files.Fill] gives the Index that the same rows give in any other format. It
// reads columns and not rows: those of type and data first; a value of a
// dictionary is parsed and asked about once, however many rows have it; and no
// name is touched of a row whose address the Filter has not. Pages of the other
// columns that no row is wanted from are not decompressed, but for dictionaries.
// The Builder's limit of memory is divided among the workers. [Files.Read] gives
// records to those who want rows. [IsParquet] tells such files from texts, and
// [Mixed] takes both.
//
// Of 3 million rows with a skew such as exports have (Zstandard, 17 bytes a row,
// dictionaries that overflow; the package's benchmark), one worker brought so many
// million a second into the finished Index (one core of an AMD EPYC, Go 1.26.8):
//
//	                                          2 % on seen addresses     80 %
//	CNAME rows                                none        12 %          none  12 %
//	everything kept                           7.1         4.9           3.3   2.7
//	pdns.Builder.NoTimes                      9.1         6.3           4.5   3.6
//	NoTimes and NoCNAMEs                      9.0         8.9           4.3   4.1
//
// # What is read
//
// Names and types are byte arrays, marked as text or not; types may be numbers.
// Data is text, or the 4 or 16 bytes of an address, or a list of either in
// three levels (Arrow, Spark, DuckDB) or two. Times are seconds, or what their
// logical type says, or INT96, or whole numbers in a column whose name ends in
// _ms, _us or _ns; they are kept in microseconds. Columns may be optional. A row
// without data is skipped, as one of another type than A, AAAA and CNAME is; one
// without a name or a type is an error.
//
// Codecs: none, Snappy, gzip, Zstandard, Brotli and LZ4_RAW. Encodings: PLAIN,
// dictionaries, DELTA_BINARY_PACKED, DELTA_LENGTH_BYTE_ARRAY, DELTA_BYTE_ARRAY
// and BYTE_STREAM_SPLIT. Pages of either version. A page that has a checksum is
// checked; one of 0 cannot be told from none.
//
// # Errors and limits
//
// A [pdns.ParseError] says file, row (from 1, in Line) and column (in Field). A
// row group that cannot be read to its end is one that is [pdns.ErrDamaged], at
// the first row that could not be read; so is a file of which nothing can be
// read, or without the columns asked for. Other row groups and files are read
// all the same, and so the result does not depend on the number of workers.
//
// A file may be damaged in any way: what it says of sizes is checked before it
// is believed. A footer has at most 64 MiB, a page 256 MiB when decompressed and
// 64 Mi values; more is damage. Memory is in proportion to the largest pages and
// dictionaries of the columns that are read, for each worker.
//
// Of the Parquet library (parquet-go) the decoders of metadata and of the delta
// and split encodings are used. Pages are walked, decompressed and unpacked
// here, since the library's reader of pages allocates what a page's header or a
// run's length says, takes the codec of a file's first row group for that of
// all, writes warnings to standard error, and does not come back from a damaged
// LZ4 page.
//
// # What it does not claim
//
// Encrypted files, columns in files of their own, LZO and the older framed LZ4,
// and levels in the deprecated BIT_PACKED encoding are refused with an error.
// Statistics, page indexes and Bloom filters in the files are not used: rows
// are not ordered by address in any export known to us.
package pdnsparquet
