package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"

	"github.com/parquet-go/parquet-go"
)

// annotates reports whether the task is one of enriched flows: annotate, with
// the list of names at each flow, or factored, with the names of each address in
// a file of their own.
func (o options) annotates() bool { return o.task == "annotate" || o.task == "factored" }

// annotateCommand is the command line of annotate, to which -expand is added for
// lists.
const annotateCommand = "annotate -flows FLOWS -flow-format nvm -pdns DNS -pdns-format parquet -direction paper -names owner -memory MEMORY -o OUT"

// annotateSQL writes what annotate writes: every flow, in the columns that
// annotate has, less three that cost next to nothing (what a label goes by, which
// fields a record lacks, what speaks for a name). Text of the input is taken as it
// is, where annotate parses numbers and addresses and makes pseudonyms.
func annotateSQL(in input, factored bool, out string) []phase {
	const flows = macros + `
CREATE TEMP VIEW read AS
SELECT *, CASE direction WHEN 'Inbound' THEN src ELSE dst END AS remote FROM (
	SELECT fss AS start, fes AS "end", udid AS device, osn AS os, pn AS app, ppn AS parent, pr AS proto, sa AS src, sp AS src_port, da AS dst, dp AS dst_port,
		CASE WHEN missing(sa) OR missing(da) THEN 'Unknown' WHEN private(sa) AND private(da) THEN 'Internal' WHEN private(sa) THEN 'Outbound'
			WHEN private(da) THEN 'Inbound' ELSE 'NAT' END AS direction, dh AS sensor_name, obc AS tx_bytes, ibc AS rx_bytes
	FROM read_json('$FLOWS', format = 'newline_delimited', columns = {
		fss: 'BIGINT', fes: 'BIGINT', udid: 'VARCHAR', osn: 'VARCHAR', pn: 'VARCHAR', ppn: 'VARCHAR', pr: 'VARCHAR',
		sa: 'VARCHAR', sp: 'USMALLINT', da: 'VARCHAR', dp: 'USMALLINT', dh: 'VARCHAR', obc: 'UBIGINT', ibc: 'UBIGINT'})
	WHERE NOT (pr IS NULL AND osn IS NOT NULL AND da IS NULL));`
	if factored {
		return in.fill(out,
			do("flows", flows+`
COPY read TO '$OUT' (FORMAT parquet, COMPRESSION zstd);
CREATE TEMP TABLE addrs AS SELECT DISTINCT remote AS address FROM read_parquet('$OUT');`),
			do("names", `
COPY (
	SELECT DISTINCT rdata AS address, lower(rtrim(rrname, '.')) AS name FROM read_parquet('$DNS') SEMI JOIN addrs ON rdata = address WHERE rrtype IN ('A', 'AAAA')
) TO '$OUT.names' (FORMAT parquet, COMPRESSION zstd);`))
	}
	return in.fill(out,
		do("flows", flows+`
CREATE TEMP TABLE flows AS FROM read;
CREATE TEMP TABLE addrs AS SELECT DISTINCT remote AS address FROM flows;`),
		do("names", `
CREATE TEMP TABLE named AS
SELECT rdata AS address, list(DISTINCT lower(rtrim(rrname, '.'))) AS names
FROM read_parquet('$DNS') SEMI JOIN addrs ON rdata = address WHERE rrtype IN ('A', 'AAAA') GROUP BY ALL;`),
		do("join and write", `
COPY (SELECT flows.*, names FROM flows LEFT JOIN named ON remote = address) TO '$OUT' (FORMAT parquet, COMPRESSION zstd);`))
}

// checkSQL fails unless both sides have as many flows of each direction and as many
// names with them, of the flows whose sensor knew no name: that is in annotate's
// list too.
func checkSQL(in input, factored bool, ours, theirs string) []phase {
	const count = `SELECT string_agg(c, ', ' ORDER BY c) FROM (SELECT count(*) || ' ' || direction || ' with ' || coalesce(sum(n), 0) || ' names' AS c FROM `
	side := func(file, names string) string {
		if factored {
			return count + `(SELECT direction, n FROM read_parquet('` + quoted(file) + `') LEFT JOIN (SELECT address, count(*) AS n FROM read_parquet('` + quoted(names) + `') GROUP BY ALL) ON remote = address WHERE missing(sensor_name)) GROUP BY direction)`
		}
		return count + `(SELECT direction, len(names) AS n FROM read_parquet('` + quoted(file) + `') WHERE missing(sensor_name)) GROUP BY direction)`
	}
	mine, his := side(ours, namesFile(ours)), side(theirs, theirs+".names")
	return in.fill(ours, do("macros", macros), ask("check", `
SELECT CASE WHEN mine = his THEN mine ELSE error('annotate has ' || mine || '; DuckDB ' || his) END FROM (SELECT (`+mine+`) AS mine, (`+his+`) AS his)`))
}

// namesFile is where annotate writes names beside flows.
func namesFile(flows string) string { return flows[:len(flows)-len(".parquet")] + ".names.parquet" }

// annotateRound runs annotate and DuckDB, and requires that they name as much.
func (r *runner) annotateRound(ctx context.Context, swap bool) (ours, theirs cost, err error) {
	factored := r.task == "factored"
	mine, his := filepath.Join(r.work, "annotate.parquet"), filepath.Join(r.work, "duckdb.parquet")
	line := annotateCommand
	if !factored {
		line += " -expand"
	}
	sides := []func() error{
		func() (err error) { ours, err = r.run(r.command(ctx, line, mine, r.memory)); return },
		func() (err error) { theirs, err = r.duckdb(ctx, annotateSQL(r.input, factored, his)); return },
	}
	if swap {
		slices.Reverse(sides)
	}
	for _, side := range sides {
		if err := side(); err != nil {
			return ours, theirs, err
		}
	}
	if _, err := r.duckdb(ctx, checkSQL(r.input, factored, mine, his)); err != nil {
		return ours, theirs, err
	}
	err = errors.Join(ours.measure(mine, namesFile(mine)), theirs.measure(his, his+".names"))
	return ours, theirs, err
}

// measure counts the flows and bytes of Parquet files, the first that of flows,
// and removes them.
func (c *cost) measure(names ...string) error {
	for i, name := range names {
		f, err := os.Open(name)
		if i > 0 && errors.Is(err, os.ErrNotExist) {
			return nil
		} else if err != nil {
			return err
		}
		defer f.Close()
		info, err := f.Stat()
		if err != nil {
			return err
		}
		c.Bytes += info.Size()
		if i == 0 {
			file, err := parquet.OpenFile(f, info.Size())
			if err != nil {
				return err
			}
			c.Flows = file.NumRows()
		}
		if err := os.Remove(name); err != nil {
			return err
		}
	}
	return nil
}
